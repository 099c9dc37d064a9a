"""Text files as bytes, a stretch at a time: plain files are mapped, gzip files decompressed."""

import mmap
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from types import TracebackType
from typing import IO

from cyfes.errors import FileFormatError, FileMissingError

_GZIP_MAGIC = b"\x1f\x8b"
_LONGEST_LINE = 1 << 20
#: Most lines are no longer.
_LINE = 1 << 10
#: Bytes of a mapped file that stay in memory behind the reader.
_KEPT_BYTES = 1 << 24
# What the parser takes for a field: anything but blanks, up to a comment.
_FIELD = re.compile(rb"[^ \t\r\n]+")


@dataclass(frozen=True)
class Block:
    """A stretch of text that begins with a line; ``is_last`` if it reaches the end of the file."""

    text: memoryview
    is_last: bool

    def __bool__(self) -> bool:
        return len(self.text) > 0

    def line_at(self, offset: int) -> bytes | None:
        """Return the line that starts at ``offset``, without its newline; None if it goes on."""
        size = _LINE
        while True:
            line, newline, _ = bytes(self.text[offset : offset + size]).partition(b"\n")
            if newline or (self.is_last and offset + len(line) == len(self.text)):
                return line
            if offset + size >= len(self.text):
                return None
            size *= 4

    def first_row(self) -> bytes | None:
        """Return the line of the first row, None if a header line comes first or the block ends."""
        offset = 0
        while offset < len(self.text):
            line = self.line_at(offset)
            if line is None or line.lstrip(b" \t\r").startswith(b"#!"):
                return None
            if fields_of(line):
                return line
            offset += len(line) + 1
        return None

    def last_line(self) -> list[bytes]:
        """Return the fields of what follows the last newline."""
        if not self.text or self.text[-1] == ord("\n"):
            return []
        return fields_of(bytes(self.text).rpartition(b"\n")[2])


class TextReader:
    """The text of a file, decompressed if it starts as gzip does, whatever its name.

    A context manager. Memory holds what was asked for last, not the file. Raises FileMissingError
    if the file cannot be read, FileFormatError when it comes to the end of a damaged gzip file.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        with _readable(path):
            self._file = open(path, "rb")  # noqa: SIM115
            self._stream: IO[bytes] = self._file
            self._map: mmap.mmap | None = None
            if self._file.peek(2)[:2] == _GZIP_MAGIC:
                self._stream = _decompressed(self._file)
            else:
                self._map = _mapped(self._file)
        self._text = memoryview(self._map or b"")  # what is at hand
        self._at = 0  # where in it the reader is
        self._released = 0  # mapped bytes that were given back

    def __enter__(self) -> "TextReader":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._text = memoryview(b"")
        self._map = None
        self._file.close()

    def peek(self, n: int) -> Block:
        """Return the next n bytes, fewer at the end of the file."""
        if self._map is None and len(self._text) - self._at < n:
            # One byte more tells whether this is the end.
            with _readable(self._path):
                more = self._stream.read(n + 1 - (len(self._text) - self._at))
            self._text = memoryview(b"".join((self._text[self._at :], more)))
            self._at = 0
        return Block(self._text[self._at : self._at + n], self._at + n >= len(self._text))

    def advance(self, n: int) -> None:
        """Go n bytes on."""
        self._at += n
        if self._map is not None and self._at - self._released > _KEPT_BYTES:
            end = self._at - self._at % mmap.PAGESIZE
            self._map.madvise(mmap.MADV_DONTNEED, self._released, end - self._released)
            self._released = end


def _mapped(file: BufferedReader) -> mmap.mmap | None:
    try:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (ValueError, OSError):  # empty, or a pipe
        return None


def _decompressed(file: BufferedReader) -> IO[bytes]:
    import gzip  # not needed by every run

    return gzip.GzipFile(fileobj=file)  # type: ignore[return-value]


@contextmanager
def _readable(path: str) -> Iterator[None]:
    try:
        yield
    except (OSError, zlib.error, EOFError) as error:
        if not isinstance(error, OSError) or error.errno is None:  # gzip's own OSError
            raise FileFormatError(f"{path}: not a complete gzip file") from None
        raise FileMissingError(f"cannot read {path}: {error.strerror or error}") from None


def read_top(path: str) -> list[bytes]:
    """Return the lines of a file up to its first row, with it; errors as ``TextReader``."""
    lines = []
    with _readable(path), open(path, "rb") as file:
        zipped = file.peek(2)[:2] == _GZIP_MAGIC
        stream = _decompressed(file) if zipped else file
        for line in iter(lambda: stream.readline(_LONGEST_LINE), b""):
            lines.append(line)
            if fields_of(line):
                break
    return lines


def fields_of(line: bytes) -> list[bytes]:
    """Return the fields of one line without its comment, as the kernels split it."""
    return _FIELD.findall(line.partition(b"#")[0])


def decode(text: bytes) -> str:
    """Return text for a message or a name; bytes that are not UTF-8 are escaped."""
    return text.decode("utf-8", "backslashreplace")
