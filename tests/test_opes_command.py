"""``cyfes opes``: files like those of sum_hills, series of states, the check against frames."""

import gzip
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from plumed_files import report_of, run

from cyfes import FreeEnergySurface
from cyfes.gridfile import read_dat
from cyfes.reweight import Selection
from cyfes.tables import read_table

DATA = Path(__file__).parent / "data" / "opes-1d-per"
STATE, KERNELS, COLVAR = (DATA / f"{name}.gz" for name in ("STATE", "KERNELS", "COLVAR"))
KBT = 300 * 0.00831446261815324
ALL_STATES = {f"fes_{k}.dat" for k in range(100)} | {"fes_states.dat"}


@pytest.fixture
def there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def opes(capsys, *arguments):
    code, out, err = run(capsys, "opes", *arguments)
    assert code == 0, err
    return report_of(out), err


def names(folder):
    return {path.name for path in folder.iterdir()}


def test_the_file_is_like_that_of_sum_hills(there, capsys):
    told, err = opes(capsys, STATE, "--temp", "300", "--bin", "90")
    assert err == ""
    lines = (there / "fes.dat").read_text().splitlines()
    assert lines[:5] == [
        "#! FIELDS phi file.free der_phi",
        "#! SET min_phi -pi",
        "#! SET max_phi pi",
        "#! SET nbins_phi  90",
        "#! SET periodic_phi true",
    ]
    expected = FreeEnergySurface.from_opes(STATE, kbt=KBT, bins=[90])
    np.testing.assert_allclose(read_dat("fes.dat").values, expected.values, atol=1e-8)
    assert told["read"].startswith("100 states from ")
    assert told["read"].endswith("the last has 32 kernels")
    assert told["bias"] == "OPES_METAD, biasfactor 12.0272"
    assert told["time"] == "1000"
    assert told["kBT"] == "2.49434 kJ/mol"
    highest = -KBT * np.log(2.00890639851828e-06)
    assert told["F without kernels"] == f"{highest:.6g} kJ/mol, from epsilon"
    assert told["minimum 1"].startswith("phi=-1.5")


def test_an_exploring_run(there, capsys):
    told, _ = opes(capsys, DATA / "explore.STATE.gz", "--temp", "300", "--outfile", "e.npz")
    assert told["bias"].startswith("OPES_METAD_EXPLORE")
    found = FreeEnergySurface.read("e.npz")
    expected = FreeEnergySurface.from_opes(DATA / "explore.STATE.gz", kbt=KBT)
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-12)
    assert found.kbt == pytest.approx(KBT)
    assert "cyfes opes" in found.provenance.command


def test_all_states_of_a_file(there, capsys):
    told, _ = opes(capsys, STATE, "--kt", "1", "--units", "kt", "--all", "--bin", "80")
    assert names(there) == ALL_STATES
    index = read_table("fes_states.dat", ["state", "time", "kernels"]).columns
    np.testing.assert_array_equal(index["time"], np.arange(10, 1001, 10))
    assert index["kernels"][-1] == 32
    assert told["states and times"] == "fes_states.dat"
    last = FreeEnergySurface.from_opes(STATE, kbt=1, bins=[80])
    np.testing.assert_allclose(read_dat("fes_99.dat").values, last.values, atol=1e-8)


@pytest.fixture
def on_stdin():
    """Puts a text on the standard input of this process, as a pipe."""
    saved, pipes = os.dup(0), []

    def put(text):
        read, write = os.pipe()
        os.dup2(read, 0)
        os.close(read)
        pipes.append(threading.Thread(target=_fill, args=(write, text)))
        pipes[-1].start()

    yield put
    os.dup2(saved, 0)
    os.close(saved)
    for pipe in pipes:
        pipe.join()


def _fill(pipe, text):
    with open(pipe, "wb") as file:
        file.write(text)


def test_all_states_of_a_pipe(there, capsys, on_stdin):
    on_stdin(gzip.decompress(STATE.read_bytes()))
    opes(capsys, "-", "--temp", "300", "--all")
    assert names(there) == ALL_STATES


def test_kernels_after_every_n(there, capsys):
    told, _ = opes(capsys, KERNELS, "--temp", "300", "--stride", "400", "--bin", "80")
    assert names(there) == {"fes_0.dat", "fes_1.dat", "fes_2.dat", "fes_states.dat"}
    assert "1000 kernels from" in told["read"]
    assert "32 after those that are close were merged" in told["read"]
    opes(capsys, STATE, "--temp", "300", "--bin", "80")
    np.testing.assert_allclose(read_dat("fes_2.dat").values, read_dat("fes.dat").values, atol=1e-6)


def test_options_of_the_output(there, capsys):
    opes(capsys, STATE, "--temp", "300", "--bin", "90", "--outfile", "j.dat")
    options = ("--mintozero", "--to-units", "kcal/mol", "--fmt", "%.12f", "--provenance")
    told, _ = opes(
        capsys, STATE, "--temp", "300", "--bin", "90", *options, "--outfile", "c.dat",
        "--plot", "c.png", "--explain",
    )  # fmt: skip
    one, other = read_dat("j.dat").values, read_dat("c.dat").values
    np.testing.assert_allclose((one - one.min()) / 4.184, other, atol=1e-8)
    assert (there / "c.png").read_bytes().startswith(b"\x89PNG")
    assert "#! CYFES command cyfes opes" in (there / "c.dat").read_text()
    assert told["method"].startswith("stamps")
    assert told["energy unit"] == "kcal/mol (files: kJ/mol)"


