"""Text to numbers: the kernels against Python's float()."""

import ctypes
import math
import mmap
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyfes._kernels import ROW_FAULTS, isas, parse_rows
from cyfes.errors import InputError

WRONG_COLUMNS, NOT_A_NUMBER, NOT_FINITE = 1, 2, 3
THREADS = [1, 2, 3, 8]

DOUBLES = st.floats(allow_nan=False, allow_infinity=False)
WRITTEN = st.one_of(
    DOUBLES.map(repr),
    st.builds(lambda x, p: f"{x:.{p}e}", DOUBLES, st.integers(0, 30)),
    st.builds(lambda x, p: f"{x:.{p}f}", st.floats(-1e6, 1e6), st.integers(0, 30)),
    st.builds(lambda n, p: f"{n}e{p}", st.integers(-(2**70), 2**70), st.integers(-400, 400)),
    st.from_regex(
        r"[+-]?([0-9]{1,25}\.?[0-9]{0,25}|\.[0-9]{1,25})([eE][+-]?[0-9]{1,4})?", fullmatch=True
    ),
)

HARD_NUMBERS = [
    "9007199254740992",  # 2^53 and its neighbours
    "9007199254740993",
    "9007199254740994",
    "-9007199254740993e0",
    "9007199254740993e-22",
    "9007199254740991e22",
    "9007199254740991e23",
    "1e22",
    "1e23",
    "1e-22",
    "1e-23",
    "4.9406564584124654e-324",  # the least subnormal, half of it and just above half
    "2.4703282292062327e-324",
    "2.4703282292062328e-324",
    "2.2250738585072011e-308",
    "2.2250738585072014e-308",
    "1.7976931348623157e308",
    "1.7976931348623158e308",
    "1e308",
    "0.1",
    "-0",
    "-0.0e-400",
    "0e99999999999999999999",
    "1e-99999999999999999999",
    "5.",
    ".5",
    "+5.e3",
    "-.5E-3",
    "12345678901234567",
    "123456789012345678",
    "1234567890123456789",
    "12345678901234567890",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999",
    "0.00000000000000000000000000000001",
    "00000000000000000000000000000001.5",
    "0." + "0" * 400 + "1e400",
    "1" + "0" * 400 + "e-400",
    "0." + "0" * 350 + "1",
    "9" * 800,
    "7.2057594037927933e16",  # a tie between two doubles
    "7.2057594037927933" + "0" * 60 + "1e16",
]


def parse_text(text, n_columns, wanted, n_threads=1):
    """Values float64[wanted, rows], faults uint8[rows], the first bad row but for its line."""
    columns, faults, first, n_rows, n_bytes, n_lines = parse_rows(
        text, n_columns, wanted, n_threads
    )
    assert n_bytes == len(text)
    assert n_lines == bytes(text).count(b"\n")
    if first is not None:
        assert first[1] == bytes(text[: first[0]]).count(b"\n")
        first = (first[0], *first[2:])
    faults = np.zeros(n_rows, np.uint8) if faults is None else faults
    return np.array(columns).reshape(len(wanted), n_rows), faults, first


def count_rows(text, n_threads=1):
    return parse_rows(text, 1, [], n_threads)[3]


def parse_column(words, n_threads=1):
    """Values and faults of words, one a row; no byte follows the last word."""
    columns, faults, _ = parse_text("\n".join(words).encode(), 1, [0], n_threads)
    return columns[0], faults


def in_the_midst(words):
    """Values and faults of words as the second column of a long table, parsed by tiles."""
    rows = [f"12.5 {word} 7" for word in ["1"] * 200 + words + ["1"] * 400]
    columns, faults, _ = parse_text("\n".join(rows).encode(), 3, [1, 2])
    assert (columns[1, faults == 0] == 7).all()
    return columns[0, 200:-400], faults[200:-400]


def assert_parsed_like_float(words):
    values, faults = parse_column(words)
    again, faults_again = in_the_midst(words)
    assert np.array_equal(faults_again, faults)
    assert again.tobytes() == values.tobytes()
    expected = np.array([float(word) for word in words])
    finite = np.isfinite(expected)
    assert np.array_equal(faults, np.where(finite, 0, NOT_FINITE))
    assert values[finite].tobytes() == expected[finite].tobytes()


def is_float(word):
    try:
        float(word)
    except ValueError:
        return False
    return "_" not in word


@pytest.mark.parametrize("isa", [name for name, supported in isas() if supported])
def test_hard_numbers_are_correctly_rounded(isa, monkeypatch):
    monkeypatch.setenv("CYFES_ISA", isa)
    assert_parsed_like_float(HARD_NUMBERS)


