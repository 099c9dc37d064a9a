"""Walkers: rows of several files in the order of the run, not file after file.

The one place where that order is decided.
"""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from cyfes.errors import CyfesWarning
from cyfes.hills import Hills
from cyfes.restarts import parts_of, parts_order
from cyfes.reweight import Samples

MERGED = "{n} files are merged in the order of {what}, as those of walkers"

PARTS = (
    "{n} files are taken one after another, as parts of one run: each begins near the end of the "
    "one before"
)

#: What can be chosen instead.
ADVICE = "; --order files takes them one after another, as they are named"

UNTIMED = "{n} files tell no time: they are taken one after another"


#: So many rows at the beginning tell files apart whose clocks are the same.
HEAD = 1000


def run_order(
    ends: Sequence[int],
    times: np.ndarray,
    clocks: np.ndarray | None = None,
    values: np.ndarray | None = None,
) -> tuple[np.ndarray | None, str]:
    """Return (the rows of several files in the order of the run, int64[n]; a remark, or "").

    ``ends``: number of rows up to the end of each file; ``times`` and ``clocks`` float64[n], nan
    where a file tells none. By the clocks where all files have them, else by time; without clocks
    files that are parts of one run (see restarts) come one after another. Rows of one
    file keep their order; those of several that have the same clock and time are ordered by the
    ``values`` float64[n, d] that their files begin with, so that the result does not depend on the
    order of the files. None where the rows are in order already. Warns where the clocks cannot be
    trusted, or where times alone leave the order open.
    """
    files = [slice(a, b) for a, b in pairwise((0, *ends)) if b > a]
    if len(files) < 2:
        return None, ""
    trusted = None if clocks is None else _trusted(clocks, times, files)
    if trusted is None and not _is_known(times):
        return None, UNTIMED.format(n=len(files))
    parts = None if trusted is not None else parts_order([times[rows] for rows in files])
    if parts is not None:
        order = np.concatenate([np.arange(files[k].start, files[k].stop) for k in parts])
        remark = "" if _disjoint(times, files) else PARTS.format(n=len(files))
        return (None if parts == sorted(parts) else order), remark
    keys = [] if trusted is None else [_rising(trusted, files)]
    if _is_known(times):
        keys += _time_keys(times, files, quiet=trusted is not None)
    if values is not None:
        keys.append(_ranks(values, files))
    order = np.lexsort(keys[::-1])
    if np.array_equal(order, np.arange(len(order))):
        return None, ""
    what = "time" if trusted is None else "clock"
    return order, MERGED.format(n=len(files), what=what)


def _is_known(times: np.ndarray) -> bool:
    return len(times) > 0 and not np.isnan(times).any()


def _trusted(clocks: np.ndarray, times: np.ndarray, files: Sequence[slice]) -> np.ndarray | None:
    """The clocks if all files have them; warns of clocks that are missing or cannot be compared."""
    n_missing = sum(bool(np.isnan(clocks[rows]).any()) for rows in files)
    if n_missing:
        if n_missing < len(files):
            _warn(
                f"the column clock is missing in {n_missing} of {len(files)} files: they are "
                "merged in the order of time, which walkers started at different moments do not "
                "share"
            )
        return None
    back = max(float(-np.diff(clocks[rows]).min(initial=0.0)) for rows in files)
    if back > 0:
        _warn(
            f"the column clock goes back by {back:g} s within a file, as where a restart ran on "
            "another machine: the latest clock so far counts"
        )
    elif _is_known(times) and _disjoint(clocks, files) and not _disjoint(times, files):
        _warn(
            f"the clocks of {len(files)} files do not overlap, though their times do: by the "
            "clocks they are taken one after another"
        )
    return clocks


def _disjoint(values: np.ndarray, files: Sequence[slice]) -> bool:
    """Whether no file begins before the one that begins before it has ended."""
    spans = sorted((float(values[rows].min()), float(values[rows].max())) for rows in files)
    return all(second[0] > first[1] for first, second in pairwise(spans))


def _time_keys(times: np.ndarray, files: Sequence[slice], quiet: bool) -> list[np.ndarray]:
    """What rows are sorted by without clocks: the part of the run, then time within it."""
    parts = [parts_of(times[rows]) for rows in files]
    if len({len(of_file) for of_file in parts}) == 1:
        sizes = [[rows.stop - rows.start for rows in of_file] for of_file in parts]
        numbers = [np.repeat(np.arange(len(of_file)), of_file) for of_file in sizes]
        return [np.concatenate(numbers), times]
    if not quiet:
        _warn(
            f"time goes back {_counts(parts)} times in the {len(files)} files, so that their order "
            "after a restart is not known: the latest time so far counts"
        )
    return [_rising(times, files)]


def _counts(parts: Sequence[Sequence[slice]]) -> str:
    return ", ".join(str(len(of_file) - 1) for of_file in parts)


def _rising(clock: np.ndarray, files: Sequence[slice]) -> np.ndarray:
    """The latest time so far in each file."""
    return np.concatenate([np.maximum.accumulate(clock[rows]) for rows in files])


def _ranks(values: np.ndarray, files: Sequence[slice]) -> np.ndarray:
    """A number for each row, the same in a file whatever the order of the files, int64[n]."""
    heads = [values[rows][:HEAD].tobytes() for rows in files]
    place = {k: rank for rank, k in enumerate(sorted(range(len(heads)), key=heads.__getitem__))}
    sizes = [rows.stop - rows.start for rows in files]
    return np.repeat([place[k] for k in range(len(files))], sizes)


def _warn(text: str) -> None:
    warnings.warn(text, CyfesWarning, stacklevel=5)


def hills_in_order(hills: Hills) -> tuple[Hills, str]:
    """Return the hills of several files in the order of the run, and a remark, or ""."""
    order, remark = run_order(hills.ends, hills.times, hills.clocks, hills.centers)
    return (hills, remark) if order is None else (hills[order], remark + ADVICE)


def samples_in_order(samples: Samples) -> tuple[Samples, str]:
    """Return the frames of several files in the order of the run, as one, and a remark, or ""."""
    times = np.full(len(samples), np.nan) if samples.times is None else samples.times
    order, remark = run_order(samples.ends, times, values=samples.values)
    if order is None:
        return replace(samples, ends=()), remark
    merged = replace(
        samples,
        values=samples.values[order],
        log_weights=samples.log_weights[order],
        times=times[order],
        beside={name: column[order] for name, column in samples.beside.items()},
        energies=None if samples.energies is None else samples.energies[order],
        ends=(),
    )
    return merged, remark + ADVICE
