"""The bias of METAD while it grows: V(s, t) at frames, and its offset c(t)."""

import math
from dataclasses import replace

import numpy as np

from cyfes import _kernels
from cyfes.errors import InputError
from cyfes.grid import Grid
from cyfes.hills import HILL_CUTOFF, KERNELS, REACH, Hills, HillSum

#: How far an exponent may rise above the unit of a sum before a new unit is taken.
MOST_EXPONENT = 300.0

#: So many hills tell kBT, if ln of their heights lies on a line to this share of its variance.
TELLING, ON_LINE = 2000, 0.999

#: Pairs of hill and frame that are not worth more than one thread.
FEW_PAIRS = 1 << 23


def bias_of(hills: Hills) -> Hills:
    """Return hills whose heights are those of the bias, h (gamma - 1) / gamma.

    Raises InputError for a biasfactor that is missing, or 1, which leaves open whether the run was
    well-tempered.
    """
    gamma = hills.biasfactors
    if np.isnan(gamma).any() or (gamma == 1).any():
        what = "lack the column biasf" if np.isnan(gamma).any() else "have biasf 1"
        n = int((np.isnan(gamma) | (gamma == 1)).sum())
        raise InputError(
            f"{n} of {len(hills)} hills {what}: give it as --biasfactor (Hills.with_biasfactor in "
            "Python), -1 for ordinary metadynamics"
        )
    return replace(hills, heights=hills.bias_heights())


def bias_at(
    bias: Hills, points: np.ndarray, n_before: np.ndarray, *, n_threads: int = 0
) -> np.ndarray:
    """Return V(s_j, t_j) = sum_{i < n_before[j]} h_i K(s_j - s_i), float64[n].

    ``bias`` from ``bias_of``; ``points`` float64[n, d]; ``n_before`` int64[n], how many hills each
    frame had. Each pair of frame and hill is computed once: hills are halved again and again, and
    the first half is summed at the frames that had all of it.
    """
    order = np.argsort(n_before, kind="stable")
    places, had, sums = points[order], n_before[order], np.zeros(len(points))
    if bias.interval is not None:
        places = np.clip(places, *bias.interval)
    hills = HillSum(bias)

    def add(low: int, high: int, begin: int, end: int) -> None:
        few = (high - low) * (end - begin) < FEW_PAIRS
        threads = 1 if few else n_threads
        hills.add(sums[begin:end], places[begin:end], slice(low, high), threads)

    def divide(low: int, high: int, begin: int, end: int) -> None:
        """Add hills from ``low`` on at frames that had more than these and at most ``high``."""
        if begin == end:
            return
        if had[begin] == high:
            add(low, high, begin, end)
            return
        middle = (low + high) // 2
        cut = begin + int(np.searchsorted(had[begin:end], middle, "right"))
        if cut < end:
            add(low, middle, cut, end)
        divide(low, middle, begin, cut)
        divide(middle, high, cut, end)

    divide(0, len(bias), int(np.searchsorted(had, 0, "right")), len(points))
    found = np.empty(len(points))
    found[order] = sums
    return found


def offsets(bias: Hills, grid: Grid, kbt: float) -> np.ndarray:
    """Return c after 0, 1, ..., m hills, float64[m + 1], in the unit of ``kbt``.

    c = kBT ln [sum_s exp(g V / ((g - 1) kBT)) / sum_s exp(V / ((g - 1) kBT))] over the points of a
    ``grid`` of the CVs of the hills, g the biasfactor; for ordinary metadynamics g / (g - 1) is 1
    and 1 / (g - 1) is 0. ``bias`` from ``bias_of``. Source: Tiwary and Parrinello, J. Phys. Chem. B
    119, 736 (2015). Where no hill reaches V is 0, so that c depends on how far the grid goes along
    CVs that are not periodic.
    """
    found = np.zeros(len(bias) + 1)
    growing = _GrowingBias(bias, grid)
    numerator, denominator = _LogSum(growing.values), _LogSum(growing.values)
    for k, (high, low) in enumerate(_slopes(bias, kbt)):
        numerator.scale_by(high, growing.values)
        denominator.scale_by(low, growing.values)
        before, after = growing.add(k)
        for total in (numerator, denominator):
            total.change(before, after, growing.values)
        found[k + 1] = kbt * (numerator.log - denominator.log)
    return found


def _slopes(bias: Hills, kbt: float) -> list[tuple[float, float]]:
    """(g / (g - 1), 1 / (g - 1)) / kBT of each hill."""
    ordinary = (bias.biasfactors < 0) | np.isinf(bias.biasfactors)
    less = np.where(ordinary, np.inf, bias.biasfactors - 1)
    return list(zip(((1 + 1 / less) / kbt).tolist(), (1 / less / kbt).tolist()))


