"""The options of the commands that take surfaces: names, defaults and help texts, nothing else."""

import argparse

from cyfes.cli.options import (
    UNITS,
    add_format,
    add_input_format,
    add_on_bad,
    add_persistence,
    add_rows,
    output_path,
    table_path,
)
from cyfes.cli.words import Box, List, Told


def add_project(parser: argparse.ArgumentParser) -> None:
    """Options of ``cyfes project``."""
    parser.usage = "cyfes project [OPTION ...] --cv CV,... FES"
    parser.epilog = (
        "F(s) = -kBT ln integral exp(-F / kBT) over the other CVs, summed over the points of the\n"
        "grid. The errors of a projection are not those of F: frames have them, as by\n"
        "cyfes reweight COLVAR --cv phi --error.\n"
        "Example: cyfes project fes.dat --cv phi --temp 300"
    )
    _add_surface(parser)
    parser.add_argument(
        "--cv", action=List, metavar="NAME,...", required=True, help="the CVs that stay, in order"
    )
    add_energy(parser)
    _add_output(parser, "project.dat")


def add_slice(parser: argparse.ArgumentParser) -> None:
    """Options of ``cyfes slice``."""
    parser.usage = "cyfes slice [OPTION ...] --at CV=VALUE,... FES"
    parser.epilog = (
        "F where some CVs are fixed: linear between the neighbouring points of the grid, which\n"
        "the report names. Nothing is averaged; 'cyfes project' integrates.\n"
        "Example: cyfes slice fes.dat --at psi=0.5"
    )
    _add_surface(parser)
    parser.add_argument(
        "--at", action=Box, metavar="CV=VALUE,...", required=True, help="the CVs that are fixed"
    )
    add_energy(parser)
    _add_output(parser, "slice.dat")


def add_assign(parser: argparse.ArgumentParser) -> None:
    """Options of ``cyfes assign``."""
    parser.usage = "cyfes assign [OPTION ...] --fes FES COLVAR ..."
    parser.epilog = (
        "A frame is in the basin of the nearest point of the surface's grid; -1 is none. The CVs\n"
        "are those of the surface. Frames are numbered from 0 in each COLVAR file, rows that a\n"
        "restart wrote again left out; a trajectory may have been written less often.\n"
        "Example: cyfes assign COLVAR --fes fes.dat --temp 300 --ndx basins.ndx, then\n"
        "gmx trjconv -f traj.xtc -fr basins.ndx, or gmx extract-cluster -clusters basins.ndx"
    )
    files = parser.add_argument_group("input")
    files.add_argument("files", nargs="+", metavar="COLVAR", help="COLVAR files, plain or gzip")
    source = files.add_mutually_exclusive_group(required=True)
    source.add_argument("--fes", metavar="FES", help="surface: .dat (PLUMED grid), .cube or .npz")
    source.add_argument(
        "--basins",
        metavar="FILE",
        help="a grid of numbers of basins instead, of any origin; below 0 is none",
    )
    files.add_argument(
        "--period",
        action=List,
        metavar="MIN:MAX,...",
        help="period of each CV of the surface in the COLVAR files, '-' for none (default: from "
        "their header)",
    )
    add_on_bad(files)
    add_input_format(parser)
    add_persistence(parser.add_argument_group("basins"))
    add_energy(parser, converts=False)
    add_rows(parser)
    output = parser.add_argument_group("output")
    output.add_argument(
        "-o",
        "--outfile",
        type=table_path,
        metavar="FILE",
        help="table of all frames: time, basin, frame, file; - for the standard output (default "
        "assign.dat)",
    )
    output.add_argument(
        "--ndx",
        metavar="FILE",
        help="also an index file of GROMACS, a group per basin, frames counted from 1, as for "
        "trjconv -fr",
    )
    output.add_argument(
        "--frames",
        metavar="PREFIX",
        help="also a text file per basin, PREFIX + basin0.txt, frames counted from 0, as for "
        "MDAnalysis and mdtraj",
    )
    output.add_argument(
        "--trajectory-every",
        metavar="N",
        default="1",
        help="the trajectory has a frame for every N-th row of a COLVAR file, its first one "
        "included (default 1)",
    )


def add_diff(parser: argparse.ArgumentParser) -> None:
    """Options of ``cyfes diff``."""
    parser.usage = "cyfes diff [OPTION ...] A B"
    parser.epilog = (
        "A - B - c, c the mean of A - B: a free energy is known up to a constant. Points count\n"
        "where both surfaces are known. B is converted to the unit of A.\n"
        "Example: cyfes diff first.dat second.dat --below 40 --plot diff.png"
    )
    parser.add_argument("files", nargs=2, metavar="FES", help="surfaces A and B: .dat, .cube, .npz")
    add_input_format(parser)
    parser.add_argument(
        "--below",
        metavar="E",
        help="compare only points less than this above the minimum of both, in the unit of A "
        "(default: all points where both are known)",
    )
    parser.add_argument(
        "--interpolate",
        action="store_true",
        help="take B linearly between its points where the grids differ (default: refuse)",
    )
    energy = parser.add_argument_group("energy")
    energy.add_argument(
        "--units",
        action=List,
        metavar="UNIT,...",
        help="energy unit of files that do not tell it, .dat: one for both, or one for A and one "
        f"for B, of {', '.join(UNITS)} (default kj/mol)",
    )
    energy.add_argument(
        "--to-units", choices=UNITS, help="energy unit of the output (default: that of A)"
    )
    energy.add_argument(
        "--temp", metavar="K", help="temperature in kelvin, where one is in kT and no file tells it"
    )
    output = parser.add_argument_group("output")
    output.add_argument(
        "-o",
        "--outfile",
        type=output_path,
        metavar="FILE",
        help=".dat, .npz or .cube file of A - B - c, - for the standard output (default: none)",
    )
    add_format(output)
    output.add_argument("--plot", metavar="FILE", help="also draw a picture: .png, .pdf or .svg")


def _add_surface(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FES", help="surface: .dat (PLUMED grid), .cube or .npz")
    add_input_format(parser)


def add_energy(parser: argparse.ArgumentParser, converts: bool = True) -> None:
    """Add the options of a unit and of kBT, which a file may tell itself."""
    group = parser.add_argument_group("energy")
    group.add_argument("--kt", metavar="E", help="kBT in --units (default: as the file tells)")
    group.add_argument("--temp", metavar="K", help="temperature in kelvin, instead of --kt")
    group.add_argument(
        "--units",
        action=Told,
        choices=UNITS,
        help="energy unit of a surface that does not tell it, a .dat, and of --kt (default kj/mol)",
    )
    if converts:
        group.add_argument(
            "--to-units",
            choices=UNITS,
            help="energy unit of the output (default: that of the file)",
        )


def _add_output(parser: argparse.ArgumentParser, default: str) -> None:
    group = parser.add_argument_group("output")
    group.add_argument(
        "-o",
        "--outfile",
        type=output_path,
        metavar="FILE",
        help=f".dat, .npz or .cube file, - for the standard output (default {default})",
    )
    add_format(group)
    group.add_argument(
        "--mintozero", action="store_true", help="shift the lowest value to zero (default: no)"
    )
    group.add_argument("--plot", metavar="FILE", help="also draw a picture: .png, .pdf or .svg")
