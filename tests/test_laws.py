"""What must hold for every density and every surface, whatever the samples."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from oracles import free_energy, grid_points, grid_sum

from cyfes import Density, FreeEnergySurface, Grid, Hills
from cyfes.density import CUTOFF
from cyfes.errors import CyfesWarning, GridTooLargeError, InputError

#: Laws hold on coarse grids and for odd weights, too.
pytestmark = [
    pytest.mark.filterwarnings("ignore:the grid's steps of:cyfes.errors.CyfesWarning"),
    pytest.mark.filterwarnings("ignore:only .* effective samples:cyfes.errors.CyfesWarning"),
]

SEEDS = st.integers(0, 2**32 - 1)
DIMS = st.integers(1, 3)
ANY = settings(max_examples=12, deadline=None)
BINS = {1: 60, 2: 21, 3: 11, 4: 6}


class Cloud:
    """Weighted samples of a few basins on a box, [-1, 2) along each CV, some CVs periodic."""

    def __init__(self, seed, d, n=60, periodic=None):
        rng = np.random.default_rng(seed)
        wraps = rng.integers(0, 2, d) > 0 if periodic is None else np.full(d, periodic)
        basins = rng.uniform(-0.5, 1.5, (3, d))
        self.values = basins[rng.integers(0, 3, n)] + rng.normal(0, 0.2, (n, d))
        self.log_weights = rng.normal(0, 2, n)
        self.bandwidth = rng.uniform(0.12, 0.25, d)
        self.period = np.where(wraps, 3.0, 0.0)
        self.grid = Grid.from_bins(
            [f"s{i}" for i in range(d)], [-1] * d, [2] * d, [BINS[d]] * d, wraps
        )
        self.rng = rng

    def density(self, rows=slice(None), **changes):
        options = {"log_weights": self.log_weights[rows], **changes}
        return Density(self.grid, derivatives=True).add(
            self.values[rows], self.bandwidth[None, :], **options
        )

    def surface(self, **changes):
        grid = self.grid
        options = {
            "samples": self.values,
            "log_weights": self.log_weights,
            "bandwidth": self.bandwidth,
            "lower": grid.lower,
            "upper": grid.upper,
            "shape": grid.shape,
            "period": self.period,
            "names": grid.names,
            **changes,
        }
        return FreeEnergySurface.from_samples(**options)


def assert_same_density(one, other, rtol):
    """Equal sums: to ``rtol``, but for what lies beyond the cutoff."""
    shift = math.ldexp(1.0, other.exponent - one.exponent)
    beyond = math.exp(-(CUTOFF**2) / 2) * 100 * one.n_kernels
    np.testing.assert_allclose(other.values * shift, one.values, rtol=rtol, atol=beyond)
    scale = 20 * one.values + beyond  # a gradient may cancel to zero
    assert np.all(abs(other.derivatives * shift - one.derivatives) <= 10 * (rtol * scale + beyond))
    assert other.n_kernels == one.n_kernels
    assert other.log_sum_weights == pytest.approx(one.log_sum_weights, abs=1e-12, rel=1e-13)
    assert other.effective_sample_size == pytest.approx(one.effective_sample_size, rel=1e-12)


def assert_same_surface(values, others, tolerance=1e-10, below=25.0):
    """Equal energies (kBT) wherever they are less than ``below`` above the minimum."""
    seen = values < values.min() + below
    assert seen.any()
    np.testing.assert_allclose(others[seen], values[seen], rtol=0, atol=tolerance)


@ANY
@given(SEEDS, DIMS, st.integers(0, 60))
def test_chunks_add_up_to_the_whole(seed, d, cut):
    cloud = Cloud(seed, d)
    weights = np.exp(cloud.log_weights)
    whole = cloud.density(log_weights=None, weights=weights)
    parts = Density(cloud.grid, derivatives=True)
    for rows in (slice(cut), slice(cut, None)):
        parts.add(cloud.values[rows], cloud.bandwidth[None, :], weights=weights[rows])
    assert_same_density(whole, parts, 1e-13)
    assert_same_density(whole, cloud.density(), 1e-12)


@ANY
@given(SEEDS, DIMS, st.sampled_from([0.0, 30.0, 700.0, -5000.0, 8000.0]))
def test_merging_is_one_pass_whatever_the_weights(seed, d, gap):
    cloud = Cloud(seed, d)
    cloud.log_weights[20:] += gap
    cloud.log_weights += cloud.rng.choice([0.0, 4000.0, -4000.0])
    whole, late = cloud.density(), cloud.density(slice(20, None))
    early = cloud.density(slice(20))
    merged = cloud.density(slice(20)).merge(late)
    assert np.all(np.isfinite(merged.values))
    assert_same_density(whole, merged, 1e-11)
    assert_same_density(whole, cloud.density(slice(20, None)).merge(early), 1e-11)
    assert_same_density(whole, Density(cloud.grid, derivatives=True).merge(whole), 0.0)


def test_no_weights_follow_tiny_log_weights():
    """Weights of one after weights of exp(-5000): the smaller vanish, nothing overflows."""
    cloud = Cloud(0, 1)
    ones = cloud.density(log_weights=None)
    mixed = cloud.density(log_weights=np.full(60, -5000.0)).add(
        cloud.values, cloud.bandwidth[None, :]
    )
    np.testing.assert_allclose(mixed.values * 2.0**mixed.exponent, ones.values, rtol=1e-12)


def test_a_weight_of_zero_is_no_sample():
    cloud = Cloud(1, 2)
    weights = np.exp(cloud.log_weights)
    weights[::2] = 0
    some = cloud.surface(log_weights=cloud.log_weights[1::2], samples=cloud.values[1::2])
    assert_same_surface(some.values, cloud.surface(log_weights=None, weights=weights).values)
    for bad in (np.zeros(60), -weights, np.full(60, np.nan), weights[:5]):
        with pytest.raises(InputError, match="weights"):
            cloud.surface(log_weights=None, weights=bad)
    with pytest.raises(InputError, match="zero"):
        FreeEnergySurface.from_density(
            cloud.density(log_weights=np.full(60, -np.inf)), cloud.bandwidth, 1.0
        )


@ANY
@given(SEEDS, DIMS, st.booleans())
def test_the_distribution_is_normalised(seed, d, periodic):
    cloud = Cloud(seed, d, periodic=periodic)
    h, steps = cloud.bandwidth, {1: 0.5, 2: 0.8, 3: 1.0}[d]
    low = cloud.values.min(axis=0) - 7 * h
    high = np.where(periodic, low + 3.0, cloud.values.max(axis=0) + 7 * h)
    shape = np.ceil((high - low) / (steps * h)).astype(int) + 1
    fes = cloud.surface(lower=low, upper=high, shape=shape, kbt=2.5)
    # Sums over a periodic grid of one bandwidth a step err by exp(-2 pi^2) d of the whole.
    total = np.exp(-fes.values / 2.5).sum() * fes.grid.bin_volume
    assert total == pytest.approx(1, abs=1e-6 if d == 3 else 1e-10)


@ANY
@given(SEEDS, DIMS)
def test_translating_samples_and_grid_changes_nothing(seed, d):
    cloud = Cloud(seed, d)
    move = cloud.rng.uniform(-50, 50, d)
    moved = cloud.surface(
        samples=cloud.values + move,
        lower=np.array(cloud.grid.lower) + move,
        upper=np.array(cloud.grid.upper) + move,
    )
    assert_same_surface(cloud.surface().values, moved.values, 1e-9)


@ANY
@given(SEEDS, DIMS)
def test_periods_do_not_count(seed, d):
    cloud = Cloud(seed, d, periodic=True)
    one = cloud.surface()
    turns = cloud.rng.integers(-5, 6, cloud.values.shape)
    assert_same_surface(one.values, cloud.surface(samples=cloud.values + 3.0 * turns).values)
    below = cloud.surface(lower=np.array(cloud.grid.lower) - 3.0)
    assert_same_surface(one.values, below.values)
    # Half a period later the same points come in another order.
    grid = Grid.from_bins(one.grid.names, [0.0] * d, [3.0] * d, [12] * d, [True] * d)
    first = cloud.surface(lower=grid.lower, shape=grid.shape).values
    half = cloud.surface(lower=np.full(d, 1.5), shape=grid.shape).values
    assert_same_surface(first, np.roll(half, (6,) * d, range(d)))


@ANY
@given(SEEDS, st.permutations(range(3)))
def test_permuting_the_cvs_permutes_the_surface(seed, order):
    cloud = Cloud(seed, 3)
    order = list(order)
    one = cloud.surface()
    other = cloud.surface(
        samples=cloud.values[:, order],
        bandwidth=cloud.bandwidth[order],
        period=cloud.period[order],
        shape=np.array(cloud.grid.shape)[order],
        names=[cloud.grid.names[i] for i in order],
    )
    assert_same_surface(np.transpose(one.values, order), other.values)
    assert other.grid == one.grid.select(other.grid.names)


@ANY
@given(SEEDS, DIMS, st.sampled_from([-5000.0, -1.0, 300.0, 20000.0]))
def test_scaling_the_weights_changes_nothing(seed, d, shift):
    cloud = Cloud(seed, d)
    one = cloud.surface().values
    assert_same_surface(one, cloud.surface(log_weights=cloud.log_weights + shift).values)
    weights = 1e-200 * np.exp(cloud.log_weights)
    assert_same_surface(one, cloud.surface(log_weights=None, weights=weights).values)
    energies = cloud.surface(kbt=2.494)
    np.testing.assert_allclose(energies.values, 2.494 * one, rtol=1e-12, atol=1e-12)


@ANY
@given(SEEDS, DIMS)
def test_derivatives_are_slopes(seed, d):
    cloud = Cloud(seed, d)
    fes = cloud.surface()
    seen = fes.values < fes.minimum + 15
    for axis in range(d):
        step = np.zeros(d)
        step[axis] = 1e-4 * cloud.bandwidth[axis]
        ahead, behind = (
            cloud.surface(
                lower=cloud.grid.lower + sign * step, upper=cloud.grid.upper + sign * step
            ).values
            for sign in (1, -1)
        )
        slope = (ahead[seen] - behind[seen]) / (2 * step[axis])
        np.testing.assert_allclose(fes.derivatives[axis][seen], slope, rtol=0, atol=1e-4)


@ANY
@given(SEEDS, DIMS)
def test_single_precision_is_close_to_double(seed, d):
    cloud = Cloud(seed, d)
    one, single = cloud.surface(), cloud.surface(dtype=np.float32)
    assert_same_surface(one.values, single.values, 1e-5, below=15)
    seen = one.values < one.minimum + 15
    np.testing.assert_allclose(single.derivatives[:, seen], one.derivatives[:, seen], atol=2e-3)


@ANY
@given(SEEDS)
@example(3265)
def test_marginals(seed):
    cloud = Cloud(seed, 3)
    fes = cloud.surface(kbt=2.0)
    # Frames may leave a whole plane unreached.
    direct = -2.0 * np.logaddexp.reduce(np.logaddexp.reduce(-fes.values / 2.0))
    one = fes.marginal(["s2"])
    np.testing.assert_allclose(one.values, direct, rtol=0, atol=1e-11)
    assert one.grid == fes.grid.select(["s2"])
    for names in (["s0", "s2"], ["s2", "s1"]):
        np.testing.assert_allclose(
            fes.marginal(names).marginal(["s2"]).values, direct, rtol=0, atol=1e-11
        )
    np.testing.assert_array_equal(
        fes.marginal(["s2", "s0"]).values, fes.marginal(["s0", "s2"]).values.T
    )
    for names in ([], ["s0", "s0"], ["s0", "s1", "s2"], ["other"]):
        with pytest.raises(InputError):
            fes.marginal(names)


def test_the_marginal_of_a_surface_is_the_surface_of_one_cv():
    cloud = Cloud(3, 2, periodic=True)
    both = cloud.surface(shape=(60, 40))
    alone = cloud.surface(
        samples=cloud.values[:, 0], bandwidth=cloud.bandwidth[:1], period=[3.0], lower=[-1],
        upper=None, shape=(60,), names=["s0"],
    )  # fmt: skip
    marginal = both.marginal(["s0"]).values - np.log(both.grid.spacing[1])
    assert_same_surface(alone.values, marginal, 1e-10)


def test_far_marginals_neither_overflow_nor_vanish():
    grid = Grid.from_bins(["a", "b"], [0, 0], [1, 1], [2, 1], [False, False])
    values = np.array([[1e4, 1e4], [-1e4, np.inf], [np.inf, np.inf]])
    found = FreeEnergySurface(grid, values, 1.0).marginal(["a"]).values
    np.testing.assert_allclose(found, [1e4 - math.log(2), -1e4, np.inf], rtol=1e-15)


def test_the_minima_of_a_known_surface():
    grid = Grid.from_bins(["a", "b"], [0, -2], [2 * math.pi, 2], [40, 40], [True, False])
    a, b = np.meshgrid(*grid.axes, indexing="ij")
    # Two wells along the periodic a, at 0 (through the border) and pi; b: at -1 and at the edge.
    values = -2 * np.cos(2 * a) - 0.5 * np.cos(a) + np.where(b < 0.5, (b + 1) ** 2, 5 - 2 * b)
    found = FreeEnergySurface(grid, values).minima()
    at = [(0.0, -1.0), (math.pi, -1.0), (0.0, 2.0), (math.pi, 2.0)]
    energies = [-2.5, -1.5, -1.5, -0.5]
    assert len(found) == 4
    for position, energy in zip(at, energies):
        assert any(np.allclose(position, p) and abs(energy - f) < 1e-12 for p, f in found)
    assert [f for _, f in found] == pytest.approx(energies)
    flat = Grid.from_bins(["a"], [0], [1], [5], [False])
    step = FreeEnergySurface(flat, np.array([1.0, 0, 0, 1, np.inf, np.inf]))
    assert step.minima() == [((pytest.approx(0.2),), 0.0)]


@ANY
@given(SEEDS, st.integers(1, 4), st.sampled_from([2.0, 1000.0]))
def test_surfaces_of_samples_against_the_oracle(seed, d, span):
    cloud = Cloud(seed, d, n=40)
    cloud.log_weights = cloud.rng.uniform(-span, span, 40)
    want = free_energy(
        grid_points(cloud.grid), cloud.period, cloud.values, cloud.bandwidth, cloud.log_weights
    ).reshape(cloud.grid.shape)
    assert_same_surface(want, cloud.surface().values, 1e-10, below=25)


@ANY
@given(SEEDS, DIMS)
def test_a_density_of_hills_against_the_oracle(seed, d):
    """Signed heights, a width each, PLUMED's kernel and its nearest image."""
    cloud = Cloud(seed, d)
    sigma = cloud.rng.uniform(0.1, 0.4, cloud.values.shape)
    heights = cloud.rng.normal(size=60)
    density = Density(cloud.grid, kernel="stretched-gaussian", images="nearest", derivatives=True)
    density.add(cloud.values, sigma, weights=heights)
    values, slopes = grid_sum(
        cloud.grid, cloud.values, sigma, heights, kernel="stretched-gaussian", images="nearest"
    )
    # The nearest image is rounded to 2^-46 of a period, as PLUMED rounds it.
    np.testing.assert_allclose(density.values, values, rtol=0, atol=2e-11)
    np.testing.assert_allclose(density.derivatives, slopes, rtol=0, atol=2e-10)


