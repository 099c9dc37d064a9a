"""cyfes project, slice and diff: what they write and report, and what they refuse."""

import math

import numpy as np
import pytest
from plumed_files import report_of, run

from cyfes import FreeEnergySurface
from cyfes.grid import Grid

KBT = 2.5
GRID = Grid(("phi", "y"), (-math.pi, 0.0), (math.pi, 2.0), (24, 21), (True, False),
            (("-pi", "pi"), ("0", "2")))  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with a surface as .dat and as .npz."""
    monkeypatch.chdir(tmp_path)
    x, y = np.meshgrid(*GRID.axes, indexing="ij")
    fes = FreeEnergySurface(GRID, 4 * np.cos(x) + 10 * y, KBT)
    fes.to_dat("fes.dat", fmt="%.17g")
    fes.to_npz("fes.npz")
    return tmp_path


def report(capsys, *arguments):
    code, out, err = run(capsys, *arguments)
    assert (code, err) == (0, "")
    return report_of(out)


def refused(capsys, folder, *arguments):
    before = sorted(folder.iterdir())
    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert len(err.splitlines()) == 1
    assert sorted(folder.iterdir()) == before
    return err


def test_project(folder, capsys):
    lines = report(capsys, "project", "fes.dat", "--cv", "phi", "--kt", KBT, "--fmt", "%.17g")
    assert (lines["kBT"], lines["written"]) == ("2.5 kJ/mol", "project.dat")
    assert lines["CVs"] == "phi [-pi, pi] 24 points periodic"
    fes, along = FreeEnergySurface.read("fes.dat"), FreeEnergySurface.read("project.dat")
    np.testing.assert_allclose(along.values, fes.project(["phi"], KBT).values, rtol=1e-14)
    assert (along.units, along.kbt) == ("kj/mol", KBT)
    command = f"cyfes project fes.dat --cv phi --kt {KBT} --fmt %.17g"
    assert along.provenance.command == command
    assert [source.path for source in along.provenance.inputs] == ["fes.dat"]


def test_a_projection_takes_kbt_and_units_from_a_file_that_tells_them(folder, capsys):
    report(capsys, "project", "fes.npz", "--cv", "y", "--to-units", "kt", "-o", "p.npz",
           "--mintozero", "--plot", "p.png")  # fmt: skip
    along = FreeEnergySurface.read("p.npz")
    assert (along.units, along.kbt, along.minimum) == ("kt", pytest.approx(1), 0)
    np.testing.assert_allclose(np.diff(along.values), 10 / KBT * 0.1, rtol=1e-9)
    assert (folder / "p.png").read_bytes().startswith(b"\x89PNG")


def test_a_projection_of_frames_is_that_of_their_other_surface(folder, capsys):
    rng = np.random.default_rng(0)
    rows = np.column_stack([np.arange(400), rng.normal(0, 0.5, 400), rng.normal(1, 0.2, 400)])
    np.savetxt("COLVAR", rows, header="! FIELDS time phi y", comments="#")
    common = ["--no-bias", "--kt", "2.5", "--fmt", "%.12e"]
    box = ["--min", "-4,-1", "--max", "4,3", "--bin", "160,80"]
    report(capsys, "reweight", "COLVAR", "--cv", "phi,y", "--sigma", "0.2,0.1", *box, *common)
    report(capsys, "project", "fes.dat", "--cv", "phi", "--kt", "2.5", "--fmt", "%.12e")
    report(capsys, "reweight", "COLVAR", "--cv", "phi", "--sigma", "0.2", "--min", "-4", "--max",
           "4", "--bin", "160", "--outfile", "one.dat", *common)  # fmt: skip
    lines = report(capsys, "diff", "project.dat", "one.dat", "--below", "20")
    assert float(lines["RMS difference"].split()[0]) < 1e-6
    assert abs(float(lines["constant"].split()[0])) < 1e-6


def test_errors_of_f_are_not_those_of_a_projection(folder, capsys):
    fes = FreeEnergySurface.read("fes.npz")
    FreeEnergySurface(GRID, fes.values, KBT, error=np.ones(GRID.shape)).to_npz("e.npz")
    code, _, err = run(capsys, "project", "e.npz", "--cv", "phi")
    assert code == 0
    assert "cyfes reweight COLVAR --cv phi --error" in err
    assert FreeEnergySurface.read("project.dat").error is None


def test_slice(folder, capsys):
    lines = report(capsys, "slice", "fes.dat", "--at", "y=0.55", "--fmt", "%.17g")
    assert lines["y"] == "0.55, linear between the points 0.5 and 0.6"
    cut = FreeEnergySurface.read("slice.dat")
    np.testing.assert_allclose(cut.values, 4 * np.cos(GRID.axes[0]) + 5.5, rtol=1e-14)
    assert dict(cut.provenance.settings)["y"] == lines["y"]
    lines = report(capsys, "slice", "fes.npz", "--at", "phi=2*pi", "--mintozero")
    assert lines["phi"] == "6.283185307, a point of the grid"
    np.testing.assert_allclose(FreeEnergySurface.read("slice.dat").values, 10 * GRID.axes[1])


def test_diff(folder, capsys):
    fes = FreeEnergySurface.read("fes.npz")
    (fes + 7).scaled(1 / 4.184, "kcal/mol").to_npz("other.npz")
    lines = report(capsys, "diff", "fes.npz", "other.npz", "-o", "d.dat", "--plot", "d.pdf")
    assert lines["A, B"] == "fes.npz in kJ/mol; other.npz in kcal/mol"
    assert lines["points compared"] == f"{GRID.size} of {GRID.size}"
    assert lines["constant"].startswith("-7 kJ/mol")
    assert float(lines["RMS difference"].split()[0]) < 1e-12
    assert FreeEnergySurface.read("d.dat").value_name == "difference"
    lines = report(capsys, "diff", "other.npz", "fes.dat", "--units", "kcal/mol,kj/mol")
    assert lines["constant"].startswith(f"{7 / 4.184:.6g} kcal/mol")
    lines = report(capsys, "diff", "fes.dat", "fes.dat", "--units", "kt", "--below", "10")
    assert lines["points compared"] != f"{GRID.size} of {GRID.size}"
    (fes + 7).to_dat("other.dat")
    lines = report(capsys, "diff", "fes.dat", "other.dat", "--to-units", "kt", "--temp", "300")
    assert lines["constant"].startswith(f"{-7 / 2.4943387854:.6g} kT")


def test_nothing_is_written_by_diff_unasked(folder, capsys):
    before = sorted(folder.iterdir())
    report(capsys, "diff", "fes.dat", "fes.npz")
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["project", "fes.dat", "--cv", "phi"], "fes.dat does not tell kBT: give --kt in kJ/mol"),
        (["project", "fes.npz", "--cv", "phi", "--kt", "3"], "made with kBT = 2.5 kJ/mol, the opt"),
        (["project", "fes.npz", "--cv", "q"], "unknown CV 'q'; this grid has phi, y"),
        (["project", "fes.npz", "--cv", "phi,y"], "takes some, not all"),
        (["project", "fes.npz", "--cv", "phi", "--plot", "x.gif"], "must end in .png, .pdf, .svg"),
        (["project", "none.dat", "--cv", "phi"], "cannot read none.dat"),
        (["project", "fes.npz", "--cv", "y", "--units", "kt"], "say --units kj/mol; --to-units"),
        (["slice", "fes.npz", "--at", "y"], "'y' is no CV=VALUE, as in --at psi=0.5"),
        (["slice", "fes.npz", "--at", "y=0.1,y=0.2"], "y is given twice"),
        (["slice", "fes.npz", "--at", "y=a"], "--at y: 'a' is not a number"),
        (["slice", "fes.npz", "--at", "y=2.1"], "y=2.1 is not on the grid, which spans 0 to 2"),
        (["slice", "fes.npz", "--at", "y=1,phi=0"], "a slice fixes some, not all"),
        (["slice", "fes.npz", "--at", "y=1", "--fmt", "%d"], "is not a number format"),
        (["diff", "fes.npz", "fes.dat", "--units", "kt"], "fes.npz tells that it is in kJ/mol"),
        (["diff", "fes.npz", "fes.dat", "--units", "kt,kt,kt"], "one unit, or one for A and one"),
        (["diff", "fes.npz", "fes.dat", "--units", "eV"], "'eV' is none of kj/mol"),
        (["diff", "fes.npz", "fes.dat", "--below", "0"], "--below must be positive"),
        (["diff", "fes.dat", "fes.dat", "--units", "kt,kj/mol"], "needs kBT, which neither"),
    ],
)
def test_bad_input_is_one_line_and_nothing_written(folder, capsys, arguments, words):
    assert words in refused(capsys, folder, *arguments)


@pytest.mark.parametrize("words", ["project fes.npz --cv phi", "diff fes.npz fes.dat"])
def test_a_picture_is_no_surface(folder, capsys, words):
    code, _, err = run(capsys, *words.split(), "-o", "x.png")
    assert code == 2
    assert "x.png is a picture" in err
    assert not (folder / "x.png").exists()
