"""STATE and KERNELS files of OPES: what they mean, and whether all of a state is there."""

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from os import PathLike, fspath
from typing import Literal

import numpy as np

from cyfes.compression import CompressedKernels
from cyfes.errors import CyfesWarning, FileFormatError, InputError
from cyfes.grid import MAX_DIMS
from cyfes.opes import OpesRun, OpesState
from cyfes.rowfilter import TimeWatch
from cyfes.tables import (
    Bounds,
    Header,
    Rows,
    TableReader,
    expect_kind,
    periods_of,
    same_bounds,
    table_of,
)
from cyfes.units import parse_number

OnBad = Literal["raise", "skip"]

#: How far Z may be from the mean of P at the centers before rows are taken to be missing, and
#: before it is told: runs with NLIST keep Z up to some 1e-5.
Z_TOLERANCE, Z_DRIFT = 1e-3, 1e-4

#: ``SET action`` of the files that are read -> whether their kernels are of OPES_METAD_EXPLORE.
_ACTIONS = {
    f"OPES_METAD{mode}_{file}": mode != ""
    for mode in ("", "_EXPLORE")
    for file in ("state", "kernels")
}

GOING_BACK = "; where a run went on from an earlier state some count twice: give its STATE file"
LAST_WHOLE = "--on-bad skip takes the last whole state"


def read_opes(
    path: str | PathLike,
    *,
    every: int = 0,
    all_stored: bool = False,
    on_bad: OnBad = "raise",
    n_threads: int = 0,
) -> OpesRun:
    """Return the last state of an OPES run from its STATE or KERNELS file; "-" is standard input.

    ``every`` N > 0: also every N-th state that a STATE file stores, or the state after every N
    kernels of a KERNELS file; ``all_stored``: all that a STATE file stores. The states of KERNELS
    are those that OPES had: its kernels, merged as it merges them. The file is read once, forwards.
    Raises FileMissingError or FileFormatError naming file, line and column, also for a state of
    which rows are missing: its Z tells. ``on_bad="skip"`` leaves such states out with a warning,
    and bad rows of KERNELS. InputError for ``all_stored`` of a KERNELS file.
    """
    if every < 0:
        raise InputError(f"every must be at least 0, got {every}")
    reader = TableReader(fspath(path), on_bad=on_bad, n_threads=n_threads)
    try:
        schema = _Schema.of(reader.path, reader.header)
        if schema.is_kernels and all_stored:
            raise InputError(f"{path} is a KERNELS file, which stores no states: say --stride N")
    except BaseException:
        reader.close()
        raise
    if schema.is_kernels:
        return _from_kernels(reader, schema, every, n_threads)
    return _from_states(reader, schema, 1 if all_stored else every, n_threads)


@dataclass(frozen=True)
class _Schema:
    """What rows under one header are: CVs, their periods, and the constants of OPES."""

    where: str
    names: tuple[str, ...]
    bounds: tuple[Bounds, ...]
    is_kernels: bool
    explore: bool
    biasfactor: float
    epsilon: float
    cutoff: float
    threshold: float

    @classmethod
    def of(cls, path: str, header: Header) -> "_Schema":
        """Return the schema of a header; FileFormatError for one that is not of OPES."""
        where = f"{path}:{max(1, header.line)}"
        if header.line == 0:
            raise FileFormatError(
                f"{path}:1: no '#! FIELDS' header; expected that of an OPES file, such as "
                "'#! FIELDS time phi sigma_phi height'"
            )
        expect_kind(path, header, "KERNELS")
        explore = _explores(where, header)
        names, is_kernels = _names(where, header)
        return cls(
            where,
            names,
            bounds=tuple(header.bounds_of(path, name) for name in names),
            is_kernels=is_kernels,
            explore=explore,
            biasfactor=_biasfactor(where, header, explore),
            epsilon=_positive(where, header, "epsilon"),
            cutoff=_positive(where, header, "kernel_cutoff"),
            threshold=_threshold(where, header) if is_kernels else 0.0,
        )

    @property
    def columns(self) -> list[str]:
        """The columns of a kernel: center, sigmas, height."""
        return [*self.names, *(f"sigma_{name}" for name in self.names), "height"]

    def check_same(self, other: "_Schema") -> None:
        """Raise FileFormatError unless a later header is of the same run.

        Its states may have other constants each, but not the kernels of one state.
        """
        for what in ("names", "is_kernels", "explore"):
            if getattr(self, what) != getattr(other, what):
                raise FileFormatError(f"{other.where}: not the columns and action of {self.where}")
        if not all(map(same_bounds, self.bounds, other.bounds)):
            raise FileFormatError(f"{other.where}: the periods differ from those of {self.where}")
        if not self.is_kernels:
            return
        for what in ("biasfactor", "epsilon", "cutoff", "threshold"):
            mine, its = getattr(self, what), getattr(other, what)
            if not math.isclose(mine, its, rel_tol=1e-6):
                raise FileFormatError(
                    f"{other.where}: {what} {its:g} differs from {mine:g} in {self.where}: kernels "
                    "of two runs make no state; give the STATE file"
                )


