"""The commands on good input: files written, report, what each option does."""

import argparse
import gzip
import os
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from oracles import free_energy, grid_points, kernel_sum
from plumed_files import report_of, run, write_colvar, write_hills

from cyfes import FreeEnergySurface, __version__
from cyfes.backend import load_cuda
from cyfes.cli import COMMANDS, build_parser
from cyfes.cli.info import mapped_libraries
from cyfes.errors import LibraryMissingError

GRID = ["--min", "-pi,0", "--max", "pi,2", "--bin", "24,20"]
REWEIGHT = ["reweight", "COLVAR", "--cv", "phi,d", "--kt", "2.5", "--sigma", "0.4,0.2", *GRID]
SUM = ["sum_hills", "--hills", "HILLS", *GRID]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with a good HILLS and a good COLVAR."""
    monkeypatch.chdir(tmp_path)
    write_hills(tmp_path / "HILLS")
    write_colvar(tmp_path / "COLVAR")
    return tmp_path


def report(capsys, *arguments):
    """The report of a command that must succeed without a word on stderr."""
    code, out, err = run(capsys, *arguments)
    assert (code, err) == (0, "")
    return report_of(out)


def surface(capsys, *arguments, path="fes.dat"):
    """The surface that a command writes."""
    report(capsys, *arguments, "--fmt", "%.17g")
    return FreeEnergySurface.from_dat(path)


def columns(path, skip=0):
    """The rows of a COLVAR file, [n, 5]."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    return np.array([line.split() for line in lines[skip:]], float)


# Help


def subparsers():
    (commands,) = (a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction))
    return commands.choices


def test_every_option_says_what_it_does_and_its_default():
    assert set(subparsers()) == set(COMMANDS)
    for command in subparsers().values():
        for action in command._actions:
            assert action.help, action
            if action.default not in (None, argparse.SUPPRESS, False):
                assert re.search(
                    rf"default\)?:?.*{re.escape(str(action.default))}|"
                    rf"{action.default}[ ,(]*default",
                    action.help.replace("%%", "%"),
                )


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_help_of_every_command(capsys, command):
    code, out, err = run(capsys, command, "--help")
    assert (code, err) == (0, "")
    for action in subparsers()[command]._actions:
        for name in action.option_strings:
            assert name in out


def test_info_asks_the_linker_of_macs(monkeypatch):
    """Without /proc, of which macOS has none."""
    images = [b"/usr/lib/libSystem.B.dylib", b"/opt/fes/lib/libomp.dylib", None]
    linker = SimpleNamespace(
        _dyld_image_count=lambda: len(images), _dyld_get_image_name=lambda number: images[number]
    )
    monkeypatch.setattr("ctypes.CDLL", lambda _: linker)
    monkeypatch.setattr(sys, "platform", "darwin")
    assert mapped_libraries() == ["/opt/fes/lib/libomp.dylib"]
    with pytest.raises(LibraryMissingError, match="no CUDA for macOS; use --backend cpu"):
        load_cuda("/nowhere/libcufes.so")


def test_info(capsys):
    lines = report(capsys, "info")
    assert lines["cyfes"] == __version__
    assert lines["NumPy"] == np.__version__
    assert "(in use)" in lines["instruction sets"]
    assert re.fullmatch(r"\d+ of \d+ processors", lines["threads"])
    assert os.path.exists(lines["extension"])
    assert os.path.exists(lines["library"])


# sum_hills


def test_sum_of_hills_and_its_report(folder, capsys):
    lines = report(capsys, *SUM, "--fmt", "%.17g")
    assert lines["hills read"] == "20 from HILLS"
    assert lines["rows dropped"] == "0"
    assert lines["CVs"] == "phi [-pi, pi] 24 points periodic, d [0, 2] 21 points"
    assert lines["written"] == "fes.dat"
    fes = FreeEnergySurface.from_dat("fes.dat")
    rows = columns(folder / "HILLS")
    values, gradient = kernel_sum(
        grid_points(fes.grid), fes.grid.period, rows[:, 1:3], rows[:, 3:5], rows[:, 5],
        kernel="stretched-gaussian", images="nearest",
    )  # fmt: skip
    np.testing.assert_allclose(fes.values.ravel(), -values, atol=1e-12)
    np.testing.assert_allclose(fes.derivatives.reshape(2, -1), -gradient, atol=1e-11)
    deepest = re.fullmatch(r"phi=(\S+) d=(\S+)  F-Fmin=0", lines["minimum 1"])
    assert deepest
    at = np.unravel_index(np.argmin(fes.values), fes.grid.shape)
    expected = [axis[i] for axis, i in zip(fes.grid.axes, at, strict=True)]
    np.testing.assert_allclose(np.array(deepest.groups(), float), expected, atol=1e-3)


