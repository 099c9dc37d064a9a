"""A density that is summed in blocks of successive frames, and how long these must be."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from cyfes.blocks import BlockSums, GivenBlocks, Ledger
from cyfes.correlation import Correlation, RegionSeries
from cyfes.density import Density
from cyfes.errors import GridTooLargeError
from cyfes.grid import free_memory
from cyfes.net import Block, Net
from cyfes.uncertainty import ErrorRequest, Uncertainty, joined_blocks

#: Blocks on a grid, where no number is asked for, and fewest that are summed for want of memory.
BLOCKS, FEWEST = 64, 16

#: Parts that each CV is cut into to look for what moves slowly, a power of two.
SLICES = 16

#: Frames whose slices are found in one go: what the cache holds.
FRAMES = 1 << 15

#: Blocks that go to the grid at once.
AT_ONCE = 16


class BlockDensity:
    """A density, the sums over blocks beside it, and the weights in slices of each CV.

    ``n_blocks`` (None: BLOCKS) of ``n_frames`` of one ``bandwidth`` float64[d] in ``n_files``, or
    up to twice as many of what a stream brings (n_frames None); or blocks that end at the frames
    ``ends`` int64[B], whatever the files. With one or two CVs blocks are summed at the nodes of a
    Net, else on the grid, and then the density is the sum of its blocks. Where the memory does not
    suffice the blocks are float32, then fewer; ``note`` says so.
    Raises GridTooLargeError where not even those fit.
    """

    def __init__(
        self,
        density: Density,
        bandwidth: np.ndarray,
        n_blocks: int | None = None,
        n_frames: int | None = None,
        n_files: int = 1,
        ends: np.ndarray | None = None,
    ) -> None:
        self.total = density
        self._bandwidth = bandwidth
        grid = density.grid
        self._net = Net.of(grid, bandwidth, density.cutoff, density.n_threads)
        self._shape = grid.shape if self._net is None else self._net.shape
        self.note = ""
        if ends is not None:
            n_blocks, n_frames = len(ends), int(ends[-1])
        most, dtype = self._fitting(n_blocks or BLOCKS, n_frames is None, ends is not None)
        self._ledger = _ledger(most, n_frames, n_files) if ends is None else GivenBlocks(ends)
        n = len(self._ledger.counts)
        self._values: np.ndarray = np.zeros((n, *self._shape), dtype)
        self._exponents = np.zeros(n, np.int64)
        self._sums = np.zeros((n, 2))
        self._slices = RegionSeries(SLICES, grid.n_dims, n_frames or 1)

    def _fitting(self, n_blocks: int, doubles: bool, all_of_them: bool) -> tuple[int, type]:
        """(number of blocks, dtype) that fit in half of the free memory."""
        nodes = 0 if self._net is None else math.prod(self._shape)  # which go to the grid
        size, free = (self.total.grid.size + nodes) * (1 + doubles), free_memory() // 2
        for n, dtype in ((n_blocks, np.float64), (n_blocks, np.float32)):
            if n * size * np.dtype(dtype).itemsize <= free:
                return self._noted(n, dtype, n_blocks)
        n = n_blocks
        while not all_of_them and n // 2 >= min(FEWEST, n_blocks):
            n //= 2
            if n * size * 4 <= free:
                return self._noted(n, np.float32, n_blocks)
        raise GridTooLargeError(
            f"{n} blocks of a grid of {' x '.join(map(str, self.total.grid.shape))} points, which "
            f"errors need, take {n * size * 4 / 2**30:.3g} GiB; {2 * free / 2**30:.3g} GiB are "
            "free: ask for a coarser grid"
        )

    def _noted(self, n: int, dtype: type, wanted: int) -> tuple[int, type]:
        if dtype is not np.float64 or n < wanted:
            kind = np.dtype(dtype).name
            self.note = f"{n} blocks of {kind} fit in memory, not {wanted} of float64"
        return n, dtype

    def add(self, values: np.ndarray, log_weights: np.ndarray) -> None:
        """Add frames: values float64[n, d], ln w float64[n]."""
        if self._net is not None:  # which also refuses what is not finite
            self.total.add(values, self._bandwidth[None], log_weights=log_weights)
        done = 0
        while done < len(values):
            first, counts = self._ledger.assign(len(values) - done)
            if not len(counts):
                n = self._ledger.n
                self._join(self._ledger.join(), n)
                continue
            rows = slice(done, done + int(counts.sum()))
            done = rows.stop
            parts = self._sums_of(values[rows], log_weights[rows], np.cumsum(counts))
            for block, part in enumerate(parts, first):
                self._keep(block, *part)
        for start in range(0, len(values), FRAMES):
            some = slice(start, start + FRAMES)
            self._slices.add(log_weights[some], *self._slices_of(values[some]))

    def _sums_of(
        self, values: np.ndarray, log_weights: np.ndarray, ends: np.ndarray
    ) -> Iterator[Block]:
        """Yield what each block adds; the density too, where there is no net."""
        if self._net is not None:
            yield from self._net.blocks(values, log_weights, ends)
            return
        for start, stop in pairwise([0, *ends.tolist()]):
            part = self.total.part()
            part.add(values[start:stop], self._bandwidth[None], log_weights=log_weights[start:stop])
            self.total.merge(part)
            yield part.values, part.exponent, part.sums

    def end_file(self) -> None:
        """Let the next frame begin a block of its own."""
        self._ledger.end_file()
        self._slices.end_file()

    def uncertainty(self, request: ErrorRequest) -> Uncertainty:
        """Return the blocks, as many as are independent or wanted, and what they rest on."""
        correlation = self.correlation()
        n = self._whole_blocks()
        length = float(self._ledger.counts[:n].sum()) / n
        join = 1 if request.blocks else joined_blocks(n, length, correlation)
        return Uncertainty.of(self.blocks(join), correlation, request, self.note)

    def blocks(self, join: int = 1) -> BlockSums:
        """Return the sums over the blocks, or over ``join`` of them each, on the grid.

        Weights are divided by 2^exponent of the density. It ends the adding.
        """
        n = self._whole_blocks()
        starts = np.arange(0, n, join)
        counts = np.add.reduceat(self._ledger.counts[:n], starts)
        self._join(starts, n)
        n = len(starts)
        shift = self._exponents[:n] - self.total.exponent
        sums = np.ldexp(self._sums[:n], np.stack([shift, 2 * shift], axis=1))
        values = self._on_grid(n)
        for block, by in zip(values, shift.tolist()):
            if by:
                np.ldexp(block, by, out=block)
        return BlockSums(values, sums[:, 0], sums[:, 1], counts)

    def _on_grid(self, n: int) -> np.ndarray:
        """The sums of the first ``n`` blocks, float[n, *grid.shape]."""
        if self._net is None:
            return self._values[:n]
        values = np.empty((n, *self.total.grid.shape), self._values.dtype)
        for start in range(0, n, AT_ONCE):
            rows = slice(start, min(start + AT_ONCE, n))
            values[rows] = self._net.on_grid(self._values[rows])
        self._values = values[:0]
        return values

    def _whole_blocks(self) -> int:
        """The number of blocks once short ones have joined those before them."""
        n = self._ledger.n
        self._join(self._ledger.join_rests(), n)
        return self._ledger.n

    def correlation(self) -> Correlation:
        """Return how long the frames remember where they are, along the slowest CV."""
        return self._slices.of_splits()

    def _slices_of(self, values: np.ndarray) -> Iterator[np.ndarray]:
        """The slice of each frame along each CV, int64[n]."""
        grid = self.total.grid
        for column, low, length, wraps in zip(values.T, grid.lower, grid.lengths, grid.periodic):
            place = np.subtract(column, low)
            place *= SLICES / length
            index = np.floor(place, out=place).astype(np.int64)
            if wraps:
                index &= SLICES - 1
            else:
                np.minimum(index, SLICES - 1, out=index)
                np.maximum(index, 0, out=index)
            yield index

    def _keep(self, block: int, values: np.ndarray, exponent: int, sums: Sequence[float]) -> None:
        """Add sums to a block, at the larger of their exponents."""
        if not self._sums[block].any():
            self._exponents[block] = exponent
        self._raise_exponent(block, exponent)
        by = exponent - int(self._exponents[block])
        self._values[block] += np.ldexp(values, by) if by else values
        self._sums[block] += np.ldexp(sums, (by, 2 * by))

    def _raise_exponent(self, block: int, exponent: int) -> None:
        by = int(self._exponents[block]) - exponent
        if by < 0:
            self._values[block] = np.ldexp(self._values[block], by)
            self._sums[block] = np.ldexp(self._sums[block], (by, 2 * by))
            self._exponents[block] = exponent

    def _join(self, starts: np.ndarray, n: int) -> None:
        """Make one block of all from each start to the next, of ``n`` blocks."""
        for new, (start, stop) in enumerate(pairwise([*starts.tolist(), n])):
            for block in range(start + 1, stop):
                self._merge_blocks(start, block)
            if start != new:
                self._move(start, new)

    def _merge_blocks(self, block: int, other: int) -> None:
        self._raise_exponent(block, int(self._exponents[other]))
        by = int(self._exponents[other] - self._exponents[block])
        self._values[block] += np.ldexp(self._values[other], by)
        self._sums[block] += np.ldexp(self._sums[other], (by, 2 * by))
        self._values[other], self._sums[other] = 0.0, 0.0

    def _move(self, block: int, to: int) -> None:
        for array in (self._values, self._exponents, self._sums):
            array[to] = array[block]
            array[block] = 0


def _ledger(most: int, n_frames: int | None, n_files: int) -> Ledger:
    """Up to ``most`` blocks of frames whose number is known, or twice as many of a stream."""
    length, capacity = 1, 2 * most
    if n_frames is not None:
        length = max(1, -(-n_frames // most))
        capacity = min(capacity, -(-n_frames // length) + n_files)
    return Ledger(max(2, capacity), length)
