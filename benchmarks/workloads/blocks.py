"""Errors: sums over blocks of frames beside one plain sum, and bootstrap replicas of them."""

from functools import partial

import numpy as np

from benchmarks import data
from benchmarks.peers import bootstraps
from benchmarks.targets import at_most, faster
from benchmarks.workload import Contender, Workload
from cyfes import FreeEnergySurface
from cyfes.reweight import Samples
from cyfes.weights import WeightSums

BANDWIDTH = data.PERIOD / 60
THREADS = (1, 2)
#: Numbers of blocks.
BLOCKS = (50, 100)


def frames(n: int) -> Samples:
    """A random walk on a torus, which remembers where it was, with weights."""
    rng = np.random.default_rng(0)
    walk = np.cumsum(rng.normal(0, 0.1, (n, 2)), axis=0)
    values = (walk + np.pi) % (2 * np.pi) - np.pi
    log_weights = rng.normal(0, 1, n)
    period = ("-pi", "pi")
    sums = WeightSums.of(log_weights)
    return Samples(("phi", "psi"), (period, period), values, log_weights, sums, n)


def _surface(samples: Samples, points: int, threads: int, **errors: int) -> np.ndarray:
    surface = FreeEnergySurface.from_colvar(
        samples, kbt=1.0, bandwidth=[BANDWIDTH] * 2, bins=[points] * 2, n_threads=threads,
        backend="cpu", **errors,
    )  # fmt: skip
    return surface.values if surface.error is None else surface.error


def blocks(n: int = 1_000_000, points: int = 200) -> Workload:
    """A surface with errors from blocks, beside one without."""
    samples = frames(n)
    call = partial(_surface, samples, points)
    found = [Contender("plain sum", partial(call, t), t) for t in THREADS]
    found += [
        Contender(f"{b} blocks", partial(call, t, blocks=b), t) for b in BLOCKS for t in THREADS
    ]
    limits = [at_most(f"{b} blocks x{t}", f"plain sum x{t}", 3) for b in BLOCKS for t in THREADS]
    title = f"2-D surface with errors from blocks, {n} frames, {points}x{points} points"
    return Workload(title, tuple(found), "plain sum x1", tuple(limits))


def bootstrap(n: int = 1_000_000, points: int = 200) -> Workload:
    """The sums and errors from 1000 replicas, everything in it."""
    samples = frames(n)
    call = partial(_surface, samples, points, blocks=64, bootstrap=bootstraps.REPLICAS)
    peers, missing = bootstraps.contenders(samples.values, samples.log_weights, points)
    return Workload(
        f"{bootstraps.REPLICAS} bootstrap replicas of {n} frames, {points}x{points} points",
        (*(Contender("cyfes", partial(call, t), t) for t in THREADS), *peers),
        "cyfes x1",
        (faster("cyfes x1", "NumPy loop x1", 20), faster("cyfes x1", "pymbar x1", 20)),
        missing=missing,
    )