def test_hills_of_several_files_and_gzip(folder, capsys):
    whole = surface(capsys, *SUM)
    text = (folder / "HILLS").read_text().splitlines(keepends=True)
    (folder / "A").write_text("".join(text[:10]))
    with gzip.open(folder / "B.gz", "wt") as file:
        file.writelines(text[:3] + text[10:])
    parts = surface(capsys, "sum_hills", "--hills", "A,B.gz", *GRID)
    np.testing.assert_array_equal(parts.values, whole.values)
    restarted = folder / "RESTARTED"
    restarted.write_text("".join(text[:10] + text[:3] + text[10:]).replace("\n", "\r\n"))
    again = surface(capsys, "sum_hills", "--hills", "RESTARTED", *GRID)
    np.testing.assert_array_equal(again.values, whole.values)


def test_bad_hills_are_skipped_on_demand_and_counted(folder, capsys):
    good = folder / "GOOD"
    lines = (folder / "HILLS").read_text().splitlines(keepends=True)
    good.write_text("".join(lines[:5] + lines[7:]))
    lines[5:7] = ["3 0.1 0.2 0.3 0.2 nan 10\n", "4 0.1 0.2\n"]
    (folder / "HILLS").write_text("".join(lines))
    found = report(capsys, *SUM, "--on-bad", "skip", "--fmt", "%.17g")
    assert found["hills read"] == "18 from HILLS"
    assert found["rows dropped"] == "1 (wrong number of columns), 1 (not finite)"
    skipped = FreeEnergySurface.from_dat("fes.dat").values
    want = surface(capsys, "sum_hills", "--hills", "GOOD", *GRID).values
    np.testing.assert_array_equal(skipped, want)


def test_stride_projection_negbias_and_mintozero(folder, capsys):
    whole = surface(capsys, *SUM)
    _, out, _ = run(capsys, *SUM, "--stride", "8", "--fmt", "%.17g")
    assert re.findall(r"written +(\S+)", out) == ["fes_0.dat", "fes_1.dat", "fes_2.dat"]
    np.testing.assert_array_equal(FreeEnergySurface.from_dat("fes_2.dat").values, whole.values)
    zero = surface(capsys, *SUM, "--mintozero")
    np.testing.assert_allclose(zero.values, whole.values - whole.minimum, rtol=1e-15)
    np.testing.assert_array_equal(zero.derivatives, whole.derivatives)
    along = surface(capsys, *SUM, "--idw", "d", "--kt", "2.5")
    want = -2.5 * np.log(np.exp(-whole.values / 2.5).sum(axis=0))
    np.testing.assert_allclose(along.values, want, rtol=1e-13)
    bias = surface(capsys, *SUM, "--negbias", path="negativebias.dat")
    np.testing.assert_allclose(bias.values, 0.9 * whole.values, rtol=1e-13)


def test_an_old_file_is_kept_and_bounds_of_a_period_are_noted(folder, capsys):
    (folder / "fes.dat").write_text("old")
    code, _, err = run(capsys, "sum_hills", "--hills", "HILLS", "--min", "0,0", "--max", "2,2")
    assert code == 0
    assert err == "cyfes: note: phi is periodic: the grid spans -pi to pi, not 0 to 2\n"
    assert (folder / "bck.0.fes.dat").read_text() == "old"


# reweight


def expected_surface(grid, rows, log_weights, kbt=2.5):
    return free_energy(
        grid_points(grid), grid.period, rows[:, 1:3], [0.4, 0.2], log_weights, kbt
    ).reshape(grid.shape)


