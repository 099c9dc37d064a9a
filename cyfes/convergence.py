"""How a result came about while the run went on, and how much longer the run should be."""

import math
from dataclasses import dataclass, replace
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from cyfes.columns import Columns
from cyfes.errors import InputError
from cyfes.fes import FreeEnergySurface
from cyfes.provenance import Provenance
from cyfes.regions import TwoRegions
from cyfes.units import UNIT_LABELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False)
class Course:
    """What longer and longer parts of a run tell, ``counts`` int64[k] frames or hills each.

    ``rms`` float64[k]: distance of F from that of all (see ``distance``); ``differences`` None or
    float64[k]: free energy differences of two regions.
    """

    counts: np.ndarray
    rms: np.ndarray
    differences: np.ndarray | None = None

    def scaled(self, factor: float) -> "Course":
        """Return the same in another unit of energy."""
        found = None if self.differences is None else self.differences * factor
        return replace(self, rms=self.rms * factor, differences=found)


@dataclass(frozen=True, eq=False)
class Convergence:
    """The course of a run, of ``what`` ("frames" or "hills"), forwards and backwards.

    ``forwards``: from the beginning on; ``backwards``: frames from the end on, or, of hills, the
    mean of the surfaces from a time on. ``times`` float64[k]: of the last frame or hill of each
    forward part, nan where none is told; ``began``: of the first. ``surface``: that of all, in its
    unit as all energies here. ``below``: how high above its minimum points count for ``rms``.
    ``error``: the standard error of the difference of ``regions``, or, without these, the root of
    the mean square of that of F at these points; nan where none is known. ``problem`` says why it
    is a lower bound, or is empty; ``notes`` are remarks.
    """

    what: str
    surface: FreeEnergySurface
    forwards: Course
    backwards: Course
    times: np.ndarray
    began: float
    below: float
    regions: TwoRegions | None = None
    error: float = math.nan
    problem: str = ""
    notes: tuple[str, ...] = ()

    def columns(self) -> Columns:
        """Return the table of all parts: time, frames or hills, distances, differences."""
        columns = {"time": self.times.tolist(), "n": self.forwards.counts.tolist()}
        for name, course in (("forwards", self.forwards), ("backwards", self.backwards)):
            columns[f"rms_{name}"] = course.rms.tolist()
            if course.differences is not None:
                columns[f"dG_{name}"] = course.differences.tolist()
        return Columns.of(list(columns), list(zip(*columns.values())))

    def table(self) -> str:
        """Return the table as text, with a title."""
        unit = UNIT_LABELS[self.surface.units]
        title = f"{len(self.times)} parts of {self.forwards.counts[-1]} {self.what}, in {unit}"
        return "\n".join([title, *self.columns().lines()])

    def converted(self, factor: float, surface: FreeEnergySurface) -> "Convergence":
        """Return the same in the unit of ``surface``, ``factor`` times as many of it."""
        return replace(
            self,
            surface=surface,
            forwards=self.forwards.scaled(factor),
            backwards=self.backwards.scaled(factor),
            below=self.below * factor,
            error=self.error * factor,
        )

    def longer(self, target: float) -> float:
        """Return how many times as long a run must be for an error of ``target``: (error/target)^2.

        As errors of independent blocks fall like 1 / sqrt(t); a lower bound where there is a
        ``problem``, nan where no error is known. Raises InputError for target <= 0.
        """
        if not 0 < target < math.inf:
            raise InputError(f"target must be positive, got {target}")
        return (self.error / target) ** 2

    def forecast(self, target: float) -> str:
        """Return in words what an error of ``target`` takes, and whether that can be told."""
        factor, unit = self.longer(target), UNIT_LABELS[self.surface.units]
        if math.isnan(factor):
            return (
                f"not told: the {self.what} tell no error that falls with time; give the COLVAR "
                "file of the run"
            )
        now = f"the error is {self.error:.3g} {unit} now"
        if self.problem:
            return (
                f"not told: {self.problem}; {now} or more, so that at least "
                f"{self._more(max(factor, 1.0))} needed"
            )
        if factor <= 1:
            return f"none: {now}"
        return f"{self._more(factor)} needed: {now} and falls like 1 / sqrt(t)"

    def _more(self, factor: float) -> str:
        """How much more than what there is."""
        count = (factor - 1) * int(self.forwards.counts[-1])
        more = f"{count:.3g} more {self.what}"
        span = float(self.times[-1]) - self.began
        return f"{more}, a time of {(factor - 1) * span:.3g}, are" if span > 0 else f"{more} are"

    def write(self, path: str | PathLike, provenance: Provenance | None = None) -> None:
        """Write the table (see Columns.write) and what it says; raises OutputError."""
        made = provenance or Provenance("Convergence.write")
        self.columns().write(path, made.then(*self._settings().items()))

    def _settings(self) -> dict[str, object]:
        """What the numbers mean."""
        found: dict[str, object] = {"of": self.what, "units": self.surface.units}
        if self.surface.kbt is not None:
            found["kbt"] = f"{self.surface.kbt:.10g}"
        found["below"] = f"{self.below:.10g}"
        if self.regions is not None:
            found["regions"] = self.regions
        if not math.isnan(self.error):
            found["error"] = f"{self.error:.6g}"
        return found

    def plot(self, ax: "Axes | None" = None) -> Any:
        """Draw the course on matplotlib Axes and return them (see plot_course.plot_convergence)."""
        from cyfes.plot_course import plot_convergence

        return plot_convergence(self, ax)


def distance(values: np.ndarray, reference: np.ndarray, below: float) -> float:
    """Return the RMS distance of two surfaces where the ``reference`` is below a height.

    sqrt(<(F - F_ref - <F - F_ref>)^2>) over the grid points at which F_ref is less than ``below``
    above its minimum: the mean aligns them. inf where F is inf at one of these points.
    """
    with np.errstate(invalid="ignore"):
        apart = (values - reference)[reference - reference.min() < below]
    if not np.isfinite(apart).all():
        return math.inf
    return float(apart.std())
