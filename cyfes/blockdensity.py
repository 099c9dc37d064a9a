"""A density that is summed in blocks of successive frames, and how long these must be."""

from itertools import pairwise

import numpy as np

from cyfes.blocks import BlockSums, Ledger
from cyfes.correlation import Correlation, RegionSeries, slowest
from cyfes.density import Density
from cyfes.errors import GridTooLargeError
from cyfes.grid import free_memory

#: Blocks on a grid, where no number is asked for, and fewest that are summed for want of memory.
BLOCKS, FEWEST = 64, 16

#: Parts that each CV is cut into to look for what moves slowly.
SLICES = 16


class BlockDensity:
    """A density, the sums over blocks that it is made of, and the weights in slices of each CV.

    The density is the sum of its blocks; no frame is summed twice. ``n_blocks`` (None: BLOCKS) of
    ``n_frames`` in ``n_files``, or up to twice as many of what a stream brings (n_frames None).
    Where the memory does not suffice the blocks are float32, then fewer; ``note`` says so.
    Raises GridTooLargeError where not even those fit.
    """

    def __init__(
        self,
        density: Density,
        n_blocks: int | None = None,
        n_frames: int | None = None,
        n_files: int = 1,
    ) -> None:
        self.total = density
        grid = density.grid
        self.note = ""
        most, dtype = self._fitting(n_blocks or BLOCKS, n_frames is None)
        length, capacity = 1, 2 * most
        if n_frames is not None:
            length = max(1, -(-n_frames // most))
            capacity = min(capacity, -(-n_frames // length) + n_files)
        self._ledger = Ledger(max(2, capacity), length)
        n = len(self._ledger.counts)
        self._values: np.ndarray = np.zeros((n, *grid.shape), dtype)
        self._exponents = np.zeros(n, np.int64)
        self._sums = np.zeros((n, 2))
        self._slices = [RegionSeries(SLICES) for _ in grid.names]

    def _fitting(self, n_blocks: int, doubles: bool) -> tuple[int, type]:
        """(number of blocks, dtype) that fit in half of the free memory."""
        size, free = self.total.grid.size * (1 + doubles), free_memory() // 2
        for n, dtype in ((n_blocks, np.float64), (n_blocks, np.float32)):
            if n * size * np.dtype(dtype).itemsize <= free:
                return self._noted(n, dtype, n_blocks)
        n = n_blocks
        while n // 2 >= min(FEWEST, n_blocks):
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

    def add(self, values: np.ndarray, bandwidth: np.ndarray, log_weights: np.ndarray) -> None:
        """Add frames: values float64[n, d], bandwidth float64[1, d], ln w float64[n]."""
        self._add_slices(values, log_weights)
        done = 0
        while done < len(values):
            index = self._ledger.assign(len(values) - done)
            if not len(index):
                n = self._ledger.n
                self._join(self._ledger.join(), n)
                continue
            for block, count in enumerate(np.bincount(index - index[0]).tolist(), int(index[0])):
                rows = slice(done, done + count)
                part = self.total.part()
                part.add(values[rows], bandwidth, log_weights=log_weights[rows])
                self._keep(block, part)
                self.total.merge(part)
                done = rows.stop

    def end_file(self) -> None:
        """Let the next frame begin a block of its own."""
        self._ledger.end_file()
        for series in self._slices:
            series.end_file()

    def blocks(self) -> BlockSums:
        """Return the sums over the blocks, weights divided by 2^exponent of the density."""
        n = self._ledger.n
        self._join(self._ledger.join_rests(), n)
        n = self._ledger.n
        shift = self._exponents[:n] - self.total.exponent
        for values, by in zip(self._values[:n], shift):
            if by:
                np.ldexp(values, int(by), out=values)
        self._exponents[:n] = self.total.exponent
        self._sums[:n] = np.ldexp(self._sums[:n], np.stack([shift, 2 * shift], axis=1))
        sums = self._sums[:n]
        return BlockSums(self._values[:n], sums[:, 0], sums[:, 1], self._ledger.counts[:n])

    def correlation(self) -> Correlation:
        """Return how long the frames remember where they are, along the slowest CV."""
        return slowest([series.of_splits() for series in self._slices])

    def _add_slices(self, values: np.ndarray, log_weights: np.ndarray) -> None:
        grid = self.total.grid
        for column, low, high, wraps, series in zip(
            values.T, grid.lower, grid.upper, grid.periodic, self._slices
        ):
            place = (column - low) / (high - low)
            place = place % 1.0 if wraps else np.clip(place, 0.0, 1.0)
            series.add(log_weights, np.minimum((place * SLICES).astype(int), SLICES - 1))

    def _keep(self, block: int, part: Density) -> None:
        """Add a density to a block, at the larger of their exponents."""
        if not self._sums[block].any():
            self._exponents[block] = part.exponent
        self._raise_exponent(block, part.exponent)
        by = part.exponent - int(self._exponents[block])
        self._values[block] += np.ldexp(part.values, by)
        self._sums[block] += np.ldexp(part.sums, (by, 2 * by))

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
