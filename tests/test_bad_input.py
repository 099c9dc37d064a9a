"""Whatever a user gets wrong: one line that says what, exit code 2, and no file."""

import os
import re

import pytest
from plumed_files import run, write_colvar, write_hills

HILLS_FIELDS = "time phi d sigma_phi sigma_d height biasf"
SHIFTED = "#! SET min_phi 0\n#! SET max_phi 2*pi\n"
GAUSSIAN = "#! SET kerneltype gaussian\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with a good HILLS and a good COLVAR."""
    monkeypatch.chdir(tmp_path)
    write_hills(tmp_path / "HILLS")
    write_colvar(tmp_path / "COLVAR")
    return tmp_path


def assert_refused(capsys, folder, arguments, message):
    before = sorted(folder.iterdir())
    code, _, err = run(capsys, *arguments)
    assert code == 2, err
    lines = err.splitlines()
    errors = [line for line in lines if not line.startswith("cyfes: note: ")]
    assert len(errors) == 1, err
    assert re.search(rf"^cyfes: error: .*{message}", errors[0]), err
    assert "Traceback" not in err
    assert sorted(folder.iterdir()) == before


SUM = ["sum_hills", "--hills"]
REWEIGHT = ["reweight", "COLVAR", "--cv", "phi,d", "--kt", "2.5"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("5 0.1 0.2 0.3 0.2 1.2", r"HILLS:8: 6 columns where 7 are expected \(time phi d "),
        ("5 0.1 0.2 0.3 0.2 1.2 10 11", "HILLS:8: 8 columns where 7 are expected"),
        ("5 0.1 0.2 0.3 0.2 nan 10", r"HILLS:8: column 6 \(height\) is nan"),
        ("5 inf 0.2 0.3 0.2 1.2 10", r"HILLS:8: column 2 \(phi\) is inf"),
        ("5 0.1 abc 0.3 0.2 1.2 10", r"HILLS:8: column 3 \(d\): 'abc' is not a number"),
        ("5 0.1 0,2 0.3 0.2 1.2 10", r"HILLS:8: column 3 \(d\): '0,2' is not a number"),
        ("5 0.1 0.2 0.0 0.2 1.2 10", "HILLS:8: column sigma_phi must be positive, got 0"),
        ("5 0.1 0.2 0.3 -0.2 1.2 10", "HILLS:8: column sigma_d must be positive, got -0.2"),
    ],
)
def test_a_bad_hill(folder, capsys, row, message):
    write_hills(folder / "HILLS", rows={4: row})
    assert_refused(capsys, folder, [*SUM, "HILLS"], message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "bad: no data rows"),
        ("\n\n", "bad: no data rows"),
        (f"#! FIELDS {HILLS_FIELDS}\n", "bad: no data rows"),
        ("1 0.1 0.2 0.3 0.2 1.2 10\n", "bad:1: no '#! FIELDS' header"),
        ("#! FIELDS time phi sigma_phi logweight\n1 0 1 2\n", "bad:1: this is an OPES file"),
        (
            "#! FIELDS time phi psi\n1 0 1\n",
            "bad:1: this is a COLVAR file .*use .cyfes reweight bad",
        ),
        (
            "#! FIELDS time sigma_phi height\n1 0 1\n",
            "bad:1: a HILLS file of sigma_phi needs a column",
        ),
        ("#! FIELDS time a b c d e sigma_a height\n1 1 1 1 1 1 1 1\n", "bad:1: 5 CVs"),
        (
            "#! FIELDS time a a sigma_a height\n1 0 1 0 1\n",
            "bad:2: columns 2 and 3 are both called 'a' and differ",
        ),
        (
            "#! FIELDS time a sigma_a height\n#! SET min_a 0\n1 0 1 0\n",
            "bad:1: SET min_a without SET max_a; a period needs both",
        ),
        (
            "#! FIELDS time a sigma_a height\n#! SET kerneltype triangular\n1 0 1 0\n",
            "bad:1: kerneltype 'triangular'; expected",
        ),
        (
            "#! FIELDS time a sigma_a height\n#! SET min_a 2\n#! SET max_a 1\n1 0 1 0\n",
            "bad:1: min_a 2 must be less than max_a 1",
        ),
        ("\x1f\x8bnonsense", "bad: not a complete gzip file"),
    ],
)
def test_a_bad_hills_file(folder, capsys, text, message):
    (folder / "bad").write_text(text, encoding="latin-1")
    assert_refused(capsys, folder, [*SUM, "bad"], message)


