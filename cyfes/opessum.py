"""F of OPES states on a grid: the sum of their truncated kernels, and its logarithm."""

from collections.abc import Sequence

import numpy as np

from cyfes.density import Density
from cyfes.errors import InputError
from cyfes.grid import Grid, is_reached, spans, warn_if_coarse
from cyfes.opes import STEP, OpesState


def check_reach(states: Sequence[OpesState], grid: Grid) -> None:
    """Raise InputError if no kernel of any state reaches a grid; warn where it is too coarse."""
    centers = np.concatenate([state.centers for state in states])
    sigmas = np.concatenate([state.sigmas for state in states])
    if not is_reached(grid, centers, max(state.cutoff for state in states) * sigmas):
        where = spans("kernels", grid, centers.min(axis=0), centers.max(axis=0))
        raise InputError(f"no kernel lies within reach of the grid; {where}")
    warn_if_coarse(grid, sigmas, "kernels")


def opes_free_energy(
    state: OpesState,
    grid: Grid,
    kbt: float,
    *,
    derivatives: bool = True,
    n_threads: int = 0,
) -> tuple[np.ndarray, np.ndarray | None, Density]:
    """Return (F of ``OpesState.free_energy`` on a grid, its gradient or None, the sum).

    A truncated kernel is a Gaussian within its reach minus a step of that reach; the step is a
    Gaussian STEP times as wide, which is 1 there to the last bit. That takes kernels that end where
    their reach does, on all sides, as those of the CPU's stamps do; those of a GPU need not.
    """

    def summed(stretch: float, slopes: bool) -> Density:
        density = Density(
            grid,
            cutoff=state.cutoff / stretch,
            images="nearest",
            derivatives=slopes,
            n_threads=n_threads,
            backend="cpu",
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
