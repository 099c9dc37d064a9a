"""Minimum free energy paths, against steepest descent from the saddles of known functions."""

import math
import sys
from importlib.util import find_spec
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from landscapes import (
    curvature,
    grid_of,
    highest_of_best_ways,
    neighbours,
    slope,
    small_functions,
    stationary,
    wolfe_quapp,
)

from cyfes import FreeEnergySurface
from cyfes.errors import BackendError, CyfesWarning, InputError
from cyfes.gridway import GridWays

needs_scipy = pytest.mark.skipif(find_spec("scipy") is None, reason="no scipy")


@settings(deadline=None)
@given(small_functions())
def test_ways_on_the_grid_are_the_best(problem):
    grid, values, _ = problem
    best, flat = highest_of_best_ways(grid, values), values.ravel()
    ways = GridWays(grid, values)
    known = np.flatnonzero(np.isfinite(flat))
    for a in known[:4]:
        down = ways.descent(a)
        assert all(flat[q] <= flat[p] for p, q in pairwise(down))
        for b in known[-4:]:
            start, end = down[-1], ways.descent(b)[-1]
            way = ways.between(start, end)
            if way is None:
                assert best[start, end] == math.inf
                continue
            assert (way[0], way[-1]) == (start, end)
            assert max(flat[p] for p in way) == best[start, end]
            assert all(q in set(neighbours(grid, p)) for p, q in pairwise(way))


def descent(start, direction):
    """The way of steepest descent from a saddle of Wolfe and Quapp's potential (Runge-Kutta)."""
    p, points, h = start + 1e-4 * direction, [start], 2e-3
    while np.linalg.norm(slope(p)) > 1e-4:
        points.append(p)
        one = -slope(p)
        two = -slope(p + h / 2 * one)
        three = -slope(p + h / 2 * two)
        p = p + h / 6 * (one + 2 * two + 2 * three - slope(p + h * three))
    return np.array(points)


@pytest.fixture(scope="module")
def true_path():
    """Points of the true path from the minimum 0 over two saddles to 1."""
    parts = []
    for top in (stationary((-1.02, -0.12)), stationary((-0.2, -1.4))):
        _, vectors = np.linalg.eigh(curvature(top))
        parts += [descent(top, sign * vectors[:, 0]) for sign in (1, -1)]
    return np.concatenate(parts)


@needs_scipy
def test_the_path_of_wolfe_and_quapp(quapp, true_path):
    path = quapp.path(0, 1)
    apart = [np.linalg.norm(true_path - point, axis=1).min() for point in path.points]
    assert max(apart) < 0.01  # half a step of the grid
    top = wolfe_quapp(*stationary((-1.02, -0.12)))
    ends = [wolfe_quapp(*stationary(p)) for p in [(-1.17, 1.48), (1.12, -1.49)]]
    assert path.barriers == pytest.approx([top - end for end in ends], abs=2e-3)
    assert path.values.max() == pytest.approx(top, abs=1e-3)
    assert path.values[[0, -1]] == pytest.approx(ends, abs=1e-3)
    np.testing.assert_allclose(np.diff(path.lengths), path.lengths[-1] / 100, rtol=0.02)
    assert path.basins == (0, 1)
    back = quapp.path(1, 0)
    assert back.barriers == path.barriers[::-1]
    assert back.lengths[-1] == pytest.approx(path.lengths[-1], abs=1e-3)


@needs_scipy
def test_a_point_is_led_down_to_its_minimum_first(quapp):
    start = (-1.6, 0.9)
    path = quapp.path(start, 0, n_points=301)
    np.testing.assert_allclose(path.points[0], start)
    np.testing.assert_allclose(path.points[-1], quapp.basins().minima[0].position, atol=1e-3)
    assert (np.diff(path.values) < 1e-3).all()
    assert path.barriers == pytest.approx((0, wolfe_quapp(*start) - path.values[-1]), abs=0.02)
    same = quapp.path({"y": 0.9, "x": -1.6}, 0, n_points=301)
    np.testing.assert_array_equal(same.points, path.points)


@needs_scipy
def test_points_beside_one_minimum_and_on_a_plain():
    grid = grid_of((21, 21), (False, False), -1.0, 1.0)
    x, y = np.meshgrid(*grid.axes, indexing="ij")
    for values in (x * x + y * y, np.zeros(grid.shape)):
        path = FreeEnergySurface(grid, values, 1.0).path((-0.07, 0.0), (0.06, 0.02))
        assert len(path.points) == 101
        np.testing.assert_allclose(path.points[[0, -1]], [(-0.07, 0.0), (0.06, 0.02)], atol=1e-12)
        assert path.basins == (0,)


def moved(fes, shift):
    values = np.roll(fes.values, shift, axis=tuple(range(fes.grid.n_dims)))
    return FreeEnergySurface(fes.grid, values, fes.kbt)


