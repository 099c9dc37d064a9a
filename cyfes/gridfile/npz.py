"""NumPy's own container: exact and fast, for going on with a surface later."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from cyfes.errors import FileFormatError, InputError
from cyfes.grid import Grid
from cyfes.gridfile.atomic import atomic_write
from cyfes.gridfile.data import GridData, as_field, missing_file

if TYPE_CHECKING:
    import numpy.typing as npt

_EXTRA = "extra_"


def write_npz(
    path: str | os.PathLike[str],
    grid: Grid,
    values: npt.ArrayLike,
    derivatives: npt.ArrayLike | None = None,
    *,
    kbt: float | None = None,
    units: str = "kj/mol",
    extra: Mapping[str, npt.ArrayLike] | None = None,
    backup: bool = True,
) -> None:
    """Write a surface to an .npz that ``read_npz`` restores to the last bit.

    values float64[grid.shape] and kbt in ``units``; derivatives float64[n_dims, *grid.shape] or
    None; ``extra`` any arrays of numbers or text.
    Raises InputError for a wrong shape or an array of objects, OutputError as atomic_write.
    """
    arrays: dict[str, npt.ArrayLike] = {
        "names": grid.names,
        "lower": grid.lower,
        "upper": grid.upper,
        "shape": grid.shape,
        "periodic": grid.periodic,
        "bounds_text": grid.bounds_text,
        "units": units,
        "values": as_field("values", values, grid.shape),
    }
    if derivatives is not None:
        arrays["derivatives"] = as_field("derivatives", derivatives, (grid.n_dims, *grid.shape))
    if kbt is not None:
        arrays["kbt"] = kbt
    for name, array in (extra or {}).items():
        if np.asarray(array).dtype.hasobject:
            raise InputError(f"extra[{name!r}] must hold numbers or text, got Python objects")
        arrays[_EXTRA + name] = array
    with atomic_write(path, backup=backup) as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def read_npz(path: str | os.PathLike[str]) -> GridData:
    """Read a surface written by ``write_npz``; nothing in the file is executed.

    Raises FileMissingError, or FileFormatError for any other kind of file.
    """
    import zipfile

    try:
        with open(path, "rb") as file:
            if not zipfile.is_zipfile(file):
                raise FileFormatError(f"{path}: not an .npz file")
            file.seek(0)
            with np.load(file, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
        return _from_arrays(arrays)
    except FileFormatError:
        raise
    except OSError as error:
        raise missing_file(path, error) from error
    except KeyError as error:
        raise FileFormatError(f"{path}: not a surface written by cyfes, lacks {error}") from error
    except (ValueError, TypeError, zipfile.BadZipFile) as error:
        raise FileFormatError(f"{path}: not a surface written by cyfes: {error}") from error


def _from_arrays(arrays: dict[str, np.ndarray]) -> GridData:
    grid = Grid(
        tuple(arrays["names"].tolist()),
        tuple(arrays["lower"].tolist()),
        tuple(arrays["upper"].tolist()),
        tuple(arrays["shape"].tolist()),
        tuple(arrays["periodic"].tolist()),
        tuple((low, high) for low, high in arrays["bounds_text"].tolist()),
    )
    derivatives = arrays.get("derivatives")
    if derivatives is not None:
        derivatives = as_field("derivatives", derivatives, (grid.n_dims, *grid.shape))
    return GridData(
        grid,
        as_field("values", arrays["values"], grid.shape),
        derivatives,
        units=str(arrays["units"]),
        kbt=float(arrays["kbt"]) if "kbt" in arrays else None,
        extra={n.removeprefix(_EXTRA): a for n, a in arrays.items() if n.startswith(_EXTRA)},
    )
