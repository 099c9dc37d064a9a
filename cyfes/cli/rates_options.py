"""The options of ``cyfes rates``: names, defaults and help texts, nothing else."""

import argparse

from cyfes.cli.options import add_bad_rows, add_input_format, add_kbt, add_period, table_path
from cyfes.cli.words import Box, List


def add_rates(parser: argparse.ArgumentParser) -> None:
    """Options of ``cyfes rates``."""
    parser.usage = "cyfes rates [OPTION ...] COLVAR ..."
    parser.epilog = (
        "Each COLVAR is a run of infrequent metadynamics that begins in one state. The time until\n"
        "its transition becomes t* = sum dt exp(V / kBT); tau = sum t* / number of transitions.\n"
        "Example: cyfes rates 'run*/COLVAR' --temp 300 --until phi=0:2.3 --plot times.png"
    )
    files = parser.add_argument_group("input")
    files.add_argument("files", nargs="+", metavar="COLVAR", help="COLVAR files, one per run")
    add_period(files, "of each CV of --until")
    add_bad_rows(files)
    files.add_argument(
        "--on-overlap",
        choices=("drop", "raise"),
        default="drop",
        help="rows that a restart from an older checkpoint has again: leave out the older ones, "
        "whose time would count twice (drop, default), or stop (raise)",
    )
    add_input_format(parser)
    ends = parser.add_argument_group("transition")
    ends.add_argument(
        "--until",
        action=Box,
        metavar="CV=LOW:HIGH,...",
        help="the transition is the first frame with LOW <= CV < HIGH for all these CVs; across "
        "the end of a period where LOW > HIGH; repeated, regions are joined. Runs that do not get "
        "there are censored",
    )
    ends.add_argument(
        "--committed",
        action="store_true",
        help="the last frame of a file is the transition, where --until tells none: for runs that "
        "were stopped there, as by COMMITTOR",
    )
    bias = parser.add_argument_group("bias").add_mutually_exclusive_group()
    bias.add_argument(
        "--bias",
        action=List,
        metavar="NAME,...",
        help="bias columns, summed (default: the only *.bias)",
    )
    bias.add_argument("--no-bias", action="store_true", help="runs without bias: t* = t")
    add_kbt(parser, "of the bias", "")
    output = parser.add_argument_group("output")
    output.add_argument(
        "-o",
        "--outfile",
        type=table_path,
        metavar="FILE",
        help="also the table of the runs as a file, - for the standard output",
    )
    output.add_argument("--plot", metavar="FILE", help="also draw a picture: .png, .pdf or .svg")
    running = parser.add_argument_group("running")
    running.add_argument(
        "--threads", metavar="N", default="0", help="threads that read (default 0: all cores)"
    )
