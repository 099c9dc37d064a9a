"""The options of every command: names, defaults and help texts, nothing else."""

import argparse

from cyfes.cli.console import STDOUT
from cyfes.cli.temperature_options import add_temperatures
from cyfes.cli.words import Box, Files, List, Told

#: Ends of the names of pictures.
PICTURES = (".png", ".pdf", ".svg")

#: Ends of the names of surfaces that are no text.
BINARY = (".npz", ".cube", ".cub")

UNITS = ("kj/mol", "kcal/mol", "kt")

#: Names of formats, as in cyfes.tables.formats, and what widths of hills may be.
FORMATS = (
    "plumed",
    "xvg",
    "colvars-traj",
    "colvars-hills",
    "colvars-pmf",
    "csv",
    "csv-semicolon",
    "openmm",
    "npz",
    "cube",
)
WIDTHS = ("sigma", "2sigma")

#: Kinds of weights, as in cyfes.hillweights; and those of umbrella windows.
WEIGHTS = ("bias", "rbias", "tiwary", "final", "static", "mbar")


def add_sum_hills(parser: argparse.ArgumentParser) -> None:
    """Options of ``cyfes sum_hills``: those of ``plumed sum_hills``."""
    parser.usage = "cyfes sum_hills [OPTION ...] HILLS ..."
    parser.epilog = (
        "F(s) = -sum of the hills. Writes PLUMED's grid format: CVs, free energy, derivatives.\n"
        "Lists are separated by commas, one entry per CV; bounds may be written -pi or 2*pi."
    )
    files = parser.add_argument_group("input")
    files.add_argument("files", nargs="*", metavar="HILLS", help="HILLS files, as with --hills")
    files.add_argument(
        "--hills",
        action=Files,
        metavar="FILE,...",
        help="HILLS files, or patterns such as 'walker*/HILLS.*'; names may be separated by blanks "
        "too, and a name with a comma in it is taken as it is if there is such a file. Of PBMETAD, "
        "with a file per CV, one surface per CV is written",
    )
    files.add_argument(
        "--histo",
        action=Files,
        metavar="FILE,...",
        help="COLVAR or HILLS files whose CVs are histogrammed: -kT ln sum of unit kernels",
    )
    add_on_bad(files)
    add_input_format(parser)
    add_energy_of(parser, "of the hills", "; for --idw and --histo")
    add_grid(parser)
    sums = parser.add_argument_group("sum")
    sums.add_argument(
        "--stride", metavar="N", help="also write the surface after every N hills (default 0: no)"
    )
    add_order(sums, ", default but with --plumed-compat", "with --stride, ")
    sums.add_argument(
        "--nohistory", action="store_true", help="with --stride: each block of hills for itself"
    )
    sums.add_argument(
        "--negbias",
        action="store_true",
        help="minus the bias instead of the free energy (well-tempered runs)",
    )
    sums.add_argument(
        "--idw",
        action=List,
        metavar="CV,...",
        help="project on these CVs, the others are summed; needs --kt or --temp",
    )
    add_heights(sums, "scaled")
    sums.add_argument(
        "--sigma", action=List, metavar="S,...", help="widths for --histo, one per CV, in CV units"
    )
    sums.add_argument(
        "--plumed-compat",
        action="store_true",
        help="reproduce PLUMED's known faults (see docs) instead of being right",
    )
    output = add_output(
        parser,
        "fes.dat; with --stride the prefix fes_; with --negbias negativebias.dat or negativebias_",
    )
    output.add_argument(
        "--outhisto",
        type=output_path,
        metavar="FILE",
        help="output of --histo (default histo.dat or histo_)",
    )
    add_running(parser)


