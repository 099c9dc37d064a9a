"""Sums of weights that are given as logarithms of any size."""

import math

import numpy as np


class WeightSums:
    """Running sums of weights that are given as logarithms of any size."""

    def __init__(self) -> None:
        self._highest = -math.inf
        self._sum = self._squares = 0.0

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
        return self._sum**2 / self._squares if self._squares else 0.0
