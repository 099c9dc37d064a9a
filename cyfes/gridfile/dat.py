"""PLUMED's text format of functions on a grid, to the byte."""

from __future__ import annotations

import itertools
import math
import os
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from cyfes import _kernels
from cyfes.errors import CyfesWarning, FileFormatError, InputError, quoted
from cyfes.grid import Grid
from cyfes.gridfile.atomic import atomic_write
from cyfes.gridfile.data import GridData, as_field, exact_bounds, grid_of_file
from cyfes.provenance import MARK, Provenance
from cyfes.tables import Header, TableReader, table_of
from cyfes.units import UNIT_LABELS, parse_integer, parse_number

if TYPE_CHECKING:
    import numpy.typing as npt

#: Points formatted at a time: large enough to keep every thread busy, a few MB of text.
CHUNK = 1 << 16

#: The column of standard errors, the last one.
ERROR = "error"

#: What a header tells of each CV.
_SET = ("min", "max", "nbins", "periodic")

_FORMAT = re.compile(r"%(?P<flags>[-+ #0]*)(?P<width>\d{0,2})(\.(?P<precision>\d{0,2}))?[eEfFgG]")


def write_dat(
    path: str | os.PathLike[str],
    grid: Grid,
    values: npt.ArrayLike,
    derivatives: npt.ArrayLike | None = None,
    *,
    error: npt.ArrayLike | None = None,
    columns: Mapping[str, npt.ArrayLike] | None = None,
    value_name: str = "file.free",
    provenance: Provenance | None = None,
    units: str | None = None,
    kbt: float | None = None,
    fmt: str = "%14.9f",
    backup: bool = True,
    n_threads: int = 0,
) -> None:
    """Write a function on a grid as ``plumed sum_hills`` does.

    values float64[grid.shape]; derivatives float64[n_dims, *grid.shape] by each CV, or None;
    ``columns`` None or further columns by name, and ``error`` None or a last column of that name,
    which PLUMED does not write, float64[grid.shape] each;
    ``provenance`` None or further lines of the header, which PLUMED takes for comments and which
    tell ``units`` and ``kbt`` too; ``fmt`` one printf conversion for every number; n_threads 0 =
    all. The order of points, the blank lines and the header are those of PLUMED 2.10
    (Grid::writeToFile).
    Raises InputError for a wrong shape or ``fmt`` or a name with blanks, OutputError if the file
    cannot be written.
    """
    plain = _plain_format(fmt)
    for name in columns or ():
        if name in grid.names:
            raise InputError(f"a CV has the name of the column {name}: rename it")
    for name in (*grid.names, value_name):
        if len(name.split()) != 1 or name.split()[0] != name:
            raise InputError(f"a .dat file holds no name with blanks, got {quoted(name)}")
    fields = [as_field("values", values, grid.shape)]
    if derivatives is not None:
        fields.extend(as_field("derivatives", derivatives, (grid.n_dims, *grid.shape)))
    names = [f"der_{name}" for name in grid.names] if derivatives is not None else []
    further = {**(columns or {}), **({} if error is None else {ERROR: error})}
    fields += [as_field(name, column, grid.shape) for name, column in further.items()]
    names += further
    remarks = "" if provenance is None else provenance.text() + _energy_lines(units, kbt)
    with atomic_write(path, backup=backup) as file:
        file.write((_header(grid, [value_name, *names]) + remarks).encode())
        for first in range(0, grid.size, CHUNK):
            n_points = min(CHUNK, grid.size - first)
            if plain:
                text = _kernels.format_grid(grid, fields, first, n_points, *plain, n_threads)
            else:
                text = "".join(_rows(grid, fields, first, n_points, fmt)).encode()
            file.write(text)


def _header(grid: Grid, columns: Sequence[str]) -> str:
    lines = [f"#! FIELDS {' '.join([*grid.names, *columns])}"]
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


def _energy_lines(units: str | None, kbt: float | None) -> str:
    told = {"units": units, "kbt": None if kbt is None else f"{kbt:.17g}"}
    return "".join(f"{MARK}{name} {value}\n" for name, value in told.items() if value is not None)


