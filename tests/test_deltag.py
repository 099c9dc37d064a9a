"""Free energy differences of regions: known answers, boxes, coverage, bad input."""

import math
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from plumed_files import report_of, run, write_colvar

from cyfes import FreeEnergySurface, Grid
from cyfes.deltag import (
    difference_of_frames,
    difference_on_grid,
    funnel_volume,
    standard_state,
)
from cyfes.errors import InputError
from cyfes.regions import NEITHER, A, B, Region, TwoRegions
from cyfes.reweight import Samples, SampleStream, Selection, read_samples
from cyfes.surface import Surface
from cyfes.weights import WeightSums

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("CYFES_SHARED_DATA", ROOT.parent / "shared" / "data"))
TUTORIAL = SHARED / "truth-plumed-opes-metad-tutorial"


def regions(a=None, b=None):
    return TwoRegions(
        None if a is None else Region.parse(a, "--a"), None if b is None else Region.parse(b, "--b")
    )


def samples(x, log_weights, ends=()):
    sums = WeightSums.of(log_weights)
    return Samples(("x",), (None,), x[:, None], log_weights, sums, len(x), ends=ends)


# Regions


def test_the_rest_is_the_other_region():
    x = np.array([-1.0, 0.0, 0.5, 1.0])
    assert regions(b=["x=0:1"]).labels([x], [0]).tolist() == [A, B, B, A]
    assert regions(a=["x=0:1"]).labels([x], [0]).tolist() == [B, A, A, B]
    assert regions(["x=:0"], ["x=0.5:"]).labels([x], [0]).tolist() == [A, NEITHER, B, B]


@pytest.mark.parametrize("turns", [-1, 0, 3])
def test_a_box_wraps_over_the_end_of_a_period(turns):
    phi = np.array([-3.1, -2.0, 0.0, 2.5, 3.1]) + turns * 2 * math.pi
    found = Region.parse(["phi=2:-2.5"], "--a").contains(["phi"], [phi], [2 * math.pi])
    assert found.tolist() == [True, False, False, True, True]


def test_boxes_are_joined_and_their_cvs_all_count():
    x, y = np.array([0.5, 0.5, 2.5]), np.array([0.5, 5.0, 9.0])
    box = Region.parse(["x=0:1,y=0:1", "x=2:3"], "--a")
    assert box.names == ("x", "y")
    assert box.contains(["y", "x"], [y, x], [0, 0]).tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("box", "period", "words"),
    [
        ("x", 0, "no CV=LOW:HIGH"),
        ("x=1", 0, "no CV=LOW:HIGH"),
        ("=1:2", 0, "no CV=LOW:HIGH"),
        ("x=1:a", 0, "is not a number"),
        ("x=1:2,x=3:4", 0, "stands twice"),
        ("x=2:1", 0, "low must be below high"),
        ("x=1:1", 0, "low must be below high"),
        ("x=0:7", 2 * math.pi, "part of the period"),
        ("x=1:1", 2 * math.pi, "part of the period"),
        ("x=1:", 2 * math.pi, "has no end"),
    ],
)
def test_boxes_that_are_none_are_refused(box, period, words):
    with pytest.raises(InputError, match=words):
        regions(b=[box]).labels([np.zeros(3)], [period])


def test_regions_that_overlap_are_refused():
    with pytest.raises(InputError, match=r"x=1\.5 is in both"):
        regions(["x=0:2"], ["x=1:3"]).labels([np.array([0.5, 1.5])], [0])


# Differences


def test_the_difference_is_that_of_sums_of_weights():
    rng = np.random.default_rng(0)
    x, log_w = rng.normal(size=5000), rng.normal(-3000, 1, 5000)
    found = difference_of_frames(samples(x, log_w), regions(["x=:0"], ["x=1:"]), 2.5)
    w = np.exp(log_w + 3000)
    assert found.value == pytest.approx(-2.5 * math.log(w[x >= 1].sum() / w[x < 0].sum()))
    d = w * ((x >= 1) / w[x >= 1].sum() - (x < 0) / w[x < 0].sum())
    assert found.error == pytest.approx(2.5 * math.sqrt((d**2).sum()), rel=0.25)
    assert found.problem == ""
    assert found.forwards()[-1] == pytest.approx(found.value)
    assert found.backwards()[-1] == pytest.approx(found.value)
    assert found.forwards(2)[0] == found.halves()[0]
    swapped = difference_of_frames(samples(x, log_w), regions(["x=1:"], ["x=:0"]), 2.5)
    assert swapped.value == pytest.approx(-found.value)
    assert swapped.error == pytest.approx(found.error)


