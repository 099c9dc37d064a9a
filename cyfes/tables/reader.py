"""Rows of a PLUMED table, a block at a time: what they hold, and what is wrong with them."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import numpy as np

from cyfes._kernels import ROW_FAULTS, max_threads, parse_rows
from cyfes.errors import FileFormatError, InputError
from cyfes.tables.header import NO_HEADER, Header, next_header, with_fields
from cyfes.tables.text import Block, TextReader, decode, fields_of

GOOD = ROW_FAULTS.index("good")
WRONG_COLUMNS = ROW_FAULTS.index("wrong number of columns")
NOT_A_NUMBER = ROW_FAULTS.index("not a number")
CUT_OFF = "last line cut off"
NO_NEWLINE = "last line without newline"
UNTERMINATED = "the last line has no newline; it is complete and was kept"
SKIP_HINT = "--on-bad skip leaves such rows out"

#: Text a thread parses in one call, and all text of the first call after a header line.
BLOCK_BYTES = 1 << 23
FIRST_BYTES = 1 << 16

_HEADER_LINE = re.compile(rb"[ \t\r]*#!")
_NONE = np.empty(0, np.intp)


@dataclass
class Rows:
    """Successive rows of a file under one header.

    ``columns``: float64[n] each, in the order they were asked for; ``left_out``: indices of the
    rows dropped, counted from ``first_row`` as those kept; ``first_row``: number of rows in the
    file before these, ``n_read`` of these, dropped ones too.
    """

    header: Header
    columns: list[np.ndarray]
    left_out: np.ndarray
    first_row: int
    n_read: int
    _text: memoryview
    _first_line: int

    def __len__(self) -> int:
        return self.n_read - len(self.left_out)

    def line_of(self, row: int) -> int:
        """Return the 1-based line number of the row of index ``row`` among those kept."""
        # left_out[i] - i kept rows come before the i-th dropped one.
        kept_before = self.left_out - np.arange(len(self.left_out))
        return self.line_of_read(row + int(np.searchsorted(kept_before, row, side="right")))

    def line_of_read(self, row: int) -> int:
        """Return the 1-based line number of the row of index ``row``, dropped ones counted."""
        lines = bytes(self._text).split(b"\n")
        with_row = (i for i, line in enumerate(lines) if fields_of(line))
        return self._first_line + next(islice(with_row, row, None))


class TableReader:
    """The ``wanted`` columns of a PLUMED file, a block of rows at a time.

    Options as ``read_table``; ``space(room)`` offers float64[room] for each wanted column. Without
    it the columns of Rows are good until the next come. Iterating raises as ``read_table``;
    ``dropped`` (reason -> rows), ``notes`` and ``n_rows`` (read) are complete at the end.
    """

    def __init__(
        self,
        path: str,
        wanted: Sequence[str],
        *,
        on_bad: Literal["raise", "skip"] = "raise",
        allow_nonfinite: bool = False,
        drop_unterminated: bool = False,
        n_threads: int = 0,
        space: Callable[[int], Sequence[np.ndarray]] | None = None,
    ) -> None:
        if on_bad not in ("raise", "skip"):
            raise InputError(f"on_bad must be 'raise' or 'skip', got {on_bad!r}")
        self.path = path
        self.names = tuple(dict.fromkeys(wanted))
        self.dropped: Counter[str] = Counter()
        self.notes: list[str] = []
        self.n_rows = 0
        self._on_bad = on_bad
        self._allow_nonfinite = allow_nonfinite
        self._drop_unterminated = drop_unterminated
        self._n_threads = n_threads
        self._block_bytes = BLOCK_BYTES * (n_threads or max_threads())
        self._space = space
        self._header = NO_HEADER
        self._line = 1  # number of the line that comes next
        self._reused: list[np.ndarray] = []
        self._faults = np.empty(0, np.uint8)
        self._positions: list[int] | None = None  # of the names, once there is a row

    def __iter__(self) -> Iterator[Rows]:
        with TextReader(self.path) as text:
            n_bytes = FIRST_BYTES
            while block := text.peek(n_bytes):
                if _HEADER_LINE.match(block.text):
                    n_read = self._read_header(block)
                    n_bytes = FIRST_BYTES if n_read else 2 * n_bytes
                else:
                    rows, n_read = self._read_rows(block)
                    if rows.n_read:
                        yield rows
                    n_bytes = max(n_bytes, min(4 * n_bytes, self._block_bytes))
                    n_bytes *= 1 if n_read else 2  # for a line longer than the block
                text.advance(n_read)
        if not self.n_rows:
            raise FileFormatError(f"{self.path}: no data rows")
        if self.n_rows == sum(self.dropped.values()):
            reasons = ", ".join(f"{count} {reason}" for reason, count in self.dropped.items())
            raise FileFormatError(f"{self.path}: no good data rows ({reasons})")

    def _fresh_space(self, room: int) -> Sequence[np.ndarray]:
        """Room for rows, used for every block."""
        if not self._reused or len(self._reused[0]) < room:
            self._reused = list(np.empty((len(self.names), room)))
        return self._reused

    def line_of_read(self, row: int) -> int:
        """Return the 1-based line number of the row of index ``row``, dropped ones counted."""
        self._on_bad = "skip"
        for rows in self:
            if row < rows.first_row + rows.n_read:
                return rows.line_of_read(row - rows.first_row)
        raise InputError(f"{self.path}: no row {row}")

    def _read_header(self, block: Block) -> int:
        """Take in the header line that a block begins with; 0 if the block does not hold it all."""
        line = block.line_at(0)
        if line is None:
            return 0
        header = next_header(self._header, line, self.path, self._line)
        if header is not self._header:
            self._header, self._positions = header, None
        self._line += 1
        return min(len(line) + 1, len(block.text))

    def _read_rows(self, block: Block) -> tuple[Rows, int]:
        """The rows of a block up to a header line, and the bytes they take."""
        if self._positions is None and (row := block.first_row()) is not None:
            self._header = with_fields(self._header, row)
            self._positions = [self._position(name) for name in self.names]
        positions = self._positions or []
        order = sorted(positions)
        n_columns = len(self._header.fields) if self._positions is not None else 1
        room = len(block.text) // 2 + 1
        space = (self._space or self._fresh_space)(room) if positions else ()
        if len(self._faults) < room:
            self._faults = np.empty(room, np.uint8)
        values, faults, first, n, n_read, n_lines = parse_rows(
            block.text,
            n_columns,
            order,
            self._n_threads,
            self._allow_nonfinite,
            block.is_last,
            [*(space[positions.index(at)][:room] for at in order), self._faults[:room]],
        )
        if first is not None and self._on_bad == "raise":
            raise self._error(block, *first)
        columns = [values[order.index(at)] for at in positions]
        good = self._good_rows(block, n, n_read, faults)
        if good is not None:
            for i, column in enumerate(columns):
                kept = column[good]
                columns[i] = column[: len(kept)]
                columns[i][:] = kept
        left_out = _NONE if good is None else np.flatnonzero(~good)
        rows = Rows(
            self._header, columns, left_out, self.n_rows, n, block.text[:n_read], self._line
        )
        self.n_rows += n
        self._line += n_lines
        return rows, n_read

    def _good_rows(
        self, block: Block, n: int, n_read: int, faults: np.ndarray | None
    ) -> np.ndarray | None:
        """Mask of the rows to keep, None for all; counts the others."""
        tail = block.last_line() if n and block.is_last and n_read == len(block.text) else []
        last = GOOD if faults is None else faults[-1] if n else GOOD
        keep_last = True
        if tail and last == GOOD:
            keep_last = not self._drop_unterminated
            if keep_last:
                self.notes.append(UNTERMINATED)
            else:
                self.dropped[NO_NEWLINE] += 1
        if faults is None and keep_last:
            return None
        good = np.ones(n, bool) if faults is None else faults == GOOD
        if faults is not None:
            cut_off = last == WRONG_COLUMNS and 0 < len(tail) < len(self._header.fields)
            self._count(faults, cut_off)
        good[-1] &= keep_last
        return good

    def _count(self, faults: np.ndarray, cut_off: bool) -> None:
        """Count the bad rows; a last line that was cut off is told from others that are short."""
        counts = np.bincount(faults, minlength=len(ROW_FAULTS))
        counts[WRONG_COLUMNS] -= cut_off
        self.dropped.update({CUT_OFF: 1} if cut_off else {})
        for fault in np.flatnonzero(counts):
            if fault != GOOD:
                self.dropped[ROW_FAULTS[fault]] += int(counts[fault])

    def _position(self, name: str) -> int:
        """The index of a column; FileFormatError unless there is exactly one of that name."""
        fields = self._header.fields
        if fields.count(name) == 1:
            return fields.index(name)
        where = f"{self.path}:{max(1, self._header.line)}"
        if name in fields:
            raise FileFormatError(f"{where}: column {name!r} appears {fields.count(name)} times")
        if not self.n_rows:
            self._check_names()
        raise FileFormatError(f"{where}: no column {name!r} from here on, only {', '.join(fields)}")

    def _check_names(self) -> None:
        """InputError for a name that no header of the file has."""
        everything = TableReader(self.path, (), on_bad="skip")
        known = {name for rows in everything for name in rows.header.fields}
        for name in self.names:
            if name not in known:
                has = ", ".join(self._header.fields)
                raise InputError(f"{self.path}: no column {name!r}; the file has {has}")

    def _error(
        self, block: Block, offset: int, n_lines: int, fault: int, n_found: int, column: int
    ) -> FileFormatError:
        """What is wrong with the row whose line starts at ``offset`` of a block."""
        fields = self._header.fields
        where = f"{self.path}:{self._line + n_lines}"
        line = block.line_at(offset)
        if fault == WRONG_COLUMNS:
            unterminated = block.is_last and offset + len(line or b"") == len(block.text)
            if n_found < len(fields) and unterminated:
                return FileFormatError(
                    f"{where}: the last line is cut off: {n_found} of {len(fields)} columns; "
                    + SKIP_HINT
                )
            expected = f"{len(fields)} are expected ({' '.join(fields)})"
            return FileFormatError(f"{where}: {n_found} columns where {expected}")
        found = decode(fields_of(line or b"")[column])
        where += f": column {column + 1} ({fields[column]})"
        if fault == NOT_A_NUMBER:
            return FileFormatError(f"{where}: {found!r} is not a number")
        return FileFormatError(f"{where} is {found}; {SKIP_HINT}")
