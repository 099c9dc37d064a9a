"""Biased runs that may end with a transition: when it happens, and how much time was gained."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from cyfes.errors import InputError, printable
from cyfes.regions import Region
from cyfes.restarts import parts_of
from cyfes.reweight import Samples, read_samples
from cyfes.selection import Selection
from cyfes.tables import Bounds, Header, read_header, read_table

#: So many frames at the beginning of a run tell it from a copy.
HEAD = 1000

#: Largest |ln t*|: beyond it squares of t* overflow, and the unit of energy is surely wrong.
MAX_LOG = 300.0


@dataclass(frozen=True, eq=False)
class Run:
    """A run up to its transition, if ``event``, or up to its end, censored: ``time`` it took.

    ``acceleration``: alpha = <exp(V / kBT)> over this time; ``told``: as PLUMED's column ``acc``
    has it, nan where there is none. ``begin``: time of the first frame. ``n_frames`` before the
    end; ``heaviest``: largest share of one of them in t*. In kBT V is ``lowest``, and ``at_end``.
    ``dropped`` counts rows that were left out by reason; ``head``: the first frames.
    """

    path: str
    time: float
    acceleration: float
    event: bool
    told: float = math.nan
    begin: float = 0.0
    n_frames: int = 0
    heaviest: float = 0.0
    lowest: float = 0.0
    at_end: float = 0.0
    dropped: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    head: np.ndarray = field(default_factory=lambda: np.empty((0, 0)), repr=False)

    @property
    def scaled_time(self) -> float:
        """t* = alpha t, the time without bias."""
        return self.time * self.acceleration

    @property
    def apart(self) -> float:
        """|ln| of PLUMED's acceleration over that of the frames; 0 where it tells none."""
        known = self.told > 0 and math.isfinite(self.told)
        return abs(math.log(self.told / self.acceleration)) if known else 0.0

    def row(self) -> tuple[float | str, ...]:
        """Return time, alpha, t*, how the run ends, and its file."""
        end = "transition" if self.event else "censored"
        return self.time, self.acceleration, self.scaled_time, end, printable(self.path)


def read_run(
    path: str,
    kbt: float,
    *,
    until: Region | None,
    committed: bool,
    bias: Sequence[str] | None,
    no_bias: bool,
    period: Mapping[str, Bounds],
    on_bad: Literal["raise", "skip"],
    on_overlap: Literal["keep", "drop", "raise"],
    n_threads: int,
) -> Run:
    """Return the run of one file; arguments and errors as read_rates."""
    if path == "-" or (os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path))):
        raise InputError(f"{path} can be read once only, and runs are read twice: give a file")
    header = read_header(path)
    if "time" not in header.fields:
        raise InputError(f"{path}: rates need a column 'time' (columns: {_listed(header)})")
    _check_one_run(path, read_table(path, ["time"], on_bad=on_bad).columns["time"])
    biases = None if no_bias else _biases(path, header, bias)
    acc = _acceleration_column(header, biases)
    chosen = Selection(
        cv=until.names if until else ("time",),
        bias=biases,
        no_bias=no_bias,
        on_bad=on_bad,
        on_overlap=on_overlap,
        period=period,
        beside=(acc,) if acc else (),
    )
    frames = read_samples(path, kbt, chosen, n_threads, timed=True)
    end, event = _end(path, frames, until, committed)
    told = float(frames.beside[acc][end]) if acc else math.nan
    return _run(path, frames, end, event, told)


