"""Grids that fit data, and what does not fit."""

import math
import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cyfes import FreeEnergySurface
from cyfes.errors import CyfesWarning, GridTooLargeError, InputError
from cyfes.grid import (
    Grid,
    GridRequest,
    arrays_of_surface,
    fit_grid,
    fit_samples,
    fit_stream,
    warn_if_coarse,
)
from cyfes.grid import grid as grid_room
from cyfes.grid.memory import free_memory
from cyfes.hills import Hills, hills_grid

ANY = settings(max_examples=60, deadline=None)
OPEN = [None]
NOTHING = GridRequest()


def extents(*bounds):
    return np.array([b[0] for b in bounds], float), np.array([b[1] for b in bounds], float)


def hills_at(centers, sigma):
    centers, n = np.array(centers, float)[:, None], len(centers)
    return Hills(
        names=("x",),
        bounds=(None,),
        centers=centers,
        heights=np.ones(n),
        biasfactors=np.ones(n),
        sigmas=np.full((n, 1), sigma),
        gaussian=np.zeros(n, bool),
        times=np.arange(n),
    )


@ANY
@given(
    st.floats(-1e9, 1e9),
    st.floats(1e-3, 1e3),
    st.floats(1e-4, 1.0),
)
def test_automatic_bounds_enclose_everything_and_little_else(low, length, part):
    high, step = low + length, length * part
    grid = fit_grid(["x"], OPEN, NOTHING, extents((low, high)), np.array([step]))
    assert low - step <= grid.lower[0] <= low
    assert high <= grid.upper[0] <= high + step
    text = tuple(float(bound) for bound in grid.bounds_text[0])
    assert text == (grid.lower[0], grid.upper[0])
    assert grid.bins[0] >= math.floor(length / step)


def test_automatic_bounds_have_six_digits_where_these_do():
    grid = fit_grid(["x"], OPEN, NOTHING, extents((-1.23456789, 2.3456789)), np.array([0.1]))
    assert grid.bounds_text == (("-1.23457", "2.34568"),)
    # PLUMED rounds to the nearest, which may cut off a hundredth of a step.
    near = fit_grid(
        ["x"], OPEN, NOTHING, extents((-1.2345614, 2.3456711)), np.array([0.1]), cut=0.01
    )
    assert near.bounds_text == (("-1.23456", "2.34567"),)


@pytest.mark.parametrize("center", [100000.4, -100000.4, 1234567.89, 1e9])
def test_no_hill_falls_off_its_grid(center):
    hills = hills_at([center, center + 1e-3], 0.01)
    reach = math.sqrt(12.5) * 0.01
    grid = hills_grid(hills, NOTHING)
    assert grid.lower[0] <= center - reach
    assert grid.upper[0] >= center + 1e-3 + reach
    assert grid.spacing[0] < 0.01
    if abs(center) < 1e6:  # PLUMED's own bounds
        two = hills_at([center, center + 7], 0.01)
        compat = hills_grid(two, NOTHING, plumed_compat=True)
        assert compat.bounds_text[0] == (f"{center - reach:g}", f"{center + 7 + reach:g}")


def test_there_must_be_hills_with_a_shape():
    covariances = np.array([np.eye(2), [[1.0, 1.0], [1.0, 1.0]]])
    sheared = replace(hills_at([0, 0], 1.0), covariances=covariances, names=("x", "y"))
    with pytest.raises(InputError, match="the covariance of hill 1 is singular"):
        _ = sheared.bandwidths
    with pytest.raises(InputError, match="there are no hills"):
        hills_grid(hills_at([0.0], 0.1)[:0], NOTHING)


def test_hills_of_any_size_end_in_a_surface_or_one_line():
    request = GridRequest([-1], [1], [30])
    wide = FreeEnergySurface.from_hills(hills_at([0, 1], 1e150), grid=request)
    np.testing.assert_allclose(wide.values, -2)
    high = replace(hills_at([0, 1], 0.2), heights=np.array([1.0, 1e308]))
    with pytest.raises(InputError, match="may overflow"):
        FreeEnergySurface.from_hills(high, grid=request)


def test_automatic_grids_have_a_ceiling():
    with pytest.raises(GridTooLargeError, match=r"more than 20000000; give --bin.*fit: 19999999"):
        hills_grid(hills_at([0, 1000], 1e-5), NOTHING)
    wanted = GridRequest([0], [1000], [30_000_000])
    assert hills_grid(hills_at([0, 1000], 1e-5), wanted).bins == (30_000_000,)


@ANY
@given(
    st.lists(st.tuples(st.integers(1, 10**7), st.booleans()), min_size=1, max_size=4),
    st.integers(10, 10**8),
)
def test_proposed_bins_fit(axes, most):
    bins, wraps = zip(*axes)
    names = [f"s{i}" for i in range(len(axes))]
    grid = Grid.from_bins(names, [0] * len(axes), [1] * len(axes), bins, wraps)
    proposed = [int(n) for n in grid.fitting_bins(most).split(",")]
    assert all(1 <= n <= m for n, m in zip(proposed, bins))
    smaller = Grid.from_bins(names, [0] * len(axes), [1] * len(axes), proposed, wraps)
    assert smaller.size <= max(most, 2 ** len(axes))
    if grid.size <= most:
        assert smaller == grid