def test_reweighting_and_its_report(folder, capsys):
    lines = report(capsys, *REWEIGHT, "--fmt", "%.17g")
    fes = FreeEnergySurface.from_dat("fes.dat")
    rows = columns(folder / "COLVAR")
    log_weights = rows[:, 3] / 2.5
    np.testing.assert_allclose(
        fes.values, expected_surface(fes.grid, rows, log_weights), rtol=0, atol=1e-9
    )
    weights = np.exp(log_weights)
    assert lines["samples read"] == "50 from COLVAR"
    assert lines["samples used"] == "50"
    assert lines["rows dropped"] == "0"
    assert lines["CVs"] == "phi, d"
    assert float(lines["ln sum of weights"]) == pytest.approx(np.log(weights.sum()), rel=1e-5)
    ess = weights.sum() ** 2 / (weights @ weights)
    assert float(lines["effective samples"]) == pytest.approx(ess, abs=0.05)
    assert lines["bandwidth"] == "0.4, 0.2 (given)"
    assert lines["kBT"] == "2.5 kJ/mol"
    assert lines["points unreached"] == "0 of 504"
    assert lines["written"] == "fes.dat"


@pytest.mark.filterwarnings("ignore:only .* effective samples:cyfes.errors.CyfesWarning")
@pytest.mark.parametrize(
    ("options", "log_weights"),
    [
        (["--bias", "metad.bias"], lambda rows: rows[:, 3] / 2.5),
        (["--bias", "metad.bias,time"], lambda rows: (rows[:, 3] + rows[:, 0]) / 2.5),
        (["--no-bias"], lambda rows: np.zeros(len(rows))),
        (["--rbias"], lambda rows: rows[:, 4] / 2.5),
        (["--logweights", "metad.bias"], lambda rows: rows[:, 3]),
    ],
)
def test_where_weights_come_from(folder, capsys, options, log_weights):
    path = write_colvar(folder / "COLVAR", fields="time phi d metad.bias metad.rbias")
    path.write_text(path.read_text().replace(" nan", " 1.5"))
    fes = surface(capsys, *REWEIGHT, *options)
    rows = columns(path)
    want = expected_surface(fes.grid, rows, log_weights(rows))
    np.testing.assert_allclose(fes.values, want, rtol=0, atol=1e-9)


@pytest.mark.filterwarnings("ignore:only .* effective samples:cyfes.errors.CyfesWarning")
@pytest.mark.parametrize(
    ("options", "kbt"),
    [
        (["--temp", "300"], 8.31446261815324e-3 * 300),
        (["--temp", "300", "--units", "kcal/mol"], 8.31446261815324e-3 * 300 / 4.184),
        (["--kt", "0.6", "--units", "kcal/mol"], 0.6),
        (["--units", "kt"], 1.0),
    ],
)
def test_units(folder, capsys, options, kbt):
    arguments = [a for a in REWEIGHT if a not in ("--kt", "2.5")]
    fes = surface(capsys, *arguments, *options)
    rows = columns(folder / "COLVAR")
    want = expected_surface(fes.grid, rows, rows[:, 3] / kbt, kbt)
    np.testing.assert_allclose(fes.values, want, rtol=0, atol=1e-9)
    lines = report(capsys, *arguments, *options)
    assert float(lines["kBT"].split()[0]) == pytest.approx(kbt, rel=1e-5)
    assert lines["kBT"].lower().endswith(options[-1] if "--units" in options else "kj/mol")


@pytest.mark.filterwarnings("ignore:only .* effective samples:cyfes.errors.CyfesWarning")
@pytest.mark.parametrize(
    ("options", "kept", "dropped"),
    [
        (["--start", "10"], slice(10, None), "10 (before --start)"),
        (["--stop", "19"], slice(0, 20), "30 (after --stop)"),
        (["--skip", "5"], slice(5, None), "5 (skipped (--skip))"),
        (["--every", "7"], slice(0, None, 7), "42 (skipped (--every))"),
        (
            ["--skip", "4", "--every", "10"],
            slice(4, None, 10),
            "4 (skipped (--skip)), 41 (skipped (--every))",
        ),
        (
            ["--start", "10", "--stop", "10"],
            slice(10, 11),
            "10 (before --start), 39 (after --stop)",
        ),
    ],
)
def test_choosing_rows(folder, capsys, options, kept, dropped):
    rows = columns(folder / "COLVAR")[kept]
    lines = report(capsys, *REWEIGHT, *options, "--fmt", "%.17g")
    assert lines["samples used"] == str(len(rows))
    assert lines["rows dropped"] == dropped
    fes = FreeEnergySurface.from_dat("fes.dat")
    want = expected_surface(fes.grid, rows, rows[:, 3] / 2.5)
    np.testing.assert_allclose(fes.values, want, rtol=0, atol=1e-9)


