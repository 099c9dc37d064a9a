"""What the commands share: the values of options, and what is said of every surface."""

import argparse
import glob
import os
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from typing import Any, TypeVar

import numpy as np

from cyfes.backend import choose
from cyfes.cli.console import ProgressBar, notes, report
from cyfes.errors import CyfesWarning, InputError, quoted, shortened
from cyfes.grid import GridRequest
from cyfes.reweight import Samples, SampleStream
from cyfes.selection import Selection
from cyfes.surface import Surface
from cyfes.tables import Bounds, reading
from cyfes.tables.formats import COLVARS_HILLS
from cyfes.units import (
    UNIT_LABELS,
    check_kbt,
    check_temperature,
    conversion,
    parse_integer,
    parse_number,
    thermal_energy,
)

__all__ = [
    "ProgressBar",
    "counts",
    "describe_minima",
    "energy_unit",
    "files",
    "grid_request",
    "in_units",
    "integer",
    "notes",
    "number",
    "number_of_blocks",
    "periods",
    "positive",
    "positives",
    "report",
    "sampled_bandwidth",
    "selection",
    "share_or_count",
    "split",
    "thermal",
    "to_units",
    "told_files",
    "where",
]

AnySurface = TypeVar("AnySurface", bound=Surface)

#: What makes a name a pattern.
PATTERN = re.compile(r"[*?]|\[.+\]")

#: The largest number of threads or devices that the kernels can be asked for.
MAX_INT = 2**31 - 1


@contextmanager
def told_files(arguments: argparse.Namespace) -> Iterator[None]:
    """Have files read within the block as the options tell of what other programs wrote."""
    given = vars(arguments)
    name = given.get("format") or ""
    if name == COLVARS_HILLS and given.get("heights") == "unscaled":
        raise InputError("heights of Colvars' hills are scaled by --gamma: leave --heights out")
    with reading(
        name,
        axes=split(given.get("axes")) or (),
        units=given["units"] if given.get("told_units") else None,
        gamma=number(given.get("gamma"), "--gamma"),
        widths=given.get("widths") or "",
    ):
        yield


def split(entries: Sequence[str] | None) -> list[str] | None:
    """Return the entries of a list option, which commas separate; None if it was not given."""
    if entries is None:
        return None
    return [part.strip() for entry in entries for part in entry.split(",")]


def files(entries: Sequence[str] | None, words: Sequence[str] = ()) -> list[str]:
    """Return the files of a list option and of words that belong to none.

    A name with a comma or a ``*`` in it is that of a file if there is one. Else commas, which
    separate entries but not words, and patterns are what they look like. A pattern stands for its
    files in natural order, HILLS.2 before HILLS.10, without backups such as bck.0.HILLS, unless it
    asks for these. Raises InputError for a pattern that no file matches.
    """
    names: list[str] = []
    for entry, following in zip_longest(entries or (), (entries or ())[1:]):
        # In "a, b" a shell sees two words, the first with a comma at its end.
        names += [entry] if os.path.lexists(entry) else _parts(entry, bool(following))
    paths = [path for name in [*names, *words] for path in _matching(name)]
    _warn_of_backups(paths)
    return paths


def _parts(entry: str, goes_on: bool) -> list[str]:
    """What commas separate; the last of them may be one to the next word."""
    return [part.strip() for part in (entry.removesuffix(",") if goes_on else entry).split(",")]


def _matching(name: str) -> list[str]:
    if os.path.lexists(name) or not PATTERN.search(name):
        return [name]
    found = glob.glob(name)
    asked = os.path.basename(name).startswith("bck.")
    wanted = [path for path in found if asked or not _is_backup(path)]
    if not wanted:
        backups = f", only backups: {', '.join(sorted(found))}" if found else ""
        raise InputError(f"no file matches {quoted(name)}{backups}")
    if len(wanted) < len(found):
        warnings.warn(
            f"{quoted(name)}: {len(found) - len(wanted)} backups bck.* are left out; name those "
            "that are part of the run",
            CyfesWarning,
            stacklevel=2,
        )
    return sorted(wanted, key=_natural)


def _is_backup(path: str) -> bool:
    """Whether a name is one that PLUMED, or cyfes, gives to a file before it writes another."""
    return re.match(r"bck\.\d+\.", os.path.basename(path)) is not None


