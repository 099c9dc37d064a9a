"""The bandwidth that is best for F: chosen by blocks of frames that the estimate has not seen."""

import math
from collections.abc import Sequence

import numpy as np

from cyfes.bandwidth import Bandwidth, automatic_bandwidth
from cyfes.errors import InputError
from cyfes.grid import Grid
from cyfes.net import MOST_DIMS, Net
from cyfes.weights import WeightSums

#: The widths tried, as factors of the automatic ones.
LADDER = (0.35, 0.5, 0.7, 1.0, 1.4, 2.0)

#: Blocks that are left out one after another.
BLOCKS = 32

#: F counts up to this above its minimum, in kBT.
BELOW = 10.0

#: Points of the grid that errors are compared on: in the narrowest width, most along a CV, most.
POINTS_PER_WIDTH, LONGEST, MOST_POINTS = 2, 3000, 1 << 19

#: Reach of the kernels, in widths.
REACH = 8.0


def free_energy_bandwidth(
    values: np.ndarray,
    log_weights: np.ndarray,
    periods: np.ndarray,
    names: Sequence[str] | None = None,
    sums: WeightSums | None = None,
    *,
    below: float = BELOW,
) -> Bandwidth:
    """Return the bandwidth for samples float64[n, d], d <= 2, with the least error of F, its rule.

    Of LADDER times ``automatic_bandwidth``, whose arguments these are, that with the least

        <(P_h / Q)^2> - 2 sum_b W_b / W <P_b P_h^(-b) / Q^2>

    over the points with F below ``below`` kBT, Q = P at the automatic width, P_b the histogram of
    block b, P_h^(-b) the estimate without it: but for a constant, what is expected of
    <(P_h / P - 1)^2>, the error of F / kBT squared. The frames of a block may be correlated.
    (Least-squares cross-validation: Rudemo 1982, Bowman 1984; of blocks: Hart and Wehrly 1986.)
    Raises InputError as ``automatic_bandwidth``, for more than two CVs, or where the frames spread
    over too many widths.
    """
    if values.shape[1] > MOST_DIMS:
        raise InputError(
            f"--sigma auto-f serves 1 or 2 CVs, got {values.shape[1]}; give auto or numbers"
        )
    start = automatic_bandwidth(values, log_weights, periods, names, sums)
    grid = _grid_of(values, start.widths, periods)
    ends = np.unique(np.linspace(0, len(values), BLOCKS + 1).astype(int)[1:])
    histograms = _histograms(values, log_weights, grid, ends)
    pilot = _estimates(values, log_weights, grid, start.widths, ends).sum(axis=0)
    seen = pilot > pilot.max() * math.exp(-below)
    weights = histograms.reshape(len(ends), -1).sum(axis=1) * grid.bin_volume
    scores = []
    for factor in LADDER:
        found = _estimates(values, log_weights, grid, factor * start.widths, ends)
        scores.append(_score(found[:, seen], histograms[:, seen], weights, pilot[seen]))
    best = LADDER[int(np.argmin(scores))]
    rule = f"least error of F below {below:g} kBT, blocks left out: {best:g} times {start.rule}"
    return Bandwidth(best * start.widths, rule)


def _score(
    found: np.ndarray, histograms: np.ndarray, weights: np.ndarray, pilot: np.ndarray
) -> float:
    """The criterion, for sums of normalised kernels and counts float64[B, points]."""
    total, weight = found.sum(axis=0), weights.sum()
    left_out = (total - found) / (weight - weights)[:, None]
    q = pilot / weight
    cross = (histograms * left_out).sum(axis=0) / weight
    return float(np.mean((total / weight / q) ** 2 - 2 * cross / q**2))


def _grid_of(values: np.ndarray, widths: np.ndarray, periods: np.ndarray) -> Grid:
    """A grid fine enough for the narrowest of the ladder, around all frames."""
    wraps = periods > 0
    low = np.where(wraps, 0.0, values.min(axis=0) - REACH * widths)
    high = np.where(wraps, periods, values.max(axis=0) + REACH * widths)
    bins = np.ceil((high - low) / (LADDER[0] * widths) * POINTS_PER_WIDTH).astype(int)
    if bins.max() > LONGEST or np.prod(bins.astype(float)) > MOST_POINTS:
        raise InputError(
            f"--sigma auto-f: the frames spread over {np.prod((high - low) / widths):.3g} widths, "
            "more than can be compared; give auto or numbers"
        )
    names = [f"s{i + 1}" for i in range(len(widths))]
    return Grid.from_bins(names, low.tolist(), high.tolist(), bins.tolist(), wraps.tolist())


def _histograms(
    values: np.ndarray, log_weights: np.ndarray, grid: Grid, ends: np.ndarray
) -> np.ndarray:
    """Weights per volume at the nearest points, of each block, float64[B, *grid.shape]."""
    place = np.rint((values - grid.lower) / grid.spacing).astype(np.int64)
    place = np.where(grid.periodic, place % np.array(grid.shape), place)
    cell = np.ravel_multi_index(tuple(place.T), grid.shape)
    block = np.searchsorted(ends, np.arange(len(values)), "right")
    weights = np.exp(log_weights - log_weights.max()) / grid.bin_volume
    counts = np.bincount(block * grid.size + cell, weights, len(ends) * grid.size)
    return counts.reshape(len(ends), *grid.shape)


def _estimates(
    values: np.ndarray, log_weights: np.ndarray, grid: Grid, widths: np.ndarray, ends: np.ndarray
) -> np.ndarray:
    """Sums of normalised kernels, of each block, float64[B, *grid.shape]."""
    net = Net(grid, widths, REACH)
    relative = log_weights - log_weights.max()
    nodes = np.stack([nodes.copy() for nodes, _, _ in net.blocks(values, relative, ends)])
    return net.on_grid(nodes) / float(np.prod(np.sqrt(2 * np.pi) * widths))
