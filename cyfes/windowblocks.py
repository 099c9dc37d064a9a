"""Blocks of umbrella windows: errors that hold what the windows' free energies are uncertain by."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from cyfes.blockdensity import BlockDensity
from cyfes.blocks import BlockSums
from cyfes.correlation import INDEPENDENT, Correlation
from cyfes.density import Density
from cyfes.errors import InputError
from cyfes.mbar import Mixture
from cyfes.reweight import Samples
from cyfes.uncertainty import LAST_RESORT, ErrorRequest, Uncertainty

#: Groups of blocks, and most blocks of one of many windows: few and long ones, as all windows add
#: to the groups.
GROUPS, BLOCKS = 64, 16

#: By which share of its blocks each window is turned against the one before it: blocks of one time
#: do not meet in one group, as windows that were started alike may move alike.
GOLDEN = 0.6180339887498949

#: Frames summed in one go.
FRAMES = 1 << 20

#: ln of the share in a window below which a frame does not count for the response of its f.
NEGLIGIBLE = -20.0


@dataclass(frozen=True, eq=False)
class WindowBlocks:
    """Blocks of successive frames of each window, gathered in G groups; windows are independent.

    ``labels`` int64[n]: the group of each frame. ``log_factors`` float64[n]: ln of what its weight
    counts times. ``expected`` float64[G, K]: the share of a window that is in a group, times that
    factor. ``influences`` float64[G, K]: what each group changes f_k by. ``correlation`` of the
    window that has the fewest correlation times, and ``counts`` int64[G] of frames in its blocks.

    A sum S = sum_n w_n K(x_n) changes by what the frames of a group add above what is expected of
    so many frames of their windows, and, as d ln w_n / d f_k = -p_nk, by -sum_k df_k M_k with M_k =
    sum_n w_n p_nk K(x_n). The sums over groups that are made here have S / G added to that, so that
    the errors of blocks.BlockSums follow from them.
    """

    labels: np.ndarray
    log_factors: np.ndarray
    expected: np.ndarray
    influences: np.ndarray
    counts: np.ndarray
    correlation: Correlation

    @classmethod
    def of(cls, mixture: Mixture, n_blocks: int | None = None) -> "WindowBlocks":
        """Return ``n_blocks`` of each window; None: as many as are five correlation times long.

        Raises InputError where a window has fewer frames than blocks.
        """
        numbers = _numbers_of_blocks(mixture, n_blocks)
        n_groups = min(max(GROUPS, int(numbers.max())), int(numbers.sum()))
        groups = [
            (int(numbers[:k].sum()) + (np.arange(n) + int(k * GOLDEN * n)) % n) % n_groups
            for k, n in enumerate(numbers.tolist())
        ]
        return cls._grouped(mixture, groups, n_groups)

    @classmethod
    def in_time(cls, mixture: Mixture, n_parts: int) -> "WindowBlocks":
        """Return the course of the run: group i has the i-th of ``n_parts`` of each window.

        Of as many as the shortest window has frames, at most.
        """
        n = min(n_parts, int(mixture.counts.min()))
        return cls._grouped(mixture, [np.arange(n)] * len(mixture.counts), n)

    @classmethod
    def _grouped(
        cls, mixture: Mixture, groups: Sequence[np.ndarray], n_groups: int
    ) -> "WindowBlocks":
        """As many blocks of each window as it has ``groups``, which these belong to."""
        numbers = np.array([len(some) for some in groups])
        factors = np.sqrt(numbers * (n_groups - 1) / (np.maximum(numbers - 1, 1) * n_groups))
        labels = np.empty(mixture.energies.n_frames, int)
        expected = np.zeros((n_groups, len(numbers)))
        added = np.zeros((n_groups, len(numbers)))
        for k, (rows, own, factor) in enumerate(zip(mixture.rows(), groups, factors)):
            n, length = len(own), rows.stop - rows.start
            cuts = rows.start + np.arange(n + 1) * length // n
            labels[rows] = np.repeat(own, np.diff(cuts))
            shares = np.array(
                [
                    mixture.energies.shares(mixture.offsets, slice(a, b))
                    for a, b in pairwise(cuts.tolist())
                ]
            )
            part = np.diff(cuts) / length
            expected[own, k] = factor * part
            added[own] += factor * (shares - np.outer(part, shares.sum(axis=0)))
        correlation = _slowest(mixture)
        slow = int(numbers[_slowest_window(mixture)])
        counts = np.full(n_groups, max(1, correlation.n_frames // slow))
        logs = np.repeat(np.log(factors), mixture.counts.astype(int))
        influences = added @ mixture.response.T
        return cls(labels, logs, expected, influences, counts, correlation)

    def __len__(self) -> int:
        return len(self.influences)

    def completed(
        self, sums: BlockSums, k: int, own: tuple[Any, float], response: tuple[Any, float]
    ) -> BlockSums:
        """Return ``sums`` with what is due to window k: (values [...], weight) of its frames, and
        those of M_k."""

        def at(i: int) -> np.ndarray:
            values = np.multiply.outer(1 / len(self) - self.expected[:, k], own[i])
            return np.asarray(values + np.multiply.outer(self.influences[:, k], response[i]))

        return replace(sums, values=sums.values + at(0), weights=sums.weights + at(1))


def density_uncertainty(
    density: Density, samples: Samples, bandwidth: np.ndarray, request: ErrorRequest
) -> Uncertainty:
    """Return the uncertainty of the density of frames of windows, on its grid.

    Raises InputError as WindowBlocks.of, GridTooLargeError where blocks do not fit in memory.
    """
    mixture = samples.mixture
    assert mixture is not None
    found = WindowBlocks.of(mixture, request.blocks)
    total = Density(density.grid, cutoff=density.cutoff, n_threads=density.n_threads)
    order = np.argsort(found.labels, kind="stable")
    ends = np.cumsum(np.bincount(found.labels, minlength=len(found)))
    blocks = BlockDensity(total, bandwidth, ends=ends)
    for start in range(0, len(order), FRAMES):
        some = order[start : start + FRAMES]
        blocks.add(samples.values[some], samples.log_weights[some] + found.log_factors[some])
    sums = replace(blocks.blocks(), counts=found.counts)
    for k, rows in enumerate(mixture.rows()):
        own = _summed(total, samples.values[rows], samples.log_weights[rows], bandwidth)
        log_shares = mixture.log_shares(k)
        near = np.flatnonzero(log_shares > NEGLIGIBLE)
        logs = samples.log_weights[near] + log_shares[near]
        response = _summed(total, samples.values[near], logs, bandwidth)
        sums = found.completed(sums, k, own, response)
    return Uncertainty.of(sums, found.correlation, request, blocks.note)


def _summed(
    total: Density, values: np.ndarray, log_weights: np.ndarray, bandwidth: np.ndarray
) -> tuple[np.ndarray, float]:
    """The density of frames on the grid and the sum of their weights, in the unit of ``total``."""
    part = total.part()
    part.add(values, bandwidth[None], log_weights=log_weights)
    by = part.exponent - total.exponent
    return np.ldexp(part.values, by), float(np.ldexp(part.sums[0], by))


def region_sums(
    samples: Samples, labels: np.ndarray, n_regions: int, found: WindowBlocks
) -> BlockSums:
    """Return the sums of w in regions over groups, float64[G, n_regions], as errors need them.

    ``labels`` int64[n]: the region of each frame. Weights are relative to the highest.
    """
    mixture = samples.mixture
    assert mixture is not None
    weights = np.exp(samples.log_weights - samples.log_weights.max())
    n, scaled = len(found), weights * np.exp(found.log_factors)
    at = found.labels * n_regions + labels
    values = np.bincount(at, scaled, n * n_regions).reshape(n, n_regions)
    sums = BlockSums(values, values.sum(axis=1), np.zeros(n), found.counts)
    for k, rows in enumerate(mixture.rows()):
        own = np.bincount(labels[rows], weights[rows], n_regions)
        response = np.bincount(labels, weights * np.exp(mixture.log_shares(k)), n_regions)
        both = (own, float(own.sum())), (response, float(response.sum()))
        sums = found.completed(sums, k, *both)
    return sums


def _times(mixture: Mixture) -> np.ndarray:
    return np.ones(len(mixture.counts)) if mixture.times is None else mixture.times


def _slowest_window(mixture: Mixture) -> int:
    return int(np.argmin(mixture.counts / _times(mixture)))


def _slowest(mixture: Mixture) -> Correlation:
    """The window with the fewest correlation times."""
    k = _slowest_window(mixture)
    time, problem = float(_times(mixture)[k]), ""
    n = float(mixture.counts[k]) / time
    if n < INDEPENDENT * LAST_RESORT:
        problem = (
            f"not converged: window {mixture.name(k)} is {n:.0f} correlation times of {time:.3g} "
            f"frames long, {INDEPENDENT * LAST_RESORT:.0f} are needed"
        )
    return Correlation(time, INDEPENDENT * time, int(mixture.counts[k]), problem)


def _numbers_of_blocks(mixture: Mixture, wanted: int | None) -> np.ndarray:
    """How many blocks each window has, int64[K]."""
    k = int(np.argmin(mixture.counts))
    least = 2 if wanted is None else wanted
    if mixture.counts[k] < least:
        raise InputError(
            f"window {mixture.name(k)} has {mixture.counts[k]:.0f} frames, and its error needs at "
            f"least {least}, one per block"
        )
    if wanted is not None:
        return np.full(len(mixture.counts), wanted)
    most = max(BLOCKS, GROUPS // len(mixture.counts))
    independent = (mixture.counts / (INDEPENDENT * _times(mixture))).astype(int)
    numbers = np.clip(independent, LAST_RESORT, most)
    return np.asarray(np.minimum(numbers, mixture.counts.astype(int)))
