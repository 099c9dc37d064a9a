"""The files of CyFES 2 to 4: columns of numbers, Gaussian cubes, and rows of points and values."""

import math
import warnings
from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np
import numpy.typing as npt

from cyfes.errors import CyfesWarning, FileFormatError, InputError
from cyfes.grid import Grid
from cyfes.gridfile import atomic_write, read_cube, write_cube
from cyfes.gridfile.data import missing_file

BOHR_PER_ANGSTROM = 1.889716164632
#: What a cube file may hold, in either direction.
LARGEST = 450.0

Path = str | PathLike[str]
Array = npt.NDArray[Any]
Values = npt.ArrayLike


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
    """Write a header and a line for each point: its coordinates and its value, every digit of them.

    ``path`` [M, d] points in CV units (or [M] for one CV), ``Z`` M values.
    Raises InputError if they disagree in number, OutputError if the file cannot be written.
    """
    points, values = np.asarray(path, np.float64), np.asarray(Z, np.float64).ravel()
    points = points[:, None] if points.ndim == 1 else points
    if points.ndim != 2 or len(points) != len(values):
        raise InputError(f"path must be [M, d] for M = {len(values)} values, got {points.shape}")
    names = "xyz" if points.shape[1] <= 3 else [f"x{i + 1}" for i in range(points.shape[1])]
    header = f"#! FIELDS {' '.join(names[: points.shape[1]])} fes"
    _save_rows(file, np.column_stack([points, values]), "\t", header)


def cube2xyz(file: Path) -> tuple[list[float], list[float], list[list[str]]]:
    """Read a Gaussian cube file: its origin, its values and the words of its three axes.

    Origin and axes are in the file's own length unit, bohr by CyFES; an axis is its number of
    points and the vector between two of them. Raises as ``read_cube``.
    """
    values = read_cube(file).values.ravel().tolist()
    with open(file, encoding="utf-8", errors="replace") as lines:
        corner, *axes = [line.split()[:4] for line in lines.readlines()[2:6]]
    return list(map(float, corner[1:])), values, axes


def save2dat(
    dat_name: Path, spacing_vec: Sequence[Sequence[Any]], origin: Values, values: Values
) -> int:
    """Write what ``cube2xyz`` returned as rows of x, y, z and value, bohr to angstrom; return 1.

    The first CV is the slowest. Raises InputError if the number of values is not that of the axes,
    OutputError if the file cannot be written.
    """
    counts = [int(axis[0]) for axis in spacing_vec]
    steps = np.array([float(axis[1 + i]) for i, axis in enumerate(spacing_vec)])
    lower = np.asarray(origin, np.float64) / BOHR_PER_ANGSTROM
    axes = [low + step * np.arange(n) for low, step, n in
            zip(lower, steps / BOHR_PER_ANGSTROM, counts)]  # fmt: skip
    save_rows_of_grid(dat_name, axes, values)
    return 1


def save_rows_of_grid(file: Path, axes: Sequence[Array], values: Values) -> None:
    """Write a row for each point of a grid, the first CV slowest, under the header of CyFES."""
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
    numbers = np.asarray(values, np.float64).ravel()
    if len(numbers) != len(points):
        raise InputError(f"{len(numbers)} values for a grid of {len(points)} points")
    header = "\t".join(["#! ", *"XYZW"[: len(axes)], "FES"])
    _save_rows(file, np.column_stack([points, numbers]), "\t", header)


def _save_rows(file: Path, values: Array, separator: str, header: str = "") -> None:
    with atomic_write(file) as stream:
        if header:
            stream.write(f"{header}\n".encode())
        for row in values.tolist():
            stream.write((separator.join(map(repr, row)) + "\n").encode())


def save_cube(
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
    write_clipped_cube(file, grid, values.reshape(shape), BOHR_PER_ANGSTROM if use_bohr else 1.0)


def write_clipped_cube(
    file: Path,
    grid: Grid,
    values: Array,
    scale: float = BOHR_PER_ANGSTROM,
    units: str = "kcal/mol",
) -> None:
    """Write a cube with values clipped to +-450; ``scale`` in bohr a CV unit."""
    write_cube(file, grid, clipped(values), units=units, scale=scale)


def clipped(values: Array) -> Array:
    """Values clipped to +-450, with a warning if finite ones are among those that change."""
    if n := int((np.isfinite(values) & (np.abs(values) > LARGEST)).sum()):
        warnings.warn(
            f"{n} grid points lie beyond +-{LARGEST:g} and are written as that, as CyFES did; "
            "cyfes reweight cuts nothing off",
            CyfesWarning,
            stacklevel=3,
        )
    return np.clip(values, -LARGEST, LARGEST)
