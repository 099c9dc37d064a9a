"""``cyfes plot``: a picture of a surface in a file."""

import argparse
from dataclasses import replace
from pathlib import Path

from cyfes.cli.common import positive, report
from cyfes.fes import FreeEnergySurface
from cyfes.plot import save_plot
from cyfes.units import UNIT_LABELS


def run(arguments: argparse.Namespace) -> None:
    """Draw a surface file."""
    surface = FreeEnergySurface.read(arguments.file, arguments.units)
    if arguments.units is not None:
        surface = replace(surface, units=arguments.units)
        report({"energy unit": f"{UNIT_LABELS[arguments.units]}, as given; nothing is converted"})
    outfile = arguments.outfile or str(Path(arguments.file).with_suffix(".png"))
    save_plot(surface, outfile, vmax=positive(arguments.vmax, "--vmax"))
    report({"written": outfile})
