"""Sums over blocks: laws of joining, errors against plain NumPy, and what they need."""

import math
from dataclasses import replace
from itertools import chain, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyfes import FreeEnergySurface, gridfile
from cyfes.blockdensity import BlockDensity
from cyfes.blocks import BlockSums, Ledger, t_quantile
from cyfes.correlation import RegionSeries, integrated_time
from cyfes.density import Density
from cyfes.errors import CyfesWarning, FileFormatError, GridTooLargeError, InputError
from cyfes.grid import Grid
from cyfes.reweight import Samples
from cyfes.weights import WeightSums

GRID = Grid.from_bins(["x", "y"], [-3, -2], [3, 2], [20, 15], [False, True])
H = np.array([0.4, 0.5])
DEEP = Grid.from_bins("xyz", [-3, -2, -3], [3, 2, 3], [8, 9, 7], [False, True, False])


def frames(n, seed=0, memory=0.0):
    """Values float64[n, 2] that remember the ones before, and logarithms of weights of any size."""
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 0.8, (n, 2))
    for t in range(1, n):
        values[t] = memory * values[t - 1] + math.sqrt(1 - memory**2) * values[t]
    return values, rng.normal(2000, 0.7, n)


def samples(n, ends=(), **kwargs):
    values, log_w = frames(n, **kwargs)
    return Samples(
        ("x", "y"), (None, ("-2", "2")), values, log_w, WeightSums.of(log_w), n, ends=tuple(ends)
    )


def sums(n=8, points=5, seed=1):
    rng = np.random.default_rng(seed)
    values, weights = rng.uniform(0.5, 2, (n, points)), rng.uniform(1, 2, n)
    return BlockSums(values, weights, weights**2, np.full(n, 10))


@given(st.lists(st.integers(0, 60), min_size=1, max_size=6), st.integers(1, 8), st.integers(1, 30))
def test_blocks_hold_successive_frames_of_one_file(files, most, chunk):
    ledger, blocks = Ledger(2 * most), []
    for file, n in enumerate(files):
        for start in range(0, n, chunk):
            left = min(chunk, n - start)
            while left:
                first, counts = ledger.assign(left)
                for block, count in enumerate(counts.tolist(), first):
                    blocks += [[] for _ in range(block + 1 - len(blocks))]
                    blocks[block].extend((file, n - left) for _ in range(count))
                left -= int(counts.sum())
                if left:
                    starts = ledger.join().tolist()
                    cuts = pairwise([*starts, len(blocks)])
                    blocks = [list(chain(*blocks[a:b])) for a, b in cuts]
        ledger.end_file()
    assert ledger.counts[: ledger.n].tolist() == [len(block) for block in blocks]
    assert sum(map(len, blocks)) == sum(files)
    assert ledger.n <= 2 * most
    order = list(chain(*blocks))
    assert order == sorted(order, key=lambda frame: frame[0])
    if len([n for n in files if n]) <= most / 4:
        assert all(len({file for file, _ in block}) == 1 for block in blocks)


def test_what_is_shorter_than_half_a_block_joins_the_one_before():
    ledger = Ledger(10, length=4)
    ledger.assign(9)
    ledger.end_file()
    ledger.assign(1)
    assert ledger.join_rests().tolist() == [0, 1, 3]
    assert ledger.counts[: ledger.n].tolist() == [4, 5, 1]


@pytest.mark.parametrize("grid", [GRID.select(["x"]), GRID.select(["y"]), GRID, DEEP])
@pytest.mark.parametrize(("n_frames", "chunk"), [(300, 300), (300, 7), (None, 300), (None, 11)])
def test_the_surface_is_the_sum_of_its_blocks(grid, n_frames, chunk):
    values, log_w = frames(300)
    d = grid.n_dims
    values = np.column_stack([values, values[:, 0]])[:, "xyz".index(grid.names[0]) :][:, :d]
    h = np.array([0.4, 0.5, 0.6])[:d]
    density = Density(grid, derivatives=True)
    blocks = BlockDensity(density, h, 10, n_frames)
    for start in range(0, 300, chunk):
        part = slice(start, start + chunk)
        blocks.add(values[part], log_w[part])
    found = blocks.blocks()
    whole = Density(grid, derivatives=True).add(values, h[None], log_weights=log_w)
    np.testing.assert_allclose(density.values, whole.values, rtol=1e-11)
    np.testing.assert_allclose(density.derivatives, whole.derivatives, rtol=1e-9, atol=1e-12)
    assert_near(found.values.sum(axis=0), density.values)
    np.testing.assert_allclose((found.weights.sum(), found.squares.sum()), density.sums)
    start = 0
    for k, count in enumerate(found.counts.tolist()):
        rows = slice(start, start + count)
        start += count
        one = Density(grid).add(values[rows], h[None], log_weights=log_w[rows])
        by = one.exponent - density.exponent
        assert_near(found.values[k], np.ldexp(one.values, by))
    assert len(found) == 10 if n_frames else 10 <= len(found) <= 20


