"""How long frames remember: the length that blocks need for their errors to be right."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cyfes import _kernels
from cyfes.blocks import Ledger
from cyfes.weights import exponent_of

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

    Frames may be divided into regions in several ways, ``n_ways``. How many there will be,
    ``n_frames``, spares joins where it is known. Weights are logarithms of any size; what is kept
    are their sums in units of 2^``exponent``.
    """

    def __init__(self, n_regions: int, n_ways: int = 1, n_frames: int = 1) -> None:
        self._ledger = Ledger(2 * FINE, 1 << max(0, (n_frames - 1) // (2 * FINE)).bit_length())
        self._n_regions = n_regions
        self._sums = np.zeros((2 * FINE, n_ways * n_regions))
        self.squares = np.zeros(n_ways * n_regions)
        self.exponent: int | None = None

    @property
    def n_frames(self) -> int:
        """Number of frames added."""
        return int(self._ledger.counts.sum())

    @property
    def sums(self) -> np.ndarray:
        """Sums of the weights of each block in each region, float64[B, n_ways * n_regions]."""
        return self._sums[: self._ledger.n]

    @property
    def counts(self) -> np.ndarray:
        """Number of frames of each block, int64[B]."""
        return self._ledger.counts[: self._ledger.n]

    def add(self, log_weights: np.ndarray, *labels: np.ndarray) -> None:
        """Add frames: ln w float64[n] and the region of each, int64[n], in each way."""
        weights = self._scaled(log_weights)
        squares, width = weights**2, len(self.squares)
        columns = [way * self._n_regions + label for way, label in enumerate(labels)]
        for column in columns:
            self.squares += np.bincount(column, squares, width)
        done = 0
        while done < len(weights):
            first, counts = self._ledger.assign(len(weights) - done)
            if not len(counts):
                self._join()
                continue
            rows = slice(done, done + int(counts.sum()))
            done = rows.stop
            start = np.repeat(np.arange(len(counts)) * width, counts)
            for column in columns:
                part = np.bincount(start + column[rows], weights[rows], len(counts) * width)
                self._sums[first : first + len(counts)] += part.reshape(-1, width)

    def end_file(self) -> None:
        """Let the next frame begin a block of its own."""
        self._ledger.end_file()

    def _scaled(self, log_weights: np.ndarray) -> np.ndarray:
        highest = float(log_weights.max(initial=-math.inf))
        if highest == -math.inf:
            return np.zeros(len(log_weights))
        exponent = exponent_of(highest)
        if self.exponent is not None and exponent > self.exponent:
            by = self.exponent - exponent
            self._sums = np.ldexp(self._sums, by)
            self.squares = np.ldexp(self.squares, 2 * by)
        self.exponent = exponent if self.exponent is None else max(exponent, self.exponent)
        weights = np.empty(len(log_weights))
        _kernels.weigh(log_weights, self.exponent, weights)
        return weights

    def _join(self) -> None:
        n = self._ledger.n
        starts = self._ledger.join()
        joined = self._sums[starts]
        paired = np.diff(starts, append=n) == 2
        joined[paired] += self._sums[starts[paired] + 1]
        self._sums[: len(starts)], self._sums[len(starts) :] = joined, 0.0

    def of_difference(self, a: int, b: int) -> Correlation:
        """Return the correlation of ln(sum of w in region b / sum of w in region a)."""
        sums, squares = self.sums, self.squares[[a, b]]
        return _correlation([_influence(sums[:, a], sums[:, b], squares)], self.n_frames)

    def of_splits(self) -> Correlation:
        """Return the correlation of ln(sum of w beyond a border / sum of w before it).

        Of all borders between two regions, in all ways, the slowest.
        """
        n = self._n_regions
        table = np.ascontiguousarray(self.sums.T)
        ways = [slice(k, k + n) for k in range(0, len(table), n)]
        return slowest([self._of_way(table[way], self.squares[way]) for way in ways])

    def _of_way(self, sums: np.ndarray, squares: np.ndarray) -> Correlation:
        """``sums`` float64[n_regions, B] and ``squares`` float64[n_regions] of one way."""
        before, beyond = np.cumsum(sums, axis=0), np.cumsum(sums[::-1], axis=0)[::-1]
        n_before, n_beyond = np.cumsum(squares), np.cumsum(squares[::-1])[::-1]
        series = []
        for k in range(len(sums) - 1):
            both = np.array([n_before[k], n_beyond[k + 1]])
            totals = np.array([before[k].sum(), beyond[k + 1].sum()])
            if np.all(totals**2 > FEW_FRAMES * both):
                series.append(_influence(before[k], beyond[k + 1], both))
        return _correlation(series, self.n_frames)


def _influence(in_a: np.ndarray, in_b: np.ndarray, squares: np.ndarray) -> tuple[np.ndarray, float]:
    """(d_k = W_k(B) / W(B) - W_k(A) / W(A) of each block, sum of d^2 of single frames).

    ``in_a`` and ``in_b`` float64[n]: W_k; ``squares`` float64[2] of the weights of frames.
    """
    totals = np.array([in_a.sum(), in_b.sum()])
    return in_b / totals[1] - in_a / totals[0], float((squares / totals**2).sum())


def slowest(correlations: Sequence[Correlation]) -> Correlation:
    """Return what serves several series: the longest time, any of their problems."""
    first = max(correlations, key=lambda c: (bool(c.problem), c.time))
    return replace(first, least=max(c.least for c in correlations))


def integrated_time(x: np.ndarray) -> float:
    """Return 1 + 2 sum_t rho(t) of a series float64[n] of mean zero, at least 1.

    Summed while sums of two neighbours are positive and fall (Geyer 1992).
    """
    n = len(x)
    # Padded to a power of two, as transforms of other lengths can take many times as long.
    spectrum = np.abs(np.fft.rfft(x, 1 << (2 * n - 1).bit_length())) ** 2
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
        pairs = blocks[:, 0 : n // 2 * 2 : 2] + blocks[:, 1::2]
        blocks = np.hstack([pairs, blocks[:, n // 2 * 2 :]])
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
