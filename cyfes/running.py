"""The convergence of runs: of hills, of frames, in one pass over them."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from cyfes.arrays import span
from cyfes.blockdensity import BLOCKS, BlockDensity
from cyfes.blocks import BlockSums
from cyfes.convergence import Convergence, Course, distance
from cyfes.deltag import difference_of_frames, difference_of_values, grid_labels
from cyfes.density import Density
from cyfes.errors import CyfesWarning, InputError
from cyfes.fes import FreeEnergySurface, hill_blocks
from cyfes.grid import Grid, warn_if_coarse
from cyfes.hills import Hills
from cyfes.regions import A, B, TwoRegions
from cyfes.reweight import Samples
from cyfes.uncertainty import ErrorRequest, Uncertainty, joined_blocks

#: How high above its minimum a surface counts, in kBT, where nothing else is asked for.
BELOW = 10.0

#: Rows of a table, and which part of a run the first of a logarithmic one is.
ROWS, FIRST = 20, 1e-3


def cuts_of(n: int, *, stride: int = 0, rows: int = ROWS, logarithmic: bool = False) -> np.ndarray:
    """Return the numbers of frames or hills, of ``n``, that the rows of a table are of, int64[k].

    Every ``stride``; else ``rows`` of them, linear or logarithmic. The last is n.
    """
    if n < 2:
        raise InputError(f"the course of a run needs at least 2 frames or hills, got {n}")
    if stride and logarithmic:
        raise InputError("give a stride, or rows at logarithmic distances, not both")
    if stride:
        return np.unique([*range(stride, n, stride), n])
    if logarithmic:
        return np.unique(np.rint(np.geomspace(max(1.0, FIRST * n), n, rows)).astype(int))
    return np.unique([max(1, round(n * k / rows)) for k in range(1, rows + 1)])


def convergence_of_hills(
    hills: Hills,
    grid: Grid,
    cuts: np.ndarray,
    *,
    regions: TwoRegions | None = None,
    kbt: float | None = None,
    units: str = "kj/mol",
    below: float | None = None,
    **options: Any,
) -> Convergence:
    """Return how the surface of hills came about: after ``cuts`` int64[k] of them.

    Backwards, the mean of the surfaces of the last rows, each weighed with the hills since the one
    before: the estimate for ordinary metadynamics (Crespo, Marinelli, Pietrucci and Laio 2010).
    ``below`` as in Convergence, BELOW kBT if not given; ``options`` are those of
    hillsum.hill_densities. Raises InputError where ``kbt`` is needed, GridTooLargeError.
    """
    if kbt is None and (regions is not None or below is None):
        raise InputError("regions, and a height in kBT, need kbt (--kt or --temp)")
    grid.check_memory(len(cuts) + 4)
    labels = None if regions is None else grid_labels(grid, regions)
    steps = np.diff(cuts, prepend=0)
    blocks = [slice(a, b) for a, b in pairwise((0, *cuts.tolist()))]
    found = hill_blocks(hills, grid, blocks=blocks, derivatives=False, **options)
    rows = np.stack([surface.values for surface in found])
    surface = FreeEnergySurface(grid, rows[-1].copy(), kbt, units=units)
    height = below if below is not None else BELOW * (kbt or 1.0)

    def course(counts: np.ndarray, several: Sequence[np.ndarray] | np.ndarray) -> Course:
        rms = [distance(values, surface.values, height) for values in several]
        if labels is None or kbt is None:
            return Course(counts, np.array(rms))
        dg = [difference_of_values(values, labels, kbt) for values in several]
        return Course(counts, np.array(rms), np.array(dg))

    forwards = course(cuts, rows)
    # In place: a surface is not needed once the mean has taken it up.
    rows *= steps[:, None].reshape(-1, *[1] * grid.n_dims)
    counts = np.cumsum(steps[::-1])
    means = np.cumsum(rows[::-1], axis=0, out=rows[::-1])
    means /= counts.reshape(-1, *[1] * grid.n_dims)
    backwards = course(counts, means)
    times = hills.times[cuts - 1]
    return Convergence(
        "hills", surface, forwards, backwards, times, float(hills.times[0]), height, regions
    )


def convergence_of_frames(
    samples: Samples,
    density: Density,
    bandwidth: np.ndarray,
    cuts: np.ndarray,
    *,
    kbt: float,
    regions: TwoRegions | None = None,
    units: str = "kj/mol",
    below: float | None = None,
    request: ErrorRequest | None = None,
) -> Convergence:
    """Return how the surface of frames came about: of the first and of the last ``cuts`` int64[k].

    ``density``: an empty one without derivatives, on the grid wanted; frames are in the order of
    the run, of one ``bandwidth`` float64[d]. Differences of ``regions`` are those of the weights,
    without kernels. Raises InputError for a region without frames, GridTooLargeError.
    """
    request = request or ErrorRequest()
    n, height = len(samples), below if below is not None else BELOW * kbt
    warn_if_coarse(density.grid, bandwidth[None], "kernels")
    edges = np.unique(np.linspace(0, n, min(n, request.blocks or BLOCKS) + 1).astype(int)[1:])
    ends = np.unique(np.concatenate([cuts, n - cuts[:-1], edges]))
    blocks = BlockDensity(density, bandwidth, ends=ends)
    blocks.add(samples.values, samples.log_weights)
    surface = FreeEnergySurface.from_density(density, bandwidth, kbt, units)
    surface = surface.reached(lambda: span(samples.values))
    parts = blocks.blocks()
    starts = np.searchsorted(ends, np.concatenate([[0], edges[:-1]]), "right")
    told = _uncertainty(blocks, parts.grouped(starts), request)
    surface = surface.with_uncertainty(told)
    n_last = len(ends) - np.searchsorted(ends, n - cuts, "right")
    times = np.full(n, math.nan) if samples.times is None else samples.times
    inside = surface.values - surface.minimum < height
    found = Convergence(
        "frames",
        surface,
        _course(surface, parts, np.searchsorted(ends, cuts) + 1, cuts, height, kbt),
        _course(surface, parts.backwards(), n_last, cuts, height, kbt),
        times[cuts - 1],
        float(times[0]),
        height,
        error=float(np.sqrt(np.mean(np.asarray(surface.error)[inside] ** 2))),
        problem=told.problem,
        notes=(told.note,) if told.note else (),
    )
    if regions is not None:
        found = _with_regions(found, samples, regions, kbt, request)
    if found.problem:
        text = f"the error is a lower bound: {found.problem}"
        warnings.warn(text, CyfesWarning, stacklevel=2)
    return found


def _uncertainty(blocks: BlockDensity, sums: BlockSums, request: ErrorRequest) -> Uncertainty:
    """What equal blocks of the run tell of the error."""
    correlation = blocks.correlation()
    join = 1 if request.blocks else joined_blocks(len(sums), sums.length, correlation)
    return Uncertainty.of(sums.joined(join), correlation, request, blocks.note)


def _course(
    surface: FreeEnergySurface,
    parts: BlockSums,
    n_parts: np.ndarray,
    cuts: np.ndarray,
    below: float,
    kbt: float,
) -> Course:
    """The distances of the sums of the first ``n_parts`` int64[k], of ``cuts`` frames each."""
    whole, rms, total, weight, done = parts.mean(), [], np.zeros(parts.values.shape[1:]), 0.0, 0
    for n in n_parts.tolist():
        total += parts.values[done:n].sum(axis=0, dtype=np.float64)
        weight += float(parts.weights[done:n].sum())
        done = n
        with np.errstate(divide="ignore", invalid="ignore"):
            values = surface.values - kbt * np.log(total / weight / whole)
        rms.append(distance(values, surface.values, below))
    return Course(cuts, np.array(rms))


def _with_regions(
    found: Convergence,
    samples: Samples,
    regions: TwoRegions,
    kbt: float,
    request: ErrorRequest,
) -> Convergence:
    """The same with differences of regions, whose error then is the one that counts."""
    names = [samples.names.index(name) for name in regions.names if name in samples.names]
    if len(names) < len(regions.names):
        raise InputError(
            f"regions are of {', '.join(regions.names)}, the surface is of "
            f"{', '.join(samples.names)}: name all CVs of the regions with --cv"
        )
    some = replace(
        samples,
        names=regions.names,
        bounds=tuple(samples.bounds[i] for i in names),
        values=samples.values[:, names],
        ends=(),
    )
    judged = difference_of_frames(some, regions, kbt, request)
    labels = regions.labels(list(some.values.T), some.periods.tolist())
    weights = np.exp(samples.log_weights - samples.log_weights.max())
    in_a, in_b = (weights * (labels == region) for region in (A, B))
    cuts = found.forwards.counts
    first, last = (
        _differences(np.cumsum(b)[cuts - 1], np.cumsum(a)[cuts - 1], kbt)
        for a, b in ((in_a, in_b), (in_a[::-1], in_b[::-1]))
    )
    return replace(
        found,
        forwards=replace(found.forwards, differences=first),
        backwards=replace(found.backwards, differences=last),
        regions=regions,
        error=judged.error,
        problem=judged.problem or found.problem,
    )


def _differences(in_b: np.ndarray, in_a: np.ndarray, kbt: float) -> np.ndarray:
    """-kBT ln(B / A) of sums of weights; inf or nan where one or both are zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(-kbt * np.log(in_b / in_a))
