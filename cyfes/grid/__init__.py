"""Grids of collective variables: what one is, what a user asks of it, and how it fits data."""

from cyfes.grid.fit import fit_grid, fit_samples, fit_stream, warn_if_coarse
from cyfes.grid.grid import MAX_DIMS, ROUNDING, Grid, arrays_of_surface
from cyfes.grid.memory import free_memory
from cyfes.grid.reach import is_reached, spans
from cyfes.grid.request import GridRequest

__all__ = [
    "MAX_DIMS",
    "ROUNDING",
    "Grid",
    "GridRequest",
    "arrays_of_surface",
    "fit_grid",
    "fit_samples",
    "fit_stream",
    "free_memory",
    "is_reached",
    "spans",
    "warn_if_coarse",
]
