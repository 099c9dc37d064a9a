"""``cyfes slice``: a surface of fewer CVs, the others at fixed values."""

import argparse
from collections.abc import Sequence

import numpy as np

from cyfes.cli.common import report
from cyfes.cli.surfaces import check_picture, surface_of, write
from cyfes.errors import InputError, quoted
from cyfes.grid import Grid
from cyfes.interpolation import cell
from cyfes.provenance import Provenance
from cyfes.units import parse_number


def run(arguments: argparse.Namespace) -> None:
    """Write a slice of a surface."""
    check_picture(arguments)
    at = fixed_values(arguments.at)
    made = Provenance.of(arguments.command_line, arguments.file)
    surface, kbt = surface_of(arguments.file, arguments, arguments.units)
    found = surface.slice(at)
    places = [(name, _place(surface.grid, name, value)) for name, value in at.items()]
    report({"read": arguments.file})
    report(places)
    write(found, arguments, kbt, made.then(*places), "slice.dat")


def fixed_values(entries: Sequence[str]) -> dict[str, float]:
    """Return the values of --at by CV."""
    at: dict[str, float] = {}
    for entry in (part for text in entries for part in text.split(",")):
        name, equals, value = entry.rpartition("=")
        if not equals or not name.strip():
            raise InputError(f"--at: {quoted(entry)} is no CV=VALUE, as in --at psi=0.5")
        if name.strip() in at:
            raise InputError(f"--at: {name.strip()} is given twice")
        at[name.strip()] = parse_number(value, f"--at {name.strip()}")
    return at


def _place(grid: Grid, name: str, value: float) -> str:
    """Where a value lies between the points of the grid."""
    i = grid.names.index(name)
    below, above, share = (x[0] for x in cell(grid, i, np.array([value])))
    points = grid.axes[i]
    if share == 0:
        return f"{value:.10g}, a point of the grid"
    return f"{value:.10g}, linear between the points {points[below]:.6g} and {points[above]:.6g}"