def add_reweight(parser: argparse.ArgumentParser) -> None:
    """Options of ``cyfes reweight``."""
    parser.usage = "cyfes reweight [OPTION ...] COLVAR ..."
    parser.epilog = (
        "F(s) = -kBT ln sum_j w_j K(s - s_j), w_j = exp(V_j / kBT), normalised Gaussians K.\n"
        "Lists are separated by commas. Files without header: columns by number, 0 is the first."
    )
    files = parser.add_argument_group("input")
    files.add_argument("files", nargs="+", metavar="COLVAR", help="COLVAR files, plain or gzip")
    add_cvs(files)
    add_on_bad(files)
    add_input_format(parser)
    add_weighing(parser)
    add_energy_of(parser, "of the bias", "")
    add_kernel(parser)
    add_grid(parser)
    add_rows(
        parser,
        "sum the frames as they are read, whatever the size of the files; needs --sigma and, "
        "unless all CVs are periodic, --min, --max and --bin",
    )
    add_errors(parser)
    add_radial(parser)
    add_temperatures(parser)
    output = add_output(parser, "fes.dat")
    output.add_argument("--plot", metavar="FILE", help="also draw a picture: .png, .pdf or .svg")
    add_running(parser)


def add_deltag(parser: argparse.ArgumentParser) -> None:
    """Options of ``cyfes deltag``."""
    parser.usage = "cyfes deltag [OPTION ...] COLVAR ..."
    parser.epilog = (
        "dG = F(B) - F(A) = -kBT ln(sum of w in B / sum of w in A), w = exp(V / kBT): no kernel.\n"
        "Of a surface on a grid: exp(-F / kBT) summed over its points, without an error.\n"
        "Example: cyfes deltag COLVAR --temp 300 --b phi=0:2.3,psi=-pi:pi"
    )
    files = parser.add_argument_group("input")
    files.add_argument(
        "files", nargs="+", metavar="COLVAR", help="COLVAR files, or one surface on a grid"
    )
    add_period(files, "of each CV in the order the regions name them")
    add_on_bad(files)
    add_input_format(parser)
    add_regions(parser, " (default: the surface that is given as input)")
    add_weighing(parser)
    add_energy_of(parser, "of the bias", "")
    add_rows(parser, "read the frames in chunks, whatever the size of the files")
    add_blocks(parser.add_argument_group("errors"))
    corrections = parser.add_argument_group("corrections")
    corrections.add_argument(
        "--standard-state",
        metavar="V",
        help="volume of A in nm^3: also dG - kBT ln(V / 1.6605 nm^3), from A at 1 mol/l",
    )
    corrections.add_argument(
        "--funnel",
        metavar="R",
        help="radius of a funnel's cylinder in nm, in which A is an interval LOW:HIGH of its axis: "
        "--standard-state with V = pi R^2 (HIGH - LOW)",
    )
    running = parser.add_argument_group("running")
    running.add_argument(
        "--threads", metavar="N", default="0", help="threads that read (default 0: all cores)"
    )


def add_plot(parser: argparse.ArgumentParser) -> None:
    """Options of ``cyfes plot``."""
    parser.usage = "cyfes plot [OPTION ...] FES"
    parser.add_argument("file", metavar="FES", help="surface: .dat (PLUMED grid), .cube or .npz")
    add_input_format(parser)
    parser.add_argument(
        "-o", "--outfile", metavar="FILE", help=".png, .pdf or .svg (default: FES with .png)"
    )
    parser.add_argument(
        "--units",
        type=str.lower,
        choices=UNITS,
        help="energy unit of the file, for the axis (default: as the file tells, else kj/mol)",
    )
    parser.add_argument(
        "--vmax", metavar="E", help="highest energy shown, in the file's unit (default: automatic)"
    )


def add_info(parser: argparse.ArgumentParser) -> None:
    """Options of ``cyfes info``."""
    parser.usage = "cyfes info [FILE ...]"
    parser.add_argument(
        "files",
        nargs="*",
        metavar="FILE",
        help="tell how these files were made: .npz, .cube, .png, or text such as .dat (default: "
        "tell of this installation)",
    )


def add_bad_rows(group: argparse._ArgumentGroup) -> None:
    """Add --on-bad."""
    group.add_argument(
        "--on-bad",
        choices=("raise", "skip"),
        default="raise",
        help="bad rows: stop at the first (raise, default) or count and leave out (skip)",
    )


def add_on_bad(group: argparse._ArgumentGroup) -> None:
    """Add --on-bad and --on-overlap."""
    add_bad_rows(group)
    group.add_argument(
        "--on-overlap",
        choices=("keep", "drop", "raise"),
        default="keep",
        help="rows that a restart from an older checkpoint has again: keep (default), as METAD "
        "reads all hills at a restart, drop the older ones, or stop (raise)",
    )


