"""Kernels that are merged where they are close, as OPES does while it deposits them."""

import numpy as np


class CompressedKernels:
    """Kernels of diagonal Gaussians, of which those that are close are one.

    A kernel that is added is merged with the nearest one if that is less than ``threshold`` of its
    own sigmas away, and the result again, until nothing is so near (0: no kernel is merged). What
    comes of two has the sum of their heights, and the mean and the variance of both together.
    ``periods`` float64[d], 0 where a CV is not periodic. Source: Invernizzi and Parrinello,
    J. Phys. Chem. Lett. 11, 2731, 2020.
    """

    def __init__(self, periods: np.ndarray, threshold: float) -> None:
        self._periods = [float(period) for period in periods]
        self._threshold = threshold**2
        self._n = 0
        # A kernel is a column: its center, sigmas and height. So each CV is contiguous.
        self._columns = np.empty((2 * len(periods) + 1, 16))

    def __len__(self) -> int:
        return self._n

    def rows(self) -> np.ndarray:
        """Return the kernels, float64[len(self), 2 d + 1]: centers, sigmas, heights."""
        return self._columns[:, : self._n].T.copy()

    def add(self, kernel: np.ndarray) -> None:
        """Add a kernel: its center, sigmas and height, float64[2 d + 1]."""
        if self._n == self._columns.shape[1]:
            self._columns = np.hstack([self._columns, np.empty_like(self._columns)])
        self._columns[:, self._n] = kernel
        self._n += 1
        at = self._n - 1
        while (other := self._nearest(at)) is not None:
            at = self._merge(*sorted((at, other)))

    def _nearest(self, at: int) -> int | None:
        """The kernel that one is to be merged with, None if none is near."""
        if self._n < 2 or not self._threshold:
            return None
        squares = np.zeros(self._n)
        for i, sigmas in enumerate(self._columns[len(self._periods) : -1, : self._n]):
            way = self._way(i, self._columns[i, at], self._columns[i, : self._n])
            way /= sigmas
            squares += way * way
        squares[at] = np.inf
        found = int(squares.argmin())
        return found if squares[found] < self._threshold else None

    def _way(self, i: int, start: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """The way along CV number i from a center to others, to their nearest images."""
        way = ends - start
        if self._periods[i]:
            way -= self._periods[i] * np.rint(way / self._periods[i])
        return np.asarray(way)

    def _merge(self, kept: int, gone: int) -> int:
        """Merge two kernels into the first of them, and return its index."""
        d = len(self._periods)
        one, other = self._columns[:, kept].copy(), self._columns[:, gone].copy()
        height = one[-1] + other[-1]
        share = other[-1] / height
        way = np.array([self._way(i, one[i], other[i : i + 1])[0] for i in range(d)])
        variance = (1 - share) * one[d:-1] ** 2 + share * other[d:-1] ** 2
        one[:d] += share * way
        one[d:-1] = np.sqrt(variance + share * (1 - share) * way**2)
        one[-1] = height
        self._n -= 1
        self._columns[:, gone] = self._columns[:, self._n]
        self._columns[:, kept] = one
        return kept
