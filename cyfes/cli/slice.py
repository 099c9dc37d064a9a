"""``cyfes slice``: a surface of fewer CVs, the others at fixed values."""

import argparse

import numpy as np

from cyfes.cli.common import report
from cyfes.cli.surfaces import check_picture, fixed_values, surface_of, write
from cyfes.grid import Grid
from cyfes.interpolation import cell
from cyfes.provenance import Provenance


def run(arguments: argparse.Namespace) -> None:
    """Write a slice of a surface."""
    check_picture(arguments)
    at = fixed_values(arguments.at, "--at")
    made = Provenance.of(arguments.command_line, arguments.file)
    surface, kbt = surface_of(arguments.file, arguments, arguments.units)
    found = surface.slice(at)
    places = [(name, _place(surface.grid, name, value)) for name, value in at.items()]
    report({"read": arguments.file})
    report(places)
    write(found, arguments, kbt, made.then(*places), "slice.dat")


def _place(grid: Grid, name: str, value: float) -> str:
    """Where a value lies between the points of the grid."""
    i = grid.names.index(name)
    below, above, share = (x[0] for x in cell(grid, i, np.array([value])))
    points = grid.axes[i]
    if share == 0:
        return f"{value:.10g}, a point of the grid"
    return f"{value:.10g}, linear between the points {points[below]:.6g} and {points[above]:.6g}"
