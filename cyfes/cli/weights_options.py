"""The options of ``cyfes weights``: names, defaults and help texts, nothing else."""

import argparse

from cyfes.cli.options import (
    add_blocks,
    add_energy_of,
    add_grid,
    add_hills,
    add_input_format,
    add_on_bad,
    add_other_biases,
    add_period,
    add_regions,
    add_rows,
    weights_path,
)
from cyfes.cli.words import List


def add_weights(parser: argparse.ArgumentParser) -> None:
    """Options of ``cyfes weights``."""
    parser.usage = "cyfes weights [OPTION ...] --hills HILLS COLVAR ..."
    parser.epilog = (
        "V(s,t) of the hills before each frame, c(t), V(s,t_end), and ln w of each estimator.\n"
        "With --a or --b also dG = F(B) - F(A) by each of them and by the sum of the hills.\n"
        "Example: cyfes weights COLVAR --hills HILLS --temp 300 --b phi=0:2.3, then\n"
        "cyfes reweight weights.dat --cv psi --logweights logw.final --temp 300"
    )
    files = parser.add_argument_group("input")
    files.add_argument("files", nargs="+", metavar="COLVAR", help="COLVAR files, plain or gzip")
    add_hills(files, required=True)
    files.add_argument(
        "--cv",
        action=List,
        metavar="NAME,...",
        help="CVs that are written beside those of the hills and of the regions",
    )
    add_period(files, "of each CV, those of --cv first, then those of the regions")
    add_on_bad(files)
    add_other_biases(parser, "beside the hills")
    add_input_format(parser)
    add_regions(parser)
    add_energy_of(parser, "of hills and biases", "")
    add_grid(parser, "grid of c(t)")
    add_rows(parser)
    add_blocks(parser.add_argument_group("errors"))
    output = parser.add_argument_group("output")
    output.add_argument(
        "-o",
        "--outfile",
        type=weights_path,
        metavar="FILE",
        help="the table, text or .npy; - for the standard output (default weights.dat)",
    )
    running = parser.add_argument_group("running")
    running.add_argument(
        "--threads", metavar="N", default="0", help="threads (default 0: all cores)"
    )
    parser.set_defaults(rbias=False, logweights=None)