def test_a_stream_gives_the_same(tmp_path):
    files = [write_colvar(tmp_path / "a", n=900), write_colvar(tmp_path / "b", n=500, seed=1)]
    chosen = Selection(cv=("phi",), bias=("metad.bias",))
    two = regions(b=["phi=0:3"])
    whole = difference_of_frames(read_samples(files, 2.5, chosen), two, 2.5)
    streamed = difference_of_frames(SampleStream(files, 2.5, chosen), two, 2.5)
    assert (streamed.value, streamed.error) == pytest.approx((whole.value, whole.error), rel=1e-12)


def test_a_run_whose_halves_disagree_has_not_converged():
    rng = np.random.default_rng(4)
    side = np.concatenate([rng.random(5000) < 0.2, rng.random(5000) < 0.4])
    found = difference_of_frames(samples(side - 0.5, np.zeros(10000)), regions(b=["x=0:"]), 1.0)
    assert found.problem.startswith("not converged:")


def test_few_frames_of_a_region_give_a_lower_bound():
    x = np.full(3000, -1.0)
    x[::1000] = 1.0
    found = difference_of_frames(samples(x, np.zeros(3000)), regions(b=["x=0:"]), 1.0)
    assert found.problem == "only 3.0 effective frames lie in B"


def test_a_grid_gives_the_integral():
    rng = np.random.default_rng(1)
    surface = FreeEnergySurface.from_samples(
        rng.normal(size=20000), bandwidth=0.1, lower=[-5], upper=[5], shape=[501], names=["x"]
    )
    found = difference_on_grid(surface, regions(b=["x=1:"]), 1.0)
    exact = -math.log(0.5 * math.erfc(1 / math.sqrt(2)) / (1 - 0.5 * math.erfc(1 / math.sqrt(2))))
    assert found == pytest.approx(exact, abs=0.05)
    with pytest.raises(InputError, match="no CV 'y'"):
        difference_on_grid(surface, regions(b=["y=1:2"]), 1.0)
    with pytest.raises(InputError, match="no grid point"):
        difference_on_grid(surface, regions(b=["x=7:9"]), 1.0)


@pytest.mark.parametrize(
    ("region", "inside"),
    [("pi/6:pi/2", 2), ("-3.141593:0", 6), ("0:3.141593", 6), ("pi/3:-pi/3", 8)],
)
def test_points_on_the_edge_of_a_region_are_told_despite_rounding(region, inside):
    grid = Grid.from_bins(["x"], [-math.pi], [math.pi], [12], [True])
    flat = Surface(grid, np.zeros(12))
    found = difference_on_grid(flat, regions(b=[f"x={region}"]), 1.0)
    assert found == pytest.approx(-math.log(inside / (12 - inside)))


@pytest.mark.parametrize("first", [800.0, -800.0])
def test_a_half_without_weight_has_not_converged(first):
    x = np.tile([-1.0, 1.0], 2000)
    log_weights = np.repeat([0.0, first], 2000)
    found = difference_of_frames(samples(x, log_weights), regions(b=["x=0:"]), 1.0)
    assert found.value == pytest.approx(0)
    assert found.problem == "not converged: one half of the run has no weight in A or in B"


@pytest.mark.parametrize("level", [1.0, 95, -0.1, math.nan])
def test_levels_that_are_no_shares_are_refused(level):
    x = np.tile([-1.0, 1.0], 2000)
    found = difference_of_frames(samples(x, np.zeros(4000)), regions(b=["x=0:"]), 1.0)
    with pytest.raises(InputError, match="0 <= level < 1"):
        found.interval(level)


