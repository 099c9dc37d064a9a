"""Text files as bytes, a stretch at a time: plain or compressed files, pipes and standard input."""

import io
import os
import re
import stat
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import IO, cast

from cyfes.errors import CyfesError, FileFormatError, FileMissingError, InputError

#: The path that stands for standard input.
STDIN = "-"

#: Bytes that tell what a file is.
_HEAD_BYTES = 512
#: No line of a table is longer.
LONGEST_LINE = 1 << 24
#: Most lines are no longer.
_LINE = 1 << 10
#: Bytes that are translated at a time.
_TRANSLATED = 1 << 20
_BOM = b"\xef\xbb\xbf"
#: A number that is shorter than so many above it is cut off; they are looked for in so many bytes.
_ALIKE, _CONTEXT = 5, 1 << 14
_NUMBER = re.compile(rb"[-+]?[0-9]+(?:\.([0-9]*))?(?:[eE][-+]?([0-9]+))?")
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

    def last_line(self) -> list[bytes]:
        """Return the fields of what follows the last newline."""
        if not self.text or self.text[-1] == ord("\n"):
            return []
        return fields_of(bytes(self.text).rpartition(b"\n")[2])

    def last_number_is_cut(self) -> bool:
        """Return whether the last number is shorter than those above it, which are all alike."""
        *above, last = map(fields_of, bytes(self.text[-_CONTEXT:]).split(b"\n"))
        del above[: len(self.text) > _CONTEXT]  # which may have lost its beginning
        numbers = [row[-1] for row in above if len(row) == len(last)]
        forms = set(map(_digits, numbers))
        if len(numbers) < _ALIKE or len(forms) > 1 or None in forms:
            return False
        form, found = forms.pop(), _digits(last[-1])
        if form == found == (-1, -1):  # whole numbers: one that is there in all rows
            return len(set(numbers)) == 1 and numbers[0][: len(last[-1])] == last[-1] != numbers[0]
        return found is not None and form is not None and any(a < b for a, b in zip(found, form))


class TextReader:
    """The text of a file, a pipe or standard input ("-"), decompressed as its first bytes tell.

    Reads forwards once; memory holds what was asked for last, not the file. A byte-order mark of
    UTF-8 is left out. A context manager. Raises FileMissingError if the file cannot be read,
    FileFormatError for one that is no text, is damaged, or is cut while it is read.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._format = ""
        with self._readable():
            self._source = _Source(path)
            head = self._source.head
        try:
            self._format, open_stream = _compression(head)
            with self._readable():
                self._stream: IO[bytes] = open_stream(self._source)
            self._buffer = bytearray()
            self._begin = self._end = 0  # of what was read and not passed yet
            self._ended = False
            self._fill(_HEAD_BYTES)
            self._begin += _check_text(path, bytes(self._buffer[: self._end]))
        except BaseException:
            self._source.close()
            raise

    def __enter__(self) -> "TextReader":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; what was read stays."""
        self._source.close()

    def peek(self, n: int) -> Block:
        """Return the next n bytes, fewer at the end of the file."""
        # One byte more tells whether this is the end.
        if self._end - self._begin <= n and not self._ended:
            self._fill(n + 1)
        end = min(self._begin + n, self._end)
        text = memoryview(self._buffer)[self._begin : end]
        return Block(text, self._ended and end == self._end)

    def advance(self, n: int) -> None:
        """Go n bytes on."""
        self._begin += n

    def translate(self, translator: Callable[[bytes], bytes]) -> None:
        """Have what follows translated, whole lines at a time, of which each gives one."""
        rest = bytes(self._buffer[self._begin : self._end])
        self._stream = cast(IO[bytes], _Translated(rest, self._stream, translator))
        self._begin = self._end = 0
        self._ended = False

    def _fill(self, n: int) -> None:
        """Read until there are n bytes, or all that are left."""
        if self._begin + n > len(self._buffer):
            rest = self._buffer[self._begin : self._end]
            if n > len(self._buffer):
                self._buffer = bytearray(n)
            self._buffer[: len(rest)] = rest
            self._begin, self._end = 0, len(rest)
        room = memoryview(self._buffer)
        with self._readable():
            while self._end - self._begin < n and not self._ended:
                count = self._stream.readinto(room[self._end :])  # type: ignore[attr-defined]
                self._ended = count == 0
                self._end += count
        if self._ended and self._source.is_cut():
            raise FileFormatError(f"{self._path}: the file became shorter while it was read")

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except CyfesError:
            raise
        except ImportError:
            raise FileFormatError(
                f"{self._path}: compressed by zstd, which needs Python 3.14 or the package "
                f"zstandard: pip install 'cyfes[zstd]'; or say: zstd -dc {self._path} | cyfes ... -"
            ) from None
        except (OSError, ValueError, EOFError, zlib.error) as error:
            if self._format and getattr(error, "errno", None) is None:
                raise FileFormatError(f"{self._path}: not a complete {self._format} file") from None
            text = getattr(error, "strerror", None) or error
            raise FileMissingError(f"cannot read {self._path}: {text}") from None
        except Exception as error:  # those of compressors are no OSErrors
            if not self._format:
                raise
            raise FileFormatError(
                f"{self._path}: not a complete {self._format} file ({error})"
            ) from None


