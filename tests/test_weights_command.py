"""``cyfes weights``, and --weights of other commands: files, tables, what is refused."""

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from plumed_files import report_of, run, write_colvar

from cyfes.estimators import Estimate, disagreement, estimates_of
from cyfes.hillweights import read_hill_bias
from cyfes.regions import Region, TwoRegions
from cyfes.reweight import Selection
from cyfes.tables import read_table

DATA = Path(__file__).parent / "data" / "gen-2d-per-wt"
COLVAR, HILLS = DATA / "COLVAR.gz", DATA / "HILLS.gz"
B = "phi=0:2"
COMMON = (COLVAR, "--hills", HILLS, "--kt", "1", "--units", "kt")


@pytest.fixture
def there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_table_has_all_there_is_to_know_of_a_frame(there, capsys):
    code, out, _ = run(capsys, "weights", *COMMON, "-o", "w.dat")
    assert code == 0
    names = "time phi psi hills.bias hills.rct hills.final logw.tiwary logw.final".split()
    assert (there / "w.dat").read_text().splitlines()[0] == f"#! FIELDS {' '.join(names)}"
    found = read_table("w.dat", names).columns
    bias = read_table(str(COLVAR), ["m.bias"]).columns["m.bias"]
    np.testing.assert_allclose(found["hills.bias"], bias, atol=1e-3)
    np.testing.assert_allclose(
        found["logw.tiwary"], found["hills.bias"] - found["hills.rct"], atol=1e-7
    )
    np.testing.assert_allclose(found["logw.final"], found["hills.final"], atol=1e-7)
    assert "kBT (RMS) from m.bias" in report_of(out)["V(s,t) of hills"]


def test_the_array_is_the_table(there, capsys):
    run(capsys, "weights", *COMMON, "-o", "w.dat")
    code, _, _ = run(capsys, "weights", *COMMON, "-o", "w.npy")
    assert code == 0
    array = np.load("w.npy")
    text = read_table("w.dat", list(array.dtype.names)).columns
    for name in array.dtype.names:
        np.testing.assert_allclose(array[name], text[name], rtol=1e-9)


def test_the_table_can_be_reweighted(there, capsys):
    run(capsys, "weights", *COMMON, "-o", "w.dat")
    options = ["--kt", "1", "--units", "kt", "--cv", "psi", "--sigma", "0.2", "--bin", "60"]
    of_table = ("w.dat", *options, "--logweights", "logw.final", "--outfile", "a.dat")
    of_hills = (COLVAR, *options, "--weights", "final", "--hills", HILLS, "--outfile", "b.dat")
    for arguments in (of_table, of_hills):
        code, out, err = run(capsys, "reweight", *arguments)
        assert code == 0, err
    assert report_of(out)["weights"] == "final"
    a, b = (np.loadtxt(there / name, comments="#") for name in ("a.dat", "b.dat"))
    np.testing.assert_allclose(a, b, atol=1e-7)


@pytest.mark.filterwarnings("default:the estimators disagree")
def test_dg_by_each_estimator_is_that_of_deltag(there, capsys):
    code, out, err = run(capsys, "weights", *COMMON, "--b", B)
    assert code == 0, err
    assert "sum of hills 5.84 and V(s,t) - c(t) 6.248 kT" in err
    rows = {line[:13].strip(): line[13:].split() for line in out.splitlines()}
    for kind, name in (("tiwary", "V(s,t) - c(t)"), ("final", "final bias")):
        _, told, _ = run(capsys, "deltag", *COMMON, "--weights", kind, "--b", B)
        dg, _, error, *_ = report_of(told)["dG = F(B) - F(A)"].split()
        assert float(rows[name][0]) == pytest.approx(float(dg), rel=2e-3)
        assert float(rows[name][2]) == pytest.approx(float(error), rel=0.1)
    run(capsys, "sum_hills", HILLS, "--units", "kt", "--kt", "1", "--outfile", "f.dat")
    _, told, _ = run(capsys, "deltag", "f.dat", "--units", "kt", "--b", B)
    wanted = float(report_of(told)["dG = F(B) - F(A)"].split()[0])
    assert float(rows["sum of hills"][0]) == pytest.approx(wanted, abs=0.01)


@pytest.mark.filterwarnings("default:the estimators disagree")
def test_units_are_converted(there, capsys):
    code, _, _ = run(capsys, "weights", *COMMON, "--b", B, "--to-units", "kj/mol")
    assert code == 2  # kT is no energy without a temperature
    given = (COLVAR, "--hills", HILLS, "--temp", "300", "--units", "kt", "--b", B)
    code, in_kt, _ = run(capsys, "weights", *given)
    assert code == 0
    code, in_kj, _ = run(capsys, "weights", *given, "--to-units", "kj/mol")
    assert code == 0
    kt, kj = (
        float(next(line for line in out.splitlines() if line.startswith("final")).split()[2])
        for out in (in_kt, in_kj)
    )
    assert kj == pytest.approx(2.494 * kt, rel=1e-3)


def test_estimates_hold_the_free_energy_of_the_potential():
    """6.0387 kT: the integral of exp(-U) over the regions, U as in plumed.dat."""
    found = read_hill_bias(str(COLVAR), str(HILLS), 1.0)
    for told in estimates_of(found, TwoRegions(None, Region.parse([B], "--b"))):
        assert abs(told.value - 6.0387) < 2 * (told.error or 0.2), told


def estimate(name, value, error=None):
    return Estimate(name, value, error)