def add_order(group: argparse._ArgumentGroup, default: str, when: str = "") -> None:
    """Add --order."""
    group.add_argument(
        "--order",
        choices=("time", "files"),
        help=f"{when}several files: merged by their clocks, else by time, as those of walkers "
        f"(time{default}), or one after another (files)",
    )


def add_input_format(parser: argparse.ArgumentParser) -> None:
    """Add the options of files that other programs wrote, and of what these do not tell."""
    group = parser.add_argument_group("files of other programs")
    group.add_argument(
        "--format",
        metavar="NAME",
        choices=FORMATS,
        help="format of files without PLUMED's header, where their content does not tell it: "
        f"{', '.join(FORMATS)}",
    )
    group.add_argument(
        "--axes",
        action=Box,
        metavar="CV=MIN:MAX:periodic,...",
        help="CVs that a file does not tell: of hills NAME, or NAME with its period; of OpenMM's "
        "bias all with bounds; of Colvars' .pmf the names",
    )
    group.add_argument(
        "--gamma",
        metavar="G",
        help="bias factor of hills of Colvars, -1 for ordinary metadynamics, or of OpenMM's bias",
    )
    group.add_argument(
        "--widths",
        choices=WIDTHS,
        help="what the widths of Colvars' hills are: sigma (since 2020-02-24), or 2sigma (before)",
    )


def add_cvs(group: argparse._ArgumentGroup) -> None:
    """Add --cv and --period."""
    group.add_argument(
        "--cv",
        action=List,
        metavar="NAME,...",
        help="1 to 4 CVs (default: where the header leaves no doubt)",
    )
    add_period(group, "of each CV")


def add_period(group: argparse._ArgumentGroup, whose: str) -> None:
    """Add --period."""
    group.add_argument(
        "--period",
        action=List,
        metavar="MIN:MAX,...",
        help=f"period {whose}, '-' for none (default: from the header)",
    )


def add_regions(parser: argparse.ArgumentParser, default: str = "") -> None:
    """Add --a and --b, and --fes and --persistence for basins; ``default``: what --fes may be."""
    regions = parser.add_argument_group("regions")
    for name, other in (("--a", "B"), ("--b", "A")):
        regions.add_argument(
            name,
            action=Box,
            metavar="CV=LOW:HIGH,...",
            help="a box, LOW <= CV < HIGH for all its CVs; across the end of a period where LOW "
            "> HIGH; or basin:N, a basin of --fes; repeated, they are joined (default: all that is "
            f"not in {other})",
        )
    regions.add_argument(
        "--fes",
        metavar="FES",
        help="surface whose basins are meant by basin:N, 0 the lowest, as 'cyfes minima' counts "
        f"them{default}",
    )
    add_persistence(regions)


def add_sigma(group: argparse._ArgumentGroup) -> None:
    """Add --sigma."""
    group.add_argument(
        "--sigma",
        action=List,
        metavar="S,...",
        help="bandwidth of each CV in its unit; or auto (default): improved Sheather-Jones rule "
        "with the effective sample size, aware of periods; or auto-f: 0.35 to 2 times that, with "
        "the least error of F where blocks of frames are left out (1 or 2 CVs)",
    )


def add_kernel(parser: argparse.ArgumentParser) -> None:
    """Add the options of the kernels that frames are."""
    kernel = parser.add_argument_group("kernel")
    add_sigma(kernel)
    kernel.add_argument(
        "--tol",
        metavar="E",
        default="1e-11",
        help="error of the density, relative to its peak, that is allowed (default 1e-11)",
    )
    kernel.add_argument(
        "--tail",
        metavar="F",
        default="30",
        help="in kBT: up to this above its minimum F is right to 1e-8 kBT; 0: only --tol counts "
        "(default 30)",
    )


