"""Sums of weights that are given as logarithms of any size."""

import math

import numpy as np

#: Weights looked at in one go.
CHUNK = 1 << 16


def kish(total: float, squares: float) -> float:
    """Return Kish's effective sample size (sum w)^2 / sum w^2; 0 without weights."""
    return total**2 / squares if squares else 0.0


class WeightSums:
    """Running sums of weights that are given as logarithms of any size."""

    def __init__(self) -> None:
        self._highest = -math.inf
        self._sum = self._squares = 0.0

    @classmethod
    def of(cls, log_weights: np.ndarray) -> "WeightSums":
        """Return the sums of all weights, given as ln w float64[n]; memory holds one chunk."""
        sums = cls()
        for start in range(0, len(log_weights), CHUNK):
            sums.add(log_weights[start : start + CHUNK])
        return sums

    def add(self, log_weights: np.ndarray) -> None:
        """Add weights, given as ln w float64[n]."""
        highest = max(self._highest, float(log_weights.max(initial=-math.inf)))
        if highest == -math.inf:
            return
        shrink = math.exp(self._highest - highest)
        weights = np.exp(log_weights - highest)
        self._sum = self._sum * shrink + float(weights.sum())
        weights *= weights  # a dot product of the BLAS would wake its threads for so little
        self._squares = self._squares * shrink**2 + float(weights.sum())
        self._highest = highest

    @property
    def log_sum(self) -> float:
        """ln sum w; -inf while there is none."""
        return self._highest + math.log(self._sum) if self._sum else -math.inf

    @property
    def effective_sample_size(self) -> float:
        """Kish's (sum w)^2 / sum w^2."""
        return kish(self._sum, self._squares)


def exponent_of(highest: float) -> int:
    """Return the exponent of 2 of a unit in which exp(``highest``) is at most 1; 0 for -inf."""
    return math.ceil(highest / math.log(2.0)) if highest > -math.inf else 0
