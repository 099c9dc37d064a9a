"""Frames of one temperature reweighted to another, and how many of them tell of each point."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cyfes.density import Density
from cyfes.errors import CyfesWarning, InputError
from cyfes.reweight import Samples
from cyfes.surface import Surface
from cyfes.units import thermal_energy
from cyfes.weights import WeightSums

#: With fewer effective frames, or a smaller share of all, a few of them make a surface or a point.
FEW_FRAMES, FEW_SHARE = 10, 0.01

#: Points less than this above the minimum of F, in kBT, are looked at.
BELOW = 10.0


def reweighted_to(samples: Samples, kelvin: float, *, own: float, units: str = "kj/mol") -> Samples:
    """Return frames of a temperature ``own`` with the weights that they have at ``kelvin``.

    ln w' = ln w + (1 / kBT - 1 / kBT') E, with the potential energy E = ``samples.energies``
    float64[n] in ``units``; an energy in kT is afterwards in that of ``kelvin``. At constant
    pressure E must be the enthalpy, the energy plus pV. E is the energy without the bias.
    Raises InputError for a temperature that is not positive, for energies that are missing, not
    finite or all the same, and for windows that MBAR joined.
    """
    energies = checked_energies(samples)
    before, after = thermal_energy(own, units), thermal_energy(kelvin, units)
    # A constant in E changes no surface. Without the mean, less is lost to rounding.
    apart = energies - mean_energy(samples)
    factor = own / kelvin if units == "kt" else 1.0
    log_weights = samples.log_weights + apart * (1 / before - factor / after)
    sums = WeightSums.of(log_weights)
    return replace(samples, log_weights=log_weights, sums=sums, energies=energies * factor)


def checked_energies(samples: Samples) -> np.ndarray:
    """Return the energies of frames, float64[n]; errors as ``reweighted_to``."""
    energies = samples.energies
    if energies is None:
        raise InputError("the frames have no potential energies: name their column, --energy")
    if samples.mixture is not None:
        raise InputError("energies are for the frames of one run, not for windows that MBAR joined")
    if not np.all(np.isfinite(energies)):
        raise InputError("the potential energies must be finite, got nan or inf")
    if len(energies) > 1 and energies.min() == energies.max():
        raise InputError(
            f"the potential energy is {energies[0]:g} in all frames, which tells nothing of other "
            "temperatures: name the column of a potential energy"
        )
    return energies


def mean_energy(samples: Samples) -> float:
    """Return <E> = sum w E / sum w of all frames; errors as ``reweighted_to``."""
    energies = checked_energies(samples)
    weights = np.exp(samples.log_weights - samples.log_weights.max())
    return float((weights * energies).sum() / weights.sum())


def effective_frames(
    surface: Surface, samples: Samples, bandwidth: Sequence[float] | np.ndarray, n_threads: int = 0
) -> np.ndarray:
    """Return how many frames make F at each point, float64[grid.shape]; 0 where F is inf.

    (sum_j w_j K_j)^2 / sum_j (w_j K_j)^2 with the kernels K_j of F: Kish's number of the terms.
    ``surface`` is what FreeEnergySurface.from_colvar made of ``samples`` with that ``bandwidth``
    float64[d], neither shifted nor converted.
    """
    h = np.asarray(bandwidth, np.float64)[None, :]
    # The square of a Gaussian is one of a width that is smaller by sqrt(2).
    squares = Density(surface.grid, n_threads=n_threads)
    squares.add(samples.values, h / math.sqrt(2), log_weights=2 * samples.log_weights)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_squares = np.log(squares.values) + squares.log_scale
        found = np.exp(2 * log_kernel_sums(surface, samples, h[0]) - log_squares)
    return np.where(np.isfinite(found), np.clip(found, 0.0, len(samples)), 0.0)


def log_kernel_sums(surface: Surface, samples: Samples, bandwidth: np.ndarray) -> np.ndarray:
    """Return ln sum_j w_j K_j, K = 1 at a frame, of the frames that a surface was made of."""
    volume = np.log(np.sqrt(2 * np.pi) * bandwidth).sum()
    kbt = surface.kbt or 1.0
    return np.asarray(-surface.values / kbt + samples.sums.log_sum + volume)


def warn_of_support(
    surface: Surface, samples: Samples, at_points: np.ndarray, kelvin: float
) -> None:
    """Warn where few effective frames make a surface at ``kelvin``, or most of its points.

    ``at_points`` as ``effective_frames`` returns them; points count where F is less than 10 kBT
    above its minimum.
    """
    n = samples.sums.effective_sample_size
    remedy = "run at this temperature or nearer to it, or with a bias for several temperatures"
    if n < max(FEW_FRAMES, FEW_SHARE * len(samples)):
        _warn(
            f"at {kelvin:.10g} K only {n:.1f} effective samples of {len(samples)} frames; {remedy}"
        )
        return
    low = surface.values < surface.minimum + BELOW * (surface.kbt or 1.0)
    few = int(np.count_nonzero(low & (at_points < FEW_FRAMES)))
    if few > np.count_nonzero(low) / 2:
        _warn(
            f"at {kelvin:.10g} K fewer than {FEW_FRAMES} effective frames make {few} of the "
            f"{np.count_nonzero(low)} points below 10 kT; {remedy}"
        )


def _warn(text: str) -> None:
    warnings.warn(text, CyfesWarning, stacklevel=3)
