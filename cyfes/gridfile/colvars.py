"""Surfaces of the Colvars module: .pmf, a text of points that lie in the middle of bins."""

from __future__ import annotations

import math
import os
import warnings
from typing import TYPE_CHECKING

import numpy as np

from cyfes.errors import CyfesWarning, FileFormatError, InputError
from cyfes.grid import MAX_DIMS, Grid
from cyfes.gridfile.data import GridData, grid_of_file
from cyfes.tables import TableReader, grid_lines, table_of, told
from cyfes.units import parse_integer, parse_number

if TYPE_CHECKING:
    import numpy.typing as npt

#: How far a point may lie from where the header says, in bins.
OFF = 0.01

#: Suffixes of grids of the same format that hold no free energy.
_NO_ENERGY = {".count": "numbers of samples", ".grad": "gradients", ".czar.grad": "gradients"}


def read_colvars(path: str | os.PathLike[str]) -> GridData:
    """Read a free energy that Colvars wrote on a grid, of 1 to 4 CVs.

    "# D", then "# MIN WIDTH POINTS PERIODIC" for each CV, then rows of the CVs and the value, the
    last CV fastest; point i lies at MIN + (i + 1/2) WIDTH. Names of the CVs are those of
    cyfes.reading, else s1, s2, ... Of several grids in one file, the last is read, with a
    CyfesWarning. Source: the Colvars manual, "multicolumn text format".
    Raises FileMissingError, or FileFormatError if the rows are not the points of the grid.
    """
    name = os.fspath(path)
    for suffix, what in _NO_ENERGY.items():
        if name.endswith(suffix):
            raise FileFormatError(f"{name}: {suffix} holds {what}, no free energy; give the .pmf")
    reader = TableReader(name, allow_nonfinite=True, wanted="surface")
    grid = _grid(name, grid_lines(reader.top))
    d = grid.n_dims
    if len(reader.header.fields) != d + 1:
        reader.close()
        raise FileFormatError(
            f"{name}: {len(reader.header.fields)} columns where {d + 1} are expected, {d} CVs and "
            "the free energy"
        )
    table = table_of(reader, [str(i) for i in range(d + 1)])
    *places, values = (_last_grid(name, table.columns[str(i)], grid) for i in range(d + 1))
    if table.n_rows > grid.size:
        text = f"{name}: {table.n_rows // grid.size} grids in one file; the last is taken"
        warnings.warn(text, CyfesWarning, stacklevel=2)
    _check_places(name, grid, places)
    return GridData(grid, np.ascontiguousarray(values), value_name="file.free")


def _check_places(path: str, grid: Grid, places: list[npt.NDArray[np.float64]]) -> None:
    """Raise FileFormatError unless the coordinates of the rows are those of the grid."""
    meshed = np.meshgrid(*grid.axes, indexing="ij")
    for found, expected, step in zip(places, meshed, grid.spacing):
        if not np.abs(found - expected).max() <= OFF * step:
            raise FileFormatError(
                f"{path}: a row does not follow the header's grid, the last CV fastest"
            )


def _grid(path: str, lines: list[tuple[str, ...]]) -> Grid:
    """The grid of the middles of the bins that the header's lines describe."""
    if not 1 <= len(lines) <= MAX_DIMS:
        raise FileFormatError(
            f"{path}:1: a grid of {len(lines)} CVs; expected 1 to {MAX_DIMS}, in lines '# D' and "
            "'# MIN WIDTH POINTS PERIODIC'"
        )
    names = _names(path, len(lines))
    bounds, shape, periodic = [], [], []
    for number, (low, width, points, wraps) in enumerate(lines, start=2):
        where = f"{path}:{number}"
        try:
            first, step = parse_number(low, "MIN"), parse_number(width, "WIDTH")
            n = parse_integer(points, "POINTS", least=1)
        except InputError as error:
            raise FileFormatError(f"{where}: {error}") from None
        if not (0 < step < math.inf):
            raise FileFormatError(f"{where}: WIDTH must be positive, got {width}")
        bins = n - (wraps == "0")
        bounds.append((f"{first + 0.5 * step:.15g}", f"{first + (bins + 0.5) * step:.15g}"))
        shape.append(n)
        periodic.append(wraps == "1")
    return grid_of_file(path, names, bounds, shape, periodic)


def _names(path: str, n: int) -> list[str]:
    axes = told().axes
    if axes and len(axes) != n:
        raise InputError(f"{path} has {n} CVs, and --axes names {len(axes)}")
    return [axis.name for axis in axes] or [f"s{i + 1}" for i in range(n)]


def _last_grid(path: str, column: npt.NDArray[np.float64], grid: Grid) -> npt.NDArray[np.float64]:
    """The rows of the last grid of a file, float64[grid.shape]."""
    n, rest = divmod(len(column), grid.size)
    if rest or not n:
        raise FileFormatError(
            f"{path}: {len(column)} rows, expected {' x '.join(map(str, grid.shape))} = {grid.size}"
        )
    return column[-grid.size :].reshape(grid.shape)