def assert_near(found, exact):
    """Sums at the nodes of a net are right to 1e-5, but in the tails, far from all frames."""
    np.testing.assert_allclose(found, exact, rtol=1e-5, atol=1e-9 * exact.max())
    seen = exact > 0
    np.testing.assert_allclose(found[seen], exact[seen], rtol=0.1)


def test_the_error_is_that_of_a_ratio_of_means():
    blocks = sums()
    ratio = blocks.values.sum(axis=0) / blocks.weights.sum()
    residuals = (blocks.values - ratio * blocks.weights[:, None]) / blocks.weights.sum()
    by_hand = np.sqrt(8 / 7 * (residuals**2).sum(axis=0)) / ratio
    np.testing.assert_allclose(blocks.relative_error(), by_hand)


def test_equal_blocks_give_the_standard_error_of_their_mean():
    values = np.random.default_rng(0).uniform(1, 2, (6, 3))
    blocks = BlockSums(values, np.ones(6), np.ones(6), np.full(6, 4))
    expected = values.std(axis=0, ddof=1) / math.sqrt(6) / values.mean(axis=0)
    np.testing.assert_allclose(blocks.relative_error(), expected)
    np.testing.assert_allclose(blocks.bootstrap_error(20000), expected, rtol=0.03)


def test_a_point_without_frames_has_no_error():
    blocks = sums()
    blocks.values[:, 2] = 0
    assert np.isinf(blocks.relative_error()[2])
    assert np.isinf(blocks.bootstrap_error(10)[2])
    assert blocks.contributing()[2] == 0


