"""A cubic spline through a function on a grid, with its gradient; periods are closed."""

import numpy as np

from cyfes.extras import required
from cyfes.grid import Grid

#: Weights of the four B-splines about a place at t in [0, 1) of a step, by powers of t; divided by
#: six they are the weights of a value, of its first and of its second derivative.
_CUBIC = np.array(
    [
        [[1, -3, 3, -1], [4, 0, -6, 3], [1, 3, 3, -3], [0, 0, 0, 1]],
        [[-3, 6, -3, 0], [0, -12, 9, 0], [3, 6, -9, 0], [0, 0, 3, 0]],
        [[6, -6, 0, 0], [-12, 18, 0, 0], [6, -18, 0, 0], [0, 6, 0, 0]],
    ]
)


class GridSpline:
    """The tensor product of cubic B-splines through ``values`` float64[grid.shape], all finite.

    Beyond an edge the function is mirrored. Raises BackendError without scipy.
    """

    def __init__(self, grid: Grid, values: np.ndarray) -> None:
        required("scipy", "a path")
        from scipy import ndimage

        self.grid = grid
        coefficients = np.asarray(values, np.float64)
        for axis, wraps in enumerate(grid.periodic):
            mode = "grid-wrap" if wraps else "mirror"
            if grid.shape[axis] > 1:
                coefficients = ndimage.spline_filter1d(coefficients, 3, axis, mode=mode)
        self._coefficients = coefficients

    def value(self, points: np.ndarray) -> np.ndarray:
        """Return the function at ``points`` float64[n, d], float64[n]."""
        block, shares = self._around(points)
        return _sum(block, [_weights(share, 0) for share in shares])

    def gradient(self, points: np.ndarray) -> np.ndarray:
        """Return its gradient there, float64[n, d]."""
        return self._along(points, 1)

    def curvatures(self, points: np.ndarray) -> np.ndarray:
        """Return its second derivative by each CV there, float64[n, d]."""
        return self._along(points, 2)

    def _along(self, points: np.ndarray, order: int) -> np.ndarray:
        block, shares = self._around(points)
        plain, slopes = ([_weights(share, k) for share in shares] for k in (0, order))
        parts = [_sum(block, [*plain[:i], slopes[i], *plain[i + 1 :]]) for i in range(len(shares))]
        return np.asarray(np.stack(parts, axis=1) / self.grid.spacing**order)

    def _around(self, points: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        """Coefficients of the four points about each place along each CV, float64[n, 4, ...], and
        how far it lies beyond the second, in steps, float64[n] for each CV."""
        d, indices, shares = self.grid.n_dims, [], []
        for i, (low, step, n) in enumerate(
            zip(self.grid.lower, self.grid.spacing, self.grid.shape)
        ):
            steps = (points[:, i] - low) / step
            if not self.grid.periodic[i]:
                steps = np.clip(steps, 0, n - 1)
            below = np.floor(steps)
            shares.append(steps - below)
            index = self._inside(i, below.astype(np.int64)[:, None] + np.arange(-1, 3))
            indices.append(index.reshape(-1, *(4 if k == i else 1 for k in range(d))))
        return self._coefficients[tuple(indices)], shares

    def _inside(self, i: int, index: np.ndarray) -> np.ndarray:
        n = self.grid.shape[i]
        if self.grid.periodic[i]:
            return index % n
        turn = max(2 * (n - 1), 1)
        index = np.abs(index) % turn
        return np.where(index > n - 1, turn - index, index)


def _weights(share: np.ndarray, order: int) -> np.ndarray:
    """Weights of the four points, float64[n, 4]."""
    return np.asarray((share[:, None] ** np.arange(4)) @ _CUBIC[order].T / 6)


def _sum(block: np.ndarray, weights: list[np.ndarray]) -> np.ndarray:
    for weight in reversed(weights):
        block = np.einsum("n...k,nk->n...", block, weight)
    return block
