"""NumPy's own container: exact and fast, for going on with a surface later."""

from __future__ import annotations

import errno
import io
import math
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from cyfes.errors import FileFormatError, InputError, quoted, shortened
from cyfes.grid import MAX_DIMS, Grid
from cyfes.gridfile.atomic import atomic_write
from cyfes.gridfile.data import GridData, as_field, check_names, missing_file
from cyfes.provenance import Provenance
from cyfes.units import UNIT_LABELS, parse_number

if TYPE_CHECKING:
    import numpy.typing as npt

_EXTRA = "extra_"
_PROVENANCE = "provenance"
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
#: Each member: the kinds of its dtype, its possible numbers of dimensions, and both in words.
_MEMBERS = {
    "names": ("U", (1,), "a list of names"),
    "lower": ("fiu", (1,), "a list of numbers"),
    "upper": ("fiu", (1,), "a list of numbers"),
    "shape": ("iu", (1,), "a list of whole numbers"),
    "periodic": ("b", (1,), "a list of true and false"),
    "bounds_text": ("U", (2,), "pairs of texts"),
    "units": ("U", (0,), "a text"),
    "values": ("fiu", range(1, MAX_DIMS + 1), "numbers on a grid"),
    "derivatives": ("fiu", range(2, MAX_DIMS + 2), "numbers on a grid"),
    "kbt": ("fiu", (0,), "a number"),
    "extra_error": ("fiu", range(1, MAX_DIMS + 1), "numbers on a grid"),
    _PROVENANCE: ("U", (1,), "a list of lines"),
}
_OPTIONAL = {"derivatives", "kbt", "extra_error", _PROVENANCE}


def write_npz(
    path: str | os.PathLike[str],
    grid: Grid,
    values: npt.ArrayLike,
    derivatives: npt.ArrayLike | None = None,
    *,
    kbt: float | None = None,
    units: str = "kj/mol",
    extra: Mapping[str, npt.ArrayLike] | None = None,
    provenance: Provenance | None = None,
    backup: bool = True,
) -> None:
    """Write a surface to an .npz that ``read_npz`` restores to the last bit.

    values float64[grid.shape] and kbt in ``units``; derivatives float64[n_dims, *grid.shape] or
    None; ``extra`` any arrays of numbers or text, ``error`` float64[grid.shape]; ``provenance``
    None or how the surface was made.
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
    if provenance is not None:
        arrays[_PROVENANCE] = provenance.text("").splitlines()
    with atomic_write(path, backup=backup) as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def read_npz(path: str | os.PathLike[str]) -> GridData:
    """Read a surface written by ``write_npz``; nothing in the file is executed.

    Raises FileMissingError, or FileFormatError that names the member to blame.
    """
    import zipfile

    try:
        with open(path, "rb") as file:
            if not zipfile.is_zipfile(file):
                raise FileFormatError(f"{path}: not an .npz file")
            arrays = _arrays(path, file)
    except OSError as error:
        raise missing_file(path, error) from error
    try:
        return _from_arrays(arrays)
    except InputError as error:
        raise FileFormatError(f"{path}: not a surface written by cyfes: {error}") from error


def _arrays(path: str | os.PathLike[str], file: BinaryIO) -> dict[str, np.ndarray]:
    """Every array of a file by its name."""
    import zipfile

    arrays: dict[str, np.ndarray] = {}
    member = ""
    # What is damaged can fail in any way in the libraries that read it: zlib, struct, tokenize.
    try:
        with zipfile.ZipFile(file) as archive:
            for info in archive.infolist():
                member = info.filename
                name = member.removesuffix(".npy")
                if name == member or name in arrays:
                    raise ValueError("not one of different arrays of NumPy")
                arrays[name] = _array(archive.read(info))
            member = ""
            _check_count(file, len(arrays))
    except Exception as error:
        # A wrong offset is an invalid argument of seek.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        what = f"{path}: {quoted(member)}" if member else str(path)
        why = shortened(str(error)) or type(error).__name__
        raise FileFormatError(f"{what} cannot be read: {why}") from error
    return arrays


def _check_count(file: BinaryIO, n_found: int) -> None:
    """ValueError unless there are as many members as a zip file's last record tells.

    A damaged entry may hide the next one, which zipfile does not notice.
    """
    file.seek(-22, os.SEEK_END)
    record = file.read()
    n_members = int.from_bytes(record[10:12], "little")
    if not record.startswith(b"PK\x05\x06") or n_members != n_found:
        raise ValueError(f"{n_found} of {n_members} members are found")


def _array(data: bytes) -> np.ndarray:
    """The array in the bytes of an .npy file; ValueError for one of objects or of another size."""
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    if version not in _HEADERS:
        raise ValueError(f"version {version} of the .npy format")
    shape, fortran_order, dtype = _HEADERS[version](stream)
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    count, start = math.prod(shape), stream.tell()
    if count * dtype.itemsize != len(data) - start:
        raise ValueError(f"its shape {shape} of {dtype} does not fit its {len(data) - start} bytes")
    array = np.frombuffer(data, dtype, count, start)
    return array.reshape(shape, order="F" if fortran_order else "C").copy()


def _from_arrays(arrays: dict[str, np.ndarray]) -> GridData:
    """The surface in the arrays of a file; InputError for arrays that are none."""
    for name in arrays:
        if name not in _MEMBERS and not name.startswith(_EXTRA):
            raise InputError(f"unknown member {quoted(name)}")
    for name, (kinds, n_dims, what) in _MEMBERS.items():
        array = arrays.get(name)
        if array is None and name not in _OPTIONAL:
            raise InputError(f"it lacks {name!r}")
        if array is not None and (array.dtype.kind not in kinds or array.ndim not in n_dims):
            raise InputError(f"{name!r} is {array.dtype}{list(array.shape)}, expected {what}")
    grid = _grid(arrays)
    derivatives = arrays.get("derivatives")
    if derivatives is not None:
        derivatives = as_field("derivatives", derivatives, (grid.n_dims, *grid.shape))
    if "extra_error" in arrays:
        arrays["extra_error"] = as_field("error", arrays["extra_error"], grid.shape)
    units, kbt = str(arrays["units"]), arrays.get("kbt")
    if units not in UNIT_LABELS or (kbt is not None and not 0 < kbt < math.inf):
        raise InputError(f"unknown units {quoted(units)}, or a kbt that is not positive: {kbt}")
    return GridData(
        grid,
        as_field("values", arrays["values"], grid.shape),
        derivatives,
        units=units,
        kbt=None if kbt is None else float(kbt),
        extra={n.removeprefix(_EXTRA): a for n, a in arrays.items() if n.startswith(_EXTRA)},
        provenance=Provenance.parse(arrays.get(_PROVENANCE, np.empty(0, "U")).tolist()),
    )


def _grid(arrays: dict[str, np.ndarray]) -> Grid:
    names = arrays["names"].tolist()
    check_names(names)
    texts = arrays["bounds_text"]
    if texts.shape != (len(names), 2):
        raise InputError(f"'bounds_text' is {list(texts.shape)}, expected {[len(names), 2]}")
    for text in texts.ravel().tolist():
        parse_number(text, "bounds_text")
    lower, upper, shape, periodic = (
        tuple(arrays[name].tolist()) for name in ("lower", "upper", "shape", "periodic")
    )
    bounds = tuple((low, high) for low, high in texts.tolist())
    return Grid(tuple(names), lower, upper, shape, periodic, bounds)
