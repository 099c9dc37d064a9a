"""The options of ``cyfes opes``: names, defaults and help texts, nothing else."""

import argparse

from cyfes.cli.options import (
    add_energy_of,
    add_grid,
    add_on_bad,
    add_output,
    add_running,
)
from cyfes.cli.words import Files, List


def add_opes(parser: argparse.ArgumentParser) -> None:
    """Options of ``cyfes opes``."""
    parser.usage = "cyfes opes [OPTION ...] STATE | KERNELS"
    parser.epilog = (
        "F(s) = -kBT ln(P(s) / Z + epsilon), in OPES_METAD_EXPLORE gamma times that.\n"
        "Of a KERNELS file the kernels are first merged as OPES merges them.\n"
        "Example: cyfes opes STATE --temp 300 --all, or --colvar COLVAR"
    )
    files = parser.add_argument_group("input")
    files.add_argument("file", metavar="STATE", help="STATE or KERNELS file, plain or gzip")
    add_on_bad(files)
    states = parser.add_argument_group("states")
    which = states.add_mutually_exclusive_group()
    which.add_argument(
        "--all",
        action="store_true",
        help="a surface of every state that the file stores (default: of the last)",
    )
    which.add_argument(
        "--stride",
        metavar="N",
        help="a surface of every N-th state, or after every N kernels of a KERNELS file, and of "
        "the last state",
    )
    add_energy_of(parser, "of the bias", "")
    add_grid(parser)
    check = parser.add_argument_group("check")
    check.add_argument(
        "--colvar",
        action=Files,
        metavar="FILE,...",
        help="COLVAR files of the run: also say whether F of the frames agrees within its errors",
    )
    check.add_argument(
        "--bias",
        action=List,
        metavar="NAME,...",
        help="bias columns of --colvar, summed (default: the only *.bias)",
    )
    check.add_argument(
        "--skip",
        metavar="N",
        help="rows of --colvar left out at the beginning of each file, a number or a share such as "
        "10%% (default 0)",
    )
    output = add_output(parser, "fes.dat; with --all or --stride the prefix fes_")
    output.add_argument("--plot", metavar="FILE", help="also draw a picture: .png, .pdf or .svg")
    add_running(parser, on_gpu=False)
