"""Free energy differences of regions: from frames without a kernel, or from a grid."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cyfes.blocks import BlockSums, t_quantile
from cyfes.correlation import Correlation, RegionSeries
from cyfes.errors import InputError
from cyfes.grid import Grid
from cyfes.mbar import Mixture
from cyfes.regions import A, B, GridRegion, Region, TwoRegions
from cyfes.reweight import Samples, SampleStream
from cyfes.surface import Surface
from cyfes.uncertainty import ErrorRequest, inflation, joined_blocks, problem_of
from cyfes.weights import kish
from cyfes.windowblocks import WindowBlocks, region_sums

#: Blocks that an error is taken from, where no number is asked for.
BLOCKS = 64

#: Parts of every window that tell the course of a run.
PARTS = 20

#: With fewer effective frames in a region the error is a lower bound.
FEW_FRAMES = 10.0

#: How many standard errors the two halves of a run may be apart.
APART = 3.0

#: Points of a grid so near to the edge of a region, in steps, lie on it: what printing rounds.
EDGE = 1e-3

#: The volume of one molecule at 1 mol/l, in nm^3.
STANDARD_VOLUME = 1.6605390671738466


@dataclass(frozen=True, eq=False)
class FreeEnergyDifference:
    """dG = F(B) - F(A) = -kBT ln(sum of w in B / sum of w in A) of frames, in the unit of ``kbt``.

    ``blocks``, for the error, and ``parts``, as short or shorter, hold the sums of w in A, in B and
    in neither, values float64[n, 3]. ``problem`` says why the error is a lower bound, or is empty.
    """

    regions: TwoRegions
    kbt: float
    blocks: BlockSums
    parts: BlockSums
    correlation: Correlation
    problem: str = ""

    @property
    def value(self) -> float:
        """The difference."""
        return self._of(slice(None))

    @property
    def error(self) -> float:
        """Its standard error, from the influence d_b = W_b(B) / W(B) - W_b(A) / W(A) of each block.

        kBT sqrt(n / (n - 1) sum_b d_b^2), times ``uncertainty.inflation``.
        """
        total = self.blocks.values.sum(axis=0)
        d = self.blocks.values[:, B] / total[B] - self.blocks.values[:, A] / total[A]
        raised = inflation(self.blocks.length, self.correlation.time)
        return self.kbt * raised * float(self.blocks.spread(d))

    def interval(self, level: float = 0.95) -> float:
        """Half the width of the interval that holds the truth in a share ``level``: Student's t."""
        return self.error * t_quantile(level, len(self.blocks) - 1)

    def halves(self) -> tuple[float, float]:
        """The difference in the first and the second half of the run; inf or nan if unseen."""
        n = (len(self.parts) + 1) // 2
        return self._of(slice(0, n)), self._of(slice(n, None))

    def forwards(self, n: int = 10) -> list[float]:
        """The difference in the first 1/n of the run, the first 2/n, ... all of them."""
        return [self._of(slice(0, k)) for k in self._cuts(n)]

    def backwards(self, n: int = 10) -> list[float]:
        """The same from the end of the run."""
        return [self._of(slice(len(self.parts) - k, None)) for k in self._cuts(n)]

    def _cuts(self, n: int) -> Iterator[int]:
        return (max(1, round(len(self.parts) * k / n)) for k in range(1, n + 1))

    def _of(self, rows: slice) -> float:
        return _difference(self.parts.values[rows].sum(axis=0), self.kbt)


