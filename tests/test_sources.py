"""Where tables come from: pipes, compressed files, other encodings, files that change meanwhile."""

import bz2
import gzip
import lzma
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from cyfes.errors import FileFormatError, FileMissingError, InputError
from cyfes.tables import TableReader, expect_kind, input_paths, kind_of, read_header, read_table
from cyfes.tables import reader as tablereader
from cyfes.tables.text import LONGEST_LINE, TextReader

TABLE = b"#! FIELDS t x\n" + b"".join(b" %d %.3f\n" % (t, t / 7) for t in range(20_000))
COMPRESSIONS = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress}


def read(path):
    return read_table(path, ["x"]).columns["x"]


EXPECTED = np.round(np.arange(20_000) / 7, 3)


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_compressed_files(write, name):
    path = write(COMPRESSIONS[name](TABLE))
    np.testing.assert_array_equal(read(path), EXPECTED)


@pytest.mark.parametrize("name", COMPRESSIONS)
@pytest.mark.parametrize("part", [0.5, 0.9])
def test_half_a_compressed_file(write, name, part):
    text = COMPRESSIONS[name](TABLE)
    with pytest.raises(FileFormatError, match=f"COLVAR: not a complete {name} file"):
        read(write(text[: int(part * len(text))]))


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_a_damaged_compressed_file(write, name):
    text = bytearray(COMPRESSIONS[name](TABLE))
    for at in range(len(text) // 3, len(text) // 3 + 200, 7):
        text[at] ^= 0xFF
    with pytest.raises(InputError, match=r"COLVAR.*"):  # some give nonsense before they fail
        read(write(bytes(text)))


def test_zstd(write):
    text = b"\x28\xb5\x2f\xfd" + bytes(90)
    try:
        import zstandard
    except ImportError:
        if sys.version_info < (3, 14):
            with pytest.raises(FileFormatError, match=r"cyfes\[zstd\].* or say: zstd -dc .*COLVAR"):
                read(write(text))
            return
        from compression import zstd

        packed = zstd.compress(TABLE)
    else:
        packed = zstandard.compress(TABLE)
    np.testing.assert_array_equal(read(write(packed)), EXPECTED)
    for damaged in (packed[: len(packed) // 2], text):
        with pytest.raises(InputError, match=r"COLVAR"):
            read(write(damaged))


def test_a_byte_order_mark_is_left_out(write):
    np.testing.assert_array_equal(read(write(b"\xef\xbb\xbf" + TABLE)), EXPECTED)
    assert read_header(write(b"\xef\xbb\xbf1 2\n")).fields == ("0", "1")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (TABLE.decode().encode("utf-16"), r"UTF-16 text; convert it: iconv -f UTF-16"),
        (TABLE.decode().encode("utf-16-be"), r"binary file"),
        (TABLE.replace(b"\n", b"\r"), r"lines end in CR alone; convert them: tr"),
        (b"PK\x03\x04" + bytes(90), r"zip archive"),
        (b"\x00\x00\x07\xcb" + bytes(range(256)), r"a binary file; expected text"),
        (gzip.compress(b"\x00\x00\x07\xcb" + bytes(900), mtime=0), r"a binary file"),
    ],
)
def test_what_is_no_table_of_lines(write, content, message):
    with pytest.raises(FileFormatError, match=rf"^.*COLVAR: .*{message}"):
        read(write(content))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("time phi psi", "no numbers, and no '#! FIELDS' before it"),
        ("0,5 1,5 2,5", "are the commas those of decimals"),
        ("time,0.5", "holds names and numbers"),
        ("phi: TORSION ATOMS=5,7,9,15", "looks like PLUMED's input"),
        ("METAD ARG=phi SIGMA=0.2", "looks like PLUMED's input"),
    ],
)
def test_a_first_row_without_numbers(write, row, message):
    with pytest.raises(FileFormatError, match=rf"COLVAR:2: .*{message}"):
        read_table(write(f"# by hand\n{row}\n1 2 3\n"), ["1"])


def test_lines_of_xvg_files_are_comments(write):
    text = '# gmx\n@    title "dist"\n@ s0 legend "d"\n@TYPE xy\n0.0 1.5\n2.0 2.5\n'
    table = read_table(write(text), ["0", "1"])
    assert table.columns["1"].tolist() == [1.5, 2.5]
    with pytest.raises(FileFormatError, match=r"COLVAR:6: column 2 \(d\): 'x' is not a number"):
        read_table(write(text.replace("2.5", "x")), ["1"])


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        ("time d sigma_d height biasf", "HILLS"),
        ("time sigma_1 sigma_sigma_1 height", "HILLS"),
        ("time d sigma_d", "HILLS"),
        ("time d metad.bias", "COLVAR"),
        ("time sigma_1 metad.bias", "COLVAR"),
        ("time d sigma_d height logweight", "KERNELS"),
        ("d file.free\n#! SET nbins_d 10", "grid"),
        ("time d sigma_d height\n#! SET action OPES_METAD_kernels", "KERNELS"),
    ],
)
def test_kinds_of_files(write, header, kind):
    path = write(f"#! FIELDS {header}\n")
    assert kind_of(read_header(path)) == kind
    for wanted in ("HILLS", "COLVAR"):
        if wanted == kind:
            expect_kind(path, read_header(path), wanted)
        else:
            with pytest.raises(FileFormatError, match=r"COLVAR:1: this is an? .*cyfes"):
                expect_kind(path, read_header(path), wanted)