def _natural(path: str) -> tuple[list[tuple[str, int]], str]:
    """What sorts names as people do: numbers in them by value."""
    parts = re.findall(r"(\D*)(\d*)", path)
    return [(text, int(digits or 0)) for text, digits in parts], path


def _warn_of_backups(paths: Sequence[str]) -> None:
    backups = [path for path in paths if _is_backup(path)]
    if backups and len(paths) > 1:
        warnings.warn(
            f"{', '.join(backups)}: PLUMED makes such a backup when a run begins anew, without "
            "RESTART; what is in it was not part of the later bias",
            CyfesWarning,
            stacklevel=3,
        )


def number(text: str | None, option: str) -> float | None:
    """Return the value of a numeric option, None if it was not given."""
    return None if text is None else parse_number(text, option)


def positive(text: str | None, option: str) -> float | None:
    """Return the value of an option that must be positive, None if it was not given."""
    value = number(text, option)
    if value is not None and not 0 < value < float("inf"):
        raise InputError(f"{option} must be positive, got {shortened(str(text))}")
    return value


def positives(entries: Sequence[str] | None, option: str) -> list[float] | None:
    """Return the values of a list option that must be positive, None if it was not given."""
    texts = split(entries)
    return None if texts is None else [positive(text, option) or 0.0 for text in texts]


def integer(text: str, option: str, least: int = 0) -> int:
    """Return the value of an option that counts something."""
    return parse_integer(text, option, least)


def share_or_count(text: str, option: str) -> int | float:
    """Return a number of rows as an int, and a share of them, ``50%``, as a float 0 <= x < 1."""
    if not text.endswith("%"):
        return integer(text, option)
    share = parse_number(text[:-1], option) / 100
    if not 0 <= share < 1:
        got = shortened(text)
        raise InputError(f"{option}: a share must be at least 0% and less than 100%, got {got}")
    return share


def selection(arguments: argparse.Namespace, cv: list[str] | None) -> Selection:
    """Return the rows and columns that the options choose; ``cv`` None: as the header tells."""
    return Selection(
        cv=cv,
        bias=split(arguments.bias),
        rbias=arguments.rbias,
        no_bias=arguments.no_bias,
        logweights=arguments.logweights,
        start=number(arguments.start, "--start"),
        stop=number(arguments.stop, "--stop"),
        skip=share_or_count(arguments.skip, "--skip"),
        every=integer(arguments.every, "--every", 1),
        on_bad=arguments.on_bad,
        on_overlap=arguments.on_overlap,
        period=periods(split(arguments.period), cv),
        energy=vars(arguments).get("energy"),
    )


def periods(entries: list[str] | None, cv: list[str] | None) -> dict[str, Bounds]:
    """Return --period of the CVs in --cv, or in a region."""
    if entries is None:
        return {}
    if cv is None or len(entries) != len(cv):
        raise InputError("--period needs --cv and one entry for each of its CVs")
    found: dict[str, Bounds] = {}
    for name, entry in zip(cv, entries):
        if entry == "-":
            found[name] = None
            continue
        low, colon, high = entry.partition(":")
        if not colon:
            raise InputError(f"--period: {entry!r} for {name} is not MIN:MAX or '-'")
        found[name] = (low, high)
    return found


def number_of_blocks(arguments: argparse.Namespace) -> int | None:
    """Return --blocks, None if it was not given."""
    return None if arguments.blocks is None else integer(arguments.blocks, "--blocks", 2)


def grid_request(arguments: argparse.Namespace) -> GridRequest:
    """Return the grid that --min, --max, --bin and --spacing ask for."""
    bins = split(arguments.bin)
    return GridRequest(
        split(arguments.min),
        split(arguments.max),
        None if bins is None else [integer(n, "--bin", 1) for n in bins],
        positives(arguments.spacing, "--spacing"),
    )


def thermal(arguments: argparse.Namespace) -> float | None:
    """Return kBT in --units from --kt or --temp, None where nothing tells it; warn of odd ones."""
    kbt = positive(arguments.kt, "--kt")
    temperature = positive(arguments.temp, "--temp")
    if kbt is not None and temperature is not None:
        raise InputError("give --kt or --temp, not both")
    if temperature is not None:
        check_temperature(temperature, arguments.units)
        return thermal_energy(temperature, arguments.units)
    if kbt is not None:
        check_kbt(kbt, arguments.units)
    return 1.0 if kbt is None and arguments.units == "kt" else kbt


