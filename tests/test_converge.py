"""The course of a run: laws, walkers, what is said of the time still needed, bad input."""

import math
import os
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plumed_files import PERIODIC, report_of, run, write_colvar, write_hills

from cyfes import FreeEnergySurface, read_hills
from cyfes.blocks import GivenBlocks
from cyfes.convergence import Convergence, Course, distance
from cyfes.deltag import difference_on_grid
from cyfes.density import Density
from cyfes.errors import InputError
from cyfes.grid import Grid
from cyfes.hills import hills_grid
from cyfes.regions import Region, TwoRegions
from cyfes.reweight import Samples
from cyfes.running import convergence_of_frames, convergence_of_hills, cuts_of
from cyfes.tables import TableReader, table_of
from cyfes.walkers import hills_in_order, run_order
from cyfes.weights import WeightSums

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("CYFES_SHARED_DATA", ROOT.parent / "shared" / "data"))
TUTORIAL = SHARED / "truth-plumed-opes-metad-tutorial"

GRID = Grid.from_bins(["x", "y"], [-3, -2], [3, 2], [60, 40], [False, True])
H = np.array([0.3, 0.3])
RIGHT = TwoRegions(None, Region.parse(["x=0:"], "--b"))


def frames(n=3000, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 0.8, (n, 2))
    for t in range(1, n):
        x[t] = 0.7 * x[t - 1] + 0.7 * x[t]
    log_w = rng.normal(3, 0.7, n)
    return Samples(
        ("x", "y"), (None, ("-2", "2")), x, log_w, WeightSums.of(log_w), n,
        times=2.0 * np.arange(n) + 10,
    )  # fmt: skip


def course_of(samples, cuts, n_threads=0, **options):
    density = Density(GRID, n_threads=n_threads)
    return convergence_of_frames(samples, density, H, cuts, kbt=2.0, **options)


def part(samples, rows):
    return Samples(
        samples.names, samples.bounds, samples.values[rows], samples.log_weights[rows],
        WeightSums.of(samples.log_weights[rows]), 0,
    )  # fmt: skip


def surface_of(samples):
    return FreeEnergySurface.from_colvar(samples, kbt=2.0, bandwidth=H, grid=GRID)


# Laws of frames


@pytest.mark.parametrize("logarithmic", [False, True])
def test_rows_are_surfaces_of_the_first_and_of_the_last_frames(logarithmic):
    samples = frames()
    n, cuts = 3000, cuts_of(3000, rows=7, logarithmic=logarithmic)
    found = course_of(samples, cuts, regions=RIGHT, below=6.0)
    whole = surface_of(samples)
    np.testing.assert_allclose(found.surface.values, whole.values, rtol=1e-9, atol=1e-9)
    assert found.forwards.rms[-1] == pytest.approx(0, abs=1e-9)
    assert found.backwards.rms[-1] == pytest.approx(0, abs=1e-9)
    judged = 0
    assert found.times.tolist() == samples.times[cuts - 1].tolist()
    for k, cut in enumerate(cuts.tolist()):
        for course, rows in ((found.forwards, slice(0, cut)), (found.backwards, slice(n - cut, n))):
            some = part(samples, rows)
            if cut > 100:  # fewer leave points that only the far ends of kernels reach
                want = distance(surface_of(some).values, whole.values, 6.0)
                assert course.rms[k] == pytest.approx(want, rel=1e-4, abs=1e-9)
                judged += 1
            right = some.values[:, 0] >= 0
            weights = np.exp(some.log_weights)
            with np.errstate(divide="ignore"):
                dg = -2.0 * np.log(weights[right].sum() / weights[~right].sum())
            assert course.differences[k] == pytest.approx(dg)
    assert judged >= 6


def test_the_bits_do_not_depend_on_threads():
    samples, cuts = frames(500), cuts_of(500, rows=5)
    one, three = (course_of(samples, cuts, n_threads=n, regions=RIGHT) for n in (1, 3))
    assert repr(one.columns()) == repr(three.columns())
    assert one.error == three.error


