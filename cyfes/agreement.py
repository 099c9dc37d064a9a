"""Whether the surface of a state and that of the frames of the same run agree."""

from dataclasses import dataclass, replace

import numpy as np

from cyfes.comparison import Difference, difference
from cyfes.density import Progress
from cyfes.errors import InputError
from cyfes.fes import FreeEnergySurface
from cyfes.grid import Grid
from cyfes.opes import OpesState
from cyfes.opessum import opes_free_energy
from cyfes.reweight import Samples
from cyfes.surface import Surface
from cyfes.units import UNIT_LABELS

#: Surfaces are compared where both lie less than so many kBT above their minima.
BELOW = 10.0

#: They agree if they differ by no more than so many errors, root mean squares of both.
ERRORS = 2.0


@dataclass(frozen=True, eq=False)
class Agreement:
    """How a surface differs from one that has errors: ``found`` is their difference, ``error`` the
    root mean square of the errors at the points compared, in the unit of the surfaces."""

    found: Difference
    error: float

    @property
    def agrees(self) -> bool:
        """Whether the difference is within ERRORS errors."""
        return self.found.rms <= ERRORS * self.error

    def scaled(self, factor: float, units: str) -> "Agreement":
        """Return the same with all energies times ``factor``, in another unit."""
        return Agreement(self.found.scaled(factor, units), self.error * factor)

    def sentence(self) -> str:
        """Return the verdict with its figures."""
        unit = UNIT_LABELS[self.found.surface.units]
        verdict = "agree within errors" if self.agrees else "do NOT agree"
        return (
            f"{verdict}: they differ by {self.found.rms:.3g} {unit}, the frames' error is "
            f"{self.error:.3g} (RMS where F < {BELOW:g} kT, "
            f"{int(self.found.compared.sum())} points)"
        )


def agreement_with_frames(
    state: OpesState,
    frames: Samples,
    grid: Grid,
    kbt: float,
    *,
    units: str = "kj/mol",
    n_threads: int = 0,
    progress: Progress | None = None,
) -> Agreement:
    """Return how the surface of a state agrees with that of frames, which are reweighted.

    Raises InputError for frames beside the grid, and as ``agreement``.
    """
    values, _, _ = opes_free_energy(state, grid, kbt, derivatives=False, n_threads=n_threads)
    reweighted = FreeEnergySurface.from_colvar(
        frames,
        kbt=kbt,
        grid=grid,
        derivatives=False,
        units=units,
        error=True,
        n_threads=n_threads,
        progress=progress,
    )
    return agreement(FreeEnergySurface(grid, values, kbt, units=units), reweighted)


def agreement(surface: Surface, frames: Surface) -> Agreement:
    """Return how a surface without errors agrees with that of ``frames``, which has errors.

    Both up to a constant, on one grid, in the unit of the first. Raises InputError for frames
    without errors or a surface without kBT, and as comparison.difference.
    """
    if frames.error is None or surface.kbt is None:
        raise InputError("an agreement needs kBT, and a surface of frames with error=True")
    exact = replace(surface, error=np.zeros(surface.grid.shape))
    found = difference(exact, frames, below=BELOW * surface.kbt)
    errors = np.asarray(found.surface.error)[found.compared]
    return Agreement(found, float(np.sqrt(np.mean(errors**2))))