def _run(path: str, frames: Samples, end: int, event: bool, told: float) -> Run:
    """The run up to the frame ``end``; each frame counts until the next one."""
    assert frames.times is not None  # asked for
    times, bias = frames.times[: end + 1], frames.log_weights[: end + 1]
    time = float(times[-1]) - float(times[0])
    if not 0 < time < math.inf:
        raise InputError(f"{path}: {time:g} is no time that a run takes, from {times[0]:g} on")
    with np.errstate(divide="ignore"):  # a step of no time
        logs = np.log(np.diff(times)) + bias[:-1]
    highest = float(logs.max())
    if not abs(highest) <= MAX_LOG:
        raise InputError(
            f"{path}: the bias is {bias.min():.4g} to {bias.max():.4g} kT, and t* would be about "
            f"10^{highest / math.log(10):.0f}: look at --units, --kt or --temp, and --bias"
        )
    shares = np.exp(logs - highest)
    log_scaled = highest + math.log(shares.sum())
    return Run(
        path=path,
        time=time,
        acceleration=math.exp(log_scaled - math.log(time)),
        event=event,
        told=told,
        begin=float(times[0]),
        n_frames=end,
        heaviest=1 / float(shares.sum()),
        lowest=float(bias.min()),
        at_end=float(bias[-1]),
        dropped=frames.dropped,
        notes=frames.notes,
        head=np.vstack((frames.times[:HEAD], frames.log_weights[:HEAD], frames.values[:HEAD].T)),
    )


def _end(path: str, frames: Samples, until: Region | None, committed: bool) -> tuple[int, bool]:
    """(the frame of the transition, or the last one; whether it is a transition)."""
    last = len(frames) - 1
    if until is None:
        return last, committed
    inside = until.contains(frames.names, list(frames.values.T), list(frames.periods))
    if not inside.any():
        return last, committed
    first = int(np.argmax(inside))
    if first == 0:
        raise InputError(
            f"{path} begins in the region where the transition ends, {until}: --until is the "
            "region that runs go to"
        )
    return first, True


def _check_one_run(path: str, times: np.ndarray) -> None:
    """Raise InputError where time goes back into the first half of what was before: that is another
    run, whose clock began anew, more likely than a restart."""
    for part in parts_of(times)[1:]:
        at = part.start
        if times[at] <= times[0] / 2 + times[:at].max() / 2:
            raise InputError(
                f"{path}: time goes back from {times[at - 1]:g} to {times[at]:g}, as where another "
                "run begins: a file is one run, so give each a file of its own; after a restart "
                "from so old a checkpoint, leave out the rows that it has again"
            )


def _biases(path: str, header: Header, named: Sequence[str] | None) -> list[str]:
    """The bias columns: those named, or the only one of a header."""
    found = list(named or [name for name in header.fields if name.endswith(".bias")])
    if not named and len(found) != 1:
        listed = f"several bias columns, {', '.join(found)}" if found else "no column *.bias"
        raise InputError(
            f"{path}: {listed}; choose with --bias (they are summed), or say --no-bias "
            f"(columns: {_listed(header)})"
        )
    for name in found:
        if name.endswith((".rbias", ".rct")):
            raise InputError(
                f"--bias {name}: V - c(t) is for free energies; the acceleration is that of V, the "
                "column *.bias"
            )
    return found


def _listed(header: Header) -> str:
    return ", ".join(header.fields)


def _acceleration_column(header: Header, biases: Sequence[str] | None) -> str:
    """The column of PLUMED's acceleration, if it is that of the biases, or ""."""
    if not biases or len(biases) > 1 or not biases[0].endswith(".bias"):
        return ""
    name = biases[0].removesuffix("bias") + "acc"
    return name if name in header.fields else ""


def refuse_copies(runs: Sequence[Run]) -> None:
    """Raise InputError if two runs begin with the same frames: a copy would count twice."""
    seen: dict[bytes, list[Run]] = {}
    for run in runs:
        alike = seen.setdefault(run.head[:, :2].tobytes(), [])
        for other in alike:
            if _is_copy(run.head, other.head):
                raise InputError(
                    f"{run.path} begins with the same frames as {other.path}, which would count "
                    "twice: one is a copy of the other, or an older state of it; give one"
                )
        alike.append(run)


def _is_copy(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether heads are equal that move in more than time."""
    n = min(one.shape[1], other.shape[1])
    moves = any(row.min() < row.max() for row in one[1:, :n] if not np.array_equal(row, one[0, :n]))
    return moves and np.array_equal(one[:, :n], other[:, :n])
