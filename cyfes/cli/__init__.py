"""The command line: a small parser; each command in a module of its own.

Only the command that runs is imported, after its options were read, so that ``--help`` is quick.
"""

import argparse
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module

from cyfes import __version__
from cyfes.cli import options
from cyfes.errors import CyfesError

COMMANDS = {
    "sum_hills": "free energy surface from metadynamics HILLS files",
    "reweight": "free energy surface from biased frames in COLVAR files",
    "plot": "picture of a surface in a .dat, .cube or .npz file",
    "info": "version, instruction set, threads, libraries and where they were found",
}

DESCRIPTION = "Free energy surfaces from enhanced-sampling data (PLUMED HILLS and COLVAR files)."
EPILOG = "The flags of CyFES 2-4 still work: python -m cyfes -i IN -o OUT.cub ..."


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser("cyfes", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("--version", action="version", version=f"cyfes {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, text in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=text,
            description=text[0].upper() + text[1:] + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        getattr(options, f"add_{name}")(command)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, or 2 for anything a user can cure."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    # NumPy is not imported yet. Its linear algebra, of which no command needs much, would start
    # threads that take longer than the rest of NumPy.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    run = _run_compat if _is_compat(arguments) else _run
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning  # type: ignore[assignment]
            try:
                return run(arguments)
            finally:
                sys.stdout.flush()  # now, while a failure can still be answered
    except CyfesError as error:
        print(f"cyfes: error: {error}", file=sys.stderr)
        return 2
    except MemoryError as error:
        print(f"cyfes: error: {str(error) or 'out of memory'}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of the report has gone
        _discard_stdout()
        return 128 + signal.SIGPIPE
    except OSError as error:
        _discard_stdout()
        print(f"cyfes: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("cyfes: interrupted; the file at work was not written", file=sys.stderr)
        return 128 + signal.SIGINT


def _run(arguments: list[str]) -> int:
    parsed = build_parser().parse_args(options.attach_values(arguments))
    module = import_module(f"cyfes.cli.{parsed.command}")
    module.run(parsed)
    return 0


def _run_compat(arguments: list[str]) -> int:
    result = import_module("cyfes.compat").main(arguments)
    return int(result or 0)


def _is_compat(arguments: list[str]) -> bool:
    """CyFES 2-4 had no commands, only flags with one dash."""
    return bool(arguments) and arguments[0] not in COMMANDS and "-i" in arguments


def _discard_stdout() -> None:
    """Let what is left of the report vanish, or Python complains when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _show_warning(message: Warning | str, *_: object) -> None:
    print(f"cyfes: warning: {message}", file=sys.stderr)