def add_weighing(parser: argparse.ArgumentParser) -> None:
    """Add the options of which one tells the weights of frames, and --weights with its own."""
    group = parser.add_argument_group("weights")
    weights = group.add_mutually_exclusive_group()
    weights.add_argument(
        "--bias",
        action=List,
        metavar="NAME,...",
        help="bias columns, summed (default: the only *.bias)",
    )
    weights.add_argument("--rbias", action="store_true", help="use the only *.rbias column")
    weights.add_argument("--no-bias", action="store_true", help="all weights are 1")
    weights.add_argument("--logweights", metavar="NAME", help="a column of ln w")
    group.add_argument(
        "--weights",
        choices=WEIGHTS,
        help="of a METAD run, V its bias. From the columns: bias, V(s,t); rbias, V(s,t) - c(t). "
        "From --hills, to which --bias adds walls: tiwary, V(s,t) - c(t); final, V(s,t_end). From "
        "either: static, a V that does not move. mbar: the files are lists of umbrella windows, as "
        "'cyfes umbrella' takes them (default: what the columns say)",
    )
    add_hills(group)


def add_other_biases(parser: argparse.ArgumentParser, what: str) -> None:
    """Add --bias and --no-bias, where the main bias is computed."""
    walls = parser.add_argument_group("weights").add_mutually_exclusive_group()
    walls.add_argument(
        "--bias",
        action=List,
        metavar="NAME,...",
        help=f"columns of other biases {what}, such as walls, which are added",
    )
    walls.add_argument("--no-bias", action="store_true", help="add no other bias")


def add_hills(group: argparse._ArgumentGroup, *, required: bool = False) -> None:
    """Add --hills and --biasfactor."""
    group.add_argument(
        "--hills",
        action=Files,
        metavar="FILE,...",
        required=required,
        help="HILLS files of the run; of walkers all of them, in the order of the COLVAR files; of "
        "PBMETAD those of all CVs, for final weights",
    )
    group.add_argument(
        "--biasfactor",
        metavar="G",
        help="of the hills, -1 for ordinary metadynamics (default: their column biasf)",
    )
    add_heights(group, None)


def add_heights(group: argparse._ArgumentGroup, default: str | None) -> None:
    """Add --heights; without it heights are scaled."""
    group.add_argument(
        "--heights",
        choices=("scaled", "unscaled"),
        default=default,
        help="heights of well-tempered hills: as PLUMED writes them, with the factor "
        "biasf/(biasf-1) in them (scaled, default), or without it, as OpenMM does (unscaled)",
    )


def add_rows(parser: argparse.ArgumentParser, stream: str = "") -> None:
    """Add the options that choose rows, and --stream with its help."""
    rows = parser.add_argument_group("rows")
    rows.add_argument("--start", metavar="T", help="first time used (time column; default: all)")
    rows.add_argument("--stop", metavar="T", help="last time used (time column; default: all)")
    rows.add_argument(
        "--skip",
        metavar="N",
        default="0",
        help="rows left out at the beginning of each file, a number or a share such as 50%% of "
        "its rows (default 0)",
    )
    rows.add_argument("--every", metavar="N", default="1", help="use every N-th row (default 1)")
    if stream:
        rows.add_argument("--stream", action="store_true", help=stream)


def add_persistence(group: argparse._ArgumentGroup) -> None:
    """Add --persistence."""
    group.add_argument(
        "--persistence",
        metavar="P",
        default="0.5",
        help="in kT: a minimum less deep than this below the pass to a lower one is no basin of "
        "its own (default 0.5)",
    )


def add_blocks(group: argparse._ArgumentGroup) -> None:
    """Add --blocks."""
    group.add_argument(
        "--blocks",
        metavar="N",
        help="number of blocks (default: at most 64, each of five correlation times or more)",
    )


def add_kbt(parser: argparse.ArgumentParser, what: str, use: str) -> argparse._ArgumentGroup:
    """Add the options of kBT, and of the energy unit in the files."""
    group = parser.add_argument_group("energy")
    group.add_argument("--kt", metavar="E", help=f"kBT in --units{use}")
    group.add_argument("--temp", metavar="K", help="temperature in kelvin, instead of --kt")
    group.add_argument(
        "--units",
        action=Told,
        type=str.lower,
        choices=UNITS,
        default="kj/mol",
        help=f"energy unit {what} in the files and of --kt (default kj/mol; Colvars: must be told)",
    )
    return group


