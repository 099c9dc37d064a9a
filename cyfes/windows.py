"""Umbrella windows: files that each have a harmonic restraint of their own."""

from collections.abc import Sequence
from itertools import combinations_with_replacement

import numpy as np

#: Frames of a file that are looked at.
FRAMES = 1000

#: How far a bias may be from a quadratic function, relative to its range: what printing rounds.
TOLERANCE = 1e-3


def differ(files: Sequence[tuple[np.ndarray, np.ndarray]], periods: np.ndarray) -> bool:
    """Return whether the files, (values float64[n, d], bias float64[n]), are different windows.

    That is so if in each of at least two the bias is a quadratic function of the CVs, not the same
    one. Such frames cannot be joined by exp(V / kBT): each window has a free energy of its own.
    """
    fits = [_quadratic(values, bias, periods) for values, bias in files]
    known = [fit for fit in fits if fit is not None]
    if len(known) < 2 or len(known) < len(fits):
        return False
    scale = np.abs(np.array(known)).max(axis=0)
    return bool(np.any(np.abs(np.array(known) - known[0]).max(axis=0) > 0.01 * scale))


def _quadratic(values: np.ndarray, bias: np.ndarray, periods: np.ndarray) -> np.ndarray | None:
    """Coefficients of the quadratic function that the bias is; None if it is none, or constant."""
    if not len(bias):
        return None
    some = slice(None, None, max(1, len(bias) // FRAMES))
    x, y = values[some].copy(), bias[some]
    wraps = periods > 0
    x[:, wraps] -= periods[wraps] * np.round((x[:, wraps] - x[0, wraps]) / periods[wraps])
    d = x.shape[1]
    squares = [x[:, i] * x[:, j] for i, j in combinations_with_replacement(range(d), 2)]
    terms = np.column_stack([np.ones(len(x)), x, *squares])
    if len(y) < 2 * terms.shape[1] or not np.ptp(y) > 0:
        return None
    found = np.linalg.lstsq(terms, y, rcond=None)[0]
    misfit = np.abs(terms @ found - y).max()
    return found if misfit < TOLERANCE * np.ptp(y) else None
