"""``cyfes plot``: a picture of a surface in a file."""

import argparse
from dataclasses import replace
from pathlib import Path

from cyfes.cli.common import positive, report
from cyfes.errors import InputError
from cyfes.fes import FreeEnergySurface
from cyfes.plot import save_plot


def run(arguments: argparse.Namespace) -> None:
    """Draw a surface file."""
    surface = read_surface(arguments.file)
    if arguments.units is not None:
        surface = replace(surface, units=arguments.units)
    outfile = arguments.outfile or str(Path(arguments.file).with_suffix(".png"))
    save_plot(surface, outfile, vmax=positive(arguments.vmax, "--vmax"))
    report({"written": outfile})


def read_surface(path: str) -> FreeEnergySurface:
    """Return the surface in a file, its format told by the suffix."""
    suffix = Path(path).suffix
    if suffix == ".npz":
        return FreeEnergySurface.from_npz(path)
    if suffix in (".cube", ".cub"):
        return FreeEnergySurface.from_cube(path)
    if suffix in (".png", ".pdf", ".svg"):
        raise InputError(f"{path} is a picture; expected a .dat, .cube or .npz file")
    return FreeEnergySurface.from_dat(path)
