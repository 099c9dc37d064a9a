"""Which hills a frame had: hills and frames of a run brought together by their times."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from cyfes.errors import CyfesWarning, InputError
from cyfes.hills import Hills
from cyfes.restarts import parts_of, parts_order
from cyfes.reweight import Samples
from cyfes.selection import Selection
from cyfes.tables import same_bounds
from cyfes.walkers import run_order

#: By which share of the time between hills times may differ that are printed with few digits.
ROUNDING = 1e-3

#: Times that end so many times later than others are in another unit.
OTHER_UNIT = 100

#: Frames at the time of a hill that tell whether it is theirs, and how far from it, in sigma, they
#: may be.
LEAST_MET, NEAR = 10, 0.5

#: Frames nearer than this to the hill of their time, in sigma, are of the same walker, if so many
#: are, as a share, and twice as many as for any other walker.
SAME_PLACE, LEAST_SHARE = 0.05, 0.3


@dataclass(frozen=True, eq=False)
class Deposits:
    """Hills in the order of the run, and how many of them each frame had, int64[n].

    As in PLUMED, the bias of a frame lacks the hill that is deposited in the same step. ``notes``:
    what was taken for what.
    """

    hills: Hills
    n_before: np.ndarray
    notes: tuple[str, ...] = ()


def deposits_of(hills: Hills, samples: Samples) -> Deposits:
    """Return which hills the frames had, which must know their times.

    Hills of several files are those of walkers, which count by their clocks, else by time. Which
    one is beside a file of frames is told by the frames at the time of a hill, else, where there
    are as many files of both, by their order. Where time goes back in both, the run was restarted
    and kept its hills. Raises InputError where times are missing or cannot be brought together.
    """
    times = samples.times
    if times is None or np.isnan(times).any() or np.isnan(hills.times).any():
        raise InputError(
            "which hills a frame had is told by the column 'time' of HILLS and COLVAR files, and "
            "one of them lacks it; 'final' weights need no times"
        )
    _check_clock("hills", hills.times)
    _check_clock("frames", times)
    _check_unit(hills.times, times)
    files = list(samples.files())
    own = [slice(a, b) for a, b in pairwise((0, *(hills.ends or (len(hills),))))]
    beside = _beside(hills, samples, own, files) if len(own) > 1 else None
    if beside is None and len(own) > 1 and len(own) == len(files):
        beside = own
    if beside is not None:
        found = _of_walkers(hills, times, beside, files)
    else:
        found = _of_one_run(hills, times, files)
    _check_met(found, samples, times)
    return found


def _check_clock(what: str, times: np.ndarray) -> None:
    if len(times) > 1 and np.ptp(times) == 0:
        raise InputError(
            f"time is {times[0]:g} in all {what}, so that which hills a frame had is not known; "
            "'final' weights need no times"
        )


def _check_unit(deposited: np.ndarray, frames: np.ndarray) -> None:
    """Warn of times that cannot be of one run."""
    ends = float(deposited.max()), float(frames.max())
    if min(ends) > 0 and max(ends) > OTHER_UNIT * min(ends):
        warnings.warn(
            f"the times of the hills end at {ends[0]:g} and those of the frames at {ends[1]:g}: "
            "are both in the same unit?",
            CyfesWarning,
            stacklevel=4,
        )


def _beside(
    hills: Hills, samples: Samples, own: Sequence[slice], files: Sequence[slice]
) -> list[slice] | None:
    """The hills, out of the files ``own``, beside each file of frames, as their places tell.

    None where they do not tell: few frames are at the time of a hill, or places are alike.
    """
    chosen = []
    for rows in files:
        shares = [_share_met(hills, of_file, samples, rows) for of_file in own]
        *_, second, first = np.argsort(shares, kind="stable").tolist()
        if not shares[first] > max(LEAST_SHARE, 2 * shares[second]):
            return None
        chosen.append(first)
    return [own[k] for k in chosen] if len(set(chosen)) == len(chosen) else None


def _share_met(hills: Hills, of_file: slice, samples: Samples, rows: slice) -> float:
    """The share of the frames at the time of a hill of a file that are at its center."""
    order = of_file.start + np.argsort(hills.times[of_file], kind="stable")
    times, slack = np.asarray(samples.times)[rows], _slack(hills.times[of_file])
    index = order[np.searchsorted(hills.times[order], times - slack).clip(max=len(order) - 1)]
    met = np.abs(hills.times[index] - times) <= slack
    if met.sum() < LEAST_MET:
        return 0.0
    places = samples.columns_of(hills.names)[rows][met]
    return float(np.mean(_apart(hills, index[met], places) < SAME_PLACE))


def _of_walkers(
    hills: Hills, times: np.ndarray, beside: Sequence[slice], files: Sequence[slice]
) -> Deposits:
    """Each file of frames with the file of hills beside it."""
    order, merged = run_order(hills.ends, hills.times, hills.clocks, hills.centers)
    order = np.arange(len(hills)) if order is None else order
    rank = np.empty(len(hills) + 1, int)
    rank[order] = np.arange(len(hills))
    n_before = np.empty(len(times), int)
    notes = [f"HILLS: {merged}"] if merged else []
    for hill_rows, frame_rows in zip(beside, files):
        counts, remark = _counts(hills.times[hill_rows], times[frame_rows])
        last = rank[hill_rows.stop - 1] + 1
        n_before[frame_rows] = np.append(rank[hill_rows], last)[counts]
        notes += [remark] if remark else []
    if hills.clocks is None or np.isnan(hills.clocks).any():
        _warn_of_overlap([hills.times[a:b] for a, b in pairwise((0, *hills.ends))])
    return Deposits(hills[order], n_before, tuple(dict.fromkeys(notes)))


def _of_one_run(hills: Hills, times: np.ndarray, files: Sequence[slice]) -> Deposits:
    """All hills as one file; frames of one file or more, walkers or parts of the run."""
    merged = hills
    if len(hills.ends) > 1:
        order, _ = run_order(hills.ends, hills.times)
        merged = hills if order is None else hills[order]
        warnings.warn(
            f"{len(hills.ends)} HILLS and {len(files)} COLVAR files do not tell which walker a "
            "frame is of: hills of all count by their times",
            CyfesWarning,
            stacklevel=4,
        )
    n_parts = len(parts_of(merged.times))
    apart = n_parts == 1 or all(len(parts_of(times[rows])) == n_parts for rows in files)
    notes, n_before = [], np.empty(len(times), int)
    for rows in files if apart else [slice(0, len(times))]:
        n_before[rows], remark = _counts(merged.times, times[rows])
        notes += [remark] if remark else []
    return Deposits(merged, n_before, tuple(dict.fromkeys(notes)))


def _warn_of_overlap(files: Sequence[np.ndarray]) -> None:
    """Warn of files of hills, by their times, that overlap but not as parts of one run do."""
    if parts_order(files) is None and any(b.min() < a.max() for a, b in pairwise(files)):
        warnings.warn(
            f"the times of {len(files)} HILLS files overlap and no column clock tells what they "
            "are: they are taken for walkers side by side; join the parts of one run to one file",
            CyfesWarning,
            stacklevel=5,
        )


def _counts(deposited: np.ndarray, frames: np.ndarray) -> tuple[np.ndarray, str]:
    """(how many hills were there before each frame, int64[n]; a remark, or "")."""
    before = frames - _slack(deposited)
    parts = parts_of(deposited)
    if len(parts) == 1:
        return np.searchsorted(deposited, before), ""
    mine = parts_of(frames)
    if len(mine) != len(parts):
        raise InputError(
            f"time goes back {len(parts) - 1} times in the hills and {len(mine) - 1} times in the "
            "frames, so that which hills a frame had is not known: give all frames of the same run "
            "(no --skip, --start), or 'final' weights, which need no times"
        )
    counts = [a.start + np.searchsorted(deposited[a], before[b]) for a, b in zip(parts, mine)]
    times = "once" if len(parts) == 2 else f"{len(parts) - 1} times"
    remark = f"time goes back {times} in hills and frames: a restart, which kept all hills"
    return np.concatenate(counts), remark


def _slack(deposited: np.ndarray) -> float:
    """By how much the time of a hill may be off."""
    gaps = np.diff(deposited)
    gaps = np.sort(gaps[gaps > 0])
    return ROUNDING * float(gaps[len(gaps) // 2]) if len(gaps) else 0.0


def with_periods(samples: Samples, hills: Hills, selection: Selection) -> Samples:
    """Return the frames with periods that only the hills tell.

    Raises InputError if both tell different ones.
    """
    bounds = list(samples.bounds)
    for i, name in enumerate(samples.names):
        its = hills.bounds[hills.names.index(name)] if name in hills.names else None
        if its is None or name in selection.period:
            continue
        mine = bounds[i] = bounds[i] or its
        if not same_bounds(mine, its):
            raise InputError(
                f"the period of {name} is {mine[0]} to {mine[1]} in the frames, and {its[0]} to "
                f"{its[1]} in the hills; mend the header that is wrong"
            )
    return replace(samples, bounds=tuple(bounds))


def _apart(hills: Hills, which: np.ndarray, places: np.ndarray) -> np.ndarray:
    """How far ``places`` float64[n, d] are from the centers of hills along any CV, in sigma."""
    apart = places - hills.centers[which]
    for i, period in enumerate(hills.periods):
        if period:
            apart[:, i] -= period * np.rint(apart[:, i] / period)
    return np.asarray((np.abs(apart) / hills.sigmas[which]).max(axis=1))


def _check_met(found: Deposits, samples: Samples, times: np.ndarray) -> None:
    """Warn if frames at the time of a hill are not where it is: other hills than theirs."""
    hills = found.hills
    alone = np.ones(len(hills), bool)  # at its time
    alone[1:] &= np.diff(hills.times) != 0
    alone[:-1] &= np.diff(hills.times) != 0
    index = np.minimum(found.n_before, len(hills) - 1)
    met = (np.abs(hills.times[index] - times) <= _slack(hills.times)) & alone[index]
    if met.sum() < LEAST_MET:
        return
    off = int((_apart(hills, index[met], samples.columns_of(hills.names)[met]) > NEAR).sum())
    if 2 * off > met.sum():
        warnings.warn(
            f"{off} of {met.sum()} frames at the time of a hill are not where it is: are these the "
            "hills of this run, and the files in the same order?",
            CyfesWarning,
            stacklevel=5,
        )