@needs_scipy
def test_a_path_across_the_end_of_a_period(quapp):
    grid = grid_of((60, 60), (True, True), -math.pi, math.pi)
    a, b = np.meshgrid(*grid.axes, indexing="ij")
    values = 3 * np.cos(2 * a) + 2 * np.cos(b - np.sin(a)) + 0.5 * np.sin(a) + np.cos(a)
    inner = FreeEnergySurface(grid, values, 1.0)
    outer = moved(inner, (30, 30))
    here, there = inner.path(0, 1), outer.path(0, 1)
    leaps = [np.abs(np.diff(path.points, axis=0)).max() > math.pi for path in (here, there)]
    assert sorted(leaps) == [False, True]  # one leaves at the end of the period and comes in again
    turned = (there.points - here.points) % (2 * math.pi)
    np.testing.assert_allclose(turned, math.pi, atol=1e-6)
    np.testing.assert_allclose(there.values, here.values, atol=1e-9)
    assert there.lengths[-1] < 2 * math.pi
    assert ((there.points >= -math.pi) & (there.points < math.pi)).all()


@needs_scipy
@pytest.mark.parametrize("d", [1, 3, 4])
def test_paths_of_other_numbers_of_cvs(d):
    # Two wells along the first CV; the valley between bends along the others.
    grid = grid_of((33, *[17] * (d - 1)), (False,) * d, -2.0, 2.0)
    x, *rest = np.meshgrid(*grid.axes, indexing="ij")
    bend = 0.4 * (1 - x * x)
    values = 3 * (x * x - 1) ** 2 + 0.3 * x + sum(6 * (y - bend) ** 2 for y in rest)
    path = FreeEnergySurface(grid, values, 1.0).path(0, 1, n_points=41)
    barrier = 3 - (3 * (path.points[0, 0] ** 2 - 1) ** 2 + 0.3 * path.points[0, 0])
    assert path.barriers[0] == pytest.approx(barrier, abs=0.03)
    assert path.top_values[0] == pytest.approx(barrier, abs=0.2)  # the grid is coarse
    assert path.points[0, 0] == pytest.approx(-1.01, abs=0.03)
    assert path.points[-1, 0] == pytest.approx(0.99, abs=0.03)
    middle = path.points[20]
    for y in middle[1:]:
        assert y == pytest.approx(0.4 * (1 - middle[0] ** 2), abs=0.15)


@needs_scipy
def test_scales_are_the_units_of_the_cvs(quapp):
    path = quapp.path(0, 1)
    wide = type(quapp.grid)(("x", "y"), (-2.0, -200.0), (2.0, 200.0), (201, 201), (False, False))
    other = FreeEnergySurface(wide, quapp.values, 1.0).path(0, 1, scales=[1, 100])
    np.testing.assert_allclose(other.points / [1, 100], path.points, atol=1e-6)
    assert other.lengths[-1] == pytest.approx(path.lengths[-1])


@needs_scipy
def test_a_path_beside_what_is_not_known_says_so():
    grid = grid_of((41, 41), (False, False), -1.0, 1.0)
    x, y = np.meshgrid(*grid.axes, indexing="ij")
    valley = y - 0.3 * x
    values = np.where(np.abs(valley) > 0.06, np.inf, 4 * np.cos(2 * math.pi * x) + 30 * valley**2)
    with pytest.warns(CyfesWarning, match=r"of the path lie beside points where F is not known"):
        FreeEnergySurface(grid, values, 1.0).path(0, 1)


@needs_scipy
def test_errors_along_a_path(frames, write):
    fes = FreeEnergySurface.from_colvar(
        write(frames), kbt=1.0, no_bias=True, units="kt", cv=["x"], error=True, bandwidth=[0.15]
    )
    found, path = fes.basins(), fes.path(0, 1)
    assert path.errors[0] == 0
    assert path.errors[-1] == pytest.approx(found.minima[1].error, rel=0.05)
    assert path.errors[int(np.argmax(path.values))] == pytest.approx(
        found.saddle(0, 1).errors[0], rel=0.05
    )
    assert path.barrier_errors == found.saddle(0, 1).errors
    assert path.top_values == found.saddle(0, 1).barriers
    assert "+-" in path.table()


@needs_scipy
def test_what_paths_refuse(quapp):
    for ends, message in [
        ((0, 7), "no basin 7: there are 0 to 1"),
        ((0, 0), "one point of the grid twice"),
        ((0, (9, 0)), "x=9 is not on the grid, which spans -2 to 2"),
        ((0, (1,)), "one value for each of x, y"),
        ((0, {"x": 1}), "one value for each of x, y; got x"),
    ]:
        with pytest.raises(InputError, match=message):
            quapp.path(*ends)
    with pytest.raises(InputError, match="scales must be 2 positive numbers"):
        quapp.path(0, 1, scales=[1, 0])
    with pytest.raises(InputError, match="at least 3 points, got 2"):
        quapp.path(0, 1, n_points=2)
    walled = quapp.values.copy()
    walled[:, 90:110] = np.inf
    parted = FreeEnergySurface(quapp.grid, walled, 1.0)
    with pytest.raises(InputError, match="points where F is not known lie between"):
        parted.path(0, 1)
    with pytest.raises(InputError, match=r"F is not known at x=0, y=0: no sample"):
        parted.path(0, (0, 0))


def test_paths_name_the_extra_where_scipy_is_missing(quapp, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(BackendError, match=r"a path needs scipy: pip install 'cyfes\[scipy\]'"):
        quapp.path(0, 1)


@needs_scipy
def test_pictures_of_paths(quapp, tmp_path):
    pytest.importorskip("matplotlib")
    from cyfes.landmarks import save_path

    path = quapp.path(0, 1, n_points=21)
    assert path.plot().get_xlabel() == "length of the path"
    save_path(path, tmp_path / "path.png")
    assert (tmp_path / "path.png").stat().st_size > 1000