def in_units(surface: AnySurface, arguments: argparse.Namespace, kbt: float | None) -> AnySurface:
    """Return a surface in --to-units, as it is if they were not given.

    ``kbt`` in ``surface.units``. Raises InputError for a conversion from or to kT without it.
    """
    units = arguments.to_units
    if units is None or units == surface.units:
        return surface
    return surface.scaled(to_units(surface.units, arguments, kbt), units)


def to_units(units: str, arguments: argparse.Namespace, kbt: float | None) -> float:
    """Return the factor from ``units``, which ``kbt`` is in, to --to-units; 1 if not given."""
    wanted = arguments.to_units or units
    if units == "kt" and wanted != "kt":
        temperature = positive(arguments.temp, "--temp")
        kbt = None if temperature is None else thermal_energy(temperature, wanted)
    return conversion(units, wanted, kbt)


def energy_unit(surface: Surface, arguments: argparse.Namespace) -> list[tuple[str, object]]:
    """Return the report line of a unit that is not the one of the files."""
    if arguments.to_units is None:
        return []
    converted = f"{UNIT_LABELS[surface.units]} (files: {UNIT_LABELS[arguments.units]})"
    return [("energy unit", converted)]


def where(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return --threads, --backend and --device as keywords; fail early where there is no GPU."""
    devices = [
        parse_integer(index, "--device", most=MAX_INT) for index in split(arguments.device) or ["0"]
    ]
    if arguments.backend == "cuda":
        choose("cuda", devices)
    return {
        "n_threads": parse_integer(arguments.threads, "--threads", most=MAX_INT),
        "backend": arguments.backend,
        "devices": devices,
    }


def sampled_bandwidth(
    arguments: argparse.Namespace, samples: Samples | SampleStream
) -> tuple[np.ndarray, str]:
    """Return the bandwidth float64[d] that --sigma gives or finds, and the rule it follows."""
    given = split(arguments.sigma)
    if given in (None, ["auto"], ["auto-f"]):
        if isinstance(samples, SampleStream):
            raise InputError("--stream reads the frames once and needs --sigma with numbers")
        if given == ["auto-f"] and samples.mixture is not None:
            raise InputError("--sigma auto-f is for one run, not for windows: give auto or numbers")
        return _found_bandwidth(samples, for_free_energy=given == ["auto-f"])
    widths = positives(given, "--sigma") or []
    if len(widths) != len(samples.names):
        raise InputError(
            f"--sigma has {len(widths)} values, expected {len(samples.names)} "
            f"({','.join(samples.names)})"
        )
    return np.array(widths, float), "given"


def _found_bandwidth(samples: Samples, for_free_energy: bool) -> tuple[np.ndarray, str]:
    from cyfes.bandwidth import automatic_bandwidth
    from cyfes.crossvalidation import free_energy_bandwidth

    rule = free_energy_bandwidth if for_free_energy else automatic_bandwidth
    return rule(samples.values, samples.log_weights, samples.periods, samples.names, samples.sums)


def counts(dropped: Mapping[str, int]) -> str:
    """Return 'N (reason), ...' of dropped rows, '0' for none."""
    return ", ".join(f"{n} ({reason})" for reason, n in dropped.items()) or "0"


def describe_minima(surface: Surface, most: int = 3) -> list[tuple[str, object]]:
    """Return report lines of the lowest local minima, energies relative to the lowest."""
    finite = surface.values[np.isfinite(surface.values)]
    if not finite.size:
        return [("minimum", "none: no point of the surface is finite")]
    if finite.size == surface.grid.size and finite.min() == finite.max():
        return [("minimum", f"none: the surface is {finite[0] + 0.0:.4g} everywhere")]
    minima = surface.minima()
    lines: list[tuple[str, object]] = []
    for k, (position, value) in enumerate(minima[:most]):
        where = " ".join(f"{n}={x:.4g}" for n, x in zip(surface.grid.names, position))
        lines.append((f"minimum {k + 1}", f"{where}  F-Fmin={value - minima[0][1]:.4g}"))
    return lines
