"""Surfaces that frames reach in part or not at all, and what is said of them."""

import math

import numpy as np
import pytest
from plumed_files import run, write_colvar, write_hills

from cyfes import Density, FreeEnergySurface, Grid
from cyfes.errors import CyfesWarning, InputError
from cyfes.grid import GridRequest

GRID = Grid.from_bins(["d"], [5], [6], [10], [False])


def sampled(x, **options):
    return FreeEnergySurface.from_samples(np.asanyarray(x, float), names=["d"], **options)


def test_what_no_frame_reaches_is_an_error():
    message = r"no frame lies within reach of the grid; the frames span 0 to 2 \(CV d\), the grid 5"
    with pytest.raises(InputError, match=message):
        sampled([0, 1, 2], bandwidth=0.1, grid=GRID)


@pytest.mark.parametrize("stream", [[], ["--stream"]])
@pytest.mark.parametrize("shifted", [[], ["--mintozero"]])
def test_the_command_writes_no_file_of_inf(tmp_path, capsys, monkeypatch, stream, shifted):
    monkeypatch.chdir(tmp_path)
    write_colvar(tmp_path / "COLVAR")
    options = ["--cv", "d", "--no-bias", "--kt", "2.5", "--sigma", "0.1"]
    where = ["--min", "50", "--max", "60", "--bin", "200"]
    code, _, err = run(capsys, "reweight", "COLVAR", *options, *where, *stream, *shifted)
    assert code == 2
    assert "no frame lies within reach of the grid; the frames span 0." in err
    assert "(CV d), the grid 50 to 60" in err
    assert not (tmp_path / "fes.dat").exists()


def test_mostly_unreached_is_a_warning():
    with pytest.warns(CyfesWarning, match=r"1978 of 2001 grid points are out of reach of all"):
        surface = sampled([0.0], bandwidth=1, lower=[-1000], upper=[1000], shape=[2001])
    assert surface.n_unreached == 1978  # a kernel reaches 11 bandwidths
    assert surface.n_unreached == np.isinf(surface.values).sum()


def test_shifting_leaves_inf_alone():
    with pytest.warns(CyfesWarning, match="wider than sigma"):
        surface = sampled([0.0], bandwidth=0.5, lower=[-20], upper=[20], shape=[41])
    assert 0 < surface.n_unreached < 36
    shifted = surface.shifted()
    assert surface.minimum == pytest.approx(math.log(0.5 * math.sqrt(2 * math.pi)))
    assert shifted.minimum == 0
    np.testing.assert_array_equal(np.isinf(shifted.values), np.isinf(surface.values))
    assert not np.isnan(shifted.values).any()
    nowhere = FreeEnergySurface(GRID, np.full(11, np.inf))
    assert nowhere.minimum == math.inf
    np.testing.assert_array_equal(nowhere.shifted().values, np.inf)
    assert nowhere.n_unreached == 11
    mixed = FreeEnergySurface(GRID, np.r_[np.nan, -3.0, np.inf, np.ones(8)])
    assert (mixed.minimum, mixed.n_unreached) == (-3.0, 2)


def test_few_effective_samples_are_said_with_any_bandwidth():
    x, log_weights = np.linspace(0, 1, 50), np.zeros(50)
    log_weights[7] = 60
    with pytest.warns(CyfesWarning, match=r"only 1\.0 effective samples"):
        sampled(x, log_weights=log_weights, bandwidth=0.1)
    sampled(x[:5], bandwidth=0.1)  # few, and all of them count


def test_grids_are_given_in_any_form():
    x = np.random.default_rng(0).normal(size=(300, 2))
    names = ["a", "b"]
    grid = Grid.from_bins(names, [-3, -math.pi], [3, math.pi], [40, 50], [False, True])
    period = [0, 2 * math.pi]
    options = {"bandwidth": 0.3, "period": period, "names": names}
    one = FreeEnergySurface.from_samples(x, grid=grid, **options)
    request = GridRequest(["-3", "-pi"], ["3", "pi"], [40, 50])
    other = FreeEnergySurface.from_samples(x, grid=request, **options)
    parts = FreeEnergySurface.from_samples(
        x, lower=[-3, -math.pi], upper=[3, math.pi], shape=[41, 50], **options
    )
    for surface in (other, parts):
        assert surface.grid == one.grid == grid
        np.testing.assert_array_equal(surface.values, one.values)
    with pytest.raises(InputError, match="give a grid, or its bounds and bins, not both"):
        FreeEnergySurface.from_samples(x, grid=grid, lower=[0, 0], **options)
    with pytest.raises(InputError, match=r"the grid has the period 6\.28.* of b, expected 3"):
        FreeEnergySurface.from_samples(x, grid=grid, bandwidth=0.3, period=[0, 3], names=names)


def test_samples_without_weights_are_those_of_weight_one():
    x = np.random.default_rng(3).normal(size=(5000, 2))
    options = {"bandwidth": 0.3, "lower": [-4, -4], "upper": [4, 4], "shape": [50, 50]}
    one = FreeEnergySurface.from_samples(x, **options)
    other = FreeEnergySurface.from_samples(x, log_weights=np.zeros(5000), **options)
    np.testing.assert_array_equal(one.values, other.values)
    density = Density(one.grid, derivatives=True).add(x, np.full((1, 2), 0.3))
    shift = -density.log_sum_weights - math.log(2 * math.pi * 0.3**2)
    np.testing.assert_array_equal(one.derivatives, -1.0 * (density.derivatives / density.values))
    np.testing.assert_allclose(one.values, -np.log(density.values) - shift, rtol=1e-15, atol=1e-15)


def test_masked_and_far_samples():
    x = np.ma.masked_array(np.zeros(5), [0, 1, 0, 0, 0])
    with pytest.raises(InputError, match=r"samples ha.* masked"):
        sampled(x, bandwidth=0.1)
    # Far samples neither reach the grid nor disturb it.
    near = np.random.default_rng(1).normal(size=400)
    far = [1e8, -1e12, 1e15, 1e300]
    options = {"bandwidth": 0.2, "lower": [-3], "upper": [3], "shape": [121]}
    one = sampled(near, **options)
    other = sampled(np.r_[near, far], **options)
    np.testing.assert_allclose(other.values, one.values + math.log(404 / 400), rtol=0, atol=1e-11)
    weighted = sampled(near, weights=np.full(400, 1e308), **options)
    np.testing.assert_allclose(weighted.values, one.values, rtol=0, atol=1e-11)


WHERE = ["--min", "-pi,50", "--max", "pi,60", "--bin", "60,200"]


def test_a_grid_that_no_hill_reaches_is_warned_of(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_hills(tmp_path / "HILLS")
    with pytest.warns(CyfesWarning, match=r"no hill lies within reach .* so that the surface is 0"):
        FreeEnergySurface.from_hills("HILLS", lower=["-pi", 50], upper=["pi", 60], bins=[60, 200])
    FreeEnergySurface.from_hills("HILLS", lower=["-pi", 2], upper=["pi", 60], bins=[60, 1000])


@pytest.mark.filterwarnings("default")
def test_nothing_is_written_beside_a_histogram_that_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_hills(tmp_path / "HILLS")
    before = sorted(tmp_path.iterdir())
    for options, words in (
        ([*WHERE, "--sigma", "0.3,0.2"], "no sample lies within reach of the grid"),
        (["--sigma", "0.3"], "--histo needs --sigma with 2 values"),
    ):
        code, _, err = run(capsys, "sum_hills", "HILLS", "--histo", "HILLS", "--kt", 2.5, *options)
        assert (code, sorted(tmp_path.iterdir())) == (2, before)
        assert words in err
