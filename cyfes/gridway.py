"""The way on a grid between two points whose highest point is the lowest possible."""

from collections import deque

import numpy as np

from cyfes import _kernels
from cyfes.grid import Grid


class GridWays:
    """The best ways on a grid: down to a minimum, over the lowest passes, and down again.

    ``values`` float64[grid.shape]; points count along the flattened grid.
    """

    def __init__(self, grid: Grid, values: np.ndarray) -> None:
        self.grid = grid
        self._values = values.ravel()
        labels, self._minima, self._passes = _kernels.basins(grid, values, 0.0)
        self._labels = labels.ravel()

    def between(self, a: int, b: int) -> list[int] | None:
        """Return the points from one local minimum to another, each a neighbour of the one before.

        The highest of them is as low as on any way, and so is that of every leg between the minima
        on it. None if walls are between.
        """
        legs = self._legs(int(self._labels[a]), int(self._labels[b]))
        if legs is None:
            return None
        points = [a]
        for point, basin, other in legs:
            down, up = self._to_minimum(point, other), self._to_minimum(point, basin)[::-1]
            points += [*up[1:], *down[1:]]
        return points

    def descent(self, point: int) -> list[int]:
        """Return the points from one to its minimum, always to the lowest neighbour."""
        points = [point]
        while (below := self._lowest(points[-1], int(self._labels[point]))) != points[-1]:
            points.append(below)
        return points

    def _to_minimum(self, point: int, basin: int) -> list[int]:
        """From a pass down into one of the basins that meet there."""
        return [point, *self.descent(self._lowest(point, basin))]

    def _lowest(self, point: int, basin: int) -> int:
        """The lowest of a point and its neighbours in a basin; the first of equal ones."""
        around = [p for p in self.neighbours(point) if self._labels[p] == basin]
        return min(around, key=lambda p: (self._values[p], p))

    def neighbours(self, point: int) -> list[int]:
        """Return a point and the up to 3^d - 1 around it."""
        grid, index = self.grid, np.unravel_index(point, self.grid.shape)
        picks = [
            sorted({int(j) % n for j in range(int(i) - 1, int(i) + 2) if wraps or 0 <= j < n})
            for i, n, wraps in zip(index, grid.shape, grid.periodic)
        ]
        return [int(p) for p in np.ravel_multi_index(np.ix_(*picks), grid.shape).ravel()]

    def _legs(self, first: int, last: int) -> list[tuple[int, int, int]] | None:
        """Passes on the way between two minima: (point, basin it comes from, basin it leads to)."""
        passes: dict[int, list[tuple[int, int]]] = {}
        for point, basin, other in self._passes.tolist():
            passes.setdefault(basin, []).append((point, other))
            passes.setdefault(other, []).append((point, basin))
        # The passes join what was apart: they make trees, in which there is one way.
        came: dict[int, tuple[int, int, int] | None] = {first: None}
        waiting = deque([first])
        while waiting and last not in came:
            here = waiting.popleft()
            for point, there in passes.get(here, ()):
                if there not in came:
                    came[there] = (point, here, there)
                    waiting.append(there)
        if last not in came:
            return None
        legs = []
        while (leg := came[last]) is not None:
            legs.append(leg)
            last = leg[1]
        return legs[::-1]