def _explores(where: str, header: Header) -> bool:
    action = header.constants.get("action")
    if action not in _ACTIONS:
        told = "no SET action" if action is None else f"SET action {action}"
        raise FileFormatError(
            f"{where}: {told}; expected one of {', '.join(_ACTIONS)}, as PLUMED 2.8 and later "
            "write; without it nothing tells what the kernels stand for"
        )
    return _ACTIONS[action]


def _names(where: str, header: Header) -> tuple[tuple[str, ...], bool]:
    """(CVs, whether this is a KERNELS file) of the columns, which PLUMED writes in this order."""
    fields = header.fields
    is_kernels = fields[-1:] == ("logweight",)
    n = (len(fields) - 2 - is_kernels) // 2
    names = fields[1 : n + 1]
    ends = ("height", "logweight") if is_kernels else ("height",)
    if not names or fields != ("time", *names, *(f"sigma_{name}" for name in names), *ends):
        raise FileFormatError(
            f"{where}: columns {' '.join(fields)}; expected time, the CVs, a sigma of each, "
            "height, and logweight in a KERNELS file"
        )
    if n > MAX_DIMS:
        raise FileFormatError(
            f"{where}: {n} CVs ({' '.join(names)}); expected 1 to {MAX_DIMS}; "
            "'cyfes reweight' gives the surface of some of them from the COLVAR file"
        )
    return names, is_kernels


def _positive(where: str, header: Header, name: str) -> float:
    """A constant that must be positive."""
    text = header.constants.get(name)
    if text is None:
        raise FileFormatError(f"{where}: no SET {name}; OPES writes it into KERNELS and STATE")
    value = parse_number(text, f"{where}: {name}")
    if not value > 0 or (math.isinf(value) and name != "biasfactor"):
        raise FileFormatError(f"{where}: SET {name} {text}; expected a positive number")
    return value


def _biasfactor(where: str, header: Header, explore: bool) -> float:
    value = _positive(where, header, "biasfactor")
    if value <= 1 or (explore and math.isinf(value)):
        finite = ", and finite in OPES_METAD_EXPLORE" if explore else ""
        raise FileFormatError(f"{where}: SET biasfactor {value:g}; expected more than 1{finite}")
    return value


def _threshold(where: str, header: Header) -> float:
    """How close kernels are that are merged; 0 merges none."""
    is_zero = header.constants.get("compression_threshold") in ("0", "0.0")
    return 0.0 if is_zero else _positive(where, header, "compression_threshold")


def _check_rows(rows: Rows, columns: list[str]) -> None:
    """Leave out, or refuse, kernels whose sigmas or height are not positive."""
    for name in columns:
        if name == "height" or name.startswith("sigma_"):
            column = rows.columns[columns.index(name)]
            rows.reject(
                ~(column > 0),
                f"{name} not positive",
                lambda row, name=name, column=column: (  # type: ignore[misc]
                    f"column {name} must be positive, got {column[row]:g}"
                ),
            )


def _state(schema: _Schema, kernels: np.ndarray, norm: float, zed: float) -> OpesState:
    """The state of kernels float64[n, 2 d + 1]: center, sigmas, height."""
    d = len(schema.names)
    centers = kernels[:, :d].copy()
    for i, bounds in enumerate(schema.bounds):
        if bounds is not None:
            low, high = (parse_number(text, "period") for text in bounds)
            centers[:, i] -= (high - low) * np.floor((centers[:, i] - low) / (high - low))
    return OpesState(
        names=schema.names,
        bounds=schema.bounds,
        centers=centers,
        sigmas=kernels[:, d:-1].copy(),
        heights=kernels[:, -1].copy(),
        cutoff=schema.cutoff,
        norm=norm,
        zed=zed,
        epsilon=schema.epsilon,
        biasfactor=schema.biasfactor,
        explore=schema.explore,
    )


# --- STATE


def _from_states(reader: TableReader, schema: _Schema, every: int, n_threads: int) -> OpesRun:
    kept: list[OpesState] = []
    last, n_found, notes = None, 0, []
    for state in _whole_states(reader, schema, n_threads):
        last, n_found = state, n_found + 1
        if every and n_found % every == 0:
            kept.append(state)
    if last is None:
        raise FileFormatError(f"{reader.path}: no whole state")
    if not kept or kept[-1] is not last:
        kept.append(last)
    if last.zed == 1:
        notes.append("Z is 1, as with NO_ZED: whether rows are missing cannot be told")
    return OpesRun(tuple(kept), n_found, False, dict(reader.dropped), (*reader.notes, *notes))


