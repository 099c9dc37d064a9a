"""Reading PLUMED tables: rows, bad rows and what is said about them."""

import gc
import gzip
import math
import os
import pickle
import re
import weakref

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cyfes.errors import FileFormatError, FileMissingError, InputError
from cyfes.tables import Header, TableReader, read_header, read_table

SKIP = "; --on-bad skip leaves such rows out"

COLVAR = """\
#! FIELDS time phi psi bias
#! SET min_phi -pi
#! SET max_phi  2*pi/2
0.0 1.5 nan 2
# a comment, #! FIELDS too

1.0 -1.5 x 3 # after a row
2.0 2.5 1e400 4
"""


def one_line(error):
    text = str(error.value)
    assert "\n" not in text
    return text


def lines_of(path, wanted, **options):
    """The line number of each row that is kept."""
    parts = TableReader(path, **options).rows(wanted)
    return [part.line_of(row) for part in parts for row in range(len(part))]


def refused(path, wanted, kind=FileFormatError):
    """The one-line complaint about a file, without its folder."""
    with pytest.raises(kind) as error:
        read_table(path, wanted)
    return one_line(error).replace(os.path.dirname(path) + os.sep, "")


def test_columns_constants_and_lines(write):
    path = write(COLVAR)
    table = read_table(path, ["bias", "phi"])
    constants = {"min_phi": "-pi", "max_phi": "2*pi/2"}
    assert table.headers == (Header(("time", "phi", "psi", "bias"), constants, 1, 0),)
    assert list(table.columns) == ["bias", "phi"]
    assert table.columns["bias"].tolist() == [2, 3, 4]
    assert table.columns["phi"].tolist() == [1.5, -1.5, 2.5]
    assert table.columns["phi"].dtype == np.float64
    assert (table.path, table.n_rows, table.dropped, table.notes) == (path, 3, {}, ())
    assert lines_of(path, ["phi"]) == [4, 7, 8]
    assert read_header(path) == table.headers[0]


def test_paths_may_be_path_objects(tmp_path, write):
    write(COLVAR)
    assert read_table(tmp_path / "COLVAR", ["phi"]).n_rows == 3
    assert read_header(tmp_path / "COLVAR").line == 1


def test_a_column_wanted_twice_is_read_once(write):
    assert list(read_table(write(COLVAR), ["phi", "time", "phi"]).columns) == ["phi", "time"]


def test_no_column_wanted(write):
    table = read_table(write(COLVAR), [])
    assert (table.n_rows, table.columns) == (3, {})


@pytest.mark.parametrize("name", ["COLVAR.gz", "COLVAR"])
def test_gzip_is_known_by_its_content(write, name):
    path = write(gzip.compress(COLVAR.encode()), name)
    table = read_table(path, ["phi"])
    assert table.columns["phi"].tolist() == [1.5, -1.5, 2.5]
    assert lines_of(path, ["phi"]) == [4, 7, 8]
    assert read_header(path) == table.headers[0]


def test_a_plain_file_may_be_named_gz(write):
    assert read_table(write(COLVAR, "COLVAR.gz"), ["phi"]).n_rows == 3


@pytest.mark.parametrize("keep", [2, 5, 30, -1])
def test_damaged_gzip(write, keep):
    path = write(gzip.compress(COLVAR.encode())[:keep])
    assert refused(path, ["phi"]) == "COLVAR: not a complete gzip file"


@pytest.mark.parametrize(
    "junk", [b"\x1f\x8b\x08" + bytes(range(256)), b"\x1f\x8bzzzzzzzzzzzzzzzzzz"]
)
def test_gzip_magic_before_junk(write, junk):
    path = write(junk)
    assert refused(path, ["phi"]) == "COLVAR: not a complete gzip file"
    with pytest.raises(FileFormatError, match="not a complete gzip file"):
        read_header(path)


def test_carriage_returns(write):
    table = read_table(write(COLVAR.replace("\n", "\r\n")), ["phi"])
    assert table.columns["phi"].tolist() == [1.5, -1.5, 2.5]
    assert table.headers[0].fields[-1] == "bias"
    assert table.headers[0].constants["min_phi"] == "-pi"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (COLVAR.encode("utf-32"), "UTF-32 text"),
        (COLVAR.encode("utf-16"), "UTF-16 text"),
        (COLVAR.encode("utf-16-le"), "iconv -f UTF-16LE"),
        (gzip.compress(gzip.compress(COLVAR.encode(), mtime=0), mtime=0), "compressed twice"),
        (
            gzip.compress(b"COLVAR".ljust(257, b"\0") + b"ustar" + bytes(300), mtime=0),
            "a tar archive",
        ),
    ],
)
def test_what_a_file_is_instead_of_text(write, content, words):
    assert words in refused(write(content), ["phi"])