def test_proposed_bins_of_a_grid_that_does_not_fit_can_be_had(monkeypatch):
    monkeypatch.setattr(grid_room, "free_memory", lambda: 10**9)
    box = extents(*[(0, 1)] * 4)

    def fit(bins):
        request = GridRequest([0] * 4, [1] * 4, bins)
        return fit_grid(list("abcd"), OPEN * 4, request, box, np.ones(4))

    with pytest.raises(GridTooLargeError, match="bins that fit") as error:
        fit([400] * 4)
    proposed = [int(n) for n in str(error.value).rpartition(": ")[2].split(",")]
    fit(proposed).check_memory(arrays_of_surface(4))


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (GridRequest([0], [1], [0]), "--bin must be a whole number from 1 to 1e"),
        (GridRequest([0], [1], [10.5]), "--bin must be a whole number"),
        (GridRequest([0], [1], [math.nan]), "--bin must be a whole number"),
        (GridRequest([0], [1], [10**400]), "--bin must be a whole number"),
        (GridRequest([0], [1], None, [math.nan]), "--spacing must be positive"),
        (GridRequest([0], [1], None, [math.inf]), "--spacing must be positive"),
        (GridRequest([0], [math.nan]), "--max|min"),
        (GridRequest([1], [0]), "--min must be less than --max for x"),
        (GridRequest([0]), "--min without --max"),
        (Grid.from_bins(["y"], [0], [1], [5], [False]), "the grid has the CVs y, expected x"),
        (Grid.from_bins(["x"], [0], [1], [5], [True]), "the grid has the period 1 of x, expected"),
    ],
)
def test_requests_that_cannot_be_met(request_, message):
    with pytest.raises(InputError, match=message):
        fit_grid(["x"], OPEN, request_, extents((0, 1)), np.array([0.1]))


def test_arrays_and_whole_floats_are_bins():
    request = GridRequest(np.array([0.0]), np.array([2.0]), np.array([4.0]))
    assert fit_grid(["x"], OPEN, request, extents((0, 1)), np.ones(1)).bins == (4,)
    wide = GridRequest([0], [1], None, [3.0])
    assert fit_grid(["x"], OPEN, wide, extents((0, 1)), np.ones(1)).bins == (1,)


def test_samples_and_streams():
    grid = fit_samples(["x"], OPEN, NOTHING, extents((0, 1)), np.array([0.03]))
    assert grid.lower[0] == pytest.approx(-0.09)
    assert grid.spacing[0] == pytest.approx(0.01)
    period = [("-pi", "pi")]
    angle = fit_stream(["phi"], period, NOTHING, np.array([0.1]))
    assert angle.bounds_text == (("-pi", "pi"),)
    assert fit_stream(["phi"], period, angle, np.array([0.1])) is angle
    with pytest.raises(InputError, match="cannot fit a grid to x, which has no period; give --min"):
        fit_stream(["x"], OPEN, NOTHING, np.array([0.1]))


def test_samples_without_end_fit_no_grid():
    with pytest.raises(InputError, match="no grid fits samples from"):
        fit_samples(["x"], OPEN, NOTHING, extents((0, 1)), np.array([1e308]))
    with pytest.raises(InputError, match="--min and --max of x must be finite, got 0"):
        fit_grid(["x"], OPEN, GridRequest([0], [math.inf]), extents((0, 1)), np.ones(1))


def test_kernels_narrower_than_the_steps_are_named():
    grid = Grid.from_bins(["a", "b"], [0, 0], [1, 1], [10, 100], [False, False])
    with pytest.warns(CyfesWarning, match=r"steps of a \(0\.1\) are wider than sigma \(0\.05\)"):
        warn_if_coarse(grid, np.array([[0.05, 0.05]]), "kernels")
    with pytest.warns(CyfesWarning, match=r"of 1 of 3 hills"):
        warn_if_coarse(grid, np.array([[0.05, 0.05], [1, 1], [1, 1]]), "hills")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_if_coarse(grid, np.array([[0.1, 0.01]]), "kernels")


def write(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@pytest.mark.parametrize(
    ("group", "files", "free"),
    [
        ("", {}, 4096000),
        ("0::/a/b\n", {"a/memory.max": "9000", "a/memory.current": "1000"}, 8000),
        (
            "0::/a\n",
            {
                "a/memory.max": "9000",
                "a/memory.current": "5000",
                "a/memory.stat": "file 99\ninactive_file 700\n",
            },
            4700,
        ),
        ("0::/a\n", {"a/memory.max": "max", "a/memory.current": "5000"}, 4096000),
        ("0::/on/the/host\n", {"memory.max": "7000", "memory.current": "0"}, 7000),
        (
            "5:cpu:/x\n4:memory:/a\n",
            {"memory/a/memory.limit_in_bytes": "600", "memory/a/memory.usage_in_bytes": "100"},
            500,
        ),
        ("0::/a\n", {"a/memory.max": "10", "a/memory.current": "50"}, 0),
    ],
)
def test_control_groups_limit_the_memory(tmp_path, group, files, free):
    write(tmp_path, {"proc/meminfo": "MemTotal: 1 kB\nMemAvailable: 4000 kB\n"})
    write(tmp_path, {"proc/self/cgroup": group})
    write(tmp_path / "cgroup", files)
    assert free_memory(tmp_path / "proc", tmp_path / "cgroup") == free


def test_address_space_limits_the_memory(tmp_path, monkeypatch):
    import resource

    write(tmp_path, {"meminfo": "MemAvailable: 4000000 kB\n", "self/statm": "100 1 1"})
    limit = 2**20 + 100 * resource.getpagesize()
    monkeypatch.setattr(resource, "getrlimit", lambda what: (limit, limit))
    assert free_memory(tmp_path, tmp_path) == 2**20
