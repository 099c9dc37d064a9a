"""The string method: a curve between two minima that moves down the gradient until it rests."""

import math
from collections.abc import Callable

import numpy as np

from cyfes.extras import required
from cyfes.grid import Grid
from cyfes.spline import GridSpline

#: Steps at most, and how little points move in one, in steps of the grid, where a string rests.
MOST_STEPS, AT_REST = 3000, 1e-4

#: A string is on a plain where F bends by no more than rounding, relative to F, in a grid step.
FLAT = 1e-12

#: Parts of a step of the grid that a way downhill is followed in.
FOLLOWED = 0.25


class String:
    """A curve of points in CVs divided by ``scales`` float64[d], on a spline through F.

    ``points`` float64[n, d] in CV units, not wrapped into periods; the ends stay where they are.
    """

    def __init__(
        self, spline: GridSpline, scales: np.ndarray, points: np.ndarray, n_points: int
    ) -> None:
        self._spline, self._grid, self._scales = spline, spline.grid, scales
        self._cells = self._grid.spacing / scales
        self._y = evenly(points / scales, n_points, smooth=False)
        self.moves = math.inf

    @property
    def points(self) -> np.ndarray:
        """The points in CV units, float64[n, d]."""
        return np.asarray(self._y * self._scales)

    @property
    def rests(self) -> bool:
        """Whether the points hardly move any more."""
        return self.moves < AT_REST

    def relax(self) -> None:
        """Move until at rest, or for MOST_STEPS: down the gradient, then to equal distances."""
        curvature = np.abs(self._spline.curvatures(self.points) * self._scales**2).max()
        if (
            curvature * self._cells.max() ** 2
            <= FLAT * np.abs(self._spline.value(self.points)).max()
        ):
            self.moves = 0.0
            return
        duration = 1.0 / max(self._grid.n_dims * float(curvature), 1e-300)
        for _ in range(MOST_STEPS):
            moved = self._y.copy()
            moved[1:-1] += self._fall(self._y[1:-1], duration)
            moved = evenly(inside(self._grid, self._scales, moved), len(moved))
            self.moves = float(np.abs((moved - self._y) / self._cells).max())
            self._y = moved
            if self.rests:
                return

    def _fall(self, y: np.ndarray, duration: float) -> np.ndarray:
        """How far points fall in a time (Runge-Kutta), at most a step of the grid."""

        def down(at: np.ndarray) -> np.ndarray:
            return np.asarray(-self._spline.gradient(at * self._scales) * self._scales)

        first = down(y)
        second = down(y + duration / 2 * first)
        third = down(y + duration / 2 * second)
        last = down(y + duration * third)
        fall = duration / 6 * (first + 2 * second + 2 * third + last)
        longest = np.abs(fall / self._cells).max(axis=1, keepdims=True)
        return np.asarray(fall / np.maximum(longest, 1.0))


def downhill(
    spline: GridSpline, scales: np.ndarray, start: np.ndarray, end: np.ndarray
) -> np.ndarray:
    """Return the way of steepest descent from a point to a minimum, float64[n, d] in CV units.

    It ends at ``end``, or a copy of it a period away, once it is within a step of the grid; if it
    leads elsewhere it goes on straight.
    """
    grid, cells = spline.grid, spline.grid.spacing / scales
    points, y = [start], start / scales
    for _ in range(int(4 * sum(grid.shape) / FOLLOWED)):
        here = y * scales
        goal = here + nearest_image(grid, end - here)
        if np.abs((goal - here) / grid.spacing).max() <= 1:
            break
        y = inside(grid, scales, y + _along(spline, scales, y, FOLLOWED * cells.min()))
        if np.abs(y * scales - here).max() == 0:
            break
        points.append(y * scales)
    return np.array([*points, points[-1] + nearest_image(grid, end - points[-1])])


def _along(spline: GridSpline, scales: np.ndarray, y: np.ndarray, length: float) -> np.ndarray:
    """A step of a length down the gradient, its direction taken in the middle."""

    def direction(at: np.ndarray) -> np.ndarray:
        slope = -spline.gradient((at * scales)[None, :])[0] * scales
        return np.asarray(slope / max(float(np.linalg.norm(slope)), 1e-300))

    return np.asarray(length * direction(y + length / 2 * direction(y)))


def evenly(y: np.ndarray, n: int, *, smooth: bool = True) -> np.ndarray:
    """Return ``n`` points at equal distances along a curve through y float64[m, d].

    The curve is a cubic spline or, unless ``smooth``, straight between the points.
    """
    far = np.concatenate([[True], np.linalg.norm(np.diff(y, axis=0), axis=1) > 0])
    y = y[far]
    lengths = arc(y)
    wanted = np.linspace(0, lengths[-1], n)
    curve = _spline_curve(lengths, y) if smooth and len(y) > 3 else _polygon(lengths, y)
    return np.asarray(curve(wanted))


def arc(y: np.ndarray) -> np.ndarray:
    """Return the way along points y float64[n, d] from the first to each, float64[n]."""
    return np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(y, axis=0), axis=1))])


def nearest_image(grid: Grid, distance: np.ndarray) -> np.ndarray:
    """Return distances float64[..., d] between nearest copies of periodic CVs."""
    period = np.where(grid.periodic, grid.period, 1.0)
    turns = np.where(grid.periodic, np.rint(distance / period), 0.0)
    return np.asarray(distance - turns * period)


def inside(grid: Grid, scales: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return y with CVs that are not periodic held within the bounds of the grid."""
    low = np.where(grid.periodic, -np.inf, np.array(grid.lower) / scales)
    high = np.where(grid.periodic, np.inf, np.array(grid.upper) / scales)
    return np.asarray(np.clip(y, low, high))


def _polygon(lengths: np.ndarray, y: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    return lambda at: np.stack([np.interp(at, lengths, column) for column in y.T], axis=1)


def _spline_curve(lengths: np.ndarray, y: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    required("scipy", "a path")
    from scipy.interpolate import CubicSpline

    curve: Callable[[np.ndarray], np.ndarray] = CubicSpline(lengths, y)
    return curve
