"""Metadynamics hills: what they are, in the order they were deposited."""

import math
import warnings
from dataclasses import dataclass, field, replace

import numpy as np

from cyfes import _kernels
from cyfes.errors import CyfesWarning, InputError
from cyfes.grid import Grid, GridRequest, fit_grid
from cyfes.tables import Bounds, periods_of
from cyfes.units import parse_number

#: Reach of a hill in sigma: PLUMED's kernels end where the exponent reaches 6.25.
REACH = math.sqrt(2 * 6.25)

#: Hills of kerneltype gaussian are summed to this many sigma: each neglected term is below 1e-16
#: of its height.
HILL_CUTOFF = 8.6

#: Kernels of METAD, by the name in ``SET kerneltype``; the first is what no such line means.
KERNELS = ("stretched-gaussian", "gaussian")

#: How many steps of a hill's end an automatic bound may cut off, to be written as PLUMED does.
CUT = 0.01

#: Grid points per reach of the narrowest hill on an automatic grid (PLUMED's choice).
POINTS_PER_REACH = 10


@dataclass(frozen=True)
class Hills:
    """Hills in the order they were deposited.

    ``names``: CVs. ``bounds``: per CV None or the period's bounds as written. ``centers``
    float64[n, d]; ``heights`` float64[n] (energy; well-tempered heights already carry
    gamma / (gamma - 1), as METAD writes them); ``biasfactors`` float64[n], nan where the file tells
    none; ``sigmas`` float64[n, d] standard deviations, or ``covariances`` float64[n, d, d] of
    multivariate hills; ``gaussian`` bool[n], which hills are plain Gaussians and not stretched
    ones; ``times`` float64[n], nan where the file tells none; ``interval`` None or the
    (lower, upper) of METAD's INTERVAL; ``clocks`` float64[n] seconds of walkers' clocks, as times;
    ``ends``: number of hills up to the end of each file. Source: PLUMED 2.10 METAD and sum_hills.
    """

    names: tuple[str, ...]
    bounds: tuple[Bounds, ...]
    centers: np.ndarray
    heights: np.ndarray
    biasfactors: np.ndarray
    sigmas: np.ndarray
    gaussian: np.ndarray
    times: np.ndarray
    covariances: np.ndarray | None = None
    interval: tuple[float, float] | None = None
    clocks: np.ndarray | None = None
    ends: tuple[int, ...] = ()
    dropped: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.heights)

    def __getitem__(self, rows: slice | np.ndarray) -> "Hills":
        return replace(
            self,
            centers=self.centers[rows],
            heights=self.heights[rows],
            biasfactors=self.biasfactors[rows],
            sigmas=self.sigmas[rows],
            gaussian=self.gaussian[rows],
            times=self.times[rows],
            covariances=None if self.covariances is None else self.covariances[rows],
            clocks=None if self.clocks is None else self.clocks[rows],
            ends=(),
        )

    @property
    def n_dims(self) -> int:
        """Number of CVs."""
        return len(self.names)

    @property
    def periodic(self) -> tuple[bool, ...]:
        """Which CVs are periodic."""
        return tuple(bound is not None for bound in self.bounds)

    @property
    def bandwidths(self) -> np.ndarray:
        """Bandwidths as the kernels take them: sigmas, or packed inverse covariances."""
        if self.covariances is None:
            return self.sigmas
        rows, columns = np.tril_indices(self.n_dims)
        try:
            return np.linalg.inv(self.covariances)[:, rows, columns]
        except np.linalg.LinAlgError:
            singular = int(np.argmin(np.abs(np.linalg.det(self.covariances))))
            raise InputError(
                f"the covariance of hill {singular} is singular; expected positive definite ones"
            ) from None

    @property
    def folded_centers(self) -> np.ndarray:
        """Centers within the periods, float64[n, d]; METAD writes no others, programs may."""
        centers = self.centers
        for i, bounds in enumerate(self.bounds):
            if bounds is None:
                continue
            low, high = (parse_number(text, "period") for text in bounds)
            outside = (centers[:, i] < low) | (centers[:, i] > high)
            if outside.any():
                centers = centers.copy() if centers is self.centers else centers
                centers[outside, i] -= (high - low) * np.floor(
                    (centers[outside, i] - low) / (high - low)
                )
        return centers

    def free_energy(self, points: np.ndarray, *, n_threads: int = 0) -> np.ndarray:
        """Return F(s) = -sum_t h_t K(s - s_t) at any ``points`` float64[n, d], float64[n].

        The sum itself, where a surface interpolates between the points of its grid; in the energy
        unit of the heights. Raises InputError for another shape or points that are not finite.
        """
        places = np.array(points, np.float64)
        if places.ndim != 2 or places.shape[1] != self.n_dims or not np.isfinite(places).all():
            raise InputError(
                f"points must be finite [n, {self.n_dims}] ({', '.join(self.names)}), got an array "
                f"of shape {places.shape}"
            )
        if self.interval is not None:
            np.clip(places, *self.interval, out=places)
        bias = np.zeros(len(places))
        HillSum(self).add(bias, places, slice(0, len(self)), n_threads)
        return -bias

    @property
    def periods(self) -> np.ndarray:
        """Period of each CV, 0 where it is not periodic, float64[d]."""
        return np.array(periods_of(self.bounds))

    def with_biasfactor(self, biasfactor: float) -> "Hills":
        """Return the hills of a run whose files do not tell its biasfactor, or a wrong one.

        -1 is that of ordinary metadynamics. Raises InputError unless it is -1 or above 1.
        """
        if not (biasfactor == -1 or biasfactor > 1):
            raise InputError(
                f"a biasfactor is above 1, or -1 for ordinary metadynamics; got {biasfactor:g}"
            )
        return replace(self, biasfactors=np.full(len(self), float(biasfactor)))

    def unscaled(self) -> "Hills":
        """Return the hills of a program that writes heights of the bias, as METAD would.

        h gamma / (gamma - 1); a biasfactor of -1 or inf marks ordinary metadynamics, whose heights
        stay.
        Raises InputError for a biasfactor that is missing, or neither -1 nor above 1.
        """
        gamma = self._known_biasfactors("unscaled heights")
        n_ones = int((gamma == 1).sum())
        if n_ones:
            raise InputError(f"{n_ones} of {len(self)} hills have biasf 1, which scales nothing")
        with np.errstate(invalid="ignore"):  # inf / inf, of what is ordinary metadynamics, too
            factor = np.where((gamma < 0) | np.isinf(gamma), 1.0, gamma / (gamma - 1))
        return replace(self, heights=self.heights * factor)

    def bias_heights(self, plumed_compat: bool = False) -> np.ndarray:
        """Return heights of the bias itself, h (gamma - 1) / gamma, float64[n].

        A biasfactor of -1 or inf marks ordinary metadynamics, whose bias is the sum of the hills as
        they are; PLUMED applies the formula there too and gets twice the bias (``plumed_compat``).
        Warns of a biasfactor of 1, which leaves nothing. Raises InputError for one that is missing,
        or neither -1 nor at least 1.
        """
        gamma = self._known_biasfactors("--negbias")
        with np.errstate(invalid="ignore"):
            factor = np.where(np.isinf(gamma), 1.0, (gamma - 1) / gamma)
        n_ones = int((gamma == 1).sum())
        if n_ones:
            warnings.warn(
                f"--negbias: {n_ones} of {len(self)} hills have biasf 1 and count nothing, as "
                "(biasf - 1) / biasf is 0; the bias of ordinary metadynamics is minus the surface "
                "without --negbias",
                CyfesWarning,
                stacklevel=2,
            )
        return self.heights * (factor if plumed_compat else np.where(gamma < 0, 1.0, factor))

    def _known_biasfactors(self, what: str) -> np.ndarray:
        gamma = self.biasfactors
        n_missing = int(np.isnan(gamma).sum())
        if n_missing:
            raise InputError(
                f"{what} needs the column biasf, which {n_missing} of {len(self)} hills lack; "
                "the bias of ordinary metadynamics is minus the surface as it is"
            )
        bad = gamma[(gamma > -1) & (gamma < 1) | (gamma < -1)]
        if len(bad):
            raise InputError(
                f"{what}: biasf is {bad[0]:g} in {len(bad)} of {len(self)} hills; expected at "
                "least 1, or -1 for ordinary metadynamics"
            )
        return gamma

    def supports(self, plumed_compat: bool = False) -> np.ndarray:
        """Return half the extent of each hill along each CV, float64[n, d] (CV units).

        sqrt(12.5) sigma; for a multivariate hill sqrt(12.5 C_ii). PLUMED follows only the
        eigenvector of the largest eigenvalue of C, which is too short (``plumed_compat``).
        """
        if self.covariances is None:
            return np.asarray(REACH * self.sigmas)
        if not plumed_compat:
            return np.asarray(REACH * np.sqrt(np.einsum("nii->ni", self.covariances)))
        values, vectors = np.linalg.eigh(self.covariances)
        largest = np.argmax(values, axis=1)[:, None]  # the first of equal ones, as PLUMED
        vector = np.take_along_axis(vectors, largest[:, None, :], axis=2)[:, :, 0]
        longest = np.sqrt(np.take_along_axis(values, largest, axis=1))
        return np.asarray(REACH * longest * np.abs(vector))