def test_arguments_that_disagree_are_named():
    cloud = Cloud(0, 2)
    for changes, message in (
        ({"samples": np.zeros((3, 5)), "log_weights": None}, "1 to 4 CVs"),
        ({"samples": cloud.values * np.nan}, "center of kernel 0 is not finite"),
        ({"samples": cloud.values * np.nan, "period": [0, 0], "upper": None}, "must be finite"),
        ({"samples": np.zeros((0, 2)), "log_weights": None}, "n > 0"),
        ({"period": [1.0, 2.0, 3.0]}, "period has 3"),
        ({"period": [-1.0, 0.0]}, "period"),
        ({"lower": [0.0] * 3}, "lower has 3"),
        ({"shape": [5] * 3}, "shape has 3"),
        ({"shape": [0, 5]}, "shape must be at least 1 points of s0"),
        ({"names": ["a"]}, "names has 1 entries for 2 CVs"),
        ({"bandwidth": [0.1] * 3}, "bandwidth has 3"),
        ({"bandwidth": 0.0}, "bandwidth must be positive"),
        ({"log_weights": np.full(60, np.nan)}, "weights must be"),
        ({"weights": np.ones(60)}, "not both"),
        ({"kbt": 0.0}, "kbt must be positive"),
    ):
        with pytest.raises(InputError, match=message):
            cloud.surface(**changes)
    other = Density(Cloud(0, 1).grid)
    for wrong in (other, Density(cloud.grid)):
        with pytest.raises(InputError, match="same grid"):
            cloud.density().merge(wrong)
    with pytest.raises(InputError, match=r"centers must be \[n, 2\]"):
        Density(cloud.grid).add(np.zeros((3, 1)), np.ones((1, 2)))
    with pytest.raises(InputError, match=r"bandwidths must be \[1 or 3, ...\], got \(2, 2\)"):
        Density(cloud.grid).add(np.zeros((3, 2)), np.ones((2, 2)))
    huge = Grid.from_bins(["a", "b"], [0, 0], [1, 1], [10**7, 10**7], [True, True])
    with pytest.raises(GridTooLargeError, match=r"GiB.*bins that fit"):
        Density(huge)


def test_every_number_of_threads_gives_the_same_bits():
    cloud = Cloud(2, 2)
    surfaces = [cloud.surface(n_threads=n) for n in (1, 2, 5)]
    for one, other in itertools.pairwise(surfaces):
        np.testing.assert_array_equal(one.values, other.values)
        np.testing.assert_array_equal(one.derivatives, other.derivatives)


def test_what_is_not_reproduced_is_said():
    """PLUMED's window of a Gaussian hill, within METAD's INTERVAL."""
    hills = Hills(
        names=("x",),
        bounds=(None,),
        centers=np.zeros((1, 1)),
        heights=np.ones(1),
        biasfactors=np.ones(1),
        sigmas=np.full((1, 1), 0.2),
        gaussian=np.ones(1, bool),
        times=np.zeros(1),
        interval=(-1.0, 1.0),
    )
    with pytest.warns(
        CyfesWarning, match="cuts Gaussian hills.*: not reproduced within an INTERVAL"
    ):
        FreeEnergySurface.from_hills(hills, plumed_compat=True)
