"""The header lines of PLUMED files: ``#! FIELDS`` names columns, ``#! SET`` gives constants."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from cyfes._kernels import count_rows
from cyfes.errors import FileFormatError
from cyfes.textfile import Text, decode, first_row, line_at


@dataclass(frozen=True)
class Header:
    """A schema and the rows it holds for: one ``#! FIELDS`` line with its ``#! SET`` lines.

    ``fields``: column names, ``"0", "1", ...`` without a FIELDS line. ``constants``: SET names
    and values as they are written. ``line``: 1-based number of the FIELDS line, 0 without one.
    ``first_row``: index of the first row that belongs to it.
    """

    fields: tuple[str, ...]
    constants: Mapping[str, str]
    line: int
    first_row: int


def scan_headers(path: str, text: Text) -> tuple[list[Header], list[int]]:
    """Return the headers of a text and the offset in it where each begins.

    A FIELDS line begins a header without constants. A SET line that changes a constant after
    rows were read begins one with the same fields. A header without rows gives way to the next,
    or is left out as the last of several. Constants set before the first FIELDS line belong to it.

    Raises FileFormatError for a SET line without a name and a value.
    """
    view = memoryview(text)
    headers, starts = [Header((), {}, 0, 0)], [0]
    line = 1
    n_rows = counted = 0
    for start, words in _header_lines(text):
        n_rows += count_rows(view[counted:start])
        line += text[counted:start].count(b"\n")
        counted = start
        header = _next_header(headers[-1], words, f"{path}:{line}", line, n_rows)
        if header is headers[-1]:
            continue
        if headers[-1].first_row == n_rows:
            headers[-1] = header
        else:
            headers.append(header)
            starts.append(start)
    if len(headers) > 1 and not first_row(text, starts[-1]):
        del headers[-1], starts[-1]
    return [_with_fields(header, text) for header in headers], starts


def _header_lines(text: Text) -> Iterator[tuple[int, list[str]]]:
    """Offset and words of each line whose first characters but blanks are ``#!``."""
    mark = text.find(b"#!")
    while mark >= 0:
        start = text.rfind(b"\n", 0, mark) + 1
        line = line_at(text, start)
        if line.lstrip(b" \t\r").startswith(b"#!"):
            yield start, decode(line).partition("#!")[2].split(maxsplit=2)
        mark = text.find(b"#!", start + len(line))


def _next_header(header: Header, words: list[str], where: str, line: int, n_rows: int) -> Header:
    """The header in force after a header line: ``header`` itself if it changes nothing."""
    match words:
        case ["FIELDS", *names]:
            fields = tuple(" ".join(names).split())
            return Header(fields, {} if header.line else header.constants, line, n_rows)
        case ["SET", name, value]:
            value = value.strip()
            if header.constants.get(name) == value:
                return header
            return replace(header, constants={**header.constants, name: value}, first_row=n_rows)
        case ["SET", *_]:
            raise FileFormatError(f"{where}: SET needs a name and a value")
    return header


def _with_fields(header: Header, text: Text) -> Header:
    """The header with columns named by number if no FIELDS line did."""
    if header.line:
        return header
    return replace(header, fields=tuple(map(str, range(len(first_row(text))))))
