"""Which rows of a COLVAR file count: a restart's repeated frame, times, --skip and --every."""

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from cyfes.errors import FileFormatError, InputError
from cyfes.restarts import (
    CHOICES,
    OVERLAP,
    check_much,
    overlap_note,
    overlap_of,
    parts_order,
    refuse_overlap,
    walkers_note,
)
from cyfes.selection import Selection
from cyfes.tables import Rows, TableReader

REPEATED = "repeated at a restart"

#: Where all rows are kept that a restart has again.
REMEDY = " (--on-overlap drop leaves out those that a restart has again)"


class TimeWatch:
    """The time column of a file: whether it moves, and where it first goes back.

    ``moves``: whether two rows differ in time. ``first``: time of the first row, None before it;
    ``last``: that of the last. ``going_back``: where, or "". ``anew``: whether it goes back to the
    first time, as a clock that begins anew.
    """

    def __init__(self) -> None:
        self.moves = False
        self.first: float | None = None
        self.going_back = ""
        self.last = -math.inf
        self.anew = False

    def look(self, rows: Rows, time: np.ndarray) -> None:
        """Look at the times of the next rows, float64[len(rows)]."""
        if not len(time):
            return
        if self.first is None:
            self.first = float(time[0])
        self.moves = self.moves or bool(np.any(time != self.first))
        before, self.last = self.last, float(time[-1])
        earlier = np.empty(len(time), bool)
        np.less(time[1:], time[:-1], out=earlier[1:])
        earlier[0] = time[0] < before
        if self.going_back or not earlier.any():
            return
        at = int(np.argmax(earlier))
        self.anew = bool(time[at] <= self.first)
        self.going_back = (
            f"time goes back from {time[at - 1] if at else before:g} to {time[at]:g} at line "
            f"{rows.line_of(at)}"
        )

    def note(self, on_overlap: str) -> str:
        """One sentence about what is done where time goes back, or ""."""
        if not self.going_back or (on_overlap == "drop" and not self.anew):
            return self.going_back
        why = ", as a clock that began anew" if on_overlap == "drop" else ""
        return f"{self.going_back}; all rows are kept{why}"

    def refuse(self, path: str, on_overlap: str) -> None:
        """Raise FileFormatError if time goes back and that is to be an error."""
        if self.going_back and on_overlap == "raise":
            raise FileFormatError(f"{path}: {self.going_back}; {CHOICES}")


class RowFilter:
    """The rows of one file that a selection leaves, judged in the order of the file.

    A restart writes its first frame again, so that a row right after a header, or at the beginning
    of a file that goes on with the one ``before`` it, is dropped if it equals the row before it.
    Others that repeat are frames of their own: a rejected Monte Carlo move, a frozen CV, walkers
    whose files were interleaved. Where time does not move nothing is taken for a restart.
    ``superseded`` bool[rows of the file]: which are dropped as a restart has them again.
    ``dropped`` (reason -> rows) and ``notes`` tell of the rows judged so far.
    """

    def __init__(
        self,
        path: str,
        names: Sequence[str],
        timed: bool,
        selection: Selection,
        before: "RowFilter | None" = None,
        superseded: np.ndarray | None = None,
    ) -> None:
        self.dropped: dict[str, int] = {}
        self._superseded = superseded
        self.path = path
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
        kept = self._selection.on_overlap == "keep"
        note = self._time.note(self._selection.on_overlap)
        if note and kept and not self._time.anew:
            note += REMEDY
        notes = [note] if note else []
        if kept and self._before and self._goes_on_earlier():
            notes.append(
                f"begins at time {self._time.first:g}, before {self._before.path} has ended; all "
                f"rows are kept{REMEDY}"
            )
        if self._n > 1 and self._names and not self._time.moves:
            notes.append(f"time is {self._time.first:g} in all rows; no restart is looked for")
        elif self._n_equal:
            notes.append(
                f"{self._n_equal} rows repeat time and CVs of the row before them, not at a "
                "restart; all are kept"
            )
        return notes

    def _goes_on_earlier(self) -> bool:
        """Whether the file begins while the one before it runs."""
        before = self._before._time if self._before else TimeWatch()
        if self._time.first is None or before.first is None:
            return False
        return before.first < self._time.first < before.last

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
            self._time.refuse(self.path, self._selection.on_overlap)
            if self._superseded is not None:
                yield self._superseded[rows.numbers()], OVERLAP
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


def superseded_rows(
    paths: Sequence[str], on_overlap: str, opened: Callable[[str], TableReader]
) -> tuple[list[np.ndarray | None], list[str]]:
    """Return (by their number in each file, rows that are dropped as a restart has them again,
    bool[n], None for none; notes). The times of the files are read beforehand, if they matter.

    Raises InputError for a file without times or that can be read once only, and where files go on
    before the one before has ended, if that is to be an error.
    """
    if on_overlap == "keep":
        return [None] * len(paths), []
    times = [_times(path, opened) for path in paths]
    overlap = [np.zeros(len(of_file), bool) for of_file in times]
    known = [~np.isnan(of_file) for of_file in times]
    good_times = [of_file[good] for of_file, good in zip(times, known)]
    for again, good, of_good in zip(overlap, known, overlap_of(good_times)):
        again[good] = of_good
    if on_overlap == "raise":
        refuse_overlap(paths, overlap if parts_order(good_times) else [])
        return [None] * len(paths), []
    for path, again in zip(paths, overlap):
        check_much(path, again)
    told = [overlap_note(path, t, again, "drop") for path, t, again in zip(paths, times, overlap)]
    notes = [note for note in (*told, walkers_note(good_times)) if note]
    return [again if again.any() else None for again in overlap], notes


def _times(path: str, opened: Callable[[str], TableReader]) -> np.ndarray:
    """The times of the rows of a file by number, float64[n], nan where a row tells none."""
    if not os.path.isfile(path):
        raise InputError(f"{path} is read once: --on-overlap needs its times before its frames")
    reader = opened(path)
    if "time" not in reader.header.fields:
        reader.close()
        raise InputError(f"{path}: --on-overlap needs a column 'time'")
    parts = [(rows.numbers(), rows.columns[0].copy()) for rows in reader.rows(["time"])]
    times = np.full(reader.n_rows, np.nan)
    for numbers, of_rows in parts:
        times[numbers] = of_rows
    return times