def test_estimators_that_disagree_say_so():
    near = [estimate("sum", 5.0), estimate("a", 5.5, 0.3), estimate("b", 5.2, 0.4)]
    assert disagreement(near, "kT") == ""
    assert disagreement([estimate("sum", 5.0)], "kT") == ""
    far = [*near, estimate("c", 9.0, 0.3)]
    assert "sum 5 and c 9 kT, 13.3 standard errors apart" in disagreement(far, "kT")
    scaled = [replace(e, name=e.name).scaled(2.0) for e in far]
    assert "sum 10 and c 18 kT, 13.3 standard errors" in disagreement(scaled, "kT")


def test_regions_of_other_cvs_have_no_sum_of_hills(there):
    found = read_hill_bias(str(COLVAR), str(HILLS), 1.0)
    assert [e.name for e in estimates_of(found, TwoRegions(None, Region.parse([B], "--b")))] == [
        "sum of hills",
        "V(s,t) - c(t)",
        "final bias",
    ]
    path = write_colvar(there / "COLVAR", fields="time phi d metad.work other")
    (there / "HILLS").write_text(
        "#! FIELDS time phi sigma_phi height biasf\n#! SET min_phi -pi\n#! SET max_phi pi\n"
        + "".join(f"{i + 0.5} {0.1 * i} 0.3 1 -1\n" for i in range(10))
    )
    region = TwoRegions(None, Region.parse(["d=1:"], "--b"))
    found = read_hill_bias(str(path), str(there / "HILLS"), 2.5, Selection(cv=["phi", "d"]))
    names = [e.name for e in estimates_of(found, region)]
    assert names == ["V(s,t) - c(t)", "final bias"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("weights", COLVAR, "--kt", "1"), "required: --hills"),
        (("weights", COLVAR, "--hills", HILLS), "give --kt"),
        (("weights", *COMMON, "--bias", "m.bias"), "would count twice"),
        (("weights", *COMMON, "-o", "w.npz"), "would be none"),
        (("weights", *COMMON, "--b", "phi=9:"), "phi is periodic"),
        (("weights", *COMMON, "--biasfactor", "0.5"), "above 1"),
        (("weights", *COMMON, "--bin", "20"), "--bin"),
        (("weights", COLVAR, "--hills", "nowhere", "--kt", "1"), "nowhere"),
        (("reweight", *COMMON), "--hills is for --weights"),
        (("reweight", COLVAR, "--kt", "1", "--heights", "unscaled"), "--heights is for --weights"),
        (("reweight", COLVAR, "--kt", "1", "--weights", "final"), "give the HILLS files"),
        (("reweight", *COMMON, "--weights", "rbias"), "take no hills"),
        (("reweight", *COMMON, "--weights", "final", "--stream"), "leave --stream out"),
        (("reweight", *COMMON, "--weights", "final", "--rbias"), "no --rbias"),
        (("reweight", *COMMON, "--weights", "static"), "not static: 4000 of 4000 hills"),
        (("reweight", COLVAR, "--kt", "1", "--weights", "static"), "not static: at the same"),
        (("converge", HILLS, "--weights", "final", "--hills", HILLS), "for frames"),
        (("deltag", *COMMON, "--weights", "tiwary", "--skip", "9", "--b", "x=0:1"), "'x'"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_one_line_and_writes_nothing(there, capsys, arguments, says):
    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert says in err
    assert len(err.strip().splitlines()) == 1 or "usage:" in err
    assert not list(there.iterdir())


def test_other_commands_take_the_weights_too(there, capsys):
    weights = (*COMMON, "--weights", "tiwary", "--sigma", "0.3,0.3")
    code, out, err = run(capsys, "converge", *weights, "--rows", "3", "--bin", "30,30")
    assert code == 0, err
    effective = float(report_of(out)["effective samples"])
    code, out, err = run(capsys, "minima", *weights, "--bin", "30,30")
    assert code == 0, err
    assert float(report_of(out)["effective samples"]) == effective


def test_columns_are_named_for_a_stream_too(there, capsys):
    given = (COLVAR, "--kt", "1", "--units", "kt", "--sigma", "0.3,0.3", "--bin", "30,30")
    for name, more in (("a.dat", ()), ("b.dat", ("--stream",))):
        code, _, err = run(
            capsys, "reweight", *given, "--weights", "rbias", *more, "--outfile", name
        )
        assert code == 0, err
    assert (there / "a.dat").read_bytes() == (there / "b.dat").read_bytes()


def test_a_result_names_the_hills_it_was_made_from(there, capsys):
    code, _, _ = run(
        capsys, "reweight", *COMMON, "--weights", "final", "--sigma", "0.3,0.3", "--bin", "30,30",
        "--provenance",
    )  # fmt: skip
    assert code == 0
    text = (there / "fes.dat").read_text()
    assert str(HILLS) in next(
        line for line in text.splitlines() if "input" in line and "HILLS" in line
    )


def test_unscaled_heights_are_those_of_the_bias(there, capsys):
    lines = gzip.decompress(HILLS.read_bytes()).decode().splitlines()
    rows = [line.split() for line in lines if line[0] != "#"]
    text = [f"{' '.join(r[:-2])} {float(r[-2]) * 7 / 8:.12g} {r[-1]}" for r in rows]
    head = [line for line in lines if line[0] == "#"]
    (there / "H").write_text("\n".join([*head, *text]) + "\n")
    arguments = ["weights", COLVAR, "--kt", "1", "--units", "kt", "-o"]
    for name, hills in (("a.npy", [HILLS]), ("b.npy", ["H", "--heights", "unscaled"])):
        code, _, err = run(capsys, *arguments, name, "--hills", *hills)
        assert code == 0, err
    a, b = np.load("a.npy"), np.load("b.npy")
    np.testing.assert_allclose(a["hills.final"], b["hills.final"], rtol=1e-9)
