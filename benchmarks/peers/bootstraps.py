"""Bootstrap errors of a surface as others make them: a few replicas, timed for a thousand."""

from functools import partial

import numpy as np

from benchmarks.peers import module
from benchmarks.workload import Contender

REPLICAS = 1000


def numpy_replica(samples: np.ndarray, log_weights: np.ndarray, bins: int) -> np.ndarray:
    """F of frames drawn anew, a weighted histogram."""
    n = len(samples)
    drawn = np.random.default_rng(0).integers(0, n, n)
    edges = np.linspace(-np.pi, np.pi, bins + 1)
    counts, _, _ = np.histogram2d(
        samples[drawn, 0], samples[drawn, 1], [edges, edges], weights=np.exp(log_weights[drawn])
    )
    with np.errstate(divide="ignore"):
        return np.asarray(-np.log(counts))


def pymbar_replicas(samples: np.ndarray, log_weights: np.ndarray, bins: int, n: int) -> None:
    """A surface of pymbar with ``n`` bootstraps, of a histogram."""
    fes = module("pymbar").FES(-log_weights[None, :], np.array([len(samples)]))
    edges = np.linspace(-np.pi, np.pi, bins + 1)
    fes.generate_fes(
        np.zeros(len(samples)), samples, fes_type="histogram",
        histogram_parameters={"bin_edges": [edges, edges]}, n_bootstraps=n,
    )  # fmt: skip


def contenders(
    samples: np.ndarray, log_weights: np.ndarray, bins: int
) -> tuple[list[Contender], tuple[str, ...]]:
    """The peers at hand, and those that are missing."""
    one, few = 1 / REPLICAS, 2
    found = [
        Contender(
            "NumPy loop", partial(numpy_replica, samples, log_weights, bins), share=one,
            note="histograms, one of 1000 replicas timed",
        )
    ]  # fmt: skip
    if module("pymbar") is None:
        return found, ("pymbar: not installed",)
    call = partial(pymbar_replicas, samples, log_weights, bins, few)
    note = f"histograms, {few} of 1000 replicas timed"
    return [*found, Contender("pymbar", call, share=(1 + few) / (1 + REPLICAS), note=note)], ()
