"""How a result was made: told in every kind of file, read back, and PLUMED's files untouched."""

import hashlib
import os
import re

import numpy as np
import pytest
from plumed_files import report_of, run, write_colvar, write_hills

from cyfes import FreeEnergySurface, __version__
from cyfes.errors import FileFormatError, InputError
from cyfes.gridfile import read_provenance
from cyfes.provenance import MARK, Provenance, Source

REWEIGHT = ["reweight", "COLVAR", "--cv", "phi", "--bias", "metad.bias", "--kt", "2.5",
            "--sigma", "0.4", "--bin", "40"]  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_hills(tmp_path / "HILLS")
    write_colvar(tmp_path / "COLVAR", n=400)
    return tmp_path


def sha256(path):
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def done(capsys, *arguments):
    code, out, _ = run(capsys, *arguments)
    assert code == 0
    return report_of(out)


def test_the_lines_are_read_as_they_were_written(folder):
    made = Provenance.of("cyfes x 'a b'", ["HILLS", "-"], [("kBT", "2.5 kJ/mol"), ("a b", 1)])
    lines = made.text().splitlines()
    assert lines[0] == f"{MARK}version {__version__}"
    assert lines[2] == f"{MARK}input {sha256(folder / 'HILLS')} HILLS"
    assert lines[3] == f"{MARK}input stream -"
    back = Provenance.parse([line.removeprefix(MARK) for line in lines])
    assert back.text() == made.text()
    assert Provenance.parse([]) is None


def test_a_file_that_changed_has_no_checksum(folder):
    source = Source.of("HILLS")
    with (folder / "HILLS").open("a") as file:
        file.write("#\n")
    assert source.digest() == "changed since it was read"
    source = Source.of("HILLS")
    os.remove("HILLS")
    assert source.digest() == "changed since it was read"


def test_names_stay_on_one_line(folder):
    name = "a\nb\x1b"
    (folder / name).write_text("x")
    text = Provenance.of(f"cyfes {name}", [name], [("where", name)]).text("# ")
    assert all(line.startswith("# ") for line in text.splitlines())
    assert "\x1b" not in text


@pytest.mark.parametrize("arguments", [["sum_hills", "HILLS"], REWEIGHT])
def test_plumeds_own_files_tell_it_on_demand_and_differ_in_nothing_else(folder, capsys, arguments):
    done(capsys, *arguments, "--outfile", "plain.dat")
    plain = (folder / "plain.dat").read_text()
    assert MARK not in plain
    done(capsys, *arguments, "--outfile", "told.dat", "--provenance")
    told = (folder / "told.dat").read_text()
    assert re.sub(rf"^{MARK}.*\n", "", told, flags=re.MULTILINE) == plain
    command = " ".join(["cyfes", *arguments, "--outfile", "told.dat", "--provenance"])
    made = read_provenance("told.dat")
    assert (made.command, made.version) == (command, __version__)
    path = "HILLS" if "HILLS" in arguments else "COLVAR"
    assert [(s.path, s.checksum) for s in made.inputs] == [(path, sha256(folder / path))]


def test_files_with_errors_tell_it_and_units_and_kbt(folder, capsys):
    done(capsys, *REWEIGHT, "--error", "--to-units", "kcal/mol")
    fes = FreeEnergySurface.read("fes.dat")
    assert (fes.units, fes.kbt) == ("kcal/mol", pytest.approx(2.5 / 4.184))
    told = dict(fes.provenance.settings)
    assert told["bandwidth"] == "0.4 (given)"
    assert told["kBT"] == "2.5 kJ/mol"
    assert told["samples_used"] == "400"
    fes.to_dat("again.dat")
    assert (folder / "again.dat").read_text() == (folder / "fes.dat").read_text()


@pytest.mark.parametrize("text", ["units eV", "kbt -1", "kbt a"])
def test_damaged_lines_are_refused(folder, capsys, text):
    done(capsys, *REWEIGHT, "--error")
    lines = (folder / "fes.dat").read_text()
    name = text.split()[0]
    (folder / "fes.dat").write_text(re.sub(rf"({MARK}){name} .*", rf"\1{text}", lines))
    with pytest.raises(FileFormatError, match=r"fes\.dat: .*"):
        FreeEnergySurface.read("fes.dat")


def test_every_kind_of_file_tells_it(folder, capsys):
    pytest.importorskip("matplotlib")
    done(capsys, *REWEIGHT, "--outfile", "fes.npz", "--plot", "fes.png")
    done(capsys, "sum_hills", "HILLS", "--stride", "10")
    for path in ("fes.npz", "fes.png", "fes_blocks.dat"):
        lines = done(capsys, "info", path)
        assert lines["file"] == path
        assert lines["version"] == __version__
        assert lines["command"].startswith("cyfes ")
        source = "HILLS" if path == "fes_blocks.dat" else "COLVAR"
        assert lines["input"] == f"{sha256(folder / source)} {source}"
    assert done(capsys, "info", "HILLS")["made by"] == "not told"
    assert np.loadtxt("fes_blocks.dat").shape == (3, 4)


def test_a_cube_tells_it(folder):
    fes = FreeEnergySurface.from_samples(
        np.random.default_rng(0).normal(size=(50, 3)), bandwidth=0.5, shape=[25, 25, 25]
    )
    made = Provenance.of("somebody", ["HILLS"], [("note", 'brackets { } and "quotes"')])
    FreeEnergySurface(fes.grid, fes.values, provenance=made).to_cube("fes.cube")
    assert read_provenance("fes.cube").text() == made.text()
    assert FreeEnergySurface.read("fes.cube").provenance.text() == made.text()


def test_python_tells_the_call_and_its_files(folder):
    fes = FreeEnergySurface.from_colvar("COLVAR", kbt=2.5, cv=["phi"], bias=["metad.bias"],
                                        bandwidth=[0.4])  # fmt: skip
    assert fes.provenance.command == "FreeEnergySurface.from_colvar"
    assert [source.path for source in fes.provenance.inputs] == ["COLVAR"]
    assert dict(fes.provenance.settings)["bandwidth"] == "0.4"
    hills = FreeEnergySurface.from_hills("HILLS")
    assert ("projected on", "d") in hills.marginal(["d"], 2.5).provenance.settings
    assert ("slice at", "d=1") in hills.slice({"d": 1}).provenance.settings


def test_what_tells_nothing(folder, capsys):
    with pytest.raises(InputError, match="can be seen as its Subject"):
        read_provenance("fes.pdf")
    (folder / "x.png").write_text("no picture")
    code, _, err = run(capsys, "info", "x.png")
    assert (code, err.splitlines()[-1]) == (2, "cyfes: error: x.png: not a picture")
    code, _, err = run(capsys, "info", "none.dat")
    assert (code, err.count("\n")) == (2, 1)