def test_errors_are_those_of_the_plain_commands():
    samples = frames(20000)
    found = course_of(samples, cuts_of(20000, rows=4))
    whole = FreeEnergySurface.from_colvar(samples, kbt=2.0, bandwidth=H, grid=GRID, error=True)
    seen = whole.values - whole.minimum < found.below
    assert found.error == pytest.approx(math.sqrt(np.mean(whole.error[seen] ** 2)), rel=0.15)
    assert not found.problem


@given(st.integers(2, 10**6), st.integers(1, 1000), st.integers(2, 50), st.booleans())
def test_cuts_rise_to_the_end(n, stride, rows, logarithmic):
    cuts = cuts_of(n, rows=rows, logarithmic=logarithmic)
    assert cuts[0] >= 1
    assert cuts[-1] == n
    assert np.all(np.diff(cuts) > 0)
    assert len(cuts) <= rows
    steps = cuts_of(n, stride=max(stride, n // 1000))
    assert set(np.diff(steps)[:-1].tolist()) <= {max(stride, n // 1000)}


@given(st.lists(st.integers(1, 9), min_size=1, max_size=9), st.integers(1, 20))
def test_given_blocks_end_where_it_is_said(lengths, chunk):
    ends = np.cumsum(lengths)
    ledger, n = GivenBlocks(ends), int(ends[-1])
    for start in range(0, n, chunk):
        first, counts = ledger.assign(min(chunk, n - start))
        assert counts.sum() == min(chunk, n - start)
        assert first == np.searchsorted(ends, start, "right")
        ledger.end_file()
    assert ledger.counts.tolist() == lengths
    assert ledger.join_rests().tolist() == list(range(len(lengths)))


# Laws of hills


def test_rows_of_hills_are_the_surfaces_of_a_stride(tmp_path, capsys):
    path = write_hills(tmp_path / "HILLS", 23)
    code, _, err = run(
        capsys, "sum_hills", path, "--stride", 5, "--outfile", tmp_path / "fes_", "--bin", "40,40"
    )
    assert (code, err) == (0, "")
    hills = read_hills(path)
    plain = [FreeEnergySurface.from_dat(tmp_path / f"fes_{k}.dat") for k in range(5)]
    regions = TwoRegions(None, Region.parse(["phi=0:1.5"], "--b"))
    cuts = cuts_of(23, stride=5)
    assert cuts.tolist() == [5, 10, 15, 20, 23]
    grid = plain[-1].grid
    found = convergence_of_hills(hills, grid, cuts, regions=regions, kbt=2.5, below=3.0)
    np.testing.assert_allclose(found.surface.values, plain[-1].values, atol=1e-9)
    for k, surface in enumerate(plain):
        want = distance(surface.values, plain[-1].values, 3.0)
        assert found.forwards.rms[k] == pytest.approx(want, abs=1e-8)
        dg = difference_on_grid(surface, regions, 2.5)
        assert found.forwards.differences[k] == pytest.approx(dg, abs=1e-8)
        mean = np.average(
            [s.values for s in plain[4 - k :]], axis=0, weights=np.diff(cuts, prepend=0)[4 - k :]
        )
        want = distance(mean, plain[-1].values, 3.0)
        assert found.backwards.rms[k] == pytest.approx(want, abs=1e-8)
    assert found.times.tolist() == hills.times[cuts - 1].tolist()


def test_hills_tell_no_time_that_is_needed(tmp_path):
    hills = read_hills(write_hills(tmp_path / "HILLS", 23))
    grid = hills_grid(hills, Grid.from_bins(["phi", "d"], [-math.pi, -1], [math.pi, 3], [40, 40],
                                            [True, False]))  # fmt: skip
    found = convergence_of_hills(hills, grid, cuts_of(23), below=3.0)
    assert found.forecast(0.5).startswith("not told: the hills tell no error")
    with pytest.raises(InputError, match="need kbt"):
        convergence_of_hills(hills, grid, cuts_of(23))


# Walkers


@given(st.lists(st.lists(st.integers(0, 6), max_size=6), min_size=1, max_size=4))
@pytest.mark.filterwarnings("ignore:time goes back")
def test_rows_of_a_file_keep_their_order(files):
    ends, times = np.cumsum([len(f) for f in files]).tolist(), np.array([*chain(*files)], float)
    order, _ = run_order(ends, times)
    order = np.arange(len(times)) if order is None else order
    assert sorted(order.tolist()) == list(range(len(times)))
    for start, stop in pairwise((0, *ends)):
        assert [i for i in order.tolist() if start <= i < stop] == list(range(start, stop))
    if len(files) > 1 and all(f == sorted(f) for f in files):
        assert np.all(np.diff(times[order]) >= 0)


def test_walkers_are_merged_by_their_clocks_else_by_time(tmp_path, capsys):
    fields = "time phi d sigma_phi sigma_d height biasf clock"
    for walker, clock in ((0, 100), (1, 101)):
        rows = {k: f"{k + 1} 0.1 0.2 0.3 0.2 {1 + walker} 10 {clock + 10 * k}" for k in range(5)}
        write_hills(tmp_path / f"HILLS.{walker}", 5, fields=fields, rows=rows)
    paths = [str(tmp_path / f"HILLS.{walker}") for walker in (0, 1)]
    hills, remark = hills_in_order(read_hills(paths))
    assert hills.heights.tolist() == [1, 2] * 5
    assert "order of clock" in remark
    code, _, err = run(
        capsys, "converge", *paths, "--below", 1, "--stride", 2, "--bin", "40,40", "--outfile",
        tmp_path / "a.dat",
    )  # fmt: skip
    assert code == 0
    assert "merged in the order of clock" in err
    code, _, err = run(
        capsys, "converge", *paths, "--below", 1, "--stride", 2, "--bin", "40,40", "--outfile",
        tmp_path / "b.dat", "--order", "files",
    )  # fmt: skip
    assert (code, err) == (0, "")
    assert (tmp_path / "a.dat").read_text() != (tmp_path / "b.dat").read_text()


def test_files_without_time_are_taken_one_after_another(tmp_path):
    rows = {k: f"0.1 0.{k} 0.3 0.2 1.2 10" for k in range(5)}
    paths = [
        str(write_hills(tmp_path / f"HILLS.{k}", 5 - k, rows={j: rows[j + k] for j in range(5 - k)},
                        fields="phi d sigma_phi sigma_d height biasf"))
        for k in (0, 1)
    ]  # fmt: skip
    hills, remark = hills_in_order(read_hills(paths))
    assert hills.centers[:, 1].tolist() == [0, 0.1, 0.2, 0.3, 0.4, 0.1, 0.2, 0.3, 0.4]
    assert remark == "2 files tell no time: they are taken one after another"


@pytest.mark.filterwarnings("default")
def test_frames_of_walkers_are_merged_by_time(tmp_path, capsys):
    paths = [write_colvar(tmp_path / f"COLVAR.{k}", 40, seed=k) for k in (0, 1)]
    out = tmp_path / "course.dat"
    code, _, err = run(
        capsys, "converge", *paths, "--cv", "phi,d", "--temp", 300, "--sigma", "0.3,0.2",
        "--stride", 20, "--outfile", out, "--bin", "40,40",
    )  # fmt: skip
    assert code == 0
    assert "2 files are merged in the order of time" in err
    assert columns(out)["time"].tolist() == [9, 19, 29, 39]


# What is said


def columns(path):
    reader = TableReader(str(path), allow_nonfinite=True)
    names = list(reader.header.fields)
    return table_of(reader, names).columns


def converged(error, problem="", n=100, span=50.0):
    surface = FreeEnergySurface(GRID, np.zeros(GRID.shape), 1.0, units="kt")
    course = Course(np.array([n // 2, n]), np.array([1.0, 0.0]))
    times = np.array([span / 2, span])
    return Convergence("frames", surface, course, course, times, 0.0, 10.0, None, error, problem)


def test_errors_fall_like_the_root_of_time():
    assert converged(1.0).longer(0.5) == pytest.approx(4)
    words = converged(1.0).forecast(0.5)
    assert "300 more frames, a time of 150, are needed" in words
    assert converged(0.4).forecast(0.5).startswith("none: the error is 0.4 kT now")
    words = converged(1.0, "not converged: no plateau").forecast(0.5)
    assert words.startswith("not told: not converged: no plateau")
    assert "at least 300 more frames" in words
    with pytest.raises(InputError, match="target must be positive"):
        converged(1.0).longer(0.0)


def test_another_unit_changes_all_energies():
    found = converged(1.0)
    other = found.converted(2.0, found.surface)
    assert (other.error, other.below, other.forwards.rms[0]) == (2.0, 20.0, 2.0)


@given(st.integers(0, 100), st.floats(-1e3, 1e3))
def test_a_distance_does_not_see_a_shift(seed, shift):
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(0, 9, (2, 30))
    assert distance(a + shift, b, 5.0) == pytest.approx(distance(a, b, 5.0), abs=1e-9)
    assert distance(b, b, 5.0) == 0
    a[int(np.argmin(b))] = np.inf
    assert distance(a, b, 5.0) == math.inf


def test_the_table_and_the_picture(tmp_path, capsys):
    path = write_colvar(tmp_path / "COLVAR", 400)
    out = tmp_path / "course.dat"
    code, text, _ = run(
        capsys, "converge", path, "--temp", 300, "--b", "phi=0:1.5", "--cv", "phi,d", "--rows", 5,
        "--sigma", "0.3,0.2", "--outfile", out, "--plot", tmp_path / "course.png", "--target",
        "0.5", "--to-units", "kcal/mol", "--bin", "30,30",
    )  # fmt: skip
    assert code == 0
    table = columns(out)
    assert list(table) == ["time", "n", "rms_forwards", "dG_forwards", "rms_backwards",
                           "dG_backwards"]  # fmt: skip
    assert table["n"].tolist() == [80, 160, 240, 320, 400]
    assert "#! CYFES units kcal/mol\n" in out.read_text()
    assert "#! CYFES target 0.5\n" in out.read_text()
    assert (tmp_path / "course.png").read_bytes().startswith(b"\x89PNG")
    report = report_of(text)
    assert "for an error of 0.5 kcal/mol" in report["time still needed"]
    code, text, _ = run(capsys, "deltag", path, "--temp", 300, "--b", "phi=0:1.5",
                        "--to-units", "kcal/mol")  # fmt: skip
    dg = float(report_of(text)["dG = F(B) - F(A)"].split()[0])
    assert table["dG_forwards"][-1] == pytest.approx(dg, rel=1e-4)
    assert table["dG_backwards"][-1] == pytest.approx(dg, rel=1e-4)


def bimodal(path, n=2000):
    """A COLVAR file with two minima along phi."""
    rng = np.random.default_rng(3)
    phi = rng.choice([-1.5, 1.5], n) + rng.normal(0, 0.5, n)
    rows = "".join(f"{t} {x:.6f} 0\n" for t, x in enumerate(phi))
    path.write_text(f"#! FIELDS time phi m.bias\n{PERIODIC}{rows}")


@pytest.mark.parametrize("of", ["frames", "hills"])
def test_regions_may_be_basins(tmp_path, capsys, monkeypatch, of):
    monkeypatch.chdir(tmp_path)
    bimodal(tmp_path / "COLVAR")
    told = ["--temp", 300, "--cv", "phi", "--bias", "m.bias"]
    run(capsys, "reweight", "COLVAR", *told, "--outfile", "fes.npz")
    basins = ["--b", "basin:1", "--fes", "fes.npz"]
    file = "COLVAR"
    if of == "hills":
        rows = {t: f"{t} {x} 0.3 1 1" for t, x in enumerate((-1.5, 1.4, -1.4, 1.5, -1.6))}
        file = write_hills(tmp_path / "HILLS", 5, "time phi sigma_phi height biasf", rows=rows)
        told = ["--temp", 300]
    assert run(capsys, "converge", file, *told, "--rows", 3, *basins)[0] == 0
    if of == "hills":
        run(capsys, "sum_hills", file, "--outfile", "sum.dat")
        file, told = "sum.dat", ["--temp", 300]
    else:
        told = ["--temp", 300, "--bias", "m.bias"]
    _, text, _ = run(capsys, "deltag", file, *told, *basins)
    dg = float(report_of(text)["dG = F(B) - F(A)"].split()[0])
    assert columns("converge.dat")["dG_forwards"][-1] == pytest.approx(dg, rel=1e-4)


def flags(options):
    return [word for word in options if word == "--log"]


def pairs(options):
    words = [word for word in options if word != "--log"]
    return zip(words[::2], words[1::2])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "give --kt"),
        (["--temp", 300, "--stride", 0], "--stride"),
        (["--temp", 300, "--stride", 5, "--rows", 5], "not both"),
        (["--temp", 300, "--stride", 5, "--log"], "not both"),
        (["--temp", 300, "--target", -1], "--target must be positive"),
        (["--temp", 300, "--below", 0], "--below must be positive"),
        (["--temp", 300, "--b", "phi"], "no CV=LOW:HIGH"),
        (
            ["--temp", 300, "--b", "d=0:1", "--cv", "phi", "--sigma", 1],
            "name all CVs of the regions",
        ),
        (["--temp", 300, "--b", "phi=3.1:3.11"], "lies in B"),
        (["--temp", 300, "--plot", "a.txt"], "a picture must end in"),
        (["--temp", 300, "--start", 49], "at least 2 frames"),
    ],
)
def test_bad_input_of_frames_is_one_line(tmp_path, capsys, monkeypatch, options, words):
    monkeypatch.chdir(tmp_path)
    path = write_colvar(tmp_path / "COLVAR", 50)
    given = {"--cv": "phi,d", "--sigma": "0.3,0.2", **dict(pairs(options))}
    code, _, err = run(capsys, "converge", path, *sum(given.items(), ()), *flags(options))
    assert code == 2
    assert words in err.splitlines()[-1]
    assert [p.name for p in tmp_path.iterdir()] == ["COLVAR"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "need kbt"),
        (["--b", "phi=0:1", "--below", 3], "need kbt"),
        (["--bias", "metad.bias", "--below", 3], "--bias is for frames"),
        (["--blocks", 5, "--below", 3], "--blocks is for frames"),
        (["--b", "x=0:1", "--temp", 300], "the grid has no CV 'x'"),
    ],
)
def test_bad_input_of_hills_is_one_line(tmp_path, capsys, monkeypatch, options, words):
    monkeypatch.chdir(tmp_path)
    path = write_hills(tmp_path / "HILLS", 50)
    code, _, err = run(capsys, "converge", path, *options)
    assert code == 2
    assert words in err.splitlines()[-1]
    assert [p.name for p in tmp_path.iterdir()] == ["HILLS"]


# Known answers


@pytest.mark.filterwarnings("default")
@pytest.mark.skipif(not TUTORIAL.is_dir(), reason="no shared data")
def test_plumed_tutorial(tmp_path, capsys):
    options = ["--units", "kt", "--b", "p.x=0:", "--target", "0.1", "--outfile", tmp_path / "a.dat"]
    code, out, err = run(
        capsys, "converge", TUTORIAL / "opes/COLVAR.gz", "--bias", "opes.bias", *options
    )
    assert (code, err) == (0, "")
    table, report = columns(tmp_path / "a.dat"), report_of(out)
    assert table["dG_forwards"][-1] == pytest.approx(3.143, abs=1e-3)
    assert table["rms_forwards"][len(table["n"]) // 2] < 0.5
    assert "needed" in report["time still needed"] or "none" in report["time still needed"]
    code, out, err = run(
        capsys, "converge", TUTORIAL / "metad/COLVAR.gz", "--bias", "metad.rbias", *options
    )
    assert code == 0
    assert "lower bound: not converged" in err
    assert "not told: not converged" in report_of(out)["time still needed"]
    assert columns(tmp_path / "a.dat")["dG_forwards"][-1] == pytest.approx(2.522, abs=1e-3)
