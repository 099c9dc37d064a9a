"""The options of ``cyfes minima`` and ``cyfes path``: names, defaults and help texts."""

import argparse

from cyfes.cli.options import (
    add_blocks,
    add_cvs,
    add_grid,
    add_input_format,
    add_kernel,
    add_on_bad,
    add_persistence,
    add_rows,
    add_running,
    add_weighing,
    table_path,
)
from cyfes.cli.surface_options import add_energy


def add_minima(parser: argparse.ArgumentParser) -> None:
    """Options of ``cyfes minima``."""
    parser.usage = "cyfes minima [OPTION ...] FES | COLVAR ..."
    parser.epilog = (
        "A barrier is the height of the lowest of all ways on the grid; points where F is not\n"
        "known are walls. The probability of a basin is its share of sum exp(-F / kBT). Errors\n"
        "need the frames: give COLVAR files, with the options of 'cyfes reweight'.\n"
        "Example: cyfes minima fes.dat --temp 300 --plot minima.png"
    )
    files = _add_input(parser)
    add_persistence(parser.add_argument_group("basins"))
    add_energy(parser)
    _add_frames(parser, files)
    output = parser.add_argument_group("output")
    output.add_argument(
        "-o",
        "--outfile",
        type=table_path,
        metavar="FILE",
        help="table of the minima, - for the standard output (default: only the report)",
    )
    output.add_argument(
        "--saddles",
        type=table_path,
        metavar="FILE",
        help="table of the saddles between all pairs (default: none)",
    )
    output.add_argument(
        "--basins",
        metavar="FILE",
        help="the number of the basin of each point as a grid, .dat or .npz, -1 where F is not "
        "known, as 'cyfes assign --basins' takes it (default: none)",
    )
    output.add_argument("--plot", metavar="FILE", help="also draw a picture: .png, .pdf or .svg")


def add_path(parser: argparse.ArgumentParser) -> None:
    """Options of ``cyfes path``."""
    parser.usage = "cyfes path [OPTION ...] --from A --to B FES | COLVAR ..."
    parser.epilog = (
        "The lowest of all ways on the grid, then a string that relaxes on a spline through F\n"
        "until no gradient is left across it; needs scipy. Errors need the frames: give COLVAR\n"
        "files, with the options of 'cyfes reweight'.\n"
        "Example: cyfes path fes.dat --temp 300 --from 0 --to phi=1.0,psi=-1.2 --plot path.png"
    )
    files = _add_input(parser)
    path = parser.add_argument_group("path")
    for name, other in (("a", "from"), ("b", "to")):
        path.add_argument(
            f"--{other}",
            dest=name,
            metavar=name.upper(),
            required=True,
            help="number of a basin, 0 the lowest, as 'cyfes minima' counts them; or a point, "
            "CV=VALUE,... of all CVs, from which the way leads down to its minimum first",
        )
    path.add_argument(
        "--points", metavar="N", default="101", help="points on the path (default 101)"
    )
    path.add_argument(
        "--scale",
        metavar="S,...",
        help="what each CV is divided by before lengths and directions are compared, one per CV; "
        "matters where the CVs have different units (default 1)",
    )
    add_persistence(path)
    add_energy(parser)
    _add_frames(parser, files)
    output = parser.add_argument_group("output")
    output.add_argument(
        "-o",
        "--outfile",
        type=table_path,
        metavar="FILE",
        help="table of the path: length, CVs, F above that of A; - for the standard output "
        "(default path.dat)",
    )
    output.add_argument("--plot", metavar="FILE", help="also draw a picture: .png, .pdf or .svg")


def _add_input(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    files = parser.add_argument_group("input")
    files.add_argument(
        "files",
        nargs="+",
        metavar="FES",
        help="surface: .dat (PLUMED grid), .cube or .npz; or COLVAR files, which give errors too",
    )
    return files


def _add_frames(parser: argparse.ArgumentParser, files: argparse._ArgumentGroup) -> None:
    """The options of ``cyfes reweight`` for frames."""
    add_cvs(files)
    add_on_bad(files)
    add_input_format(parser)
    add_weighing(parser)
    add_kernel(parser)
    add_grid(parser)
    add_rows(parser)
    add_blocks(parser.add_argument_group("errors"))
    add_running(parser, explains=False)
    parser.set_defaults(stream=False, explain=False, error=True)
