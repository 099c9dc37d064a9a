"""Errors of a density against a direct sum in float64, as a user of the surface meets them."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

#: Free energies (kBT above the minimum) below which the error of F is stated.
LEVELS = (15.0, 25.0, 40.0)
_CHUNK = 1 << 14


@dataclass(frozen=True)
class Errors:
    """``below[F]``: max |dF| in kBT where the free energy is below F; ``of_peak``: max error of
    the density over its maximum. nan where no point was judged."""

    below: dict[float, float]
    of_peak: float


def errors_of(density: np.ndarray, exact: np.ndarray) -> Errors:
    """Errors of a density float64[m] at points whose right density is ``exact`` float64[m].

    The highest of ``exact`` must be the maximum of the surface. A density that is not positive
    has an infinite error of F.
    """
    peak = float(exact.max())
    with np.errstate(divide="ignore", invalid="ignore"):
        free = -np.log(exact / peak)
        difference = np.abs(np.log(density / exact))
    difference[~(density > 0)] = np.inf
    below = {level: _highest(difference[free < level]) for level in LEVELS}
    return Errors(below, float(np.abs(density - exact).max() / peak))


def _highest(values: np.ndarray) -> float:
    return float(values.max()) if len(values) else float("nan")


def direct_sum(points: np.ndarray, centers: np.ndarray, h: float, period: float) -> np.ndarray:
    """sum_k exp(-|x - c_k|^2 / (2 h^2)) at ``points`` float64[m, d], nearest images of ``period``
    (0 = none): the oracle. ``centers`` float64[n, d]."""
    total = np.zeros(len(points))
    lost = np.zeros(len(points))
    for start in range(0, len(centers), _CHUNK):
        q = np.zeros((len(points), len(centers[start : start + _CHUNK])))
        for d in range(points.shape[1]):
            x = points[:, d, None] - centers[None, start : start + _CHUNK, d]
            if period:
                x -= period * np.rint(x / period)
            x /= h
            x *= x
            q += x
        q *= -0.5
        part = np.exp(q, out=q).sum(axis=1) - lost
        grown = total + part
        lost = (grown - total) - part
        total = grown
    return total


def judged_points(density: np.ndarray, n: int) -> np.ndarray:
    """Flat indices of ``n`` points of a density that cover its free energies evenly.

    Its maximum is among them, and as many in each stretch of F between the LEVELS.
    """
    flat = density.ravel()
    with np.errstate(divide="ignore"):
        free = -np.log(flat / flat.max())
    chosen = [np.array([int(flat.argmax())])]
    edges = (0.0, *LEVELS)
    for low, high in pairwise(edges):
        inside = np.flatnonzero((free >= low) & (free < high))
        inside = inside[np.argsort(free[inside], kind="stable")]
        places = np.linspace(0, len(inside) - 1, min(n // len(LEVELS), len(inside)))
        chosen.append(inside[places.astype(int)])
    return np.unique(np.concatenate(chosen))
