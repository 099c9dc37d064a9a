"""Grids that fit samples and their bandwidth."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cyfes.errors import InputError
from cyfes.grid import Grid, GridRequest, choose_grid
from cyfes.reweight import Samples, SampleStream

#: Points per bandwidth, and the most points a CV, of an automatic grid for samples.
POINTS_PER_BANDWIDTH = 3
MOST_BINS = {1: 1000, 2: 300, 3: 100, 4: 40}


def samples_grid(samples: Samples, request: GridRequest, bandwidth: np.ndarray) -> Grid:
    """Return the grid for reweighted samples: automatic bounds lie three bandwidths outside.

    Automatic bins: a third of a bandwidth wide, at most MOST_BINS a CV.
    """
    low = np.array([column.min() for column in samples.values.T])
    high = np.array([column.max() for column in samples.values.T])
    return _fitting_grid(samples, request, bandwidth, low - 3 * bandwidth, high + 3 * bandwidth)


def stream_grid(stream: SampleStream, request: GridRequest, bandwidth: np.ndarray) -> Grid:
    """Return the grid for frames that were not read yet: nothing of it may depend on them.

    Raises InputError naming what is missing: bounds and bins unless every CV is periodic.
    """
    open_ended = [name for name, bounds in zip(stream.names, stream.bounds) if bounds is None]
    given = {
        "--min and --max": request.lower is not None and request.upper is not None,
        "--bin or --spacing": request.bins is not None or request.spacing is not None,
    }
    missing = [option for option, is_given in given.items() if not is_given]
    if open_ended and missing:
        raise InputError(
            f"--stream reads the frames once and cannot fit a grid to {', '.join(open_ended)}, "
            f"which has no period; give {' and '.join(missing)}"
        )
    unknown = np.zeros(len(bandwidth))
    return _fitting_grid(stream, request, bandwidth, unknown, unknown)


def _fitting_grid(
    samples: Samples | SampleStream,
    request: GridRequest,
    bandwidth: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
) -> Grid:
    lengths = np.where(samples.periods > 0, samples.periods, high - low)
    steps = np.maximum(bandwidth / POINTS_PER_BANDWIDTH, lengths / MOST_BINS[len(bandwidth)])
    if request.bins is None and request.spacing is None:
        counts = np.ceil(lengths / steps - 1e-9).astype(int)
        request = replace(request, bins=[int(n) for n in counts])
    return choose_grid(samples.names, samples.bounds, request, (low, high), steps)


def array_grid(
    values: np.ndarray,
    h: np.ndarray,
    periods: np.ndarray,
    lower: Sequence[float] | None,
    upper: Sequence[float] | None,
    shape: Sequence[int] | None,
    names: Sequence[str] | None,
) -> Grid:
    """Grid of from_samples."""
    d = len(h)
    low = np.where(periods > 0, -periods / 2, values.min(axis=0) - 3 * h)
    high = values.max(axis=0) + 3 * h
    if lower is not None:
        low = per_cv("lower", lower, d)
    if upper is not None:
        high = per_cv("upper", upper, d)
    high = np.where(periods > 0, low + periods, high)
    wraps = periods > 0
    if shape is None:
        steps = np.maximum(h / POINTS_PER_BANDWIDTH, (high - low) / MOST_BINS[d])
        shape = [int(n) + (not w) for n, w in zip(np.ceil((high - low) / steps), wraps)]
    return Grid(
        tuple(names) if names is not None else tuple(f"s{i + 1}" for i in range(d)),
        tuple(map(float, low)),
        tuple(map(float, high)),
        tuple(int(n) for n in per_cv("shape", shape, d)),
        tuple(map(bool, wraps)),
    )


def per_cv(what: str, given: Sequence[float] | np.ndarray | float, n_dims: int) -> np.ndarray:
    """One number a CV, float64[n_dims], from as many or from one for all."""
    array = np.asarray(given, np.float64)
    if array.ndim and array.shape != (n_dims,):
        raise InputError(f"{what} has {array.size} values, expected {n_dims}")
    return np.broadcast_to(array, n_dims)