@given(st.lists(WRITTEN, min_size=1, max_size=20))
def test_any_number_is_correctly_rounded(words):
    assert_parsed_like_float(words)


@given(st.text("0123456789+-.eE", min_size=1) | st.text("infatyINFATY+-_xX0.d", min_size=1))
def test_a_field_is_a_number_where_float_takes_it(word):
    expected = NOT_A_NUMBER
    if is_float(word):
        expected = 0 if math.isfinite(float(word)) else NOT_FINITE
    assert list(parse_column([word, "1"])[1]) == [expected, 0]
    assert list(in_the_midst([word, "1"])[1]) == [expected, 0]


@pytest.mark.parametrize(
    "word",
    ["1_000", "0x10", "1d5", "0.1.2", "abc", "1e", "1e+", ".", "+", "-", "--1", "+-1", "e5", ".e5",
     "nan(1)", "infi", "1\x00", "\x00", "1,5", "१", "1\x0b", "\x0c1", "inf1", "1e5.0"],
)  # fmt: skip
@pytest.mark.parametrize("after", ["", "\n", " \n", "\r\n", "#", "\t#x\n", " " * 9])
def test_not_a_number(word, after):
    columns, faults, first = parse_text((word + after).encode(), 1, [0])
    assert list(faults) == [NOT_A_NUMBER]
    assert first == (0, NOT_A_NUMBER, 1, 0)
    assert np.isnan(columns).all()


@pytest.mark.parametrize("word", ["nan", "-nan", "+NaN", "inf", "-Infinity", "1e400", "-1e999"])
def test_not_finite(word):
    _, faults, first = parse_text(f"1 {word} 3".encode(), 3, [0, 1])
    assert list(faults) == [NOT_FINITE]
    assert first == (0, NOT_FINITE, 3, 1)


TABLE = (
    b"# FIELDS a b c\n"
    b"\n"
    b"  1.5\t2 3\r\n"
    b" \t \r\n"
    b"4 5 6# a comment\n"
    b"7 8 9 # another 1 2 3\n"
    b"  # only a comment\n"
    b"10 11 12"
)


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n", b" ", b"#", b"\n\n# end"])
def test_rows_comments_blanks_and_line_ends(ending):
    columns, faults, first = parse_text(TABLE + ending, 3, [0, 2])
    assert columns.tolist() == [[1.5, 4, 7, 10], [3, 6, 9, 12]]
    assert not faults.any()
    assert first is None
    assert count_rows(TABLE + ending) == 4


@pytest.mark.parametrize("text", [b"", b"\n", b"# a", b"  \t\r\n#\n\n"])
def test_a_text_without_rows(text):
    columns, faults, first = parse_text(text, 2, [0])
    assert columns.shape == (1, 0)
    assert len(faults) == 0
    assert first is None


def test_columns_not_wanted_are_not_parsed_but_counted():
    text = b"1 abc 3\n1 nan 3\n1 2\n1 2 3 4\n1 ab\x01cdefghijk 3\n"
    columns, faults, first = parse_text(text, 3, [2])
    assert list(faults) == [0, 0, WRONG_COLUMNS, WRONG_COLUMNS, 0]
    assert first == (16, WRONG_COLUMNS, 2, -1)
    assert np.array_equal(columns[0], [3, 3, np.nan, np.nan, 3], equal_nan=True)


def test_the_first_fault_of_a_row_is_told():
    text = b"1 2 3\n  nan x 3\nx y\n"
    columns, faults, first = parse_text(text, 3, [0, 1])
    assert list(faults) == [0, NOT_FINITE, WRONG_COLUMNS]
    assert first == (6, NOT_FINITE, 3, 0)
    assert np.isnan(columns[:, 1:]).all()


def test_no_column_wanted():
    columns, faults, first = parse_text(b"1 2\n3\n", 2, [])
    assert columns.shape == (0, 2)
    assert list(faults) == [0, WRONG_COLUMNS]
    assert first[0] == 4


@pytest.mark.parametrize("wanted", [[1, 0], [0, 0], [3], [-1]])
def test_wanted_columns_are_checked(wanted):
    with pytest.raises(InputError, match="ascending"):
        parse_text(b"1 2 3\n", 3, wanted)


def test_negative_thread_counts_are_refused():
    with pytest.raises(InputError, match="n_threads"):
        count_rows(b"1\n", -1)


def long_table(rng, n_rows):
    values = rng.normal(size=(n_rows, 4)) * [1, 1e3, 1e-5, 1e12]
    rows = [f"{a:.3f} {b:13.9f}  {c:.16e} {d:.2f}" for a, b, c, d in values]
    for line in range(0, n_rows, 7):
        rows[line] += "\n# comment\n\n"
    return rows