def test_a_missing_file(tmp_path):
    path = str(tmp_path / "HILLS")
    assert refused(path, ["x"], FileMissingError) == (
        "cannot read HILLS: No such file or directory"
    )
    with pytest.raises(FileMissingError, match=r"cannot read .*HILLS: No such file"):
        read_header(path)


def test_a_folder(tmp_path):
    with pytest.raises(FileMissingError, match=r"cannot read .*: Is a directory$"):
        read_table(tmp_path, ["x"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(write):
    path = write(COLVAR)
    os.chmod(path, 0)
    assert refused(path, ["x"], FileMissingError) == "cannot read COLVAR: Permission denied"


@pytest.mark.parametrize("content", ["", "\n\n", "# only\n# comments", "#! FIELDS t x\n", "#!"])
def test_no_rows(write, content):
    assert refused(write(content), ["x"]) == "COLVAR: no data rows"


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("1 2", "2 columns where 3 are expected (t phi y)" + SKIP),
        ("1 2 3 4", "4 columns where 3 are expected (t phi y)" + SKIP),
        ("1 abc 3", "column 2 (phi): 'abc' is not a number" + SKIP),
        ("1 0.1.2 3", "column 2 (phi): '0.1.2' is not a number" + SKIP),
        ("1 1_0 3 # 4", "column 2 (phi): '1_0' is not a number" + SKIP),
        ("1 \x0b 3", "column 2 (phi): '\\x0b' is not a number" + SKIP),
        ("1\tnan\t3", "column 2 (phi) is nan; --on-bad skip leaves such rows out"),
        ("1 -inf 3\r", "column 2 (phi) is -inf; --on-bad skip leaves such rows out"),
        ("1 1e999 3", "column 2 (phi) is 1e999; --on-bad skip leaves such rows out"),
    ],
)
@pytest.mark.parametrize("before", [0, 1, 20_000])
def test_bad_rows_are_named(write, row, complaint, before):
    path = write("#! FIELDS t phi y\n# hello\n" + "1 2 3\n" * before + row + "\n1 2 3\n4\n")
    assert refused(path, ["phi", "t"]) == f"COLVAR:{before + 3}: {complaint}"


def test_a_bad_row_of_a_later_block(write):
    path = write("#! FIELDS t x\n1 2\n#! FIELDS x t z\n1 2 3\n5 oh 6\n")
    assert refused(path, ["t"]) == "COLVAR:5: column 2 (t): 'oh' is not a number" + SKIP


def test_bytes_that_are_no_text(write):
    path = write(b"#! FIELDS t x\n1 \xff\xfe\n")
    assert refused(path, ["x"]) == (r"COLVAR:2: column 2 (x): '\\xff\\xfe' is not a number" + SKIP)
    assert read_header(write(b"#! FIELDS t \xff\n")).fields == ("t", r"\xff")
    assert read_table(write("#! FIELDS t φ\n1 2\n"), ["φ"]).columns["φ"].tolist() == [2]


@given(st.binary(max_size=200), st.sampled_from([b"", b"#! FIELDS 0 1\n", b"1 2\n", b"\x1f\x8b"]))
def test_garbage_is_refused_in_one_line(tmp_path_factory, content, top):
    path = tmp_path_factory.mktemp("garbage") / "COLVAR"
    path.write_bytes(top + content)
    for on_bad in ("raise", "skip"):
        try:
            table = read_table(path, ["0"], on_bad=on_bad)
        except InputError as error:
            complaint = str(error)
        else:
            complaint = f"{path}: none"
            assert np.isfinite(table.columns["0"]).all()
        assert re.fullmatch(re.escape(str(path)) + r":.+", complaint)


def test_a_last_line_cut_off(write):
    path = write("#! FIELDS t x y\n1 2 3\n4 5")
    assert refused(path, ["x"]) == (
        "COLVAR:3: the last line is cut off: 2 of 3 columns; --on-bad skip leaves such rows out"
    )
    table = read_table(path, ["x"], on_bad="skip")
    assert table.dropped == {"last line cut off": 1}
    assert (table.columns["x"].tolist(), table.notes) == ([2], ())


def test_a_last_line_with_too_much(write):
    path = write("#! FIELDS t x\n1 2\n4 5 6")
    assert refused(path, ["x"]) == "COLVAR:3: 3 columns where 2 are expected (t x)" + SKIP
    dropped = read_table(path, ["x"], on_bad="skip").dropped
    assert dropped == {"wrong number of columns": 1}


def test_a_last_line_without_newline(write):
    table = read_table(write("#! FIELDS t x\n1 2\n4 5"), ["x"])
    assert table.columns["x"].tolist() == [2, 5]
    assert table.notes == ("the last line has no newline; it is complete and was kept",)
    assert read_table(write("#! FIELDS t x\n1 2\n# end"), ["x"]).notes == ()


