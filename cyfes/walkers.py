"""Walkers: rows of several files in the order of the run, not file after file."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from cyfes.hills import Hills
from cyfes.reweight import Samples

MERGED = "{n} files are merged in the order of {what}, as those of walkers (--order files: do not)"


UNTIMED = "{n} files tell no time: they are taken one after another"


def time_order(ends: Sequence[int], *clocks: np.ndarray) -> np.ndarray | None:
    """Return the rows in the order of clocks, int64[n], None where that is the order they have.

    ``ends``: number of rows up to the end of each file; ``clocks`` float64[n] each, where one
    stands still the next counts. Rows of one file keep their order, also where a clock goes back.
    """
    known = [clock for clock in clocks if _is_known(clock)]
    if len(ends) < 2 or not known:
        return None
    keys = [_rising(clock, ends) for clock in known]
    order = np.lexsort(keys[::-1])
    return None if np.array_equal(order, np.arange(len(order))) else order


def _is_known(clock: np.ndarray) -> bool:
    return len(clock) > 0 and not np.isnan(clock).any()


def _untimed(n_files: int) -> str:
    return UNTIMED.format(n=n_files) if n_files > 1 else ""


def _rising(clock: np.ndarray, ends: Sequence[int]) -> np.ndarray:
    """The latest time so far in each file."""
    return np.concatenate(
        [np.maximum.accumulate(clock[start:stop]) for start, stop in pairwise((0, *ends))]
    )


def hills_in_order(hills: Hills) -> tuple[Hills, str]:
    """Return the hills of several files by their clocks, else by time, and a remark, or ""."""
    clocks = np.zeros(0) if hills.clocks is None else hills.clocks
    if not (_is_known(clocks) or _is_known(hills.times)):
        return hills, _untimed(len(hills.ends))
    order = time_order(hills.ends, clocks, hills.times)
    if order is None:
        return hills, ""
    what = "clock" if _is_known(clocks) else "time"
    return hills[order], MERGED.format(n=len(hills.ends), what=what)


def samples_in_order(samples: Samples) -> tuple[Samples, str]:
    """Return the frames of several files by time, as one run, and a remark, or ""."""
    times = np.zeros(0) if samples.times is None else samples.times
    order = time_order(samples.ends, times)
    if order is None:
        remark = "" if _is_known(times) else _untimed(len(samples.ends))
        return replace(samples, ends=()), remark
    merged = replace(
        samples,
        values=samples.values[order],
        log_weights=samples.log_weights[order],
        times=times[order],
        ends=(),
    )
    return merged, MERGED.format(n=len(samples.ends), what="time")
