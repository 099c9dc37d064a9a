"""The command line: a small parser; each command in a module of its own.

Only the options of the command that runs are declared, and only then is it imported: a program
that is called from loops must start quickly.
"""

import argparse
import os
import shlex
import signal
import sys
import warnings
from collections.abc import Collection, Sequence
from importlib import import_module
from types import ModuleType

from cyfes import __version__
from cyfes.cli import console
from cyfes.cli.words import Command, Parser
from cyfes.errors import CyfesError, CyfesWarning, extension_error

COMMANDS = {
    "sum_hills": "free energy surface from metadynamics HILLS files",
    "opes": "free energy surface from the STATE or KERNELS file of an OPES run",
    "reweight": "free energy surface from biased frames in COLVAR files",
    "umbrella": "free energy surface from umbrella windows with harmonic restraints, by MBAR",
    "weights": "weights of the frames of a METAD run, from its HILLS, and dG by each estimator",
    "rates": "rate of a transition from runs of infrequent metadynamics",
    "deltag": "free energy difference of two regions, straight from biased frames",
    "converge": "how a surface and differences of regions came about, and how long a run must be",
    "minima": "minima of a surface, their basins, and the barriers between them",
    "path": "minimum free energy path between two minima or points",
    "project": "surface of fewer CVs, the others integrated out",
    "slice": "surface of fewer CVs, the others at fixed values",
    "assign": "which basin each frame is in; lists of frames for other programs",
    "diff": "how two surfaces differ, up to a constant",
    "convert": "a file of another program as HILLS, COLVAR or a grid of PLUMED, or as CSV",
    "plot": "picture of a surface in a .dat, .cube or .npz file",
    "info": "how a file was made; or version, instruction set, threads and libraries",
}

#: The modules that declare the options of commands, where it is not ``cyfes.cli.options``.
DECLARED_IN = {
    "weights": "weights_options",
    "rates": "rates_options",
    "opes": "opes_options",
    "umbrella": "umbrella_options",
    "converge": "course_options",
    "minima": "landscape_options",
    "convert": "convert_options",
    "path": "landscape_options",
    "project": "surface_options",
    "slice": "surface_options",
    "assign": "surface_options",
    "diff": "surface_options",
}

DESCRIPTION = "Free energy surfaces from enhanced-sampling data (PLUMED HILLS and COLVAR files)."
#: Those of cyfes.compat, which would load NumPy for a line of help.
OLD_FLAGS = (
    "-i -ic -ib -ir -s -no_bias -no_rbias -a -b -sigma -cmin -cmax -e -intg -g -o -odat -oV -oF "
    "-sink -f32 -device"
)
EPILOG = (
    f"The flags of CyFES 2 to 4 still work: python -m cyfes -i IN -o OUT.cub ({OLD_FLAGS}); "
    "python -m cyfes -i IN -h explains each."
)


def build_parser(chosen: Collection[str] = COMMANDS) -> argparse.ArgumentParser:
    """Return the parser of all commands, with the options of the ``chosen`` ones."""
    parser = Parser("cyfes", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("--version", action="version", version=f"cyfes {__version__}")
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", required=True, parser_class=Command
    )
    for name, text in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=text,
            description=text[0].upper() + text[1:] + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name in chosen:
            declared_in = import_module(f"cyfes.cli.{DECLARED_IN.get(name, 'options')}")
            getattr(declared_in, f"add_{name}")(command)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, or 2 for anything a user can cure."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    console.open_streams()
    console.report.begin()
    # NumPy is not imported yet. Its linear algebra, of which no command needs much, would start
    # threads that take longer than the rest of NumPy.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        with warnings.catch_warnings(), console.signals_end_the_program():
            warnings.showwarning = console.show_warning  # type: ignore[assignment]
            try:
                (_run_compat if _is_compat(arguments) else _run)(arguments)
            except SystemExit:  # after --help
                console.report.end()
                raise
            console.report.end()
            return 0
    except BrokenPipeError:  # the reader of the output has gone
        console.discard_stdout()
        return 128 + signal.SIGPIPE
    except MemoryError as error:
        return _refused(str(error) or "out of memory")
    except (CyfesError, OSError, CyfesWarning) as error:  # PYTHONWARNINGS=error raises warnings
        return _refused(error)
    except KeyboardInterrupt:
        return _ended("interrupted", signal.SIGINT)
    except console.Ended as end:
        return _ended(f"ended by {signal.Signals(end.number).name}", end.number)


def _refused(why: object) -> int:
    console.say("error: ", why)
    console.report.abandon()
    return 2


def _ended(how: str, number: int) -> int:
    console.say("", f"{how}; no file was left half written")
    console.report.abandon()
    return 128 + number


def _run(arguments: list[str]) -> None:
    parsed = build_parser(arguments).parse_args(arguments)
    parsed.command_line = shlex.join(["cyfes", *arguments])
    outputs = {
        getattr(parsed, name, None)
        for name in ("outfile", "outhisto", "saddles", "windows", "overlap")
    }
    console.report.begin(on_stderr=bool(outputs & set(console.STDOUT)))
    command = _imported(f"cyfes.cli.{parsed.command}")
    with _imported("cyfes.cli.common").told_files(parsed):
        command.run(parsed)


def _run_compat(arguments: list[str]) -> None:
    _imported("cyfes.compat").main(arguments)


def _imported(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError as error:
        raise extension_error(error) or error from None


def _is_compat(arguments: list[str]) -> bool:
    """CyFES 2-4 had no commands, only flags with one dash."""
    return bool(arguments) and arguments[0] not in COMMANDS and "-i" in arguments
