"""PLUMED's grid format: bytes, round trips and broken files."""

import math
import re

import numpy as np
import pytest

from cyfes.errors import FileFormatError, InputError
from cyfes.grid import Grid
from cyfes.gridfile import (
    read_dat,
    write_dat,
)

MIXED = Grid.from_bins(
    ["phi", "p.y"], [-math.pi, 0.1], [math.pi, 0.3], [4, 2], [True, False], [("-pi", "pi")] * 2
)
CUBIC = Grid.from_bins(
    ["phi", "d", "n"], [-math.pi, 0.1, 0], [math.pi, 0.3, 1e-3], [3, 4, 6], [True, False, False]
)


def random_field(shape, seed=0):
    return np.random.default_rng(seed).normal(0.0, 20.0, shape)


EXPECTED_2D = """\
#! FIELDS phi p.y file.free der_phi der_p.y
#! SET min_phi -pi
#! SET max_phi pi
#! SET nbins_phi  2
#! SET periodic_phi true
#! SET min_p.y 0
#! SET max_p.y 1
#! SET nbins_p.y  2
#! SET periodic_p.y false
   -3.142    0.000    1.000   -1.000    0.500
    0.000    0.000    3.000   -3.000    0.500

   -3.142    1.000    2.000   -2.000    0.500
    0.000    1.000      inf     -inf    0.500
"""


def small_surface():
    grid = Grid.from_bins(
        ["phi", "p.y"],
        [-math.pi, 0],
        [math.pi, 1],
        [2, 1],
        [True, False],
        [("-pi", "pi"), ("0", "1")],
    )
    values = np.array([[1.0, 2.0], [3.0, np.inf]])
    return grid, values, np.array([-values, np.full((2, 2), 0.5)])


def test_dat_bytes(tmp_path):
    grid, values, derivatives = small_surface()
    write_dat(tmp_path / "f", grid, values, derivatives, fmt="%8.3f")
    assert (tmp_path / "f").read_text() == EXPECTED_2D


def test_dat_other_formats_bytes(tmp_path):
    grid, values, _ = small_surface()
    write_dat(tmp_path / "f", grid, values, value_name="projection", fmt="%+.2e")
    header, rows = (tmp_path / "f").read_text().split("periodic_p.y false\n")
    assert header.startswith("#! FIELDS phi p.y projection\n")
    assert rows == (
        " -3.14e+00 +0.00e+00 +1.00e+00\n"
        " +0.00e+00 +0.00e+00 +3.00e+00\n"
        "\n"
        " -3.14e+00 +1.00e+00 +2.00e+00\n"
        " +0.00e+00 +1.00e+00 +inf\n"
    )


@pytest.mark.parametrize("fmt", ["%9.4F", "% 9.4f"])
@pytest.mark.parametrize("n_dims", [1, 2, 3, 4])
def test_dat_same_layout_on_both_ways(tmp_path, fmt, n_dims):
    grid = Grid.from_bins(
        "abcd"[:n_dims], [0] * n_dims, [1] * n_dims, [2, 3, 1, 2][:n_dims], [False] * n_dims
    )
    values = random_field(grid.shape)
    write_dat(tmp_path / "fast", grid, values, fmt="%9.4f")
    write_dat(tmp_path / "slow", grid, values, fmt=fmt)
    assert (tmp_path / "fast").read_bytes() == (tmp_path / "slow").read_bytes()


def test_dat_in_chunks_is_the_same_text(tmp_path, monkeypatch):
    values = random_field(CUBIC.shape)
    write_dat(tmp_path / "whole", CUBIC, values)
    monkeypatch.setattr("cyfes.gridfile.dat.CHUNK", 7)
    write_dat(tmp_path / "parts", CUBIC, values)
    assert (tmp_path / "parts").read_bytes() == (tmp_path / "whole").read_bytes()


@pytest.mark.parametrize("fmt", ["", "9.4f", "%d", "%9.4f %f", "%9.4lf", "%100.3f", "%s", "%%f"])
def test_dat_refuses_a_format(tmp_path, fmt):
    with pytest.raises(InputError, match="--fmt"):
        write_dat(tmp_path / "f", MIXED, np.zeros(MIXED.shape), fmt=fmt)
    assert not list(tmp_path.iterdir())