@pytest.mark.parametrize("end", ["", "\n"])
def test_texts_of_any_length(end):
    """The last row counts, wherever in a block of 64 bytes the text ends."""
    for n in range(1, 300):
        rows = ["1 23"] * n + ["4 5"] * (n % 3)
        columns, faults, _ = parse_text(("\n".join(rows) + end).encode(), 2, [1])
        assert columns[0].tolist() == [23] * n + [5] * (n % 3)
        assert not faults.any()


LINES = st.sampled_from(
    ["1 2.5 3", "-4 .5 1e3", "  5\t6 7", "8 9 10 ", "11 12 13\r", "14 15 16 # c", "", "  ", "# c",
     "1 2", "1 2 3 4", "x 2 3", "1 x 3", "1 2 nan", "\x01 2 3", "1\x0b 2 3"]
)  # fmt: skip


@given(st.lists(st.tuples(LINES, st.integers(1, 60)), max_size=12), st.sampled_from(THREADS))
def test_rows_among_others_are_those_of_split_and_float(runs, n_threads):
    """Tiles of regular rows end anywhere, at whatever other lines hold."""
    lines = [line for line, n in runs for _ in range(n)]
    fields = [re.findall(r"[^ \t\r]+", line.partition("#")[0]) for line in lines]
    rows = [row for row in fields if row]
    columns, faults, first = parse_text("\n".join(lines).encode(), 3, [0, 2], n_threads)
    good = [len(r) == 3 and all(is_finite(r[k]) for k in (0, 2)) for r in rows]
    assert (faults == 0).tolist() == good
    expected = [[float(r[0]), float(r[2])] for r, ok in zip(rows, good, strict=True) if ok]
    assert columns[:, faults == 0].T.tolist() == expected
    assert np.isnan(columns[:, faults != 0]).all()
    assert (first is None) == all(good)


def is_finite(word):
    return is_float(word) and "\x0b" not in word and math.isfinite(float(word))


@pytest.mark.parametrize("n_threads", THREADS)
def test_any_number_of_threads_parses_the_same(n_threads):
    rng = np.random.default_rng(3)
    rows = long_table(rng, 30_000)
    rows[25_000] += " 5"
    rows[12_345] = "1 2 x 4"
    text = "\n".join(rows).encode()
    columns, faults, first = parse_text(text, 4, [0, 2, 3], n_threads)
    expected = np.array(
        [
            [np.nan] * 3 if faults[i] else [float(row.split()[k]) for k in (0, 2, 3)]
            for i, row in enumerate(rows)
        ]
    )
    assert np.array_equal(columns.T, expected, equal_nan=True)
    assert np.flatnonzero(faults).tolist() == [12_345, 25_000]
    assert first == (text.index(b"1 2 x 4"), NOT_A_NUMBER, 4, 2)
    assert count_rows(text, n_threads) == 30_000


def test_a_line_longer_than_a_chunk():
    text = b"1 " + b" " * 1_000_000 + b"2\n" + b"#" * 1_000_000 + b"\n3 4"
    columns, _, _ = parse_text(text, 2, [0, 1], 8)
    assert columns.tolist() == [[1, 3], [2, 4]]


LAST_FIELDS = ["-", "2.", "2e", "2e-", "inf", "infinit", "na", "2#", "2\n", "#", "x" * 20]


@pytest.mark.parametrize(
    "text",
    [f"1 {field}".encode() for field in LAST_FIELDS]
    + [b"1 2".ljust(n) for n in range(3, 24)]
    + [b"1 " + b"2345678901234567890"[:n] for n in range(20)]
    + [b"1 ." + b"2345678901234567890"[:n] for n in range(20)],
)
@pytest.mark.parametrize("wanted", [[0], [0, 1]])
def test_nothing_is_read_past_the_end(text, wanted):
    """The text ends where a page does and the page after it cannot be read."""
    page = mmap.PAGESIZE
    memory = mmap.mmap(-1, 2 * page)
    memory[page - len(text) : page] = text
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    libc = ctypes.CDLL(None, use_errno=True)
    protect = [ctypes.c_void_p(address + page), ctypes.c_size_t(page)]
    assert libc.mprotect(*protect, 0) == 0
    try:
        at_end = parse_text(memoryview(memory)[page - len(text) : page], 2, wanted)
    finally:
        assert libc.mprotect(*protect, mmap.PROT_READ | mmap.PROT_WRITE) == 0
    apart = parse_text(text, 2, wanted)
    assert np.array_equal(at_end[0], apart[0], equal_nan=True)
    assert at_end[2] == apart[2]


def test_fault_names_follow_the_header():
    assert ROW_FAULTS == (
        "good",
        "wrong number of columns",
        "not a number",
        "not finite",
        "header line in it",
    )
