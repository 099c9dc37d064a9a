"""PLUMED's grid format: bytes, round trips and broken files."""

import math
import os
import re
import warnings

import numpy as np
import pytest

from cyfes.errors import CyfesWarning, FileFormatError, InputError
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
    path.write_text("# FIELDS x f\n# SET min_x 0\n 0 1\n")
    with pytest.raises(FileFormatError, match="no '#! FIELDS' header"):
        read_dat(path)
    path.write_text(
        "#! FIELDS x\n#! SET min_x 0\n#! SET max_x 1\n#! SET nbins_x 2\n#! SET periodic_x false\n"
        " 0\n 1\n"
    )
    with pytest.raises(FileFormatError, match="no column of values after x"):
        read_dat(path)


def table(path, axes, values, counts, periodic, bounds, repeat=1):
    """A file in PLUMED's format whose header counts as it is told to."""
    names = "xyz"[: len(axes)]
    header = f"#! FIELDS {' '.join(names)} f\n" + "".join(
        f"#! SET min_{n} {low}\n#! SET max_{n} {high}\n#! SET nbins_{n} {count}\n"
        f"#! SET periodic_{n} {'true' if wraps else 'false'}\n"
        for n, (low, high), count, wraps in zip(names, bounds, counts, periodic)
    )
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    rows = "".join(
        " ".join(f"{x:.9f}" for x in (*points[index], values[index])) + "\n"
        for index in (i[::-1] for i in np.ndindex(values.shape[::-1]))
    )
    path.write_text((header + rows) * repeat)
    return path


@pytest.mark.parametrize("n_x", [1, 2, 10, 700])
@pytest.mark.parametrize("n_y", [1, 3])
def test_counts_of_bins_and_counts_of_points(tmp_path, n_x, n_y):
    axes = [np.linspace(-1, 1, n_x + 1), np.linspace(0, 2, n_y + 1)]
    values = random_field((n_x + 1, n_y + 1))
    expected = Grid.from_bins("xy", [-1, 0], [1, 2], [n_x, n_y], [False, False])
    for more in (0, 1):
        if n_x + more < 2 or n_y + more < 2:
            continue
        counts = [n_x + more, n_y + more]
        path = table(tmp_path / "f", axes, values, counts, [False] * 2, [(-1, 1), (0, 2)])
        back = read_dat(path)
        assert back.grid == expected
        np.testing.assert_allclose(back.values, values, atol=1e-9)


@pytest.mark.parametrize("n", [1, 2, 5, 999])
def test_a_periodic_cv_may_repeat_its_first_point(tmp_path, n):
    axis = np.linspace(-math.pi, math.pi, n + 1)
    values = np.cos(axis)
    expected = Grid.from_bins("x", [-math.pi], [math.pi], [n], [True], [("-pi", "pi")])
    for count in (n, n + 1):
        path = table(tmp_path / "f", [axis], values, [count], [True], [("-pi", "pi")])
        back = read_dat(path)
        assert back.grid == expected
        np.testing.assert_allclose(back.values, values[:-1], atol=1e-9)
    open_path = table(tmp_path / "f", [axis[:-1]], values[:-1], [n], [True], [("-pi", "pi")])
    assert read_dat(open_path).grid == expected


def test_ends_of_a_period_that_differ_are_refused(tmp_path):
    axis = np.linspace(-math.pi, math.pi, 9)
    path = table(tmp_path / "f", [axis], axis, [9], [True], [("-pi", "pi")])
    with pytest.raises(FileFormatError, match="f differs between both ends of x"):
        read_dat(path)


def test_an_unreached_end_of_a_period(tmp_path):
    axis = np.linspace(-math.pi, math.pi, 5)
    values = np.array([np.inf, 1.0, 2.0, 3.0, np.inf])
    path = table(tmp_path / "f", [axis], values, [5], [True], [("-pi", "pi")])
    np.testing.assert_array_equal(read_dat(path).values, values[:-1])


def test_rows_with_the_last_cv_fastest_are_refused(tmp_path):
    axes = [np.linspace(0, 1, 4)] * 2
    path = table(tmp_path / "f", axes, random_field((4, 4)), [4, 4], [False] * 2, [(0, 1)] * 2)
    lines = path.read_text().splitlines()
    rows = sorted(lines[9:], key=lambda row: row.split()[:2])
    assert rows != lines[9:]
    path.write_text("\n".join(lines[:9] + rows) + "\n")
    with pytest.raises(FileFormatError, match="does not follow the header's grid, x fastest"):
        read_dat(path)


