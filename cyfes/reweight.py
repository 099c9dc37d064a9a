"""Reweighting: which frames of a COLVAR file count, and what each weighs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike, fspath
from typing import Literal

import numpy as np

from cyfes.errors import InputError
from cyfes.grid import MAX_DIMS
from cyfes.table import Header, Table, read_header, read_table
from cyfes.units import parse_number


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
        return np.array(
            [
                parse_number(b[1], "period") - parse_number(b[0], "period") if b else 0.0
                for b in self.bounds
            ]
        )


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
    selection = selection or Selection()
    if isinstance(paths, str | PathLike):
        paths = [paths]
    header = read_header(fspath(paths[0]))
    names = _choose_cvs(fspath(paths[0]), header, selection)
    biases = _choose_biases(fspath(paths[0]), header, selection)
    parts = [_read_file(fspath(p), names, biases, kbt, selection, n_threads) for p in paths]
    dropped: dict[str, int] = {}
    for part in parts:
        for reason, count in part.dropped.items():
            dropped[reason] = dropped.get(reason, 0) + count
        if part.bounds != parts[0].bounds:
            raise InputError(
                f"the files give different periods: {parts[0].bounds} and {part.bounds}"
            )
    samples = Samples(
        names=names,
        bounds=parts[0].bounds,
        values=np.concatenate([part.values for part in parts]),
        log_weights=np.concatenate([part.log_weights for part in parts]),
        n_read=sum(part.n_read for part in parts),
        dropped=dropped,
        notes=tuple(note for part in parts for note in part.notes),
    )
    if not len(samples):
        raise InputError(
            f"no row is left of {samples.n_read} read: look at --start, --stop, --skip"
        )
    return samples


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


def _read_file(
    path: str,
    names: Sequence[str],
    biases: Sequence[str],
    kbt: float,
    selection: Selection,
    n_threads: int,
) -> Samples:
    header = read_header(path)
    timed = "time" in header.fields
    if not timed and (selection.start is not None or selection.stop is not None):
        raise InputError(f"{path}: --start and --stop need a column 'time'; use --skip")
    wanted = list(dict.fromkeys([*(["time"] if timed else []), *names, *biases]))
    table = read_table(path, wanted, on_bad=selection.on_bad, n_threads=n_threads)
    dropped, notes = dict(table.dropped), list(table.notes)
    keep = _keep_rows(table, names, timed, selection, dropped, notes)
    total = np.sum([table.columns[name][keep] for name in biases], axis=0)
    log_weights = np.zeros(int(keep.sum())) if not biases else np.asarray(total)
    return Samples(
        names=tuple(names),
        bounds=tuple(_bounds(path, header, name, selection) for name in names),
        values=np.column_stack([table.columns[name][keep] for name in names]),
        log_weights=log_weights if selection.logweights is not None else log_weights / kbt,
        n_read=table.n_rows + sum(table.dropped.values()),
        dropped=dropped,
        notes=tuple(f"{path}: {note}" for note in notes),
    )


def _keep_rows(
    table: Table,
    names: Sequence[str],
    timed: bool,
    selection: Selection,
    dropped: dict[str, int],
    notes: list[str],
) -> np.ndarray:
    """Mask of the rows to use; the reasons of the others are added to ``dropped``."""
    keep = np.ones(table.n_rows, bool)

    def drop(rows: np.ndarray, reason: str) -> None:
        count = int((keep & rows).sum())
        if count:
            dropped[reason] = dropped.get(reason, 0) + count
        keep[rows] = False

    if timed:
        time = table.columns["time"]
        # The bias of the repeated frame may differ by the hills added in between.
        columns = np.array([time, *(table.columns[name] for name in names)])
        repeated = np.zeros(table.n_rows, bool)
        repeated[1:] = np.all(columns[:, 1:] == columns[:, :-1], axis=0)
        drop(repeated, "repeated at a restart")
        back = np.flatnonzero(np.diff(time) < 0)
        if len(back):
            line = table.line_of(int(back[0]) + 1)
            notes.append(
                f"time goes back from {time[back[0]]:g} to {time[back[0] + 1]:g} at line {line}; "
                "all rows are kept"
            )
        if selection.start is not None:
            drop(time < selection.start, "before --start")
        if selection.stop is not None:
            drop(time > selection.stop, "after --stop")
    row = np.arange(table.n_rows)
    if selection.skip:
        drop(row < selection.skip, "skipped (--skip)")
    if selection.every > 1:
        drop((row - selection.skip) % selection.every != 0, "skipped (--every)")
    return keep


def _bounds(path: str, header: Header, name: str, selection: Selection) -> tuple[str, str] | None:
    if name in selection.period:
        return selection.period[name]
    low, high = header.constants.get(f"min_{name}"), header.constants.get(f"max_{name}")
    return (low, high) if low is not None and high is not None else None
