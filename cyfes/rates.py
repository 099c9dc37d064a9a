"""Rates from infrequent metadynamics: transition times of biased runs, and what they tell.

Where no bias is on the transition state, a run that takes the time t would take t* = alpha t
without bias, alpha = <exp(V(s, t) / kBT)> (Tiwary and Parrinello, Phys. Rev. Lett. 111, 230602,
2013), and t* of many runs are those of a Poisson process (Salvalaggio, Tiwary and Parrinello,
J. Chem. Theory Comput. 10, 1420, 2014).
"""

import math
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cyfes.columns import Columns
from cyfes.errors import CyfesWarning, InputError
from cyfes.poisson import (
    LEAST_EVENTS,
    PoissonTest,
    mean_time,
    mean_time_interval,
    poisson_test,
)
from cyfes.provenance import Provenance
from cyfes.regions import Region
from cyfes.tables import Bounds, input_paths
from cyfes.transitions import Run, read_run, refuse_copies

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Below this p value the times are said not to be those of a Poisson process.
SIGNIFICANT = 0.05

#: What is remarked on: a frame that makes this share of t*, a bias so high at the transition and so
#: low anywhere, in kT, and accelerations that differ by this factor.
HEAVY, AT_TRANSITION, NEGATIVE, APART = 0.1, 1.0, -0.1, 1.2


@dataclass(frozen=True, eq=False)
class Rates:
    """The mean time ``tau`` of a transition, in the unit of the files' time, and of what ``runs``.

    tau = sum t* / number of transitions, the most likely one, inf without a transition;
    ``interval`` holds it with a probability of 95 %. ``test``: whether the times are those of a
    Poisson process, None where there are too few. ``notes`` are remarks on the files, and
    ``provenance`` tells how all was made.
    """

    runs: tuple[Run, ...]
    tau: float
    interval: tuple[float, float]
    test: PoissonTest | None
    notes: tuple[str, ...] = ()
    provenance: Provenance | None = None

    @classmethod
    def of(cls, runs: Sequence[Run], notes: Sequence[str] = ()) -> "Rates":
        """Return what runs tell; raises BackendError without scipy, InputError without runs."""
        if not runs:
            raise InputError("no run is given")
        times = np.array([run.scaled_time for run in runs])
        events = np.array([run.event for run in runs])
        interval = mean_time_interval(times, events)
        test = poisson_test(times, events)
        return cls(tuple(runs), mean_time(times, events), interval, test, tuple(notes))

    @property
    def times(self) -> np.ndarray:
        """The rescaled times t* of all runs, float64[n]."""
        return np.array([run.scaled_time for run in self.runs])

    @property
    def events(self) -> np.ndarray:
        """Which runs end with the transition, bool[n]; the others are censored."""
        return np.array([run.event for run in self.runs])

    @property
    def n_events(self) -> int:
        """The number of transitions."""
        return int(self.events.sum())

    @property
    def rate(self) -> float:
        """1 / tau, per unit of the files' time; 0 without a transition."""
        return 1 / self.tau

    @property
    def dropped(self) -> dict[str, int]:
        """The number of rows that were left out, by reason."""
        return dict(sum((Counter(run.dropped) for run in self.runs), Counter()))

    def moments(self) -> tuple[float, float, float] | None:
        """Return mean, deviation and median of t*: tau, tau and tau ln 2 of exponential times.

        None where runs are censored, whose times are not known, or where there is one only.
        """
        if len(self.runs) < 2 or self.n_events < len(self.runs):
            return None
        times = self.times
        return float(times.mean()), float(times.std(ddof=1)), float(np.median(times))

    def verdict(self) -> str:
        """Return in words whether the times are those of a Poisson process."""
        test, censored = self.test, self.n_events < len(self.runs)
        if test is None:
            when = " before the shortest censored run ends" if censored else ""
            return f"not tested: fewer than {LEAST_EVENTS} transitions{when}"
        text = f"p = {test.p:.2g} (KS, for a fitted tau), D = {test.statistic:.3g}"
        if censored:
            text += (
                f", of {test.n_events} transitions up to t* = {test.limit:.6g}, where the shortest "
                "censored run ends"
            )
        if test.p < SIGNIFICANT:
            return f"{text}: the times are not those of a Poisson process"
        return f"{text}: the times may be those of a Poisson process"

    def columns(self) -> Columns:
        """Return the table of the runs: time, alpha, t*, how each ends, its file."""
        names = ("time", "alpha", "tstar", "end", "file")
        return Columns(names, tuple(run.row() for run in self.runs))

    def table(self) -> str:
        """Return the table of the runs as text."""
        return "\n".join(self.columns().lines())

    def write(self, path: str | PathLike) -> None:
        """Write the table (see Columns.write) and tau; raises OutputError."""
        made = self.provenance or Provenance("Rates.write")
        self.columns().write(path, made.then(*self._settings()))

    def _settings(self) -> list[tuple[str, object]]:
        low, high = self.interval
        found: list[tuple[str, object]] = [
            ("transitions", self.n_events),
            ("tau", f"{self.tau:.10g}"),
            ("interval", f"{low:.10g} {high:.10g}"),
        ]
        return found + ([("p", f"{self.test.p:.6g}")] if self.test else [])

    def plot(self, ax: "Axes | None" = None) -> Any:
        """Draw the distribution of t* on matplotlib Axes and return them (see plot_rates)."""
        from cyfes.plot_rates import plot_rates

        return plot_rates(self, ax)


