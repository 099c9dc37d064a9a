"""PLUMED tables in: HILLS, COLVAR, KERNELS and STATE files as columns of float64."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Literal

import numpy as np

from cyfes._kernels import ROW_FAULTS, parse_rows
from cyfes.errors import FileFormatError, InputError
from cyfes.header import Header, scan_headers
from cyfes.textfile import (
    Text,
    decode,
    fields_of,
    first_row,
    last_line,
    line_at,
    line_number,
    read_text,
    read_top,
    row_line,
)

__all__ = ["Header", "Table", "read_header", "read_table"]

GOOD = ROW_FAULTS.index("good")
WRONG_COLUMNS = ROW_FAULTS.index("wrong number of columns")
NOT_A_NUMBER = ROW_FAULTS.index("not a number")
CUT_OFF = "last line cut off"
NO_NEWLINE = "last line without newline"
UNTERMINATED = "the last line has no newline; it is complete and was kept"
SKIP_HINT = "--on-bad skip leaves such rows out"


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
        return row_line(read_text(self.path), row)


def read_header(path: str | os.PathLike[str]) -> Header:
    """Return the header in force at the first row of a file; reads no further.

    Raises FileMissingError if the file cannot be read, FileFormatError if it is a damaged gzip
    file or has neither header nor rows.
    """
    path = os.fspath(path)
    header = scan_headers(path, read_top(path))[0][-1]
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
    path = os.fspath(path)
    if on_bad not in ("raise", "skip"):
        raise InputError(f"on_bad must be 'raise' or 'skip', got {on_bad!r}")
    text = read_text(path)
    if not first_row(text):
        raise FileFormatError(f"{path}: no data rows")
    names = tuple(dict.fromkeys(wanted))
    headers, starts = scan_headers(path, text)
    _check_names(path, headers, names)
    parts = []
    for section in _sections(path, text, headers, starts):
        values, faults, first_bad = section.parse(names, n_threads, allow_nonfinite)
        if first_bad is not None and on_bad == "raise":
            raise section.error(*first_bad)
        parts.append((*values, faults))
    *columns, faults = map(_joined, zip(*parts, strict=True))
    return _kept_rows(
        path, text, headers, dict(zip(names, columns, strict=True)), faults, drop_unterminated
    )


def _check_names(path: str, headers: list[Header], names: tuple[str, ...]) -> None:
    known = {name for header in headers for name in header.fields}
    for name in names:
        if name not in known:
            has = ", ".join(headers[0].fields)
            raise InputError(f"{path}: no column {name!r}; the file has {has}")


@dataclass(frozen=True)
class _Section:
    """A stretch of text, ``[begin, end)``, all of whose headers have the same fields."""

    path: str
    text: Text
    begin: int
    end: int
    header: Header

    def parse(
        self, names: tuple[str, ...], n_threads: int, allow_nonfinite: bool
    ) -> tuple[list[np.ndarray], np.ndarray, tuple[int, int, int, int] | None]:
        """The columns in the order of ``names``, the fault of each row, the first bad row."""
        positions = [self.position(name) for name in names]
        order = sorted(positions)
        rows = memoryview(self.text)[self.begin : self.end]
        values, faults, first_bad = parse_rows(
            rows, len(self.header.fields), order, n_threads, allow_nonfinite
        )
        return [values[order.index(at)] for at in positions], faults, first_bad

    def position(self, name: str) -> int:
        """The index of a column; FileFormatError unless there is exactly one of that name."""
        fields = self.header.fields
        if fields.count(name) == 1:
            return fields.index(name)
        where = f"{self.path}:{max(1, self.header.line)}"
        if name in fields:
            raise FileFormatError(f"{where}: column {name!r} appears {fields.count(name)} times")
        raise FileFormatError(f"{where}: no column {name!r} from here on, only {', '.join(fields)}")

    def error(self, offset: int, fault: int, n_found: int, column: int) -> FileFormatError:
        """What is wrong with the row whose line starts at ``offset`` of this section."""
        fields = self.header.fields
        offset += self.begin
        where = f"{self.path}:{line_number(self.text, offset)}"
        if fault == WRONG_COLUMNS:
            if n_found < len(fields) and self.text.find(b"\n", offset) < 0:
                return FileFormatError(
                    f"{where}: the last line is cut off: {n_found} of {len(fields)} columns; "
                    + SKIP_HINT
                )
            expected = f"{len(fields)} are expected ({' '.join(fields)})"
            return FileFormatError(f"{where}: {n_found} columns where {expected}")
        found = decode(fields_of(line_at(self.text, offset))[column])
        where += f": column {column + 1} ({fields[column]})"
        if fault == NOT_A_NUMBER:
            return FileFormatError(f"{where}: {found!r} is not a number")
        return FileFormatError(f"{where} is {found}; {SKIP_HINT}")


def _sections(
    path: str, text: Text, headers: list[Header], starts: list[int]
) -> Iterator[_Section]:
    blocks = zip(starts, [*starts[1:], len(text)], headers, strict=True)
    for _, group in groupby(blocks, key=lambda block: block[2].fields):
        (begin, end, header), *others = group
        yield _Section(path, text, begin, others[-1][1] if others else end, header)


def _joined(parts: tuple[np.ndarray, ...]) -> np.ndarray:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _kept_rows(
    path: str,
    text: Text,
    headers: list[Header],
    columns: dict[str, np.ndarray],
    faults: np.ndarray,
    drop_unterminated: bool,
) -> Table:
    """The table of the rows without a fault."""
    n_last = len(fields_of(last_line(text)))
    complete = n_last > 0 and faults[-1] == GOOD
    cut_off = faults[-1] == WRONG_COLUMNS and 0 < n_last < len(headers[-1].fields)
    good = faults == GOOD
    dropped = _count_faults(faults, bool(cut_off))
    if complete and drop_unterminated:
        good[-1] = False
        dropped[NO_NEWLINE] = 1
    if not good.all():
        columns = {name: values[good] for name, values in columns.items()}
        headers = _kept_headers(headers, good)
    n_rows = int(np.count_nonzero(good))
    if not n_rows:
        reasons = ", ".join(f"{count} {reason}" for reason, count in dropped.items())
        raise FileFormatError(f"{path}: no good data rows ({reasons})")
    notes = (UNTERMINATED,) if complete and good[-1] else ()
    left_out = np.flatnonzero(~good)
    return Table(path, tuple(headers), columns, n_rows, dropped, notes, left_out)


def _kept_headers(headers: list[Header], good: np.ndarray) -> list[Header]:
    """The headers with rows left, counting only those."""
    firsts = [int(np.count_nonzero(good[: header.first_row])) for header in headers]
    ends = [*firsts[1:], int(np.count_nonzero(good))]
    return [
        replace(header, first_row=first)
        for header, first, end in zip(headers, firsts, ends, strict=True)
        if first < end
    ]


def _count_faults(faults: np.ndarray, cut_off: bool) -> dict[str, int]:
    counts = Counter({CUT_OFF: int(cut_off)})
    for fault, n_rows in enumerate(np.bincount(faults, minlength=len(ROW_FAULTS))):
        if fault != GOOD:
            counts[ROW_FAULTS[fault]] = int(n_rows)
    counts[ROW_FAULTS[WRONG_COLUMNS]] -= cut_off
    return dict(+counts)
