"""The command line of CyFES 2 to 4: ``python -m cyfes -i IN -o OUT.cub ...``."""

import argparse
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from cyfes.compat.files import clipped, read_out, save_rows_of_grid, write_clipped_cube
from cyfes.compat.functions import DOUBLE, KBT, REACH, SINGLE, Array
from cyfes.density import Density
from cyfes.errors import CyfesWarning, FileFormatError, InputError
from cyfes.fes import FreeEnergySurface
from cyfes.grid import MAX_DIMS, Grid
from cyfes.gridfile import check_output
from cyfes.tables import read_header, read_table
from cyfes.units import ENERGY_UNITS, parse_integer, parse_number

#: Flag -> (kind of its value, default, help).
FLAGS: dict[str, tuple[str, str | None, str]] = {
    "-i": ("FILE", None, "samples, one a row; .csv: separated by commas, else by blanks, with or "
           "without a #! FIELDS header"),
    "-ic": ("COUNTS", "0,1,2", "columns of the 1 to 4 CVs, counted from 0"),
    "-ib": ("COUNT", "3", "column of the bias, kcal/mol"),
    "-ir": ("COUNT", "4", "column of the rbias, kcal/mol"),
    "-s": ("COUNT", "0", "use only so many rows, the first; 0: all"),
    "-no_bias": ("BOOL", "false", "V is 0 instead of the bias"),
    "-no_rbias": ("BOOL", "true", "false: V is the rbias, and the bias is not read"),
    "-a": ("NUMBER", "1.0", "factor: -o and -odat hold a F + b (4.184: kJ/mol); nothing else is "
           "changed by -a and -b"),
    "-b": ("NUMBER", "0.0", "shift, see -a, in the unit of a F"),
    "-sigma": ("NUMBER", "1.0", "bandwidth (standard deviation) of the Gaussians along every CV, "
               "CV units"),
    "-cmin": ("NUMBERS", None, "lower bounds of the grid, one a CV, CV units (default: of the "
              "samples)"),
    "-cmax": ("NUMBERS", None, "upper bounds, likewise"),
    "-e": ("NUMBER", "0.0", "edge added on both sides of every CV, to given bounds too, CV units"),
    "-intg": ("BOOL", "false", "round the bounds outwards to integers, after -e"),
    "-g": ("COUNTS", None, "intervals of the grid, one a CV; N gives N+1 points (default: 10 a "
           "CV)"),
    "-o": ("FILE", None, "write the free energy F = -kT ln sum_j exp(V_j / kT) K(x - x_j), minimum "
           "0, as a F + b into a Gaussian cube: 3 CVs, angstrom to bohr, clipped to +-450, which "
           "is also what points that no sample reaches get"),
    "-odat": ("FILE", None, "write the values of -o as rows X Y Z FES, the first CV slowest; 1 to "
              "4 CVs"),
    "-oV": ("FILE", None, "write the bias V(x) = kT sum_j exp(-(x - x_j)^2 / 2 sigma^2) as such "
            "rows, kcal/mol"),
    "-oF": ("FILE", None, "write -V(x), minimum 0, as such rows, kcal/mol"),
    "-sink": ("BOOL", "false", "SinkMeta: V(x) of -oV and -oF is N^(-1/2) sum_j V_j "
              "exp(-(x - x_j)^2 / 2 sigma^2), V_j the V read; CyFES 4.5 took the flag and did "
              "nothing"),
    "-f32": ("BOOL", "false", "sum in single precision: F is inf 13 sigma from every sample or "
             "some 50 kcal/mol above the minimum"),
    "-device": ("COUNTS", "0", "GPUs that share the sum, if there are any and it is worth it"),
}  # fmt: skip
ABOUT = "Free energy and bias on a grid, with the flags of CyFES 2 to 4; newer: cyfes reweight."
EPILOG = "Lists are separated by commas. kT is 0.596128107 kcal/mol (300 K)."


