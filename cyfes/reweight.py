"""Reweighting: which frames of a COLVAR file count, and what each weighs."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike, fspath
from typing import Literal

import numpy as np

from cyfes.errors import InputError
from cyfes.grid import MAX_DIMS
from cyfes.tables import Header, read_header
from cyfes.tables.growing import GrowingArray
from cyfes.tables.reader import Rows, TableReader
from cyfes.units import parse_number
from cyfes.weights import WeightSums

#: Weights looked at in one go.
CHUNK = 1 << 18


@dataclass(frozen=True)
class Samples:
    """Frames of a biased simulation.

    ``names``: CVs. ``bounds``: per CV None or the period's bounds as written. ``values``
    float64[n, d]; ``log_weights`` float64[n], ln w = V / kBT. ``n_read`` rows read, of which
    ``len(samples)`` are used; ``dropped`` counts the others by reason.
    """

    names: tuple[str, ...]
    bounds: tuple[tuple[str, str] | None, ...]
    values: np.ndarray
    log_weights: np.ndarray
    n_read: int
    dropped: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    @property
    def periods(self) -> np.ndarray:
        """Period of each CV, 0 where it is not periodic, float64[d]."""
        return _periods(self.bounds)

    @property
    def sums(self) -> WeightSums:
        """Sums of the weights."""
        sums = WeightSums()
        for start in range(0, len(self), CHUNK):
            sums.add(self.log_weights[start : start + CHUNK])
        return sums

    @property
    def n_used(self) -> int:
        """Number of frames, as ``len``."""
        return len(self)


@dataclass(frozen=True)
class Selection:
    """Which rows and columns of COLVAR files to use.

    ``cv``: names, None for those the header makes evident. ``bias``: columns that are summed,
    None for the only ``*.bias`` (``*.rbias`` with ``rbias``). ``logweights``: a column of ln w
    instead. ``no_bias``: all weights 1. ``start`` and ``stop``: values of the time column;
    ``skip``: rows left out at the beginning of each file; ``every``: use each n-th row.
    ``period``: bounds of CVs whose period the files do not tell.
    """

    cv: Sequence[str] | None = None
    bias: Sequence[str] | None = None
    rbias: bool = False
    no_bias: bool = False
    logweights: str | None = None
    start: float | None = None
    stop: float | None = None
    skip: int = 0
    every: int = 1
    on_bad: Literal["raise", "skip"] = "raise"
    period: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        chosen = [self.bias is not None, self.rbias, self.no_bias, self.logweights is not None]
        if sum(chosen) > 1:
            raise InputError("--bias, --rbias, --no-bias and --logweights exclude each other")
        if self.skip < 0 or self.every < 1:
            raise InputError(
                f"--skip must be at least 0 and --every at least 1, got {self.skip}, {self.every}"
            )


class SampleStream:
    """Frames of one or more COLVAR files, a chunk at a time; memory holds one chunk.

    ``names`` and ``bounds`` as in Samples; ``n_read``, ``n_used``, ``dropped``, ``notes`` and
    ``sums`` tell of what was read so far. Arguments and errors as ``read_samples``.
    """

    def __init__(
        self,
        paths: str | PathLike | Sequence[str | PathLike],
        kbt: float,
        selection: Selection | None = None,
        n_threads: int = 0,
    ) -> None:
        self._paths = [fspath(p) for p in ([paths] if isinstance(paths, str | PathLike) else paths)]
        self._kbt = kbt
        self._selection = selection or Selection()
        self._n_threads = n_threads
        header = read_header(self._paths[0])
        self.names = _choose_cvs(self._paths[0], header, self._selection)
        self._biases = _choose_biases(self._paths[0], header, self._selection)
        self.bounds = self._bounds_of(self._paths[0])
        for path in self._paths[1:]:
            if (bounds := self._bounds_of(path)) != self.bounds:
                raise InputError(f"the files give different periods: {self.bounds} and {bounds}")
        self._clear()

    def _clear(self) -> None:
        self.n_read = self.n_used = 0
        self.dropped: dict[str, int] = {}
        self.notes: list[str] = []
        self.sums = WeightSums()

    @property
    def periods(self) -> np.ndarray:
        """Period of each CV, 0 where it is not periodic, float64[d]."""
        return _periods(self.bounds)

    def chunks(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Read the files; yield (values float64[n, d], log_weights float64[n]), n > 0."""
        for columns, log_weights in self.columns():
            yield np.stack(columns, axis=1), log_weights

    def columns(self) -> Iterator[tuple[list[np.ndarray], np.ndarray]]:
        """Yield (the CVs, float64[n] each, and log_weights), good until the next."""
        self._clear()
        for path in self._paths:
            yield from self._read(path)
        if not self.n_used:
            raise InputError(
                f"no row is left of {self.n_read} read: look at --start, --stop, --skip"
            )

    def _bounds_of(self, path: str) -> tuple[tuple[str, str] | None, ...]:
        header = read_header(path)
        return tuple(_bounds(path, header, name, self._selection) for name in self.names)

    def _read(self, path: str) -> Iterator[tuple[list[np.ndarray], np.ndarray]]:
        selection = self._selection
        timed = "time" in read_header(path).fields
        if not timed and (selection.start is not None or selection.stop is not None):
            raise InputError(f"{path}: --start and --stop need a column 'time'; use --skip")
        names = [*(["time"] if timed else []), *self.names, *self._biases]
        reader = TableReader(path, names, on_bad=selection.on_bad, n_threads=self._n_threads)
        filtered = RowFilter(path, self.names, timed, selection)
        for rows in reader:
            columns = dict(zip(reader.names, rows.columns, strict=True))
            keep = filtered.keep(rows, columns)
            if keep is not None:
                columns = {name: column[keep] for name, column in columns.items()}
            log_weights = self._log_weights(columns)
            if len(log_weights):
                self.n_used += len(log_weights)
                self.sums.add(log_weights)
                yield [columns[name] for name in self.names], log_weights
        self.n_read += reader.n_rows
        self.notes += [f"{path}: {note}" for note in (*reader.notes, *filtered.notes)]
        for reason, count in (*reader.dropped.items(), *filtered.dropped.items()):
            self.dropped[reason] = self.dropped.get(reason, 0) + count

    def _log_weights(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        total = np.zeros(len(columns[self.names[0]]))
        for name in self._biases:
            total += columns[name]
        if self._selection.logweights is None:
            total /= self._kbt
        return total


def read_samples(
    paths: str | PathLike | Sequence[str | PathLike],
    kbt: float,
    selection: Selection | None = None,
    n_threads: int = 0,
) -> Samples:
    """Return the frames of one or more COLVAR files with ln w = sum of the biases / kBT.

    ``kbt`` in the energy unit of the bias. A row that repeats the one before it (a restart writes
    its first frame again) is dropped; time that runs backwards is noted and kept.
    Raises FileMissingError or FileFormatError naming file, line and column, InputError for a
    column that does not exist or a choice the header leaves open.
    """
    stream = SampleStream(paths, kbt, selection, n_threads)
    values, log_weights = GrowingArray(len(stream.names)), GrowingArray(1)
    for columns, log_w in stream.columns():
        n = len(log_w)
        np.stack(columns, axis=1, out=values.room(n))
        log_weights.room(n)[:, 0] = log_w
        values.keep(n)
        log_weights.keep(n)
    return Samples(
        names=stream.names,
        bounds=stream.bounds,
        values=values.array(),
        log_weights=log_weights.array()[:, 0],
        n_read=stream.n_read,
        dropped=stream.dropped,
        notes=tuple(stream.notes),
    )


def _choose_cvs(path: str, header: Header, selection: Selection) -> tuple[str, ...]:
    if selection.cv is not None:
        if not 1 <= len(selection.cv) <= MAX_DIMS or len(set(selection.cv)) != len(selection.cv):
            raise InputError(
                f"--cv takes 1 to {MAX_DIMS} different names, got {','.join(selection.cv)}"
            )
        return tuple(selection.cv)
    candidates = _before_bias(header)
    periodic = [name for name in candidates if f"min_{name}" in header.constants]
    # Evident: one column, or columns that are all declared periodic. Among others there may be an
    # energy, which would give a wrong surface without a word.
    if len(candidates) == 1 or (periodic == candidates and 1 <= len(candidates) <= MAX_DIMS):
        return tuple(candidates)
    raise InputError(
        f"{path}: the header does not tell which columns are the CVs; choose from "
        f"{', '.join(candidates) or 'its columns'}, e.g. --cv {','.join(candidates[:2])}"
    )


def _before_bias(header: Header) -> list[str]:
    """Columns between time and the first column of a bias."""
    if header.line == 0:
        return []
    names = []
    for name in header.fields:
        if name.endswith((".bias", ".rbias")):
            break
        if name != "time":
            names.append(name)
    return names


def _choose_biases(path: str, header: Header, selection: Selection) -> tuple[str, ...]:
    if selection.no_bias:
        return ()
    if selection.logweights is not None:
        return (selection.logweights,)
    if selection.bias is not None:
        return tuple(selection.bias)
    ending, option = (".rbias", "--rbias") if selection.rbias else (".bias", "--bias")
    found = [name for name in header.fields if name.endswith(ending)]
    if len(found) == 1:
        return tuple(found)
    if found:
        raise InputError(
            f"{path}: several bias columns; choose with --bias (they are summed), "
            f"e.g. --bias {','.join(found)}"
        )
    raise InputError(
        f"{path}: no column ends in {ending!r} for {option}; name one with --bias, or say "
        f"--no-bias (columns: {', '.join(header.fields)})"
    )


class RowFilter:
    """The rows of one file that a selection leaves, judged in the order of the file.

    ``dropped`` (reason -> rows) and ``notes`` tell of those judged so far.
    """

    def __init__(self, path: str, names: Sequence[str], timed: bool, selection: Selection) -> None:
        self.dropped: dict[str, int] = {}
        self.notes: list[str] = []
        self._path = path
        self._names = ["time", *names] if timed else []
        self._selection = selection
        self._n = 0
        self._last: dict[str, float] = {}  # the row before

    def keep(self, rows: Rows, columns: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """Return the mask of the rows to use, None for all."""
        n = len(rows)
        unwanted = list(self._unwanted(rows, columns)) if n else []
        self._last = {name: float(columns[name][-1]) for name in self._names if n}
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
            repeated = self._repeated(columns)
            if repeated.any():
                yield repeated, "repeated at a restart"
            self._look_back(rows, time)
            if start is not None:
                yield time < start, "before --start"
            if stop is not None:
                yield time > stop, "after --stop"
        skip, every = self._selection.skip, self._selection.every
        row = np.arange(self._n, self._n + len(rows)) if every > 1 or self._n < skip else None
        if row is not None:
            yield row < skip, "skipped (--skip)"
            yield (row - skip) % every != 0, "skipped (--every)"

    def _repeated(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Mask of the rows that repeat the one before them.

        Biases are not compared: that of the repeated frame may differ by hills added in between.
        """
        repeated = np.ones(len(columns["time"]), bool)
        repeated[0] = bool(self._last)
        for name in self._names:
            column = columns[name]
            repeated[1:] &= column[1:] == column[:-1]
            repeated[0] &= column[0] == self._last.get(name)
            if not repeated.any():
                break
        return repeated

    def _look_back(self, rows: Rows, time: np.ndarray) -> None:
        """Note where time goes back for the first time."""
        before = self._last.get("time", -math.inf)
        earlier = np.empty(len(time), bool)
        np.less(time[1:], time[:-1], out=earlier[1:])
        earlier[0] = time[0] < before
        if self.notes or not earlier.any():
            return
        at = int(np.argmax(earlier))
        self.notes.append(
            f"time goes back from {time[at - 1] if at else before:g} to {time[at]:g} at line "
            f"{rows.line_of(at)}; all rows are kept"
        )


def _periods(bounds: Sequence[tuple[str, str] | None]) -> np.ndarray:
    return np.array(
        [parse_number(b[1], "period") - parse_number(b[0], "period") if b else 0.0 for b in bounds]
    )


def _bounds(path: str, header: Header, name: str, selection: Selection) -> tuple[str, str] | None:
    low, high = selection.period.get(
        name, (header.constants.get(f"min_{name}"), header.constants.get(f"max_{name}"))
    )
    if low is None or high is None:
        return None
    if not parse_number(low, f"period of {name}") < parse_number(high, f"period of {name}"):
        raise InputError(f"{path}: the period of {name} must be MIN < MAX, got {low} and {high}")
    return low, high
