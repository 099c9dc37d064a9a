"""Gaussian cube files of surfaces over three CVs, for volumetric viewers."""

from __future__ import annotations

import math
import os
import warnings
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from cyfes.errors import CyfesWarning, FileFormatError, InputError, quoted
from cyfes.grid import Grid
from cyfes.gridfile.atomic import atomic_write
from cyfes.gridfile.data import GridData, as_field, exact_bounds, grid_of_file, missing_file
from cyfes.provenance import Provenance
from cyfes.units import MAX_COUNT, UNIT_LABELS, parse_integer

if TYPE_CHECKING:
    import numpy.typing as npt

#: 17 digits, so that every double reads back unchanged; readers split at spaces, not at columns.
_NUMBER = " %23.16e"
_PER_LINE = 6
#: Starts the second comment of our own files; JSON follows.
_MARK = "cyfes "
#: VMD keeps the first comment in 256 bytes.
_TITLE_LENGTH = 200


def write_cube(
    path: str | os.PathLike[str],
    grid: Grid,
    values: npt.ArrayLike,
    *,
    units: str = "kj/mol",
    scale: float = 1.0,
    provenance: Provenance | None = None,
    backup: bool = True,
) -> None:
    """Write a surface over exactly three CVs as a Gaussian cube file.

    values float64[grid.shape] in ``units``; ``scale`` the length in bohr that one unit of every CV
    takes in a viewer (1.8897 overlays CVs in angstrom on a molecule); ``provenance`` None or how
    the surface was made, for the second comment.
    A cube cannot hold inf: such points get a finite value above all others, near enough not to
    spoil a viewer's colour scale, that the second comment names for ``read_cube``.
    Raises InputError for another number of CVs, a wrong shape, nan or -inf, or unknown units;
    OutputError as atomic_write. Layout: https://paulbourke.net/dataformats/cube/
    """
    if grid.n_dims != 3:
        raise InputError(f"a cube file needs 3 CVs, got {grid.n_dims}: {', '.join(grid.names)}")
    if units not in UNIT_LABELS:
        raise InputError(f"unknown energy unit {units!r}; expected one of {', '.join(UNIT_LABELS)}")
    numbers = as_field("values", values, grid.shape)
    if np.isnan(numbers).any() or np.isneginf(numbers).any():
        raise InputError("a cube file cannot hold nan or -inf")
    stand_in = _stand_in(numbers)
    numbers = np.where(np.isinf(numbers), stand_in, numbers)
    with atomic_write(path, backup=backup) as file:
        file.write(_header(grid, units, scale, stand_in, provenance).encode())
        for slab in numbers:
            file.write("".join(_runs(slab)).encode())


def _stand_in(values: npt.NDArray[np.float64]) -> float:
    """A finite value clearly above every finite one."""
    highest = float(values.max(where=np.isfinite(values), initial=-math.inf))
    return highest + max(1.0, 0.1 * abs(highest)) if math.isfinite(highest) else 1.0


def _header(
    grid: Grid, units: str, scale: float, stand_in: float, provenance: Provenance | None
) -> str:
    import json  # not needed by most runs

    record: dict[str, Any] = {
        "names": grid.names,
        "bounds": exact_bounds(grid),
        "periodic": grid.periodic,
        "units": units,
        "inf": stand_in,
    }
    if provenance is not None:
        record["provenance"] = provenance.text("").splitlines()
    title = f"free energy in {UNIT_LABELS[units]} over {' '.join(grid.names)}"
    corner = scale * np.array(grid.lower)
    voxels = np.diag(scale * grid.spacing)
    lines = [title[:_TITLE_LENGTH], _MARK + json.dumps(record), _geometry(1, corner)]
    lines += [_geometry(n, voxel) for n, voxel in zip(grid.shape, voxels)]
    # Without an atom VMD takes the file for a set of orbitals; number 0 is a dummy atom.
    lines.append(_geometry(0, np.concatenate([[0.0], corner])))
    return "\n".join(lines) + "\n"


def _geometry(count: int, vector: np.ndarray) -> str:
    return f"{count:5d}" + "".join(f" {x:19.12e}" for x in vector)


def _runs(slab: npt.NDArray[np.float64]) -> Iterator[str]:
    """Text of float64[n, m]: six numbers a line, a new line after each run of m."""
    n_lines, n_last = divmod(slab.shape[1], _PER_LINE)
    template = (_NUMBER * _PER_LINE + "\n") * n_lines
    if n_last:
        template += _NUMBER * n_last + "\n"
    for run in slab.tolist():
        yield template % tuple(run)


def read_cube(path: str | os.PathLike[str]) -> GridData:
    """Read a Gaussian cube file with one set of values on a rectangular grid.

    A file by ``write_cube`` gives back its grid, units, infinities and exact values. One by
    another program gives CVs named x, y, z that are not periodic, in the file's length unit.
    Raises FileMissingError, or FileFormatError with the line to blame.
    """
    try:
        with open(path, encoding="utf-8", errors="replace") as lines:
            return _Reader(path, lines).read()
    except OSError as error:
        raise missing_file(path, error) from error