def read_rates(
    paths: str | PathLike | Sequence[str | PathLike],
    kbt: float,
    *,
    until: Region | str | None = None,
    committed: bool = False,
    bias: Sequence[str] | None = None,
    no_bias: bool = False,
    period: Mapping[str, Bounds] | None = None,
    on_bad: Literal["raise", "skip"] = "raise",
    on_overlap: Literal["keep", "drop", "raise"] = "drop",
    n_threads: int = 0,
) -> Rates:
    """Return the rate of a transition from COLVAR files, one run each.

    t* = sum_i (t_(i+1) - t_i) exp(V_i / kBT) over the frames before the transition. That is the
    first frame in the region ``until``, such as "phi=0:2.3"; if there is none, the last frame if
    ``committed``; else the run is censored. ``kbt`` in the unit of the ``bias``, columns that are
    summed (default: the only ``*.bias``). ``on_overlap``: what is done with rows that a restart has
    again. ``period``: bounds of CVs whose period the files do not tell.
    Warns of times that are not those of a Poisson process, and of a bias that is negative or not
    that of PLUMED's ``acc``. Raises InputError for a run that begins in the region, two runs in a
    file or a run given twice, FileFormatError and FileMissingError as read_samples, BackendError
    without scipy.
    """
    region = Region.parse([until], "until") if isinstance(until, str) else until
    if region is None and not committed:
        raise InputError(
            "which runs made the transition? give --until 'phi=0:2.3', the region where it ends, "
            "or --committed if the last frame of each file is the transition"
        )
    if on_overlap == "keep":
        raise InputError("on_overlap is 'drop' or 'raise': no time of a run may count twice")
    if not 0 < kbt < math.inf:
        raise InputError(f"kbt must be positive, got {kbt}")
    files = input_paths(paths)
    ends = [str(region)] if region else []
    ends += ["the last frame"] if committed else []
    settings = {"kbt": f"{kbt:.10g}", "transition": ", else ".join(ends)}
    made = Provenance.of("read_rates", files, settings.items())
    runs = [
        read_run(
            path,
            kbt,
            until=region,
            committed=committed,
            bias=bias,
            no_bias=no_bias,
            period=period or {},
            on_bad=on_bad,
            on_overlap=on_overlap,
            n_threads=n_threads,
        )
        for path in files
    ]
    refuse_copies(runs)
    notes = [*(note for run in runs for note in run.notes), *_remarks(runs)]
    found = replace(Rates.of(runs, notes), provenance=made)
    for text in _doubts(found):
        warnings.warn(text, CyfesWarning, stacklevel=2)
    return found


def _remarks(runs: Sequence[Run]) -> list[str]:
    """Notes on what many runs may have in common, one for all of them."""
    late = [run for run in runs if run.begin != 0]
    heavy = [run for run in runs if run.heaviest > HEAVY]
    high = [run for run in runs if run.event and run.at_end > AT_TRANSITION]
    found = []
    if late:
        found.append(
            f"{_which(late, runs)} at a time other than 0, {late[0].begin:g}: times count from the "
            "first row"
        )
    if heavy:
        worst = max(heavy, key=lambda run: run.heaviest)
        found.append(
            f"one frame makes up to {worst.heaviest:.0%} of t* ({worst.path}; more than "
            f"{HEAVY:.0%} in {len(heavy)} of {len(runs)} runs): V between frames is not known, and "
            "frames written more often would tell more"
        )
    if high:
        worst = max(high, key=lambda run: run.at_end)
        found.append(
            f"V is up to {worst.at_end:.3g} kT at the transition ({worst.path}; more than "
            f"{AT_TRANSITION:g} kT in {len(high)} of {len(runs)} runs): where the bias reaches the "
            "transition state, t* is not that of the unbiased run"
        )
    return found


def _which(some: Sequence[Run], runs: Sequence[Run]) -> str:
    if len(runs) == 1:
        return f"{runs[0].path} begins"
    return f"{len(some)} of {len(runs)} runs, such as {some[0].path}, begin"


def _doubts(found: Rates) -> list[str]:
    """Warnings of results that may be wrong."""
    told = []
    lowest = min(found.runs, key=lambda run: run.lowest)
    if lowest.lowest < NEGATIVE:
        told.append(
            f"the bias is negative, down to {lowest.lowest:.3g} kT in {lowest.path}: t* is right "
            "only for a V that is 0 at the transition state"
        )
    compared = [run for run in found.runs if run.apart > math.log(APART)]
    if compared:
        worst = max(compared, key=lambda run: run.apart)
        told.append(
            f"PLUMED's acc, of every step, differs from alpha, of the frames, by a factor of more "
            f"than {APART:g} in {len(compared)} of {len(found.runs)} runs ({worst.path}: "
            f"{worst.told:.4g}, and {worst.acceleration:.4g}): look at --temp and --units; frames "
            "may be too few"
        )
    if found.test and found.test.p < SIGNIFICANT:
        told.append(
            f"p = {found.test.p:.2g}: the transition times are not those of a Poisson process, so "
            "that 1/tau is no rate: hills were deposited too often, or a slow CV is not biased"
        )
    return told
