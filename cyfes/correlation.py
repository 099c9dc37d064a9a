"""How long frames remember: the length that blocks need for their errors to be right."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cyfes.blocks import Ledger

#: Blocks of the series that correlation times are measured on: between this and twice as many.
FINE = 4096

#: A block is long enough from so many correlation times on: errors then are 5 % too small at most.
INDEPENDENT = 5.0

#: Shorter runs, in correlation times, tell neither that time nor their error.
LEAST_TIMES = 100.0

#: Numbers of blocks: most that are of use, and fewest that an error is taken from.
MOST, FEWEST = 128, 16

#: An error grows with the length of blocks if by so many standard deviations of its estimate.
SIGNIFICANT = 3.0

#: What is split off with fewer effective frames has no correlation time.
FEW_FRAMES = 30.0


@dataclass(frozen=True)
class Correlation:
    """The integrated correlation ``time`` of a series of ``n_frames``, in frames, and what blocks
    it needs: ``least`` frames each. ``problem`` says why errors are lower bounds, or is empty."""

    time: float
    least: float
    n_frames: int
    problem: str = ""


class RegionSeries:
    """Sums of weights in each of ``n_regions`` over many short blocks of successive frames.

    Weights are logarithms of any size; what is kept are their sums, times exp(-``log_unit``).
    """

    def __init__(self, n_regions: int) -> None:
        self._ledger = Ledger(2 * FINE)
        self._sums = np.zeros((2 * FINE, n_regions))
        self.squares = np.zeros(n_regions)
        self.log_unit = -math.inf

    @property
    def n_frames(self) -> int:
        """Number of frames added."""
        return int(self._ledger.counts.sum())

    @property
    def sums(self) -> np.ndarray:
        """Sums of the weights of each block in each region, float64[B, n_regions]."""
        return self._sums[: self._ledger.n]

    @property
    def counts(self) -> np.ndarray:
        """Number of frames of each block, int64[B]."""
        return self._ledger.counts[: self._ledger.n]

    def add(self, log_weights: np.ndarray, labels: np.ndarray) -> None:
        """Add frames: ln w float64[n] and the region of each, int64[n]."""
        weights = self._scaled(log_weights)
        n_regions = len(self.squares)
        self.squares += np.bincount(labels, weights**2, n_regions)
        done = 0
        while done < len(weights):
            index = self._ledger.assign(len(weights) - done)
            if not len(index):
                self._join()
                continue
            rows, done = slice(done, done + len(index)), done + len(index)
            cell = (index - index[0]) * n_regions + labels[rows]
            n_blocks = int(index[-1] - index[0]) + 1
            part = np.bincount(cell, weights[rows], n_blocks * n_regions)
            self._sums[index[0] : index[-1] + 1] += part.reshape(n_blocks, n_regions)

    def end_file(self) -> None:
        """Let the next frame begin a block of its own."""
        self._ledger.end_file()

    def _scaled(self, log_weights: np.ndarray) -> np.ndarray:
        highest = float(log_weights.max(initial=-math.inf))
        if highest > self.log_unit:
            shrink = math.exp(self.log_unit - highest)
            self._sums *= shrink
            self.squares *= shrink**2
            self.log_unit = highest
        if self.log_unit == -math.inf:
            return np.zeros(len(log_weights))
        return np.asarray(np.exp(log_weights - self.log_unit))

    def _join(self) -> None:
        n = self._ledger.n
        starts = self._ledger.join()
        joined = np.add.reduceat(self._sums[:n], starts)
        self._sums[: len(starts)], self._sums[len(starts) :] = joined, 0.0

    def of_difference(self, a: int, b: int) -> Correlation:
        """Return the correlation of ln(sum of w in region b / sum of w in region a)."""
        return _correlation([_influence(self.sums[:, [a, b]], self.squares[[a, b]])], self.n_frames)

    def of_splits(self) -> Correlation:
        """Return the correlation of ln(sum of w beyond a border / sum of w before it).

        Of all borders between two regions, the slowest.
        """
        table = np.vstack([self.sums, self.squares])
        before, beyond = np.cumsum(table, axis=1), np.cumsum(table[:, ::-1], axis=1)[:, ::-1]
        series = []
        for k in range(table.shape[1] - 1):
            both = np.stack([before[:, k], beyond[:, k + 1]], axis=1)
            sums, squares = both[:-1], both[-1]
            if np.all(sums.sum(axis=0) ** 2 > FEW_FRAMES * squares):
                series.append(_influence(sums, squares))
        return _correlation(series, self.n_frames)


def _influence(sums: np.ndarray, squares: np.ndarray) -> tuple[np.ndarray, float]:
    """(d_k = W_k(B) / W(B) - W_k(A) / W(A) of each block, sum of d^2 of single frames).

    ``sums`` float64[n, 2] in A and B, ``squares`` float64[2] of the weights of frames.
    """
    total = sums.sum(axis=0)
    scaled = sums / total
    return scaled[:, 1] - scaled[:, 0], float((squares / total**2).sum())


def slowest(correlations: Sequence[Correlation]) -> Correlation:
    """Return what serves several series: the longest time, any of their problems."""
    first = max(correlations, key=lambda c: (bool(c.problem), c.time))
    return replace(first, least=max(c.least for c in correlations))


def integrated_time(x: np.ndarray) -> float:
    """Return 1 + 2 sum_t rho(t) of a series float64[n] of mean zero, at least 1.

    Summed while sums of two neighbours are positive and fall (Geyer 1992).
    """
    n = len(x)
    spectrum = np.abs(np.fft.rfft(x, 2 * n)) ** 2
    covariance = np.fft.irfft(spectrum)[: n // 2 * 2]
    if not len(covariance) or not covariance[0] > 0:
        return 1.0
    pairs = (covariance / covariance[0]).reshape(-1, 2).sum(axis=1)
    negative = np.flatnonzero(pairs <= 0)
    pairs = np.minimum.accumulate(pairs[: negative[0] if len(negative) else None])
    return max(1.0, float(2 * pairs.sum() - 1))


def _correlation(influences: list[tuple[np.ndarray, float]], n_frames: int) -> Correlation:
    """What the influences on some differences tell together."""
    if not influences:
        problem = "too few effective frames to tell how long they remember"
        return Correlation(math.nan, math.inf, n_frames, problem)
    times = [max(1.0, float((x**2).sum()) / alone) * integrated_time(x) for x, alone in influences]
    time = max(times)
    curve = _variances([x for x, _ in influences])
    least, is_settled = _plateau(curve, n_frames, INDEPENDENT * time)
    problem = ""
    if n_frames < LEAST_TIMES * time:
        problem = (
            f"not converged: the run is {n_frames / time:.0f} correlation times of {time:.3g} "
            f"frames long, {LEAST_TIMES:.0f} are needed"
        )
    elif not is_settled:
        problem = "not converged: the error grows with the length of the blocks, without a plateau"
    return Correlation(time, least, n_frames, problem)


def _variances(series: list[np.ndarray]) -> list[tuple[int, float]]:
    """(number of blocks, variance that they tell) with neighbours joined again and again.

    Of several series the mean, each relative to its first.
    """
    curve = []
    blocks = np.stack(series)
    scale = (blocks**2).sum(axis=1)
    while blocks.shape[1] >= 4:
        n = blocks.shape[1]
        curve.append((n, float(np.mean((blocks**2).sum(axis=1) / scale) * n / (n - 1))))
        blocks = np.add.reduceat(blocks, np.arange(0, n, 2), axis=1)
    return curve


def _plateau(curve: list[tuple[int, float]], n_frames: int, least: float) -> tuple[float, bool]:
    """(frames of a block from which on the variance does not grow, whether there is such a length).

    Flyvbjerg and Petersen 1989: joined blocks tell the same variance once they are independent.
    """
    first = True
    for k, (n, variance) in enumerate(curve):
        length = n_frames / n
        if n > MOST or length < 0.9 * least:
            continue
        if n < FEWEST:
            break
        if not any(_grows(variance, n, *coarser) for coarser in curve[k + 1 : k + 3]):
            return (least if first else length), True
        first = False
    return max(least, n_frames / FEWEST), False


def _grows(variance: float, n: int, fewer: int, joined: float) -> bool:
    """Whether the variance of ``fewer`` joined blocks is significantly above that of ``n``."""
    spread = math.sqrt(max(0.0, 2 / (fewer - 1) - 2 / (n - 1)))
    return joined > variance * (1 + SIGNIFICANT * spread)
