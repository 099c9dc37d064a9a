"""Whether the surface of a state and that of the frames of the same run agree."""

from dataclasses import dataclass, replace

import numpy as np

from cyfes.comparison import Difference, difference
from cyfes.errors import InputError
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

    def sentence(self) -> str:
        """Return the verdict with its figures."""
        unit = UNIT_LABELS[self.found.surface.units]
        verdict = "agree within errors" if self.agrees else "do NOT agree"
        return (
            f"{verdict}: they differ by {self.found.rms:.3g} {unit}, the frames' error is "
            f"{self.error:.3g} (RMS where F < {BELOW:g} kT, "
            f"{int(self.found.compared.sum())} points)"
        )


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
