"""Gaussian cube files: layout, exact round trips and other programs' files."""

import json
import math
import re

import numpy as np
import pytest

from cyfes.errors import CyfesWarning, FileFormatError, InputError
from cyfes.grid import Grid
from cyfes.gridfile import (
    read_cube,
    write_cube,
)

MIXED = Grid.from_bins(
    ["phi", "p.y"], [-math.pi, 0.1], [math.pi, 0.3], [4, 2], [True, False], [("-pi", "pi")] * 2
)
CUBIC = Grid.from_bins(
    ["phi", "d", "n"], [-math.pi, 0.1, 0], [math.pi, 0.3, 1e-3], [3, 4, 6], [True, False, False]
)


def random_field(shape, seed=0):
    return np.random.default_rng(seed).normal(0.0, 20.0, shape)


def test_cube_layout(tmp_path):
    grid = Grid.from_bins(["a", "b", "c"], [0, -1, 2], [1, 1, 9], [1, 1, 7], [False] * 3)
    values = np.arange(32.0).reshape(grid.shape)
    write_cube(tmp_path / "f.cube", grid, values, scale=2.0)
    lines = (tmp_path / "f.cube").read_text().splitlines()
    assert lines[0] == "free energy in kJ/mol over a b c"
    numbers = [[float(word) for word in line.split()] for line in lines[2:]]
    # One atom: VMD reads a file without atoms as orbitals.
    assert numbers[:5] == [
        [1, 0, -2, 4],
        [2, 2, 0, 0],
        [2, 0, 4, 0],
        [8, 0, 0, 2],
        [0, 0, 0, -2, 4],
    ]
    # Runs of eight along the last CV: six on a line, two on the next.
    assert [len(line) for line in numbers[5:]] == [6, 2] * 4
    assert [x for line in numbers[5:] for x in line] == list(range(32))


@pytest.mark.parametrize("units", ["kj/mol", "kcal/mol", "kt"])
def test_cube_round_trip_is_exact(tmp_path, units):
    values = random_field(CUBIC.shape)
    values[0, 1, 2] = values[2, 4, 6] = np.inf
    values[1, 1, 1] = -1.2345678901234567e-123
    write_cube(tmp_path / "f", CUBIC, values, units=units, scale=1.889726)
    back = read_cube(tmp_path / "f")
    assert back.grid == CUBIC
    assert back.grid.bounds_text[0] == ("-3.1415926535897931", "3.1415926535897931")
    assert back.units == units
    np.testing.assert_array_equal(back.values, values)


def test_cube_holds_only_finite_numbers_above_which_inf_stands(tmp_path):
    values = random_field(CUBIC.shape)
    highest = values.max()
    values[0, 0, 0] = np.inf
    write_cube(tmp_path / "f", CUBIC, values)
    data = (tmp_path / "f").read_text().split("\n", 7)[7]
    numbers = np.array(data.split(), float)
    assert highest < numbers[0] < highest + 0.2 * abs(highest) + 1.0
    assert (numbers[1:] <= highest).all()


def test_cube_without_any_finite_value(tmp_path):
    write_cube(tmp_path / "f", CUBIC, np.full(CUBIC.shape, np.inf))
    assert np.isposinf(read_cube(tmp_path / "f").values).all()


@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_cube_refuses_what_it_cannot_hold(tmp_path, bad):
    with pytest.raises(InputError, match="nan or -inf"):
        write_cube(tmp_path / "f", CUBIC, np.full(CUBIC.shape, bad))
    with pytest.raises(InputError, match="3 CVs, got 2"):
        write_cube(tmp_path / "f", MIXED, np.zeros(MIXED.shape))
    with pytest.raises(InputError, match="unknown energy unit 'ev'"):
        write_cube(tmp_path / "f", CUBIC, np.zeros(CUBIC.shape), units="ev")


FOREIGN = """\
 density
 made elsewhere
    2    1.000000    2.000000    3.000000    1
    2    0.500000    0.000000    0.000000
    1    0.000000    1.000000    0.000000
    3    0.000000    0.000000    0.250000
    8    8.000000    0.000000    0.000000    0.000000
    1    1.000000    0.000000    0.000000    1.000000
  1.0E+00  2.0E+00  3.0E+00
  4.0E+00  5.0E+00  6.0E+00
"""


