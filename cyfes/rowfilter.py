"""Which rows of a COLVAR file count: a restart's repeated frame, times, --skip and --every."""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from cyfes.selection import Selection
from cyfes.tables import Rows

REPEATED = "repeated at a restart"


class TimeWatch:
    """The time column of a file: whether it moves, and where it first goes back.

    ``moves``: whether two rows differ in time. ``first``: time of the first row, None before it.
    ``going_back``: one sentence, or "".
    """

    def __init__(self) -> None:
        self.moves = False
        self.first: float | None = None
        self.going_back = ""
        self._last = -math.inf

    def look(self, rows: Rows, time: np.ndarray) -> None:
        """Look at the times of the next rows, float64[len(rows)]."""
        if not len(time):
            return
        if self.first is None:
            self.first = float(time[0])
        self.moves = self.moves or bool(np.any(time != self.first))
        before, self._last = self._last, float(time[-1])
        earlier = np.empty(len(time), bool)
        np.less(time[1:], time[:-1], out=earlier[1:])
        earlier[0] = time[0] < before
        if self.going_back or not earlier.any():
            return
        at = int(np.argmax(earlier))
        self.going_back = (
            f"time goes back from {time[at - 1] if at else before:g} to {time[at]:g} at line "
            f"{rows.line_of(at)}; all rows are kept"
        )


class RowFilter:
    """The rows of one file that a selection leaves, judged in the order of the file.

    A restart writes its first frame again, so that a row right after a header, or at the beginning
    of a file that goes on with the one ``before`` it, is dropped if it equals the row before it.
    Others that repeat are frames of their own: a rejected Monte Carlo move, a frozen CV, walkers
    whose files were interleaved. Where time does not move nothing is taken for a restart.
    ``dropped`` (reason -> rows) and ``notes`` tell of the rows judged so far.
    """

    def __init__(
        self,
        path: str,
        names: Sequence[str],
        timed: bool,
        selection: Selection,
        before: "RowFilter | None" = None,
    ) -> None:
        self.dropped: dict[str, int] = {}
        self._path = path
        self._names = ["time", *names] if timed else []
        self._selection = selection
        self._n = 0
        self._last: dict[str, float] = before._last if before else {}  # the row before
        self._before = before
        self._time = TimeWatch()
        self._n_equal = 0

    @property
    def notes(self) -> list[str]:
        """What a user may want to know, one sentence each."""
        notes = [self._time.going_back] if self._time.going_back else []
        if self._n > 1 and self._names and not self._time.moves:
            notes.append(f"time is {self._time.first:g} in all rows; no restart is looked for")
        elif self._n_equal:
            notes.append(
                f"{self._n_equal} rows repeat time and CVs of the row before them, not at a "
                "restart; all are kept"
            )
        return notes

    def keep(self, rows: Rows, columns: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """Return the mask of the rows to use, None for all."""
        n = len(rows)
        unwanted = list(self._unwanted(rows, columns)) if n else []
        if n:
            self._last = {name: float(columns[name][-1]) for name in self._names}
        self._n += n
        if not unwanted:
            return None
        keep = np.ones(n, bool)
        for mask, reason in unwanted:
            count = int((keep & mask).sum())
            if count:
                self.dropped[reason] = self.dropped.get(reason, 0) + count
            keep &= ~mask
        return keep

    def _unwanted(
        self, rows: Rows, columns: Mapping[str, np.ndarray]
    ) -> Iterator[tuple[np.ndarray, str]]:
        """(mask, reason) of the rows to leave out."""
        start, stop = self._selection.start, self._selection.stop
        if self._names:
            time = columns["time"]
            if self._at_restart(rows, columns):
                yield np.arange(len(rows)) == 0, REPEATED
            self._time.look(rows, time)
            if start is not None:
                yield time < start, "before --start"
            if stop is not None:
                yield time > stop, "after --stop"
        skip, every = self._selection.skip, self._selection.every
        row = np.arange(self._n, self._n + len(rows)) if every > 1 or self._n < skip else None
        if row is not None:
            yield row < skip, "skipped (--skip)"
            yield (row - skip) % every != 0, "skipped (--every)"

    def _at_restart(self, rows: Rows, columns: Mapping[str, np.ndarray]) -> bool:
        """Whether the first of the rows repeats the last one before a restart.

        Biases are not compared: that of the repeated frame may differ by hills added in between.
        """
        equal = self._equal(columns)
        part = self._time if self._n else self._before._time if self._before else TimeWatch()
        restarted = bool(equal[0]) and part.moves and (rows.follows_header or self._n == 0)
        self._n_equal += int(equal.sum()) - restarted
        return restarted

    def _equal(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Mask of the rows that equal the one before them in time and CVs."""
        equal = np.ones(len(columns["time"]), bool)
        equal[0] = bool(self._last)
        for name in self._names:
            column = columns[name]
            equal[1:] &= column[1:] == column[:-1]
            equal[0] &= column[0] == self._last.get(name)
            if not equal.any():
                break
        return equal