def _energy(
    path: str | os.PathLike[str], remarks: Sequence[str]
) -> tuple[str | None, float | None, list[str]]:
    """Units and kBT as the remarks of a header tell them, and the other remarks."""
    told = dict(line.partition(" ")[::2] for line in remarks)
    units, kbt = told.get("units"), told.get("kbt")
    if units is not None and units not in UNIT_LABELS:
        raise FileFormatError(
            f"{path}: unknown energy unit {quoted(units)} in a line '{MARK}units'"
        )
    others = [line for line in remarks if line.partition(" ")[0] not in ("units", "kbt")]
    try:
        energy = None if kbt is None else parse_number(kbt, f"{MARK}kbt")
    except InputError as error:
        raise FileFormatError(f"{path}: {error}") from None
    if energy is not None and not 0 < energy < math.inf:
        raise FileFormatError(f"{path}: '{MARK}kbt' must be positive, got {quoted(str(kbt))}")
    return units, energy, others


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


def read_dat(path: str | os.PathLike[str], *, index: int | None = None) -> GridData:
    """Read a function on a grid of 1 to 4 CVs in PLUMED's format.

    The values are the first column after the CVs, whatever its name; derivatives are read where
    every ``der_CV`` column is there, and a column ``error`` as ``extra``. Infinite values are kept.
    ``nbins`` may count points, as ``sum_hills`` writes it, or bins, as DUMPGRID does, and a
    periodic CV may repeat its first point at the end: the rows decide. Of several grids, each with
    its header, the last is read, with a CyfesWarning, or that of ``index`` (from 0, negative from
    the end).
    Raises FileMissingError, or FileFormatError if the header is incomplete or the rows are not
    the points of the grid it describes; InputError for a grid that is not there.
    """
    reader = TableReader(os.fspath(path), allow_nonfinite=True, wanted="surface")
    try:
        names, value_name, others = _columns(path, reader.header)
        table = table_of(reader, [*names, value_name, *others])
    finally:
        reader.close()
    header, rows = _chosen(path, table.headers, table.n_rows, index)
    if _columns(path, header) != (names, value_name, others):
        raise FileFormatError(f"{path}: the grids of the file have different columns")
    if table.notes:
        warnings.warn(f"{path}: {'; '.join(table.notes)}", CyfesWarning, stacklevel=2)
    columns = {name: column[rows] for name, column in table.columns.items()}
    layout = _layout(path, _grid_of_header(path, names, header.constants), columns)
    values, *rest = (layout.on_grid(path, name, columns[name]) for name in [value_name, *others])
    extra = {ERROR: rest.pop()} if ERROR in others else {}
    units, kbt, remarks = _energy(path, header.remarks)
    return GridData(
        layout.grid,
        values,
        np.stack(rest) if rest else None,
        value_name,
        units=units,
        kbt=kbt,
        extra=extra,
        provenance=Provenance.parse(remarks),
    )


def _columns(path: str | os.PathLike[str], header: Header) -> tuple[list[str], str, list[str]]:
    """Names of the CVs, which have SET lines, of the values, and of derivatives and error."""
    if not header.line:
        raise FileFormatError(f"{path}: no '#! FIELDS' header, expected that of a grid of PLUMED")
    fields, constants = list(header.fields), header.constants
    names = list(itertools.takewhile(lambda f: any(f"{k}_{f}" in constants for k in _SET), fields))
    wanted = names or fields[:1]
    missing = [f"{key}_{n}" for n in wanted for key in _SET if f"{key}_{n}" not in constants]
    if missing:
        raise FileFormatError(f"{path}: no grid in the header, missing #! SET {', '.join(missing)}")
    if len(fields) == len(names):
        raise FileFormatError(f"{path}: no column of values after {' '.join(names)}")
    slopes = [f"der_{name}" for name in names]
    others = slopes if set(slopes) <= set(fields) else []
    return names, fields[len(names)], others + [ERROR] * (ERROR in fields[len(names) + 1 :])


def _chosen(
    path: str | os.PathLike[str], headers: Sequence[Header], n_rows: int, index: int | None
) -> tuple[Header, slice]:
    """The header of one grid of a file, and its rows."""
    n = len(headers)
    if index is None:
        index = -1
        if n > 1:
            text = f"{path}: {n} grids in one file; the last is taken"
            warnings.warn(text, CyfesWarning, stacklevel=3)
    if not -n <= index < n:
        raise InputError(f"{path}: no grid {index}; the file has {n}")
    starts = [header.first_row for header in headers] + [n_rows]
    return headers[index], slice(starts[index % n], starts[index % n + 1])


