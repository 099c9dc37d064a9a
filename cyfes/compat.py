"""The names and flags of CyFES 2 to 4, nothing else: energies in kcal/mol, kT that of 300 K."""

import argparse
import math
import warnings
from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from cyfes import _kernels
from cyfes.density import Density
from cyfes.errors import FileFormatError, InputError
from cyfes.fes import FreeEnergySurface
from cyfes.grid import MAX_DIMS, Grid
from cyfes.gridfile import atomic_write, write_cube, write_dat
from cyfes.gridfile.data import missing_file
from cyfes.table import read_header, read_table
from cyfes.units import parse_number

#: kB T at 300 K in kcal/mol, with the digits that CyFES used.
KBT = 0.596128107
BOHR_PER_ANGSTROM = 1.889716164632
#: What a cube file may hold, kcal/mol.
LARGEST = 450.0

#: Samples a call of the kernel: between two calls Ctrl-C is answered, and single precision is
#: added up in double.
CHUNK = 4096

SINGLE, DOUBLE = np.dtype(np.float32), np.dtype(np.float64)
#: Reach of a Gaussian in bandwidths, and the smallest sum, per sample, that is right with it: what
#: is cut off or underflows is below 2e-37 (5e-298 in double) of the largest weight for each sample.
REACH = {SINGLE: 13.0, DOUBLE: 37.0}
SMALLEST = {SINGLE: 1e-30, DOUBLE: 1e-286}

Path = str | PathLike[str]
Array = npt.NDArray[Any]
Values = npt.ArrayLike
DType = np.dtype[Any]


def PathFES(crd: Values, cv: Values, bw: Values, bias: Values, *, kbt: float = KBT) -> Array:
    """Return the reweighted free energy at points, its minimum at zero: float64[M].

    F(x_i) = -kBT ln( sum_j exp(V_j / kBT) exp(-|x_i - s_j|^2 / 2) / (N prod_k sqrt(2 pi) bw_k) )
    - min F; the divisor, the same everywhere, goes with the minimum. 1 to 4 CVs.

    ``crd`` [M, d] and ``cv`` [N, d]: points and samples, each CV already divided by its bandwidth;
    ``bw`` [d] the bandwidths in CV units; ``bias`` [N] V_j of any size, in the unit of ``kbt``.
    F is finite and right to 1e-10 kBT everywhere; points where double precision underflows, as
    37 bandwidths from every sample, are summed as logarithms, which is slower.
    Raises InputError for shapes that disagree or values that are not finite.
    ``FastPathFES`` and ``StreamPathFES`` are other names of this function. Formula: CyFES 4.5.
    """
    return _free_energy(_checked(crd, cv, bw, bias, kbt), kbt, DOUBLE)


FastPathFES = StreamPathFES = PathFES


def PathFES_f32(crd: Values, cv: Values, bw: Values, bias: Values, *, kbt: float = KBT) -> Array:
    """Return ``PathFES`` as float32[M], Gaussians summed in single precision.

    Right to 1e-5 kBT and the rounding of the result. Points that single precision cannot tell from
    zero, about 60 kBT above the minimum, are summed in double precision. Errors as PathFES.
    ``FastPathFES_f32`` is another name of this function.
    """
    return _free_energy(_checked(crd, cv, bw, bias, kbt), kbt, SINGLE).astype(np.float32)


FastPathFES_f32 = PathFES_f32


def DevicePathFES(
    crd: Values, cv: Values, bw: Values, bias: Values, device_ids: Values, *, kbt: float = KBT
) -> Array:
    """Return ``PathFES``; this build has no GPU library, so the CPU computes it.

    ``device_ids`` int[n]: the GPUs to use, checked and otherwise ignored.
    Raises InputError as PathFES, and unless ``device_ids`` are integers >= 0.
    """
    ids = np.atleast_1d(np.asarray(device_ids))
    if ids.ndim != 1 or not ids.size or ids.dtype.kind not in "iu" or (ids < 0).any():
        raise InputError(f"device_ids must be integers >= 0, got {device_ids!r}")
    return PathFES(crd, cv, bw, bias, kbt=kbt)


