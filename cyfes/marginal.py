"""What the values of one CV look like: their range, their step, and how they are distributed."""

import math
from dataclasses import dataclass

import numpy as np

from cyfes.errors import InputError
from cyfes.weights import WeightSums

#: Samples looked at in one go.
CHUNK = 1 << 17

#: Values that tell of the steps between them.
LOOK = 1 << 16

#: Cells of a histogram of values without a step, and the finer ones of each.
BINS, FINER = 1024, 16

#: So few distinct values may be states.
MOST_STATES = 20

#: This share of the values at each end may lie astray: further than FAR ranges of all the others.
ASTRAY, FAR = 0.02, 2.0

#: Values have a step where this share of them is there twice; those that are there once do not
#: count where that share is SURELY.
REPEATS, SURELY = 0.02, 0.2

#: A value that is there so often has a neighbour one step away, be it one of COARSE others.
OFTEN, COARSE = 5, 4

#: A single value has a share of its own above LONE, if it is there so many times as often as usual;
#: above SPIKE it is too much to be left out.
LONE, SPIKE, UNUSUAL = 0.005, 0.1, 10

#: Differences of neighbouring cells in which a smooth density leaves noise alone: of many cells the
#: second are enough. Fewer cells than FEWEST_CELLS say nothing.
DIFFERENCES = {512: [1, -2, 1], 0: [1, -6, 15, -20, 15, -6, 1]}
FEWEST_CELLS = 30


@dataclass(frozen=True)
class Steps:
    """How the values of a CV repeat.

    ``step``: what they are multiples of, 0 if there is none; ``n_distinct``: how many were seen;
    ``spike``: None, or (a value that stands out, its share of the samples).
    """

    step: float
    n_distinct: int
    spike: tuple[float, float] | None


