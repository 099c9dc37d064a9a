"""The options of ``cyfes umbrella``: names, defaults and help texts, nothing else."""

import argparse

from cyfes.cli.options import (
    add_cvs,
    add_energy_of,
    add_errors,
    add_grid,
    add_input_format,
    add_kernel,
    add_on_bad,
    add_other_biases,
    add_output,
    add_radial,
    add_rows,
    add_running,
    table_path,
)


def add_umbrella(parser: argparse.ArgumentParser) -> None:
    """Options of ``cyfes umbrella``."""
    parser.usage = "cyfes umbrella [OPTION ...] WINDOWS ..."
    parser.epilog = (
        "Each line of WINDOWS is 'FILE CENTER K [CORRELATION [TEMPERATURE]]', with one CENTER and\n"
        "one K per CV, of the restraint K (x - CENTER)^2 / 2; or a header names the columns:\n"
        "'#! FIELDS file at_phi kappa_phi'. FILE is a COLVAR file or an .xvg file.\n"
        "Example: cyfes umbrella windows.dat --temp 300 --error --plot fes.png\n"
        "deltag, minima, path and reweight take the same list with --weights mbar."
    )
    files = parser.add_argument_group("input")
    files.add_argument(
        "files",
        nargs="+",
        metavar="WINDOWS",
        help="lists of windows; or COLVAR files with columns LABEL.phi_cntr and LABEL.phi_kappa",
    )
    add_cvs(files)
    add_on_bad(files)
    add_input_format(parser)
    add_other_biases(parser, "that all windows share")
    add_energy_of(parser, "of the restraints", "")
    add_kernel(parser)
    add_grid(parser)
    add_rows(parser)
    add_errors(parser)
    add_radial(parser)
    output = add_output(parser, "fes.dat")
    output.add_argument("--plot", metavar="FILE", help="also draw a picture: .png, .pdf or .svg")
    output.add_argument(
        "--windows",
        type=table_path,
        metavar="FILE",
        help="also a table of the windows: restraint, frames, free energy with its error, "
        "correlation time, overlap",
    )
    output.add_argument(
        "--overlap",
        type=table_path,
        metavar="FILE",
        help="also the overlap matrix: how likely a frame of one window is one of another",
    )
    add_running(parser)
    parser.set_defaults(
        weights="mbar",
        stream=False,
        rbias=False,
        **dict.fromkeys(("hills", "biasfactor", "heights", "logweights")),
    )
