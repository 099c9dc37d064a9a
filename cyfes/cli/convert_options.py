"""The options of ``cyfes convert``: names, defaults and help texts, nothing else."""

import argparse

from cyfes.cli.options import UNITS, add_input_format, add_on_bad, output_path
from cyfes.cli.words import List, Told

#: What a file can become.
TARGETS = ("hills", "colvar", "grid", "csv")


def add_convert(parser: argparse.ArgumentParser) -> None:
    """Options of ``cyfes convert``."""
    parser.usage = "cyfes convert [OPTION ...] FILE -o OUT"
    parser.epilog = (
        "Whatever a command says of a file it says of what the file is converted to.\n"
        "Example: cyfes convert run.colvars.traj -o COLVAR; docs/formats.md has one for each format"
    )
    files = parser.add_argument_group("input")
    files.add_argument("file", metavar="FILE", help="hills, frames or a surface, of any format")
    files.add_argument(
        "--columns",
        action=List,
        metavar="NAME,...",
        help="columns of frames that are written (default: all)",
    )
    add_on_bad(files)
    add_input_format(parser)
    energy = parser.add_argument_group("energy")
    energy.add_argument(
        "--units",
        action=Told,
        choices=UNITS,
        help="energy unit of the file, where it does not tell; nothing is converted",
    )
    output = parser.add_argument_group("output")
    output.add_argument(
        "-o",
        "--outfile",
        type=output_path,
        metavar="FILE",
        required=True,
        help="output, - for the standard output; of a surface .dat, .npz or .cube",
    )
    output.add_argument(
        "--to",
        choices=TARGETS,
        help="what is written (default: hills, colvar or grid, as the file)",
    )