FIXED = "".join(f"{t} {t / 7 + 9:.6f}\n" for t in range(8))
SCIENTIFIC = "".join(f"{t} {t / 7:.4e}\n" for t in range(8))
FACTORS = "".join(f"{t} 10\n" for t in range(8))


@pytest.mark.parametrize(
    ("rows", "last"),
    [(FIXED, "9.12"), (FIXED, "9."), (FIXED, "1"), (SCIENTIFIC, "1.1429e+0"), (FACTORS, "1")],
)
def test_a_last_number_cut_off(write, rows, last):
    path = write(f"#! FIELDS t x\n{rows}8 {last}")
    assert refused(path, ["x"]) == (
        f"COLVAR:10: the row is cut off in its last number, {last}: those above have more digits"
        + SKIP
    )
    table = read_table(path, ["x"], on_bad="skip")
    assert (table.n_rows, table.dropped) == (8, {"last line cut off": 1})
    assert read_table(path, ["t"]).n_rows == 9  # where the number is not used


@pytest.mark.parametrize(
    ("rows", "last"),
    [
        (FIXED, "10.142857"),
        (FIXED, "nan"),
        (SCIENTIFIC, "1.1429e+00"),
        (FACTORS, "10"),
        (FACTORS, "2"),
        (FIXED.replace("9.000000", "9.0"), "9.1"),  # as many digits as it takes
        ("1 0.123456\n2 0.234567\n", "0.3"),  # too few rows to tell
    ],
)
def test_a_last_number_that_is_complete(write, rows, last):
    table = read_table(write(f"#! FIELDS t x\n{rows}8 {last}"), ["x"], allow_nonfinite=True)
    np.testing.assert_equal(table.columns["x"][-1], float(last))


def test_bad_rows_are_left_out_and_counted(write):
    path = write(
        "#! FIELDS t x\n1 2\n3\n4 nan\n#! SET k 1\n5 inf\n#! SET k 2\n6 x\n7 8\n9 9 9\n10 11\n12"
    )
    table = read_table(path, ["x"], on_bad="skip")
    assert table.columns["x"].tolist() == [2, 8, 11]
    assert table.dropped == {
        "wrong number of columns": 2,
        "not a number": 1,
        "not finite": 2,
        "last line cut off": 1,
    }
    assert lines_of(path, ["x"], on_bad="skip") == [2, 9, 11]
    fields = ("t", "x")
    assert table.headers == (Header(fields, {}, 1, 0), Header(fields, {"k": "2"}, 1, 1))


def test_no_good_row_is_left(write):
    path = write("#! FIELDS t x\n1 nan\n2 nan\n3")
    with pytest.raises(FileFormatError) as error:
        read_table(path, ["x"], on_bad="skip")
    assert one_line(error).endswith("COLVAR: no good data rows (1 last line cut off, 2 not finite)")


def test_on_bad_is_checked(write):
    with pytest.raises(InputError, match="on_bad must be 'raise' or 'skip', got 'ignore'"):
        read_table(write(COLVAR), ["phi"], on_bad="ignore")


def test_a_pipe_can_be_read():
    reader, writer = os.pipe()
    os.write(writer, COLVAR.encode())
    os.close(writer)
    try:
        assert read_table(f"/dev/fd/{reader}", ["phi"]).n_rows == 3
    finally:
        os.close(reader)


def test_a_table_can_be_pickled(write):
    table = pickle.loads(pickle.dumps(read_table(write(COLVAR), ["phi"])))
    assert table.columns["phi"].tolist() == [1.5, -1.5, 2.5]


LINES = st.sampled_from(["1 2", "3", "", "  ", "# c", " #! SET a 1", "5 6 # c", "\r", "x y z"])


SHARED_FIXTURES = [HealthCheck.function_scoped_fixture]


@settings(deadline=None, suppress_health_check=SHARED_FIXTURES)
@given(st.lists(LINES, max_size=60), st.sampled_from(["", "\n"]), st.booleans())
def test_rows_are_found_again(write, block_bytes, lines, end, zipped):
    text = ("\n".join(["1 2", *lines]) + end).encode()
    path = write(gzip.compress(text) if zipped else text)
    numbered = enumerate(["1 2", *lines], 1)
    rows = [i for i, line in numbered if len(line.partition("#")[0].split()) == 2]
    assert lines_of(path, ["0", "1"], on_bad="skip") == rows


BLOCKS = st.sampled_from(
    ["#! FIELDS t x", "#! FIELDS x", "#! SET k 1", "#! SET k 2", "#! SET j 1", "1 2", "# c"]
)