def add_energy_of(parser: argparse.ArgumentParser, what: str, use: str) -> None:
    """Add the options of the energy unit and of kBT."""
    add_kbt(parser, what, use).add_argument(
        "--to-units",
        type=str.lower,
        choices=UNITS,
        help="energy unit of the surface that is written (default: that of --units)",
    )


def add_grid(parser: argparse.ArgumentParser, title: str = "grid") -> None:
    """Add the options of a grid."""
    group = parser.add_argument_group(title)
    for name, metavar, text in (
        ("--min", "X,...", "lower bounds in CV units (default: automatic)"),
        ("--max", "X,...", "upper bounds in CV units (default: automatic)"),
        ("--bin", "N,...", "number of bins (default: automatic)"),
        ("--spacing", "D,...", "bin width in CV units; with --bin the finer one counts"),
    ):
        group.add_argument(name, action=List, metavar=metavar, help=text)


def add_radial(parser: argparse.ArgumentParser) -> None:
    """Add --radial."""
    corrections = parser.add_argument_group("corrections")
    corrections.add_argument(
        "--radial",
        metavar="NAME",
        help="a CV that is a distance r: F + 2 kBT ln r, of the probability per volume instead of "
        "per distance",
    )


def add_errors(parser: argparse.ArgumentParser) -> None:
    """Add --error, --reference and --blocks."""
    errors = parser.add_argument_group("errors")
    errors.add_argument(
        "--error",
        action="store_true",
        help="also the standard error of F, from blocks of successive frames: a column of the "
        "output, a band or a panel of --plot",
    )
    errors.add_argument(
        "--reference",
        metavar="S,S,...|minimum",
        help="F and its error are those of F(s) - F(this point), one value per CV, or the lowest "
        "point; what both points share cancels in the error (default: of F itself)",
    )
    add_blocks(errors)


def add_output(parser: argparse.ArgumentParser, default: str) -> argparse._ArgumentGroup:
    """Add the options of a surface that is written as plumed sum_hills writes it."""
    group = parser.add_argument_group("output")
    group.add_argument(
        "--outfile",
        type=output_path,
        metavar="FILE",
        help=f"output file, - for the standard output (default {default})",
    )
    add_format(group)
    group.add_argument(
        "--mintozero", action="store_true", help="shift the lowest value to zero (default: no)"
    )
    group.add_argument(
        "--provenance",
        action="store_true",
        help="begin the file with comments that tell version, command, input files and their "
        "checksums (default: with --error, in .npz and .cube; else the .dat is PLUMED's to the "
        "byte)",
    )
    return group


def add_format(group: argparse._ArgumentGroup) -> None:
    """Add --fmt."""
    group.add_argument(
        "--fmt",
        default="%14.9f",
        metavar="FORMAT",
        help="printf format of every number (default %%14.9f)",
    )


def output_path(text: str) -> str:
    """Return the path that an output option names, of a surface; it is no picture."""
    if not text:
        raise argparse.ArgumentTypeError("expected the name of a file, got ''")
    if text.lower().endswith(PICTURES):
        raise argparse.ArgumentTypeError(
            f"{text} is a picture; expected a .dat, .npz or .cube file ('cyfes plot' and --plot "
            "draw)"
        )
    return STDOUT[0] if text == "-" else text


def weights_path(text: str) -> str:
    """Return the path that an output option names, of text or an array."""
    return text if text.lower().endswith(".npy") else table_path(text)


def table_path(text: str) -> str:
    """Return the path that an output option names, of text."""
    if text.lower().endswith(BINARY):
        raise argparse.ArgumentTypeError(f"a table is written as text; {text} would be none")
    return output_path(text)


def add_running(
    parser: argparse.ArgumentParser, *, explains: bool = True, on_gpu: bool = True
) -> None:
    """Add the options of where and how sums run."""
    group = parser.add_argument_group("running")
    group.add_argument("--threads", metavar="N", default="0", help="threads (default 0: all cores)")
    if explains:
        group.add_argument(
            "--explain",
            action="store_true",
            help="report how the sum was computed, why, and what it errs by",
        )
    if not on_gpu:
        return
    group.add_argument(
        "--backend",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="where to compute (default auto: a GPU if there is one and the sum is worth it)",
    )
    group.add_argument(
        "--device", action=List, metavar="N,...", help="GPUs that share the sum (default 0)"
    )