def difference_of_frames(
    samples: Samples | SampleStream,
    regions: TwoRegions,
    kbt: float,
    request: ErrorRequest | None = None,
) -> FreeEnergyDifference:
    """Return the free energy difference of two regions from frames whose CVs are those of both.

    A frame counts for the region it is in with w = exp(V / kBT); no kernel, no grid.
    Raises InputError if a region is without weight, or the regions overlap.
    """
    request = request or ErrorRequest()
    if isinstance(samples, Samples) and samples.mixture is not None:
        return _of_windows(samples, samples.mixture, regions, kbt, request)
    series = RegionSeries(3)
    for columns, log_weights in _frames(samples, series):
        series.add(log_weights, regions.labels(columns, samples.periods.tolist()))
    _check_seen(regions, series.sums.sum(axis=0), "frame")
    correlation = series.of_difference(A, B)
    parts = _cut(series, BLOCKS)
    if request.blocks is None:
        blocks = parts.joined(joined_blocks(len(parts), parts.length, correlation))
    else:
        blocks = _cut(series, request.blocks)
    if len(blocks) < 2:
        raise InputError(f"an error needs at least 2 frames, got {series.n_frames}")
    sums = series.sums.sum(axis=0)
    problem = _few_frames(sums, series.squares) or problem_of(blocks, correlation)
    found = FreeEnergyDifference(regions, kbt, blocks, parts, correlation, problem)
    return found if problem else _compared(found)


def _of_windows(
    samples: Samples, mixture: Mixture, regions: TwoRegions, kbt: float, request: ErrorRequest
) -> FreeEnergyDifference:
    """The difference from frames of umbrella windows, in blocks that each hold some of all."""
    found = WindowBlocks.of(mixture, request.blocks)
    labels = regions.labels(list(samples.values.T), samples.periods.tolist())
    course = WindowBlocks.in_time(mixture, PARTS)
    blocks, parts = (region_sums(samples, labels, 3, some) for some in (found, course))
    _check_seen(regions, parts.values.sum(axis=0), "frame")
    weights = np.exp(samples.log_weights - samples.log_weights.max())
    squares = np.bincount(labels, weights**2, 3)
    problem = _few_frames(parts.values.sum(axis=0), squares)
    problem = problem or problem_of(blocks, found.correlation)
    difference = FreeEnergyDifference(regions, kbt, blocks, parts, found.correlation, problem)
    return difference if problem else _compared(difference)


def difference_on_grid(surface: Surface, regions: TwoRegions, kbt: float) -> float:
    """Return -kBT ln(sum of exp(-F / kBT) in B / in A) over the points of a grid, in its unit.

    A point on the edge of a region, but for rounding, is on it: LOW is inside, HIGH is not.
    Raises InputError for a CV that the grid lacks, or a region without points that F is known at.
    """
    sums = _sums_on_grid(surface.values, grid_labels(surface.grid, regions), kbt)
    _check_seen(regions, sums, "grid point")
    return _difference(sums, kbt)


def grid_labels(grid: Grid, regions: TwoRegions) -> np.ndarray:
    """Return A, B or NEITHER of the points of a grid, int64[points].

    Raises InputError as above, and for a region without points.
    """
    columns = []
    for name in regions.names:
        if name not in grid.names:
            raise InputError(f"the grid has no CV {name!r}; it has {', '.join(grid.names)}")
        i = grid.names.index(name)
        axis = _along(grid.axes[i] + EDGE * grid.spacing[i], i, grid.n_dims)
        columns.append(np.broadcast_to(axis, grid.shape).ravel())
    periods = [float(grid.period[grid.names.index(name)]) for name in regions.names]
    labels = regions.labels(columns, periods)
    for name, region in (("A", A), ("B", B)):
        if not np.any(labels == region):
            raise InputError(f"no grid point lies in {name} ({regions})")
    return labels


def difference_of_values(values: np.ndarray, labels: np.ndarray, kbt: float) -> float:
    """Return the difference on a grid, float64[grid.shape] with ``grid_labels``; inf or nan for
    a region without points that F is known at."""
    return _difference(_sums_on_grid(values, labels, kbt), kbt)


def _sums_on_grid(values: np.ndarray, labels: np.ndarray, kbt: float) -> np.ndarray:
    free = values.ravel()
    known = np.isfinite(free)
    lowest = free[known].min(initial=math.inf)
    weights = np.where(known, np.exp(-(np.where(known, free, lowest) - lowest) / kbt), 0.0)
    return np.bincount(labels, weights, 3)