@settings(deadline=None, suppress_health_check=SHARED_FIXTURES)
@given(st.lists(BLOCKS, max_size=30))
def test_headers_follow_a_line_by_line_reading(write, block_bytes, lines):
    """The fields and constants in force at each row, found one line at a time."""
    fields, constants, line_of_fields, expected = ("0", "1"), {}, 0, []
    for number, line in enumerate(lines, 1):
        words = line.split()
        if words[1:2] == ["FIELDS"]:
            constants = {} if line_of_fields else constants
            fields, line_of_fields = tuple(words[2:]), number
        elif words[1:2] == ["SET"]:
            constants = {**constants, words[2]: words[3]}
        elif line == "1 2":
            expected.append((fields, constants, line_of_fields))
    expected = [in_force for in_force in expected if len(in_force[0]) == 2]
    path = write("\n".join(lines))
    if not expected:
        with pytest.raises(FileFormatError, match=r"no data rows|no good data rows"):
            read_table(path, [], on_bad="skip")
        return
    headers = read_table(path, [], on_bad="skip").headers
    firsts = [header.first_row for header in headers]
    assert firsts == sorted(set(firsts))
    for row, in_force in enumerate(expected):
        header = headers[int(np.searchsorted(firsts, row, side="right")) - 1]
        assert (header.fields, header.constants, header.line) == in_force


def plain_reading(path):
    """A file read with nothing but split() and float(): [(fields, rows)] of its blocks."""
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode()
    blocks = []
    for line in text.splitlines():
        words = line.split()
        if words[:2] == ["#!", "FIELDS"]:
            blocks.append((words[2:], []))
        elif words and not words[0].startswith("#"):
            if not blocks:
                blocks.append(([str(i) for i in range(len(words))], []))
            blocks[-1][1].append([float(word) for word in words])
    return [block for block in blocks if block[1]]


def simulation_outputs(folder):
    named = re.compile(r"(HILLS|COLVAR|KERNELS|STATE)")
    paths = [p for p in sorted(folder.rglob("*")) if p.is_file() and named.search(p.name)]
    assert len(paths) > 40
    return paths


def test_real_files_read_as_split_and_float_do(shared_data):
    for path in simulation_outputs(shared_data):
        blocks = plain_reading(path)
        fields = [name for name in blocks[0][0] if all(name in names for names, _ in blocks)]
        table = read_table(path, fields, on_bad="skip")
        rows = [[row[names.index(f)] for f in fields] for names, part in blocks for row in part]
        expected = np.array([row for row in rows if all(map(math.isfinite, row))])
        found = np.column_stack(list(table.columns.values()))
        assert found.tobytes() == expected.tobytes(), path
        assert sum(table.dropped.values()) == len(rows) - len(expected), path
        assert read_header(path) == table.headers[0], path
        assert table.headers[-1].line >= table.headers[0].line, path


def test_real_rows_are_on_their_lines(shared_data):
    path = shared_data / "gen-restart" / "HILLS"
    table = read_table(path, ["time", "height"])
    lines, numbers = path.read_text().splitlines(), lines_of(str(path), ["time"])
    for row in (0, 999, 1000, 1999):
        assert float(lines[numbers[row] - 1].split()[0]) == table.columns["time"][row]


def test_real_grids_print_as_plumed_printed_them(shared_data):
    from cyfes._kernels import format_grid
    from cyfes.grid import Grid

    paths = sorted(shared_data.glob("*/ref/grid.dat"))
    assert len(paths) > 3
    for path in paths:
        constants = read_header(path).constants
        names = [name[4:] for name in constants if name.startswith("min_")]
        fields = read_header(path).fields[len(names) :]
        table = read_table(path, [*names, *fields])
        shape = [int(constants[f"nbins_{name}"]) for name in names]
        periodic = [constants[f"periodic_{name}"] == "true" for name in names]
        bounds = [
            [float(constants[f"{end}_{name}"].replace("pi", str(math.pi))) for name in names]
            for end in ("min", "max")
        ]
        bins = [n - (not wraps) for n, wraps in zip(shape, periodic)]
        grid = Grid.from_bins(names, *bounds, bins, periodic)
        values = [table.columns[f].reshape(shape[::-1]).transpose() for f in fields]
        text = format_grid(grid, values, 0, grid.size, 14, 9)
        printed = path.read_bytes()
        assert text == printed[printed.rindex(b"#!") :].partition(b"\n")[2], path


def test_a_reader_frees_its_buffers_without_a_collection(tmp_path):
    """Those of many files would add up until the next one."""
    path = tmp_path / "COLVAR"
    path.write_text("#! FIELDS time x\n 0 1.5\n 1 2.5\n")
    gc.disable()
    try:
        reader = TableReader(str(path))
        assert sum(len(rows) for rows in reader.rows(["x"])) == 2
        alive = weakref.ref(reader)
        del reader
        assert alive() is None
    finally:
        gc.enable()