def main(arguments: Sequence[str]) -> None:
    """Run the old command line, ``python -m cyfes -i IN -o OUT.cub ...``; ``-h`` explains it.

    Raises InputError for a wrong flag or value, what reading a table and writing a grid raise, and
    SystemExit after ``-h``.
    """
    flags = _parse(arguments)
    _check(flags)
    names, samples, bias = _samples(flags)
    grid = _grid(flags, names, samples)
    if flags.o or flags.odat:
        values = clipped(flags.a * _fes(flags, grid, samples, bias) + flags.b)
        if flags.o:
            write_clipped_cube(flags.o, grid, values, units=_units(flags.a))
        if flags.odat:
            save_rows_of_grid(flags.odat, grid.axes, values)
    if flags.oV or flags.oF:
        potential = _potential(flags, grid, samples, bias)
        if flags.oV:
            save_rows_of_grid(flags.oV, grid.axes, potential)
        if flags.oF:
            save_rows_of_grid(flags.oF, grid.axes, potential.max() - potential)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(message)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = _Parser("python -m cyfes", description=ABOUT, epilog=EPILOG)
    for flag, (kind, default, text) in FLAGS.items():
        parser.add_argument(
            flag,
            type=KINDS[kind],
            metavar=kind,
            default=default,
            help=f"{text} (default: {default})" if default else text,
        )
    return parser.parse_args(_attached(arguments))


def _attached(arguments: Sequence[str]) -> list[str]:
    """The arguments as ``flag=value``: argparse would take -3.14,-3.14 for a flag."""
    joined: list[str] = []
    rest = iter(arguments)
    for flag in rest:
        if flag in ("-h", "--help"):
            return [flag]
        if flag not in FLAGS:
            raise InputError(f"unknown flag {flag!r}; expected one of {' '.join(FLAGS)}")
        value = next(rest, None)
        if value is None or value in FLAGS:
            raise InputError(f"{flag} needs a value ({FLAGS[flag][0]})")
        if any(word.startswith(f"{flag}=") for word in joined):
            raise InputError(f"{flag} is given twice; it takes one value")
        joined.append(f"{flag}={value}")
    return joined


def _reader(read: Callable[[str], Any], what: str, many: bool = False) -> Callable[[str], Any]:
    """A converter for argparse, of one value or of several separated by commas."""

    def convert(text: str) -> Any:
        try:
            values = [read(word) for word in (text.split(",") if many else [text])]
        except ValueError:
            raise argparse.ArgumentTypeError(f"expected {what}, got {text!r}") from None
        return values if many else values[0]

    return convert


def _boolean(word: str) -> bool:
    return bool(["false", "true"].index(word.lower()))


def _finite(word: str) -> float:
    if not math.isfinite(value := parse_number(word, "number")):
        raise ValueError
    return value


def _natural(word: str) -> int:
    return parse_integer(word, "number", most=2**31 - 1)


KINDS: dict[str, Callable[[str], Any]] = {
    "FILE": str,
    "BOOL": _reader(_boolean, "true or false"),
    "NUMBER": _reader(_finite, "a number"),
    "NUMBERS": _reader(_finite, "numbers", many=True),
    "COUNT": _reader(_natural, "a whole number"),
    "COUNTS": _reader(_natural, "whole numbers", many=True),
}


def _check(flags: argparse.Namespace) -> None:
    """Refuse what can be known to be wrong before the samples are read."""
    d = len(flags.ic)
    if flags.i is None or not (flags.o or flags.odat or flags.oV or flags.oF):
        raise InputError("expected -i FILE and a file to write: -o, -odat, -oV or -oF")
    for output in (flags.o, flags.odat, flags.oV, flags.oF):
        check_output(output, [flags.i])
    if d > MAX_DIMS or len(set(flags.ic)) < d:
        raise InputError(f"-ic: expected 1 to {MAX_DIMS} different columns, got {flags.ic}")
    for name in ("cmin", "cmax", "g"):
        given = getattr(flags, name)
        if given is not None and len(given) != d:
            raise InputError(f"-{name}: expected {d} values, one a CV, got {len(given)}")
    if flags.o and d != 3:
        raise InputError(f"-o: a cube file needs 3 CVs, got {d}; -odat takes any number")
    if flags.sigma <= 0:
        raise InputError(f"-sigma must be positive, got {flags.sigma}")
    if flags.a == 0:
        raise InputError("-a must not be 0: every value would be that of -b")
    if flags.sink:
        _check_sink(flags)


