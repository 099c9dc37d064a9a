"""Reweighting: the frames of COLVAR files and what each weighs."""

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np

from cyfes import windows
from cyfes.errors import CyfesWarning, FileFormatError, InputError
from cyfes.grid import Grid
from cyfes.rowfilter import REPEATED, RowFilter, superseded_rows
from cyfes.selection import Selection
from cyfes.tables import (
    Bounds,
    Header,
    Rows,
    TableReader,
    input_paths,
    more_exact,
    periods_of,
    same_bounds,
    told,
)
from cyfes.tables.formats import COLVARS_TRAJ
from cyfes.tables.growing import GrowingArray
from cyfes.weights import WeightSums

if TYPE_CHECKING:
    from cyfes.mbar import Mixture

#: So many frames at the beginning of a run tell it from a copy; fewer than the least do not.
HEAD, LEAST_HEAD = 1000, 10

#: A CV that spans so many of its periods has another one, such as 360 and not 2 pi.
MANY_PERIODS = 10


@dataclass(frozen=True)
class Samples:
    """Frames of a biased simulation.

    ``names``: CVs. ``bounds``: per CV None or the period's bounds as written. ``values``
    float64[n, d]; ``log_weights`` float64[n], ln w = V / kBT; ``sums`` of the weights. ``n_read``
    rows read, of which ``len(samples)`` are used; ``dropped`` counts the others by reason.
    ``ends``: number of frames up to the end of each file; none where all are one run. ``times``
    None or float64[n], where they were asked for and the files tell them. ``energies`` None or
    float64[n], the potential energy, where ``Selection.energy`` names it. ``beside``: further
    columns by name, float64[n] each; ``own_bias`` names the one that is the bias of the hills or
    the restraint, or is empty. ``mixture``: of umbrella windows, one per file, what ln w is of.
    """

    names: tuple[str, ...]
    bounds: tuple[Bounds, ...]
    values: np.ndarray
    log_weights: np.ndarray
    sums: WeightSums
    n_read: int
    dropped: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    ends: tuple[int, ...] = ()
    times: np.ndarray | None = None
    beside: Mapping[str, np.ndarray] = field(default_factory=dict)
    own_bias: str = ""
    mixture: "Mixture | None" = None
    energies: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.values)

    def columns_of(self, names: Sequence[str]) -> np.ndarray:
        """Return columns float64[n, k], CVs or others; InputError for one that was not read."""
        known = {**self.beside, **dict(zip(self.names, self.values.T))}
        for name in names:
            if name not in known:
                raise InputError(f"the frames have no column {name!r}, only {', '.join(known)}")
        return np.column_stack([known[name] for name in names])

    @property
    def periods(self) -> np.ndarray:
        """Period of each CV, 0 where it is not periodic, float64[d]."""
        return np.array(periods_of(self.bounds))

    @property
    def n_used(self) -> int:
        """Number of frames, as ``len``."""
        return len(self)

    def files(self) -> Iterator[slice]:
        """Yield the rows of each file."""
        for start, stop in pairwise((0, *(self.ends or (len(self),)))):
            yield slice(start, stop)

    def n_outside(self, grid: Grid) -> int:
        """Return how many frames lie outside the bounds of a grid of the same CVs."""
        return _n_outside(self.values, grid)


@dataclass(frozen=True, eq=False)
class FramePart:
    """Successive frames of a file, good until the next: ``columns`` float64[n] by name, with "time"
    where the file has it; ``log_weights`` float64[n]; ``file`` counts the files from 0."""

    columns: Mapping[str, np.ndarray]
    log_weights: np.ndarray
    file: int
    _rows: Rows
    _keep: np.ndarray | None
    _n_repeated: int
    _superseded: np.ndarray | None

    def numbers(self) -> np.ndarray:
        """Return which frames of the run these are, int64[n], from 0 in each file.

        Rows that were left out count, but not those that a restart wrote again, nor those dropped
        because it did: a trajectory that goes on from a checkpoint lacks them.
        """
        numbers = self._rows.numbers() - self._n_repeated
        if self._superseded is not None:
            numbers -= np.searchsorted(np.flatnonzero(self._superseded), self._rows.numbers())
        return numbers if self._keep is None else numbers[self._keep]


