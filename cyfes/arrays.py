"""Samples that are given as arrays: what is wrong with them, and the grid that fits them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cyfes.density import given_weights, unmasked
from cyfes.errors import InputError
from cyfes.grid import MAX_DIMS, Grid, GridRequest, fit_samples
from cyfes.named import Named
from cyfes.reweight import Samples
from cyfes.units import parse_number
from cyfes.weights import WeightSums

#: One period for all CVs, one per CV, or those of some by name; 0 is none.
Periods = Sequence[float] | np.ndarray | Mapping[str, float] | float


def frames_of_arrays(
    samples: Any,
    *,
    weights: np.ndarray | None = None,
    log_weights: np.ndarray | None = None,
    period: Periods | None = None,
    names: Sequence[str] | None = None,
    times: np.ndarray | None = None,
    energies: np.ndarray | None = None,
) -> Samples:
    """Return arrays as the frames of a run, for all that takes those of COLVAR files.

    ``samples`` [n] or [n, d]: an array, a table of pandas or polars, an array or data set of
    xarray, a structured array, or a mapping of names to columns; names and periods that they tell,
    as an attribute ``period``, hold unless ``names`` and ``period`` say others (0 = none). A
    periodic CV spans [-period / 2, period / 2). ``weights`` >= 0 or ``log_weights`` float64[n],
    such as V / kBT; ``times`` float64[n]; ``energies`` float64[n] for other temperatures.
    Raises InputError for shapes that disagree, values that are not finite, and what is no weight.
    """
    values, names, periods = named_samples(samples, names, period)
    span(values)
    log_w = sample_weights(len(values), weights, log_weights)
    log_w = np.zeros(len(values)) if log_w is None else log_w
    known = _column("times", times, len(values))
    potential = _column("energies", energies, len(values))
    bounds = tuple((repr(-p / 2), repr(p / 2)) if p else None for p in periods.tolist())
    n, sums = len(values), WeightSums.of(log_w)
    return Samples(tuple(names), bounds, values, log_w, sums, n, times=known, energies=potential)


def _column(what: str, given: np.ndarray | None, n: int) -> np.ndarray | None:
    """One number per frame, float64[n], where they are given."""
    column = None if given is None else np.asarray(given, np.float64)
    if column is not None and column.shape != (n,):
        raise InputError(f"{what} must be [{n}], got {list(column.shape)}")
    return column


def named_samples(
    samples: Any,
    names: Sequence[str] | None,
    period: Periods | None,
    grid: Grid | GridRequest | None = None,
) -> tuple[np.ndarray, Sequence[str], np.ndarray]:
    """Return (float64[n, d], names, periods float64[d]) of samples of any kind.

    What is given counts more than what the samples tell; those of a Grid must be theirs. Raises
    InputError as ``frames_of_arrays``.
    """
    found = Named.of(samples)
    values = sample_array(found.values)
    d = values.shape[1]
    on_grid = grid.names if isinstance(grid, Grid) else None
    if not names and None not in (found.names, on_grid) and found.names != on_grid:
        raise InputError(
            f"the samples are of {', '.join(found.names or ())}, the grid is of "
            f"{', '.join(on_grid or ())}: choose and order the columns, or say names"
        )
    names = names or found.names or on_grid or [f"s{i + 1}" for i in range(d)]
    if len(names) != d:
        raise InputError(f"names has {len(names)} entries for {d} CVs")
    told = dict(zip(found.names or (), range(d)))
    periods = np.zeros(d)
    for name, own in found.periods.items():
        periods[told[name]] = own
    if isinstance(period, Mapping):
        unknown = [name for name in period if name not in names]
        if unknown:
            raise InputError(f"period names {unknown[0]}, which is none of {', '.join(names)}")
        period = [period.get(name, own) for name, own in zip(names, periods)]
    return values, names, sample_periods(periods if period is None else period, d)


def sample_array(samples: Any) -> np.ndarray:
    """Return samples as float64[n, d]; InputError for other shapes, texts and masked values."""
    try:
        values = unmasked("samples", samples)
    except (TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"samples must be numbers [n, d], got {type(samples).__name__}") from None
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or not len(values):
        raise InputError(f"samples must be finite [n, d] with n > 0, got {values.shape}")
    if not 1 <= values.shape[1] <= MAX_DIMS:
        raise InputError(f"samples must have 1 to {MAX_DIMS} CVs, got {values.shape[1]}")
    return values


def span(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (lowest, highest) of each CV; InputError for samples that are not finite."""
    # Columns one by one: along the short axis of [n, d] numpy takes many times as long.
    low = np.array([column.min() for column in values.T])
    high = np.array([column.max() for column in values.T])
    if not (np.all(np.isfinite(low)) and np.all(np.isfinite(high))):
        raise InputError("samples must be finite, got nan or inf")
    return low, high


