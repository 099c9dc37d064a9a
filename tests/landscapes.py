"""Functions with known minima, and a brute force that looks at all ways on small grids."""

import itertools
import math

import numpy as np
from hypothesis import strategies as st

from cyfes import FreeEnergySurface
from cyfes.grid import Grid

SEEDS = st.integers(0, 2**32 - 1)


def grid_of(shape, periodic, lower=0.0, upper=1.0):
    d = len(shape)
    names = tuple("abcd"[:d])
    return Grid(names, (lower,) * d, (upper,) * d, tuple(shape), tuple(periodic))


def neighbours(grid, point):
    """The points around one, itself among them, along all CVs at once."""
    index = np.unravel_index(point, grid.shape)
    for step in itertools.product((-1, 0, 1), repeat=grid.n_dims):
        place = np.add(index, step)
        if all(w or 0 <= i < n for i, n, w in zip(place, grid.shape, grid.periodic)):
            yield int(np.ravel_multi_index(tuple(place % grid.shape), grid.shape))


def highest_of_best_ways(grid, values):
    """The lowest of the highest values of all ways between two points, [n, n]."""
    flat = values.ravel()
    walls = ~np.isfinite(flat)
    best = np.full((flat.size, flat.size), np.inf)
    for p in np.flatnonzero(~walls):
        for q in neighbours(grid, p):
            if not walls[q]:
                best[p, q] = max(flat[p], flat[q])
    for k in range(flat.size):
        best = np.minimum(best, np.maximum(best[:, k, None], best[None, k, :]))
    return best


@st.composite
def small_functions(draw):
    d = draw(st.integers(1, 4))
    most = {1: 12, 2: 6, 3: 4, 4: 3}[d]
    periodic = draw(st.lists(st.booleans(), min_size=d, max_size=d))
    shape = [draw(st.integers(1 if wraps else 2, most)) for wraps in periodic]
    rng = np.random.default_rng(draw(SEEDS))
    # Whole numbers: many points of one height. Half of the functions have walls.
    values = rng.integers(0, draw(st.sampled_from([3, 10, 1000])), shape).astype(float)
    walls = rng.random(shape) < draw(st.sampled_from([0.0, 0.4]))
    values[walls] = rng.choice([np.inf, -np.inf, np.nan], shape)[walls]
    return grid_of(shape, periodic), values, draw(st.sampled_from([0.0, 1.0, 2.5, 400.0]))


# Wolfe and Quapp's potential, as in Bofill and Quapp 2011: three minima, two saddles.


def wolfe_quapp(x, y):
    return x**4 + y**4 - 2 * x**2 - 4 * y**2 + x * y + 0.3 * x + 0.1 * y


def slope(p):
    x, y = p
    return np.array([4 * x**3 - 4 * x + y + 0.3, 4 * y**3 - 8 * y + x + 0.1])


def curvature(p):
    return np.array([[12 * p[0] ** 2 - 4, 1.0], [1.0, 12 * p[1] ** 2 - 8]])


def stationary(p):
    """The root of the slope that Newton's method finds from p."""
    p = np.array(p, float)
    for _ in range(50):
        p -= np.linalg.solve(curvature(p), slope(p))
    assert np.abs(slope(p)).max() < 1e-12
    return p


def quapp_surface():
    """The potential on 201 x 201 points, in kT."""
    grid = Grid(("x", "y"), (-2.0, -2.0), (2.0, 2.0), (201, 201), (False, False))
    values = wolfe_quapp(*np.meshgrid(*grid.axes, indexing="ij"))
    return FreeEnergySurface(grid, values, 1.0, units="kt")


def well(x):
    return 2 * (x * x - 1) ** 2 + 0.4 * x


def double_well_frames():
    """The text of a COLVAR file: a walk in the double well that remembers little."""
    rng = np.random.default_rng(11)
    x, places = 1.0, []
    for _ in range(20000):
        y = x + rng.normal(scale=1.2)
        x = y if rng.random() < math.exp(min(0, well(x) - well(y))) else x
        places.append(x)
    text = "#! FIELDS time x\n" + "".join(f"{t} {x:.6f}\n" for t, x in enumerate(places))
    return text