class _Source(io.RawIOBase):
    """The bytes of a file from where it stands; the first ones can be looked at without a seek."""

    def __init__(self, path: str) -> None:
        self._file = (
            open(0, "rb", buffering=0, closefd=False)  # noqa: SIM115
            if path == STDIN
            else open(path, "rb", buffering=0)  # noqa: SIM115
        )
        status = os.fstat(self._file.fileno())
        # Read once to here, a file that shrinks is told from one that ends.
        self._size = status.st_size if stat.S_ISREG(status.st_mode) else 0
        self.head = b""
        while len(self.head) < _HEAD_BYTES and (more := self._file.read(_HEAD_BYTES)):
            self.head += more
        self._left = self.head

    def readable(self) -> bool:
        return True

    def readinto(self, room: memoryview) -> int:  # type: ignore[override]
        if self._left:
            n = min(len(room), len(self._left))
            room[:n] = self._left[:n]
            self._left = self._left[n:]
            return n
        return self._file.readinto(room) or 0

    def is_cut(self) -> bool:
        """Whether a regular file ended before the size it had when it was opened."""
        return self._size > 0 and self._file.tell() < self._size

    def close(self) -> None:
        self._file.close()
        super().close()


class _Translated(io.RawIOBase):
    """What a translator makes of ``rest`` and of the stream after it."""

    def __init__(
        self, rest: bytes, stream: IO[bytes], translator: Callable[[bytes], bytes]
    ) -> None:
        self._stream, self._translator = stream, translator
        self._lines, self._left = rest, b""  # text in lines, and what was translated of it
        self._room = bytearray(_TRANSLATED)
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, room: memoryview) -> int:  # type: ignore[override]
        while not self._left and not self._ended:
            self._left = self._translated()
        n = min(len(room), len(self._left))
        room[:n] = self._left[:n]
        self._left = self._left[n:]
        return n

    def _translated(self) -> bytes:
        """The whole lines that are there, or else further text; at the end all that is left."""
        lines, newline, rest = self._lines.rpartition(b"\n")
        if newline:
            self._lines = rest
            return self._translator(lines + newline)
        n = self._stream.readinto(self._room)  # type: ignore[attr-defined]
        self._lines += self._room[:n]
        # A line that is too long is told of by whoever reads it.
        self._ended = n == 0 or len(self._lines) > LONGEST_LINE
        return self._translator(self._lines) if self._ended and self._lines else b""


def _buffered(opened: Callable[[IO[bytes]], IO[bytes]]) -> Callable[[_Source], IO[bytes]]:
    return lambda source: opened(io.BufferedReader(source, 1 << 16))


def _gzip(file: IO[bytes]) -> IO[bytes]:
    import gzip

    return gzip.GzipFile(fileobj=file)  # type: ignore[return-value]


def _bzip2(file: IO[bytes]) -> IO[bytes]:
    import bz2

    return bz2.BZ2File(file)


def _xz(file: IO[bytes]) -> IO[bytes]:
    import lzma

    return lzma.LZMAFile(file)


def _zstd(file: IO[bytes]) -> IO[bytes]:
    try:
        from compression import zstd  # Python 3.14
    except ImportError:
        import zstandard

        opened = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
    else:
        opened = zstd.ZstdFile(file)
    return cast(IO[bytes], opened)