class SampleStream:
    """Frames of one or more COLVAR files, a chunk at a time; memory holds one chunk.

    ``names`` and ``bounds`` as in Samples, known at once; ``n_read``, ``n_used``, ``dropped``,
    ``notes`` and ``sums`` tell of what was read so far. Each file is read once, forwards, so that
    pipes will do. Arguments and errors as ``read_samples``.
    """

    def __init__(
        self,
        paths: str | PathLike | Sequence[str | PathLike],
        kbt: float,
        selection: Selection | None = None,
        n_threads: int = 0,
    ) -> None:
        self._paths = input_paths(paths)
        self._kbt = kbt
        self._selection = selection or Selection()
        self._n_threads = n_threads
        self._first: TableReader | None = self._open(self._paths[0])
        header = self._first.header
        self.names = self._selection.choose_cvs(self._paths[0], header)
        self._biases = self._selection.choose_biases(self._paths[0], header)
        self._check_units(self._first)
        self.bounds: tuple[Bounds, ...] = self._bounds_of(self._paths[0], header)
        self.own_bias = self._biases.own
        self.beside = self._beside()
        self._clear()

    def _beside(self) -> tuple[str, ...]:
        """What is asked for; for weights from hills also their CVs, and the biases they compare."""
        wanted = dict.fromkeys(self._selection.beside)
        if self._selection.hills:
            biases = (*self._biases.names, *([self.own_bias] if self.own_bias else []))
            wanted |= dict.fromkeys((*self._selection.hills, *biases))
        return tuple(name for name in wanted if name not in self.names)

    def _clear(self) -> None:
        self.n_read = self.n_used = self.outside = 0
        self.ends: list[int] = []  # frames used up to the end of each file
        self.dropped: dict[str, int] = {}
        self.notes: list[str] = [self._biases.note] if self._biases.note else []
        self.sums = WeightSums()
        self._lowest, self._highest = np.full((2, len(self.names)), [[np.inf], [-np.inf]])
        self._heads: dict[bytes, tuple[str, np.ndarray]] = {}  # by the first rows

    @property
    def periods(self) -> np.ndarray:
        """Period of each CV, 0 where it is not periodic, float64[d]."""
        return np.array(periods_of(self.bounds))

    def chunks(self, grid: Grid | None = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Read the files; yield (values float64[n, d], log_weights float64[n]), n > 0.

        Counts the frames outside of a ``grid`` in ``outside``.
        """
        for columns, log_weights in self.columns():
            values = np.stack(columns, axis=1)
            self.outside += _n_outside(values, grid) if grid else 0
            yield values, log_weights

    def n_outside(self, grid: Grid) -> int:
        """Return how many frames of those read lay outside of the grid they were summed on."""
        del grid
        return self.outside

    def columns(self) -> Iterator[tuple[list[np.ndarray], np.ndarray]]:
        """Yield (the CVs, float64[n] each, and log_weights), good until the next."""
        for part in self.parts():
            yield [part.columns[name] for name in self.names], part.log_weights

    def parts(self) -> Iterator["FramePart"]:
        """Read the files; yield successive frames with all there is to know of them."""
        self._clear()
        filtered = None
        overlap, notes = superseded_rows(self._paths, self._selection.on_overlap, self._open)
        self.notes += notes
        for path, superseded in zip(self._paths, overlap):
            reader, self._first = self._first or self._open(path), None
            timed = "time" in reader.header.fields
            selection = replace(self._selection, skip=self._rows_to_skip(path))
            filtered = RowFilter(path, self.names, timed, selection, filtered, superseded)
            yield from self._read(reader, filtered, superseded)
        if not self.n_used:
            raise InputError(
                f"no row is left of {self.n_read} read: look at --start, --stop, --skip"
            )
        self._check_periods()

    def _check_periods(self) -> None:
        """Warn of a CV that was folded many times into a period that cannot be its own."""
        for name, bounds, period, low, high in zip(
            self.names, self.bounds, self.periods, self._lowest, self._highest
        ):
            if period and high - low > MANY_PERIODS * period:
                warnings.warn(
                    f"{name} spans {low:g} to {high:g}, many times its period of {_words(bounds)}, "
                    "into which it is folded: look at the unit; --period gives another one",
                    CyfesWarning,
                    stacklevel=2,
                )

    def _rows_to_skip(self, path: str) -> int:
        """``skip`` of one file; a share is one of its rows, which are counted first."""
        skip = self._selection.skip
        if isinstance(skip, int):
            return skip
        if not os.path.isfile(path):
            raise InputError(f"{path} is read once: --skip takes a number of its rows, no share")
        counted = self._open(path)
        for _ in counted.rows(()):
            pass
        return int(skip * counted.n_rows)

    def _open(self, path: str) -> TableReader:
        return TableReader(path, on_bad=self._selection.on_bad, n_threads=self._n_threads)

    def _check_units(self, reader: TableReader) -> None:
        """InputError for energies of a file of Colvars whose unit is not told."""
        energies = self._biases.terms and self._selection.logweights is None
        if energies and reader.format.name == COLVARS_TRAJ:
            told().need_units(reader.path, f"energies of Colvars, {self._biases.names[0]},")

    def _bounds_of(self, path: str, header: Header) -> tuple[Bounds, ...]:
        return tuple(self._selection.bounds_of(path, header, name) for name in self.names)

    def _check_header(self, path: str, header: Header) -> None:
        """Raise unless a header, of another file or further on, means what the first one meant."""
        where = f"{path}:{max(1, header.line)}"
        biases = self._selection.choose_biases(path, header)
        if (biases.terms, biases.own) != (self._biases.terms, self._biases.own):
            raise FileFormatError(
                f"{where}: the bias would be {', '.join(biases.names)} from here on, and was "
                f"{', '.join(self._biases.names)} before; choose with --bias"
            )
        bounds = self._bounds_of(path, header)
        for name, own, known in zip(self.names, bounds, self.bounds):
            if not same_bounds(own, known):
                raise FileFormatError(
                    f"{where}: the period of {name} is {_words(own)} from here on, and was "
                    f"{_words(known)} before; give the right one with --period"
                )
        self.bounds = tuple(map(more_exact, self.bounds, bounds))

    def _read(
        self, reader: TableReader, filtered: RowFilter, superseded: np.ndarray | None
    ) -> Iterator["FramePart"]:
        path, selection = reader.path, self._selection
        timed = "time" in reader.header.fields
        if not timed and (selection.start is not None or selection.stop is not None):
            raise InputError(f"{path}: --start and --stop need a column 'time'; use --skip")
        energy = [] if selection.energy is None else [selection.energy]
        names = [*(["time"] if timed else []), *self.names, *self._biases.names, *self.beside]
        names += energy
        checked = None
        for rows in reader.rows(names):
            if rows.header is not checked:
                checked = rows.header
                self._check_header(path, checked)
            columns = dict(zip(dict.fromkeys(names), rows.columns, strict=True))
            if len(rows) and (rows.first_row == 0 or rows.follows_header):
                self._check_copy(rows, columns, path)
            keep = filtered.keep(rows, columns)
            if keep is not None:
                columns = {name: column[keep] for name, column in columns.items()}
            log_weights = self._log_weights(columns)
            if len(log_weights):
                self.n_used += len(log_weights)
                self.sums.add(log_weights)
                values = [columns[name] for name in self.names]
                self._lowest = np.minimum(self._lowest, [column.min() for column in values])
                self._highest = np.maximum(self._highest, [column.max() for column in values])
                repeated = filtered.dropped.get(REPEATED, 0)
                number = len(self.ends)
                yield FramePart(columns, log_weights, number, rows, keep, repeated, superseded)
        self.ends.append(self.n_used)
        self.n_read += reader.n_rows
        known = {name for name, bounds in zip(self.names, self.bounds) if bounds is not None}
        known.add("time")
        untold = [n for n in self.names if n not in known and n not in selection.period]
        told_of = (*reader.notes, *filtered.notes, *reader.remark_on_periods(untold))
        self.notes += [f"{path}: {note}" for note in told_of]
        for reason, count in (*reader.dropped.items(), *filtered.dropped.items()):
            self.dropped[reason] = self.dropped.get(reason, 0) + count

    def _check_copy(self, rows: Rows, columns: Mapping[str, np.ndarray], path: str) -> None:
        """Raise InputError if a file begins with the same rows as another; warn if a part of a file
        does, after a header, as where files were joined."""
        moving = {name for name, column in columns.items() if np.ptp(column[:HEAD]) > 0}
        if not moving.intersection(self.names) or "time" in columns.keys() - moving:
            return  # runs that have not begun to move are alike
        head = np.array([column[:HEAD] for column in columns.values()])
        other, known = self._heads.setdefault(head[:, :LEAST_HEAD].tobytes(), (path, head))
        n = min(head.shape[1], known.shape[1])
        if known is head or n < LEAST_HEAD or not np.array_equal(head[:, :n], known[:, :n]):
            return
        text = (
            f"the same {n} frames as {other}, which would count twice: one is a copy of the other"
        )
        if rows.first_row == 0:
            raise InputError(f"{path} begins with {text}, or an older state of it; give one")
        where = f"{path}:{rows.line_of(0)}"
        warnings.warn(f"{where}: here begin {text}; leave one out", CyfesWarning, stacklevel=2)

    def _log_weights(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        total = np.zeros(len(columns[self.names[0]]))
        for sign, name in self._biases.terms:
            total += sign * columns[name] if sign < 0 else columns[name]
        if self._selection.logweights is None:
            total /= self._kbt
        return total


def read_samples(
    paths: str | PathLike | Sequence[str | PathLike],
    kbt: float,
    selection: Selection | None = None,
    n_threads: int = 0,
    *,
    timed: bool = False,
) -> Samples:
    """Return the frames of one or more COLVAR files with ln w = sum of the biases / kBT.

    ``kbt`` in the energy unit of the bias; "-" is standard input; ``timed`` keeps their times. The
    frame that a restart writes again is dropped (see RowFilter); time that runs backwards is noted
    and kept.
    Raises FileMissingError or FileFormatError naming file, line and column, InputError for a
    column that does not exist or a choice the header leaves open.
    """
    stream = SampleStream(paths, kbt, selection, n_threads)
    values, log_weights = GrowingArray(len(stream.names)), GrowingArray(1)
    times: list[np.ndarray] = []
    energies: list[np.ndarray] = []
    beside: dict[str, list[np.ndarray]] = {name: [] for name in stream.beside}
    for part in stream.parts():
        n = len(part.log_weights)
        np.stack([part.columns[name] for name in stream.names], axis=1, out=values.room(n))
        log_weights.room(n)[:, 0] = part.log_weights
        values.keep(n)
        log_weights.keep(n)
        if timed:
            known = part.columns.get("time")
            times.append(np.full(n, np.nan) if known is None else known.copy())
        for name, column in beside.items():
            column.append(part.columns[name].copy())
        if selection is not None and selection.energy is not None:
            energies.append(part.columns[selection.energy].copy())
    rows, log_rows = values.array(), log_weights.array()[:, 0]
    cuts = [0, *stream.ends]
    parts = [(rows[a:b], log_rows[a:b]) for a, b in pairwise(cuts)]
    computed = selection is not None and selection.computed == "restraint"
    if len(parts) > 1 and not computed and windows.differ(parts, stream.periods):
        warnings.warn(
            f"each of the {len(parts)} files has a harmonic restraint of its own: these are "
            "umbrella windows, which exp(V / kBT) does not join; the surface is wrong, use "
            "'cyfes umbrella'",
            CyfesWarning,
            stacklevel=2,
        )
    return Samples(
        names=stream.names,
        bounds=stream.bounds,
        values=rows,
        log_weights=log_rows,
        sums=stream.sums,
        n_read=stream.n_read,
        dropped=stream.dropped,
        notes=tuple(stream.notes),
        ends=tuple(stream.ends),
        times=np.concatenate(times) if times else None,
        beside={name: np.concatenate(column) for name, column in beside.items()},
        own_bias=stream.own_bias,
        energies=np.concatenate(energies) if energies else None,
    )


def _n_outside(values: np.ndarray, grid: Grid) -> int:
    """Number of rows of values float64[n, d] outside the bounds of a grid of the same CVs."""
    return len(values) - int(grid.encloses(values.T).sum())


def _words(bounds: Bounds) -> str:
    return "none" if bounds is None else f"{bounds[0]} to {bounds[1]}"
