"""The loops one writes oneself with numba: separable stamps on a grid, and direct sums."""

import math

import numpy as np

from benchmarks.peers import module

#: Bandwidths that a stamp reaches.
REACH = 8.5

if numba := module("numba"):

    @numba.njit(parallel=True, fastmath=True)
    def _stamp(samples, n, h, bands, density):
        """2-D sums of separable Gaussians on n x n points over [-pi, pi), not wrapped."""
        step = 2 * math.pi / n
        reach = REACH * h / step
        for band in numba.prange(bands):
            low, high = band * n // bands, (band + 1) * n // bands
            factor = np.empty(n)
            for k in range(len(samples)):
                x, y = (samples[k, 0] + math.pi) / step, (samples[k, 1] + math.pi) / step
                first, last = max(low, math.ceil(x - reach)), min(high, math.floor(x + reach) + 1)
                if first >= last:
                    continue
                left, right = max(0, math.ceil(y - reach)), min(n, math.floor(y + reach) + 1)
                for j in range(left, right):
                    factor[j] = math.exp(-0.5 * ((j - y) * step / h) ** 2)
                for i in range(first, last):
                    row = math.exp(-0.5 * ((i - x) * step / h) ** 2)
                    for j in range(left, right):
                        density[i, j] += row * factor[j]

    @numba.njit(parallel=True, fastmath=True)
    def _direct(points, samples, h, density):
        """Sums of Gaussians at points, pair by pair."""
        scale = -0.5 / h**2
        for m in numba.prange(len(points)):
            total = 0.0
            for k in range(len(samples)):
                q = 0.0
                for d in range(points.shape[1]):
                    q += (points[m, d] - samples[k, d]) ** 2
                total += math.exp(scale * q)
            density[m] = total


def numba_stamp(samples: np.ndarray, n: int, h: float, threads: int) -> np.ndarray:
    """Sum of unit Gaussians on n x n points over [-pi, pi)^2, each cut off at REACH."""
    numba.set_num_threads(threads)
    density = np.zeros((n, n))
    _stamp(samples, n, h, 4 * threads if threads > 1 else 1, density)
    return density


def numba_direct(points: np.ndarray, samples: np.ndarray, h: float, threads: int) -> np.ndarray:
    """Sum of unit Gaussians at points float64[m, d]."""
    numba.set_num_threads(threads)
    density = np.zeros(len(points))
    _direct(points, samples, h, density)
    return density
