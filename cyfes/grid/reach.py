"""Whether what is summed reaches the grid at all."""

import numpy as np

from cyfes.grid.grid import Grid


def is_reached(grid: Grid, centers: np.ndarray, reach: np.ndarray) -> bool:
    """Return whether any of the kernels covers a part of the grid.

    ``centers`` float64[n, d], ``reach`` half their extent, float64[n, d] or [1, d].
    """
    inside = np.ones(len(centers), bool)
    for center, half, low, high, wraps in zip(
        centers.T, reach.T, grid.lower, grid.upper, grid.periodic, strict=True
    ):
        if not wraps:
            inside &= (center + half >= low) & (center - half <= high)
    return bool(inside.any())


def spans(what: str, grid: Grid, lowest: np.ndarray, highest: np.ndarray) -> str:
    """Return where ``what`` lies, from ``lowest`` to ``highest`` float64[d], and where the grid."""
    return "; ".join(
        f"the {what} span {a:g} to {b:g} (CV {name}), the grid {c:g} to {d:g}"
        for name, a, b, c, d in zip(grid.names, lowest, highest, grid.lower, grid.upper)
    )