def test_several_files_skip_rows_of_each(folder, capsys):
    write_colvar(folder / "B", seed=1, n=30, start=50)
    with gzip.open(folder / "B.gz", "wb") as file:
        file.write((folder / "B").read_bytes())
    lines = report(capsys, "reweight", "COLVAR", "B.gz", *REWEIGHT[2:], "--skip", "10")
    assert lines["samples read"] == "80 from COLVAR,B.gz"
    assert lines["samples used"] == "60"
    fes = surface(capsys, "reweight", "COLVAR", "B.gz", *REWEIGHT[2:], "--skip", "10")
    rows = np.concatenate([columns(folder / name)[10:] for name in ("COLVAR", "B")])
    want = expected_surface(fes.grid, rows, rows[:, 3] / 2.5)
    np.testing.assert_allclose(fes.values, want, rtol=0, atol=1e-9)


def test_columns_by_number_without_a_header(folder, capsys):
    want = surface(capsys, *REWEIGHT)
    text = (folder / "COLVAR").read_text().splitlines(keepends=True)
    (folder / "PLAIN").write_text("".join(text[3:]))
    arguments = [
        "reweight", "PLAIN", "--cv", "1,2", "--bias", "3", "--period", "-pi:pi,-", *REWEIGHT[4:]
    ]  # fmt: skip
    fes = surface(capsys, *arguments)
    assert fes.grid.names == ("1", "2")
    assert fes.grid.periodic == (True, False)
    np.testing.assert_array_equal(fes.values, want.values)


def test_a_restart_repeats_its_first_frame_and_a_crash_goes_back(folder, capsys):
    text = (folder / "COLVAR").read_text().splitlines(keepends=True)
    header, rows = text[:3], text[3:]
    (folder / "COLVAR").write_text("".join(header + rows[:20] + header + rows[19:]))
    want = surface(capsys, *REWEIGHT).values
    lines = report(capsys, *REWEIGHT)
    assert lines["samples used"] == "50"
    assert lines["rows dropped"] == "1 (repeated at a restart)"
    (folder / "COLVAR").write_text("".join(text))
    np.testing.assert_array_equal(surface(capsys, *REWEIGHT).values, want)
    (folder / "COLVAR").write_text("".join(header + rows[:20] + header + rows[15:]))
    code, out, err = run(capsys, *REWEIGHT)
    assert code == 0
    assert report_of(out)["samples used"] == "55"
    note = (
        "COLVAR: time goes back from 19 to 15 at line 27; all rows are kept (--on-overlap drop "
        "leaves out those that a restart has again)\n"
    )
    assert err == f"cyfes: note: {note}"


def test_evident_cvs_and_an_automatic_bandwidth(folder, capsys):
    write_colvar(folder / "COLVAR", fields="time phi metad.bias other more", n=400)
    lines = report(capsys, "reweight", "COLVAR", "--kt", "2.5", "--outfile", "out.dat")
    assert lines["CVs"] == "phi"
    assert re.fullmatch(r"0\.\d+ \(.*\w+\)", lines["bandwidth"])
    assert lines["written"] == "out.dat"


# Pictures


def test_pictures(folder, capsys):
    pytest.importorskip("matplotlib")
    lines = report(capsys, *REWEIGHT, "--plot", "picture.png")
    assert lines["written"] == "picture.png"
    assert (folder / "picture.png").read_bytes().startswith(b"\x89PNG")
    assert report(capsys, "plot", "fes.dat")["written"] == "fes.png"
    report(capsys, "plot", "fes.dat", "-o", "fes.svg", "--vmax", "20", "--units", "kcal/mol")
    assert (folder / "fes.svg").read_text().startswith("<?xml")