def FastBias(crd: Values, cv: Values, bw: Values, bias: Values, *, kbt: float = KBT) -> Array:
    """Return a sum of equal Gaussians at points, V(x) = w sum_t exp(-|x - mu_t|^2 / 2), w = kBT.

    Arguments and errors as PathFES; V float64[M] in the unit of ``kbt``, not shifted. CyFES read
    past the end of ``bw`` here, so that its values were undefined; this is the formula of its
    documentation, in which ``bw`` (in ``crd`` and ``cv`` already) and ``bias`` do not occur.
    """
    points, centers, _ = _checked(crd, cv, bw, bias, kbt)
    return kbt * _sums(points, centers, np.ones(len(centers)), DOUBLE)


def _free_energy(problem: tuple[Array, Array, Array], kbt: float, dtype: DType) -> Array:
    """F at the points, its minimum at zero, of what ``_checked`` returns."""
    points, samples, bias = problem
    values = -kbt * _log_sums(points, samples, (bias - bias.max()) / kbt, dtype)
    return np.asarray(values - values.min(initial=math.inf))


def _checked(
    crd: Values, cv: Values, bw: Values, bias: Values, kbt: float
) -> tuple[Array, Array, Array]:
    """``crd``, ``cv`` and ``bias`` as finite float64 arrays of shapes that agree."""
    given = {"crd": crd, "cv": cv, "bw": bw, "bias": bias}
    arrays = {name: np.asarray(values, np.float64) for name, values in given.items()}
    samples = arrays["cv"]
    if samples.ndim != 2 or not len(samples) or not 1 <= samples.shape[1] <= MAX_DIMS:
        raise InputError(f"cv must be [N, 1 to {MAX_DIMS}] with N > 0, got {samples.shape}")
    n, d = samples.shape
    expected = {"crd": (*arrays["crd"].shape[:1], d), "bw": (d,), "bias": (n,)}
    for name, shape in expected.items():
        if arrays[name].shape != shape:
            raise InputError(f"{name} has shape {arrays[name].shape}, expected {shape}")
    for name, values in arrays.items():
        if not np.isfinite(values).all():
            raise InputError(f"{name} must be finite")
    if not (arrays["bw"] > 0).all() or not 0 < kbt < math.inf:
        raise InputError(f"bw and kbt must be positive, got {arrays['bw'].tolist()} and {kbt}")
    return arrays["crd"], samples, arrays["bias"]


def _log_sums(points: Array, samples: Array, log_weights: Array, dtype: DType) -> Array:
    """ln sum_j exp(log_weights_j - |x_i - s_j|^2 / 2), for log-weights of at most 0.

    Each precision sums what it can represent and leaves the rest to the next.
    """
    sums = _sums(points, samples, np.exp(log_weights), dtype)
    small = sums < SMALLEST[dtype] * len(samples)
    result = np.log(np.where(small, 1.0, sums))
    if small.any() and dtype == np.float32:
        result[small] = _log_sums(points[small], samples, log_weights, DOUBLE)
    elif small.any():
        result[small] = _exact_log_sums(points[small], samples, log_weights)
    return result


def _sums(points: Array, samples: Array, weights: Array, dtype: DType) -> Array:
    """sum_j weights_j exp(-|x_i - s_j|^2 / 2)."""
    total, d, reach = np.zeros(len(points)), samples.shape[1], REACH[dtype]
    unit, no_period = np.ones((1, d)), np.zeros(d)
    for first in range(0, len(samples), CHUNK):
        part, rows = np.zeros(len(points), dtype), slice(first, first + CHUNK)
        chunk = samples[rows], unit, weights[rows]
        _kernels.evaluate(points, no_period, *chunk, part, cutoff=reach)
        total += part
    return total


def _exact_log_sums(points: Array, samples: Array, log_weights: Array) -> Array:
    """The same without leaving logarithms, which nothing can underflow."""
    result = np.empty(len(points))
    for i, point in enumerate(points):
        exponents = log_weights - 0.5 * ((point - samples) ** 2).sum(axis=1)
        peak = exponents.max()
        result[i] = peak + np.log(np.exp(exponents - peak).sum())
    return result


# Files


