"""Histograms of unit kernels, beside NumPy and the command line."""

import numpy as np
import pytest
from oracles import grid_sum
from plumed_files import run, write_colvar

from cyfes import FreeEnergySurface
from cyfes.fes import histogram_blocks
from cyfes.grid import GridRequest
from cyfes.histogram import read_unweighted

SIGMA = np.array([0.3, 0.1])
GRID = GridRequest(["-pi", 0], ["pi", 2], [40, 30])


@pytest.fixture
def colvar(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write_colvar(tmp_path / "COLVAR")


def test_a_histogram_is_minus_kt_ln_of_its_sum(colvar):
    surface = FreeEnergySurface.from_histogram(
        colvar, sigma=SIGMA, kbt=2.5, names=["phi", "d"], grid=GRID
    )
    rows = np.loadtxt(colvar, comments="#")[:, 1:3]
    values, slopes = grid_sum(
        surface.grid, rows, SIGMA, np.ones(len(rows)), kernel="stretched-gaussian", images="nearest"
    )
    seen = values > 1e-6
    assert seen.sum() > 200
    np.testing.assert_allclose(surface.values[seen], -2.5 * np.log(values[seen]), atol=1e-9)
    want = -2.5 * slopes[:, seen] / values[seen]
    np.testing.assert_allclose(surface.derivatives[:, seen], want, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("nohistory", [False, True])
def test_blocks_are_those_of_the_command(colvar, capsys, nohistory):
    samples = read_unweighted(colvar, ["phi", "d"])
    blocks = histogram_blocks(samples, GRID, SIGMA, 2.5, stride=20, nohistory=nohistory)
    found = [surface.values.copy() for surface in blocks]
    command = ["sum_hills", "--histo", "COLVAR", "--idw", "phi,d", "--kt", "2.5", "--stride", "20"]
    where = ["--min", "-pi,0", "--max", "pi,2", "--bin", "40,30", "--sigma", "0.3,0.1"]
    code, _, err = run(capsys, *command, *where, *["--nohistory"] * nohistory)
    assert code == 0, err
    assert len(found) == 3
    for k, values in enumerate(found):
        written = FreeEnergySurface.from_dat(f"histo_{k}.dat").values
        np.testing.assert_allclose(values, written, rtol=0, atol=1e-9)