@pytest.mark.parametrize("name", ["HILLS", "./HILLS"])
def test_one_file_given_twice(folder, capsys, name):
    message = f"{name} is given twice(, as HILLS)?: its rows would count twice"
    assert_refused(capsys, folder, [*SUM, f"HILLS,{name}"], message)


@pytest.mark.parametrize("n_rows", [20, 7])
def test_copies_of_hills(folder, capsys, n_rows):
    """Walkers that share their hills write them all into each of their files."""
    lines = (folder / "HILLS").read_text().splitlines(keepends=True)
    n_header = sum(line.startswith("#!") for line in lines)
    (folder / "HILLS.1").write_text("".join(lines[: n_header + n_rows]))
    message = rf"HILLS.1 holds the same hills as HILLS \({n_rows} equal rows\)"
    assert_refused(capsys, folder, [*SUM, "HILLS,HILLS.1"], message)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fields": "time phi x sigma_phi sigma_x height biasf"}, "CVs .*differ.*in HILLS"),
        ({"constants": SHIFTED}, "periods .*differ.*in HILLS"),
        ({"constants": ""}, "periods .*differ.*in HILLS"),
    ],
)
def test_files_that_do_not_belong_together(folder, capsys, changes, message):
    write_hills(folder / "OTHER", **changes)
    assert_refused(capsys, folder, [*SUM, "HILLS,OTHER"], f"OTHER: {message}")
    # The same within one file, after a restart.
    whole = (folder / "HILLS").read_text() + (folder / "OTHER").read_text()
    (folder / "HILLS").write_text(whole)
    assert_refused(capsys, folder, [*SUM, "HILLS"], "HILLS:2[34]: ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--min", "-pi,2", "--max", "pi,1"], "--min must be less than --max for d, got 2.0 and 1"),
        (["--min", "-pi,1", "--max", "pi,1"], "--min must be less than --max for d"),
        (["--min", "-pi,0"], "--min without --max"),
        (["--max", "pi,2"], "--max without --min"),
        (["--min", "0", "--max", "2"], r"--min has 1 values, expected 2 \(phi,d\)"),
        (["--min", "0,x", "--max", "2,2"], "--min of d: 'x' is not a number"),
        (["--min", "0,inf", "--max", "2,2"], "--min"),
        (["--min", "0,nan", "--max", "2,2"], "--min"),
        (["--bin", "0,10"], "--bin must be at least 1, got 0"),
        (["--bin", "-5,10"], "--bin must be at least 1, got -5"),
        (["--bin", "10.5,10"], "--bin: '10.5' is not a whole number"),
        (["--bin", "10,"], "--bin: '' is not a whole number"),
        (["--bin", "10"], "--bin has 1 values, expected 2"),
        (["--bin", "10,10,10"], "--bin has 3 values, expected 2"),
        (["--bin", "200000,200000"], r"200000 x 200001 points needs \S+ GiB.*bins that fit: \d+,"),
        (["--bin", "1" + "0" * 30 + ",9"], "--bin must be at most 1000000000000000, got 1000"),
        (["--bin", "1" + "0" * 15 + ",9"], r"points needs \S+ GiB.*bins that fit"),
        (["--spacing", "0.1,0.1"], "--spacing needs --min and --max"),
        (["--min", "-pi,0", "--max", "pi,2", "--spacing", "0.1,0"], "--spacing must be positive"),
        (
            ["--min", "-pi,0", "--max", "pi,2", "--spacing", "0.1,nan"],
            "--spacing: 'nan' is not a number",
        ),
        (["--min", "-pi,0", "--max", "pi,2", "--spacing", "0.1,1e-320"], "--spacing is too fine"),
        (["--min", "-pi,0", "--max", "pi,2", "--spacing", "0.1,1e-9"], "GiB.*bins that fit"),
        (["--idw", "phi"], "--idw and --histo need --kt"),
        (["--histo", "COLVAR", "--sigma", "0.1,0.1"], "--idw and --histo need --kt"),
        (["--idw", "phi", "--kt", "0"], "--kt must be positive, got 0"),
        (["--idw", "phi", "--kt", "warm"], "--kt: 'warm' is not a number"),
        (["--idw", "psi", "--kt", "1"], "--idw takes some, not all, of phi,d; got psi"),
        (["--idw", "phi,psi", "--kt", "1"], "unknown CV 'psi'; this grid has phi, d"),
        (["--idw", "phi,d", "--kt", "1"], "--idw takes some, not all, of phi,d; got phi,d"),
        (
            ["--histo", "COLVAR", "--kt", "1", "--idw", "phi,d"],
            "--idw takes some, not all, of phi,d; got phi,d",
        ),
        (["--stride", "-1"], "--stride must be at least 0, got -1"),
        (["--stride", "few"], "--stride: 'few' is not a whole number"),
        (["--threads", "-1"], "--threads must be at least 0, got -1"),
        (["--threads", "two"], "--threads: 'two' is not a whole number"),
        (["--fmt", "%d"], "--fmt: '%d' is not a number format; expected e.g. %14.9f"),
        (["--fmt", "%14.9f%n"], "--fmt"),
        (["--outfile", "none/fes.dat"], "cannot write none/fes.dat: No such file or directory"),
        (["--outfile", "."], "cannot write .: Is a directory"),
        (["--backend", "cuda"], "use --backend cpu"),
    ],
)
def test_a_bad_option_of_sum_hills(folder, capsys, options, message):
    assert_refused(capsys, folder, [*SUM, "HILLS", *options], message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sum_hills"], "give --hills FILE or --histo FILE"),
        ([*SUM, "none"], "cannot read none: No such file or directory"),
        ([*SUM, "HILLS,"], "cannot read : No such file"),
        ([*SUM, "."], "cannot read .: Is a directory"),
        (["reweight", "none", "--kt", "1"], "cannot read none: No such file"),
        (["reweight", ".", "--kt", "1"], "cannot read .: Is a directory"),
        (["plot", "none.dat"], "none.dat: No such file"),
        (["plot", "HILLS"], "HILLS"),
        (["plot", "x.png"], "x.png is a picture; expected a .dat, .cube or .npz"),
        (["reweight", "COLVAR", "--cv", "phi"], "give --kt in kJ/mol or --temp in kelvin"),
        ([*REWEIGHT, "--temp", "300"], "give --kt or --temp, not both"),
        (["reweight", "COLVAR", "--kt", "-1"], "--kt must be positive, got -1"),
        (["reweight", "COLVAR", "--temp", "0"], "--temp must be positive, got 0"),
        (["reweight", "COLVAR", "--kt", "1"], "does not tell which columns.*phi, d, e.g. --cv"),
        ([*REWEIGHT[:3], "psi", "--kt", "1"], "COLVAR: no column 'psi'; the file has time, phi"),
        ([*REWEIGHT[:3], "phi,phi", "--kt", "1"], "--cv takes 1 to 4 different names"),
        ([*REWEIGHT[:3], "", "--kt", "1"], "COLVAR: no column ''"),
        ([*REWEIGHT, "--bias", "opes.bias"], "no column 'opes.bias'; the file has"),
        ([*REWEIGHT, "--rbias"], "no column ends in '.rbias' for --rbias"),
        ([*REWEIGHT, "--logweights", "lw"], "no column 'lw'"),
        ([*REWEIGHT, "--bias", "other"], r"COLVAR:4: column 5 \(other\) is nan"),
        ([*REWEIGHT, "--sigma", "0.1"], r"--sigma has 1 values, expected 2 \(phi,d\)"),
        ([*REWEIGHT, "--sigma", "0.1,-0.1"], "--sigma must be positive, got -0.1"),
        ([*REWEIGHT, "--sigma", "0.1,auto"], "--sigma: 'auto' is not a number"),
        ([*REWEIGHT, "--sigma", "1000,0.1"], "wider than the period"),
        ([*REWEIGHT, "--period", "-pi:pi"], "--period needs --cv and one entry for each"),
        ([*REWEIGHT, "--period", "pi,-"], "--period: 'pi' for phi is not MIN:MAX or '-'"),
        ([*REWEIGHT, "--period", "pi:-pi,-"], "period of phi must be MIN < MAX, got pi and -pi"),
        ([*REWEIGHT, "--period", "a:b,-"], "'[ab]' is not a number"),
        ([*REWEIGHT, "--skip", "-1"], "--skip must be at least 0"),
        ([*REWEIGHT, "--every", "0"], "--every must be at least 1, got 0"),
        ([*REWEIGHT, "--start", "soon"], "--start: 'soon' is not a number"),
        ([*REWEIGHT, "--start", "1000"], "no row is left of 50 read: look at --start, --stop"),
        ([*REWEIGHT, "--skip", "50"], "no row is left of 50 read"),
        ([*REWEIGHT, "--start", "nan"], "--start: 'nan' is not a number"),
        ([*REWEIGHT, "--bin", "200000,200000"], "GiB.*bins that fit"),
        ([*REWEIGHT, "--fmt", "12"], "--fmt: '12' is not a number format"),
        ([*REWEIGHT, "--outfile", "none/fes.dat"], "cannot write none/fes.dat"),
        ([*REWEIGHT, "--plot", "fes.gif"], "fes.gif: a picture must end in .png, .pdf, .svg"),
    ],
)
def test_bad_arguments(folder, capsys, arguments, message):
    assert_refused(capsys, folder, arguments, message)


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({"fields": "time phi d a.bias b.bias"}, [], "several bias columns.*--bias a.bias,b.bias"),
        ({"fields": "time phi d e f"}, [], "no column ends in '.bias' for --bias"),
        ({"rows": {3: "3 0.1 0.2 nan 0"}}, [], r"COLVAR:7: column 4 \(metad.bias\) is nan"),
        ({"rows": {3: "3 0.1 0.2 0"}}, [], "COLVAR:7: 4 columns where 5 are expected"),
        ({"rows": {3: "3 0.1 x 0 0"}}, [], r"COLVAR:7: column 3 \(d\): 'x' is not a number"),
        ({"fields": "t phi d m.bias o"}, ["--start", "3"], "--start and --stop need a column 'ti"),
        ({"fields": "time phi psi"}, [], "COLVAR: no column"),
    ],
)
def test_a_bad_colvar_file(folder, capsys, changes, options, message):
    write_colvar(folder / "COLVAR", **changes)
    assert_refused(capsys, folder, [*REWEIGHT, *options], message)


