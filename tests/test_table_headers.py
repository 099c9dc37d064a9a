"""Headers of PLUMED tables: columns, constants and where they change."""

import gzip
import os

import pytest
from test_table import COLVAR, SKIP, lines_of, refused

from cyfes.errors import FileFormatError, InputError
from cyfes.tables import Header, read_header, read_table


def test_a_restart_repeats_the_header(write):
    block = "#! FIELDS t x\n#! SET a 1\n1 2\n3 4\n"
    table = read_table(write(block + block), ["x"])
    assert table.columns["x"].tolist() == [2, 4, 2, 4]
    assert [(h.line, h.first_row) for h in table.headers] == [(1, 0), (5, 2)]


def test_a_restart_may_move_columns(write):
    path = write("#! FIELDS t x y\n1 2 3\n#! FIELDS y t\n30 10\n40 20\n #! FIELDS t x y\n4 5 6\n")
    table = read_table(path, ["t", "y"])
    assert table.columns["t"].tolist() == [1, 10, 20, 4]
    assert table.columns["y"].tolist() == [3, 30, 40, 6]
    assert [h.fields for h in table.headers] == [("t", "x", "y"), ("y", "t"), ("t", "x", "y")]
    assert [h.first_row for h in table.headers] == [0, 1, 3]
    assert lines_of(path, ["t"]) == [2, 4, 5, 7]


def test_a_block_without_a_wanted_column(write):
    path = write("#! FIELDS t x\n1 2\n#! FIELDS t y\n1 2\n")
    assert refused(path, ["x"]) == "COLVAR:3: no column 'x' from here on, only t, y"


def test_rows_before_the_first_header(write):
    path = write("1 2\n#! FIELDS t x\n1 2\n")
    assert refused(path, ["x"], InputError) == "COLVAR: no column 'x'; the file has 0, 1"
    assert read_table(path, []).headers[0] == Header(("0", "1"), {}, 0, 0)


def test_headers_without_rows_do_not_count(write):
    path = write("#! FIELDS a\n#! SET k 1\n#! FIELDS t x\n1 2\n#! FIELDS b\n#! SET k 2\n")
    table = read_table(path, ["x"])
    assert table.headers == (Header(("t", "x"), {}, 3, 0),)
    assert table.columns["x"].tolist() == [2]


def test_constants_end_with_their_block(write):
    path = write("#! FIELDS t x\n#! SET k 1\n1 2\n#! FIELDS t x\n#! SET j 3\n1 2\n")
    constants = [header.constants for header in read_table(path, ["x"]).headers]
    assert constants == [{"k": "1"}, {"j": "3"}]


def test_a_constant_may_change_between_rows(write):
    path = write("#! FIELDS t x\n#! SET k 1\n#! SET m 1\n1 2\n#! SET k 1\n3 4\n#! SET k 2\n5 6\n")
    fields = ("t", "x")
    table = read_table(path, ["x"])
    assert table.headers == (
        Header(fields, {"k": "1", "m": "1"}, 1, 0),
        Header(fields, {"k": "2", "m": "1"}, 1, 2),
    )
    assert table.columns["x"].tolist() == [2, 4, 6]


def test_the_last_value_of_a_constant_counts(write):
    path = write("#! FIELDS t x\n#! SET k 1\n#! SET k 2\n1 2\n")
    assert read_table(path, []).headers[0].constants == {"k": "2"}


def test_constants_before_the_columns(write):
    path = write("#! SET k 1\n#! FIELDS t x\n#! SET m 2\n1 2\n")
    header = Header(("t", "x"), {"k": "1", "m": "2"}, 2, 0)
    assert read_table(path, ["x"]).headers == (header,)
    assert read_header(path) == header


@pytest.mark.parametrize("line", ["#! SET", "#! SET k", "\t#! SET k "])
def test_set_without_a_value(write, line):
    path = write(f"#! FIELDS t x\n{line}\n1 2\n")
    assert refused(path, ["x"]) == (
        "COLVAR:2: SET needs a name and a value; --on-bad skip ignores it"
    )
    table = read_table(path, ["x"], on_bad="skip")
    assert table.columns["x"].tolist() == [2]
    assert table.notes == ("line 2, SET without a name and a value, was ignored",)


@pytest.mark.parametrize(
    "line", ["#!", "#! ", "#! SETTING k", "#! field t", "# ! SET", "# FIELDS z"]
)
def test_other_comments_are_comments(write, line):
    table = read_table(write(f"#! FIELDS t x\n1 2\n{line}\n3 4 #! FIELDS a\n"), ["x"])
    assert table.columns["x"].tolist() == [2, 4]
    assert len(table.headers) == 1


