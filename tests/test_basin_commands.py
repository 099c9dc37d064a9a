"""cyfes minima and cyfes path: what they report and write, and what they refuse."""

import math
from importlib.util import find_spec

import numpy as np
import pytest
from plumed_files import report_of, run

from cyfes import FreeEnergySurface
from cyfes.grid import Grid

KBT = 2.5
GRID = Grid(("phi", "y"), (-math.pi, -1.0), (math.pi, 1.0), (48, 41), (True, False),
            (("-pi", "pi"), ("-1", "1")))  # fmt: skip
needs_scipy = pytest.mark.skipif(find_spec("scipy") is None, reason="no scipy")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with a surface of two wells as .dat and as .npz."""
    monkeypatch.chdir(tmp_path)
    x, y = np.meshgrid(*GRID.axes, indexing="ij")
    fes = FreeEnergySurface(GRID, 10 * np.cos(2 * x) + 2 * np.cos(x) + 40 * y * y, KBT)
    fes.to_dat("fes.dat", fmt="%.17g")
    fes.to_npz("fes.npz")
    return tmp_path


def accepted(capsys, *arguments):
    code, out, err = run(capsys, *arguments)
    assert (code, err) == (0, "")
    return out


def refused(capsys, folder, *arguments):
    before = sorted(folder.iterdir())
    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert len(err.splitlines()) == 1
    assert sorted(folder.iterdir()) == before
    return err


def column(path, name):
    with open(path) as file:
        names = file.readline().split()[2:]
    return np.loadtxt(path, ndmin=2)[:, names.index(name)]


def test_minima_of_a_surface(folder, capsys):
    out = accepted(
        capsys, "minima", "fes.dat", "--kt", KBT, "-o", "minima.dat", "--saddles", "saddles.dat",
        "--basins", "basins.npz",
    )  # fmt: skip
    lines = out.splitlines()
    told = report_of(out)
    assert told["minima"].startswith("2 of 2 local minima, those 0.5 kT deep or more")
    header = next(i for i, line in enumerate(lines) if line.startswith("basin "))
    assert lines[header].split() == ["basin", "phi", "y", "free", "depth", "probability"]
    basins = FreeEnergySurface.read("fes.dat").basins(kbt=KBT)
    np.testing.assert_allclose(column("minima.dat", "phi"), [m.position[0] for m in basins.minima])
    np.testing.assert_allclose(
        column("minima.dat", "depth"), [m.depth for m in basins.minima], rtol=1e-9
    )
    np.testing.assert_allclose(column("minima.dat", "probability").sum(), 1)
    np.testing.assert_allclose(
        column("saddles.dat", "barrier_ab"), basins.saddles[0].barriers[0], rtol=1e-9
    )
    labels = FreeEnergySurface.read("basins.npz")
    np.testing.assert_array_equal(labels.values, basins.labels)
    text = (folder / "minima.dat").read_text()
    assert "#! CYFES command cyfes minima fes.dat --kt 2.5" in text
    assert "#! CYFES input sha256:" in text


def test_minima_in_another_unit_and_a_file_that_tells_kbt(folder, capsys):
    accepted(capsys, "minima", "fes.npz", "-o", "a.dat")
    accepted(capsys, "minima", "fes.npz", "-o", "b.dat", "--to-units", "kt")
    np.testing.assert_allclose(column("a.dat", "depth")[1], KBT * column("b.dat", "depth")[1])
    np.testing.assert_allclose(column("a.dat", "probability"), column("b.dat", "probability"))


def test_minima_of_frames_have_errors(frames, folder, capsys):
    (folder / "COLVAR").write_text(frames)
    out = accepted(
        capsys, "minima", "COLVAR", "--cv", "x", "--no-bias", "--units", "kt", "--sigma", "0.15",
        "-o", "minima.dat",
    )  # fmt: skip
    told = report_of(out)
    assert told["samples used"] == "20000"
    assert "blocks" in told
    fes = FreeEnergySurface.from_colvar(
        "COLVAR", kbt=1.0, units="kt", no_bias=True, cv=["x"], bandwidth=[0.15], error=True
    )
    found = fes.basins().minima
    assert len(found) == 2
    for name in ("depth_error", "probability_error"):
        want = [math.nan if x is None else x for x in (getattr(m, name) for m in found)]
        np.testing.assert_allclose(column("minima.dat", name), want, rtol=1e-9)


def test_minima_that_may_be_noise_are_pointed_out(folder, capsys):
    rng = np.random.default_rng(3)
    rows = "".join(f"{t} {x:.4f}\n" for t, x in enumerate(rng.normal(size=2000)))
    (folder / "COLVAR").write_text("#! FIELDS time x\n" + rows)
    code, _, err = run(
        capsys, "minima", "COLVAR", "--cv", "x", "--no-bias", "--units", "kt", "--sigma", "0.02",
        "--persistence", "0.1",
    )  # fmt: skip
    assert code == 0
    assert "minima are less deep than two of their errors: noise may have made them" in err


@needs_scipy
def test_a_path_between_minima_and_from_a_point(folder, capsys):
    pytest.importorskip("matplotlib")
    out = accepted(
        capsys, "path", "fes.dat", "--kt", KBT, "--from", "0", "--to", "1", "--plot", "path.png",
        "--points", "51",
    )  # fmt: skip
    told = report_of(out)
    assert told["from A"].endswith("(basin 0)")
    assert told["through basins"] == "0 1"
    saddle = FreeEnergySurface.read("fes.dat").basins(kbt=KBT).saddles[0]
    assert float(told["barrier A to B"].split()[0]) == pytest.approx(saddle.barriers[0], abs=0.1)
    free = column("path.dat", "free")
    assert len(free) == 51
    assert free[0] == 0
    assert free.max() == pytest.approx(saddle.barriers[0], abs=0.1)
    assert "#! CYFES barrier_A_to_B" in (folder / "path.dat").read_text()
    assert (folder / "path.png").stat().st_size > 1000
    # A table on the standard output sends the report to stderr.
    code, out, err = run(
        capsys, "path", "fes.npz", "--from", "phi=pi/2,y=0.5", "--to", "0", "-o", "-"
    )
    assert code == 0
    assert report_of(err)["through basins"] == "1 0"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["minima", "fes.dat"], "fes.dat does not tell kBT: give --kt in kJ/mol, or --temp"),
        (["minima", "none.dat", "--kt", "1"], "none.dat"),
        (["minima", "fes.npz", "fes.dat"], "expected one surface on a grid, or COLVAR files"),
        (["minima", "fes.npz", "--persistence", "-1"], "persistence must be at least 0, got -1"),
        (["minima", "fes.npz", "--persistence", "x"], "--persistence: 'x' is not a number"),
        (["minima", "fes.npz", "--sigma", "0.1"], "--sigma is for frames, and fes.npz is a surf"),
        (["minima", "fes.npz", "--skip", "5"], "--skip is for frames"),
        (["minima", "fes.npz", "--plot", "a.jpg"], "a.jpg: a picture must end in .png"),
        (["minima", "fes.npz", "--units", "kt"], "fes.npz"),
        (["minima", "fes.npz", "-o", "no/a.dat"], "cannot write no/a.dat"),
        (["path", "fes.npz", "--from", "0", "--to", "2"], "no basin 2: there are 0 to 1"),
        (["path", "fes.npz", "--from", "0", "--to", "-1"], "--to must be at least 0, got -1"),
        (["path", "fes.npz", "--from", "0", "--to", "phi=1"], "one value for each of phi, y"),
        (["path", "fes.npz", "--from", "0", "--to", "phi=1,y=7"], "y=7 is not on the grid"),
        (["path", "fes.npz", "--from", "0", "--to", "phi=1,phi=2"], "phi is given twice"),
        (["path", "fes.npz", "--from", "0", "--to", "1", "--points", "2"], "at least 3, got 2"),
        (["path", "fes.npz", "--from", "0", "--to", "1", "--scale", "1"], "2 positive numbers"),
        (["path", "fes.npz", "--from", "0", "--to", "1", "--scale", "0,1"], "must be positive"),
    ],
)
def test_what_is_refused(folder, capsys, arguments, message):
    if arguments[0] == "path" and find_spec("scipy") is None:
        pytest.skip("no scipy")
    assert message in refused(capsys, folder, *arguments)


def test_pictures_of_minima_of_three_cvs_are_refused(folder, capsys):
    grid = Grid(("a", "b", "c"), (0.0,) * 3, (1.0,) * 3, (4,) * 3, (True,) * 3)
    FreeEnergySurface(grid, np.random.default_rng(0).random((4, 4, 4)), 1.0).to_npz("three.npz")
    message = refused(capsys, folder, "minima", "three.npz", "--plot", "a.png", "-o", "a.dat")
    assert "--plot draws 1 or 2 CVs, not a, b, c: 'cyfes project' first" in message
