"""What a user tells of files that do not tell it themselves: format, CVs, unit, bias factor."""

import math
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from cyfes.errors import InputError, quoted
from cyfes.units import UNIT_LABELS, parse_number

#: What a column of widths may hold.
WIDTHS = ("sigma", "2sigma")


@dataclass(frozen=True)
class Axis:
    """A CV: its name and, where they are given, its bounds as they are written.

    ``periodic``: the bounds are those of its period.
    """

    name: str
    bounds: tuple[str, str] | None = None
    periodic: bool = False

    @classmethod
    def parse(cls, text: str) -> "Axis":
        """Return the CV of a text such as ``phi=-pi:pi:periodic``, ``d=0:3`` or ``d``.

        Raises InputError for any other text.
        """
        name, equals, rest = text.strip().partition("=")
        low, *others = rest.split(":") if equals else [""]
        is_name = name.split() == [name] and ":" not in name
        if not is_name or others[1:] not in ([], ["periodic"]):
            raise InputError(
                f"--axes: {quoted(text)} is no CV; expected NAME, NAME=MIN:MAX or "
                "NAME=MIN:MAX:periodic"
            )
        if not equals:
            return cls(name)
        axis = cls(name, (low, others[0] if others else ""), len(others) == 2)
        first, last = (parse_number(end, f"--axes: {name}") for end in axis.need_bounds())
        if not (math.isfinite(last - first) and first < last):
            raise InputError(f"--axes: the bounds of {name} must be MIN < MAX, got {rest}")
        return axis

    def ends(self) -> list[tuple[str, str]]:
        """Return ("min", ...) and ("max", ...), nothing where there are no bounds."""
        return list(zip(("min", "max"), self.bounds or ()))

    def need_bounds(self) -> tuple[str, str]:
        """Return the bounds; InputError if there are none."""
        if self.bounds is None:
            raise InputError(f"--axes: {self.name} needs its bounds: {self.name}=MIN:MAX")
        return self.bounds


@dataclass(frozen=True)
class Reading:
    """What is told of the files that are read.

    ``format``: a name of cyfes.tables.formats.FORMATS, or empty. ``axes``: the CVs. ``units`` of
    energies. ``gamma``: bias factor, -1 of ordinary metadynamics. ``widths``: what hills of Colvars
    have, one of WIDTHS or empty. Raises InputError for anything else.
    """

    format: str = ""
    axes: tuple[Axis, ...] = ()
    units: str | None = None
    gamma: float | None = None
    widths: str = ""

    def __post_init__(self) -> None:
        _check_choice("units", self.units, UNIT_LABELS)
        _check_choice("--widths", self.widths or None, WIDTHS)
        if self.gamma is not None and not (self.gamma == -1 or self.gamma > 1):
            raise InputError(
                f"--gamma is above 1, or -1 for ordinary metadynamics; got {self.gamma:g}"
            )
        names = [axis.name for axis in self.axes]
        if len(set(names)) < len(names):
            raise InputError(f"--axes names a CV twice: {', '.join(names)}")

    def need_units(self, path: str, what: str) -> str:
        """Return the energy unit; InputError if it was not told."""
        if self.units is None:
            raise InputError(
                f"{path}: {what} are in the energy unit of the engine, which the file does not "
                "tell; say --units kcal/mol (NAMD, LAMMPS with units real) or --units kj/mol "
                "(GROMACS)"
            )
        return self.units

    def check_periods(self) -> None:
        """Raise InputError for bounds of a CV that is not periodic, which hills do not have."""
        for axis in self.axes:
            if axis.bounds is not None and not axis.periodic:
                raise InputError(
                    f"--axes: {axis.name} has bounds and is not periodic; of hills only periods "
                    f"are told: {axis.name}=MIN:MAX:periodic, or {axis.name} alone"
                )

    def check_tells(self, path: str, name: str, bounds: object) -> None:
        """Raise InputError if a file of PLUMED tells no period of a CV that is said to have one."""
        if bounds is None and any(axis.periodic and axis.name == name for axis in self.axes):
            raise InputError(
                f"{path}: --axes says that {name} is periodic, and the header that it is not; mend "
                "the header, or give the period of frames with --period"
            )

    def need_axes(self, path: str, example: str) -> tuple[Axis, ...]:
        """Return the CVs; InputError if they were not told."""
        if not self.axes:
            raise InputError(f"{path}: the file does not tell its CVs; say e.g. --axes {example}")
        return self.axes

    def need_gamma(self, path: str) -> float:
        """Return the bias factor; InputError if it was not told."""
        if self.gamma is None:
            raise InputError(
                f"{path}: the file does not tell the bias factor; say --gamma, (T + deltaT) / T of "
                "a well-tempered run, or -1 of ordinary metadynamics"
            )
        return self.gamma


def _check_choice(what: str, got: str | None, choices: Collection[str]) -> None:
    if got is not None and got not in choices:
        raise InputError(f"{what}: {quoted(got)} is none of {', '.join(choices)}")


_NOTHING = Reading()
_TOLD: ContextVar[Reading] = ContextVar("told", default=_NOTHING)


def told() -> Reading:
    """Return what is told of the files that are being read."""
    return _TOLD.get()


@contextmanager
def telling(given: Reading) -> Iterator[None]:
    """Tell what is read within the ``with`` block how to be read."""
    token = _TOLD.set(given)
    try:
        yield
    finally:
        _TOLD.reset(token)
