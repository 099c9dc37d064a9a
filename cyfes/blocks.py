"""Sums over blocks of successive frames: errors, halves and replicas follow from them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cyfes.errors import InputError

#: Grid points looked at in one go where there are replicas of them.
POINTS = 1 << 12


class Ledger:
    """Which block each frame belongs to: blocks of ``length`` frames, none across two files.

    How many frames there will be need not be known: when ``capacity`` blocks are full, ``join``
    makes one of every two and doubles ``length``. ``counts`` and ``files`` of the ``n`` blocks are
    int64[capacity].
    """

    def __init__(self, capacity: int, length: int = 1) -> None:
        self.counts = np.zeros(capacity, np.int64)
        self.files = np.zeros(capacity, np.int64)
        self.n = 0
        self.length = length
        self._file = 0
        self._is_open = False

    def assign(self, n: int) -> tuple[int, np.ndarray]:
        """Return (first block, frames in it and in those after it, int64[k]) of the next frames.

        These are fewer than ``n`` where all blocks are full, none where there is no room.
        """
        first = self.n - self._is_open
        inside = int(self.counts[first]) if self._is_open else 0
        taken = min(n, (len(self.counts) - first) * self.length - inside)
        if not taken:
            return first, np.zeros(0, np.int64)
        ends = np.arange(1, -(-(inside + taken) // self.length) + 1) * self.length - inside
        counts = np.diff(np.minimum(ends, taken), prepend=0)
        self.n, self._is_open = first + len(counts), True
        self.counts[first : self.n] += counts
        self.files[first : self.n] = self._file
        return first, counts

    def end_file(self) -> None:
        """Let the next frame begin a block of its own."""
        self._file += 1
        self._is_open = False

    def join(self) -> np.ndarray:
        """Join neighbours; return the first of the blocks that make each new one, int64.

        Blocks of two files are joined only where that leaves too many.
        """
        self.length *= 2
        starts = self._pairs(self.files)
        if 4 * len(starts) > 3 * self.n:
            starts = self._pairs(np.zeros_like(self.files))
        self._apply(starts)
        return starts

    def join_rests(self) -> np.ndarray:
        """Join what is shorter than half a block, at the end of a file, to the one before it."""
        counts, files = self.counts[: self.n], self.files[: self.n]
        short = np.zeros(self.n, bool)
        short[1:] = (2 * counts[1:] < self.length) & (files[1:] == files[:-1])
        starts = np.flatnonzero(~short)
        self._apply(starts)
        return starts

    def _pairs(self, files: np.ndarray) -> np.ndarray:
        """The first blocks of pairs of the same file, and those without a partner."""
        place = np.arange(self.n)
        begins = np.diff(files[: self.n], prepend=-1) != 0
        first = np.maximum.accumulate(np.where(begins, place, 0))
        return np.flatnonzero((place - first) % 2 == 0)

    def _apply(self, starts: np.ndarray) -> None:
        counts, files = np.add.reduceat(self.counts[: self.n], starts), self.files[starts]
        self.n = len(starts)
        for mine, new in ((self.counts, counts), (self.files, files)):
            mine[: self.n], mine[self.n :] = new, 0


class GivenBlocks(Ledger):
    """Blocks that end where it is given, after so many frames, whatever the files."""

    def __init__(self, ends: np.ndarray) -> None:
        super().__init__(len(ends))
        self._ends = ends

    def assign(self, n: int) -> tuple[int, np.ndarray]:
        """Return (first block, frames in it and in those after it) of the next frames."""
        done = int(self.counts.sum())
        first = int(np.searchsorted(self._ends, done, "right"))
        last = int(np.searchsorted(self._ends, done + n, "left"))
        ends = np.minimum(self._ends[first : last + 1], done + n)
        counts = np.diff(ends, prepend=done)
        self.n = last + 1
        self.counts[first : self.n] += counts
        return first, counts

    def end_file(self) -> None:
        """Nothing ends with a file."""

    def join_rests(self) -> np.ndarray:
        """No block is joined to another."""
        return np.arange(self.n)


@dataclass(frozen=True, eq=False)
class BlockSums:
    """Sums over B blocks of successive frames, weights in a unit of their own.

    ``values`` float[B, ...]: sum of w K at each point; ``weights`` and ``squares`` float64[B]: sums
    of w and of w^2; ``counts`` int64[B]: frames.
    """

    values: np.ndarray
    weights: np.ndarray
    squares: np.ndarray
    counts: np.ndarray

    def __len__(self) -> int:
        return len(self.weights)

    @property
    def length(self) -> float:
        """Mean number of frames of a block."""
        return float(self.counts.sum()) / len(self)

    @property
    def effective_number(self) -> float:
        """Kish's (sum W)^2 / sum W^2 of the weights of the blocks."""
        return float(self.weights.sum() ** 2 / (self.weights**2).sum())

    def joined(self, n: int) -> "BlockSums":
        """Return the sums over blocks of ``n`` neighbours each; itself for 1."""
        return self if n == 1 else self.grouped(np.arange(0, len(self), n))

    def grouped(self, starts: np.ndarray) -> "BlockSums":
        """Return the sums over blocks from each of ``starts`` to the next, int64, from 0 on."""
        return replace(
            self,
            values=np.add.reduceat(self.values, starts),
            weights=np.add.reduceat(self.weights, starts),
            squares=np.add.reduceat(self.squares, starts),
            counts=np.add.reduceat(self.counts, starts),
        )

    def backwards(self) -> "BlockSums":
        """Return the same blocks, the last one first."""
        return replace(
            self,
            values=self.values[::-1],
            weights=self.weights[::-1],
            squares=self.squares[::-1],
            counts=self.counts[::-1],
        )

    def mean(self, rows: slice = slice(None)) -> np.ndarray:
        """Return sum w K / sum w over some of the blocks: all, a half, all up to one of them."""
        total = self.values[rows].sum(axis=0, dtype=np.float64)
        return np.asarray(total / self.weights[rows].sum())

    def ratios(self, point: tuple[int, ...]) -> np.ndarray:
        """Return the share that each block has in the sum at a point, float64[B]; they add to 1."""
        where: Any = (slice(None), *point)
        values = self.values[where].astype(np.float64)
        return np.asarray(values / values.sum())

    def spread(self, influences: np.ndarray) -> np.ndarray:
        """Return sqrt(n / (n - 1) sum_b d_b^2), the standard error of what block b of n changes by
        d_b, float64[B, ...]: ln of a ratio of two sums by the difference of its shares in them."""
        n = len(self)
        return np.asarray(np.sqrt(n / max(n - 1, 1) * (influences**2).sum(axis=0)))

    def relative_error(self, at: tuple[int, ...] | None = None) -> np.ndarray:
        """Return the standard error of P = sum w K / sum w, relative to P; inf where P is zero.

        ``at`` a point: of P over P there, with what block b adds there in place of W_b below.

        sqrt(n / (n - 1) sum_b (W_b / W)^2 (P_b / P - 1)^2), W_b = sum w in block b of n: what each
        block does to ln P. P is averaged, never its logarithm. (Invernizzi, Piaggi and Parrinello
        2020 weigh by W_b / W / (n_eff - 1) instead of (W_b / W)^2 n / (n - 1), which is the same
        for equal W_b, and up to twice as much where they follow the visits of a basin.)
        """
        total = self.values.sum(axis=0, dtype=np.float64)
        where: Any = (slice(None), *(at or ()))
        added = self.weights if at is None else self.values[where]
        n, shares = len(self), added / added.sum(dtype=np.float64)
        squares = np.zeros(total.shape)
        with np.errstate(divide="ignore", invalid="ignore"):
            for values, share in zip(self.values, shares):
                squares += (values / total - share) ** 2
        return np.where(total > 0, np.sqrt(n / max(n - 1, 1) * squares), np.inf)

    def contributing(self) -> np.ndarray:
        """Return how many blocks each point is made of, (sum_b D_b)^2 / sum_b D_b^2."""
        squares = np.zeros(self.values.shape[1:])
        for values in self.values:
            squares += values.astype(np.float64) ** 2
        total = self.values.sum(axis=0, dtype=np.float64)
        with np.errstate(invalid="ignore"):
            return np.where(squares > 0, total**2 / squares, 0.0)

    def replicas(self, n: int, seed: int = 0) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield (points, ln(P* / P) float64[n, points]) of ``n`` bootstrap replicas.

        Each draws B blocks with replacement, one matrix product for all, to single precision;
        points count along the flattened grid. The same seed draws the same blocks.
        """
        draws = np.random.default_rng(seed).multinomial(
            len(self), np.full(len(self), 1 / len(self)), n
        )
        flat = self.values.reshape(len(self), -1)
        total = flat.sum(axis=0, dtype=np.float64)
        factors = (draws / (draws @ (self.weights / self.weights.sum()))[:, None]).astype("f4")
        for start in range(0, flat.shape[1], POINTS):
            points = slice(start, min(start + POINTS, flat.shape[1]))
            with np.errstate(divide="ignore", invalid="ignore"):
                shares = (flat[:, points] / total[points]).astype("f4")
                yield points, np.log(factors @ shares)

    def bootstrap_error(self, n: int, seed: int = 0) -> np.ndarray:
        """Return the standard deviation of ln P over ``n`` replicas; inf where P can be zero."""
        error = np.empty(self.values[0].size)
        with np.errstate(invalid="ignore"):
            for points, logs in self.replicas(n, seed):
                error[points] = np.std(logs, axis=0, ddof=1, dtype=np.float64)
        error = error.reshape(self.values.shape[1:])
        # n blocks drawn from n vary by (n - 1) / n of what n blocks do.
        error *= math.sqrt(len(self) / (len(self) - 1))
        return np.where(np.isfinite(error), error, np.inf)


def t_quantile(level: float, degrees: float) -> float:
    """Return t with P(|T| < t) = ``level`` for Student's t of ``degrees`` > 0 degrees of freedom.

    By the expansion in 1 / degrees about the normal quantile, good to 1e-3 from 4 degrees on
    (Abramowitz and Stegun 26.7.5). Raises InputError for a level that is none.
    """
    if not 0 <= level < 1:
        raise InputError(f"the level of an interval must be a share, 0 <= level < 1, got {level}")
    from statistics import NormalDist  # which loads random and decimal

    z = NormalDist().inv_cdf(0.5 + level / 2)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / degrees ** (k + 1) for k, term in enumerate(terms))
