"""Grids of collective variables: what one is, what a user asks of it, and how data fit one."""

from cyfes.grid.grid import MAX_DIMS, Grid
from cyfes.grid.request import GridRequest, choose_grid

__all__ = ["MAX_DIMS", "Grid", "GridRequest", "choose_grid"]