def _whole_states(reader: TableReader, first: _Schema, n_threads: int) -> Iterator[OpesState]:
    """The states of a file; one of which rows are missing is refused, or left out and told."""
    for header, rows in _parts(reader, ["time", *first.columns]):
        where, fault = f"{reader.path}:{header.line}", "no kernel follows its header"
        if len(rows):  # else the header may be cut off as well
            state = _stored(reader.path, header, rows, first)
            fault = _fault(state, where, n_threads)
            if not fault:
                yield state
                continue
        text = f"{where}: the state that begins here is not whole: {fault}"
        if reader.on_bad == "raise":
            raise FileFormatError(f"{text}; {LAST_WHOLE}")
        warnings.warn(f"{text}; it is left out", CyfesWarning, stacklevel=2)


def _stored(path: str, header: Header, rows: np.ndarray, first: _Schema) -> OpesState:
    """The state of a header and its rows."""
    schema = _Schema.of(path, header)
    first.check_same(schema)
    norm = _positive(schema.where, header, "counter" if schema.explore else "sum_weights")
    zed = _positive(schema.where, header, "zed")
    state = _state(schema, rows[:, 1:], norm, zed)
    return replace(state, time=float(rows[0, 0]), line=header.line)


def _parts(reader: TableReader, wanted: list[str]) -> Iterator[tuple[Header, np.ndarray]]:
    """(header, rows float64[n, len(wanted)]) of each state; empty ones are yielded at the end
    alone, as headers without rows between others were written before there was a kernel."""
    header, parts = reader.header, [np.empty((0, len(wanted)))]
    for rows in reader.rows(wanted):
        if rows.header is not header:
            yield header, np.concatenate(parts)
            header, parts = rows.header, []
        _check_rows(rows, wanted)
        parts.append(np.stack(rows.columns, axis=1))
    yield header, np.concatenate(parts)
    if reader.header_in_force is not header:
        yield reader.header_in_force, np.empty((0, len(wanted)))


def _fault(state: OpesState, where: str, n_threads: int) -> str:
    """What tells that rows of a state are missing, or "": its Z is the mean of P at its centers."""
    if state.zed == 1:
        return ""
    found = state.mean_at_centers(n_threads=n_threads)
    off = abs(found / state.zed - 1)
    told = f"its {len(state)} kernels make Z {found:.6g}, its header says {state.zed:.6g}"
    if not off < Z_TOLERANCE:
        return f"{told}, so that rows are missing or were changed"
    if off > Z_DRIFT:
        warnings.warn(f"{where}: {told}; are rows missing?", CyfesWarning, stacklevel=2)
    return ""


# --- KERNELS


def _from_kernels(reader: TableReader, schema: _Schema, every: int, n_threads: int) -> OpesRun:
    rows, notes = _deposited(reader, schema)
    kernels = CompressedKernels(np.array(periods_of(schema.bounds)), schema.threshold)
    states = []
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused
        for n, row in enumerate(rows, 1):
            kernels.add(row[1:-1])
            if n == len(rows) or (every and n % every == 0):
                states.append(_replayed(schema, kernels, rows[:n], n_threads))
    return OpesRun(tuple(states), len(rows), True, dict(reader.dropped), notes)


def _deposited(reader: TableReader, schema: _Schema) -> tuple[np.ndarray, tuple[str, ...]]:
    """(rows float64[n, 2 d + 3], notes) of a KERNELS file: time, kernel, ln of its weight."""
    wanted = ["time", *schema.columns, "logweight"]
    times, seen = TimeWatch(), [reader.header]

    def check(rows: Rows) -> None:
        if rows.header is not seen[-1]:
            seen.append(rows.header)
            schema.check_same(_Schema.of(reader.path, rows.header))
        _check_rows(rows, wanted)
        times.look(rows, rows.columns[0])

    table = table_of(reader, wanted, check)
    rows = np.column_stack([table.columns[name] for name in wanted])
    notes = [f"{times.going_back}{GOING_BACK}"] if times.going_back else []
    return rows, (*table.notes, *notes)


def _replayed(
    schema: _Schema, kernels: CompressedKernels, rows: np.ndarray, n_threads: int
) -> OpesState:
    """The state after the deposition of some rows.

    Before its first kernel OPES has counted one, of the weight exp(V / kBT) of no bias yet.
    """
    norm = 1.0 + len(rows)
    if not schema.explore:
        norm = schema.epsilon ** (1 - 1 / schema.biasfactor) + float(np.exp(rows[:, -1]).sum())
    table = kernels.rows()
    if not (math.isfinite(norm) and np.isfinite(table).all()):
        raise FileFormatError(f"{schema.where}: the kernels have no finite sum of weights")
    state = replace(_state(schema, table, norm, 1.0), time=float(rows[-1, 0]))
    return replace(state, zed=state.mean_at_centers(n_threads=n_threads))
