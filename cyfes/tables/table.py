"""PLUMED tables in: HILLS, COLVAR, KERNELS and STATE files as columns of float64."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from cyfes.errors import FileFormatError, InputError
from cyfes.tables.growing import GrowingArray
from cyfes.tables.header import NO_HEADER, Header, next_header, with_fields
from cyfes.tables.reader import TableReader
from cyfes.tables.text import read_top

__all__ = ["Header", "Table", "TableReader", "read_header", "read_table"]


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
    _left_out: np.ndarray = field(repr=False)  # indices of the dropped among all rows, ascending

    def line_of(self, row: int) -> int:
        """Return the 1-based line number of a kept row; reads the file again.

        Raises InputError if the table has no such row, and as ``read_table``.
        """
        if not 0 <= row < self.n_rows:
            raise InputError(f"{self.path}: no row {row}; there are {self.n_rows}")
        # _left_out[i] - i kept rows come before the i-th dropped row.
        kept_before = self._left_out - np.arange(len(self._left_out))
        row += int(np.searchsorted(kept_before, row, side="right"))
        return TableReader(self.path, ()).line_of_read(row)


def read_header(path: str | os.PathLike[str]) -> Header:
    """Return the header in force at the first row of a file; reads no further.

    Raises FileMissingError if the file cannot be read, FileFormatError if it is a damaged gzip
    file or has neither header nor rows.
    """
    path = os.fspath(path)
    header, line = NO_HEADER, b""
    for number, line in enumerate(read_top(path), 1):
        header = next_header(header, line, path, number)
    header = with_fields(header, line)
    if not header.fields:
        raise FileFormatError(f"{path}: no data rows")
    return header


def read_table(
    path: str | os.PathLike[str],
    wanted: Sequence[str],
    *,
    on_bad: Literal["raise", "skip"] = "raise",
    allow_nonfinite: bool = False,
    drop_unterminated: bool = False,
    n_threads: int = 0,
) -> Table:
    """Return the ``wanted`` columns of a PLUMED file, plain or gzip.

    Rows with a wrong number of columns, or with a wanted field that is no finite number, raise
    FileFormatError naming the first such line, or are counted and left out (``on_bad="skip"``);
    with ``allow_nonfinite`` nan and inf are numbers like others. A complete last line without
    newline is kept and noted, or dropped and counted as PLUMED does (``drop_unterminated``).
    Columns that are not wanted may hold anything. Numbers are the doubles nearest to their text.

    Raises FileMissingError if the file cannot be read; InputError for an unknown column;
    FileFormatError for a file without rows, a header that lacks a wanted column or has it twice.
    """
    names = tuple(dict.fromkeys(wanted))
    columns = [GrowingArray(1) for _ in names]
    reader = TableReader(
        os.fspath(path),
        names,
        on_bad=on_bad,
        allow_nonfinite=allow_nonfinite,
        drop_unterminated=drop_unterminated,
        n_threads=n_threads,
        space=lambda room: [column.room(room)[:, 0] for column in columns],
    )
    headers: list[Header] = []
    left_out = [np.empty(0, np.intp)]
    n_rows, last = 0, NO_HEADER
    for rows in reader:
        if len(rows) and rows.header is not last:
            headers.append(replace(rows.header, first_row=n_rows))
            last = rows.header
        for column in columns:
            column.keep(len(rows))
        rows.columns.clear()  # views, which would keep the arrays from growing
        n_rows += len(rows)
        left_out.append(rows.left_out + rows.first_row)
    return Table(
        reader.path,
        tuple(headers),
        {name: column.array()[:, 0] for name, column in zip(names, columns, strict=True)},
        n_rows,
        dict(reader.dropped),
        tuple(reader.notes),
        np.concatenate(left_out),
    )
