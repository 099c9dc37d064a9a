"""What the commands share: reading option values, progress, and the report."""

import argparse
import math
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from cyfes.backend import choose
from cyfes.errors import InputError
from cyfes.grid import GridRequest
from cyfes.units import parse_number


def split(text: str | None) -> list[str] | None:
    """Return the entries of a comma-separated option, None if it was not given."""
    return None if text is None else text.split(",")


def number(text: str | None, option: str) -> float | None:
    """Return the value of a numeric option, None if it was not given."""
    value = None if text is None else parse_number(text, option)
    if value is not None and math.isnan(value):
        raise InputError(f"{option}: {text!r} is not a number")
    return value


def positive(text: str | None, option: str) -> float | None:
    """Return the value of an option that must be positive, None if it was not given."""
    value = number(text, option)
    if value is not None and not 0 < value < float("inf"):
        raise InputError(f"{option} must be positive, got {text}")
    return value


def integer(text: str, option: str, least: int = 0) -> int:
    """Return the value of an option that counts something."""
    try:
        value = int(text)
    except ValueError:
        raise InputError(f"{option}: {text!r} is not a whole number") from None
    if value < least:
        raise InputError(f"{option} must be at least {least}, got {value}")
    return value


def grid_request(arguments: argparse.Namespace) -> GridRequest:
    """Return the grid that --min, --max, --bin and --spacing ask for."""
    bins, spacing = split(arguments.bin), split(arguments.spacing)
    return GridRequest(
        split(arguments.min),
        split(arguments.max),
        None if bins is None else [integer(n, "--bin", 1) for n in bins],
        None if spacing is None else [parse_number(x, "--spacing") for x in spacing],
    )


def where(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return --threads, --backend and --device as keywords; fail early where there is no GPU."""
    devices = [integer(index, "--device") for index in arguments.device.split(",")]
    if arguments.backend == "cuda":
        choose("cuda", devices)
    return {
        "n_threads": integer(arguments.threads, "--threads"),
        "backend": arguments.backend,
        "devices": devices,
    }


def report(lines: Mapping[str, object] | Sequence[tuple[str, object]]) -> None:
    """Print aligned ``name  value`` lines on stdout."""
    for name, value in dict(lines).items():
        print(f"{name:<18} {value}")


def counts(dropped: Mapping[str, int]) -> str:
    """Return 'N (reason), ...' of dropped rows, '0' for none."""
    return ", ".join(f"{n} ({reason})" for reason, n in dropped.items()) or "0"


def notes(lines: Sequence[str]) -> None:
    """Print remarks about the input on stderr."""
    for line in lines:
        print(f"cyfes: note: {line}", file=sys.stderr)


class ProgressBar:
    """A bar on stderr for work that takes over a second, if stderr is a terminal."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._start = time.monotonic()
        self._shown = False

    def __call__(self, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` are done."""
        if not sys.stderr.isatty() or time.monotonic() - self._start < 1:
            return
        self._shown = True
        filled = 30 * done // max(total, 1)
        bar = "#" * filled + "." * (30 - filled)
        end = "\n" if done == total else ""
        print(f"\r{self._what} [{bar}] {done}/{total}", end=end, file=sys.stderr, flush=True)