def test_several_grids_in_one_file(tmp_path):
    axis = np.linspace(0, 1, 5)
    texts = []
    for k in range(3):
        path = table(tmp_path / "f", [axis], axis + k, [5], [False], [(0, 1)])
        texts.append(path.read_text())
    path.write_text("".join(texts))
    with pytest.warns(CyfesWarning, match="f: 3 grids in one file; the last is taken"):
        np.testing.assert_allclose(read_dat(path).values, axis + 2)
    for index, shift in ((0, 0), (1, 1), (-1, 2), (-3, 0)):
        np.testing.assert_allclose(read_dat(path, index=index).values, axis + shift)
    for index in (3, -4):
        with pytest.raises(InputError, match=rf"no grid {index}; the file has 3"):
            read_dat(path, index=index)
    path.write_text("".join(texts)[: -len(texts[2].splitlines()[-1]) - 1])
    with (
        pytest.warns(CyfesWarning, match="3 grids"),
        pytest.raises(FileFormatError, match="4 rows, expected 5"),
    ):
        read_dat(path)
    path.write_text(texts[0] + texts[1].replace(" f\n", " g\n", 1))
    with pytest.raises((FileFormatError, InputError), match=r"'f'|different columns"):
        read_dat(path)


def test_a_file_cut_off_anywhere_is_refused_or_complete_or_warned_of(tmp_path):
    path = table(tmp_path / "f", [np.linspace(0, 1, 3)], random_field(3), [3], [False], [(0, 1)])
    whole, good = path.read_text(), read_dat(path).values
    kept = []
    for n in range(len(whole)):
        path.write_text(whole[:n])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                values = read_dat(path).values
            except (FileFormatError, InputError) as error:
                kept.append(str(error))
                continue
        assert len(caught) == 1
        assert "no newline" in str(caught[0].message)
        np.testing.assert_allclose(values[:-1], good[:-1])
    assert all(text.startswith(str(path)) and "\n" not in text for text in kept)
    assert len(kept) > len(whole) - 15


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("nbins_phi  2", "nbins_phi  ٢", "nbins: '٢' is not a whole number"),
        ("nbins_phi  2", f"nbins_phi  {2**70}", "nbins must be at most"),
        ("nbins_phi  2", "nbins_phi  " + "9" * 5000, "nbins must be at most"),
        ("nbins_phi  2", "nbins_phi  0", "nbins must be at least 1"),
        ("min_phi -pi", "min_phi " + "-" * 5000 + "1", "min_phi: '---"),
        ("min_phi -pi", "min_phi nan", "min_phi: 'nan'"),
        ("min_phi -pi", "min_phi -inf", "must be finite"),
        ("periodic_phi true", "periodic_phi " + "x" * 10**5, "periodic must be true or false"),
        ("FIELDS phi p.y", "FIELDS phi phi", "phi"),
    ],
)
def test_odd_headers_are_one_short_line(tmp_path, old, new, message):
    assert old in EXPECTED_2D
    (tmp_path / "f").write_text(EXPECTED_2D.replace(old, new))
    with pytest.raises(FileFormatError) as caught:
        read_dat(tmp_path / "f")
    text = str(caught.value)
    assert text.startswith(str(tmp_path / "f"))
    assert message in text
    assert "\n" not in text
    assert len(text) < 400


@pytest.mark.parametrize("name", ["a b", "", "a\nb", " a"])
def test_dat_refuses_names_that_no_header_holds(tmp_path, name):
    grid = Grid.from_bins([name], [0], [1], [1], [False])
    with pytest.raises(InputError, match="no name with blanks"):
        write_dat(tmp_path / "f", grid, [0.0, 1.0])
    assert not list(tmp_path.iterdir())


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


def test_a_grid_from_a_pipe(tmp_path):
    (tmp_path / "f").write_text(EXPECTED_2D)
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as file:
        file.write(EXPECTED_2D)
    back = read_dat(f"/dev/fd/{reader}")
    os.close(reader)
    np.testing.assert_array_equal(back.values, read_dat(tmp_path / "f").values)
