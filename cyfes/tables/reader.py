"""PLUMED tables, read forwards once: the header, then rows, a block at a time."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cyfes._kernels import ROW_FAULTS, max_threads, parse_rows
from cyfes.errors import FileFormatError, InputError
from cyfes.tables.header import NO_HEADER, header_after, with_fields
from cyfes.tables.kind import check_first_row
from cyfes.tables.rows import SKIP_HINT, Rows
from cyfes.tables.text import LONGEST_LINE, Block, TextReader, decode, fields_of

GOOD = ROW_FAULTS.index("good")
WRONG_COLUMNS = ROW_FAULTS.index("wrong number of columns")
NOT_A_NUMBER = ROW_FAULTS.index("not a number")
HEADER_IN_ROW = ROW_FAULTS.index("header line in it")
CUT_OFF = "last line cut off"
CUT_BY_HEADER = "cut off by a header line"
NO_NEWLINE = "last line without newline"
UNTERMINATED = "the last line has no newline; it is complete and was kept"

#: Text a thread parses in one call, all text of one call, and of the first after a header line.
BLOCK_BYTES = 1 << 21
MAX_BLOCK_BYTES = 1 << 24
FIRST_BYTES = 1 << 16

# Whole lines that are blank or comments. What was matched is not given back.
_GAP = re.compile(rb"(?>\n++|[ \t\r]*+(?:#(?!!)[^\n]*+)?\n)*+")
# The same at the top of a file without header, which may be an .xvg file: its lines with @.
_TOP = re.compile(rb"(?>\n++|[ \t\r]*+(?:(?:#(?!!)|@)[^\n]*+)?\n)*+")
_HEADER_LINE = re.compile(rb"[ \t\r]*#!")
_FIELDS_LINE = re.compile(rb"[ \t\r]*#!\s*FIELDS\b")
_HEADER_IN_ROW = re.compile(rb"^[ \t\r]*[^#\s][^#\n]*(#!)", re.MULTILINE)
_NTH = re.compile(r"(?P<name>.+):(?P<number>[1-9][0-9]?)")


@dataclass(frozen=True)
class _Columns:
    """Where the wanted columns are: ``at`` the index of each, ``copies`` [of, index] of those that
    stand in a row more than once."""

    at: list[int]
    copies: list[tuple[int, int]]

    @property
    def all(self) -> list[int]:
        return sorted([*self.at, *(copy for _, copy in self.copies)])


class TableReader:
    """A PLUMED table, read forwards once: first its header, then the rows, a block at a time.

    ``header`` is the one in force at the first row, known at once; ``rows`` gives the rows.
    ``dropped`` (reason -> rows), ``notes`` and ``n_rows`` (read) are complete after them.
    Options and errors as ``read_table``.
    """

    def __init__(
        self,
        path: str,
        *,
        on_bad: Literal["raise", "skip"] = "raise",
        allow_nonfinite: bool = False,
        drop_unterminated: bool = False,
        n_threads: int = 0,
    ) -> None:
        if on_bad not in ("raise", "skip"):
            raise InputError(f"on_bad must be 'raise' or 'skip', got {on_bad!r}")
        self.path = path
        self.on_bad = on_bad
        self.dropped: Counter[str] = Counter()
        self.notes: list[str] = []
        self.n_rows = 0
        self.line = 1  # number of the next
        self.header_in_force = NO_HEADER
        self.passed_header = False  # since the rows before
        self._allow_nonfinite = allow_nonfinite
        self._drop_unterminated = drop_unterminated
        self._n_threads = n_threads
        self._block_bytes = min(BLOCK_BYTES * (n_threads or max_threads()), MAX_BLOCK_BYTES)
        self._names: tuple[str, ...] = ()
        self._columns: _Columns | None = None
        self._faults = np.empty(0, np.uint8)
        self._reused: list[np.ndarray] = []
        self._text = TextReader(path)
        try:
            self._read_top()
        except BaseException:
            self.close()
            raise
        self.header = self.header_in_force

    def close(self) -> None:
        """Close the file; at the end of the rows this is done."""
        self._text.close()

    def rows(
        self,
        wanted: Sequence[str],
        space: Callable[[int], Sequence[np.ndarray]] | None = None,
    ) -> Iterator[Rows]:
        """Yield the rows with the ``wanted`` columns; those of one call are good until the next.

        ``space(room)`` offers float64[room] for each different wanted column. A column that stands
        in a row more than once, with equal values, is one; "NAME:2" is the second of that name.
        """
        self._names = tuple(dict.fromkeys(wanted))
        self._columns = None
        with self._text as text:
            n_bytes = FIRST_BYTES
            while block := text.peek(n_bytes):
                n_read = self._pass_headers(block)
                if n_read:
                    n_bytes = FIRST_BYTES
                else:
                    rows, n_read = self._read_rows(block, space)
                    if rows.n_read:
                        self.passed_header = False
                        yield rows
                    del rows  # views, which would keep growing arrays from growing
                    n_bytes = max(n_bytes, min(4 * n_bytes, self._block_bytes))
                    n_bytes = n_bytes if n_read else self._longer(n_bytes)
                text.advance(n_read)
        if not self.n_rows:
            raise FileFormatError(f"{self.path}: no data rows")
        if self.n_rows == sum(self.dropped.values()):
            reasons = ", ".join(f"{count} {reason}" for reason, count in self.dropped.items())
            raise FileFormatError(f"{self.path}: no good data rows ({reasons})")

    def _read_top(self) -> None:
        """Read up to the first row."""
        n_bytes, row = FIRST_BYTES, None
        while row is None and (block := self._text.peek(n_bytes)):
            if n_read := self._pass_headers(block):
                self._text.advance(n_read)
            elif (row := block.line_at(0)) is None:
                n_bytes = self._longer(n_bytes)
        if row is not None and fields_of(row) and not self.header_in_force.line:
            check_first_row(self.path, self.line, row)
            self.header_in_force = with_fields(self.header_in_force, row)
        if not self.header_in_force.fields:
            raise FileFormatError(f"{self.path}: no data rows")

    def _longer(self, n_bytes: int) -> int:
        """The size of a block for a line that is longer than one."""
        if n_bytes >= LONGEST_LINE:
            raise FileFormatError(
                f"{self.path}:{self.line}: a line of over {LONGEST_LINE >> 20} MiB; no table"
            )
        return 2 * n_bytes

    def _pass_headers(self, block: Block) -> int:
        """Take in the header lines that a block begins with; the bytes of these and of comments."""
        text, at, number = block.text, 0, self.line
        lines: list[tuple[int, bytes]] = []
        while True:
            is_top = not (self.n_rows or lines or self.header_in_force.line)
            gap = (_TOP if is_top else _GAP).match(text, at)
            begin, at = at, gap.end() if gap else at
            number += bytes(text[begin:at]).count(b"\n")
            line = block.line_at(at) if _HEADER_LINE.match(text, at) else None
            if line is None:
                break
            lines.append((number, line))
            at += len(line) + 1
            number += at <= len(text)
        self.line = number
        if lines:
            skipped = self.notes if self.on_bad == "skip" else None
            header = header_after(self.header_in_force, lines, self.path, skipped)
            if header is not self.header_in_force:
                self.header_in_force, self._columns = header, None
            self.passed_header |= any(_FIELDS_LINE.match(line) for _, line in lines)
        return min(at, len(text))

    def _read_rows(
        self,
        block: Block,
        space: Callable[[int], Sequence[np.ndarray]] | None,
        before_header: bool = False,
    ) -> tuple[Rows, int]:
        """The rows of a block up to a header line, and the bytes they take."""
        if self._columns is None:
            self._columns = self._find_columns()
        columns, room = self._columns, len(block.text) // 2 + 1
        arrays = self._arrays(columns, room, space)
        if len(self._faults) < room:
            self._faults = np.empty(room, np.uint8)
        order = columns.all
        found, faults, first, n, n_read, n_lines = parse_rows(
            block.text,
            len(self.header_in_force.fields),
            order,
            self._n_threads,
            self._allow_nonfinite,
            block.is_last,
            [*(arrays[at][:room] for at in order), self._faults[:room]],
        )
        if faults is not None and not before_header and np.any(faults == HEADER_IN_ROW):
            cut = _HEADER_IN_ROW.search(bytes(block.text))
            if cut is not None:  # always
                text = block.text[: cut.start(1)]
                return self._read_rows(Block(text, True), space, True)
        if first is not None and self.on_bad == "raise":
            raise self._error(block, *first, before_header)
        values = dict(zip(order, found, strict=True))
        good = self._good_rows(block, n, n_read, faults, before_header)
        rows = Rows(self, [values[at] for at in columns.at], good, n, block.text[:n_read])
        self._check_copies(rows, columns, values, good)
        self.n_rows += n
        self.line += n_lines
        return rows, n_read

    def _arrays(
        self,
        columns: _Columns,
        room: int,
        space: Callable[[int], Sequence[np.ndarray]] | None,
    ) -> dict[int, np.ndarray]:
        """Where each column goes; without ``space`` into the same room for every block."""
        n_own = len(columns.copies) + (0 if space else len(columns.at))
        if len(self._reused) < n_own or (n_own and len(self._reused[0]) < room):
            self._reused = list(np.empty((n_own, room)))
        given = list(space(room)) if space and columns.at else []
        copies = [copy for _, copy in columns.copies]
        return dict(zip([*columns.at, *copies], [*given, *self._reused], strict=False))

    def _check_copies(
        self,
        rows: Rows,
        columns: _Columns,
        values: dict[int, np.ndarray],
        good: np.ndarray | None,
    ) -> None:
        """Raise FileFormatError if columns of one name differ."""
        for of, copy in columns.copies:
            one = rows.columns[columns.at.index(of)]
            other = values[copy] if good is None else values[copy][good]
            differs = (one != other) & ~(np.isnan(one) & np.isnan(other))
            if differs.any():
                row = int(np.argmax(differs))
                name = self.header_in_force.fields[of]
                raise FileFormatError(
                    f"{self.path}:{rows.line_of(row)}: columns {of + 1} and {copy + 1} are both "
                    f"called {name!r} and differ ({one[row]:g} and {other[row]:g}); choose "
                    f"{name}:1 or {name}:2"
                )

    def _good_rows(
        self,
        block: Block,
        n: int,
        n_read: int,
        faults: np.ndarray | None,
        before_header: bool,
    ) -> np.ndarray | None:
        """Mask of the rows to keep, None for all; counts the others."""
        tail = block.last_line() if n and block.is_last and n_read == len(block.text) else []
        last = GOOD if faults is None else faults[-1] if n else GOOD
        is_cut = bool(tail) and last == GOOD and self._last_number_is_cut(block, tail[-1])
        if is_cut:
            faults = np.full(n, GOOD, np.uint8) if faults is None else faults
            last = faults[-1] = WRONG_COLUMNS
        keep_last = not (tail and last == GOOD) or self._keep_unterminated(before_header)
        if faults is None and keep_last:
            return None
        good = np.ones(n, bool) if faults is None else faults == GOOD
        if faults is not None:
            n_fields = len(self.header_in_force.fields)
            cut_off = is_cut or (last == WRONG_COLUMNS and 0 < len(tail) < n_fields)
            self._count(faults, cut_off, CUT_BY_HEADER if before_header else CUT_OFF)
        good[-1] &= keep_last
        return good

    def _last_number_is_cut(self, block: Block, number: bytes) -> bool:
        """Whether the file, or its part before a header line, ends within a number that counts.

        Raises FileFormatError for one unless rows may be skipped.
        """
        used = (
            self._columns is not None and len(self.header_in_force.fields) - 1 in self._columns.all
        )
        if not used or self._drop_unterminated or not block.last_number_is_cut():
            return False
        if self.on_bad == "raise":
            line = self.line + bytes(block.text).count(b"\n")
            raise FileFormatError(
                f"{self.path}:{line}: the row is cut off in its last number, {decode(number)}: "
                f"those above have more digits; {SKIP_HINT}"
            )
        return True

    def _keep_unterminated(self, before_header: bool) -> bool:
        """Whether a complete line without newline is kept; says so."""
        if before_header:
            self.notes.append("a header line begins in the middle of a line, after a complete row")
        elif self._drop_unterminated:
            self.dropped[NO_NEWLINE] += 1
            return False
        else:
            self.notes.append(UNTERMINATED)
        return True

    def _count(self, faults: np.ndarray, cut_off: bool, reason: str) -> None:
        """Count the bad rows; a last line that was cut off is told from others that are short."""
        counts = np.bincount(faults, minlength=len(ROW_FAULTS))
        counts[WRONG_COLUMNS] -= cut_off
        self.dropped.update({reason: 1} if cut_off else {})
        for fault in np.flatnonzero(counts):
            if fault != GOOD:
                self.dropped[ROW_FAULTS[fault]] += int(counts[fault])

    def _find_columns(self) -> _Columns:
        """Where the wanted columns are under the header in force.

        Raises InputError if the file begins without one, FileFormatError if it is lost later.
        """
        fields = self.header_in_force.fields
        at: list[int] = []
        copies: list[tuple[int, int]] = []
        for name in self._names:
            found = [i for i, field in enumerate(fields) if field == name]
            nth = _NTH.fullmatch(name)
            if not found and nth and fields.count(nth["name"]) >= int(nth["number"]):
                same = [i for i, field in enumerate(fields) if field == nth["name"]]
                found = [same[int(nth["number"]) - 1]]
            if not found:
                raise self._missing(name)
            if found[0] in at:
                raise InputError(f"{self.path}: {name!r} names a column that was named before")
            at.append(found[0])
            copies += [(found[0], copy) for copy in found[1:]]
        return _Columns(at, copies)

    def _missing(self, name: str) -> InputError:
        fields = ", ".join(self.header_in_force.fields)
        if not self.n_rows:
            return InputError(f"{self.path}: no column {name!r}; the file has {fields}")
        where = f"{self.path}:{max(1, self.header_in_force.line)}"
        return FileFormatError(f"{where}: no column {name!r} from here on, only {fields}")

    def _error(
        self,
        block: Block,
        offset: int,
        n_lines: int,
        fault: int,
        n_found: int,
        column: int,
        before_header: bool,
    ) -> FileFormatError:
        """What is wrong with the row whose line starts at ``offset`` of a block."""
        fields = self.header_in_force.fields
        where = f"{self.path}:{self.line + n_lines}"
        line = block.line_at(offset)
        if fault == WRONG_COLUMNS:
            unterminated = block.is_last and offset + len(line or b"") == len(block.text)
            if n_found < len(fields) and unterminated:
                what = "this row, by a header line," if before_header else "the last line"
                text = f"{what} is cut off: {n_found} of {len(fields)} columns"
            else:
                expected = f"{len(fields)} are expected ({' '.join(fields)})"
                text = f"{n_found} columns where {expected}"
            return FileFormatError(f"{where}: {text}; {SKIP_HINT}")
        found = decode(fields_of(line or b"")[column])
        where += f": column {column + 1} ({fields[column]})"
        text = f": {found!r} is not a number" if fault == NOT_A_NUMBER else f" is {found}"
        return FileFormatError(f"{where}{text}; {SKIP_HINT}")
