"""What a grid file holds."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from cyfes.errors import FileFormatError, FileMissingError, InputError, quoted
from cyfes.grid import Grid
from cyfes.provenance import Provenance
from cyfes.units import parse_number

if TYPE_CHECKING:
    import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class GridData:
    """Values on a grid as a file holds them; what the format does not tell is None or empty.

    ``values`` float64[grid.shape] and ``derivatives`` float64[n_dims, *grid.shape] by each CV, in
    ``units`` (a key of units.UNIT_LABELS); ``kbt`` in the same units; ``value_name`` the column in
    a .dat; ``extra`` any further arrays of an .npz, and ``error`` of a .dat; ``provenance`` None
    where the file does not tell it.
    """

    grid: Grid
    values: npt.NDArray[np.float64]
    derivatives: npt.NDArray[np.float64] | None = None
    value_name: str = ""
    units: str | None = None
    kbt: float | None = None
    extra: dict[str, np.ndarray] = field(default_factory=dict)
    provenance: Provenance | None = None


def as_field(what: str, values: npt.ArrayLike, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Return ``values`` as C-contiguous float64; InputError unless it has ``shape``."""
    array = np.ascontiguousarray(values, np.float64)
    if array.shape != shape:
        raise InputError(f"{what} has shape {array.shape}, expected {shape}")
    return array


def exact_bounds(grid: Grid) -> list[tuple[str, str]]:
    """Return the bounds of each CV as text that reads back as the very same number.

    The text is ``grid.bounds_text`` where that is exact and 17 digits where it is not.
    """
    return [
        (_exact(texts[0], lower), _exact(texts[1], upper))
        for texts, lower, upper in zip(grid.bounds_text, grid.lower, grid.upper)
    ]


def _exact(text: str, value: float) -> str:
    return text if parse_number(text, "bound") == value else f"{value:.17g}"


def grid_of_file(
    path: str | os.PathLike[str],
    names: list[str],
    bounds: list[tuple[str, str]],
    shape: list[int],
    periodic: list[bool],
) -> Grid:
    """Return the grid that a file describes; FileFormatError for one that cannot be."""
    try:
        check_names(names)
        return Grid(
            tuple(names),
            tuple(parse_number(low, f"min_{name}") for name, (low, _) in zip(names, bounds)),
            tuple(parse_number(high, f"max_{name}") for name, (_, high) in zip(names, bounds)),
            tuple(shape),
            tuple(periodic),
            tuple((low, high) for low, high in bounds),
        )
    except InputError as error:
        raise FileFormatError(f"{path}: {error}") from error


def check_names(names: Sequence[str]) -> None:
    """Raise InputError unless the names of CVs are different, and on one line each."""
    for name in names:
        if len(name.splitlines()) != 1 or names.count(name) > 1:
            raise InputError(f"CVs need different names of one line, got {quoted(name)}")


def missing_file(path: str | os.PathLike[str], error: OSError) -> FileMissingError:
    """Return the exception that says why ``path`` cannot be read."""
    return FileMissingError(f"cannot read {path}: {error.strerror or error}")
