"""Kernel densities on a grid over [-pi, pi)^d by the packages that people use.

Every adapter returns the plain sum of unit Gaussians, float64[shape].
"""

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from benchmarks.peers import module
from benchmarks.peers.fourier import finufft_kde
from benchmarks.peers.loops import numba_direct, numba_stamp
from benchmarks.workload import Contender

#: Pairs of sample and point that those who sum pair by pair do; their times are scaled.
FEW_PAIRS = 4e7


def contenders(
    samples: np.ndarray, shape: tuple[int, ...], h: float, threads: tuple[int, ...]
) -> tuple[tuple[Contender, ...], tuple[str, ...]]:
    """The installed peers of a sum on a grid, ready to run, and the names of those missing."""
    points = grid_points(shape)
    n, d = samples.shape
    unit = n * (math.sqrt(2 * math.pi) * h) ** d
    found: list[Contender] = []
    missing: list[str] = []

    def offer(package: str, who: str, *calls: tuple[int, Callable[[], np.ndarray]]) -> None:
        if module(package) is None:
            missing.append(f"{who}: {package} is not installed")
        else:
            found.extend(Contender(who, call, n_threads) for n_threads, call in calls)

    offer("KDEpy", "KDEpy FFTKDE", (1, lambda: kdepy(samples, points, h) * unit))
    offer(
        "finufft", "finufft 1e-12",
        *((t, lambda t=t: finufft_kde(samples, shape, h, t)) for t in threads),
    )  # fmt: skip
    if d == 2:
        if module("numba"):
            numba_stamp(samples[:10], shape[0], h, 1)
        offer(
            "numba", "numba separable stamps",
            *((t, lambda t=t: numba_stamp(samples, shape[0], h, t).ravel()) for t in threads),
        )  # fmt: skip
    return (*found, *_pairwise(samples, points, h, missing)), tuple(missing)


def _pairwise(
    samples: np.ndarray, points: np.ndarray, h: float, missing: list[str]
) -> list[Contender]:
    """Those that look at every pair do a part of the samples."""
    few = max(2, int(FEW_PAIRS / len(points)))
    some, share = samples[:few], few / len(samples)
    ways: dict[str, tuple[str, Callable[[], object]]] = {
        "scipy gaussian_kde": ("scipy", lambda: scipy_kde(some, points, h)),
        "scikit-learn KernelDensity": ("sklearn", lambda: sklearn_kde(some, points, h)),
        "numba pair by pair": ("numba", lambda: numba_direct(points, some, h, 1)),
        "numpy pair by pair": ("numpy", lambda: numpy_direct(some, points, h)),
    }
    found = []
    for who, (package, call) in ways.items():
        if module(package) is None:
            missing.append(f"{who}: {package} is not installed")
            continue
        note = f"{few} samples, scaled" if share < 1 else ""
        found.append(Contender(who, partial(_unjudged, call), share=share, note=note))
    if module("numba"):
        numba_direct(points[:2], some[:2], h, 1)
    return found


def _unjudged(call: Callable[[], object]) -> None:
    """A part of the samples has another density than all."""
    call()


def grid_points(shape: tuple[int, ...]) -> np.ndarray:
    """Points of the grid, float64[m, d], the last CV fastest."""
    axes = [-np.pi + 2 * np.pi / n * np.arange(n) for n in shape]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(shape))


def kdepy(samples: np.ndarray, points: np.ndarray, h: float) -> np.ndarray:
    """KDEpy's FFTKDE: linear binning and a convolution; a normalised density."""
    package = module("KDEpy")
    return np.asarray(package.FFTKDE(kernel="gaussian", bw=h).fit(samples).evaluate(points))


def scipy_kde(samples: np.ndarray, points: np.ndarray, h: float) -> np.ndarray:
    """scipy's gaussian_kde, whose bandwidth is a factor of the samples' covariance."""
    from scipy.stats import gaussian_kde

    return np.asarray(gaussian_kde(samples.T, h / samples.std())(points.T))


def sklearn_kde(samples: np.ndarray, points: np.ndarray, h: float) -> np.ndarray:
    """scikit-learn's KernelDensity: trees, to a relative tolerance of 1e-8."""
    from sklearn.neighbors import KernelDensity

    return np.asarray(KernelDensity(bandwidth=h, rtol=1e-8).fit(samples).score_samples(points))


def numpy_direct(samples: np.ndarray, points: np.ndarray, h: float) -> np.ndarray:
    """Pair by pair in NumPy."""
    density = np.zeros(len(points))
    for sample in samples:
        density += np.exp(((points - sample) ** 2).sum(axis=1) * (-0.5 / h**2))
    return density
