"""Numbers to text: the kernels against C's printf."""

import ctypes
import math
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_text_parse import THREADS, parse_column

from cyfes._kernels import format_grid
from cyfes.errors import InputError
from cyfes.grid import Grid


def bits(x):
    return struct.pack("<d", x)


def printf(x, width=14, precision=9):
    text = ctypes.create_string_buffer(2000)
    ctypes.CDLL(None).snprintf(text, 2000, b" %*.*f", width, precision, ctypes.c_double(x))
    return text.value


def line_grid(n_points):
    return Grid.from_bins(["x"], [0], [1], [n_points], [True])


def format_values(values, width=14, precision=9, n_threads=1):
    """Each value of a 1-D field as text, with the blank before it."""
    grid = line_grid(len(values))
    text = format_grid(grid, [np.array(values)], 0, grid.size, width, precision, n_threads)
    at = len(printf(0.0, width, precision))
    return [line[at:] for line in text.split(b"\n")[:-1]]


HARD_DOUBLES = [
    0.0,
    -0.0,
    math.inf,
    -math.inf,
    math.nan,
    math.copysign(math.nan, -1.0),
    5e-324,
    -5e-324,
    2.2250738585072014e-308,
    1e308,
    -1.7976931348623157e308,
    0.5,
    1.5,
    2.5,
    -0.5,
    0.125,
    0.375,
    999.9999999995,
    999.99999999950001,
    9999.9999999999,
    -999.99999999999,
    99999.9999999999,
    -1e-10,
    1e-10,
    5e-10,
    -5e-10,
    *(2.0**k + d for k in (20, 31, 32, 50, 51, 52, 53, 54, 63, 64) for d in (-1, -0.5, 0, 0.5, 1)),
    *(10.0**k for k in range(-12, 25)),
    *((2 * k + 1) * 0.5e-9 for k in range(2000)),  # next to ties at nine decimals
    *((2 * k + 1) / 2**10 for k in range(-600, 600)),  # exact ties at nine decimals
    *((2 * k + 1) / 2**9 + j for k in range(8) for j in (100, 1000, 123456)),
]


@pytest.mark.parametrize(
    ("width", "precision"), [(14, 9), (0, 0), (3, 0), (1, 1), (2, 1), (8, 3), (12, 8), (30, 16),
                             (17, 15), (18, 15), (40, 22), (40, 23), (400, 2), (10, 60), (20, 18)]
)  # fmt: skip
def test_hard_doubles_print_as_printf(width, precision):
    expected = [printf(x, width, precision) for x in HARD_DOUBLES]
    assert format_values(HARD_DOUBLES, width, precision) == expected


@given(
    st.lists(st.floats() | st.floats(-1e4, 1e4), min_size=1, max_size=20),
    st.integers(0, 30),
    st.integers(0, 25),
)
def test_any_double_prints_as_printf(values, width, precision):
    expected = [printf(x, width, precision) for x in values]
    assert format_values(values, width, precision) == expected


@settings(max_examples=50)
@given(st.integers(0, 12), st.integers(-(10**6), 10**6), st.integers(-2, 2))
def test_the_neighbours_of_a_tie_print_as_printf(precision, whole, ulps):
    x = (whole + 0.5) / 10**precision
    for _ in range(abs(ulps)):
        x = math.nextafter(x, math.copysign(math.inf, ulps))
    assert format_values([x], 14, precision) == [printf(x, 14, precision)]


def test_a_million_numbers_print_as_printf():
    rng = np.random.default_rng(5)
    n = 250_000
    grid = Grid.from_bins(["x"], [-math.pi], [math.pi], [n], [True])
    scale = 10.0 ** rng.integers(-12, 8, size=n)
    fields = [rng.normal(size=n) * scale, rng.integers(0, 2**20, n) / 2**10, rng.normal(size=n)]
    columns = [grid.axes[0], *fields]
    expected = (" %14.9f %14.9f %14.9f %14.9f\n" * n) % tuple(np.column_stack(columns).ravel())
    assert format_grid(grid, fields, 0, n, 14, 9, 2) == expected.encode()


def plain_grid_text(grid, fields, width=14, precision=9):
    """What PLUMED's loop over the points prints."""
    text = ""
    for number in range(grid.size):
        index = np.unravel_index(number, grid.shape, order="F")
        if grid.n_dims > 1 and number > 0 and index[grid.n_dims - 2] == 0:
            text += "\n"
        numbers = [axis[i] for axis, i in zip(grid.axes, index)] + [f[index] for f in fields]
        text += "".join(f" %{width}.{precision}f" % x for x in numbers) + "\n"
    return text.encode()


@pytest.mark.parametrize("shape", [(7,), (1,), (4, 3), (3, 1), (1, 3), (3, 4, 2), (2, 3, 2, 3)])
def test_points_fields_and_blank_lines(shape):
    rng = np.random.default_rng(len(shape))
    n = len(shape)
    names = [f"x{d}" for d in range(n)]
    grid = Grid.from_bins(names, [-1.1] * n, [2.3] * n, shape, [True] * n)
    fields = [rng.normal(size=shape) for _ in range(1 + n)]
    expected = plain_grid_text(grid, fields)
    assert format_grid(grid, fields, 0, grid.size, 14, 9) == expected
    for cut in range(grid.size + 1):
        head = format_grid(grid, fields, 0, cut, 14, 9)
        assert head + format_grid(grid, fields, cut, grid.size - cut, 14, 9) == expected


def test_a_grid_without_fields_is_its_coordinates():
    grid = line_grid(3)
    assert format_grid(grid, [], 1, 2, 5, 2) == b"  0.33\n  0.67\n"


@pytest.mark.parametrize("n_threads", THREADS)
def test_any_number_of_threads_formats_the_same(n_threads):
    rng = np.random.default_rng(8)
    grid = Grid.from_bins(["x", "y"], [0, 0], [1, 1], [211, 199], [True, False])
    fields = [rng.normal(size=grid.shape) * 1e3]
    whole = plain_grid_text(grid, fields)
    assert format_grid(grid, fields, 0, grid.size, 14, 9, n_threads) == whole


@pytest.mark.parametrize(
    ("first", "n_points", "width", "precision", "complaint"),
    [
        (-1, 2, 14, 9, "not in the grid"),
        (0, 4, 14, 9, "not in the grid"),
        (3, 1, 14, 9, "not in the grid"),
        (0, -1, 14, 9, "not in the grid"),
        (0, 3, -14, 9, "width and precision"),
        (0, 3, 14, -1, "width and precision"),
        (0, 3, 5000, 9, "width and precision"),
    ],
)
def test_format_arguments_are_checked(first, n_points, width, precision, complaint):
    with pytest.raises(InputError, match=complaint):
        format_grid(line_grid(3), [], first, n_points, width, precision)


@given(st.lists(st.floats(-1e5, 1e5), min_size=1, max_size=10), st.integers(1, 12))
def test_printed_numbers_read_back_as_printed(values, precision):
    words = format_values(values, 20, precision)
    parsed, _ = parse_column([word.decode() for word in words])
    assert [bits(x) for x in parsed] == [bits(float(word)) for word in words]