def _grid_of_header(
    path: str | os.PathLike[str], names: list[str], constants: Mapping[str, str]
) -> Grid:
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
    try:
        return parse_integer(text, "nbins", least=1)
    except InputError as error:
        raise FileFormatError(f"{path}: {error}") from None


def _flag(path: str | os.PathLike[str], text: str) -> bool:
    if text not in ("true", "false"):
        raise FileFormatError(f"{path}: periodic must be true or false, got {quoted(text)}")
    return text == "true"


@dataclass(frozen=True)
class _Layout:
    """How the rows of a file lie on a grid.

    ``shape``: points in the file along each CV, one more than the grid's where a periodic CV
    repeats its first point at the end.
    """

    grid: Grid
    shape: tuple[int, ...]

    def axes(self) -> list[npt.NDArray[np.float64]]:
        """Coordinates of the points in the file."""
        return [
            low + np.arange(n) * step
            for low, step, n in zip(self.grid.lower, self.grid.spacing, self.shape)
        ]

    def distance(
        self, columns: Mapping[str, npt.NDArray[np.float64]], *, edges: bool = False
    ) -> float:
        """Largest distance of the rows from the points: in half a spacing plus 0.1 % of the range.

        Half a spacing tells neighbours apart; the rest is room for few printed digits. ``edges``:
        of the rows along one edge of the grid for each CV only.
        """
        worst = 0.0
        for i, (name, axis) in enumerate(zip(self.grid.names, self.axes())):
            values = np.moveaxis(self._reshaped(columns[name]), i, -1)
            off = np.abs((values[(0,) * (values.ndim - 1)] if edges else values) - axis).max()
            width = self.grid.upper[i] - self.grid.lower[i]
            with np.errstate(over="ignore"):
                worst = max(worst, float(off / (0.5 * self.grid.spacing[i] + 1e-3 * width)))
            worst = worst if np.isfinite(off) else np.inf
        return worst

    def on_grid(
        self, path: str | os.PathLike[str], name: str, column: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        """A column as float64[grid.shape]; FileFormatError unless repeated points are equal."""
        whole = self._reshaped(column)
        for i, n in enumerate(self.grid.shape):
            if n == self.shape[i]:
                continue
            first, end = whole.take(0, axis=i), whole.take(n, axis=i)
            room = 1e-6 * np.ptp(whole[np.isfinite(whole)]) if np.isfinite(whole).any() else 0.0
            if not np.allclose(first, end, rtol=1e-6, atol=room):
                cv = self.grid.names[i]
                raise FileFormatError(
                    f"{path}: {name} differs between both ends of {cv}, which is periodic"
                )
            whole = whole.take(range(n), axis=i)
        return np.ascontiguousarray(whole)

    def _reshaped(self, column: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """A column of rows, first CV fastest, as float64[shape]."""
        return column.reshape(self.shape, order="F")


def _layout(
    path: str | os.PathLike[str], grid: Grid, columns: Mapping[str, npt.NDArray[np.float64]]
) -> _Layout:
    """The layout that the rows follow best; FileFormatError if they follow none."""
    n_rows = len(columns[grid.names[0]])
    possible = [layout for layout in _layouts(grid) if math.prod(layout.shape) == n_rows]
    if not possible:
        raise FileFormatError(
            f"{path}: {n_rows} rows, expected {' x '.join(map(str, grid.shape))} = {grid.size}"
        )
    best = min(possible, key=lambda layout: layout.distance(columns, edges=True))
    if not best.distance(columns) <= 1.0:
        raise FileFormatError(
            f"{path}: a row does not follow the header's grid, {grid.names[0]} fastest"
        )
    return best


def _layouts(grid: Grid) -> Iterator[_Layout]:
    """What the counts of a header may mean along each CV, the usual first."""
    # Pairs of points in the file and on the grid, which has none twice.
    choices = [
        [(n, n), (n, n - 1), (n + 1, n)] if wraps else [(n, n), (n + 1, n + 1)]
        for n, wraps in zip(grid.shape, grid.periodic)
    ]
    for pairs in itertools.product(*choices):
        points, distinct = zip(*pairs)
        if min(distinct) > 0:
            yield _Layout(replace(grid, shape=distinct), points)