_COMPRESSIONS = (
    (b"\x1f\x8b", "gzip", _gzip),
    (b"BZh", "bzip2", _bzip2),
    (b"\xfd7zXZ\x00", "xz", _xz),
    (b"\x28\xb5\x2f\xfd", "zstd", _zstd),
)
#: First bytes of what cannot be read, and the remedy.
_UNREADABLE = (
    (b"PK\x03\x04", "a zip archive; unpack it first"),
    (
        b"\x93NUMPY",
        "an array of NumPy, which does not tell what it holds: say --format openmm for the bias of "
        "OpenMM's metadynamics, a surface (not packed)",
    ),
    (b"\xff\xfe\0\0", "UTF-32 text; convert it: iconv -f UTF-32 -t UTF-8 {path}"),
    (b"\xff\xfe", "UTF-16 text; convert it: iconv -f UTF-16 -t UTF-8 {path}"),
    (b"\xfe\xff", "UTF-16 text; convert it: iconv -f UTF-16 -t UTF-8 {path}"),
)


def _compression(head: bytes) -> tuple[str, Callable[[_Source], IO[bytes]]]:
    """(name of the format, how to open it), "" for plain text."""
    for magic, name, opened in _COMPRESSIONS:
        if head.startswith(magic):
            return name, _buffered(opened)
    return "", lambda source: source


def _check_text(path: str, head: bytes) -> int:
    """Return the length of a byte-order mark; FileFormatError if this is no text of lines."""
    for magic, text in _UNREADABLE:
        if head.startswith(magic):
            raise FileFormatError(f"{path}: this is {text.format(path=path)}")
    if head[257:262] == b"ustar":
        raise FileFormatError(f"{path}: this is a tar archive; unpack it first")
    if _compression(head)[0]:
        raise FileFormatError(f"{path}: this is compressed twice; unpack it once")
    if head[1:20:2] == bytes(10) and not head[:20:2].count(0):
        raise FileFormatError(
            f"{path}: this is UTF-16 text; convert it: iconv -f UTF-16LE -t UTF-8 {path}"
        )
    # A header tells that the file began as text; NUL bytes of a crash are in single rows then.
    if b"\0" in head and b"#!" not in head:
        raise FileFormatError(f"{path}: this is a binary file; expected text such as PLUMED writes")
    if b"\n" not in head and b"\r" in head.rstrip():
        raise FileFormatError(
            f"{path}: lines end in CR alone; convert them: tr '\\r' '\\n' < {path}"
        )
    return len(_BOM) if head.startswith(_BOM) else 0


def input_paths(paths: str | os.PathLike | Sequence[str | os.PathLike]) -> list[str]:
    """Return the paths of input files, one or several, as text.

    Raises InputError for none, or for one file given twice, whose rows would count twice;
    FileMissingError for one that is not there.
    """
    names = [os.fspath(p) for p in ([paths] if isinstance(paths, str | os.PathLike) else paths)]
    if not names:
        raise InputError("no input file was given")
    known: dict[object, str] = {}
    for name in names:
        try:
            status = os.stat(name) if name != STDIN else None
        except (OSError, ValueError) as error:
            text = getattr(error, "strerror", None) or error
            raise FileMissingError(f"cannot read {name}: {text}") from None
        identity = (status.st_dev, status.st_ino) if status else STDIN
        if identity in known:
            same = "" if known[identity] == name else f", as {known[identity]}"
            raise InputError(f"{name} is given twice{same}: its rows would count twice")
        known[identity] = name
    return names


def fields_of(line: bytes) -> list[bytes]:
    """Return the fields of one line without its comment, as the kernels split it."""
    return _FIELD.findall(line.partition(b"#")[0])


def _digits(number: bytes) -> tuple[int, int] | None:
    """How many digits a number has after its point and in its exponent, -1 where there is none."""
    match = _NUMBER.fullmatch(number)
    if match is None:
        return None
    after, exponent = (-1 if digits is None else len(digits) for digits in match.groups())
    return after, exponent


def decode(text: bytes) -> str:
    """Return text for a message or a name; bytes that are not UTF-8 are escaped."""
    return text.decode("utf-8", "backslashreplace")
