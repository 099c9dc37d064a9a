"""The options of ``cyfes converge``: names, defaults and help texts, nothing else."""

import argparse

from cyfes.cli.options import (
    add_blocks,
    add_energy_of,
    add_grid,
    add_input_format,
    add_on_bad,
    add_order,
    add_period,
    add_regions,
    add_rows,
    add_running,
    add_sigma,
    add_weighing,
    table_path,
)
from cyfes.cli.words import List


def add_converge(parser: argparse.ArgumentParser) -> None:
    """Options of ``cyfes converge``."""
    parser.usage = "cyfes converge [OPTION ...] HILLS ... | COLVAR ..."
    parser.epilog = (
        "One row for each part of the run: the distance of its surface from that of all, and with\n"
        "--a or --b the free energy difference of regions; forwards and backwards.\n"
        "Example: cyfes converge COLVAR --temp 300 --b phi=0:2.3 --target 0.5 --plot course.png"
    )
    files = parser.add_argument_group("input")
    files.add_argument(
        "files", nargs="+", metavar="FILE", help="HILLS files, or COLVAR files, plain or gzip"
    )
    add_order(files, ", default")
    files.add_argument(
        "--cv",
        action=List,
        metavar="NAME,...",
        help="1 to 4 CVs of COLVAR files (default: where the header leaves no doubt)",
    )
    add_period(files, "of each CV")
    add_on_bad(files)
    add_input_format(parser)
    parts = parser.add_argument_group("parts of the run")
    parts.add_argument("--stride", metavar="N", help="a row after every N hills or frames")
    parts.add_argument("--rows", metavar="N", help="so many rows instead (default 20)")
    parts.add_argument(
        "--log", action="store_true", help="rows at logarithmic distances, from a 1000th on"
    )
    parts.add_argument(
        "--below",
        metavar="E",
        help="the distance counts points where F of all is less than this above its minimum, in "
        "the unit of the result (default 10 kT)",
    )
    parts.add_argument(
        "--target",
        metavar="E",
        help="also tell how much longer the run must be for an error of this, in the unit of the "
        "result",
    )
    add_regions(parser)
    add_weighing(parser)
    add_energy_of(parser, "in the files", "; for COLVAR files, --a and --b")
    add_sigma(parser.add_argument_group("kernel"))
    add_grid(parser)
    add_rows(parser)
    add_blocks(parser.add_argument_group("errors"))
    output = parser.add_argument_group("output")
    output.add_argument(
        "--outfile",
        type=table_path,
        metavar="FILE",
        help="the table, - for the standard output (default converge.dat)",
    )
    output.add_argument("--plot", metavar="FILE", help="also draw a picture: .png, .pdf or .svg")
    add_running(parser, explains=False)
