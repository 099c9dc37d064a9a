"""States of OPES_METAD and OPES_METAD_EXPLORE: the probability that the bias is made of."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from cyfes import _kernels
from cyfes.grid import Grid, GridRequest, fit_samples
from cyfes.tables import Bounds, periods_of

#: Bandwidths times this, and a reach divided by it, make of a Gaussian a step: 1 within the reach.
STEP = 2.0**40


@dataclass(frozen=True, eq=False)
class OpesState:
    """The kernels of an OPES run at one time, and what makes a free energy of their sum.

    ``names``: CVs. ``bounds``: per CV None or the period's bounds as written. ``centers``,
    ``sigmas`` float64[n, d]; ``heights`` float64[n]. A kernel is h (exp(-r^2 / 2) -
    exp(-cutoff^2 / 2)) within ``cutoff`` sigmas r of its center, at the nearest image, and 0
    beyond. ``norm``: what their sum is divided by, the sum of weights (OPES_METAD) or the number of
    kernels deposited + 1 (OPES_METAD_EXPLORE). ``zed``: Z, the mean probability at the centers.
    ``epsilon``: added to P / Z. ``biasfactor``: gamma, inf for a flat target. ``explore``: the sum
    is not the unbiased P but the well-tempered P^(1 / gamma). ``time`` of the run; ``line`` of the
    file where the state begins.
    Source: PLUMED 2.10 OPES_METAD; Invernizzi and Parrinello, J. Phys. Chem. Lett. 11, 2731, 2020,
    and J. Chem. Theory Comput. 18, 3988, 2022.
    """

    names: tuple[str, ...]
    bounds: tuple[Bounds, ...]
    centers: np.ndarray
    sigmas: np.ndarray
    heights: np.ndarray
    cutoff: float
    norm: float
    zed: float
    epsilon: float
    biasfactor: float
    explore: bool = False
    time: float = np.nan
    line: int = 0

    def __len__(self) -> int:
        return len(self.heights)

    @property
    def periods(self) -> np.ndarray:
        """Period of each CV, 0 where it is not periodic, float64[d]."""
        return np.array(periods_of(self.bounds))

    @property
    def exponent(self) -> float:
        """The power of the state's distribution that the unbiased one is: gamma, or 1."""
        return self.biasfactor if self.explore else 1.0

    @property
    def value_at_cutoff(self) -> float:
        """What is taken off a Gaussian of height 1, so that it ends in 0."""
        return float(np.exp(-0.5 * self.cutoff**2))

    def kernel_sum(self, points: np.ndarray, *, n_threads: int = 0) -> np.ndarray:
        """Return the sum of the kernels at ``points`` float64[m, d], float64[m]."""
        sums = np.zeros((2, len(points)))
        for total, stretch in zip(sums, (1.0, STEP)):
            _kernels.evaluate(
                points, self.periods, self.centers, self.sigmas * stretch,
                self.heights, total, cutoff=self.cutoff / stretch, images="nearest",
                n_threads=n_threads,
            )  # fmt: skip
        with np.errstate(invalid="ignore"):  # heights that overflow make nan, which no reader keeps
            return np.asarray(np.maximum(sums[0] - self.value_at_cutoff * sums[1], 0.0))

    def mean_at_centers(self, *, n_threads: int = 0) -> float:
        """Return what Z is by its definition: the mean of P at the centers of the kernels."""
        with np.errstate(over="ignore", invalid="ignore"):
            return float(self.kernel_sum(self.centers, n_threads=n_threads).mean() / self.norm)

    def free_energy(self, points: np.ndarray, kbt: float) -> np.ndarray:
        """Return F(s) = -kBT g ln(P(s) / Z + epsilon) at ``points`` float64[m, d], float64[m].

        g is 1, or gamma of OPES_METAD_EXPLORE. The bias of the run is V = -(1 - 1 / gamma) F.
        """
        sums = self.kernel_sum(np.asarray(points, np.float64))
        return -kbt * self.exponent * np.log(sums / (self.norm * self.zed) + self.epsilon)


@dataclass(frozen=True, eq=False)
class OpesRun:
    """What was read of a STATE or KERNELS file.

    ``states``: those asked for, the last one of the run always. ``n_found``: whole states in a
    STATE file, kernels in a KERNELS file; ``compressed``: whether the states were made of KERNELS.
    ``dropped`` (reason -> rows), ``notes`` one sentence each.
    """

    states: tuple[OpesState, ...]
    n_found: int
    compressed: bool
    dropped: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def opes_grid(states: Sequence[OpesState], request: Grid | GridRequest) -> Grid:
    """Return the grid for surfaces of some states (see fit_samples): automatic bounds lie three of
    the narrowest sigmas outside the centers of all."""
    centers = np.concatenate([state.centers for state in states])
    narrowest = np.min([state.sigmas.min(axis=0) for state in states], axis=0)
    extents = centers.min(axis=0), centers.max(axis=0)
    return fit_samples(states[0].names, states[0].bounds, request, extents, narrowest)
