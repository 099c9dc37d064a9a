"""The calls of cyfes that are measured."""

from collections.abc import Sequence
from typing import Any

import numpy as np

import cyfes.density
from cyfes import FreeEnergySurface, _kernels
from cyfes.density import Density
from cyfes.grid import Grid

NAMES = ("phi", "psi", "omega", "theta")


def grid_of(shape: Sequence[int]) -> Grid:
    """A grid over full turns."""
    d = len(shape)
    return Grid.from_bins(NAMES[:d], [-np.pi] * d, [np.pi] * d, shape, [True] * d)


def spread(grid: Grid, samples: np.ndarray, h: float, threads: int, **plan: Any) -> np.ndarray:
    """Sum of unit Gaussians of one bandwidth on a grid; ``plan``: tol, tail, method."""
    density = np.zeros(grid.shape)
    _kernels.spread(
        grid, samples, np.full((1, grid.n_dims), h), np.ones(len(samples)), density,
        kernel="gaussian", images="all", cutoff=cutoff(plan), n_threads=threads,
        **plan,
    )  # fmt: skip
    return density


def cutoff(plan: dict[str, Any]) -> float:
    """Bandwidths that users' sums reach under a plan."""
    return cyfes.density.cutoff_for(plan.get("tail", cyfes.density.TAIL))


def density(grid: Grid, samples: np.ndarray, h: float, threads: int, **plan: Any) -> np.ndarray:
    """The same sum as users call for it, with its checks and weights."""
    bandwidth = np.full((1, grid.n_dims), h)
    return Density(grid, n_threads=threads, backend="cpu", **plan).add(samples, bandwidth).values


def surface(grid: Grid, samples: np.ndarray, h: float, threads: int) -> np.ndarray:
    """The sum of ``density``, taken back from the free energy that users get of it."""
    fes = FreeEnergySurface.from_samples(
        samples, bandwidth=h, period=grid.period, grid=grid, derivatives=False,
        n_threads=threads, backend="cpu",
    )  # fmt: skip
    volume = len(samples) * (np.sqrt(2 * np.pi) * h) ** grid.n_dims
    return np.asarray(volume * np.exp(-fes.values))


def basins(grid: Grid, values: np.ndarray, persistence: float) -> int:
    """Minima, basins and passes of a function on a grid; the number of minima."""
    return len(_kernels.basins(grid, values, persistence)[1])


def hills(
    grid: Grid, data: tuple[np.ndarray, np.ndarray, np.ndarray], threads: int
) -> tuple[np.ndarray, np.ndarray]:
    """Values and derivatives of hills on a grid."""
    values, slopes = np.zeros(grid.shape), np.zeros((grid.n_dims, *grid.shape))
    _kernels.spread(
        grid, *data, values, slopes,
        kernel="stretched-gaussian", images="nearest", n_threads=threads,
    )  # fmt: skip
    return values, slopes


def evaluate(points: np.ndarray, samples: np.ndarray, h: float, threads: int) -> np.ndarray:
    """Sum of unit Gaussians at points of a space that is not periodic."""
    d = points.shape[1]
    values = np.zeros(len(points))
    _kernels.evaluate(
        points, np.zeros(d), samples, np.full((1, d), h), np.ones(len(samples)), values,
        kernel="gaussian", images="nearest", cutoff=11.0, n_threads=threads,
    )  # fmt: skip
    return values