def test_cube_of_another_program(tmp_path):
    path = tmp_path / "f.cube"
    two_along_y = FOREIGN.replace("    1    0.000000    1.0", "    2    0.000000    1.0")
    path.write_text(two_along_y + "1 2 3 4 5 6\n")
    back = read_cube(path)
    expected = Grid(("x", "y", "z"), (1, 2, 3), (1.5, 3, 3.5), (2, 2, 3), (False,) * 3)
    assert back.grid == expected
    assert back.units is None
    np.testing.assert_array_equal(back.values.ravel(), [1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  6.0E+00", "", ":10: 5 values, expected 6"),
        ("5.0E+00", "five", ":10: not a number"),
        ("    2    1.0", "99999    1.0", ":11: the file ends too early"),
        ("    2    1.0", "   -2    1.0", ":3: a cube of several orbitals"),
        ("    2    0.500000    0.0", "    2    0.500000    0.1", "not along x, y, z"),
        (
            "    3    0.000000    0.000000    0.250000",
            "3",
            ":6: expected a count and 3 numbers, got '3'",
        ),
        ("    2    0.500000", "  two    0.500000", ":4: expected a count and 3 numbers"),
        ("made elsewhere", "one layer", "min must be less than max for y"),
    ],
)
def test_cube_refuses_a_broken_file(tmp_path, old, new, message):
    path = tmp_path / "f.cube"
    path.write_text(FOREIGN.replace(old, new))
    with pytest.raises(FileFormatError, match=re.escape(message)) as caught:
        read_cube(path)
    assert str(caught.value).startswith(str(path))


def changed_record(**changes):
    def change(text):
        head, comment, rest = text.split("\n", 2)
        record = {**json.loads(comment.removeprefix("cyfes ")), **changes}
        return f"{head}\ncyfes {json.dumps(record)}\n{rest}"

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (changed_record(units=["kt"]), ":2: the comment of cyfes is damaged: 'units'"),
        (changed_record(units="ev"), ":2: .*'ev'"),
        (changed_record(units=None), ":2: .*'units'"),
        (changed_record(names="xyz"), ":2: .*'names'"),
        (changed_record(names=["a", "b"]), ":2: .*'names'"),
        (changed_record(names=["a", "b\nc", "d"]), "CVs need different names of one line"),
        (changed_record(names=["a", "a", "d"]), "CVs need different names"),
        (changed_record(names=["a", "b", 1]), ":2: .*'names'"),
        (changed_record(bounds=[["0", "1"], ["0", "1"]]), ":2: .*'bounds'"),
        (changed_record(bounds=[["0", "1", "2"], ["0", "1"], ["1"]]), ":2: .*'bounds'"),
        (changed_record(bounds=[[0, 1]] * 3), ":2: .*'bounds'"),
        (changed_record(bounds=[["0", "nan"]] * 3), "max_phi: 'nan'"),
        (changed_record(periodic=[1, 0, 0]), ":2: .*'periodic'"),
        (changed_record(inf="inf"), ":2: .*'inf'"),
        (lambda text: text.replace("cyfes {", "cyfes {" + "[" * 10000), ":2: .*damaged"),
        (lambda text: text.replace("cyfes {", 'cyfes {"a":' * 10000), ":2: .*damaged"),
        (lambda text: text.replace('"units"', '"unit"'), ":2: .*'units'"),
        (lambda text: text.replace("e+00", "e+0_0", 1), "expected a count and 3 numbers|not a"),
        (lambda text: text[:-1], ": the last line is cut off"),
        (lambda text: text.replace("\n    3 ", f"\n{2**70} ", 1), ":4: expected a count"),
        (lambda text: text.replace("\n    3 ", "\n  ٣  ", 1), ":4: expected a count"),
        (lambda text: text.replace("\n    3 ", "\n  3.0 ", 1), ":4: expected a count"),
        (lambda text: text + "x" * 10**6 + "\n", "not a number in 'xxx"),
    ],
)
def test_a_damaged_cube_of_ours_is_one_short_line(tmp_path, change, message):
    path = tmp_path / "f"
    write_cube(path, CUBIC, random_field(CUBIC.shape))
    text = path.read_text()
    assert change(text) != text
    path.write_text(change(text))
    with pytest.raises(FileFormatError, match=message) as caught:
        read_cube(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < len(str(path)) + 300


def test_a_cube_cut_off_anywhere_is_refused(tmp_path):
    path = tmp_path / "f"
    grid = Grid.from_bins("abc", [0] * 3, [1] * 3, [1, 1, 2], [True, True, False])
    write_cube(path, grid, random_field(grid.shape))
    whole = path.read_text()
    for n in range(len(whole)):
        path.write_text(whole[:n])
        with pytest.raises(FileFormatError):
            read_cube(path)


def test_another_programs_cube_without_a_newline_is_warned_of(tmp_path):
    path = tmp_path / "f"
    path.write_text(
        FOREIGN.replace("    1    0.000000    1.0", "    2    0.000000    1.0") + "1 2 3 4 5 6"
    )
    with pytest.warns(CyfesWarning, match="f:11: no newline at the end"):
        assert read_cube(path).values[-1, -1, -1] == 6
