"""PLUMED's text format of functions on a grid, to the byte."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from cyfes import _kernels
from cyfes.errors import FileFormatError, InputError
from cyfes.grid import Grid
from cyfes.gridfile.atomic import atomic_write
from cyfes.gridfile.data import GridData, as_field, exact_bounds, grid_of_file
from cyfes.tables import read_header, read_table

if TYPE_CHECKING:
    import numpy.typing as npt

#: Points formatted at a time: large enough to keep every thread busy, a few MB of text.
CHUNK = 1 << 16

_FORMAT = re.compile(r"%(?P<flags>[-+ #0]*)(?P<width>\d{0,2})(\.(?P<precision>\d{0,2}))?[eEfFgG]")


def write_dat(
    path: str | os.PathLike[str],
    grid: Grid,
    values: npt.ArrayLike,
    derivatives: npt.ArrayLike | None = None,
    *,
    value_name: str = "file.free",
    fmt: str = "%14.9f",
    backup: bool = True,
    n_threads: int = 0,
) -> None:
    """Write a function on a grid as ``plumed sum_hills`` does.

    values float64[grid.shape]; derivatives float64[n_dims, *grid.shape] by each CV, or None;
    ``fmt`` one printf conversion for every number; n_threads 0 = all. The order of points, the
    blank lines and the header are those of PLUMED 2.10 (Grid::writeToFile).
    Raises InputError for a wrong shape or ``fmt``, OutputError if the file cannot be written.
    """
    plain = _plain_format(fmt)
    fields = [as_field("values", values, grid.shape)]
    if derivatives is not None:
        fields.extend(as_field("derivatives", derivatives, (grid.n_dims, *grid.shape)))
    with atomic_write(path, backup=backup) as file:
        file.write(_header(grid, value_name, derivatives is not None).encode())
        for first in range(0, grid.size, CHUNK):
            n_points = min(CHUNK, grid.size - first)
            if plain:
                text = _kernels.format_grid(grid, fields, first, n_points, *plain, n_threads)
            else:
                text = "".join(_rows(grid, fields, first, n_points, fmt)).encode()
            file.write(text)


def _header(grid: Grid, value_name: str, with_derivatives: bool) -> str:
    columns = [*grid.names, value_name]
    if with_derivatives:
        columns += [f"der_{name}" for name in grid.names]
    lines = [f"#! FIELDS {' '.join(columns)}"]
    for name, (low, high), n_points, wraps in zip(
        grid.names, exact_bounds(grid), grid.shape, grid.periodic
    ):
        lines += [
            f"#! SET min_{name} {low}",
            f"#! SET max_{name} {high}",
            f"#! SET nbins_{name}  {n_points}",
            f"#! SET periodic_{name} {'true' if wraps else 'false'}",
        ]
    return "\n".join(lines) + "\n"


def _plain_format(fmt: str) -> tuple[int, int] | None:
    """Width and precision of a plain "%<width>.<precision>f", None for any other conversion."""
    match = _FORMAT.fullmatch(fmt)
    if not match:
        raise InputError(f"--fmt: {fmt!r} is not a number format; expected e.g. %14.9f or %12.6e")
    if match["flags"] or not match["width"] or not match["precision"] or fmt[-1] != "f":
        return None
    return int(match["width"]), int(match["precision"])


def _rows(
    grid: Grid, fields: list[np.ndarray], first: int, n_points: int, fmt: str
) -> Iterator[str]:
    """Lines of points [first, first + n_points) in any format; the kernel knows only one."""
    points = np.arange(first, first + n_points)
    index = np.unravel_index(points, grid.shape, order="F")
    columns = [axis[i] for axis, i in zip(grid.axes, index)] + [f[index] for f in fields]
    # PLUMED separates blocks wherever the last CV but one starts again.
    opens_block = (index[-2] == 0) & (points > 0) if grid.n_dims > 1 else np.zeros(n_points, bool)
    row = f" {fmt}" * len(columns) + "\n"
    for blank, *numbers in zip(opens_block.tolist(), *(c.tolist() for c in columns)):
        yield ("\n" if blank else "") + row % tuple(numbers)


def read_dat(path: str | os.PathLike[str]) -> GridData:
    """Read a function on a grid of 1 to 4 CVs in PLUMED's format.

    The values are the first column after the CVs, whatever its name; derivatives are read where
    every ``der_CV`` column is there. Infinite values are kept.
    Raises FileMissingError, or FileFormatError if the header is incomplete or the rows are not
    the points of the grid it describes.
    """
    header = read_header(path)
    fields = list(header.fields)
    grid = _grid_of_header(path, fields, header.constants)
    if len(fields) == grid.n_dims:
        raise FileFormatError(f"{path}: no column of values after {' '.join(grid.names)}")
    value_name = fields[grid.n_dims]
    slopes = [f"der_{name}" for name in grid.names]
    if not set(slopes) <= set(fields):
        slopes = []
    columns = read_table(path, [*grid.names, value_name, *slopes], allow_nonfinite=True).columns
    _check_points(path, grid, columns)
    values, *rest = (_on_grid(columns[name], grid) for name in [value_name, *slopes])
    return GridData(grid, values, np.stack(rest) if rest else None, value_name)


def _grid_of_header(
    path: str | os.PathLike[str], fields: list[str], constants: Mapping[str, str]
) -> Grid:
    """Grid of the leading columns that have SET lines; all four of them are needed."""
    what = ("min", "max", "nbins", "periodic")
    names = []
    for name in fields:
        if not any(f"{key}_{name}" in constants for key in what):
            break
        names.append(name)
    wanted = names or fields[:1]
    missing = [
        f"{key}_{name}" for name in wanted for key in what if f"{key}_{name}" not in constants
    ]
    if missing or not names:
        raise FileFormatError(f"{path}: no grid in the header, missing #! SET {', '.join(missing)}")

    def get(key: str) -> list[str]:
        return [constants[f"{key}_{name}"] for name in names]

    return grid_of_file(
        path,
        names,
        list(zip(get("min"), get("max"))),
        [_count(path, text) for text in get("nbins")],
        [_flag(path, text) for text in get("periodic")],
    )


def _count(path: str | os.PathLike[str], text: str) -> int:
    if not text.isdecimal():
        raise FileFormatError(f"{path}: nbins must be a number of points, got {text!r}")
    return int(text)


def _flag(path: str | os.PathLike[str], text: str) -> bool:
    if text not in ("true", "false"):
        raise FileFormatError(f"{path}: periodic must be true or false, got {text!r}")
    return text == "true"


def _check_points(path: str | os.PathLike[str], grid: Grid, columns: Mapping[str, Any]) -> None:
    """FileFormatError unless row k is point k of the grid, the first CV fastest."""
    n_rows = len(columns[grid.names[0]])
    if n_rows != grid.size:
        raise FileFormatError(
            f"{path}: {n_rows} rows, expected {' x '.join(map(str, grid.shape))} = {grid.size}"
        )
    for i, (name, axis) in enumerate(zip(grid.names, grid.axes)):
        along = tuple(-1 if k == i else 1 for k in range(grid.n_dims))
        # Half a spacing tells neighbours apart; the rest is room for few printed digits.
        tolerance = 0.5 * grid.spacing[i] + 1e-3 * (grid.upper[i] - grid.lower[i])
        off = np.abs(_on_grid(columns[name], grid) - axis.reshape(along))
        if not (off <= tolerance).all():
            raise FileFormatError(f"{path}: {name} of the rows does not follow the header's grid")


def _on_grid(column: npt.NDArray[np.float64], grid: Grid) -> npt.NDArray[np.float64]:
    """A column of rows, first CV fastest, as float64[grid.shape]."""
    return np.ascontiguousarray(column.reshape(grid.shape, order="F"))
