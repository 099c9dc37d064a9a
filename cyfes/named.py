"""Samples as analysis programs hand them over: arrays that may tell names and periods of CVs.

Tables of pandas and polars, arrays and data sets of xarray, structured arrays of NumPy and mappings
are known by what they can do; none of these packages is imported. Arrays of MDAnalysis and mdtraj
are NumPy's own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cyfes.errors import InputError, quoted

#: The attribute that tells a period: of a column, or of a table by the names of its columns.
PERIOD = "period"


@dataclass(frozen=True)
class Named:
    """``values`` as they came, [n] or [n, d]; ``names`` None where they tell none; ``periods`` by
    name, of those CVs of which the attributes tell it."""

    values: Any
    names: tuple[str, ...] | None = None
    periods: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, samples: Any) -> "Named":
        """Return what samples hold and tell.

        Raises InputError for columns of different lengths, of no numbers, or of more dimensions.
        """
        attributes = getattr(samples, "attrs", None) or {}
        if isinstance(samples, Mapping) or hasattr(samples, "data_vars"):  # dict, xarray.Dataset
            return _of_columns({str(name): samples[name] for name in samples})
        if hasattr(samples, "columns") and hasattr(samples, "to_numpy"):  # a table
            columns = [str(name) for name in samples.columns]
            if len(set(columns)) < len(columns):
                raise InputError(f"samples have two columns of one name: {', '.join(columns)}")
            found = _of_columns({str(name): samples[name] for name in samples.columns})
            return cls(
                found.values, found.names, {**_periods(attributes, columns), **found.periods}
            )
        if getattr(getattr(samples, "dtype", None), "names", None):  # a structured array
            return _of_columns({name: samples[name] for name in samples.dtype.names})
        names = _names(samples)
        values = samples.to_numpy() if hasattr(samples, "to_numpy") else samples
        return cls(values, names, _periods(attributes, names or ()))


def _of_columns(columns: Mapping[str, Any]) -> Named:
    """Columns by name, side by side."""
    arrays, periods = [], dict[str, float]()
    for name, column in columns.items():
        try:
            array = np.asarray(column, np.float64)
        except (TypeError, ValueError):
            raise InputError(
                f"column {quoted(name)} holds no numbers; give the CVs alone, samples[['phi']]"
            ) from None
        if array.ndim == 2 and array.shape[1] == 1:  # as mdtraj returns one dihedral
            array = array[:, 0]
        if array.ndim != 1:
            raise InputError(f"column {quoted(name)} must be [n], got {list(array.shape)}")
        arrays.append(array)
        periods |= _periods(getattr(column, "attrs", None) or {}, (name,))
    lengths = {name: len(array) for name, array in zip(columns, arrays)}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} {n}" for name, n in lengths.items())
        raise InputError(f"columns of samples must be of one length, got {told}")
    if not arrays:
        raise InputError("samples have no columns")
    return Named(np.column_stack(arrays), tuple(columns), periods)


def _names(samples: Any) -> tuple[str, ...] | None:
    """Names of a Series or a DataArray: its own, or the labels along its last axis if texts."""
    dims: Any = getattr(samples, "dims", ())
    if len(dims) == 2 and dims[1] in getattr(samples, "coords", {}):
        labels = np.asarray(samples.coords[dims[1]]).tolist()
        return tuple(labels) if all(isinstance(label, str) for label in labels) else None
    name = getattr(samples, "name", None)
    return (name,) if isinstance(name, str) and getattr(samples, "ndim", 1) == 1 else None


def _periods(attributes: Any, names: Sequence[str]) -> dict[str, float]:
    """Periods that attributes tell of columns of these names."""
    given = attributes.get(PERIOD) if isinstance(attributes, Mapping) else None
    if given is None:
        return {}
    try:
        if isinstance(given, Mapping):
            return {name: float(given[name]) for name in names if name in given}
        several = np.broadcast_to(np.asarray(given, np.float64), len(names))
    except (TypeError, ValueError):
        raise InputError(
            f"the attribute {PERIOD!r} must be a number, one per CV, or a mapping of names to "
            f"numbers; got {quoted(str(given))}"
        ) from None
    return dict(zip(names, several.tolist()))