def test_the_grid_of_an_option(there, capsys):
    told, _ = opes(capsys, STATE, "--temp", "300", "--min", "-1", "--max", "1", "--bin", "95")
    assert told["CVs"] == "phi [-pi, pi] 95 points periodic"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((STATE,), "give --kt in kJ/mol or --temp in kelvin: OPES files tell probabilities"),
        (
            (KERNELS, "--temp", "300", "--all"),
            "is a KERNELS file, which stores no states: say --stride N",
        ),
        ((STATE, "--temp", "300", "--all", "--outfile", "-"), "need a prefix of their names"),
        ((STATE, "--temp", "300", "--bias", "opes.bias"), "--bias is for the frames of --colvar"),
        ((STATE, "--temp", "300", "--skip", "5"), "--skip is for the frames of --colvar"),
        ((STATE, "--temp", "300", "--stride", "-2"), "--stride must be at least 0, got -2"),
        ((STATE, "--temp", "300", "--all", "--stride", "2"), "not allowed with"),
        ((STATE, "--temp", "300", "--colvar", "nothere"), "cannot read nothere"),
        ((STATE, "--temp", "300", "--plot", "x.jpeg"), "x.jpeg"),
        ((COLVAR, "--temp", "300"), "this is a COLVAR file"),
        (("nothere", "--temp", "300"), "cannot read nothere"),
        ((STATE, "--temp", "300", "--colvar", COLVAR, "--bias", "metad.bias"), "no column"),
    ],
)
def test_what_is_refused_writes_nothing(there, capsys, arguments, message):
    code, _, err = run(capsys, "opes", *arguments)
    assert code == 2
    assert message in err
    assert len(err.splitlines()) <= 2
    assert names(there) == set()


@pytest.mark.filterwarnings("default")
def test_a_file_that_is_cut_off(there, capsys):
    text = gzip.decompress(STATE.read_bytes()).decode()
    (there / "STATE").write_text(text[: text.rindex("\n 1000 ") - 400])
    code, _, err = run(capsys, "opes", "STATE", "--temp", "300")
    assert code == 2
    assert "--on-bad skip" in err
    assert names(there) == {"STATE"}
    told, err = opes(capsys, "STATE", "--temp", "300", "--on-bad", "skip")
    assert told["time"] == "990"
    assert "warning: STATE:" in err
    assert "it is left out" in err


# --- the check against frames


def test_frames_that_agree(there, capsys):
    told, _ = opes(capsys, STATE, "--temp", "300", "--colvar", COLVAR)
    assert told["frames"].startswith("1000 from ")
    assert told["state and frames"].startswith("agree within errors: they differ by ")


def test_frames_in_other_units_and_fewer(there, capsys):
    options = ("--temp", "300", "--colvar", COLVAR, "--bias", "opes.bias", "--skip", "10%")
    told, _ = opes(capsys, STATE, *options, "--to-units", "kt", "--mintozero")
    assert told["frames"].startswith("900 from ")
    assert "agree within errors" in told["state and frames"]
    assert " kT, the frames' error is " in told["state and frames"]


def test_frames_of_another_run_do_not_agree(there, capsys):
    text = gzip.decompress(COLVAR.read_bytes()).decode().splitlines()
    moved = [line if line.startswith("#") else flipped(line) for line in text]
    (there / "COLVAR").write_text("\n".join(moved) + "\n")
    told, _ = opes(capsys, STATE, "--temp", "300", "--colvar", "COLVAR")
    assert told["state and frames"].startswith("do NOT agree: they differ by ")


def flipped(line):
    time, phi, *rest = line.split()
    return " ".join([time, f"{-float(phi)}", *rest])


# --- OPES_EXPANDED


def test_the_bias_of_opes_expanded_is_static(tmp_path):
    """V = -kBT ln mean exp(-u_i + F_i) of umbrellas u_i: reweighting finds F of the truth."""
    rng = np.random.default_rng(0)
    centers = np.linspace(-2, 2, 11)

    def bias(x):
        steps = -((x[:, None] - centers) ** 2) / 2 / 0.3**2 + 2 * np.minimum(centers**2, 1)
        return -np.log(np.exp(steps).mean(axis=1))

    def energy(x):
        return 2 * (x**2 - 1) ** 2

    points = np.linspace(-3, 3, 6001)
    weights = np.exp(-energy(points) - bias(points))
    x = rng.choice(points, 20_000, p=weights / weights.sum()) + rng.uniform(-5e-4, 5e-4, 20_000)
    rows = "".join(f"{i} {a:.6f} {v:.8f}\n" for i, (a, v) in enumerate(zip(x, bias(x))))
    path = tmp_path / "COLVAR"
    path.write_text("#! FIELDS time x opes.bias\n" + rows)
    surface = FreeEnergySurface.from_colvar(
        path, kbt=1, selection=Selection(cv=["x"]), lower=[-1.4], upper=[1.4], bins=[70],
        bandwidth=[0.06],
    )  # fmt: skip
    off = surface.values - energy(surface.grid.axes[0])
    assert np.std(off) < 0.08