def test_dat_refuses_a_wrong_shape(tmp_path):
    with pytest.raises(InputError, match=r"values has shape \(3, 4\), expected \(4, 3\)"):
        write_dat(tmp_path / "f", MIXED, np.zeros((3, 4)))
    with pytest.raises(InputError, match="derivatives has shape"):
        write_dat(tmp_path / "f", MIXED, np.zeros((4, 3)), np.zeros((4, 3)))


@pytest.mark.parametrize("n_dims", [1, 2, 3, 4])
@pytest.mark.parametrize("with_derivatives", [True, False])
def test_dat_round_trip(tmp_path, n_dims, with_derivatives):
    grid = Grid.from_bins(
        ["phi", "p.y", "n", "z"][:n_dims],
        [-math.pi, 0.1 + 0.2, -1e-7, 2.0][:n_dims],
        [math.pi, 1.0 / 0.3, 1e-7, 3.0][:n_dims],
        [5, 4, 3, 2][:n_dims],
        [True, False, False, True][:n_dims],
    )
    values = random_field(grid.shape)
    derivatives = random_field((n_dims, *grid.shape), 1) if with_derivatives else None
    write_dat(tmp_path / "f", grid, values, derivatives, fmt="%20.12f", value_name="projection")
    back = read_dat(tmp_path / "f")
    assert back.grid == grid
    assert back.value_name == "projection"
    np.testing.assert_allclose(back.values, values, rtol=0, atol=0.51e-12)
    if derivatives is None:
        assert back.derivatives is None
    else:
        np.testing.assert_allclose(back.derivatives, derivatives, rtol=0, atol=0.51e-12)


def test_dat_keeps_bounds_text_and_inf(tmp_path):
    (tmp_path / "f").write_text(EXPECTED_2D)
    back = read_dat(tmp_path / "f")
    assert back.grid.bounds_text == (("-pi", "pi"), ("0", "1"))
    assert back.values[1, 1] == math.inf
    assert back.derivatives[0, 1, 1] == -math.inf


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("#! SET nbins_p.y  2\n", "", "nbins_p.y"),
        ("#! SET min_phi -pi\n", "", "min_phi"),
        ("min_phi -pi", "min_phi minus", "min_phi: 'minus' is not a number"),
        ("nbins_phi  2", "nbins_phi  2.5", "'2.5'"),
        ("periodic_phi true", "periodic_phi yes", "'yes'"),
        ("nbins_phi  2", "nbins_phi  3", "4 rows, expected 3 x 2 = 6"),
        ("min_phi -pi", "min_phi 2*pi", "min must be less than max"),
        ("    0.000    0.000    3.000", "   -3.142    1.000    3.000", "does not follow"),
        ("    0.000    0.000    3.000", "      nan    0.000    3.000", "does not follow"),
    ],
)
def test_dat_refuses_a_broken_file(tmp_path, old, new, message):
    assert old in EXPECTED_2D
    (tmp_path / "f").write_text(EXPECTED_2D.replace(old, new))
    with pytest.raises(FileFormatError, match=re.escape(message)) as caught:
        read_dat(tmp_path / "f")
    assert str(caught.value).startswith(str(tmp_path / "f"))


def test_dat_without_grid_or_values(tmp_path):
    path = tmp_path / "f"
    path.write_text("#! FIELDS time phi\n 0 1\n")
    with pytest.raises(FileFormatError, match="missing #! SET min_time"):
        read_dat(path)
    path.write_text(
        "#! FIELDS x\n#! SET min_x 0\n#! SET max_x 1\n#! SET nbins_x 2\n#! SET periodic_x false\n"
        " 0\n 1\n"
    )
    with pytest.raises(FileFormatError, match="no column of values after x"):
        read_dat(path)


def reference_files(shared_data):
    files = sorted(shared_data.glob("*/ref/*.dat"))
    return files + sorted(shared_data.glob("plumed-regtest/*/*.reference"))


def printed_format(text):
    """The --fmt behind a file, from the width and digits of its first number."""
    number = re.search(r"^ ( *-?\d+\.(\d+))", text, re.MULTILINE)
    return f"%{len(number[1])}.{len(number[2])}f"


def test_plumed_files_rewritten_to_the_byte(shared_data, tmp_path):
    files = reference_files(shared_data)
    assert len(files) > 100
    for file in files:
        expected = file.read_text()
        data = read_dat(file)
        write_dat(
            tmp_path / "f",
            data.grid,
            data.values,
            data.derivatives,
            value_name=data.value_name,
            fmt=printed_format(expected),
            backup=False,
        )
        assert (tmp_path / "f").read_text() == expected, file
