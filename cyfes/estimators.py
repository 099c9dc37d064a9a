"""One free energy difference of a METAD run by several estimators."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from cyfes.columns import Columns
from cyfes.deltag import difference_of_frames, difference_of_values, grid_labels
from cyfes.hillweights import HillBias
from cyfes.regions import TwoRegions
from cyfes.reweight import Samples
from cyfes.uncertainty import ErrorRequest

#: How many standard errors two estimates may differ by.
APART = 2.0

#: What the estimators are called, by the weights they use.
NAMES = {"tiwary": "V(s,t) - c(t)", "final": "final bias", "static": "static bias"}


@dataclass(frozen=True)
class Estimate:
    """dG of regions, in the unit of kBT, by one estimator.

    ``error``: its standard error, None where none is known. ``halves``: dG of each half of the run,
    None for what is no estimate. ``effective``: Kish's number of frames, None without frames.
    ``problem`` says why the error is a lower bound, or is empty.
    """

    name: str
    value: float
    error: float | None = None
    halves: tuple[float | None, float | None] = (None, None)
    effective: float | None = None
    problem: str = ""

    def scaled(self, factor: float) -> "Estimate":
        """Return the same in another unit."""
        first, second = (None if half is None else factor * half for half in self.halves)
        error = None if self.error is None else factor * self.error
        return replace(self, value=factor * self.value, error=error, halves=(first, second))


def estimates_of(
    found: HillBias, regions: TwoRegions, request: ErrorRequest | None = None
) -> list[Estimate]:
    """Return dG = F(B) - F(A) by the sum of the hills and by each kind of weights.

    The sum of hills is there where all CVs of the regions are those of the hills, "static" where
    all hills were there before the first frame. Raises InputError for a region without weight.
    """
    names = set(regions.names)
    summed = [_of_hills(found, regions)] if names <= set(found.hills.names) else []
    return [*summed, *(_of_weights(found, kind, regions, request) for kind in found.kinds())]


def _of_hills(found: HillBias, regions: TwoRegions) -> Estimate:
    """F = -sum of the hills on the grid of c(t), of all and of the first half of them."""
    hills, grid = found.deposits.hills, found.offset_grid
    axes = np.meshgrid(*grid.axes, indexing="ij")
    points = np.stack([axis.ravel() for axis in axes], axis=1)
    labels, half = grid_labels(grid, regions), (len(hills) + 1) // 2
    first = hills[:half].free_energy(points, n_threads=found.n_threads)
    last = hills[half:].free_energy(points, n_threads=found.n_threads)
    value, early = (difference_of_values(f, labels, found.kbt) for f in (first + last, first))
    return Estimate("sum of hills", value, halves=(early, None))


def _of_weights(
    found: HillBias, kind: str, regions: TwoRegions, request: ErrorRequest | None
) -> Estimate:
    samples = _of_regions(found.weighted(kind), found.samples, regions)
    told = difference_of_frames(samples, regions, found.kbt, request)
    effective = samples.sums.effective_sample_size
    return Estimate(NAMES[kind], told.value, told.error, told.halves(), effective, told.problem)


def _of_regions(samples: Samples, read: Samples, regions: TwoRegions) -> Samples:
    """The frames with the CVs of the regions."""
    index = [read.names.index(name) for name in regions.names]
    bounds = tuple(read.bounds[i] for i in index)
    return replace(samples, names=regions.names, bounds=bounds, values=read.values[:, index])


def table_of(estimates: Sequence[Estimate]) -> list[str]:
    """Return a table of estimates as aligned text."""
    rows = tuple((e.value, e.error, *e.halves, e.effective) for e in estimates)
    lines = Columns.of(("dG", "dG_error", "first half", "second half", "effective"), rows).lines()
    names = ["estimator", *(e.name for e in estimates)]
    width = max(map(len, names))
    return [f"{name.ljust(width)}  {line}" for name, line in zip(names, lines)]


def disagreement(estimates: Sequence[Estimate], unit: str) -> str:
    """Return one sentence where two estimates differ by more than their errors tell, or ""."""
    apart = [(_distance(a, b), a, b) for a, b in combinations(estimates, 2)]
    far = [found for found in apart if found[0] > APART]
    if not far:
        return ""
    errors, a, b = max(far, key=lambda found: found[0])
    return (
        f"the estimators disagree by more than their errors: {a.name} {a.value:.4g} and {b.name} "
        f"{b.value:.4g} {unit}, {errors:.1f} standard errors apart; trust none of them any closer"
    )


def _distance(a: Estimate, b: Estimate) -> float:
    """How many standard errors two estimates are apart; 0 where no error is known."""
    error = math.hypot(a.error or 0.0, b.error or 0.0)
    apart = abs(a.value - b.value)
    return apart / error if error > 0 and np.isfinite(apart) else 0.0
