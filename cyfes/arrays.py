"""Samples that are given as arrays: what is wrong with them, and the grid that fits them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cyfes.density import given_weights, unmasked
from cyfes.errors import InputError
from cyfes.grid import MAX_DIMS, Grid, GridRequest, fit_samples
from cyfes.units import parse_number


def sample_array(samples: np.ndarray) -> np.ndarray:
    """Return samples as float64[n, d]; InputError for other shapes and masked values."""
    values = unmasked("samples", samples)
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


def sample_periods(period: Sequence[float] | None, n_dims: int) -> np.ndarray:
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