def test_a_cut_off_last_line(folder, capsys):
    for name, arguments in (("HILLS", [*SUM, "HILLS"]), ("COLVAR", REWEIGHT)):
        text = (folder / name).read_text()
        (folder / name).write_text(text[: text.rindex(" ")])
        message = rf"{name}:\d+: the last line is cut off: \d of \d columns; --on-bad skip"
        assert_refused(capsys, folder, arguments, message)
        code, out, _ = run(capsys, *arguments, "--on-bad", "skip")
        assert code == 0
        assert "1 (last line cut off)" in out
        (folder / "fes.dat").unlink()


@pytest.mark.parametrize(
    "arguments", [[], ["nonsense"], [*SUM, "HILLS", "--nonsense"], ["reweight"], ["--hills"]]
)
def test_argparse_answers_unknown_words(folder, capsys, arguments):
    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert "usage: cyfes" in err
    assert sorted(p.name for p in folder.iterdir()) == ["COLVAR", "HILLS"]


def test_an_old_file_survives_a_failure(folder, capsys):
    (folder / "fes.dat").write_text("old")
    assert_refused(capsys, folder, [*SUM, "HILLS", "--fmt", "%s"], "--fmt")
    assert (folder / "fes.dat").read_text() == "old"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_a_file_without_permission(folder, capsys):
    (folder / "HILLS").chmod(0)
    assert_refused(capsys, folder, [*SUM, "HILLS"], "cannot read HILLS: Permission denied")
