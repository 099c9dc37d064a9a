"""The command line: a small parser; each command in a module of its own.

Only the command that runs is imported, after its options were read, so that ``--help`` is quick.
"""

import argparse
import os
import shlex
import signal
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType

from cyfes import __version__
from cyfes.cli import (
    console,
    convert_options,
    course_options,
    landscape_options,
    options,
    surface_options,
    weights_options,
)
from cyfes.cli.words import Command, Parser
from cyfes.errors import CyfesError, CyfesWarning, extension_error

COMMANDS = {
    "sum_hills": "free energy surface from metadynamics HILLS files",
    "reweight": "free energy surface from biased frames in COLVAR files",
    "weights": "weights of the frames of a METAD run, from its HILLS, and dG by each estimator",
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


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
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
        modules = (
            options,
            course_options,
            surface_options,
            landscape_options,
            weights_options,
            convert_options,
        )
        module = next(m for m in modules if hasattr(m, f"add_{name}"))
        getattr(module, f"add_{name}")(command)
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
    parsed = build_parser().parse_args(arguments)
    parsed.command_line = shlex.join(["cyfes", *arguments])
    outputs = {getattr(parsed, name, None) for name in ("outfile", "outhisto", "saddles")}
    console.report.begin(on_stderr=bool(outputs & set(options.STDOUT)))
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
