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
        """Return the points from one to its minimum, to the lowest neighbour wherever it is lower.

        On a plateau the shortest way leads on.
        """
        basin = int(self._labels[point])
        points = [point]
        while points[-1] != self._minima[basin]:
            below = self._lowest(points[-1], basin)
            lower = self._values[below] < self._values[points[-1]]
            points += [below] if lower else self._across(points[-1], basin)
        return points

    def _across(self, start: int, basin: int) -> list[int]:
        """From a point of a plateau to the basin's minimum, or to where it goes down again."""
        came = {start: start}
        waiting = deque([start])
        while waiting:
            here = waiting.popleft()
            low = self._values[self._lowest(here, basin)] < self._values[here]
            if here != start and (low or here == self._minima[basin]):
                return _traced(came, here)
            for there in self.neighbours(here):
                same = self._values[there] == self._values[here] and self._labels[there] == basin
                if same and there not in came:
                    came[there] = here
                    waiting.append(there)
        raise AssertionError("a basin whose points do not lead to its minimum")

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


def _traced(came: dict[int, int], end: int) -> list[int]:
    """The points on the way to one, without the first."""
    points = []
    while came[end] != end:
        points.append(end)
        end = came[end]
    return points[::-1]