def test_a_funnel_leaves_a_cylinder():
    region = Region.parse(["z=3:3.5"], "--a")
    assert funnel_volume(region, 0.1) == pytest.approx(math.pi * 0.01 * 0.5)
    for other in (None, Region.parse(["z=3:"], "--a"), Region.parse(["z=0:1,d=0:1"], "--a")):
        with pytest.raises(InputError, match="--funnel needs A as the interval of one CV"):
            funnel_volume(other, 0.1)


def test_the_standard_state_is_a_molecule_in_the_volume_of_one_molar():
    assert standard_state(2.5, 1.6605390671738466) == pytest.approx(0)
    assert standard_state(2.5, 1.6605390671738466 * math.e) == pytest.approx(-2.5)


# The command


def test_the_command_reports_what_python_gives(tmp_path, capsys):
    path = write_colvar(tmp_path / "COLVAR", n=3000)
    code, out, err = run(
        capsys, "deltag", path, "--kt", 2.5, "--b", "phi=0:2", "--standard-state", 5,
        "--to-units", "kcal/mol",
    )  # fmt: skip
    assert (code, err) == (0, "")
    chosen = Selection(cv=("phi",), bias=("metad.bias",))
    found = difference_of_frames(read_samples(path, 2.5, chosen), regions(b=["phi=0:2"]), 2.5)
    report = report_of(out)
    assert report["dG = F(B) - F(A)"] == (
        f"{found.value / 4.184:.6g} +- {found.error / 4.184:.3g} kcal/mol"
    )
    assert "all that is not in B; B: 0 <= phi < 2" in report["A, B"]
    assert "dG - kBT ln(5 nm^3 / 1.6605 nm^3)" in report["standard state"]
    assert len(report["forwards"].split()) == len(report["backwards"].split()) == 10
    assert list(tmp_path.iterdir()) == [path]


def test_the_command_takes_a_surface(tmp_path, capsys):
    path = write_colvar(tmp_path / "COLVAR", n=3000)
    fes = tmp_path / "fes.dat"
    options = ["--cv", "phi", "--kt", 2.5, "--sigma", 0.03, "--bin", 600, "--outfile", fes]
    assert run(capsys, "reweight", path, *options)[0] == 0
    code, out, _ = run(capsys, "deltag", fes, "--kt", 2.5, "--b", "phi=0:2")
    assert code == 0
    report = report_of(out)
    assert "grid" in report["how"]
    _, frames, _ = run(capsys, "deltag", path, "--kt", 2.5, "--b", "phi=0:2")
    value = [float(r["dG = F(B) - F(A)"].split()[0]) for r in (report, report_of(frames))]
    assert value[0] == pytest.approx(value[1], abs=0.1)


def written_npz(path, units, kbt):
    grid = Grid.from_bins(["x"], [0], [1], [10], [False])
    Surface(grid, np.linspace(0, 3, 11), kbt, units=units).to_npz(path)
    return path


def test_the_unit_that_a_surface_tells_is_not_overruled(tmp_path, capsys):
    path = written_npz(tmp_path / "k.npz", "kcal/mol", 0.6)
    code, _, err = run(capsys, "deltag", path, "--kt", 2.5, "--b", "x=0.5:")
    told = "tells that it is in kcal/mol, not kJ/mol: say --units kcal/mol; --to-units converts"
    assert (code, err) == (2, f"cyfes: error: {path} {told}\n")
    options = ["--kt", 0.6, "--units", "kcal/mol", "--to-units", "kj/mol"]
    code, out, err = run(capsys, "deltag", path, "--b", "x=0.5:", *options)
    weights = np.exp(-np.linspace(0, 3, 11) / 0.6)
    exact = -0.6 * 4.184 * math.log(weights[5:].sum() / weights[:5].sum())
    assert (code, err) == (0, "")
    assert report_of(out)["dG = F(B) - F(A)"] == f"{exact:.6g} kJ/mol"


