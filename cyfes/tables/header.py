"""The header lines of PLUMED files: ``#! FIELDS`` names columns, ``#! SET`` gives constants."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from cyfes.errors import FileFormatError
from cyfes.tables.text import decode, fields_of


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


#: What is known of a file before its first line.
NO_HEADER = Header((), {}, 0, 0)


def next_header(header: Header, line: bytes, path: str, number: int) -> Header:
    """Return the header in force after a line, the ``number``-th: ``header`` if nothing changes.

    A FIELDS line begins a header without constants; those set before the first FIELDS line belong
    to it. A SET line begins a header only if it changes a constant. A line is a header line if its
    first characters but blanks are ``#!``.
    Raises FileFormatError for a SET line without a name and a value.
    """
    line = line.lstrip(b" \t\r")
    if not line.startswith(b"#!"):
        return header
    match decode(line[2:]).split(maxsplit=2):
        case ["FIELDS", *names]:
            fields = tuple(" ".join(names).split())
            return Header(fields, {} if header.line else header.constants, number, 0)
        case ["SET", name, value]:
            value = value.strip()
            if header.constants.get(name) == value:
                return header
            return replace(header, constants={**header.constants, name: value})
        case ["SET", *_]:
            raise FileFormatError(f"{path}:{number}: SET needs a name and a value")
    return header


def with_fields(header: Header, row: bytes) -> Header:
    """Return the header, its columns named by number after the first row if no line named them."""
    if header.line or header.fields:
        return header
    return replace(header, fields=tuple(map(str, range(len(fields_of(row))))))
