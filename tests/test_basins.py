"""Minima, basins and saddles: laws, and a brute force that looks at all ways on small grids."""

import itertools
import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cyfes import FreeEnergySurface, _kernels
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


def surviving_minima(values, best, persistence):
    """Points that no way to a lower point leaves, unless it climbs by the persistence."""
    flat = values.ravel()
    order = sorted(np.flatnonzero(np.isfinite(flat)), key=lambda p: (flat[p], p))
    found = []
    for rank, p in enumerate(order):
        depth = min((best[p, q] for q in order[:rank]), default=math.inf) - flat[p]
        if depth > 0 and depth >= persistence:
            found.append((int(p), depth))
    return found


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


@settings(deadline=None)
@given(small_functions())
def test_basins_against_all_ways(problem):
    grid, values, persistence = problem
    labels, minima, passes = _kernels.basins(grid, values, persistence)
    best, flat = highest_of_best_ways(grid, values), values.ravel()
    wanted = surviving_minima(values, best, persistence)
    assert minima.tolist() == [p for p, _ in wanted]
    assert np.array_equal(labels < 0, ~np.isfinite(values))
    assert all(labels.ravel()[p] == k for k, p in enumerate(minima))
    surface = FreeEnergySurface(grid, values, 1.0)
    if len(minima):
        found = surface.basins(persistence)
        assert [m.depth for m in found.minima] == [depth for _, depth in wanted]
        saddles = {s.between: s.value for s in found.saddles}
        for (i, a), (j, b) in itertools.combinations(enumerate(minima), 2):
            assert saddles.get((i, j), math.inf) == best[a, b]
    for point, a, b in passes:
        # Two basins meet where the ways to both of their minima are no higher than the point.
        assert a != b
        assert max(best[point, minima[a]], best[point, minima[b]]) == flat[point]


@settings(deadline=None)
@given(small_functions())
def test_every_point_flows_down_into_its_basin(problem):
    grid, values, _ = problem
    labels, minima, _ = _kernels.basins(grid, values, 0.0)
    plain, flat = labels.ravel(), values.ravel()
    if len(np.unique(flat)) < flat.size:
        return  # among equals there are several ways down
    for p in np.flatnonzero(np.isfinite(flat)):
        end = p
        while (below := min(neighbours(grid, end), key=lambda q: _height(flat[q]))) != end:
            end = below
        assert minima[plain[p]] == end


def _height(value):
    return value if math.isfinite(value) else math.inf
