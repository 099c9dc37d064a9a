"""HILLS files of a run that was restarted: hills that one part has and the next has again."""

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

import numpy as np

from cyfes.errors import CyfesWarning
from cyfes.hills import Hills, HillSum
from cyfes.restarts import (
    OVERLAP,
    check_much,
    overlap_note,
    overlap_of,
    parts_order,
    refuse_overlap,
    walkers_note,
)

#: Hills before and behind a restart whose heights are looked at, and the fewest that tell.
LOOKED_AT, LEAST = 300, 10

#: Of two explanations of heights one is right if it errs by less than this share of the other, and,
#: in ln of a height, by less than this.
BETTER, GOOD = 0.1, 0.05


def without_overlap(names: Sequence[str], parts: list[Hills], on_overlap: str) -> list[Hills]:
    """Return the hills of each file, without those that a restart has again if these are dropped.

    Notes tell of them; a warning where the heights of the hills tell that the opposite is right.
    Raises InputError where they are to be an error (``on_overlap`` "raise").
    """
    times = [part.times for part in parts]
    if any(np.isnan(of_file).any() for of_file in times):
        return parts
    clocked = any(not np.isnan(_clocks(part)).any() for part in parts)
    # Walkers, which have clocks, do not go on with each other.
    overlap = [overlap_of([t])[0] for t in times] if clocked else overlap_of(times)
    if on_overlap == "drop" and (note := walkers_note(times)):
        parts = [replace(parts[0], notes=(*parts[0].notes, note)), *parts[1:]]
    if not any(again.any() for again in overlap):
        return parts
    if on_overlap == "raise":
        refuse_overlap(names, overlap)
    order = [0] if len(parts) == 1 else parts_order(times)
    in_bias = None if clocked or order is None else _were_in_bias(parts, overlap, order)
    if in_bias is not None and in_bias == (on_overlap == "drop"):
        _warn_of_heights(in_bias)
    why = ", as METAD reads all hills at a restart"
    why += ": the heights of later hills tell so" if in_bias else ""
    return [
        _kept(path, part, again, on_overlap, why)
        for path, part, again in zip(names, parts, overlap)
    ]


def _were_in_bias(
    parts: list[Hills], overlap: list[np.ndarray], order: Sequence[int]
) -> bool | None:
    again = np.concatenate([overlap[k] for k in order])
    return were_in_bias(joined([parts[k] for k in order]), again)


def were_in_bias(hills: Hills, again: np.ndarray) -> bool | None:
    """Return whether the hills that a restart has ``again``, bool[n], were in its bias.

    The heights of a well-tempered run tell: ln h falls along a line in V, the sum of the hills that
    METAD had, at the center of each hill before it was deposited. None where they do not tell.
    """
    rows = np.flatnonzero(again)
    early, late = np.arange(len(hills))[: rows[0]], np.arange(len(hills))[rows[-1] + 1 :]
    early = early[:: max(1, len(early) // LOOKED_AT)]
    late = late[:LOOKED_AT]
    tempered = bool(np.all(hills.biasfactors > 1) and np.all(hills.heights > 0))
    if min(len(early), len(late)) < LEAST or not tempered or np.ptp(hills.biasfactors) > 0:
        return None
    log_h, before = np.log(hills.heights), _had(hills, early)
    if not np.ptp(before) > 0:
        return None
    line = np.polyfit(before, log_h[early], 1)
    bias, own = _had(hills, late), _had(hills, late, rows)
    with_all, without = (
        float(np.sqrt(np.mean((np.polyval(line, v) - log_h[late]) ** 2)))
        for v in (bias, bias - own)
    )
    for errs, other, answer in ((with_all, without, True), (without, with_all, False)):
        if errs < min(GOOD, BETTER * other):
            return answer
    return None


def _had(hills: Hills, which: np.ndarray, of: np.ndarray | None = None) -> np.ndarray:
    """The sum of the hills before each of ``which`` at its center, or of those in ``of`` only."""
    places, sums = hills.centers[which], np.zeros(len(which))
    if hills.interval is not None:
        places = np.clip(places, *hills.interval)
    bias = hills if of is None else hills[of]
    kernels = HillSum(bias)
    for i, row in enumerate(which.tolist()):
        n_before = row if of is None else len(of)
        kernels.add(sums[i : i + 1], places[i : i + 1], slice(0, n_before), 1)
    return sums


def _warn_of_heights(in_bias: bool) -> None:
    verb, choice = ("were", "keep") if in_bias else ("were not", "drop")
    warnings.warn(
        f"the heights of the hills after the restart tell that those that it has again "
        f"{verb} in its bias: --on-overlap {choice} is right",
        CyfesWarning,
        stacklevel=5,
    )


def _kept(path: str, part: Hills, again: np.ndarray, on_overlap: str, why: str) -> Hills:
    note = overlap_note(path, part.times, again, on_overlap, why)
    if not note:
        return part
    noted = replace(part, notes=(*part.notes, note))
    if on_overlap != "drop":
        return noted
    check_much(path, again)
    dropped = {**part.dropped, OVERLAP: int(again.sum())}
    return replace(noted[~again], dropped=dropped)


def joined(parts: Sequence[Hills]) -> Hills:
    """Return the hills of several files as one, file after file; the first tells their CVs."""
    covariances = [part.covariances for part in parts if part.covariances is not None]
    return replace(
        parts[0],
        centers=np.concatenate([part.centers for part in parts]),
        heights=np.concatenate([part.heights for part in parts]),
        biasfactors=np.concatenate([part.biasfactors for part in parts]),
        sigmas=np.concatenate([part.sigmas for part in parts]),
        gaussian=np.concatenate([part.gaussian for part in parts]),
        times=np.concatenate([part.times for part in parts]),
        clocks=np.concatenate([_clocks(part) for part in parts]),
        ends=tuple(accumulate(len(part) for part in parts)),
        covariances=np.concatenate(covariances) if covariances else None,
        dropped=dict(sum((Counter(part.dropped) for part in parts), Counter())),
        notes=tuple(note for part in parts for note in part.notes),
    )


def _clocks(part: Hills) -> np.ndarray:
    return np.full(len(part), np.nan) if part.clocks is None else part.clocks