def test_columns_without_a_header_have_numbers(write):
    path = write("# by hand\n\n 1 2 3\n4 5 6\n")
    table = read_table(path, ["2", "0"])
    assert table.headers == (Header(("0", "1", "2"), {}, 0, 0),)
    assert table.columns["2"].tolist() == [3, 6]
    assert read_header(path) == table.headers[0]


def test_constants_without_columns(write):
    path = write("#! SET k 1\n1 2\n#! SET k 2\n3 4\n")
    headers = read_table(path, ["1"]).headers
    assert headers == (Header(("0", "1"), {"k": "1"}, 0, 0), Header(("0", "1"), {"k": "2"}, 0, 1))


def test_a_repeated_name_matters_only_if_wanted(write):
    path = write("\n#! FIELDS t x x\n1 2 3\n")
    assert read_table(path, ["t"]).columns["t"].tolist() == [1]
    assert refused(path, ["x"]) == (
        "COLVAR:3: columns 2 and 3 are both called 'x' and differ (2 and 3); choose x:1 or x:2"
    )
    table = read_table(path, ["x:2", "x:1"])
    assert [table.columns[name].tolist() for name in ("x:1", "x:2")] == [[2], [3]]


def test_equal_columns_of_one_name_are_one(write, block_bytes):
    rows = "".join(f"{t} {t / 4} 7 {t / 4}\n" for t in range(400))
    path = write("#! FIELDS t x y x\n1 2\n" + rows)
    table = read_table(path, ["y", "x"], on_bad="skip")
    assert table.columns["x"].tolist() == [t / 4 for t in range(400)]
    assert table.dropped == {"wrong number of columns": 1}


def test_a_header_on_the_line_of_a_cut_off_row(write, block_bytes):
    """A program was ended in the middle of a line, and the next one wrote its header there."""
    path = write("#! FIELDS t x\n1 2\n3#! FIELDS x t y\n4 5 6\n7 8 9\n")
    assert refused(path, ["x"]) == (
        "COLVAR:3: this row, by a header line, is cut off: 1 of 2 columns" + SKIP
    )
    table = read_table(path, ["x"], on_bad="skip")
    assert table.columns["x"].tolist() == [2, 4, 7]
    assert table.dropped == {"cut off by a header line": 1}
    assert lines_of(path, ["x"], on_bad="skip") == [2, 4, 5]


def test_a_header_on_the_line_of_a_complete_row(write, block_bytes):
    path = write("#! FIELDS t x\n1 2\n3 4#! FIELDS x t y\n5 6 7\n")
    table = read_table(path, ["x"])
    assert table.columns["x"].tolist() == [2, 4, 5]
    assert table.notes == ("a header line begins in the middle of a line, after a complete row",)


def test_a_header_within_the_last_number_of_a_row(write):
    rows = "".join(f"{t} {t / 7 + 9:.6f}\n" for t in range(8))
    path = write(f"#! FIELDS t x\n{rows}8 10.1#! FIELDS x t y\n5 6 7\n")
    assert refused(path, ["x"]) == (
        "COLVAR:10: the row is cut off in its last number, 10.1: those above have more digits"
        + SKIP
    )
    table = read_table(path, ["x"], on_bad="skip")
    assert (table.n_rows, table.columns["x"][-1]) == (9, 5)
    assert table.dropped == {"cut off by a header line": 1}


def test_an_unknown_column(write):
    path = write(COLVAR)
    complaint = "COLVAR: no column 'chi'; the file has time, phi, psi, bias"
    assert refused(path, ["phi", "chi"], InputError) == complaint


def test_the_header_of_a_file_without_rows(write):
    path = write("#! FIELDS t x\n#! SET k 1\n")
    assert read_header(path) == Header(("t", "x"), {"k": "1"}, 1, 0)


@pytest.mark.parametrize("content", ["", "\n", "# a", "#! FIELDS", "#! SET k 1\n"])
def test_neither_header_nor_rows(write, content):
    with pytest.raises(FileFormatError, match=r"COLVAR: no data rows$"):
        read_header(write(content))


def test_a_header_is_read_without_the_rest(write):
    top = gzip.compress(b"#! FIELDS t x\n1 2\n" + os.urandom(1_000_000))
    assert read_header(write(top[:500_000])).fields == ("t", "x")
    assert read_header(write("#! FIELDS t x\n1 2\n#! SET\n#! FIELDS a\n")).fields == ("t", "x")


def test_real_states_have_their_constants(shared_data):
    table = read_table(shared_data / "opes-1d-ala2" / "STATE", ["phi", "height"])
    assert (len(table.headers), table.n_rows) == (100, 3230)
    counters = [int(header.constants["counter"]) for header in table.headers]
    assert counters == sorted(set(counters))
    assert {header.constants["max_phi"] for header in table.headers} == {"pi"}