def _check_sink(flags: argparse.Namespace) -> None:
    if flags.no_bias and flags.no_rbias:
        raise InputError("-sink needs a bias; -no_bias and -no_rbias leave none")
    if flags.oV or flags.oF:
        warnings.warn(
            "-sink: V is SinkMeta's sum of biases; CyFES 4.5 took the flag and wrote the sum of "
            "equal Gaussians, as -sink false does",
            CyfesWarning,
            stacklevel=2,
        )


def _samples(flags: argparse.Namespace) -> tuple[list[str], Array, Array]:
    """Names of the CVs, samples float64[N, d] and their V float64[N]."""
    d = len(flags.ic)
    names, table = _read(flags.i, flags.ic + _bias_columns(flags), flags.s or None)
    labels = [f"s{i + 1}" if name.isdecimal() else name for i, name in enumerate(names[:d])]
    return labels, table[:, :d], table[:, d:].sum(axis=1)


def _bias_columns(flags: argparse.Namespace) -> list[int]:
    """The column of V: none for V = 0. The rbias of PLUMED contains the bias: never both."""
    if not flags.no_rbias:
        return [flags.ir]
    return [] if flags.no_bias else [flags.ib]


def _units(factor: float) -> str:
    """What a cube calls the unit of a F: that which the factor converts to, else that of F."""
    for units, known in (("kj/mol", ENERGY_UNITS["kcal/mol"]), ("kt", 1 / KBT)):
        if math.isclose(factor, known, rel_tol=1e-4):
            return units
    return "kcal/mol"


def _read(path: str, columns: list[int], n_rows: int | None) -> tuple[list[str], Array]:
    """Names and values float64[N, k] of columns given by number."""
    if path.lower().endswith(".csv"):
        table = read_out(path, columns, 0, n_rows, ",")
        finite = np.isfinite(table).all(axis=1)
        if not finite.all():
            raise FileFormatError(f"{path}: row {finite.argmin() + 1} holds nan or inf")
        return list(map(str, columns)), table
    header = read_header(path)
    fields = header.fields
    if max(columns) >= len(fields):
        raise InputError(f"{path}: no column {max(columns)}; the file has 0 to {len(fields) - 1}")
    names = [fields[column] for column in columns]
    periodic = [name for name in names if f"min_{name}" in header.constants]
    if periodic:
        warnings.warn(
            f"{path}: {', '.join(periodic)} has a period, which these flags know nothing of: the "
            "sum is wrong near its ends; use cyfes reweight",
            CyfesWarning,
            stacklevel=2,
        )
    found = read_table(path, names).columns
    return names, np.column_stack([found[name][:n_rows] for name in names])


def _grid(flags: argparse.Namespace, names: list[str], samples: Array) -> Grid:
    lower = np.array(samples.min(axis=0) if flags.cmin is None else flags.cmin) - flags.e
    upper = np.array(samples.max(axis=0) if flags.cmax is None else flags.cmax) + flags.e
    if flags.intg:
        lower, upper = np.floor(lower), np.ceil(upper)
    bins = flags.g or [10] * len(names)
    return Grid.from_bins(names, lower.tolist(), upper.tolist(), bins, [False] * len(names))


def _density(flags: argparse.Namespace, grid: Grid) -> Density:
    dtype = SINGLE if flags.f32 else DOUBLE
    return Density(grid, cutoff=REACH[dtype], dtype=dtype, devices=flags.device)


def _fes(flags: argparse.Namespace, grid: Grid, samples: Array, bias: Array) -> Array:
    """The reweighted free energy on the grid, minimum 0."""
    bandwidth = np.full(grid.n_dims, flags.sigma)
    density = _density(flags, grid).add(samples, bandwidth[None, :], log_weights=bias / KBT)
    surface = FreeEnergySurface.from_density(density, bandwidth, KBT, "kcal/mol")
    if not math.isfinite(surface.minimum):
        raise InputError("no sample reaches the grid; see -cmin, -cmax and -sigma")
    return surface.shifted().values


def _potential(flags: argparse.Namespace, grid: Grid, samples: Array, bias: Array) -> Array:
    """V(x) on the grid: SinkMeta's sum of biases, or the sum of equal Gaussians."""
    weights = bias / math.sqrt(len(bias)) if flags.sink else np.full(len(bias), KBT)
    bandwidths = np.full((1, grid.n_dims), flags.sigma)
    density = _density(flags, grid).add(samples, bandwidths, weights=weights)
    return density.values.astype(np.float64)
