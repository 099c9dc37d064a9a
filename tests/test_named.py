"""Samples as analysis programs hand them over: their names and periods are kept."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cyfes import FreeEnergySurface, Grid, frames_of_arrays
from cyfes.deltag import difference_of_frames
from cyfes.errors import InputError
from cyfes.named import Named
from cyfes.regions import Region, TwoRegions

RNG = np.random.default_rng(5)
PHI, D = RNG.normal(170, 20, 300) % 360 - 180, RNG.normal(0.3, 0.05, 300)
OPTIONS = {"bandwidth": [10.0, 0.02], "kbt": 2.5, "units": "kj/mol"}


def plain(**more):
    return FreeEnergySurface.from_samples(
        np.column_stack([PHI, D]), names=["phi", "d"], period=[360, 0], **OPTIONS, **more
    )


def same_as_plain(samples, **more):
    fes, expected = FreeEnergySurface.from_samples(samples, **OPTIONS, **more), plain()
    assert fes.grid == expected.grid
    np.testing.assert_array_equal(fes.values, expected.values)


def structured():
    rows = np.empty(300, [("phi", float), ("d", float)])
    rows["phi"], rows["d"] = PHI, D
    return rows


@pytest.mark.parametrize(
    "samples",
    [{"phi": PHI, "d": D}, {"phi": PHI[:, None], "d": D.tolist()}, structured()],
    ids=["mapping", "columns", "structured"],
)
@pytest.mark.parametrize("period", [{"phi": 360}, [360, 0]])
def test_names_are_kept(samples, period):
    same_as_plain(samples, period=period)


def test_tables_of_pandas():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"phi": PHI, "d": D}, index=np.arange(300) * 2.0)
    same_as_plain(frame, period=[360, 0])
    frame.attrs["period"] = {"phi": 360}
    same_as_plain(frame)
    fes = FreeEnergySurface.from_samples(frame["d"], bandwidth=0.02)
    assert fes.grid.names == ("d",)
    frame["text"] = "a"
    with pytest.raises(InputError, match=r"column 'text' holds no numbers"):
        FreeEnergySurface.from_samples(frame)
    with pytest.raises(InputError, match="two columns of one name"):
        FreeEnergySurface.from_samples(pandas.concat([frame["d"], frame["d"]], axis=1))


def test_arrays_and_data_sets_of_xarray():
    xarray = pytest.importorskip("xarray")
    phi = xarray.DataArray(PHI, dims="time", name="phi", attrs={"period": 360})
    same_as_plain(xarray.Dataset({"phi": phi, "d": ("time", D)}))
    both = xarray.DataArray(
        np.column_stack([PHI, D]), dims=("time", "cv"), coords={"cv": ["phi", "d"]}
    )
    same_as_plain(both, period=[360, 0])
    both.attrs["period"] = [360, 0]
    same_as_plain(both)
    fes = FreeEnergySurface.from_samples(phi, bandwidth=10)
    assert (fes.grid.names, fes.grid.periodic) == (("phi",), (True,))


class Table:
    """What tables of pandas and polars have in common."""

    def __init__(self, columns, **attributes):
        self._columns, self.attrs = columns, attributes
        self.columns = list(columns)

    def __getitem__(self, name):
        return self._columns[name]

    def to_numpy(self):
        return np.column_stack(list(self._columns.values()))


@pytest.mark.parametrize("period", [{"phi": 360}, [360, 0], {"phi": "360", "other": 1}])
def test_attributes_tell_periods(period):
    same_as_plain(Table({"phi": PHI, "d": D}, period=period))
    assert Named.of(Table({"phi": PHI, "d": D}, period=period)).periods["phi"] == 360


def test_what_is_said_counts_more_than_attributes():
    table = Table({"phi": PHI, "d": D}, period=[1, 1])
    same_as_plain(table, period=[360, 0])
    same_as_plain(table, period={"phi": 360, "d": 0})
    fes = FreeEnergySurface.from_samples(table, names=["a", "b"], period=[360, 0], **OPTIONS)
    assert fes.grid.names == ("a", "b")


@pytest.mark.parametrize("period", ["x", [1, 2, 3], {"phi": None}])
def test_attributes_that_are_no_periods(period):
    with pytest.raises(InputError, match="the attribute 'period' must be a number"):
        FreeEnergySurface.from_samples(Table({"phi": PHI, "d": D}, period=period))


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ({}, "samples have no columns"),
        ({"a": PHI, "b": D[:-1]}, "must be of one length, got a 300, b 299"),
        ({"a": np.zeros((3, 2))}, r"column 'a' must be \[n\], got \[3, 2\]"),
        ({"a": ["x", "y"]}, "column 'a' holds no numbers"),
        ({str(i): PHI for i in range(5)}, "1 to 4 CVs, got 5"),
        (["x", "y"], r"samples must be numbers \[n, d\], got list"),
        (np.zeros((2, 2, 2)), r"samples must be finite \[n, d\]"),
        ({"a": [1.0, np.nan]}, "samples must be finite"),
        (SimpleNamespace(x=1), "samples must be numbers"),
    ],
)
@pytest.mark.parametrize("function", [FreeEnergySurface.from_samples, frames_of_arrays])
def test_what_is_no_samples(samples, message, function):
    with pytest.raises(InputError, match=message):
        function(samples)


def test_a_period_of_no_cv():
    samples = {"phi": PHI, "d": D}
    with pytest.raises(InputError, match="period names psi, which is none of phi, d"):
        FreeEnergySurface.from_samples(samples, period={"psi": 360})


def test_names_must_be_those_of_the_grid():
    grid = Grid.from_bins(["d", "phi"], [0, -180], [1, 180], [5, 5], [False, True])
    with pytest.raises(InputError, match="samples are of phi, d, the grid is of d, phi"):
        FreeEnergySurface.from_samples({"phi": PHI, "d": D}, grid=grid, **OPTIONS)
    ordered = FreeEnergySurface.from_samples(
        {"d": D, "phi": PHI}, grid=grid, period=[0, 360], bandwidth=[0.3, 80]
    )
    assert ordered.grid.names == ("d", "phi")


@pytest.mark.filterwarnings("ignore:only .* effective samples:cyfes.errors.CyfesWarning")
@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(-3, 3), min_size=5, max_size=40), st.integers(0, 2**32 - 1))
def test_frames_of_arrays_are_those_of_samples(values, seed):
    """The surface of frames is that of samples with the same weights."""
    log_weights = np.random.default_rng(seed).normal(size=len(values))
    x = np.array(values)
    frames = frames_of_arrays({"x": x}, log_weights=log_weights, period={"x": 7.0})
    assert frames.bounds == (("-3.5", "3.5"),)
    grid = Grid(("x",), (-3.5,), (3.5,), (20,), (True,))
    options = {"bandwidth": [0.5], "kbt": 2.0, "grid": grid, "stream": False}
    one = FreeEnergySurface.from_colvar(frames, **options)
    del options["stream"]
    other = FreeEnergySurface.from_samples(
        x, period=[7.0], names=["x"], log_weights=log_weights, **options
    )
    np.testing.assert_array_equal(one.values, other.values)


def test_frames_of_arrays_have_differences_of_regions():
    frames = frames_of_arrays({"d": D}, times=np.arange(300.0))
    assert frames.times[-1] == 299
    regions = TwoRegions(None, Region.parse(["d=0:0.3"], "--b"))
    share = np.mean((D >= 0) & (D < 0.3))
    found = difference_of_frames(frames, regions, 2.0)
    assert found.value == pytest.approx(-2.0 * np.log(share / (1 - share)))
    with pytest.raises(InputError, match=r"times must be \[300\], got \[2\]"):
        frames_of_arrays({"d": D}, times=[0, 1])
