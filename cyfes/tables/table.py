"""Whole tables: the wanted columns of a file as arrays."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from cyfes.tables.growing import GrowingArray
from cyfes.tables.header import NO_HEADER, Header
from cyfes.tables.reader import TableReader
from cyfes.tables.rows import Rows


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of one file.

    ``headers``: each schema with rows, in file order. ``columns``: the wanted ones by name, each
    float64[n_rows]. ``dropped``: reason -> rows left out. ``notes``: what a user may want to know
    about the reading, one sentence each.
    """

    path: str
    headers: tuple[Header, ...]
    columns: Mapping[str, np.ndarray]
    n_rows: int
    dropped: Mapping[str, int]
    notes: tuple[str, ...]


def read_header(path: str | os.PathLike[str]) -> Header:
    """Return the header in force at the first row of a file; reads no further.

    Raises FileMissingError if the file cannot be read, FileFormatError if it is no text, is a
    damaged compressed file or has neither header nor rows.
    """
    reader = TableReader(os.fspath(path))
    reader.close()
    return reader.header


def read_table(
    path: str | os.PathLike[str],
    wanted: Sequence[str],
    *,
    on_bad: Literal["raise", "skip"] = "raise",
    allow_nonfinite: bool = False,
    drop_unterminated: bool = False,
    n_threads: int = 0,
) -> Table:
    """Return the ``wanted`` columns of a PLUMED file, plain or compressed, "-" for standard input.

    Rows with a wrong number of columns, or with a wanted field that is no finite number, raise
    FileFormatError naming the first such line, or are counted and left out (``on_bad="skip"``);
    with ``allow_nonfinite`` nan and inf are numbers like others. A complete last line without
    newline is kept and noted, or dropped and counted as PLUMED does (``drop_unterminated``).
    Columns that are not wanted may hold anything. Numbers are the doubles nearest to their text.

    Raises FileMissingError if the file cannot be read; InputError for an unknown column;
    FileFormatError for a file without rows, a header that lacks a wanted column, or columns of one
    name that differ.
    """
    reader = TableReader(
        os.fspath(path),
        on_bad=on_bad,
        allow_nonfinite=allow_nonfinite,
        drop_unterminated=drop_unterminated,
        n_threads=n_threads,
    )
    return table_of(reader, wanted)


def table_of(
    reader: TableReader, wanted: Sequence[str], check: Callable[[Rows], None] | None = None
) -> Table:
    """Return what a reader has left as a Table; ``check`` sees, and may reject, each Rows first."""
    names = tuple(dict.fromkeys(wanted))
    columns = [GrowingArray(1) for _ in names]
    headers: list[Header] = []
    n_rows, last = 0, NO_HEADER
    for rows in reader.rows(names, lambda room: [c.room(room)[:, 0] for c in columns]):
        if check is not None:
            check(rows)
        if len(rows) and rows.header is not last:
            headers.append(replace(rows.header, first_row=n_rows))
            last = rows.header
        for column in columns:
            column.keep(len(rows))
        rows.columns.clear()  # views, which would keep the arrays from growing
        n_rows += len(rows)
    return Table(
        reader.path,
        tuple(headers),
        {name: column.array()[:, 0] for name, column in zip(names, columns, strict=True)},
        n_rows,
        dict(reader.dropped),
        tuple(reader.notes),
    )
