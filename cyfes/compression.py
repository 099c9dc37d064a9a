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
        self._wraps = periods > 0
        self._periods = np.where(self._wraps, periods, 1.0)
        self._threshold = threshold**2
        self._n = 0
        self._rows = np.empty((16, 2 * len(periods) + 1))  # center, sigma, height

    def __len__(self) -> int:
        return self._n

    @property
    def centers(self) -> np.ndarray:
        """Centers, float64[len(self), d]; a view, as those below."""
        return self._rows[: self._n, : len(self._periods)]

    @property
    def sigmas(self) -> np.ndarray:
        """Standard deviations, float64[len(self), d]."""
        return self._rows[: self._n, len(self._periods) : -1]

    @property
    def heights(self) -> np.ndarray:
        """Heights, float64[len(self)]."""
        return self._rows[: self._n, -1]

    def add(self, kernel: np.ndarray) -> None:
        """Add a kernel: its center, sigmas and height, float64[2 d + 1]."""
        if self._n == len(self._rows):
            self._rows = np.concatenate([self._rows, np.empty_like(self._rows)])
        self._rows[self._n] = kernel
        self._n += 1
        at = self._n - 1
        while (other := self._nearest(at)) is not None:
            at = self._merge(*sorted((at, other)))

    def _way(self, center: np.ndarray, others: np.ndarray) -> np.ndarray:
        """The way from a center to others, to their nearest images."""
        way = others - center
        turns = self._wraps * np.rint(way / self._periods)
        return np.asarray(way - self._periods * turns)

    def _nearest(self, at: int) -> int | None:
        """The kernel that one is to be merged with, None if none is near."""
        if self._n < 2 or not self._threshold:
            return None
        reduced = self._way(self.centers[at], self.centers) / self.sigmas
        squares = np.einsum("nd,nd->n", reduced, reduced)
        squares[at] = np.inf
        found = int(np.argmin(squares))
        return found if squares[found] < self._threshold else None

    def _merge(self, kept: int, gone: int) -> int:
        """Merge two kernels into the first of them, and return its index."""
        d = len(self._periods)
        row, other = self._rows[kept], self._rows[gone].copy()
        way = self._way(row[:d], other[:d])
        height = row[-1] + other[-1]
        share = other[-1] / height
        row[:d] += share * way
        variance = (1 - share) * row[d:-1] ** 2 + share * other[d:-1] ** 2
        row[d:-1] = np.sqrt(variance + share * (1 - share) * way**2)
        row[-1] = height
        self._n -= 1
        self._rows[gone] = self._rows[self._n]
        return kept
