"""What can be read off a function on a grid: its minima and its projections."""

from collections.abc import Sequence

import numpy as np

from cyfes.grid import Grid


def local_minima(grid: Grid, values: np.ndarray) -> list[tuple[tuple[float, ...], float]]:
    """Return the local minima as (position, value), lowest first.

    A grid point is a minimum if none of its up to 3^d - 1 neighbours is lower (the first of
    equal ones counts); edges of a CV that is not periodic qualify.
    """
    lowest = np.isfinite(values)
    for offset in np.ndindex(*(3,) * grid.n_dims):
        step = np.array(offset) - 1
        if not step.any():
            continue
        neighbour = _moved(values, step, grid.periodic)
        first = tuple(step) < (0,) * len(step)
        lowest &= (values < neighbour) if first else (values <= neighbour)
    axes = grid.axes
    found = [
        (tuple(float(a[i]) for a, i in zip(axes, index)), float(values[tuple(index)]))
        for index in np.argwhere(lowest)
    ]
    return sorted(found, key=lambda minimum: minimum[1])


def log_sum_exp(values: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """Return ln sum exp(values) over ``axes``."""
    peak = values.max(axis=axes, keepdims=True)
    safe = np.where(np.isfinite(peak), peak, 0.0)
    with np.errstate(divide="ignore"):
        total = np.log(np.exp(values - safe).sum(axis=axes, keepdims=True))
    return np.asarray(np.squeeze(total + safe, axis=axes))


def _moved(values: np.ndarray, step: np.ndarray, periodic: Sequence[bool]) -> np.ndarray:
    """values[index + step], inf beyond an edge that does not wrap."""
    moved = np.roll(values, tuple(-step), axis=tuple(range(values.ndim)))
    for axis, (shift, wraps) in enumerate(zip(step, periodic)):
        if shift and not wraps:
            edge = [slice(None)] * values.ndim
            edge[axis] = slice(-1, None) if shift > 0 else slice(0, 1)
            moved[tuple(edge)] = np.inf
    return moved
