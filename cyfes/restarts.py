"""Restarts: the parts of a run, between which time goes back, and rows that a later part has again.

A run that goes on from an older checkpoint writes the time since then again. METAD reads all hills
of its file at a restart, whatever their time (PLUMED 2.10, METAD with RESTART and no GRID_RFILE):
the old ones stay part of the bias, and dropping them would differ from it and from sum_hills.
"""

import warnings
from collections.abc import Sequence
from itertools import pairwise, permutations

import numpy as np

from cyfes.errors import CyfesWarning, InputError

#: What can be done with rows that a restart has again: the first is the default.
ON_OVERLAP = ("keep", "drop", "raise")

#: The remedies of an error.
CHOICES = "--on-overlap keep takes all rows, drop leaves out those that the restart has again"

#: Why rows are dropped.
OVERLAP = "in the overlap of a restart"


def check_on_overlap(on_overlap: str) -> None:
    """Raise InputError unless it is one of ON_OVERLAP."""
    if on_overlap not in ON_OVERLAP:
        raise InputError(f"on_overlap is one of {', '.join(ON_OVERLAP)}; got {on_overlap!r}")


def parts_of(times: np.ndarray) -> list[slice]:
    """Return the rows between which time goes back; one slice where it does not."""
    cuts = np.flatnonzero(np.diff(times) < 0) + 1
    return [slice(a, b) for a, b in pairwise((0, *cuts.tolist(), len(times)))]


def superseded(parts: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return which rows of the parts of a run, by their times, a later one has again, bool[n] each.

    A part that begins at time t goes on from a checkpoint there: rows of the parts before, from t
    on, are superseded. One that begins no later than the first of them has a clock that begins
    anew, and supersedes nothing.
    """
    found = [np.zeros(len(times), bool) for times in parts]
    base = 0
    for k in range(1, len(parts)):
        if not parts[k][0] > parts[base][0]:
            base = k
            continue
        for i in range(base, k):
            found[i] |= parts[i] >= parts[k][0]
    return found


def parts_order(files: Sequence[np.ndarray]) -> list[int] | None:
    """Return the order of files that are parts of one run, by their times; None if they are not.

    Each begins in the second half of the one before, or behind it, and ends later. Walkers begin
    together.
    """
    if len(files) < 2 or not all(map(len, files)):
        return None
    order = sorted(range(len(files)), key=lambda k: float(files[k][0]))
    ends = [float(times.max()) for times in files]
    for one, other in pairwise(order):
        begin = float(files[other][0])
        if not (begin > (files[one][0] + ends[one]) / 2 and ends[other] > ends[one]):
            return None
    return order


def overlap_of(files: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return which rows of each file, by their times, are superseded, bool[n] each.

    Within each file; where the files are parts of one run, also by the files behind it.
    """
    parts = [[times[rows] for rows in parts_of(times)] for times in files]
    order = parts_order(files)
    if order is None:
        return [np.concatenate(superseded(of_file)) for of_file in parts]
    every = iter(superseded([part for k in order for part in parts[k]]))
    found = {k: np.concatenate([next(every) for _ in parts[k]]) for k in order}
    return [found[k] for k in range(len(files))]


def overlap_note(
    path: str, times: np.ndarray, again: np.ndarray, on_overlap: str, why: str = ""
) -> str:
    """Return one sentence about the rows of a file that are there ``again``, or "".

    ``times`` float64[n] and ``again`` bool[n] are of all its rows; ``why``: they are kept.
    """
    n = int(again.sum())
    if not n:
        return ""
    low, high = times[again].min(), times[again].max()
    rows = f"{n} row{'s' * (n > 1)} of times {low:g} to {high:g}"
    if on_overlap == "drop":
        return f"{path}: {rows} dropped, which a restart has again (--on-overlap drop)"
    return f"{path}: a restart has {rows} again; kept{why} (--on-overlap drop leaves them out)"


def walkers_note(files: Sequence[np.ndarray]) -> str:
    """Return one sentence if files overlap, by their times, and are not parts of one run, or ""."""
    known = [times for times in files if len(times)]
    spans = [(float(times[0]), float(times.max())) for times in known]
    inside = any(one[0] < other[0] <= one[1] for one, other in permutations(spans, 2))
    if parts_order(known) or not inside:
        return ""
    return (
        f"{len(files)} files overlap in time by more than restarts do: they are taken for walkers, "
        "and what a file has of another is not dropped; join the parts of each walker"
    )


def check_much(path: str, again: np.ndarray) -> None:
    """Warn if a restart has most of a file again, by a mask of its rows that are dropped."""
    if 2 * again.sum() > len(again):
        warnings.warn(
            f"{path}: {again.sum()} of {len(again)} rows are dropped, as a later part begins soon "
            "after the first: if its clock began anew, --on-overlap keep is right",
            CyfesWarning,
            stacklevel=4,
        )


def refuse_overlap(paths: Sequence[str], overlap: Sequence[np.ndarray]) -> None:
    """Raise InputError for the first file of which the files behind it have rows again."""
    for path, again in zip(paths, overlap):
        if again.any():
            raise InputError(f"{path}: the next file has {again.sum()} rows again; {CHOICES}")