@pytest.mark.filterwarnings("default")
def test_another_temperature_than_that_of_the_surface_is_warned_of(tmp_path, capsys):
    path = written_npz(tmp_path / "k.npz", "kj/mol", 2.5)
    code, _, err = run(capsys, "deltag", path, "--kt", 2.7, "--b", "x=0.5:")
    assert code == 0
    assert "was made with kBT = 2.5, and kBT = 2.7 is used" in err


@pytest.mark.parametrize(
    "option",
    [["--start", 3], ["--bias", "b"], ["--no-bias"], ["--skip", 2], ["--blocks", 4], ["--stream"]],
)
def test_options_of_frames_are_refused_beside_a_surface(tmp_path, capsys, option):
    path = written_npz(tmp_path / "k.npz", "kj/mol", 2.5)
    code, _, err = run(capsys, "deltag", path, "--kt", 2.5, "--b", "x=0.5:", *option)
    assert code == 2
    assert f"{option[0]} is for frames, and {path} is a surface" in err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "give a region, --a or --b"),
        (["--b", "phi"], "no CV=LOW:HIGH"),
        (["--b", "psi=0:1"], "no column 'psi'"),
        (["--a", "phi=0:2", "--b", "phi=1:3"], "is in both"),
        (["--b", "d=2:1"], "give two boxes, d=2: and d=:1, or, of frames, --period"),
        (["--b", "d=8:9"], "no frame with any weight lies in B"),
        (["--b", "phi=0:1", "--blocks", "1"], "--blocks must be at least 2"),
        (["--b", "phi=0:1", "--standard-state", "0"], "--standard-state must be positive"),
        (["--b", "phi=0:1", "--funnel", "-1"], "--funnel must be positive"),
        (["--b", "phi=0:1", "--funnel", "0.1"], "--funnel needs A as the interval"),
        (["--a", "phi=0:1", "--funnel", "0.1", "--standard-state", "1"], "gives the volume of A"),
        (["--b", "a=0:1,b=0:1,c=0:1,d=0:1,e=0:1"], "at most 4 CVs"),
    ],
)
def test_bad_input_is_one_line(tmp_path, capsys, options, words):
    path = write_colvar(tmp_path / "COLVAR")
    code, out, err = run(capsys, "deltag", path, "--kt", 2.5, *options)
    assert (code, out) == (2, "")
    assert err.startswith("cyfes: error: ")
    assert words in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_column_comes_with_the_option(tmp_path, capsys):
    path = write_colvar(tmp_path / "COLVAR", n=3000)
    fes = tmp_path / "fes.dat"
    options = ["--cv", "phi", "--kt", 2.5, "--outfile", fes, "--to-units", "kcal/mol"]
    code, out, err = run(capsys, "reweight", path, "--error", *options)
    assert (code, err) == (0, "")
    assert "frames" in report_of(out)["blocks"]
    assert fes.read_text().splitlines()[0] == "#! FIELDS phi file.free der_phi error"
    python = FreeEnergySurface.from_colvar(path, kbt=2.5, cv=["phi"], error=True)
    read = FreeEnergySurface.read(fes)
    np.testing.assert_allclose(read.error * 4.184, python.error, atol=1e-8)
    assert run(capsys, "plot", fes, "-o", tmp_path / "fes.png")[0] == 0


@pytest.mark.parametrize(("reference", "point"), [("0.5", (0.5,)), ("minimum", None)])
def test_errors_of_differences_are_written(tmp_path, capsys, reference, point):
    path = write_colvar(tmp_path / "COLVAR", n=3000)
    fes = tmp_path / "fes.dat"
    options = [path, "--cv", "phi", "--kt", 2.5, "--error", "--reference", reference]
    code, _, err = run(capsys, "reweight", *options, "--outfile", fes)
    assert (code, err) == (0, "")
    assert "reference" in fes.read_text()
    read = FreeEnergySurface.read(fes)
    python = FreeEnergySurface.from_colvar(path, kbt=2.5, cv=["phi"], error=True)
    expected = python.relative_to(point)
    np.testing.assert_allclose(read.values, expected.values, atol=1e-8)
    np.testing.assert_allclose(read.error, expected.error, atol=1e-8)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--reference", "0,0"], "a position has 1 numbers"),
        (["--reference", "x"], "--reference"),
        (["--reference", "minimum", "--mintozero"], "give one of them"),
    ],
)
def test_a_reference_that_cannot_be_is_refused(tmp_path, capsys, more, words):
    path = write_colvar(tmp_path / "COLVAR", n=3000)
    options = [path, "--cv", "phi", "--kt", 2.5, *more, "--outfile", tmp_path / "fes.dat"]
    code, _, err = run(capsys, "reweight", *options)
    assert code == 2
    assert words in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == [path]


