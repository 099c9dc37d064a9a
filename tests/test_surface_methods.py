"""What can be done with a surface in Python: values, cuts, projections, sums, comparisons."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import grid_points, kernel_sum
from plumed_files import write_hills

from cyfes import FreeEnergySurface, read_hills
from cyfes.errors import BackendError, InputError
from cyfes.grid import Grid
from cyfes.reweight import Samples
from cyfes.weights import WeightSums

KBT = 2.5
TWO_PI = 2 * math.pi


def grid_of(shape, wraps, lower=-math.pi, upper=math.pi):
    d = len(shape)
    names = ("x", "y", "z", "t")[:d]
    return Grid(names, (lower,) * d, (upper,) * d, tuple(shape), tuple(wraps))


def surface_of(grid, function, **fields):
    """A surface of a function of the coordinates of the grid."""
    values = np.broadcast_to(function(*np.meshgrid(*grid.axes, indexing="ij")), grid.shape)
    return FreeEnergySurface(grid, np.array(values, float), KBT, **fields)


def random_surface(seed, grid, share_of_inf=0.0):
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 5, grid.shape)
    values[rng.random(grid.shape) < share_of_inf] = np.inf
    return FreeEnergySurface(grid, values, KBT)


GRIDS = st.lists(st.tuples(st.integers(2, 5), st.booleans()), min_size=1, max_size=4).map(
    lambda cvs: grid_of([n for n, _ in cvs], [wraps for _, wraps in cvs])
)
SEEDS = st.integers(0, 2**32 - 1)


# Per volume


def test_a_distance_on_which_nothing_acts_is_flat():
    grid = grid_of((9, 4), (False, True), -1.0, 3.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        r = np.where(grid.axes[0] > 0, grid.axes[0], np.nan)[:, None]
        fes = surface_of(grid, lambda x, y: -2 * KBT * np.log(r) + 0 * y)
        slopes = np.stack([np.broadcast_to(-2 * KBT / r, grid.shape), np.zeros(grid.shape)])
    found = replace(fes, derivatives=slopes, error=np.ones(grid.shape)).radial("x")
    behind = grid.axes[0] > 0
    np.testing.assert_allclose(found.values[behind], 0, atol=1e-12)
    np.testing.assert_allclose(found.derivatives[:, behind], 0, atol=1e-12)
    assert not np.isfinite(found.values[~behind]).any()
    assert np.isinf(found.error[~behind]).all()
    assert (found.error[behind] == 1).all()


def test_frames_of_an_ideal_gas_are_flat_per_volume():
    r = 2 * np.random.default_rng(0).random(200_000) ** (1 / 3)
    grid = Grid.from_bins(["r"], [0.0], [2.2], [110], [False])
    fes = FreeEnergySurface.from_samples(r, bandwidth=0.03, grid=grid, kbt=KBT)
    inside = (grid.axes[0] > 0.5) & (grid.axes[0] < 1.8)
    values = fes.radial("r").values[inside]
    assert np.ptp(values) < 0.1 * KBT
    assert np.ptp(fes.values[inside]) > 2 * KBT


@pytest.mark.parametrize(
    ("name", "words"), [("a", "no CV 'a' to be radial, only x, y"), ("y", "y is periodic")]
)
def test_what_is_no_distance_is_refused(name, words):
    grid = grid_of((9, 4), (False, True), 1.0, 3.0)
    fes = surface_of(grid, lambda x, y: x + y)
    with pytest.raises(InputError, match=words):
        fes.radial(name)
    with pytest.raises(InputError, match="needs kbt"):
        replace(fes, kbt=None).radial("x")


# F at points


@settings(deadline=None, max_examples=30)
@given(GRIDS, SEEDS)
def test_f_at_the_points_of_the_grid_is_exact(grid, seed):
    fes = random_surface(seed, grid, share_of_inf=0.3)
    np.testing.assert_array_equal(fes(grid_points(grid)), fes.values.ravel())


@settings(deadline=None, max_examples=30)
@given(GRIDS, SEEDS)
def test_a_plane_is_interpolated_exactly_and_periods_do_not_matter(grid, seed):
    rng = np.random.default_rng(seed)
    slopes = np.where(grid.periodic, 0.0, rng.normal(size=grid.n_dims))
    fes = FreeEnergySurface(grid, (grid_points(grid) @ slopes).reshape(grid.shape))
    places = rng.uniform(-math.pi, math.pi, (20, grid.n_dims))
    turns = np.where(grid.periodic, TWO_PI * rng.integers(-3, 4, grid.n_dims), 0.0)
    np.testing.assert_allclose(fes(places + turns), places @ slopes, atol=1e-9)


def test_f_between_points_across_the_end_of_a_period():
    fes = FreeEnergySurface(grid_of([4], [True]), np.array([0.0, 1.0, 2.0, 3.0]))
    last = fes.grid.axes[0][-1]
    assert fes(last + 0.25 * fes.grid.spacing[0]) == pytest.approx(0.75 * 3.0)
    assert fes([0.0, math.pi]).tolist() == [2.0, 0.0]
    assert fes([[0.0], [math.pi]]).tolist() == [2.0, 0.0]


def test_f_beside_a_point_out_of_reach_is_inf():
    fes = FreeEnergySurface(grid_of([3], [False], 0, 2), np.array([0.0, 1.0, np.inf]))
    assert fes([0.5, 1.0, 1.5]).tolist() == [0.5, 1.0, math.inf]


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ([[0.0, 4.0]], r"y=4 is not on the grid, which spans -3\.14159 to 3\.14159"),
        ([[0.0, math.nan]], "y=nan is not on the grid"),
        (
            [[0.0, 0.0, 0.0]],
            r"points must be \[\.\.\., 2\] \(x, y\), got an array of shape \(1, 3\)",
        ),
        (0.0, "points must be"),
    ],
)
def test_points_without_an_f_are_refused(points, words):
    with pytest.raises(InputError, match=words):
        random_surface(0, grid_of([4, 4], [True, False]))(points)


@pytest.mark.filterwarnings("ignore:PLUMED cuts")
@pytest.mark.parametrize("kernel", ["gaussian", "stretched-gaussian"])
def test_hills_give_f_at_any_point_without_a_grid(tmp_path, kernel):
    constants = "#! SET min_phi -pi\n#! SET max_phi pi\n" + f"#! SET kerneltype {kernel}\n"
    hills = read_hills(write_hills(tmp_path / "HILLS", constants=constants))
    points = np.random.default_rng(0).uniform([-9, 0], [9, 2], (30, 2))
    bias, _ = kernel_sum(
        points, np.array([TWO_PI, 0]), hills.centers, hills.sigmas, hills.heights,
        kernel=kernel, images="nearest", cutoff=8.6,
    )  # fmt: skip
    np.testing.assert_allclose(hills.free_energy(points), -bias, atol=1e-11)
    fes = FreeEnergySurface.from_hills(hills, bins=[200, 200])
    inside = np.random.default_rng(1).uniform([-3, 0.1], [3, 1.9], (30, 2))
    np.testing.assert_allclose(fes(inside), hills.free_energy(inside), atol=0.02)
    with pytest.raises(InputError, match=r"points must be finite \[n, 2\] \(phi, d\)"):
        hills.free_energy(np.zeros(2))


# Sums


@settings(deadline=None, max_examples=30)
@given(GRIDS, SEEDS)
def test_a_minus_b_plus_b_is_a_where_both_are_known(grid, seed):
    a, b = random_surface(seed, grid, 0.2), random_surface(seed + 1, grid, 0.2)
    back = (a - b) + b
    known = np.isfinite(a.values) & np.isfinite(b.values)
    np.testing.assert_allclose(back.values[known], a.values[known], atol=1e-12)
    assert np.isposinf(back.values[~known]).all()
    assert (back.units, back.kbt) == (a.units, a.kbt)


def test_numbers_are_added_from_either_side():
    fes = random_surface(0, grid_of([4, 4], [True, False]))
    for moved in (fes + 2, 2 + fes, np.float64(2) + fes, fes - (-2)):
        np.testing.assert_allclose(moved.values, fes.values + 2)


def test_surfaces_that_cannot_be_added_are_refused():
    fes = random_surface(0, grid_of([4, 4], [True, False]))
    with pytest.raises(InputError, match=r"different grids: x \[.*4 points periodic"):
        _ = fes - random_surface(0, grid_of([4, 5], [True, False]))
    with pytest.raises(InputError, match="are in kJ/mol and kcal/mol"):
        _ = fes + fes.scaled(1 / 4.184, "kcal/mol")


def test_printed_bounds_are_those_of_the_same_grid():
    one, other = grid_of([8], [True]), grid_of([8], [True], -3.141593, 3.141593)
    assert one.agrees_with(other)
    assert not one.agrees_with(grid_of([8], [True], -3.1415, 3.1415))
    assert not one.agrees_with(grid_of([8], [False]))


# Projections and slices


@settings(deadline=None, max_examples=30)
@given(GRIDS.filter(lambda grid: grid.n_dims > 1), SEEDS, st.floats(0.5, 5))
def test_a_projection_keeps_the_integral(grid, seed, kbt):
    fes = random_surface(seed, grid, 0.1)
    total = np.exp(-fes.values / kbt).sum() * grid.bin_volume
    for names in (grid.names[:1], grid.names[-1:0:-1]):
        along = fes.project(names, kbt)
        assert along.grid.names == tuple(names)
        integral = np.exp(-along.values / kbt).sum() * along.grid.bin_volume
        assert integral == pytest.approx(total, rel=1e-10, abs=1e-300)


def test_the_projection_of_frames_integrates_to_one():
    values = np.random.default_rng(0).normal(size=(500, 2))
    fes = FreeEnergySurface.from_samples(values, bandwidth=0.3, kbt=KBT, shape=[61, 71])
    along = fes.project(["s2"])
    assert np.exp(-along.values / KBT).sum() * along.grid.bin_volume == pytest.approx(1, abs=0.01)
    direct = FreeEnergySurface.from_samples(
        values[:, 1], bandwidth=0.3, kbt=KBT, grid=along.grid, names=["s2"]
    )
    low = direct.values < direct.minimum + 6 * KBT
    np.testing.assert_allclose(along.values[low], direct.values[low], atol=0.02)


def test_the_error_of_a_projection_is_that_of_frames_of_fewer_cvs():
    rng = np.random.default_rng(0)
    x = np.cumsum(rng.normal(0, 0.6, (4000, 2)), axis=0) % TWO_PI - math.pi
    samples = Samples(("x", "y"), (("-pi", "pi"),) * 2, x, np.zeros(4000),
                      WeightSums.of(np.zeros(4000)), 4000)  # fmt: skip
    options = {"kbt": KBT, "blocks": 16}
    fes = FreeEnergySurface.from_colvar(samples, bandwidth=[0.4, 0.4], bins=[40, 40], **options)
    one = replace(samples, names=("y",), bounds=(("-pi", "pi"),), values=x[:, 1:].copy())
    direct = FreeEnergySurface.from_colvar(one, bandwidth=[0.4], bins=[40], **options)
    along = fes.project(["y"])
    np.testing.assert_allclose(along.values, direct.values, atol=1e-6)
    np.testing.assert_allclose(along.error, direct.error, rtol=0.05)
    assert fes.project(["y"], 2 * KBT).error is None
    assert (
        FreeEnergySurface(fes.grid, fes.values, KBT, error=fes.error).project(["y"]).error is None
    )


def test_the_projection_of_a_sum_is_each_of_its_terms():
    grid = grid_of([40, 50], [True, False])
    one = surface_of(grid, lambda x, y: 3 * np.cos(x) + 0 * y)
    fes = surface_of(grid, lambda x, y: 3 * np.cos(x) + y**2)
    along = fes.project(["x"])
    np.testing.assert_allclose(along.shifted().values, one.shifted().values[:, 0], atol=1e-12)
    np.testing.assert_allclose(along.values - along.values[0], fes.marginal(["x"]).values
                               - fes.marginal(["x"]).values[0], atol=1e-12)  # fmt: skip


@settings(deadline=None, max_examples=30)
@given(st.floats(-3.14, 3.14), st.floats(-3.14, 3.14))
def test_a_slice_of_a_plane_is_that_plane(x, z):
    grid = grid_of([9, 5, 7], [False, True, False])
    slopes = np.broadcast_to(np.reshape([1.0, 0.0, -2.0], (3, 1, 1, 1)), (3, *grid.shape))
    fes = surface_of(
        grid, lambda x, y, z: x - 2 * z + 0 * y, derivatives=slopes, error=np.ones(grid.shape)
    )
    cut = fes.slice({"z": z, "x": x})
    assert cut.grid == grid.select(["y"])
    np.testing.assert_allclose(cut.values, x - 2 * z, atol=1e-12)
    np.testing.assert_allclose(cut.derivatives, [np.zeros(5)], atol=1e-12)
    np.testing.assert_allclose(cut.error, 1.0)


def test_a_slice_through_points_is_what_is_there_and_keeps_inf_apart():
    fes = random_surface(3, grid_of([5, 6], [True, False]), 0.4)
    for i, x in enumerate(fes.grid.axes[0]):
        np.testing.assert_array_equal(fes.slice({"x": x}).values, fes.values[i])


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ({"q": 1.0}, "a slice fixes some, not all, of x, y; got q"),
        ({"x": 0.0, "y": 0.0}, "a slice fixes some, not all"),
        ({}, "got none"),
        ({"y": 4.0}, "y=4 is not on the grid"),
    ],
)
def test_slices_that_are_none_are_refused(at, words):
    with pytest.raises(InputError, match=words):
        random_surface(0, grid_of([4, 4], [True, False])).slice(at)


# Comparisons


@settings(deadline=None, max_examples=30)
@given(GRIDS, SEEDS, st.floats(-100, 100))
def test_a_surface_and_itself_plus_a_constant_do_not_differ(grid, seed, constant):
    fes = random_surface(seed, grid, 0.2)
    if not np.isfinite(fes.values).any():
        return
    found = (fes + constant).difference(fes)
    assert found.constant == pytest.approx(constant, abs=1e-9)
    assert found.rms == pytest.approx(0, abs=1e-9)
    assert abs(found.largest[1]) < 1e-9
    np.testing.assert_array_equal(found.compared, np.isfinite(fes.values))
    assert np.isposinf(found.surface.values[~found.compared]).all()


def test_the_figures_of_a_difference():
    grid = grid_of([5], [False], 0, 4)
    a = FreeEnergySurface(grid, np.array([0.0, 1.0, 2.0, 30.0, np.inf]), error=np.full(5, 0.1))
    b = FreeEnergySurface(grid, np.array([1.0, 2.0, 3.4, 99.0, 0.0]), error=np.full(5, 0.1))
    found = a.difference(b, below=10)
    assert found.compared.tolist() == [True, True, True, False, False]
    off = np.array([-1.0, -1.0, -1.4])
    assert found.constant == pytest.approx(off.mean())
    assert found.rms == pytest.approx(np.std(off))
    assert found.largest == ((2.0,), pytest.approx(-1.4 - off.mean()))
    np.testing.assert_allclose(found.surface.error[:4], math.hypot(0.1, 0.1))
    assert found.beyond_errors == 0
    assert found.table().splitlines()[0].split() == "points compared 3 of 5".split()
    assert a.difference(b).compared.sum() == 4
    with pytest.raises(InputError, match="no point below -1 kJ/mol is known on both"):
        a.difference(b, below=-1)


def test_a_difference_converts_units():
    fes = random_surface(0, grid_of([6, 4], [True, False]))
    for other in (fes.scaled(1 / 4.184, "kcal/mol"), fes.scaled(1 / KBT, "kt")):
        assert fes.difference(other).rms == pytest.approx(0, abs=1e-12)
        found = other.difference(fes)
        assert found.rms == pytest.approx(0, abs=1e-12)
        assert found.surface.units == other.units
    without = FreeEnergySurface(fes.grid, fes.values)
    with pytest.raises(InputError, match="kJ/mol to kT needs kBT"):
        fes.scaled(1 / KBT, "kt").difference(without)


def test_other_grids_are_refused_or_interpolated():
    fine, coarse = grid_of([80, 60], [True, False]), grid_of([8, 31], [True, False], -math.pi, 2)

    def plane(x, y):
        return 3 * y + 0 * x

    a, b = surface_of(fine, plane), surface_of(coarse, plane)
    with pytest.raises(InputError, match=r"different grids: .*; .*\(--interpolate\)"):
        a.difference(b)
    degrees = surface_of(grid_of([80, 60], [True, False], -180, 180), plane)
    with pytest.raises(InputError, match=r"x has the period 6\.28319 on one .* and 360"):
        a.difference(degrees, interpolate=True)


def test_a_surface_on_part_of_the_grid_is_interpolated_there():
    whole, part = grid_of([60, 61], [True, False]), grid_of([7, 31], [True, False])
    part = Grid(part.names, part.lower, (math.pi, 1.0), part.shape, part.periodic)
    a, b = (surface_of(grid, lambda x, y: 3 * y + 0 * x) for grid in (whole, part))
    found = a.difference(b, interpolate=True)
    assert found.rms == pytest.approx(0, abs=1e-9)
    np.testing.assert_array_equal(
        found.compared, np.broadcast_to(whole.axes[1] <= 1.0, whole.shape)
    )
    turned = FreeEnergySurface(part.select(["y", "x"]), b.values.T.copy(), KBT)
    again = a.difference(turned, interpolate=True)
    np.testing.assert_allclose(again.surface.values, found.surface.values, atol=1e-12)


def test_other_cvs_are_refused():
    fes = random_surface(0, grid_of([4, 4], [True, False]))
    with pytest.raises(InputError, match=r"different CVs, x, y and x; project"):
        fes.difference(fes.project(["x"]))


# Other tools


def test_a_surface_shows_itself_in_a_notebook():
    fes = random_surface(0, Grid(("<b>", "y"), (0, 0), (1, 1), (4, 4), (False, True)))
    shown = fes._repr_html_()
    assert "&lt;b&gt;" in shown
    assert "<b>" not in shown
    assert "4 points, periodic" in shown
    assert "kBT" in shown


def test_a_surface_without_a_number_shows_itself():
    fes = FreeEnergySurface(grid_of([3], [False]), np.full(3, np.inf))
    assert "nowhere known" in fes._repr_html_()


def test_xarray(tmp_path):
    xarray = pytest.importorskip("xarray")
    fes = surface_of(grid_of([4, 5], [True, False]), lambda x, y: x + y, error=np.ones((4, 5)))
    data = fes.to_xarray()
    assert isinstance(data, xarray.Dataset)
    assert data["F"].dims == ("x", "y")
    assert float(data["F"].sel(x=-math.pi, y=math.pi)) == pytest.approx(0)
    assert data["F"].attrs["units"] == data.attrs["units"] == "kJ/mol"
    assert data["x"].attrs["period"] == pytest.approx(TWO_PI)
    assert set(data) == {"F", "error"}


def test_pandas():
    pandas = pytest.importorskip("pandas")
    fes = surface_of(grid_of([2, 3], [True, False], 0, 2), lambda x, y: 10 * x + y)
    frame = fes.to_dataframe()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.columns) == ["x", "y", "F"]
    assert frame["F"].tolist() == [0, 1, 2, 10, 11, 12]
    assert frame.attrs["units"] == "kJ/mol"


@pytest.mark.parametrize(
    ("method", "package"), [("to_xarray", "xarray"), ("to_dataframe", "pandas")]
)
def test_what_a_missing_package_means(monkeypatch, method, package):
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(BackendError, match=rf"needs {package}: pip install 'cyfes\[{package}\]'"):
        getattr(random_surface(0, grid_of([4], [True])), method)()