def feed(path, content, n_bytes):
    """Write into a pipe, a few bytes at a time, as a slow program would."""

    def run():
        with open(path, "wb", buffering=0) as pipe:
            for start in range(0, len(content), n_bytes):
                pipe.write(content[start : start + n_bytes])

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.parametrize("content", [TABLE, gzip.compress(TABLE, mtime=0)])
@pytest.mark.parametrize("n_bytes", [1000, 1 << 20])
def test_a_named_pipe(tmp_path, content, n_bytes):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    thread = feed(path, content, n_bytes)
    np.testing.assert_array_equal(read(str(path)), EXPECTED)
    thread.join()


def test_bytes_that_come_one_by_one(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    thread = feed(path, gzip.compress(b"#! FIELDS t x\n1 2\n"), 1)
    assert read(str(path)).tolist() == [2]
    thread.join()


@pytest.mark.parametrize("offset", [0, 14])
def test_standard_input(tmp_path, offset):
    """It is read from where it stands; what stands before belongs to somebody else."""
    path = tmp_path / "HILLS"
    path.write_bytes(b"#! FIELDS y z\n" + TABLE if offset else TABLE)
    script = (
        f"import os; os.lseek(0, {offset}, 0)\n"
        "from cyfes.tables import read_table\n"
        "print(read_table('-', ['x']).columns['x'].sum())\n"
    )
    with open(path, "rb") as stdin:
        result = subprocess.run(
            [sys.executable, "-c", script], stdin=stdin, capture_output=True, text=True, check=True
        )
    assert float(result.stdout) == EXPECTED.sum()


def test_a_file_that_is_cut_while_it_is_read(tmp_path, monkeypatch):
    """A mapped file would end the process with SIGBUS."""
    monkeypatch.setattr(tablereader, "BLOCK_BYTES", 1 << 16)
    path = tmp_path / "COLVAR"
    path.write_bytes(TABLE)
    rows = TableReader(str(path), n_threads=1).rows(["x"])
    next(rows)
    os.truncate(path, 1000)
    with pytest.raises(FileFormatError, match=r"COLVAR: the file became shorter while"):
        list(rows)


def test_a_file_that_grows_while_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(tablereader, "BLOCK_BYTES", 1 << 16)
    path = tmp_path / "COLVAR"
    path.write_bytes(TABLE)
    n_rows = 0
    for rows in TableReader(str(path), n_threads=1).rows(["x"]):
        if not n_rows:
            with open(path, "ab") as more:
                more.write(b"20000 1\n")
        n_rows += len(rows)
    assert n_rows == 20_001


def test_a_line_without_an_end(write):
    path = write(gzip.compress(b"#! FIELDS t x\n1 2\n" + b"3 " * LONGEST_LINE))
    with pytest.raises(FileFormatError, match=r"COLVAR:3: a line of over 16 MiB; no table"):
        read(path)


def test_many_blank_lines_are_passed(write):
    path = write(gzip.compress(b"\n" * 10_000_000 + TABLE))
    np.testing.assert_array_equal(read(path), EXPECTED)
    with pytest.raises(FileFormatError, match="no data rows"):
        read(write(b"\n" * 1_000_000))


def test_more_constants_than_any_file_has(write):
    lines = "".join(f"#! SET k{i} 1\n" for i in range(1001))
    with pytest.raises(FileFormatError, match="COLVAR:1002: more than 1000 SET lines"):
        read(write(f"#! FIELDS t x\n{lines}1 2\n"))


def test_memory_of_a_reader_is_that_of_a_block(write):
    reader = TextReader(write(TABLE * 50))
    n_bytes = 0
    while block := reader.peek(1 << 16):
        n_bytes += len(block.text)
        reader.advance(len(block.text))
    assert n_bytes == 50 * len(TABLE)
    assert len(reader._buffer) < 1 << 18


def test_inputs_are_looked_at_before_any_is_read(tmp_path, write):
    one, other = write(TABLE, "one"), write(TABLE, "other")
    assert input_paths([one, other]) == [one, other]
    assert input_paths(tmp_path / "one") == [one]
    os.symlink(one, tmp_path / "link")
    for twice in (one, str(tmp_path / "link")):
        with pytest.raises(InputError, match=r"is given twice.*: its rows would count twice"):
            input_paths([one, other, twice])
    with pytest.raises(InputError, match="- is given twice"):
        input_paths(["-", "-"])
    with pytest.raises(FileMissingError, match=r"cannot read .*missing: No such file"):
        input_paths([one, str(tmp_path / "missing")])
    with pytest.raises(FileMissingError, match="null byte"):
        input_paths(["a\0b"])
    with pytest.raises(InputError, match="no input file"):
        input_paths([])
