"""The habits of people and shells: which words of a command line belong to which option."""

import pytest
from plumed_files import report_of, run, write_colvar, write_hills

from cyfes.cli import build_parser
from cyfes.cli.common import files, share_or_count, split
from cyfes.errors import InputError


def parsed(*words):
    return build_parser().parse_args(words)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder with two HILLS files of 20 and 5 hills, and a COLVAR."""
    monkeypatch.chdir(tmp_path)
    write_hills(tmp_path / "HILLS.0")
    write_hills(tmp_path / "HILLS.1", n=5, seed=1)
    write_colvar(tmp_path / "COLVAR")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "option", "value"),
    [
        (["--min", "-pi,-1"], "min", ["-pi,-1"]),
        (["--min", "-0.5", "-1"], "min", ["-0.5", "-1"]),
        (["--min=-0.5", "-pi"], "min", ["-0.5", "-pi"]),
        (["--spac", "0.1"], "spacing", ["0.1"]),
        (["--min", "0", "--min", "-1"], "min", ["0", "-1"]),
        (["--idw", "a", "--idw=b"], "idw", ["a", "b"]),
        (["--hills", "A", "B,C", "--hills", "-"], "hills", ["A", "B,C", "-"]),
        (["--histo", "A", "--histo", "B"], "histo", ["A", "B"]),
        (["--kt", "-1"], "kt", "-1"),
        (["A", "--bin", "3", "4"], "bin", ["3", "4"]),
        (["--outfile", "-"], "outfile", "/dev/stdout"),
    ],
)
def test_words_of_options(words, option, value):
    assert getattr(parsed("sum_hills", *words), option) == value


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["A", "B"], ["A", "B"]),
        (["A", "--kt", "1", "B,C", "--negbias", "D"], ["A", "B,C", "D"]),
        (["--bin", "20", "A"], ["A"]),
        (["--", "--min", "-x"], ["--min", "-x"]),
        (["--bin", "3", "-", "--kt", "1"], ["-"]),
        ([], []),
    ],
)
def test_words_that_are_files(words, expected):
    assert parsed("sum_hills", *words).files == expected


def test_names_of_columns_are_no_files():
    arguments = parsed(
        "reweight", "--bias", "a", "--cv", "1", "2", "COLVAR", "--bias", "b", "OTHER"
    )
    assert arguments.files == ["COLVAR", "OTHER"]
    assert (arguments.bias, arguments.cv) == (["a", "b"], ["1", "2"])


@pytest.mark.parametrize("option", ["--kt", "--stride", "--outfile", "--fmt"])
def test_an_option_of_one_value_given_twice_is_refused(folder, capsys, option):
    code, out, err = run(capsys, "sum_hills", "HILLS.0", option, "1", f"{option}=1")
    assert (code, out) == (2, "")
    assert err == f"cyfes: error: {option} is given 2 times; it takes one value\n"


def test_an_option_whose_value_is_missing(folder, capsys):
    code, _, err = run(capsys, "sum_hills", "HILLS.0", "--kt", "--min", "0")
    assert code == 2
    assert "argument --kt: expected one argument" in err


@pytest.mark.parametrize(
    "words",
    [
        ["HILLS.0", "HILLS.1"],
        ["--hills", "HILLS.0", "HILLS.1"],
        ["--hills", "HILLS.0,HILLS.1"],
        ["--hills", "HILLS.0", "--hills", "HILLS.1"],
        ["--hills", "HILLS.*"],
        ["HILLS.[0-9]"],
        ["--hills", "HILLS.0", "--bin", "30", "30", "HILLS.1"],
    ],
)
def test_every_way_to_give_two_files_of_hills(folder, capsys, words):
    code, out, err = run(capsys, "sum_hills", *words)
    assert (code, err) == (0, "")
    assert report_of(out)["hills read"] == "25 from HILLS.0,HILLS.1"


def test_files_with_commas_and_patterns_in_their_names(folder, capsys):
    (folder / "T=300,P=1").mkdir()
    odd = folder / "T=300,P=1" / "HILLS"
    write_hills(odd)
    write_hills(folder / "HILLS[1]", n=3)
    assert files(["T=300,P=1/HILLS"]) == ["T=300,P=1/HILLS"]
    assert files(["HILLS.0,HILLS.1"], ["T=300,P=1/HILLS"]) == [
        "HILLS.0",
        "HILLS.1",
        "T=300,P=1/HILLS",
    ]
    assert files([], ["a,b", "HILLS[1]"]) == ["a,b", "HILLS[1]"]
    code, out, _ = run(capsys, "sum_hills", "--hills", "T=300,P=1/HILLS", "HILLS.1")
    assert code == 0
    assert report_of(out)["hills read"] == "25 from T=300,P=1/HILLS,HILLS.1"


@pytest.mark.filterwarnings("ignore:only .* effective samples:cyfes.errors.CyfesWarning")
def test_two_biases_given_one_by_one_both_count(folder, capsys):
    options = ["reweight", "COLVAR", "--cv", "phi,d", "--kt", "2.5", "--sigma", "0.4", "0.2"]
    found = {}
    for words in (["--bias", "metad.bias,time"], ["--bias", "metad.bias", "--bias", "time"]):
        code, out, _ = run(capsys, *options, *words)
        assert code == 0
        found[len(words)] = report_of(out)["ln sum of weights"]
    assert found[2] == found[4]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--bin", "1" + "0" * 400, "9"], "--bin must be at most 1000000000000000, got 1000"),
        (["--stride", "9" * 5000], "--stride must be at most 1000000000000000, got 9999"),
        (["--min=" + "-" * 5000 + "1", "--max", "1"], "--min"),
        (["--threads", "99999999999"], "--threads must be at most 2147483647, got 99999999999"),
        (["--kt", "--"], "--kt: '--' is no value"),
        (["--stride", "١٢"], "--stride: '١٢' is not a whole number"),
        (["--stride", "1_0"], "--stride: '1_0' is not a whole number"),
    ],
)
def test_odd_numbers_are_one_short_line(folder, capsys, words, message):
    code, _, err = run(capsys, "sum_hills", "HILLS.0", *words)
    assert code == 2
    assert err.startswith(f"cyfes: error: {message}")
    assert err.count("\n") == 1
    assert len(err) < 300


def test_several_surfaces_do_not_go_to_standard_output(folder, capsys):
    code, _, err = run(capsys, "sum_hills", "HILLS.0", "--stride", "5", "--outfile", "-")
    assert code == 2
    assert err.startswith("cyfes: error: --stride writes several files")


def test_shares_of_rows():
    assert share_or_count("50%", "--skip") == 0.5
    assert share_or_count("7", "--skip") == 7
    for bad in ("100%", "-1%", "%", "half", "0.5"):
        with pytest.raises(InputError, match="--skip"):
            share_or_count(bad, "--skip")


def test_lists_are_split_at_commas():
    assert split(["a,b", "c"]) == ["a", "b", "c"]
    assert split(None) is None


def test_options_with_one_dash_are_told_of_the_second(folder, capsys):
    for words in (["-hills", "HILLS"], ["HILLS", "-min", "-1"], ["HILLS", "-bin=5"]):
        code, _, err = run(capsys, "sum_hills", *words)
        assert code == 2
        assert "options begin with two dashes, --" in err


def test_a_comma_before_a_blank_goes_on(folder, capsys):
    code, out, _ = run(capsys, "sum_hills", "--hills", "HILLS.0,", "HILLS.1")
    assert (code, report_of(out)["hills read"].split()[-1]) == (0, "HILLS.0,HILLS.1")
    assert run(capsys, "sum_hills", "--hills", "HILLS.0,")[0] == 2


@pytest.mark.parametrize("name", ["", "fes.png", "FES.PDF", "folder/"])
def test_names_that_promise_another_file_are_refused(folder, capsys, name):
    before = sorted(folder.iterdir())
    code, _, err = run(capsys, "sum_hills", "HILLS.0", "--outfile", name)
    assert (code, sorted(folder.iterdir())) == (2, before)
    assert any(words in err for words in ("is a picture", "name of a file", "name of a folder"))


@pytest.mark.parametrize("name", ["x.npz", "x.CUBE", "x.png"])
def test_a_table_is_no_surface(folder, capsys, name):
    code, _, err = run(capsys, "converge", "HILLS.0", "--outfile", name)
    assert code == 2
    assert "is a picture" in err or "written as text" in err
    assert not (folder / name).exists()


def test_an_input_is_not_written_over(folder, capsys):
    before = (folder / "HILLS.0").read_bytes()
    for option in ("--outfile", "--outhisto"):
        code, _, err = run(capsys, "sum_hills", "HILLS.0", option, "./HILLS.0")
        assert (code, (folder / "HILLS.0").read_bytes()) == (2, before)
        assert "./HILLS.0 is read by this command; give another name" in err
