"""What the commands share that take surfaces from files and write others."""

import argparse
import os
from collections.abc import Sequence
from dataclasses import replace

from cyfes.basins import Basins
from cyfes.cli.common import describe_minima, in_units, report, thermal
from cyfes.errors import InputError, quoted
from cyfes.provenance import Provenance
from cyfes.surface import Surface
from cyfes.tables import TableReader, format_of, kind_of
from cyfes.units import UNIT_LABELS, parse_number


def is_surface(path: str) -> bool:
    """Return whether a file holds a surface; of a pipe, which would lose what is read, if told."""
    if "frames" not in format_of(path, "surface").gives:
        return True
    if not os.path.isfile(path):
        return False
    reader = TableReader(path, allow_nonfinite=True)
    reader.close()
    return kind_of(reader.header) == "grid"


def surface_of(
    path: str, arguments: argparse.Namespace, units: str | None
) -> tuple[Surface, float | None]:
    """Return (the surface of a file, kBT in its unit as the options or the file tell it).

    ``units`` of a file that does not tell them. Raises InputError if options and file disagree.
    """
    surface = Surface.read(path, units)
    check_units(path, surface, units)
    given = thermal(argparse.Namespace(**{**vars(arguments), "units": surface.units}))
    told = surface.kbt
    if arguments.kt is None and arguments.temp is None:
        return surface, given if told is None else told
    if told is not None and given is not None and abs(given - told) > 1e-3 * told:
        unit = UNIT_LABELS[surface.units]
        raise InputError(
            f"{path} was made with kBT = {told:.6g} {unit}, the options say {given:.6g} {unit}; "
            "leave --kt and --temp out"
        )
    return surface, given


def check_units(path: str, surface: Surface, units: str | None) -> None:
    """Raise InputError if a file tells other units than the option."""
    if units not in (None, surface.units):
        raise InputError(
            f"{path} tells that it is in {UNIT_LABELS[surface.units]}, not "
            f"{UNIT_LABELS[str(units)]}: say --units {surface.units}; --to-units converts"
        )


def needed(kbt: float | None, path: str, surface: Surface) -> float:
    """Return kBT; InputError, with the remedy, if nothing told it."""
    if kbt is None:
        unit = UNIT_LABELS[surface.units]
        raise InputError(f"{path} does not tell kBT: give --kt in {unit}, or --temp in kelvin")
    return kbt


def basins_of(path: str, arguments: argparse.Namespace, units: str | None) -> Basins:
    """Return the basins of the surface in a file, less shallow than --persistence."""
    surface, kbt = surface_of(path, arguments, units)
    persistence = parse_number(arguments.persistence, "--persistence")
    return surface.basins(persistence, needed(kbt, path, surface))


def write(
    surface: Surface, arguments: argparse.Namespace, kbt: float | None, made: Provenance, path: str
) -> Surface:
    """Write a surface as the options say, and a picture, and report both; return what was written.

    ``path``: where --outfile names none.
    """
    check_picture(arguments)
    shown = in_units(surface, arguments, kbt)
    shown = shown.shifted() if arguments.mintozero else shown
    shown = replace(shown, provenance=made)
    path = arguments.outfile or path
    shown.write(path, fmt=arguments.fmt, provenance=True)
    report({"CVs": shown.grid, "energy unit": UNIT_LABELS[shown.units], "written": path})
    report(describe_minima(shown))
    if arguments.plot:
        from cyfes.plot import save_plot

        save_plot(shown, arguments.plot)
        report({"written": arguments.plot})
    return shown


def fixed_values(entries: Sequence[str], option: str) -> dict[str, float]:
    """Return the values of an option such as ``--at psi=0.5`` by CV."""
    at: dict[str, float] = {}
    for entry in (part for text in entries for part in text.split(",")):
        name, equals, value = entry.rpartition("=")
        if not equals or not name.strip():
            raise InputError(f"{option}: {quoted(entry)} is no CV=VALUE, as in {option} psi=0.5")
        if name.strip() in at:
            raise InputError(f"{option}: {name.strip()} is given twice")
        at[name.strip()] = parse_number(value, f"{option} {name.strip()}")
    return at


def check_picture(arguments: argparse.Namespace) -> None:
    """Refuse a picture of no known format, before anything is computed or written."""
    if arguments.plot:
        from cyfes.plot import picture_format

        picture_format(arguments.plot)
