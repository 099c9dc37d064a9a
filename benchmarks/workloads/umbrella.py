"""Umbrella windows: free energies by MBAR, beside pymbar where its matrix fits."""

from functools import partial

import numpy as np

from benchmarks.peers import mbars
from benchmarks.targets import faster, seconds
from benchmarks.workload import Contender, Workload
from cyfes.mbar import Harmonic, solve

THREADS = (1, 2)
#: What a million frames in a hundred windows may take.
SECONDS = 10.0


def windows(n: int, n_windows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """(samples float64[n], frames and centers of windows, spring constant); barriers of 8 kT."""
    centers = np.linspace(0.0, 10.0, n_windows)
    spring = 1 / (centers[1] - centers[0]) ** 2
    x = np.linspace(-1.0, 11.0, 20001)
    counts = np.full(n_windows, n // n_windows)
    rng, frames = np.random.default_rng(0), []
    for center, count in zip(centers, counts):
        share = np.cumsum(np.exp(-4 * np.cos(2 * x) - 0.5 * spring * (x - center) ** 2))
        frames.append(np.interp(rng.random(count), share / share[-1], x))
    return np.concatenate(frames), counts, centers, spring


def _solution(
    samples: np.ndarray, counts: np.ndarray, centers: np.ndarray, spring: float, threads: int
) -> np.ndarray:
    springs = np.full((len(centers), 1), spring)
    energies = Harmonic(samples[:, None], np.zeros(1), centers[:, None], springs, threads)
    return solve(energies, counts).free_energies


def mbar(n: int, n_windows: int, *, with_peers: bool) -> Workload:
    """The free energies of ``n`` frames in ``n_windows``."""
    work = windows(n, n_windows)
    call = partial(_solution, *work)
    found = [Contender("cyfes", partial(call, t), t) for t in THREADS]
    peers, missing = mbars.contenders(*work) if with_peers else ([], ())
    target = faster("cyfes x2", "pymbar x1", 10) if with_peers else seconds("cyfes x2", SECONDS)
    title = f"MBAR of {n} frames in {n_windows} windows"
    return Workload(title, (*found, *peers), "cyfes x2", (target,), missing=missing)
