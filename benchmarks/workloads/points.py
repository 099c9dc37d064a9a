"""Sums of samples at arbitrary points, as along a path."""

from functools import partial

import numpy as np

from benchmarks import data, ours
from benchmarks.counts import flop
from benchmarks.errors import Errors, direct_sum, errors_of
from benchmarks.peers import module
from benchmarks.peers.loops import numba_direct
from benchmarks.targets import faster, of_fma, surface_error
from benchmarks.workload import Contender, Workload, probe_contenders

SAMPLES, POINTS, JUDGED = 50_000, 4_000, 200
THREADS = (1, 2)
#: So wide that every sample reaches every point.
WIDE = data.PERIOD / 8


def direct(n_dims: int, *, near: bool = False) -> Workload:
    """POINTS among SAMPLES; ``near``: a bandwidth of a fiftieth of the range, which leaves most
    pairs out of reach."""
    samples = data.samples(SAMPLES, n_dims)
    points = data.samples(POINTS, n_dims, seed=2)
    h = data.PERIOD / 50 if near else WIDE
    operations = None if near else flop(f"evaluate-{n_dims}d", SAMPLES * POINTS, 0)
    found = [
        Contender("cyfes", partial(ours.evaluate, points, samples, h, t), t, operations)
        for t in THREADS
    ]
    missing: tuple[str, ...] = ("numba pair by pair: numba is not installed",)
    if module("numba"):
        numba_direct(points[:2], samples[:2], h, 1)
        found += [
            Contender("numba pair by pair", partial(numba_direct, points, samples, h, t), t)
            for t in THREADS
        ]
        missing = ()
    exact = direct_sum(points[:JUDGED], samples, h, 0.0)

    def judge(density: np.ndarray) -> Errors:
        return errors_of(density[:JUDGED], exact)

    speed = [] if near else [of_fma("cyfes x1", 0.65), of_fma("cyfes x2", 0.65)]
    name = "a fiftieth" if near else "an eighth"
    return Workload(
        f"{n_dims}-D {POINTS} points among {SAMPLES} samples, bandwidth {name} of the range",
        (*probe_contenders(THREADS), *found),
        "cyfes x2",
        (
            *speed,
            faster("cyfes x1", "numba pair by pair x1", 8),
            surface_error("cyfes x1", 15, 1e-13),
            faster("cyfes x2", "cyfes x1", 1.8),
        ),
        pairs=float(SAMPLES) * POINTS,
        judge=judge,
        missing=missing,
    )
