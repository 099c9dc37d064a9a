"""Samples of known distributions: their surfaces, bandwidths and effective numbers."""

import math

import numpy as np
import pytest

from cyfes import Density, FreeEnergySurface, Grid
from cyfes.weights import WeightSums

BLOCKS = 50


def surface_with_error(grid, samples, log_weights, bandwidth):
    """(F, its standard error) in kBT, from independent blocks of samples."""
    blocks = [
        Density(grid).add(x, bandwidth[None, :], log_weights=w)
        for x, w in zip(np.split(samples, BLOCKS), np.split(log_weights, BLOCKS), strict=True)
    ]
    whole = Density(grid)
    for block in blocks:
        whole.merge(block)
    fes = FreeEnergySurface.from_density(whole, bandwidth, 1.0)
    # P = sum D_b / sum W_b is a ratio: its variance is that of D_b - P W_b.
    totals = np.array([math.exp(b.log_sum_weights) for b in blocks])
    sums = np.array([b.values * math.exp(b.log_scale) for b in blocks])
    ratio = sums.sum(axis=0) / totals.sum()
    residuals = sums - np.multiply.outer(totals, ratio)
    variance = BLOCKS / (BLOCKS - 1) * (residuals**2).sum(axis=0) / totals.sum() ** 2
    return fes.values, np.sqrt(variance) / ratio


def assert_within_error(found, error, exact):
    """F is right within its error, absolutely, wherever it is below 6 kBT."""
    seen = exact < exact.min() + 6
    assert seen.sum() > 30
    assert np.median(error[seen]) < 0.1  # or this test would see nothing
    worst = np.abs(found - exact)[seen] / error[seen]
    assert worst.max() < 5
    assert worst.max() > 0.5


def double_well(x):
    """A potential in kBT: wells at -1 and 1, a barrier of 5 kBT, one well deeper."""
    return 5 * (x**2 - 1) ** 2 + 0.7 * x


def test_a_biased_double_well():
    rng = np.random.default_rng(1)
    x = np.linspace(-2.2, 2.2, 20001)
    bias = -0.8 * double_well(x)
    # Samples of exp(-(U + bias)) by inverting the cumulative distribution.
    cumulative = np.cumsum(np.exp(-double_well(x) - bias))
    drawn = rng.uniform(size=20000)
    samples = np.interp(drawn, cumulative / cumulative[-1], x)[:, None]
    log_weights = -0.8 * double_well(samples[:, 0])
    h = np.array([0.06])
    grid = Grid.from_bins(["x"], [-1.8], [1.8], [120], [False])
    found, error = surface_with_error(grid, samples, log_weights, h)
    density = np.exp(-double_well(x))
    density /= density.sum()
    kernel = np.exp(-0.5 * ((grid.axes[0][:, None] - x) / h) ** 2) / (math.sqrt(2 * math.pi) * h)
    assert_within_error(found, error, -np.log(kernel @ density))
    unweighted, error = surface_with_error(grid, samples, np.zeros(20000), h)
    with pytest.raises(AssertionError):  # the law can fail
        assert_within_error(unweighted, error, -np.log(kernel @ density))


def torus_density(x, y, blur=(0.0, 0.0)):
    """Three wrapped normal basins, each widened by a kernel of standard deviations ``blur``."""
    basins = ((0.6, -1.5, 2.9, 0.5, 0.35), (0.3, 1.0, 0.5, 0.4, 0.6), (0.1, 2.8, -1.5, 0.3, 0.4))
    total = np.zeros(np.shape(x))
    for share, a, b, *widths in basins:
        s, t = np.hypot(widths, blur)
        for i, j in np.ndindex(3, 3):
            dx, dy = x - a + 2 * math.pi * (i - 1), y - b + 2 * math.pi * (j - 1)
            q = (dx / s) ** 2 + (dy / t) ** 2
            total += share * np.exp(-q / 2) / (2 * math.pi * s * t)
    return total


def test_biased_basins_on_a_torus():
    rng = np.random.default_rng(2)
    points = rng.uniform(-math.pi, math.pi, (200000, 2))
    log_density = np.log(torus_density(*points.T))
    # As a well-tempered bias -0.7 F would leave them: accept with density^0.3.
    accepted = np.log(rng.uniform(size=len(points))) < 0.3 * (log_density - log_density.max())
    n = accepted.sum() // BLOCKS * BLOCKS
    samples, log_weights = points[accepted][:n], 0.7 * log_density[accepted][:n]
    assert n > 15000
    h = np.array([0.15, 0.2])
    grid = Grid.from_bins(["phi", "psi"], [-math.pi] * 2, [math.pi] * 2, [40, 36], [True, True])
    found, error = surface_with_error(grid, samples, log_weights, h)
    exact = torus_density(*np.meshgrid(*grid.axes, indexing="ij"), blur=h)
    assert_within_error(found, error, -np.log(exact))


def test_effective_sample_size_has_its_limits():
    values, h = np.linspace(0, 1, 50)[:, None], np.array([[0.1]])
    grid = Grid.from_bins(["x"], [0], [1], [10], [False])
    dominant = np.zeros(50)
    dominant[7] = 800
    half = np.where(np.arange(50) < 20, 0.0, -900.0)
    for log_weights, n in ((np.full(50, -3000.0), 50), (dominant, 1), (half, 20)):
        found = WeightSums.of(log_weights).effective_sample_size
        assert found == pytest.approx(n, rel=1e-10)
        density = Density(grid).add(values, h, log_weights=log_weights)
        assert density.effective_sample_size == pytest.approx(n, rel=1e-10)
    assert Density(grid).effective_sample_size == 0
