"""The bias that OpenMM's metadynamics saves: an array of NumPy, without a word about it."""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path

import numpy as np

from cyfes.errors import CyfesWarning, FileFormatError, InputError
from cyfes.grid import MAX_DIMS
from cyfes.gridfile.data import GridData, grid_of_file, missing_file
from cyfes.tables import Axis, told

#: What OpenMM calls the files of a bias: the process that wrote it, and how often it has.
_NAME = re.compile(r"bias_([0-9]+)_([0-9]+)\.npy")

#: How far both ends of a periodic CV may differ, relative to the range of the bias.
ENDS = 1e-6


def read_openmm(path: str | os.PathLike[str]) -> GridData:
    """Read a bias_ID_N.npy of OpenMM's ``Metadynamics`` as a free energy, in kJ/mol.

    F = -gamma / (gamma - 1) V, with the ``axes`` and the ``gamma`` (biasFactor) of cyfes.reading;
    the CVs in the order of OpenMM's variables, whose last is the first axis of the array. Points
    reach from MIN to MAX; of a periodic CV both ends are one point. Of a folder, its ``biasDir``,
    the last biases of all processes are added, as OpenMM does; one file beside those of others is
    warned of. Source: OpenMM's documentation of Metadynamics.
    Raises FileMissingError, FileFormatError for another array, InputError for axes that do not fit.
    """
    name = os.fspath(path)
    axes = told().need_axes(name, "phi=-pi:pi:periodic,psi=-pi:pi:periodic")
    gamma = told().need_gamma(name)
    if gamma < 0:
        raise InputError(f"{name}: OpenMM's metadynamics is well-tempered: --gamma is above 1")
    bias = _sum(Path(name)) if os.path.isdir(name) else _array(name)
    if bias.ndim != len(axes):
        raise InputError(f"{name}: an array of {bias.ndim} axes, and --axes names {len(axes)}")
    _warn_of_others(name)
    bias = bias.transpose()
    for i, axis in enumerate(axes):
        bias = _of_period(name, bias, i, axis)
    grid = grid_of_file(
        name,
        [axis.name for axis in axes],
        [axis.need_bounds() for axis in axes],
        list(bias.shape),
        [axis.periodic for axis in axes],
    )
    values = np.ascontiguousarray(-gamma / (gamma - 1) * bias)
    return GridData(grid, values, units="kj/mol", value_name="file.free")


def _array(path: str) -> np.ndarray:
    try:
        bias = np.load(path, allow_pickle=False)
    except OSError as error:
        raise missing_file(path, error) from error
    except Exception as error:  # what is damaged fails in many ways
        raise FileFormatError(f"{path}: not an array of NumPy ({error})") from error
    if not isinstance(bias, np.ndarray) or bias.dtype.kind != "f":
        raise FileFormatError(f"{path}: expected an array of floats, the bias of OpenMM")
    if not 1 <= bias.ndim <= MAX_DIMS or min(bias.shape) < 2 or not np.isfinite(bias).all():
        raise FileFormatError(
            f"{path}: expected a finite bias of 1 to {MAX_DIMS} CVs, 2 points or more along each, "
            f"got an array of shape {bias.shape}"
        )
    return np.asarray(bias, np.float64)


def _of_period(path: str, bias: np.ndarray, i: int, axis: Axis) -> np.ndarray:
    """The bias without the last point of a periodic CV, which is its first."""
    if not axis.periodic:
        return bias
    first, last = bias.take(0, axis=i), bias.take(-1, axis=i)
    if not np.abs(first - last).max() <= ENDS * np.ptp(bias):
        raise FileFormatError(
            f"{path}: the bias differs at both ends of {axis.name}, which --axes calls periodic: "
            "look at the order of the CVs"
        )
    return bias.take(range(bias.shape[i] - 1), axis=i)


def _sum(folder: Path) -> np.ndarray:
    """The sum of the last biases of all processes."""
    arrays = {path: _array(str(path)) for path in _last_biases(folder).values()}
    if not arrays:
        raise FileFormatError(f"{folder}: no bias_ID_N.npy in this folder, which OpenMM writes")
    if len({array.shape for array in arrays.values()}) > 1:
        told = ", ".join(f"{path.name} {list(array.shape)}" for path, array in arrays.items())
        raise FileFormatError(f"{folder}: biases of different shapes, {told}")
    return np.asarray(sum(arrays.values()))


def _last_biases(folder: Path) -> dict[str, Path]:
    """The file that each process wrote last, by its ID."""
    found = [(match, path) for path in folder.iterdir() if (match := _NAME.fullmatch(path.name))]
    return {match[1]: path for match, path in sorted(found, key=lambda one: int(one[0][2]))}


def _warn_of_others(path: str) -> None:
    """Warn if other processes have saved their biases in the same folder."""
    own, folder = _NAME.fullmatch(Path(path).name), Path(path).parent
    others = set(_last_biases(folder)) - {own[1]} if own else set()
    if others:
        warnings.warn(
            f"{path}: beside it are the biases of {len(others)} other processes, which OpenMM adds "
            f"to it; give the folder, {folder}, for the sum of all",
            CyfesWarning,
            stacklevel=5,
        )
