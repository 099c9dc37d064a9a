"""Samples of known distributions: their surfaces, bandwidths and effective numbers."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cyfes import Density, FreeEnergySurface, Grid
from cyfes.bandwidth import automatic_bandwidth, effective_sample_size, silverman_bandwidth
from cyfes.errors import CyfesWarning, InputError

BLOCKS = 50
NO_PERIOD = np.zeros(1)


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
    assert np.median(error[seen]) < 0.25  # or this test would see nothing
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


def test_biased_basins_on_a_torus():
    rng = np.random.default_rng(2)
    basins = np.array([[-1.5, 2.9], [1.0, 0.5], [2.8, -1.5]])
    widths = np.array([[0.5, 0.35], [0.4, 0.6], [0.3, 0.4]])
    which = rng.choice(3, 60000, p=[0.6, 0.3, 0.1])
    free = basins[which] + widths[which] * rng.normal(size=(60000, 2))
    # The bias 2 cos(x - 1) kBT lifts the basin at 1: accept with exp(-bias).
    accepted = rng.uniform(size=60000) < np.exp(-2 * np.cos(free[:, 0] - 1) - 2)
    samples = free[accepted]
    samples = samples[: len(samples) // BLOCKS * BLOCKS]
    assert len(samples) > 15000
    log_weights = 2 * np.cos(samples[:, 0] - 1)
    h = np.array([0.12, 0.15])
    grid = Grid.from_bins(["phi", "psi"], [-math.pi] * 2, [math.pi] * 2, [40, 36], [True, True])
    found, error = surface_with_error(grid, samples, log_weights, h)
    x, y = np.meshgrid(*grid.axes, indexing="ij")
    exact = np.zeros(grid.shape)
    for share, (a, b), width in zip((0.6, 0.3, 0.1), basins, widths, strict=True):
        s, t = np.hypot(width, h)
        for turn in np.ndindex(3, 3):
            dx, dy = x - a + 2 * np.pi * (turn[0] - 1), y - b + 2 * np.pi * (turn[1] - 1)
            q = (dx / s) ** 2 + (dy / t) ** 2
            exact += share * np.exp(-q / 2) / (2 * math.pi * s * t)
    assert_within_error(found, error, -np.log(exact))


def test_effective_sample_size_has_its_limits():
    values, h = np.linspace(0, 1, 50)[:, None], np.array([[0.1]])
    grid = Grid.from_bins(["x"], [0], [1], [10], [False])
    dominant = np.zeros(50)
    dominant[7] = 800
    half = np.where(np.arange(50) < 20, 0.0, -900.0)
    for log_weights, n in ((np.full(50, -3000.0), 50), (dominant, 1), (half, 20)):
        assert effective_sample_size(log_weights) == pytest.approx(n, rel=1e-10)
        density = Density(grid).add(values, h, log_weights=log_weights)
        assert density.effective_sample_size == pytest.approx(n, rel=1e-10)
    assert Density(grid).effective_sample_size == 0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_silverman_is_its_formula(seed, d):
    rng = np.random.default_rng(seed)
    values, log_weights = rng.normal(2, 3, (100, d)), rng.normal(0, 1, 100) + 2000
    weights = np.exp(log_weights - 2000)
    mean = np.average(values, axis=0, weights=weights)
    spread = np.sqrt(np.average((values - mean) ** 2, axis=0, weights=weights))
    n = weights.sum() ** 2 / (weights**2).sum()
    want = spread * (4 / ((d + 2) * n)) ** (1 / (d + 4))
    found = silverman_bandwidth(values, log_weights, np.zeros(d))
    np.testing.assert_allclose(found, want, rtol=1e-12)
    scaled = silverman_bandwidth(7 * values - 3, log_weights, np.zeros(d))
    np.testing.assert_allclose(scaled, 7 * want, rtol=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(-10, 10))
def test_periodic_bandwidths_do_not_see_the_border(seed, move):
    rng = np.random.default_rng(seed)
    values, log_weights = rng.normal(0, 0.4, (300, 1)), rng.normal(0, 1, 300)
    period = np.array([2 * math.pi])
    moved = values + move + period * rng.integers(-3, 4, values.shape)
    one = silverman_bandwidth(values, log_weights, period)
    np.testing.assert_allclose(silverman_bandwidth(moved, log_weights, period), one, rtol=1e-9)
    # Far from the border a narrow basin is as wide as without a period.
    narrow = 0.1 * values
    open_one = silverman_bandwidth(narrow, log_weights, NO_PERIOD)
    np.testing.assert_allclose(
        silverman_bandwidth(narrow, log_weights, period), open_one, rtol=1e-2
    )
    # What covers the whole period is no wider than the uniform distribution.
    uniform = silverman_bandwidth(rng.uniform(-9, 9, (300, 1)), np.zeros(300), period)
    assert uniform <= 1.0001 * 2 * math.pi / math.sqrt(12) * (4 / 900) ** 0.2


def test_automatic_bandwidths_refuse_and_warn():
    still = np.ones((50, 1))
    with pytest.raises(InputError, match="CV number 1 does not vary; give --sigma"):
        automatic_bandwidth(still, np.zeros(50), NO_PERIOD)
    log_weights = np.zeros(50)
    log_weights[0] = 6
    with pytest.warns(CyfesWarning, match=r"only 1\.3 effective samples"):
        automatic_bandwidth(
            np.random.default_rng(0).normal(size=(50, 1)), log_weights, np.array([7.0])
        )