@dataclass(frozen=True)
class Marginal:
    """The distribution of one CV.

    ``extremes``: lowest and highest value; ``near``: those without values far astray. ``period`` 0
    if there is none. ``fine`` float64[cells]: the weights, of sum 1, over [start, start + width),
    in cells of whole numbers of steps; ``finer`` of them make one of the histogram.
    """

    extremes: tuple[float, float]
    near: tuple[float, float]
    period: float
    steps: Steps
    start: float
    width: float
    fine: np.ndarray
    finer: int

    @property
    def histogram(self) -> np.ndarray:
        """The weights in cells of the histogram, of sum 1."""
        return np.asarray(self.fine.reshape(-1, self.finer).sum(axis=1))

    @property
    def spread(self) -> float:
        """Weighted standard deviation, circular where there is a period.

        Along a CV of period L, s = L / (2 pi) sqrt(-2 ln R), where R is the length of the mean of
        exp(2 pi i s / L), but never more than the uniform distribution's L / sqrt(12).
        Source: K. V. Mardia and P. E. Jupp, Directional Statistics (2000), eq. 2.3.14.
        """
        at = (np.arange(len(self.fine)) + 0.5) / len(self.fine)
        if not self.period:
            mean = float((self.fine * at).sum())
            return self.width * math.sqrt((self.fine * (at - mean) ** 2).sum())
        length = min(1.0, float(abs((self.fine * np.exp(2j * np.pi * at)).sum())))
        wrapped = self.period / (2 * np.pi) * math.sqrt(-2 * math.log(max(length, 1e-300)))
        return min(wrapped, self.period / math.sqrt(12))

    def spectrum(self) -> tuple[np.ndarray, np.ndarray]:
        """Return (squared angular frequencies on the width, power of each) of the histogram.

        The norm of derivative s, smoothed for a time t, is sum k2^s power exp(-k2 t). A periodic
        CV is expanded in a Fourier series, any other in cosines.
        """
        histogram = self.histogram
        n = len(histogram)
        if self.period:
            amplitudes = np.abs(np.fft.rfft(histogram)[1 : (n + 1) // 2])
            frequencies = 2 * np.pi * np.arange(1, (n + 1) // 2)
        else:  # cosines are the Fourier series of the mirrored histogram
            mirrored = np.concatenate([histogram, histogram[::-1]])
            amplitudes = np.abs(np.fft.rfft(mirrored)[1:n]) / 2
            frequencies = np.pi * np.arange(1, n)
        return frequencies**2, 2 * amplitudes**2

    def copies(self, n: float) -> float:
        """Return how many times each of ``n`` effective samples is there, 1 if they differ.

        The differences of a smooth density are noise: independent samples make their squares 1/n
        of the weights' in all, those that are there m times m times as much.
        """
        pattern = next(p for least, p in DIFFERENCES.items() if len(self.fine) >= least)
        around = len(pattern) // 2
        padded = np.pad(self.fine, around, "wrap" if self.period else "constant")
        noise = np.convolve(padded, pattern, "valid")
        found = n * float((noise**2).sum()) / float(np.square(pattern).sum())
        cells = 1.0 / max(float((self.fine**2).sum()), 1e-300)  # where most of the weight is
        return found if cells > FEWEST_CELLS and found > 1 + 4 * math.sqrt(3 / cells) else 1.0


def marginals(
    values: np.ndarray, log_weights: np.ndarray, periods: np.ndarray, sums: WeightSums
) -> list[Marginal]:
    """Return the distribution of each CV of samples float64[n, d]; memory holds one chunk."""
    found = [_empty(x, float(period)) for x, period in zip(values.T, periods)]
    alike = sums.effective_sample_size > len(values) * (1 - 1e-12)
    for start in range(0, len(values), CHUNK):
        rows = slice(start, start + CHUNK)
        weights = None if alike else np.exp(log_weights[rows] - sums.log_sum)
        for marginal, x in zip(found, values[rows].T):
            _count(marginal, x, weights)
    for marginal in found:
        marginal.fine[:] /= marginal.fine.sum() or 1.0
    return found


def _empty(x: np.ndarray, period: float) -> Marginal:
    """The distribution before anything was counted."""
    some = np.sort(x[:: -(-len(x) // LOOK)])
    extremes = float(x.min()), float(x.max())
    if not math.isfinite(10 * (extremes[1] - extremes[0])):
        raise InputError(f"no automatic bandwidth for values from {extremes[0]} to {extremes[1]}")
    low, high = extremes if period else _near(x, some, extremes)
    some = some[np.searchsorted(some, low) : np.searchsorted(some, high, "right")]
    steps = _steps(*np.unique(some, return_counts=True))
    start, width, n, finer = _cells(low, high, period, steps.step, float(some[len(some) // 2]))
    return Marginal(extremes, (low, high), period, steps, start, width, np.zeros(n * finer), finer)


def _cells(
    low: float, high: float, period: float, step: float, anchor: float
) -> tuple[float, float, int, int]:
    """(start, width, cells, finer cells of each) of a histogram; ``anchor``: one of the values."""
    margin = 0.0 if period else 0.1 * (high - low)
    start, width = low - margin, period or high - low + 2 * margin
    if not (step and width):
        return start, width, BINS, FINER
    multiple = max(1, math.ceil(width / BINS / step - 1e-9))
    finer = -(-multiple // -(-multiple // FINER))
    cell = step * finer * -(-multiple // FINER)
    edge = anchor - step / 2
    if period:
        return edge, period, max(2, round(period / cell)), finer
    n = math.ceil(width / cell) + 1
    return edge - cell * math.ceil((edge - start) / cell), n * cell, n, finer


def _near(x: np.ndarray, some: np.ndarray, extremes: tuple[float, float]) -> tuple[float, float]:
    """Lowest and highest of the values that are not astray; ``some`` are sorted."""
    k = min(max(3, int(ASTRAY * len(some))), (len(some) - 1) // 4)
    reach = FAR * (some[-1 - k] - some[k])
    least, most = float(some[k] - reach), float(some[-1 - k] + reach)
    if least <= extremes[0] and extremes[1] <= most:
        return extremes
    low, high = math.inf, -math.inf
    for start in range(0, len(x), CHUNK):
        part = x[start : start + CHUNK]
        part = part[(part >= least) & (part <= most)]
        low = min(low, float(part.min(initial=math.inf)))
        high = max(high, float(part.max(initial=-math.inf)))
    return low, high


def _steps(distinct: np.ndarray, counts: np.ndarray) -> Steps:
    """The step of sorted values that are there ``counts`` times."""
    n, twice, spike = len(distinct), counts > 1, _spike(distinct, counts)
    share = counts[twice].sum() / counts.sum()
    if share < REPEATS or n < 2:
        return Steps(0.0, n, spike)
    if share > SURELY and twice.sum() > 1:
        distinct, counts = distinct[twice], counts[twice]
    gaps = np.diff(distinct)
    multiples = np.rint(gaps / gaps.min())
    if np.mean(np.abs(gaps / gaps.min() - multiples) < 0.1) < 0.95:
        return Steps(_usual(gaps, counts[:-1]) if n <= MOST_STATES else 0.0, n, spike)
    few = multiples < OFTEN
    step = float(gaps[few].sum() / multiples[few].sum())
    # Where significant digits are rounded, larger values have wider steps.
    often = (counts[:-1] >= OFTEN) & (multiples > 1)
    if often.sum() >= OFTEN and counts[:-1][often].sum() > REPEATS * counts.sum():
        usual = _usual(gaps[often], counts[:-1][often])
        if usual > COARSE * step and np.mean(np.abs(gaps[often] - usual) < 0.1 * step) > 0.5:
            step = usual
    return Steps(step, n, spike)


def _usual(gaps: np.ndarray, counts: np.ndarray) -> float:
    """The gap that nine of ten values have at most."""
    order = np.argsort(gaps)
    filled = np.cumsum(counts[order])
    return float(gaps[order][np.searchsorted(filled, 0.9 * filled[-1])])


def _spike(distinct: np.ndarray, counts: np.ndarray) -> tuple[float, float] | None:
    """A value with a share of its own."""
    order = np.sort(counts)
    usual = order[np.searchsorted(np.cumsum(order), counts.sum() / 2)]
    at = int(np.argmax(counts))
    share = float(counts[at] / counts.sum())
    return (float(distinct[at]), share) if share > LONE and counts[at] > UNUSUAL * usual else None


def _count(marginal: Marginal, x: np.ndarray, weights: np.ndarray | None) -> None:
    """Add samples to the histogram, but for those astray and those of a lone value."""
    n = len(marginal.fine)
    if marginal.steps.spike:
        others = x != marginal.steps.spike[0]
        x, weights = x[others], None if weights is None else weights[others]
    at = x - marginal.start
    with np.errstate(over="ignore"):  # those astray
        at *= n / max(marginal.width, 1e-300)
    if marginal.period:
        np.floor(at, out=at)
        cells = np.mod(at, n, out=at).astype(np.int64) + 1
    else:  # a cell on each side takes what lies beyond
        at += 1.0
        cells = np.clip(at, 0.0, n + 1.0, out=at).astype(np.int64)
    marginal.fine[:] += np.bincount(cells, weights, minlength=n + 2)[1:-1]
