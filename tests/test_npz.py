"""Surfaces in .npz files: exact, and nothing else is accepted."""

import math

import numpy as np
import pytest

from cyfes.errors import FileFormatError, FileMissingError, InputError
from cyfes.grid import Grid
from cyfes.gridfile import (
    read_cube,
    read_dat,
    read_npz,
    write_npz,
)

MIXED = Grid.from_bins(
    ["phi", "p.y"], [-math.pi, 0.1], [math.pi, 0.3], [4, 2], [True, False], [("-pi", "pi")] * 2
)


def random_field(shape, seed=0):
    return np.random.default_rng(seed).normal(0.0, 20.0, shape)


def test_npz_round_trip_is_exact(tmp_path):
    values, derivatives = random_field(MIXED.shape), random_field((2, *MIXED.shape), 1)
    values[0, 0] = np.inf
    extra = {"error": values / 7, "note": "two walkers"}
    write_npz(
        tmp_path / "f", MIXED, values, derivatives, kbt=2.494338785445972, units="kt", extra=extra
    )
    back = read_npz(tmp_path / "f")
    assert back.grid == MIXED
    assert back.grid.bounds_text == MIXED.bounds_text
    assert (back.kbt, back.units) == (2.494338785445972, "kt")
    np.testing.assert_array_equal(back.values, values)
    np.testing.assert_array_equal(back.derivatives, derivatives)
    assert set(back.extra) == {"error", "note"}
    np.testing.assert_array_equal(back.extra["error"], values / 7)
    assert str(back.extra["note"]) == "two walkers"


def test_npz_of_the_least(tmp_path):
    write_npz(tmp_path / "f", MIXED, np.zeros(MIXED.shape))
    back = read_npz(tmp_path / "f")
    assert (back.derivatives, back.kbt, back.units, back.extra) == (None, None, "kj/mol", {})


def test_npz_refuses_objects(tmp_path):
    with pytest.raises(InputError, match="extra\\['x'\\]"):
        write_npz(tmp_path / "f", MIXED, np.zeros(MIXED.shape), extra={"x": [None]})
    assert not list(tmp_path.iterdir())


def test_npz_refuses_other_files(tmp_path):
    path = tmp_path / "f.npz"
    path.write_text("text")
    with pytest.raises(FileFormatError, match="not an"):
        read_npz(path)
    np.savez(path, values=np.zeros(3))
    with pytest.raises(FileFormatError, match="lacks 'names'"):
        read_npz(path)
    np.savez(path, names=np.array([object()]))
    with pytest.raises(FileFormatError, match="allow_pickle"):
        read_npz(path)
    write_npz(tmp_path / "good.npz", MIXED, np.zeros(MIXED.shape))
    whole = bytearray((tmp_path / "good.npz").read_bytes())
    whole[whole.rindex(b"NUMPY") + 150] ^= 0xFF
    path.write_bytes(whole)
    with pytest.raises(FileFormatError, match="not a surface written by cyfes"):
        read_npz(path)


@pytest.mark.parametrize("read", [read_dat, read_cube, read_npz])
def test_reading_a_file_that_is_not_there(tmp_path, read):
    with pytest.raises(FileMissingError, match="none"):
        read(tmp_path / "none")
