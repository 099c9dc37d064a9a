"""F of OPES states on a grid: the sum of their truncated kernels, and its logarithm."""

from collections.abc import Sequence

import numpy as np

from cyfes.density import Density
from cyfes.errors import InputError
from cyfes.grid import Grid, is_reached, spans
from cyfes.opes import STEP, OpesState


def opes_free_energy(
    state: OpesState,
    grid: Grid,
    kbt: float,
    *,
    derivatives: bool = True,
    n_threads: int = 0,
    backend: str = "auto",
    devices: Sequence[int] = (0,),
) -> tuple[np.ndarray, np.ndarray | None, Density]:
    """Return (F of ``OpesState.free_energy`` on a grid, its gradient or None, the sum).

    A truncated kernel is a Gaussian within its reach minus a step of that reach; the step is a
    Gaussian STEP times as wide, which is 1 there to the last bit.
    Raises InputError for a kBT that is not positive and a grid that no kernel reaches.
    """
    if not kbt > 0:
        raise InputError(f"kbt must be positive, got {kbt}")
    if not is_reached(grid, state.centers, state.cutoff * state.sigmas):
        extent = state.centers.min(axis=0), state.centers.max(axis=0)
        where = spans("kernels", grid, *extent)
        raise InputError(f"no kernel lies within reach of the grid; {where}")

    def summed(stretch: float, slopes: bool) -> Density:
        density = Density(
            grid,
            cutoff=state.cutoff / stretch,
            images="nearest",
            derivatives=slopes,
            n_threads=n_threads,
            backend=backend,
            devices=devices,
            method="stamps",
        )
        return density.add(state.centers, state.sigmas * stretch, weights=state.heights)

    gaussians, steps = summed(1.0, derivatives), summed(STEP, False)
    unit = state.norm * state.zed
    sums = np.ldexp(gaussians.values, gaussians.exponent)
    sums -= state.value_at_cutoff * np.ldexp(steps.values, steps.exponent)
    ratio = np.maximum(sums, 0.0) / unit + state.epsilon
    scale = -kbt * state.exponent
    slopes = None
    if gaussians.derivatives is not None:
        slopes = np.ldexp(gaussians.derivatives, gaussians.exponent) * (scale / unit) / ratio
    return scale * np.log(ratio), slopes, gaussians
