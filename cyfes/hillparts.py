"""HILLS files of a run that was restarted: hills that one part has and the next has again."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cyfes.hills import Hills
from cyfes.restarts import OVERLAP, check_much, overlap_note, overlap_of, refuse_overlap


def clocks_of(part: Hills) -> np.ndarray:
    """Return the clocks of hills, float64[n], nan where their file tells none."""
    return np.full(len(part), np.nan) if part.clocks is None else part.clocks


def without_overlap(names: Sequence[str], parts: list[Hills], on_overlap: str) -> list[Hills]:
    """Return the hills of each file, without those that a restart has again if these are dropped.

    Notes tell of them. Raises InputError where they are to be an error (``on_overlap`` "raise").
    """
    times = [part.times for part in parts]
    if any(np.isnan(of_file).any() for of_file in times):
        return parts
    clocked = any(not np.isnan(clocks_of(part)).any() for part in parts)
    # Walkers, which have clocks, do not go on with each other.
    overlap = [overlap_of([t])[0] for t in times] if clocked else overlap_of(times)
    if on_overlap == "raise":
        refuse_overlap(names, overlap)
    return [
        _kept(path, part, again, on_overlap) for path, part, again in zip(names, parts, overlap)
    ]


def _kept(path: str, part: Hills, again: np.ndarray, on_overlap: str) -> Hills:
    why = ", as METAD reads all hills at a restart"
    note = overlap_note(path, part.times, again, on_overlap, why)
    if not note:
        return part
    noted = replace(part, notes=(*part.notes, note))
    if on_overlap != "drop":
        return noted
    check_much(path, again)
    dropped = {**part.dropped, OVERLAP: int(again.sum())}
    return replace(noted[~again], dropped=dropped)
