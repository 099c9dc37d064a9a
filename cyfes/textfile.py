"""Text files as bytes: plain files are mapped, gzip files are decompressed."""

import gzip
import mmap
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader

from cyfes._kernels import count_rows
from cyfes.errors import FileFormatError, FileMissingError

#: What a file is read into; both kinds index, slice and find alike.
Text = bytes | mmap.mmap

_GZIP_MAGIC = b"\x1f\x8b"
_LONGEST_LINE = 1 << 20
# What the parser takes for a field: anything but blanks, up to a comment.
_FIELD = re.compile(rb"[^ \t\r\n]+")


def read_text(path: str) -> Text:
    """Return the content of a file, decompressed if it starts as gzip does, whatever its name.

    Raises FileMissingError if it cannot be read, FileFormatError if it is a damaged gzip file.
    """
    with _readable(path) as file:
        if file.peek(2)[:2] == _GZIP_MAGIC:
            return gzip.decompress(file.read())
        try:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (ValueError, OSError):  # empty, or a pipe
            return file.read()


def read_top(path: str) -> bytes:
    """Return the lines of a file up to its first row, with it; errors as ``read_text``."""
    lines = []
    with _readable(path) as file:
        zipped = file.peek(2)[:2] == _GZIP_MAGIC
        stream = gzip.GzipFile(fileobj=file) if zipped else file
        for line in iter(lambda: stream.readline(_LONGEST_LINE), b""):
            lines.append(line)
            if fields_of(line):
                break
    return b"".join(lines)


@contextmanager
def _readable(path: str) -> Iterator[BufferedReader]:
    try:
        with open(path, "rb") as file:
            yield file
    except (gzip.BadGzipFile, zlib.error, EOFError):
        raise FileFormatError(f"{path}: not a complete gzip file") from None
    except OSError as error:
        raise FileMissingError(f"cannot read {path}: {error.strerror or error}") from None


def fields_of(line: bytes) -> list[bytes]:
    """Return the fields of one line without its comment, as the kernels split it."""
    return _FIELD.findall(line.partition(b"#")[0])


def decode(text: bytes) -> str:
    """Return text for a message or a name; bytes that are not UTF-8 are escaped."""
    return text.decode("utf-8", "backslashreplace")


def line_at(text: Text, offset: int) -> bytes:
    """Return the line that starts at ``offset``, without its newline."""
    end = text.find(b"\n", offset)
    return text[offset : end if end >= 0 else len(text)]


def line_number(text: Text, offset: int) -> int:
    """Return the 1-based number of the line that holds ``offset``."""
    return text[:offset].count(b"\n") + 1


def last_line(text: Text) -> bytes:
    """Return what follows the last newline: empty unless the last line is unterminated."""
    return text[text.rfind(b"\n") + 1 :]


def first_row(text: Text, offset: int = 0) -> list[bytes]:
    """Return the fields of the first row from the line at ``offset`` on, none without a row."""
    while offset < len(text):
        line = line_at(text, offset)
        if fields := fields_of(line):
            return fields
        offset += len(line) + 1
    return []


def row_line(text: Text, row: int) -> int:
    """Return the 1-based line number of the row of index ``row``, found by bisection."""
    view = memoryview(text)
    start, end = 0, len(text)
    while end - start > 1:
        middle = text.find(b"\n", (start + end) // 2, end) + 1
        if not start < middle < end:
            break
        before = count_rows(view[start:middle])
        if row < before:
            end = middle
        else:
            start, row = middle, row - before
    for line in text[start:end].split(b"\n"):
        row -= bool(fields_of(line))
        if row < 0:
            break
        start += len(line) + 1
    return line_number(text, start)