def test_joined_blocks_have_the_same_sums():
    blocks = sums(7)
    for n in (1, 2, 3, 7, 100):
        joined = blocks.joined(n)
        assert len(joined) == -(-7 // n)
        np.testing.assert_allclose(joined.mean(), blocks.mean())
        assert joined.counts.sum() == blocks.counts.sum()


@pytest.mark.parametrize(
    ("level", "degrees", "expected"),
    [(0.95, 4, 2.7764), (0.95, 7, 2.3646), (0.95, 63, 1.9983), (0.6827, 15, 1.0345)],
)
def test_quantiles_of_student(level, degrees, expected):
    assert t_quantile(level, degrees) == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("rho", [0.0, 0.8, 0.95])
def test_the_correlation_time_of_a_process_that_has_one(rho):
    rng = np.random.default_rng(2)
    x = rng.normal(size=100000)
    for t in range(1, len(x)):
        x[t] = rho * x[t - 1] + math.sqrt(1 - rho**2) * x[t]
    exact = (1 + rho) / (1 - rho)
    assert integrated_time(x) == pytest.approx(exact, rel=0.15)
    series = RegionSeries(2)
    for part in np.array_split(x, 13):
        series.add(np.full(len(part), 900.0), (part > 1).astype(int))
    found = series.of_difference(0, 1)
    assert found.problem == ""
    assert 1 <= found.time <= 1.15 * exact
    split = series.of_splits()
    assert (split.time, split.least, split.problem) == pytest.approx(
        (found.time, found.least, found.problem)
    )


def test_a_run_shorter_than_a_hundred_correlation_times_has_not_converged():
    side = np.repeat([0, 1, 0, 1, 0, 1], 500)
    series = RegionSeries(2)
    series.add(np.zeros(len(side)), side)
    assert series.of_difference(0, 1).problem.startswith("not converged: the run is")


def test_errors_come_with_every_way_to_a_surface(tmp_path):
    given = samples(2000)
    surface = FreeEnergySurface.from_colvar(given, kbt=2.5, bandwidth=H, grid=GRID, error=True)
    plain = FreeEnergySurface.from_colvar(given, kbt=2.5, bandwidth=H, grid=GRID)
    assert plain.error is None
    np.testing.assert_allclose(surface.values, plain.values, atol=1e-7)
    blocks = surface.uncertainty.blocks
    assert 60 <= len(blocks) <= 64
    assert 0 < surface.error.min() < 0.5
    np.testing.assert_allclose(
        surface.interval(0.95), surface.error * surface.uncertainty.quantile(0.95)
    )
    np.testing.assert_allclose(list(surface.running())[-1], surface.values)
    first, second = surface.halves()
    expected = FreeEnergySurface.from_samples(
        given.values[:1000],
        log_weights=given.log_weights[:1000],
        grid=GRID,
        period=[0, 4],
        bandwidth=H,
        kbt=2.5,
    )
    assert blocks.counts[:32].sum() in range(990, 1025)
    near = plain.values < plain.minimum + 5
    assert np.abs(first - expected.values)[near].max() < 0.5
    assert not np.allclose(first, second)
    replicas = surface.replicas(400)
    assert replicas.shape == (400, *GRID.shape)
    np.testing.assert_allclose(replicas.std(axis=0)[near], surface.error[near], rtol=0.35)
    drawn = FreeEnergySurface.from_colvar(given, kbt=2.5, bandwidth=H, grid=GRID, bootstrap=400)
    np.testing.assert_allclose(drawn.error[near], surface.error[near], rtol=0.35)
    with pytest.raises(InputError, match="error=True"):
        plain.halves()
    for name in ("a.dat", "a.npz"):
        (surface.to_dat if name == "a.dat" else surface.to_npz)(tmp_path / name)
        read = FreeEnergySurface.read(tmp_path / name)
        np.testing.assert_allclose(read.error, surface.error, atol=1e-9)
        np.testing.assert_allclose(read.derivatives, surface.derivatives, atol=1e-8)


def test_the_error_scales_as_one_over_the_root_of_the_frames():
    few, many = (
        FreeEnergySurface.from_colvar(samples(n), kbt=1.0, bandwidth=H, grid=GRID, error=True)
        for n in (1500, 24000)
    )
    near = many.values < many.minimum + 3
    assert np.median(few.error[near] / many.error[near]) == pytest.approx(4, rel=0.2)


def test_walkers_have_blocks_of_their_own():
    given = samples(1000, ends=(390, 1000))
    surface = FreeEnergySurface.from_colvar(
        given, kbt=1.0, bandwidth=H, grid=GRID, error=True, blocks=10
    )
    counts = surface.uncertainty.blocks.counts
    assert 390 in np.cumsum(counts)
    assert counts.max() <= 150


def test_blocks_shorter_than_the_correlation_time_are_warned_of():
    given = samples(4000, memory=0.98)
    with pytest.warns(CyfesWarning, match="shorter than the correlation time"):
        surface = FreeEnergySurface.from_colvar(given, kbt=1.0, bandwidth=H, grid=GRID, blocks=1000)
    assert surface.uncertainty.problem


def test_blocks_that_do_not_fit_are_fewer_or_refused(monkeypatch):
    density = Density(GRID)
    size = GRID.size * 8 * 2  # too coarse for a net
    for free, expected in ((64, 64), (40, 64), (20, 32), (9, 16)):
        monkeypatch.setattr("cyfes.blockdensity.free_memory", lambda free=free: free * size)
        blocks = BlockDensity(density, H, None, 6400)
        blocks.add(*frames(6400))
        assert len(blocks.blocks()) == expected
        assert ("float32" in blocks.note) == (free < 64)
    monkeypatch.setattr("cyfes.blockdensity.free_memory", lambda: size)
    with pytest.raises(GridTooLargeError, match="coarser grid"):
        BlockDensity(density, H, None, 6400)


@pytest.mark.parametrize("error", [np.ones(3), np.full(GRID.shape, "a")])
def test_errors_of_a_file_that_do_not_fit_it_are_refused(tmp_path, error):
    gridfile.write_npz(tmp_path / "a.npz", GRID, np.zeros(GRID.shape), extra={"error": error})
    with pytest.raises(FileFormatError, match="error"):
        FreeEnergySurface.read(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("name", "value"), [("blocks", 1), ("blocks", 2.5), ("bootstrap", 1), ("bootstrap", -2)]
)
def test_numbers_that_give_no_error_are_refused(name, value):
    with pytest.raises(InputError, match="at least 2"):
        FreeEnergySurface.from_colvar(samples(50), kbt=1.0, bandwidth=H, grid=GRID, **{name: value})


def test_samples_have_errors_as_the_same_frames_of_a_file_do():
    given = samples(4000)
    options = {"kbt": 1.0, "bandwidth": H, "grid": GRID, "blocks": 20}
    of_file = FreeEnergySurface.from_colvar(given, **options)
    of_array = FreeEnergySurface.from_samples(
        given.values, log_weights=given.log_weights, period=GRID.period, **options
    )
    np.testing.assert_array_equal(of_array.error, of_file.error)


def test_the_error_of_a_difference_is_that_of_the_replicas():
    surface = FreeEnergySurface.from_colvar(
        samples(20000), kbt=2.0, bandwidth=H, grid=GRID, blocks=50
    )
    reference = (0.1, -0.2)
    at = GRID.index_of(reference)
    found = surface.error_of_difference(reference)
    assert found[at] == pytest.approx(0, abs=1e-12)
    replicas = surface.replicas(2000)
    replicas -= replicas[(slice(None), *at)][:, None, None]
    seen = surface.values - surface.minimum < 8
    seen[at] = False
    raised = surface.error[seen] / (2.0 * surface.uncertainty.blocks.relative_error()[seen])
    np.testing.assert_allclose(found[seen], raised * replicas.std(axis=0)[seen], rtol=0.12)


def test_a_surface_relative_to_a_point():
    surface = FreeEnergySurface.from_colvar(
        samples(400), kbt=2.0, bandwidth=H, grid=GRID, blocks=10
    )
    found = surface.relative_to((0.1, -0.2))
    at = GRID.index_of((0.1, -0.2))
    np.testing.assert_array_equal(found.values, surface.values - surface.values[at])
    np.testing.assert_array_equal(found.error, surface.error_of_difference((0.1, -0.2)))
    lowest = surface.relative_to()
    assert lowest.minimum == 0.0
    np.testing.assert_array_equal(lowest.values, surface.shifted().values)
    assert lowest.error[lowest.values == 0.0] == pytest.approx([0.0], abs=1e-12)
    with pytest.raises(InputError, match="made with error=True"):
        replace(surface, uncertainty=None).relative_to()
    with pytest.raises(InputError, match="not finite at the reference"):
        replace(surface, values=np.full(GRID.shape, np.inf)).relative_to()


@pytest.mark.parametrize(
    ("reference", "words"), [((0.0,), "has 2 numbers"), ((9.0, 0.0), "x=9, y=0 lies off")]
)
def test_a_reference_that_is_no_point_is_refused(reference, words):
    surface = FreeEnergySurface.from_colvar(
        samples(400), kbt=1.0, bandwidth=H, grid=GRID, blocks=10
    )
    with pytest.raises(InputError, match=words):
        surface.error_of_difference(reference)


@pytest.mark.parametrize("grid", [GRID, DEEP])
def test_values_that_are_not_finite_are_refused(grid):
    values = np.zeros((50, grid.n_dims))
    values[30] = np.nan
    with pytest.raises(InputError, match="finite"):
        FreeEnergySurface.from_samples(
            values, bandwidth=0.9, grid=grid, period=grid.period, error=True
        )


def test_a_single_frame_has_no_error():
    with pytest.raises(InputError, match="at least 2 frames, got 1"):
        FreeEnergySurface.from_colvar(samples(1), kbt=1.0, bandwidth=H, grid=GRID, error=True)


@pytest.mark.filterwarnings("ignore:the errors are lower bounds")
def test_intervals_and_replicas_that_are_none_are_refused():
    surface = FreeEnergySurface.from_colvar(
        samples(50), kbt=1.0, bandwidth=H, grid=GRID, error=True
    )
    with pytest.raises(InputError, match="0 <= level < 1"):
        surface.interval(95)
    with pytest.raises(InputError, match="at least 1 replica"):
        surface.replicas(0)