def sample_periods(period: Sequence[float] | np.ndarray | float | None, n_dims: int) -> np.ndarray:
    """Return the period of each CV, 0 where there is none."""
    periods = np.zeros(n_dims) if period is None else per_cv("period", period, n_dims)
    if not (np.all(periods >= 0) and np.all(np.isfinite(periods))):
        raise InputError(f"period must be positive, or 0 for none, got {periods}")
    return periods


def sample_weights(
    n: int, weights: np.ndarray | None, log_weights: np.ndarray | None
) -> np.ndarray | None:
    """Return ln w float64[n], None for weights of 1; InputError for what is no weight."""
    weights, log_weights = given_weights(n, weights, log_weights)
    if weights is not None:
        if not np.all(weights >= 0):
            raise InputError("weights must not be negative")
        with np.errstate(divide="ignore"):
            log_weights = np.log(weights)
    if log_weights is not None and not log_weights.max() > -np.inf:
        raise InputError("weights must not all be zero")
    return log_weights


def sample_grid(
    values: np.ndarray,
    bandwidth: np.ndarray,
    periods: np.ndarray,
    names: Sequence[str],
    request: Grid | GridRequest,
) -> Grid:
    """Return the grid for samples; bounds that are not given lie exactly three bandwidths outside.

    A periodic CV begins at its lower bound, or at minus half its period.
    """
    wraps, d = periods > 0, len(periods)
    if isinstance(request, Grid):
        low, high = np.zeros(d), periods
    else:
        missing = (request.lower is None or request.upper is None) and not np.all(wraps)
        lowest, highest = span(values) if missing else (np.zeros(d), np.zeros(d))
        with np.errstate(over="ignore"):  # bounds of inf are refused
            low = np.where(wraps, -periods / 2, lowest - 3 * bandwidth)
            high = highest + 3 * bandwidth
        low = low if request.lower is None else _numbers("lower", request.lower, d)
        high = high if request.upper is None else _numbers("upper", request.upper, d)
        high = np.where(wraps, low + periods, high)
        if not (np.all(np.isfinite(low)) and np.all(np.isfinite(high))):
            raise InputError(f"bounds must be finite, got {low} and {high}")
        request = replace(request, lower=low.tolist(), upper=high.tolist())
    bounds = [
        (repr(a), repr(b)) if wrapped else None
        for a, b, wrapped in zip(low.tolist(), high.tolist(), wraps)
    ]
    return fit_samples(names, bounds, request, (low, high), bandwidth)


def bins_of_shape(
    shape: Sequence[int] | None, names: Sequence[str], periods: np.ndarray
) -> list[int] | None:
    """Return the bins that make ``shape`` points."""
    if shape is None:
        return None
    counts = per_cv("shape", shape, len(periods))
    for name, n, period in zip(names, counts, periods):
        least = 1 if period else 2
        if not n >= least or n != int(n):
            raise InputError(f"shape must be at least {least} points of {name}, got {n:g}")
    return [int(n) - (not period) for n, period in zip(counts, periods)]


def per_cv(what: str, given: Sequence[float] | np.ndarray | float, n_dims: int) -> np.ndarray:
    """Return one number per CV, float64[n_dims], from as many or from one for all."""
    array = np.asarray(given, np.float64)
    if array.ndim and array.shape != (n_dims,):
        raise InputError(f"{what} has {array.size} values, expected {n_dims}")
    return np.broadcast_to(array, n_dims)


def positive(what: str, values: Sequence[float] | np.ndarray, n: int) -> np.ndarray:
    """Return float64[n]; InputError unless all are positive and finite."""
    array = np.asarray(values, np.float64)
    if array.shape != (n,):
        raise InputError(f"{what} has {array.size} values, expected {n}")
    if not (np.all(array > 0) and np.all(np.isfinite(array))):
        raise InputError(f"{what} must be positive, got {', '.join(f'{x:g}' for x in array)}")
    return array


def _numbers(what: str, given: Sequence[str | float], n_dims: int) -> np.ndarray:
    """Bounds as numbers."""
    numbers = [parse_number(str(x), what) for x in np.atleast_1d(np.asarray(given, object))]
    return per_cv(what, numbers if np.ndim(given) else numbers[0], n_dims)
