"""Rows of a PLUMED table: what they hold, where they stand, and which are left out."""

from collections import Counter
from collections.abc import Callable
from itertools import islice
from typing import Literal, Protocol

import numpy as np

from cyfes.errors import FileFormatError
from cyfes.tables.header import Header
from cyfes.tables.text import fields_of

SKIP_HINT = "--on-bad skip leaves such rows out"

_NONE = np.empty(0, np.intp)


class Source(Protocol):
    """What rows know of the reader they come from."""

    path: str
    on_bad: Literal["raise", "skip"]
    dropped: Counter[str]
    n_rows: int
    line: int
    header_in_force: Header
    passed_header: bool


class Rows:
    """Successive rows of a file under one header.

    ``columns``: float64[n] each, in the order they were asked for; ``left_out``: indices of the
    rows dropped, counted from ``first_row`` as those kept; ``first_row``: number of rows in the
    file before these, ``n_read`` of these, dropped ones too. ``follows_header``: whether a FIELDS
    line comes right before the first of them.
    """

    def __init__(
        self,
        reader: Source,
        columns: list[np.ndarray],
        good: np.ndarray | None,
        n_read: int,
        text: memoryview,
    ) -> None:
        self.header = reader.header_in_force
        self.columns = columns
        self.left_out = _NONE
        self.first_row = reader.n_rows
        self.n_read = n_read
        self.follows_header = reader.passed_header
        self._reader = reader
        self._text = text
        self._first_line = reader.line
        if good is not None:
            self._keep(good)

    def __len__(self) -> int:
        return self.n_read - len(self.left_out)

    def line_of(self, row: int) -> int:
        """Return the 1-based line number of the row of index ``row`` among those kept."""
        lines = bytes(self._text).split(b"\n")
        with_row = (i for i, line in enumerate(lines) if fields_of(line))
        return self._first_line + next(islice(with_row, int(self._kept()[row]), None))

    def numbers(self) -> np.ndarray:
        """Return which rows of the file these are, int64[len(self)], counted from 0."""
        return self.first_row + self._kept()

    def reject(self, bad: np.ndarray, reason: str, text: Callable[[int], str]) -> None:
        """Treat rows as bad ones: leave them out and count them, or raise for the first.

        ``bad`` bool[len(self)]; ``reason`` counts them; ``text(row)`` says what was got and what
        was expected. Raises FileFormatError naming file and line unless rows may be skipped.
        """
        if not bad.any():
            return
        if self._reader.on_bad == "raise":
            row = int(np.argmax(bad))
            where = f"{self._reader.path}:{self.line_of(row)}"
            raise FileFormatError(f"{where}: {text(row)}; {SKIP_HINT}")
        self._reader.dropped[reason] += int(bad.sum())
        self._keep(~bad)

    def _kept(self) -> np.ndarray:
        """Indices of the kept rows among those read."""
        return np.delete(np.arange(self.n_read), self.left_out)

    def _keep(self, good: np.ndarray) -> None:
        """Leave out the rows, of those kept so far, that are not good."""
        out = self._kept()[~good]
        for i, column in enumerate(self.columns):
            kept = column[good]
            self.columns[i] = column[: len(kept)]
            self.columns[i][:] = kept
        self.left_out = np.union1d(self.left_out, out)