def _difference(sums: np.ndarray, kbt: float) -> float:
    """-kBT ln(B / A) of sums float64[3]; inf or nan where one or both are zero."""
    a, b = sums[[A, B]].tolist()
    if a > 0 and b > 0:
        return -kbt * math.log(b / a)
    return math.nan if a == b else math.copysign(math.inf, a - b)


def standard_state(kbt: float, volume: float) -> float:
    """Return -kBT ln(V / V0), V0 = 1.6605 nm^3: what makes A, of ``volume`` nm^3, 1 mol/l of it."""
    return -kbt * math.log(volume / STANDARD_VOLUME)


def funnel_volume(region: Region | GridRegion | None, radius: float) -> float:
    """Return pi R^2 L, what the wall of a funnel leaves of a ``region`` LOW <= z < HIGH = LOW + L.

    In the unit of z and of ``radius``, cubed (Limongelli, Bonomi and Parrinello 2013).
    Raises InputError for a region that is no interval of one CV.
    """
    boxes = region.boxes if isinstance(region, Region) else ()
    if len(boxes) == 1 and len(boxes[0]) == 1:
        ((low, high),) = boxes[0].values()
        if math.isfinite(high - low) and low < high:
            return math.pi * radius**2 * (high - low)
    raise InputError(
        "--funnel needs A as the interval of one CV, along the axis, in which the molecule is "
        "unbound in the cylinder, as in --a z=3:3.5"
    )


def _along(axis: np.ndarray, i: int, n_dims: int) -> np.ndarray:
    return axis.reshape([-1 if k == i else 1 for k in range(n_dims)])


def _frames(
    samples: Samples | SampleStream, series: RegionSeries
) -> Iterator[tuple[Sequence[np.ndarray], np.ndarray]]:
    """(CVs, ln w) of frames, file by file, each of which ends a block of the series."""
    if isinstance(samples, Samples):
        for rows in samples.files():
            yield list(samples.values[rows].T), samples.log_weights[rows]
            series.end_file()
        return
    n_files = 0
    for columns, log_weights in samples.columns():
        if len(samples.ends) > n_files:
            n_files = len(samples.ends)
            series.end_file()
        yield columns, log_weights


def _check_seen(regions: TwoRegions, sums: np.ndarray, what: str) -> None:
    for label, name in ((A, "A"), (B, "B")):
        if not sums[label] > 0:
            raise InputError(f"no {what} with any weight lies in {name} ({regions})")


def _few_frames(sums: np.ndarray, squares: np.ndarray) -> str:
    """A problem if few frames carry the weight of a region; sums of w and of w^2, float64[3]."""
    for label, name in ((A, "A"), (B, "B")):
        n = kish(float(sums[label]), float(squares[label]))
        if n < FEW_FRAMES:
            return f"only {n:.1f} effective frames lie in {name}"
    return ""


def _cut(series: RegionSeries, most: int) -> BlockSums:
    """Sums over at most so many blocks, as equal as the short blocks of a series allow."""
    counts = series.counts
    before = np.cumsum(counts) - counts
    group = (before + counts / 2) * min(most, len(counts)) // counts.sum()
    starts = np.flatnonzero(np.diff(group, prepend=-1.0))
    sums = np.add.reduceat(series.sums, starts)
    nothing = np.zeros(len(starts))
    return BlockSums(sums, sums.sum(axis=1), nothing, np.add.reduceat(counts, starts))


def _compared(found: FreeEnergyDifference) -> FreeEnergyDifference:
    """The same with a problem if its halves differ by more than their errors."""
    first, second = found.halves()
    if not math.isfinite(first - second):
        problem = "not converged: one half of the run has no weight in A or in B"
        return replace(found, problem=problem)
    apart = abs(first - second) / (2 * found.error)
    if apart <= APART:
        return found
    problem = (
        f"not converged: the halves, {first:.4g} and {second:.4g}, differ by {apart:.1f} "
        "standard errors"
    )
    return replace(found, problem=problem)
