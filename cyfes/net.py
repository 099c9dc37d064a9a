"""Sums of many blocks of frames: narrow Gaussians at the nodes of a net, then matrices to a grid.

A Gaussian is a sum of products of two narrower ones at the nodes x_m of a net of step d,

    exp(-(x - y)^2 / 2 h^2) = C sum_m exp(-(y - x_m)^2 / 2 a^2) exp(-(x_m - x)^2 / 2 b^2),

a^2 + b^2 = h^2, C = d h / (sqrt(2 pi) a b), to within 2 exp(-2 (pi a b / h d)^2) of itself: the
trapezoidal rule. So a frame meets the 12 nodes around it along each CV, and a block of frames meets
the grid by one product of matrices per CV. All terms are positive: a sum is right relative to
itself, far from all frames too.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from cyfes import _kernels
from cyfes.grid import Grid
from cyfes.weights import exponent_of

#: The step d in bandwidths and the width a in steps. The rule above errs by 1e-6; the 12 nodes
#: leave out 3e-5 of a frame that is six bandwidths away from a point, and 1e-2 of one at eleven.
STEP, WIDTH = 1 / 3, 0.9

#: CVs of a net, its most nodes for each point of the grid, and most entries of a matrix.
MOST_DIMS, MOST_NODES, MOST_ENTRIES = 2, 16, 1 << 23

#: Most periods in a bandwidth.
WIDEST = 16

#: Nodes come by fours, points in the matrices by eights.
FOUR, EIGHT = 4, 8

#: Doubles that a few blocks' nodes take while frames are added: what a cache holds.
ROOM = 1 << 18

#: One block: sums at its nodes, exponent of 2 of their unit, (sum w, sum w^2) in that unit.
Block = tuple[np.ndarray, int, Sequence[float]]


class Net:
    """The nodes between frames of one bandwidth and a grid: ``shape`` of them.

    Frames farther than ``reach`` bandwidths outside of the grid are left out.
    """

    def __init__(self, grid: Grid, bandwidth: np.ndarray, reach: float, n_threads: int = 0) -> None:
        beside = np.where(grid.periodic, 0.0, reach * bandwidth)
        lower, upper = np.array(grid.lower) - beside, np.array(grid.upper) + beside
        bins = np.ceil((upper - lower) / (STEP * bandwidth)).astype(int)
        bins += -(bins + np.where(grid.periodic, _kernels.NODES - 1, _kernels.NODES)) % FOUR
        self._cells = Grid.from_bins(
            grid.names, lower.tolist(), upper.tolist(), bins.tolist(), grid.periodic
        )
        self._n_threads = n_threads
        self.shape = tuple(n + _kernels.NODES - 1 for n in self._cells.shape)
        self._matrices = [
            _padded(_matrix(axis, low, step, n, float(period), h, reach * h))
            for axis, low, step, n, period, h in zip(
                grid.axes, lower, self._cells.spacing, self.shape, grid.period, bandwidth
            )
        ]
        self._grid_shape = grid.shape

    @staticmethod
    def of(grid: Grid, bandwidth: np.ndarray, reach: float, n_threads: int = 0) -> "Net | None":
        """Return the net for a grid, None where sums on the grid itself take less."""
        if grid.n_dims > MOST_DIMS or np.any(bandwidth > WIDEST * grid.lengths):
            return None
        nodes = (grid.lengths + 2 * reach * bandwidth) / (STEP * bandwidth)
        if np.prod(nodes) > MOST_NODES * grid.size or np.any(nodes * grid.shape > MOST_ENTRIES):
            return None
        return Net(grid, bandwidth, reach, n_threads)

    def blocks(
        self, values: np.ndarray, log_weights: np.ndarray, ends: np.ndarray
    ) -> Iterator[Block]:
        """Yield the sums of successive blocks of frames, of which block b goes up to ends[b].

        ``values`` float64[n, d], ``log_weights`` float64[n], ``ends`` int64[B]. Nodes are good
        until the next.
        """
        exponent = exponent_of(float(log_weights.max(initial=-math.inf)))
        few = max(1, ROOM // math.prod(self.shape))
        cuts, room = [0, *ends.tolist()], np.empty((min(few, len(ends)), *self.shape))
        for first in range(0, len(ends), few):
            some = cuts[first : first + few + 1]
            begin, end = some[0], some[-1]
            weights = np.empty(end - begin)
            sums = [
                _kernels.weigh(
                    log_weights[a:b], exponent, weights[a - begin : b - begin], self._n_threads
                )
                for a, b in pairwise(some)
            ]
            nodes = room[: len(sums)]
            nodes.fill(0.0)
            inside = np.array(some[1:]) - begin
            _kernels.add_nodes(
                self._cells, WIDTH, inside, values[begin:end], weights, nodes, self._n_threads
            )
            for block, total in zip(nodes, sums):
                yield block, exponent, total

    def on_grid(self, nodes: np.ndarray) -> np.ndarray:
        """Return what the nodes of B blocks make on the grid, float64[B, *grid.shape].

        ``nodes`` float[B, *shape].
        """
        values = np.empty((len(nodes), *self._grid_shape))
        _kernels.nodes_to_grid(
            self._matrices, nodes.astype(np.float64, copy=False), values, self._n_threads
        )
        return values


def _padded(matrix: np.ndarray) -> tuple[int, np.ndarray, np.ndarray]:
    """(points, matrix float64[nodes, columns by eights], rows of each eight that are not zero)."""
    n_rows, n_points = matrix.shape
    padded = np.zeros((n_rows, -(-n_points // EIGHT) * EIGHT))
    padded[:, :n_points] = matrix
    seen = np.asarray(padded.reshape(n_rows, -1, EIGHT).any(axis=2))
    ranges = np.stack([seen.argmax(axis=0), n_rows - seen[::-1].argmax(axis=0)], axis=1)
    return n_points, padded, np.ascontiguousarray(ranges)


def _matrix(
    points: np.ndarray, lower: float, step: float, n: int, period: float, h: float, reach: float
) -> np.ndarray:
    """C exp(-(x - x_m)^2 / 2 b^2) of n nodes x_m and points x within reach, float64[n, points]."""
    narrow = WIDTH * step
    wide = math.sqrt(h**2 - narrow**2)
    nodes = lower + (np.arange(n) - (_kernels.NODES // 2 - 1)) * step
    distance = nodes[:, None] - points
    if period:
        distance -= period * np.rint(distance / period)
    turns = math.ceil(reach / period + 0.5) if period else 0
    matrix = np.zeros(distance.shape)
    for turn in range(-turns, turns + 1):
        image = distance + turn * period
        matrix += np.where(abs(image) <= reach, np.exp(-((image / wide) ** 2) / 2), 0.0)
    return matrix * (step * h / (math.sqrt(2 * math.pi) * narrow * wide))
