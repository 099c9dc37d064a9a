"""Umbrella windows as pymbar joins them, from the matrix of all reduced energies."""

from functools import partial

import numpy as np

from benchmarks.peers import module
from benchmarks.workload import Contender


def reduced(samples: np.ndarray, centers: np.ndarray, spring: float) -> np.ndarray:
    """The energies of samples float64[n] in all windows, float64[K, n]."""
    return np.asarray(0.5 * spring * (samples - centers[:, None]) ** 2)


def pymbar_solution(
    samples: np.ndarray, counts: np.ndarray, centers: np.ndarray, spring: float
) -> np.ndarray:
    """The free energies of pymbar, the matrix included."""
    u_kn = reduced(samples, centers, spring)
    return np.asarray(module("pymbar").MBAR(u_kn, counts).f_k)


def contenders(
    samples: np.ndarray, counts: np.ndarray, centers: np.ndarray, spring: float
) -> tuple[list[Contender], tuple[str, ...]]:
    """The peers at hand, and those that are missing."""
    if module("pymbar") is None:
        return [], ("pymbar: not installed",)
    call = partial(pymbar_solution, samples, counts, centers, spring)
    return [Contender("pymbar", call, note="without JAX")], ()