def test_a_surface_per_volume(tmp_path, capsys):
    path, fes = write_colvar(tmp_path / "COLVAR", n=3000), tmp_path / "fes.dat"
    options = [path, "--cv", "d", "--kt", 2.5, "--error", "--radial", "d", "--outfile", fes]
    code, out, err = run(capsys, "reweight", *options)
    assert (code, err) == (0, "")
    assert report_of(out)["radial"] == "F + 2 kBT ln d, of the probability per volume"
    python = FreeEnergySurface.from_colvar(path, kbt=2.5, cv=["d"], error=True).radial("d")
    read = FreeEnergySurface.read(fes)
    np.testing.assert_allclose(read.values, python.values, atol=1e-8)
    np.testing.assert_allclose(read.error, python.error, atol=1e-8)
    assert run(capsys, "reweight", *options[:-4], "--radial", "phi", "--outfile", fes)[0] == 2


# Known answers


@pytest.mark.filterwarnings("default")
@pytest.mark.skipif(not TUTORIAL.is_dir(), reason="no shared data")
def test_plumed_tutorial(capsys):
    options = ["--units", "kt", "--b", "p.x=0:"]
    code, out, err = run(
        capsys, "deltag", TUTORIAL / "opes/COLVAR.gz", "--bias", "opes.bias", *options
    )
    report = report_of(out)
    assert (code, err) == (0, "")
    assert float(report["dG = F(B) - F(A)"].split()[0]) == pytest.approx(3.143, abs=1e-3)
    low, _, high, _ = report["95 % interval"].split()
    assert float(low) < 3.31502 < float(high)
    code, out, err = run(
        capsys, "deltag", TUTORIAL / "metad/COLVAR.gz", "--bias", "metad.rbias", *options
    )
    assert code == 0
    assert "lower bound: not converged" in err
    assert float(report_of(out)["dG = F(B) - F(A)"].split()[0]) == pytest.approx(2.522, abs=1e-3)


@pytest.mark.skipif(not SHARED.is_dir(), reason="no shared data")
@pytest.mark.parametrize(
    ("run_of", "bias"),
    [("colvar-2d-nan-opes", "opes.bias"), ("colvar-2d-metad", "metad.bias,-metad.rct")],
)
def test_alanine_dipeptide(capsys, run_of, bias):
    code, out, _ = run(
        capsys,
        "deltag",
        SHARED / run_of / "COLVAR",
        "--temp",
        300,
        "--bias",
        bias,
        "--b",
        "phi=0:2.3",
    )
    assert code == 0
    assert float(report_of(out)["dG = F(B) - F(A)"].split()[0]) == pytest.approx(9.97, abs=0.23)


# Coverage: the full form is benchmarks/coverage.py


@pytest.mark.skipif(not (ROOT / "benchmarks").is_dir(), reason="no benchmarks beside the tests")
def test_intervals_hold_the_truth_as_often_as_they_say():
    sys.path.append(str(ROOT))
    from benchmarks.coverage import judge, trajectories

    for _, judged in judge(trajectories(100, 4000)):
        low, high = judged.coverage(0.68).mean(), judged.coverage(0.95).mean()
        assert 0.58 <= low <= 0.78
        assert 0.90 <= high <= 0.99
        assert 0.85 <= judged.stated().mean() <= 1.15
        assert judged.warned <= 5


def test_blocks_that_are_too_short_are_warned_of():
    sys.path.append(str(ROOT))
    coverage = pytest.importorskip("benchmarks.coverage")
    for _, judged in coverage.judge(coverage.trajectories(3, 2000), blocks=500):
        assert judged.warned == 3