class HillSum:
    """Sums of successive hills at points; what is the same for each of them is found once."""

    def __init__(self, hills: Hills) -> None:
        self._hills = hills
        self._periods, self._bandwidths = hills.periods, hills.bandwidths
        n_gaussian = int(np.count_nonzero(hills.gaussian))
        self._kernel = {0: KERNELS[0], len(hills): KERNELS[1]}.get(n_gaussian)  # None: both

    def add(self, sums: np.ndarray, places: np.ndarray, rows: slice, n_threads: int = 0) -> None:
        """Add sum_t h_t K(s - s_t) of the hills in ``rows`` at ``places`` float64[n, d], which are
        within an INTERVAL, to ``sums`` float64[n]."""
        if self._kernel is not None:
            self._add(sums, places, rows, self._kernel, n_threads)
            return
        index = np.arange(len(self._hills))[rows]
        for is_gaussian, kernel in enumerate(KERNELS):
            own = index[self._hills.gaussian[rows] == bool(is_gaussian)]
            if len(own):
                self._add(sums, places, own, kernel, n_threads)

    def _add(
        self,
        sums: np.ndarray,
        places: np.ndarray,
        rows: slice | np.ndarray,
        kernel: str,
        n_threads: int,
    ) -> None:
        _kernels.evaluate(
            places, self._periods, self._hills.centers[rows], self._bandwidths[rows],
            self._hills.heights[rows], sums, kernel=kernel, cutoff=HILL_CUTOFF, images="nearest",
            n_threads=n_threads,
        )  # fmt: skip


def hills_grid(hills: Hills, request: Grid | GridRequest, *, plumed_compat: bool = False) -> Grid:
    """Return the grid for a sum of hills (see fit_grid).

    Automatic bounds enclose every hill; the automatic step is a tenth of the smallest reach. PLUMED
    rounds bounds to the nearest: so does this grid where that cuts off CUT of a step at most
    (``plumed_compat``: always). Raises InputError where there are no hills.
    """
    if not len(hills):
        raise InputError("there are no hills to sum")
    if isinstance(request, GridRequest) and hills.interval and request.lower is None:
        text = tuple(f"{bound:g}" for bound in hills.interval)
        bins = request.bins if request.bins is not None else [200]
        request = GridRequest([text[0]], [text[1]], bins)
    reach = hills.supports(plumed_compat)
    columns = list(zip(hills.folded_centers.T, reach.T))
    extents = (
        np.array([(center - half).min() for center, half in columns]),
        np.array([(center + half).max() for center, half in columns]),
    )
    steps = np.array([half.min() for _, half in columns]) / POINTS_PER_REACH
    cut = math.inf if plumed_compat else CUT
    return fit_grid(hills.names, hills.bounds, request, extents, steps, cut=cut)
