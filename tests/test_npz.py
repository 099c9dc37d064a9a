"""Surfaces in .npz files: exact, and nothing else is accepted."""

import math
import os
import zipfile

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
    with pytest.raises(FileFormatError, match=r"'names\.npy' cannot be read: .* objects"):
        read_npz(path)
    write_npz(tmp_path / "good.npz", MIXED, np.zeros(MIXED.shape))
    whole = bytearray((tmp_path / "good.npz").read_bytes())
    whole[whole.rindex(b"NUMPY") + 150] ^= 0xFF
    path.write_bytes(whole)
    with pytest.raises(FileFormatError, match="cannot be read: Bad CRC-32"):
        read_npz(path)


@pytest.mark.parametrize("read", [read_dat, read_cube, read_npz])
def test_reading_a_file_that_is_not_there(tmp_path, read):
    with pytest.raises(FileMissingError, match="none"):
        read(tmp_path / "none")


def refused(path, *words):
    """The one line that says why a file is refused, and names it and what is in ``words``."""
    with pytest.raises(FileFormatError) as caught:
        read_npz(path)
    text = str(caught.value)
    assert text.startswith(str(path))
    assert "\n" not in text
    assert len(text) < len(str(path)) + 300
    for word in words:
        assert word in text
    return text


def small(path):
    """A file of three points, as small as it gets."""
    grid = Grid.from_bins(["x"], [0], [1], [2], [False])
    write_npz(path, grid, [1.0, 2.5, np.inf], [[0.5, 1.0, 2.0]], kbt=2.5)
    return read_npz(path)


#: Every bit and every length with CYFES_EXHAUSTIVE=1, which takes a minute; else one in 13.
STEP = 1 if os.environ.get("CYFES_EXHAUSTIVE") == "1" else 13


def test_flipped_bits_are_found_or_harmless(tmp_path):
    good = small(tmp_path / "f")
    whole = (tmp_path / "f").read_bytes()
    path = tmp_path / "flipped"
    n_refused = 0
    for bit in range(0, 8 * len(whole), STEP):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        try:
            back = read_npz(path)
        except FileFormatError:
            refused(path)
            n_refused += 1
            continue
        assert back.grid == good.grid
        assert back.grid.bounds_text == good.grid.bounds_text
        assert (back.units, back.kbt) == (good.units, good.kbt)
        np.testing.assert_array_equal(back.values, good.values)
        np.testing.assert_array_equal(back.derivatives, good.derivatives)
    assert n_refused > 4 * len(whole) / STEP


def test_cut_off_files_are_refused(tmp_path):
    small(tmp_path / "f")
    whole = (tmp_path / "f").read_bytes()
    for n in range(0, len(whole), STEP):
        (tmp_path / "f").write_bytes(whole[:n])
        refused(tmp_path / "f")


def members(**changes):
    """The arrays of a good file, some replaced; None leaves one out."""
    arrays = {
        "names": ["x"], "lower": [0.0], "upper": [1.0], "shape": [3], "periodic": [False],
        "bounds_text": [["0", "1"]], "units": "kt", "values": [1.0, 2.0, 3.0], "kbt": 1.0,
    }  # fmt: skip
    return {name: array for name, array in {**arrays, **changes}.items() if array is not None}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"lower": None}, ["lacks 'lower'"]),
        ({"units": None}, ["lacks 'units'"]),
        ({"shape": [3.0]}, ["'shape'", "float64", "whole numbers"]),
        ({"shape": [[3]]}, ["'shape'"]),
        ({"shape": [2**62]}, ["(3,)"]),
        ({"shape": [-3]}, ["bins"]),
        ({"names": [b"x"]}, ["'names'"]),
        ({"names": ["a\nb"]}, ["a\\nb"]),
        ({"names": ["x", "x"]}, ["'x'"]),
        ({"names": "x"}, ["'names'"]),
        ({"names": np.array([], "U1")}, ["bounds_text"]),
        ({"periodic": [0]}, ["'periodic'"]),
        ({"bounds_text": [["0", "one"]]}, ["'one' is not a number"]),
        ({"bounds_text": [["0"]]}, ["'bounds_text'"]),
        ({"lower": [np.nan]}, ["finite"]),
        ({"lower": ["0"]}, ["'lower'"]),
        ({"units": ["kt", "kt"]}, ["'units'"]),
        ({"units": "ev"}, ["'ev'"]),
        ({"values": [1, 2]}, ["values has shape (2,), expected (3,)"]),
        ({"values": [1j, 2, 3]}, ["'values'"]),
        ({"values": [["1"], ["2"]]}, ["'values'"]),
        ({"kbt": -1.0}, ["kbt"]),
        ({"kbt": "warm"}, ["'kbt'"]),
        ({"derivatives": [1.0, 2.0, 3.0]}, ["'derivatives'"]),
        ({"other": [1]}, ["unknown member 'other'"]),
    ],
)
def test_members_that_are_none_of_a_surface(tmp_path, changes, words):
    np.savez(tmp_path / "f.npz", **members())
    read_npz(tmp_path / "f.npz")
    np.savez(tmp_path / "f.npz", **members(**changes))
    refused(tmp_path / "f.npz", *words)


def archive(path, files):
    with zipfile.ZipFile(path, "w") as made:
        for name, content in files.items():
            made.writestr(name, content)
    return path


def npy(header):
    text = header.ljust(118).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def described(dtype, shape):
    return npy(f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}}}")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.txt", b"text", ["'x.txt'"]),
        ("values.npy", b"text", ["'values.npy'"]),
        ("values.npy", b"", ["'values.npy'"]),
        ("values.npy", npy("("), ["'values.npy'"]),
        ("values.npy", npy("(" * 110), ["'values.npy'"]),
        ("values.npy", described("<f8", f"({2**70},)"), ["does not fit its 0 bytes"]),
        ("values.npy", described("<f8", "(1.5,)"), ["'values.npy'"]),
        ("values.npy", described("<U0", f"({2**70},)"), ["'values.npy'"]),
        ("values.npy", described("|O", "(1,)"), ["objects"]),
        ("a/b\x1b[31m\n.npy", b"text", ["a/b\\x1b[31m\\n.npy"]),
        ("../values.npy", described("<f8", "()") + bytes(8), ["'../values'"]),
    ],
)  # fmt: skip
def test_archives_of_anything_else(tmp_path, name, content, words):
    refused(archive(tmp_path / "f", {name: content}), *words)


def test_an_encrypted_member(tmp_path):
    path = archive(tmp_path / "f", {"values.npy": b"text"})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1
    data[6] |= 1
    path.write_bytes(data)
    refused(path, "'values.npy'", "encrypted")
