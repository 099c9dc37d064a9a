"""Minima, basins and saddles: laws, and a brute force that looks at all ways on small grids."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from landscapes import (
    grid_of,
    highest_of_best_ways,
    neighbours,
    small_functions,
    stationary,
    wolfe_quapp,
)

from cyfes import FreeEnergySurface, _kernels
from cyfes.errors import InputError


def surviving_minima(values, best, persistence):
    """Points that no way to a lower point leaves, unless it climbs by the persistence."""
    flat = values.ravel()
    order = sorted(np.flatnonzero(np.isfinite(flat)), key=lambda p: (flat[p], p))
    found = []
    for rank, p in enumerate(order):
        depth = min((best[p, q] for q in order[:rank]), default=math.inf) - flat[p]
        if depth > 0 and depth >= persistence:
            found.append((int(p), depth))
    return found


@settings(deadline=None)
@given(small_functions())
def test_basins_against_all_ways(problem):
    grid, values, persistence = problem
    labels, minima, passes = _kernels.basins(grid, values, persistence)
    best, flat = highest_of_best_ways(grid, values), values.ravel()
    wanted = surviving_minima(values, best, persistence)
    assert minima.tolist() == [p for p, _ in wanted]
    assert np.array_equal(labels < 0, ~np.isfinite(values))
    assert all(labels.ravel()[p] == k for k, p in enumerate(minima))
    surface = FreeEnergySurface(grid, values, 1.0)
    if len(minima):
        found = surface.basins(persistence)
        assert [m.depth for m in found.minima] == [depth for _, depth in wanted]
        saddles = {s.between: s.value for s in found.saddles}
        for (i, a), (j, b) in itertools.combinations(enumerate(minima), 2):
            assert saddles.get((i, j), math.inf) == best[a, b]
    for point, a, b in passes:
        # Two basins meet where the ways to both of their minima are no higher than the point.
        assert a != b
        assert max(best[point, minima[a]], best[point, minima[b]]) == flat[point]


@settings(deadline=None)
@given(small_functions())
def test_every_point_flows_down_into_its_basin(problem):
    grid, values, _ = problem
    labels, minima, _ = _kernels.basins(grid, values, 0.0)
    plain, flat = labels.ravel(), values.ravel()
    if len(np.unique(flat)) < flat.size:
        return  # among equals there are several ways down
    for p in np.flatnonzero(np.isfinite(flat)):
        end = p
        while (below := min(neighbours(grid, end), key=lambda q: _height(flat[q]))) != end:
            end = below
        assert minima[plain[p]] == end


def _height(value):
    return value if math.isfinite(value) else math.inf


def test_the_minima_and_saddles_of_wolfe_and_quapp(quapp):
    found = quapp.basins(0.1)
    wells = [stationary(p) for p in [(-1.17, 1.48), (1.12, -1.49), (-0.82, -1.37)]]
    tops = {(0, 2): stationary((-1.02, -0.12)), (1, 2): stationary((-0.2, -1.4))}
    tops[0, 1] = tops[0, 2]  # the way to 1 leads through 2
    assert len(found) == 3
    for minimum, true in zip(found.minima, wells):
        np.testing.assert_allclose(minimum.position, true, atol=1e-3)
        assert minimum.value == pytest.approx(wolfe_quapp(*true), abs=1e-3)
    assert {s.between for s in found.saddles} == set(tops)
    for saddle in found.saddles:
        true = tops[saddle.between]
        np.testing.assert_allclose(saddle.position, true, atol=1e-3)
        for barrier, number in zip(saddle.barriers, saddle.between):
            height = wolfe_quapp(*true) - wolfe_quapp(*wells[number])
            assert barrier == pytest.approx(height, abs=2e-3)
    assert found.saddle(0, 1).touching in [(0, 2), (2, 0)]
    assert len(quapp.basins(0.5)) == 2  # 2 lies 0.16 kT below the pass to 1


def test_barriers_across_the_end_of_a_period_are_the_same(quapp):
    # A function with period 2 pi along both CVs, and the same function moved by half of them.
    grid = grid_of((64, 48), (True, True), -math.pi, math.pi)
    a, b = np.meshgrid(*grid.axes, indexing="ij")
    values = -3 * np.cos(a) * np.cos(b) - np.cos(a - b) + 0.5 * np.sin(a)
    moved = np.roll(values, (32, 24), axis=(0, 1))
    here, there = (FreeEnergySurface(grid, v, 1.0).basins() for v in (values, moved))
    assert len(here) == len(there) == 2
    assert here.saddles[0].barriers == there.saddles[0].barriers
    np.testing.assert_array_equal(np.roll(here.labels, (32, 24), axis=(0, 1)), there.labels)
    for mine, other in zip(here.minima, there.minima):
        turned = np.subtract(other.position, mine.position) % (2 * math.pi)
        np.testing.assert_allclose(turned, math.pi, atol=1e-9)
        assert mine.probability == pytest.approx(other.probability)


@pytest.mark.parametrize("d", [1, 2, 3, 4])
def test_separable_wells_of_any_number_of_cvs(d):
    turns, heights = [2, 1, 2, 1][:d], [1.5, 1.0, 4.0, 2.0][:d]
    grid = grid_of([8] * d, [True] * d, 0.0, 2 * math.pi)
    places = np.meshgrid(*grid.axes, indexing="ij")
    values = sum(h / 2 * np.cos(n * x) for h, n, x in zip(heights, turns, places))
    found = FreeEnergySurface(grid, values, 1.0).basins()
    assert len(found) == math.prod(turns)
    # Points as near to two minima go to one of them.
    assert [m.probability for m in found.minima] == pytest.approx(
        [1 / len(found)] * len(found), rel=0.05
    )
    for saddle in found.saddles:
        ends = [found.minima[number].index for number in saddle.between]
        differ = [h for h, i, j in zip(heights, *ends) if i != j]
        assert saddle.barriers == pytest.approx((max(differ), max(differ)))


def test_noise_makes_no_basins():
    grid = grid_of((400,), (True,), -math.pi, math.pi)
    smooth = 4 * np.cos(2 * grid.axes[0]) + 0.5 * np.sin(grid.axes[0])
    noisy = smooth + np.random.default_rng(5).uniform(-0.12, 0.12, 400)
    rough, clean = FreeEnergySurface(grid, noisy, 1.0), FreeEnergySurface(grid, smooth, 1.0)
    assert len(rough.minima()) > 50
    found, wanted = rough.basins(), clean.basins()
    assert len(found) == len(wanted) == len(rough.minima(0.5)) == 2
    assert np.mean(found.labels != wanted.labels) < 0.02
    assert found.minima[0].depth == math.inf
    assert found.minima[1].depth == pytest.approx(wanted.minima[1].depth, abs=0.25)


def test_walls_part_basins_and_nothing_known_has_none():
    values = np.array([0.0, 1, np.inf, 2, 1, np.nan, np.inf])
    found = FreeEnergySurface(grid_of((7,), (False,)), values, 1.0).basins()
    assert found.labels.tolist() == [0, 0, -1, 1, 1, -1, -1]
    assert found.saddles == ()
    assert found.saddle(0, 1) is None
    assert [m.depth for m in found.minima] == [math.inf, math.inf]
    empty = FreeEnergySurface(grid_of((7,), (False,)), np.full(7, np.inf), 1.0).basins()
    assert len(empty) == 0
    assert (empty.labels == -1).all()


def test_the_minima_of_a_real_run(shared_data):
    path = shared_data / "2d-per-wt-acealanme" / "HILLS.gz"
    kbt = 2.494339
    for bins in (60, 128):
        fes = FreeEnergySurface.from_hills(path, bins=[bins, bins], kbt=kbt)
        assert len(fes.minima()) == len(fes.basins(0.05)) == 6
        # The pass of one of them is 0.06 kT high.
        found = fes.basins(0.5)
        assert len(found) == 5
        assert fes.basins(0.05).minima[3].depth == pytest.approx(0.06 * kbt, abs=0.01 * kbt)
        assert sum(m.probability for m in found.minima) == pytest.approx(1)


def test_errors_are_those_of_replicas(frames, write):
    fes = FreeEnergySurface.from_colvar(
        write(frames), kbt=1.0, no_bias=True, units="kt", cv=["x"], error=True, bandwidth=[0.15]
    )
    found = fes.basins()
    assert len(found) == 2
    upper, top = found.minima[1], found.saddle(0, 1)
    replicas = fes.replicas(2000)
    rows = [replicas[:, place.index[0]] for place in (found.minima[0], upper, top)]
    growth = fes.uncertainty.relative_error() / fes.uncertainty.blocks.relative_error()
    stretch = float(np.median(growth[np.isfinite(growth)]))
    for error, sample in [
        (upper.error, rows[1] - rows[0]),
        (upper.depth_error, rows[2] - rows[1]),
        (top.errors[0], rows[2] - rows[0]),
    ]:
        assert error == pytest.approx(stretch * np.std(sample), rel=0.1)
    weights = np.exp(-replicas)
    shares = weights[:, found.mask(1)].sum(axis=1) / weights.sum(axis=1)
    assert upper.probability_error == pytest.approx(stretch * np.std(shares), rel=0.1)
    assert found.minima[0].error == 0.0
    # Two probabilities add up to one: they err alike.
    assert found.minima[0].probability_error == pytest.approx(upper.probability_error)


def test_what_basins_refuse(quapp):
    unknown = FreeEnergySurface(quapp.grid, quapp.values)
    with pytest.raises(InputError, match="basins need kbt > 0, got None"):
        unknown.basins()
    with pytest.raises(InputError, match="persistence must be at least 0, got -1"):
        quapp.basins(-1)
    with pytest.raises(InputError, match="no basin 2: there are 0 to 1"):
        quapp.basins().saddle(0, 2)
    with pytest.raises(InputError, match="between two minima, got 1 twice"):
        quapp.basins().saddle(1, 1)
    with pytest.raises(InputError, match=r"shape \(3,\)"):
        _kernels.basins(grid_of((4,), (True,)), np.zeros(3), 0.0)


def test_a_table_names_minima_saddles_and_the_unit(quapp):
    lines = quapp.basins(0.1).table().splitlines()
    assert lines[0] == "3 minima at least 0.1 kT deep, energies in kT"
    assert lines[1].split() == ["basin", "x", "y", "free", "depth", "probability"]
    assert lines[5] == "saddles of all pairs, barriers from a to b and back"
    assert len(lines) == 10


def test_pictures_of_basins(quapp, tmp_path):
    pytest.importorskip("matplotlib")
    from cyfes.landmarks import save_basins

    ax = quapp.basins(0.1).plot()
    assert {text.get_text() for text in ax.texts} == {"0", "1", "2"}
    line = quapp.marginal(["x"]).basins()
    save_basins(line, tmp_path / "x.png")
    assert (tmp_path / "x.png").stat().st_size > 1000
    three = FreeEnergySurface(grid_of((3, 3, 3), (True,) * 3), np.zeros((3, 3, 3)), 1.0)
    with pytest.raises(InputError, match="1 or 2 CVs, got a, b, c"):
        three.basins().plot()


def test_very_many_minima_are_told_in_part():
    grid = grid_of((200, 200), (True, True))
    noise = np.random.default_rng(1).random(grid.shape)
    found = FreeEnergySurface(grid, noise, 1.0).basins(0)
    assert len(found) > 3000
    lines = found.table().splitlines()
    assert lines[32] == f"... and {len(found) - 30} more"
    assert len(lines) == 35 + 8 * 7 // 2
    assert found.saddle(3, 1000).barriers[0] > 0
    with pytest.raises(InputError, match=r"too many pairs .* ask for a higher persistence"):
        _ = found.saddles
