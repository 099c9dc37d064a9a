"""What can be read off a function on a grid: its minima and its projections."""

import itertools

import numpy as np

from cyfes import _kernels
from cyfes.grid import Grid


def local_minima(
    grid: Grid, values: np.ndarray, least: float = 0.0
) -> list[tuple[tuple[float, ...], float]]:
    """Return the local minima as (position of the grid point, value), lowest first.

    A grid point is a minimum if it cannot be left downwards, without a way that rises by less
    than ``least`` (see _kernels.basins); edges of a CV that is not periodic qualify.
    """
    _, points, _ = _kernels.basins(grid, values, least)
    axes = grid.axes
    indices = zip(*np.unravel_index(points, grid.shape))
    return [
        (tuple(float(a[i]) for a, i in zip(axes, index)), float(values[index])) for index in indices
    ]


def stationary_point(
    grid: Grid, values: np.ndarray, index: tuple[int, ...], n_falling: int = 0
) -> tuple[float, ...]:
    """Return where the parabola through a grid point and its neighbours is flat, in CV units.

    x - H^-1 g, with gradient and Hessian from central differences. It is the grid point itself
    unless H has ``n_falling`` negative eigenvalues and no other than positive ones, and the step is
    no longer than one spacing along each CV: at an edge, beside a wall, on a plateau.
    """
    here = np.array([axis[i] for axis, i in zip(grid.axes, index)])
    step = _flat_step(_around(grid, values, index), n_falling)
    moved = here + step * grid.spacing
    for i, (low, period) in enumerate(zip(grid.lower, grid.period)):
        if period:
            moved[i] = low + (moved[i] - low) % period
    return tuple(moved.tolist())


def _around(grid: Grid, values: np.ndarray, index: tuple[int, ...]) -> np.ndarray:
    """A point and its neighbours, float64[3, ...]; nan if one is beyond an edge."""
    for i, n, wraps in zip(index, grid.shape, grid.periodic):
        if n < 3 or (not wraps and not 0 < i < n - 1):
            return np.full((3,) * grid.n_dims, np.nan)
    three = [np.arange(i - 1, i + 2) % n for i, n in zip(index, grid.shape)]
    return np.asarray(values[np.ix_(*three)], np.float64)


def _flat_step(around: np.ndarray, n_falling: int) -> np.ndarray:
    """-H^-1 g in spacings, zero where that means nothing."""
    d, center = around.ndim, (1,) * around.ndim
    nothing = np.zeros(d)
    if not np.isfinite(around).all():
        return nothing

    def at(*steps: tuple[int, int]) -> float:
        place = list(center)
        for axis, step in steps:
            place[axis] += step
        return float(around[tuple(place)])

    middle = at()
    gradient = np.array([(at((i, 1)) - at((i, -1))) / 2 for i in range(d)])
    hessian = np.diag([at((i, 1)) + at((i, -1)) - 2 * middle for i in range(d)])
    for i, j in itertools.combinations(range(d), 2):
        corners = [s * t * at((i, s), (j, t)) for s in (-1, 1) for t in (-1, 1)]
        hessian[i, j] = hessian[j, i] = sum(corners) / 4
    curvatures = np.linalg.eigvalsh(hessian)
    flat = 1e-12 * max(abs(middle), float(np.abs(curvatures).max()), 1e-300)
    if np.count_nonzero(curvatures < -flat) != n_falling or (np.abs(curvatures) <= flat).any():
        return nothing
    step = -np.linalg.solve(hessian, gradient)
    return step if np.abs(step).max() <= 1 else nothing


def log_sum_exp(values: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """Return ln sum exp(values) over ``axes``."""
    peak = values.max(axis=axes, keepdims=True)
    safe = np.where(np.isfinite(peak), peak, 0.0)
    with np.errstate(divide="ignore"):
        total = np.log(np.exp(values - safe).sum(axis=axes, keepdims=True))
    return np.asarray(np.squeeze(total + safe, axis=axes))