def read_out(
    file: Path,
    idx: int | Sequence[int] = 0,
    hat_lines: int = 1,
    max_size: int | None = None,
    dlm: str | None = None,
) -> Array:
    """Return columns of a text file, float64[n] for one ``idx`` (from 0) and [n, k] for several.

    The first ``hat_lines`` lines and what follows a ``#`` are skipped; at most ``max_size`` rows
    are read; ``dlm`` separates columns (None: blanks).
    Raises FileMissingError, or FileFormatError for a row that lacks a column or holds no number.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*input contained no data")
            values = np.loadtxt(
                file,
                skiprows=hat_lines,
                usecols=idx,
                max_rows=max_size,
                delimiter=dlm,
                ndmin=1 if np.ndim(idx) == 0 else 2,
            )
    except OSError as error:
        raise missing_file(file, error) from error
    except ValueError as error:
        raise FileFormatError(f"{file}: {error}".splitlines()[0]) from error
    if not values.size:
        raise FileFormatError(f"{file}: no data rows after the first {hat_lines} lines")
    return np.asarray(values)


def save_fes(file: Path, Z: Values) -> None:
    """Write values as CSV, every digit of them: one a line, or lines along the last axis of Z.

    Raises OutputError if the file cannot be written.
    """
    values = np.atleast_1d(np.asarray(Z, np.float64))
    _save_rows(file, values.reshape(-1, values.shape[-1] if values.ndim > 1 else 1), ",")


def save_dat(file: Path, path: Values, Z: Values) -> None:
    """Write a line for each point: its coordinates and its value, every digit of them.

    ``path`` [M, d] points in CV units (or [M] for one CV), ``Z`` M values.
    Raises InputError if they disagree in number, OutputError if the file cannot be written.
    """
    points, values = np.asarray(path, np.float64), np.asarray(Z, np.float64).ravel()
    points = points[:, None] if points.ndim == 1 else points
    if points.ndim != 2 or len(points) != len(values):
        raise InputError(f"path must be [M, d] for M = {len(values)} values, got {points.shape}")
    _save_rows(file, np.column_stack([points, values]), " ")


def _save_rows(file: Path, values: Array, separator: str) -> None:
    with atomic_write(file) as stream:
        for row in values.tolist():
            stream.write((separator.join(map(repr, row)) + "\n").encode())


def save_cube(  # noqa: PLR0917
    file: Path,
    origin: Sequence[float],
    nx: int,
    dx: float,
    ny: int,
    dy: float,
    nz: int,
    dz: float,
    Z: Values,
    use_bohr: bool = True,
) -> None:
    """Write a surface over three CVs as a Gaussian cube file, clipped to +-450 kcal/mol.

    ``origin`` [3] the first point, ``nx ny nz`` points (two or more) ``dx dy dz`` apart, in
    angstrom if ``use_bohr`` (written as bohr) and else written as they are; ``Z`` nx ny nz values
    in kcal/mol, the first CV slowest.
    Raises InputError if they disagree, OutputError if the file cannot be written.
    """
    shape, steps = (nx, ny, nz), np.array([dx, dy, dz], np.float64)
    lower, values = np.asarray(origin, np.float64), np.asarray(Z, np.float64)
    if lower.shape != (3,) or values.size != math.prod(shape):
        raise InputError(
            f"expected an origin of 3 numbers and {nx} x {ny} x {nz} values, "
            f"got {lower.shape} and {values.shape}"
        )
    upper = lower + steps * (np.array(shape) - 1)
    grid = Grid(("x", "y", "z"), tuple(lower), tuple(upper), shape, (False,) * 3)
    _write_cube(file, grid, values.reshape(shape), BOHR_PER_ANGSTROM if use_bohr else 1.0)


def _write_cube(file: Path, grid: Grid, values: Array, scale: float = BOHR_PER_ANGSTROM) -> None:
    write_cube(file, grid, np.clip(values, -LARGEST, LARGEST), units="kcal/mol", scale=scale)


# Command line

#: Flag -> (kind of its value, default, help).
FLAGS: dict[str, tuple[str, str | None, str]] = {
    "-i": ("FILE", None, "samples, one a row; .csv: separated by commas, else by blanks, with or "
           "without a #! FIELDS header"),
    "-ic": ("COUNTS", "0,1,2", "columns of the 1 to 4 CVs, counted from 0"),
    "-ib": ("COUNT", "3", "column of the bias, kcal/mol"),
    "-ir": ("COUNT", "4", "column of the rbias, kcal/mol"),
    "-s": ("COUNT", "0", "use only so many rows, the first; 0: all"),
    "-no_bias": ("BOOL", "false", "leave the bias column out of V"),
    "-no_rbias": ("BOOL", "true", "leave the rbias column out of V; with neither left out V is "
                  "their sum (metad.rbias of PLUMED contains metad.bias: -no_bias true)"),
    "-a": ("NUMBER", "1.0", "factor: V becomes a V + b, both the V read (0.2390057 if it is in "
           "kJ/mol) and the sum of Gaussians of -oV and -oF"),
    "-b": ("NUMBER", "0.0", "shift, see -a, kcal/mol"),
    "-sigma": ("NUMBER", "1.0", "bandwidth (standard deviation) of the Gaussians along every CV, "
               "CV units"),
    "-cmin": ("NUMBERS", None, "lower bounds of the grid, one a CV, CV units (default: of the "
              "samples)"),
    "-cmax": ("NUMBERS", None, "upper bounds, likewise"),
    "-e": ("NUMBER", "0.0", "edge added on both sides of every CV, to given bounds too, CV units"),
    "-intg": ("BOOL", "false", "round the bounds outwards to integers, after -e"),
    "-g": ("COUNTS", None, "intervals of the grid, one a CV; N gives N+1 points (default: 10 a "
           "CV)"),
    "-o": ("FILE", None, "write the free energy as Gaussian cube: 3 CVs, angstrom to bohr, clipped "
           "to +-450 kcal/mol"),
    "-odat": ("FILE", None, "write the free energy -kT ln sum_j exp(V_j / kT) K(x - x_j), minimum "
              "0, as PLUMED grid, kcal/mol; inf where no sample reaches"),
    "-oV": ("FILE", None, "write the bias V(x) = kT sum_j exp(-(x - x_j)^2 / 2 sigma^2) as PLUMED "
            "grid, kcal/mol"),
    "-oF": ("FILE", None, "write -V(x), minimum 0, as PLUMED grid, kcal/mol"),
    "-sink": ("BOOL", "false", "SinkMeta: V(x) of -oV and -oF is N^(-1/2) sum_j V_j "
              "exp(-(x - x_j)^2 / 2 sigma^2), V_j the V read"),
    "-f32": ("BOOL", "false", "sum in single precision: F is inf 13 sigma from every sample or "
             "some 50 kcal/mol above the minimum"),
    "-device": ("COUNTS", "0", "GPUs to use; this build has no GPU library and uses the CPU"),
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
        values = _fes(flags, grid, samples, bias)
        if flags.o:
            _write_cube(flags.o, grid, values)
        if flags.odat:
            write_dat(flags.odat, grid, values)
    if flags.oV or flags.oF:
        potential = _potential(flags, grid, samples, bias)
        if flags.oV:
            write_dat(flags.oV, grid, potential, value_name="bias")
        if flags.oF:
            write_dat(flags.oF, grid, potential.max() - potential)


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
    joined, rest = [], iter(arguments)
    for flag in rest:
        if flag in ("-h", "--help"):
            return [flag]
        if flag not in FLAGS:
            raise InputError(f"unknown flag {flag!r}; expected one of {' '.join(FLAGS)}")
        value = next(rest, None)
        if value is None or value in FLAGS:
            raise InputError(f"{flag} needs a value ({FLAGS[flag][0]})")
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
    if not word.strip().isdecimal():
        raise ValueError
    return int(word)


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
    if flags.sink and flags.no_bias and flags.no_rbias:
        raise InputError("-sink needs a bias; -no_bias and -no_rbias leave none")


def _samples(flags: argparse.Namespace) -> tuple[list[str], Array, Array]:
    """Names of the CVs, samples float64[N, d] and their V float64[N]."""
    d = len(flags.ic)
    columns = flags.ic + [flags.ib] * (not flags.no_bias) + [flags.ir] * (not flags.no_rbias)
    names, table = _read(flags.i, columns, flags.s or None)
    labels = [f"s{i + 1}" if name.isdecimal() else name for i, name in enumerate(names[:d])]
    return labels, table[:, :d], flags.a * table[:, d:].sum(axis=1) + flags.b


def _read(path: str, columns: list[int], n_rows: int | None) -> tuple[list[str], Array]:
    """Names and values float64[N, k] of columns given by number."""
    if path.lower().endswith(".csv"):
        table = read_out(path, columns, 0, n_rows, ",")
        finite = np.isfinite(table).all(axis=1)
        if not finite.all():
            raise FileFormatError(f"{path}: row {finite.argmin() + 1} holds nan or inf")
        return list(map(str, columns)), table
    fields = read_header(path).fields
    if max(columns) >= len(fields):
        raise InputError(f"{path}: no column {max(columns)}; the file has 0 to {len(fields) - 1}")
    names = [fields[column] for column in columns]
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
    return Density(grid, cutoff=REACH[dtype], dtype=dtype)


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
    values = density.values.astype(np.float64)
    return values if flags.sink else np.asarray(flags.a * values + flags.b)