class _Reader:
    """Goes through the lines of one cube file, counting them for messages."""

    def __init__(self, path: str | os.PathLike[str], lines: TextIO) -> None:
        self.path, self.lines, self.line, self.text = path, lines, 0, ""

    def read(self) -> GridData:
        self._next()
        comment = self._next()
        record = self._record(comment) if comment.startswith(_MARK + "{") else None
        n_atoms, corner = self._count_and_vector()
        if n_atoms < 0:
            raise self._error("a cube of several orbitals, expected one set of values")
        axes = [self._count_and_vector() for _ in range(3)]
        for _ in range(n_atoms):
            self._next()
        # A negative count says "in angstrom"; the unit of a CV is known only to its user.
        shape = [abs(n) for n, _ in axes]
        voxels = np.array([vector for _, vector in axes])
        values = self._values(shape)
        self._check_end(ours=record is not None)
        if record is None:
            return GridData(self._foreign_grid(corner, voxels, shape), values)
        grid = grid_of_file(self.path, record.names, record.bounds, shape, record.periodic)
        values[values == record.inf] = math.inf
        made = Provenance.parse(record.provenance or [])
        return GridData(grid, values, units=record.units, provenance=made)

    def _next(self) -> str:
        self.line += 1
        self.text = self.lines.readline()
        if not self.text:
            raise self._error("the file ends too early")
        return self.text

    def _error(self, what: str) -> FileFormatError:
        return FileFormatError(f"{self.path}:{self.line}: {what}")

    def _count_and_vector(self) -> tuple[int, list[float]]:
        """The next line: a count and three numbers; a few programs append more."""
        text = self._next()
        try:
            count, *vector = text.split()[:4]
            x, y, z = _numbers(" ".join(vector))
            return parse_integer(count, "count", least=-MAX_COUNT), [x, y, z]
        except ValueError:
            raise self._error(
                f"expected a count and 3 numbers, got {quoted(text.strip())}"
            ) from None

    def _record(self, comment: str) -> _Record:
        """What ``write_cube`` noted in the second comment."""
        import json

        try:
            record = json.loads(comment.removeprefix(_MARK))
        except (ValueError, RecursionError):
            raise self._error("the comment of cyfes is damaged") from None
        try:
            return _Record(**{name: record.get(name) for name in _Record.__annotations__})
        except InputError as error:
            raise self._error(f"the comment of cyfes is damaged: {error}") from None

    def _foreign_grid(self, corner: list[float], voxels: np.ndarray, shape: list[int]) -> Grid:
        steps = np.diag(voxels)
        if np.any(voxels != np.diag(steps)):
            raise FileFormatError(f"{self.path}: the axes of the cube are not along x, y, z")
        far = np.array(corner) + steps * (np.array(shape) - 1)
        bounds = [(f"{low:.17g}", f"{high:.17g}") for low, high in zip(corner, far)]
        return grid_of_file(self.path, ["x", "y", "z"], bounds, shape, [False] * 3)

    def _values(self, shape: list[int]) -> npt.NDArray[np.float64]:
        numbers = array("d")
        for text in self.lines:
            self.line, self.text = self.line + 1, text
            try:
                numbers.extend(_numbers(text))
            except ValueError:
                raise self._error(f"not a number in {quoted(text.strip())}") from None
        if len(numbers) != math.prod(shape):
            raise self._error(f"{len(numbers)} values, expected {math.prod(shape)}")
        return np.array(numbers).reshape(shape)

    def _check_end(self, ours: bool) -> None:
        """Refuse a file of ours whose last number may be cut off, warn of another's."""
        if self.text.endswith("\n"):
            return
        if ours:
            raise self._error("the last line is cut off")
        warnings.warn(
            f"{self.path}:{self.line}: no newline at the end: the last number may be cut off",
            CyfesWarning,
            stacklevel=4,
        )


def _numbers(text: str) -> list[float]:
    """The numbers of a line; ValueError for what only Python takes for some: 1_0, other digits."""
    if "_" in text or not text.isascii():
        raise ValueError
    return list(map(float, text.split()))


@dataclass
class _Record:
    """What the numbers of a cube file leave out; InputError for anything else."""

    names: list[str]
    bounds: list[tuple[str, str]]
    periodic: list[bool]
    units: str
    inf: float
    provenance: list[str] | None = None

    def __post_init__(self) -> None:
        pairs: list[Any] = self.bounds if isinstance(self.bounds, list) else []
        whole = [pair for pair in pairs if isinstance(pair, list) and len(pair) == 2]
        texts = [text for pair in whole for text in pair]
        for what, values, kind, n in (
            ("names", self.names, str, 3),
            ("bounds", texts, str, 6),
            ("periodic", self.periodic, bool, 3),
            ("units", [self.units], str, 1),
            ("inf", [self.inf], float, 1),
        ):
            fits = isinstance(values, list) and len(values) == n
            if not fits or not all(isinstance(value, kind) for value in values):
                raise InputError(f"{what!r} is {quoted(repr(getattr(self, what)))}")
        if self.units not in UNIT_LABELS:
            raise InputError(f"'units' is {quoted(self.units)}")
        lines = self.provenance or []
        if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
            raise InputError(f"'provenance' is {quoted(repr(lines))}")
        self.bounds = [(low, high) for low, high in zip(texts[::2], texts[1::2])]
