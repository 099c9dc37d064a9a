"""Functions on a grid between its points: linear in each CV, exact at the points themselves."""

from collections.abc import Mapping
from itertools import product

import numpy as np

from cyfes.errors import InputError
from cyfes.grid import Grid

#: What lies this near a point of the grid, in steps, lies on it: an infinite neighbour, which
#: would spread to it, does not count.
ON_POINT = 1e-9

#: How far beyond a bound still counts as on it, in steps: bounds in files are rounded.
BEYOND = 1e-6


def linear(grid: Grid, values: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return ``values`` float64[grid.shape] at ``points`` float64[n, d], float64[n].

    Multilinear between the up to 2^d points around each; inf where one of these is inf and counts.
    Raises InputError for a point outside the grid.
    """
    cells = [cell(grid, i, points[:, i]) for i in range(grid.n_dims)]
    found = np.zeros(len(points))
    for corner in product((0, 1), repeat=grid.n_dims):
        weights = np.ones(len(points))
        for upper, (_, _, share) in zip(corner, cells):
            weights *= share if upper else 1 - share
        at = tuple(pair[upper] for upper, pair in zip(corner, cells))
        used = weights > 0
        found[used] += weights[used] * values[tuple(index[used] for index in at)]
    return found


def cell(grid: Grid, i: int, places: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (index below, index above, share of the one above) of places along CV ``i``.

    Raises InputError for a place outside the grid, or one that is not finite.
    """
    n, wraps = grid.shape[i], grid.periodic[i]
    with np.errstate(invalid="ignore"):
        steps = (places - grid.lower[i]) / grid.spacing[i]
        inside = np.isfinite(steps)
        if not wraps:
            inside &= (steps >= -BEYOND) & (steps <= n - 1 + BEYOND)
    if not inside.all():
        outside = float(places[np.argmin(inside)])
        raise InputError(
            f"{grid.names[i]}={outside:g} is not on the grid, which spans {grid.lower[i]:g} to "
            f"{grid.upper[i]:g}"
        )
    nearest = np.rint(steps)
    steps = np.where(np.abs(steps - nearest) < ON_POINT, nearest, steps)
    if not wraps:
        steps = np.clip(steps, 0, n - 1)
    below = np.floor(steps)
    share = steps - below
    lower = below.astype(np.int64)
    if wraps:
        return lower % n, (lower + 1) % n, share
    return lower, np.minimum(lower + 1, n - 1), share


def at_fixed(grid: Grid, values: np.ndarray, at: Mapping[str, float]) -> np.ndarray:
    """Return ``values`` float64[grid.shape] where some CVs have fixed values.

    Linear between points; the other CVs keep their order. Raises InputError for a value outside
    the grid.
    """
    for i in reversed(range(grid.n_dims)):
        if grid.names[i] not in at:
            continue
        below, above, share = (x[0] for x in cell(grid, i, np.array([at[grid.names[i]]], float)))
        low = values.take(below, axis=i)
        values = low if share == 0 else (1 - share) * low + share * values.take(above, axis=i)
    return values
