"""Sums of samples of one bandwidth on a grid: a fiftieth of the range, as everybody has it."""

from functools import partial
from typing import Any

import numpy as np

from benchmarks import data, ours, probes
from benchmarks.counts import flop
from benchmarks.errors import Errors, direct_sum, errors_of, judged_points
from benchmarks.peers.densities import contenders, grid_points
from benchmarks.targets import at_most, equal_bits, faster, of_fma, peak_error, surface_error
from benchmarks.workload import Contender, Target, Workload, probe_contenders
from cyfes.grid import Grid

BANDWIDTH = data.PERIOD / 50
THREADS = (1, 2)
#: Points where the float64 direct sum is the judge: fewer where there are many samples.
JUDGED = {1: 36, 2: 120, 3: 90}
#: What the targets ask for, no more: plans by number of CVs.
FAST: dict[int, tuple[str, dict[str, Any]]] = {
    1: ("cyfes tail=0", {"tail": 0.0}),
    2: ("cyfes tail=0", {"tail": 0.0}),
    3: ("cyfes tail=0 tol=1e-8", {"tail": 0.0, "tol": 1e-8}),
}
TAIL: dict[str, Any] = {"tail": 40.0}
#: The call of most users: the sum with its checks, and the logarithm of it.
SURFACE = "cyfes from_samples"


class Judge:
    """Errors of a sum on a grid at chosen points, whose right sums are computed once."""

    def __init__(self, samples: np.ndarray, shape: tuple[int, ...]) -> None:
        d = len(shape)
        guide = ours.spread(ours.grid_of(shape), samples, BANDWIDTH, THREADS[-1])
        self._at = judged_points(guide, JUDGED[d] if len(samples) < 5_000_000 else 24)
        points = grid_points(shape)[self._at]
        self._exact = direct_sum(points, samples, BANDWIDTH, data.PERIOD)

    def __call__(self, density: np.ndarray) -> Errors:
        """Errors of a density on the grid."""
        return errors_of(np.asarray(density).ravel()[self._at], self._exact)


def sums(n_dims: int, n: int, points: int) -> Workload:
    """The peers' work: ``n`` samples on ``points`` points a CV."""
    samples, shape = data.samples(n, n_dims), (points,) * n_dims
    grid = ours.grid_of(shape)
    peers, missing = contenders(samples, shape, BANDWIDTH, THREADS)
    # The counts in 3-D are those of far fewer samples, whose cells hold few each.
    operations = flop(f"kde-{n_dims}d", n, grid.size) if n_dims < 3 else None
    found = list(probe_contenders(THREADS))
    plans: dict[str, dict[str, Any]] = dict([("cyfes", {}), FAST[n_dims], ("cyfes tail=40", TAIL)])
    for who, plan in plans.items():
        call = partial(ours.density, grid, samples, BANDWIDTH, **plan)
        counted = None if plan else operations
        found += [
            Contender(who, partial(call, t), t, counted, float(samples.nbytes)) for t in THREADS
        ]
    found += [
        Contender(SURFACE, partial(ours.surface, grid, samples, BANDWIDTH, t), t) for t in THREADS
    ]
    if probes.library() is not None:
        found += [
            Contender("read of the array", partial(probes.read, samples, t), t, is_probe=True)
            for t in THREADS
        ]
    return Workload(
        f"{n_dims}-D KDE, {n:.0e} samples, {'x'.join(map(str, shape))} points".replace("e+0", "e"),
        (*found, *peers),
        "cyfes x2",
        tuple(_targets(n_dims)),
        pairs=float(n) * grid.size,
        judge=Judge(samples, shape),
        missing=missing,
    )


def _targets(n_dims: int) -> list[Target]:
    best, fast = "cyfes x2", f"{FAST[n_dims][0]} x2"
    whole = f"{SURFACE} x2"
    fftkde, finufft, threads = "KDEpy FFTKDE x1", "finufft 1e-12 x2", faster(best, "cyfes x1", 1.8)
    if n_dims == 1:
        return [
            surface_error(best, 25, 1e-13),
            faster(best, fftkde, 8),
            faster(best, finufft, 14),
            at_most(best, "read of the array x2", 3),
            faster(whole, fftkde, 8),
            threads,
        ]
    if n_dims == 2:
        return [
            peak_error(fast, 1.2e-11),
            faster(fast, fftkde, 3),
            faster(fast, finufft, 12),
            faster(fast, "scipy gaussian_kde x1", 5e4),
            faster(best, fftkde, 3),
            faster(best, finufft, 12),
            faster(best, "scipy gaussian_kde x1", 5e4),
            surface_error(best, 25, 1e-8),
            surface_error("cyfes tail=40 x2", 40, 1e-9),
            at_most("cyfes tail=40 x2", best, 2),
            at_most(whole, best, 1.25),
            faster(whole, fftkde, 3),
            threads,
        ]
    return [
        peak_error(fast, 1e-8),
        faster(fast, fftkde, 30),
        faster(fast, finufft, 50),
        faster(best, fftkde, 30),
        faster(best, finufft, 50),
        threads,
    ]


def tiles(n: int = 100_000, points: int = 200) -> Workload:
    """The kernel of separable tiles against the multiply-add probe."""
    samples, grid = data.samples(n, 2), ours.grid_of((points, points))
    call = partial(ours.spread, grid, samples, BANDWIDTH, method="tiles")
    operations = flop("tiles-2d", n, grid.size)
    found = [Contender("cyfes tiles", partial(call, t), t, operations) for t in THREADS]
    return Workload(
        f"2-D separable tiles, {n} samples, {points}x{points} points",
        (*probe_contenders(THREADS), *found),
        "cyfes tiles x1",
        (of_fma("cyfes tiles x1", 0.75), of_fma("cyfes tiles x2", 0.75)),
        pairs=float(n) * grid.size,
        judge=Judge(samples, (points, points)),
    )


def _bits(grid: Grid, samples: np.ndarray, threads: int) -> bytes:
    return ours.spread(grid, samples, BANDWIDTH, threads).tobytes()


def bits(n: int = 300_000, points: int = 200) -> Workload:
    """The bits of a sum by 1, 2, 3 and 8 threads."""
    samples, grid = data.samples(n, 2), ours.grid_of((points, points))
    found = tuple(Contender("cyfes", partial(_bits, grid, samples, t), t) for t in (1, 2, 3, 8))
    return Workload(
        f"2-D KDE, {n} samples: bits by threads",
        found,
        "cyfes x1",
        (equal_bits(tuple(c.key for c in found)),),
    )
