"""F split into energy and entropy: U(s) = <E>_s and -TS(s) = F(s) - U(s)."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from cyfes.blockdensity import BlockDensity
from cyfes.blocks import BlockSums
from cyfes.density import Density
from cyfes.reweight import Samples
from cyfes.surface import Surface
from cyfes.temperatures import checked_energies, log_kernel_sums, mean_energy
from cyfes.uncertainty import Uncertainty, inflation


@dataclass(frozen=True, eq=False)
class EnergyAndEntropy:
    """U(s) - <E> and -TS(s), float64[grid.shape] each, which add up to F(s); nan where F is inf.

    ``mean``: <E>, the mean of all frames. ``energy_error`` and ``entropy_error``: None, or the
    standard errors of the two, inf where F is. All in one unit, that of F.
    """

    energy: np.ndarray
    entropy: np.ndarray
    mean: float
    energy_error: np.ndarray | None = None
    entropy_error: np.ndarray | None = None

    def columns(self) -> dict[str, np.ndarray]:
        """Return what there is, by the name of its column in a file."""
        named = {
            "energy": self.energy,
            "minus_ts": self.entropy,
            "energy_error": self.energy_error,
            "minus_ts_error": self.entropy_error,
        }
        return {name: column for name, column in named.items() if column is not None}

    def relative_to(self, point: tuple[int, ...]) -> Self:
        """Return U and -TS less their values at a point of the grid; the errors stay."""
        energy, entropy = self.energy - self.energy[point], self.entropy - self.entropy[point]
        return replace(self, energy=energy, entropy=entropy)

    def scaled(self, factor: float) -> Self:
        """Return all energies times ``factor``."""
        energy_error = None if self.energy_error is None else self.energy_error * factor
        entropy_error = None if self.entropy_error is None else self.entropy_error * factor
        return type(self)(
            self.energy * factor,
            self.entropy * factor,
            self.mean * factor,
            energy_error,
            entropy_error,
        )


def energy_and_entropy(
    surface: Surface,
    samples: Samples,
    bandwidth: Sequence[float] | np.ndarray,
    *,
    reference: tuple[int, ...] | None = None,
    n_threads: int = 0,
) -> EnergyAndEntropy:
    """Return U and -TS of the surface of frames with energies, at the temperature of its kBT.

    U(s) = sum_j w_j K(s - s_j) E_j / sum_j w_j K(s - s_j) - <E> with the kernels K of F, and
    -TS = F - U (Dietschreit, Diestler and Gomez-Bombarelli, arXiv 2304.10676, 2023).
    ``surface`` is what FreeEnergySurface.from_colvar made of ``samples`` with that ``bandwidth``
    float64[d], neither shifted nor converted; the energies are in its unit. If it has errors, so
    have U and -TS, from the same blocks: ``reference``, a point of the grid by its index, makes
    them those of the differences from that point.
    Raises InputError as ``temperatures.reweighted_to``.
    """
    h, energies = np.asarray(bandwidth, np.float64), checked_energies(samples)
    # All terms are positive, as those of F: sums keep their relative accuracy.
    base = float(energies.min() - np.std(energies))
    log_weights = samples.log_weights + np.log(energies - base)
    density, blocks = Density(surface.grid, n_threads=n_threads), None
    found = surface.uncertainty
    if found is None:
        density.add(samples.values, h[None, :], log_weights=log_weights)
    else:
        blocks = BlockDensity(density, h, ends=np.cumsum(found.blocks.counts))
        blocks.add(samples.values, log_weights)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_sums = np.log(density.values) + density.log_scale
        above = np.exp(log_sums - log_kernel_sums(surface, samples, h))
    above = np.clip(above, energies.min() - base, energies.max() - base)
    mean = mean_energy(samples)
    energy = np.where(np.isfinite(surface.values), above + base - mean, np.nan)
    split = EnergyAndEntropy(energy, surface.values - energy, mean)
    if found is None or blocks is None:
        return split
    changes = _changes(found.blocks, blocks.blocks(), above, mean - base, surface.kbt or 1.0)
    energy_error, entropy_error = _errors(changes, found, reference)
    known = np.isfinite(surface.values)
    return replace(
        split,
        energy_error=np.where(known, energy_error, np.inf),
        entropy_error=np.where(known, entropy_error, np.inf),
    )


def _changes(
    weights: BlockSums, energies: BlockSums, above: np.ndarray, mean: float, kbt: float
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield what each block changes U and -TS by, float64[grid.shape] each.

    ``weights``: the sums of w K; ``energies``: those of w K times what E is above a base, as are
    ``above``, U of all blocks, and ``mean``, <E>.
    """
    total, total_energy = (
        sums.values.sum(axis=0, dtype=np.float64) for sums in (weights, energies)
    )
    share, energy_share = (sums.weights / sums.weights.sum() for sums in (weights, energies))
    for b in range(len(weights)):
        with np.errstate(divide="ignore", invalid="ignore"):
            here = weights.values[b] / total
            energy_here = energies.values[b] / total_energy
        energy = above * (energy_here - here) - mean * (energy_share[b] - share[b])
        yield energy, -kbt * (here - share[b]) - energy


def _errors(
    changes: Iterator[tuple[np.ndarray, np.ndarray]],
    found: Uncertainty,
    reference: tuple[int, ...] | None,
) -> tuple[np.ndarray, np.ndarray]:
    """The standard errors of U and of -TS (see BlockSums.spread), of their differences from a
    reference if there is one."""
    squares: list[np.ndarray | float] = [0.0, 0.0]
    for parts in changes:
        for k, part in enumerate(parts):
            apart = part if reference is None else part - part[reference]
            squares[k] = squares[k] + apart**2
    n, blocks = len(found.blocks), found.blocks
    factor = math.sqrt(n / max(n - 1, 1)) * inflation(blocks.length, found.correlation.time)
    energy, entropy = (factor * np.sqrt(square) for square in squares)
    return np.asarray(energy), np.asarray(entropy)