def told_kbt(bias: Hills) -> float:
    """Return kBT as the heights of a well-tempered run tell it; nan where they do not.

    The bias grows by h = h0 exp(-V(s, t) / ((g - 1) kBT)), so that ln h falls along a line in V,
    the bias at the center of each hill before it was deposited. ``bias`` from ``bias_of``.
    """
    some = bias[: min(len(bias), TELLING)]
    gamma = float(some.biasfactors[0])
    if not (1 < gamma < math.inf and np.all(some.biasfactors == gamma) and len(some) > 2):
        return math.nan
    if some.heights.min() <= 0:
        return math.nan
    v, log_h = bias_at(some, some.centers, np.arange(len(some))), np.log(some.heights)
    v, log_h = v - v.mean(), log_h - log_h.mean()
    squares = float((v**2).sum() * (log_h**2).sum())
    together = float((v * log_h).sum())
    if not (together < 0 and together**2 > ON_LINE * squares):
        return math.nan
    return -float((v**2).sum()) / together / (gamma - 1)


class _GrowingBias:
    """V on a grid, float64[grid.shape], to which one hill after another is added."""

    def __init__(self, bias: Hills, grid: Grid) -> None:
        grid.check_memory(1)
        self.values = np.zeros(grid.shape)
        self._bias, self._grid, self._bandwidths = bias, grid, bias.bandwidths
        self._sum = HillSum(bias)
        # As far as a kernel reaches, and a point of the grid more on each side.
        reach = bias.supports() * np.where(bias.gaussian, HILL_CUTOFF / REACH, 1.0)[:, None]
        steps = (bias.folded_centers - np.array(grid.lower)) / grid.spacing
        self._first = np.floor(steps - reach / grid.spacing).astype(int)
        self._last = np.ceil(steps + reach / grid.spacing).astype(int)

    def add(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Add hill k; return V before and after it at the points that it reaches."""
        where = self._window(k)
        before = self.values[where]
        if self._bias.interval is None:
            self._spread(k)
        else:
            axis = np.clip(self._grid.axes[0], *self._bias.interval)[:, None]
            self._sum.add(self.values, axis, slice(k, k + 1), 1)
        return before, self.values[where]

    def _spread(self, k: int) -> None:
        one = slice(k, k + 1)
        _kernels.spread(
            self._grid, self._bias.centers[one], self._bandwidths[one], self._bias.heights[one],
            self.values, kernel=KERNELS[int(self._bias.gaussian[k])], cutoff=HILL_CUTOFF,
            images="nearest", n_threads=1,
        )  # fmt: skip

    def _window(self, k: int) -> tuple[np.ndarray, ...]:
        ranges = []
        for n, wraps, first, last in zip(
            self._grid.shape, self._grid.periodic, self._first[k], self._last[k]
        ):
            if self._bias.interval is not None or (wraps and last - first >= n):
                ranges.append(np.arange(n))
            elif wraps:
                ranges.append(np.arange(first, last + 1) % n)
            else:
                ranges.append(np.arange(max(first, 0), min(last + 1, n)))
        return np.ix_(*ranges)


class _LogSum:
    """ln sum exp(slope V) over the points of a grid, of which a few change at a time."""

    def __init__(self, values: np.ndarray) -> None:
        self._slope, self._unit = 0.0, 0.0  # of exponents
        self._sum = self._highest = float(values.size)

    @property
    def log(self) -> float:
        """ln of the sum."""
        return self._unit + math.log(self._sum)

    def scale_by(self, slope: float, values: np.ndarray) -> None:
        """Take another slope, if it is one, for all values."""
        if slope != self._slope:
            self._slope = slope
            self._renew(values)

    def change(self, before: np.ndarray, after: np.ndarray, values: np.ndarray) -> None:
        """Take some values, now ``after``, in place of what they were ``before``."""
        highest = self._slope * float(after.max(initial=-math.inf))
        if highest - self._unit > MOST_EXPONENT:
            self._renew(values)
            return
        new, old = (np.exp(self._slope * some - self._unit) for some in (after, before))
        self._sum += float((new - old).sum())
        self._highest = max(self._highest, self._sum)
        if not self._sum > 0.5 * self._highest:  # hills of negative height: digits are lost
            self._renew(values)

    def _renew(self, values: np.ndarray) -> None:
        self._unit = self._slope * float(values.max())
        self._sum = self._highest = float(np.exp(self._slope * values - self._unit).sum())
