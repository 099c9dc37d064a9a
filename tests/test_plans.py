"""One plan per sum: what is told is executed, and its bounds hold for all that was added."""

import copy
import math
import pickle
import threading

import numpy as np
import pytest
from oracles import grid_sum
from test_moments import Problem

from cyfes import Density, Grid, _kernels
from cyfes import density as density_module
from cyfes.errors import InputError

BANDWIDTH = 0.08


def line_grid(d, n=24):
    return Grid.from_bins([f"s{i}" for i in range(d)], [0] * d, [1] * d, [n] * d, [False] * d)


@pytest.fixture
def short_chunks(monkeypatch):
    """Chunks of moments are of 5,000 kernels."""
    monkeypatch.setattr(density_module, "MOMENT_CHUNK", 5000)


@pytest.fixture
def executed(monkeypatch):
    """Records the plan and the number of kernels of every call of the kernels."""
    plans, spread = [], _kernels.spread

    def recorded(*arguments, plan=None, **options):
        plans.append((plan.raw, len(arguments[1])))
        spread(*arguments, plan=plan, **options)

    monkeypatch.setattr(_kernels, "spread", recorded)
    return plans


@pytest.mark.usefixtures("short_chunks")
@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("calls", [1, 3])
def test_the_plan_that_is_told_is_executed_by_every_chunk(executed, d, calls):
    rng = np.random.default_rng(d)
    centers, h = rng.random((18_000, d)), np.full((1, d), BANDWIDTH)
    density = Density(line_grid(d), method="moments", tol=1e-5, tail=0.0)
    for part in np.array_split(centers, calls):
        density.add(part, h)
    assert density.plan["method"] == "moments"
    assert len(executed) >= 4
    assert {raw for raw, _ in executed} == {density.plan.raw}
    assert sum(n for _, n in executed) == len(centers)
    told = dict(density.explanation())
    assert told["order"].startswith(f"{density.plan['order']}, cells of ")
    bound = density.plan["error"] + len(executed) * 2.0**-53
    assert told["error bound"] == f"{bound:.1e} of the density's peak"


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("tail", [0.0, 20.0])
def test_bounds_hold_for_the_sum_of_all_chunks(executed, seed, tail):
    d = seed % 3 + 1
    problem = Problem(seed, d, n=400, spread=5.0)
    options = {"method": "moments", "tol": 1e-5, "tail": tail}
    # Samples in order: every chunk has its own peak.
    order = np.argsort(problem.centers[:, 0])
    centers, weights = problem.centers[order], problem.weights[order]
    density = Density(problem.grid, **options)
    for rows in np.array_split(np.arange(400), 8):
        density.add(centers[rows], problem.h[None], weights=weights[rows])
    assert len({raw for raw, _ in executed}) == 1
    exact, _ = grid_sum(problem.grid, centers, problem.h[None], weights)
    peak, plan = problem.peak(exact), density.plan
    error = np.abs(np.ldexp(density.values, density.exponent) - exact)
    assert plan["error"] <= 1e-5
    assert error.max() <= (plan["error"] + 8 * 2.0**-53) * peak + 1e-13 * exact.max()
    if tail:
        seen = exact > peak * math.exp(-tail)
        assert np.all(error[seen] <= (plan["tail_error"] + 1e-11) * exact[seen] + 1e-24 * peak)


def test_small_and_large_calls_share_the_plan_of_moments(executed):
    rng = np.random.default_rng(0)
    h = np.full((1, 2), BANDWIDTH)
    density = Density(line_grid(2))
    for n in (50, 200_000, 30_000, 7, 400_000):
        density.add(rng.random((n, 2)), h)
    methods = [plan["method"] for plan, _, _ in density._plans._used.values()]
    assert methods == ["tiles", "moments"]
    told = dict(density.explanation())
    assert told["method"].startswith("moments")
    assert told["kernels"] == "57 by tiles, 630000 by moments"
    assert len({raw for raw, n in executed if n > 50}) == 1


def test_a_plan_for_something_else_is_refused():
    rng = np.random.default_rng(1)
    centers, weights, h = rng.random((9000, 2)), np.ones(9000), np.full((1, 2), BANDWIDTH)
    grid = line_grid(2)
    plan = _kernels.plan(grid, 9000, h)
    assert plan["method"] == "moments"

    def spread(g=grid, b=h, c=centers, **options):
        values = np.zeros(g.shape)
        _kernels.spread(g, c, b, weights, values, **{"plan": plan, **options})
        return values

    np.testing.assert_array_equal(spread(), spread(plan=None))
    other_period = Grid.from_bins(["s0", "s1"], [0, 0], [1, 1], [24, 24], [True, False])
    forged = copy.deepcopy(plan)
    forged.raw = plan.raw[:4] + bytes([plan["order"] + 1]) + plan.raw[5:]
    for wrong in (
        {"g": line_grid(2, 25)},
        {"g": other_period},
        {"g": line_grid(3), "c": np.ones((9000, 3)), "b": np.ones((1, 3))},
        {"b": h * 1.01},
        {"b": np.broadcast_to(h, (9000, 2))},
        {"b": np.array([[200.0, 1.0, 200.0]])},
        {"cutoff": 9.0},
        {"kernel": "stretched-gaussian"},
        {"images": "nearest"},
        {"tol": 1e-4},
        {"tail": 20.0},
        {"method": "stamps"},
        {"plan": forged},
    ):
        with pytest.raises(InputError, match="the plan was made for another grid or bandwidth"):
            spread(**wrong)
    for no_plan in ({}, _kernels.Plan(plan)):
        with pytest.raises(InputError, match="must be a Plan"):
            spread(plan=no_plan)
    values, many = np.zeros(grid.shape), np.broadcast_to(h, (9000, 2)).copy()
    stamps = _kernels.plan(grid, 9000, many)
    _kernels.spread(grid, centers[:1], many[:1], weights[:1], values, plan=stamps)
    assert values.any()


def test_negative_weights_are_summed_exactly():
    rng = np.random.default_rng(2)
    centers, weights = rng.random((20_000, 2)), rng.normal(size=20_000)
    h = np.full((1, 2), BANDWIDTH)
    density = Density(line_grid(2)).add(centers, h, weights=weights)
    exact = Density(line_grid(2), method="tiles").add(centers, h, weights=weights)
    assert density.explain().startswith("method: tiles (negative weights)")
    np.testing.assert_array_equal(density.values, exact.values)


def test_threads_may_share_a_density():
    rng = np.random.default_rng(3)
    h = np.full((1, 2), BANDWIDTH)
    parts = [rng.random((3000, 2)) for _ in range(8)]
    shared, alone = Density(line_grid(2), n_threads=1), Density(line_grid(2))
    threads = [threading.Thread(target=shared.add, args=(part, h)) for part in parts * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for part in parts:
        alone.add(part, h, weights=np.full(3000, 4.0))
    assert shared.n_kernels == 4 * alone.n_kernels
    assert shared.log_sum_weights == pytest.approx(alone.log_sum_weights, rel=1e-14)
    np.testing.assert_allclose(shared.values, alone.values, rtol=1e-12)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda d: pickle.loads(pickle.dumps(d))])
def test_a_copied_density_goes_on(copied):
    rng = np.random.default_rng(4)
    first, second = rng.random((2, 9000, 2))
    h = np.full((1, 2), BANDWIDTH)
    density = Density(line_grid(2), derivatives=True).add(first, h)
    other = copied(density)
    assert other.explain() == density.explain()
    assert other.choice == density.choice
    density.add(second, h)
    assert not np.array_equal(other.values, density.values)
    other.add(second, h)
    np.testing.assert_array_equal(other.values, density.values)
    np.testing.assert_array_equal(other.derivatives, density.derivatives)


@pytest.mark.usefixtures("short_chunks")
def test_a_sum_that_was_interrupted_is_never_taken_for_whole():
    centers, h = np.random.default_rng(5).random((20_000, 2)), np.full((1, 2), BANDWIDTH)

    def interrupt(done, _):
        if done > 5000:
            raise KeyboardInterrupt

    density = Density(line_grid(2), method="moments")
    with pytest.raises(KeyboardInterrupt):
        density.add(centers, h, progress=interrupt)
    whole = Density(line_grid(2)).add(centers, h)
    for use in (
        lambda: density.add(centers, h),
        lambda: density.merge(whole),
        lambda: whole.merge(density),
        lambda: density.log_sum_weights,
        lambda: density.effective_sample_size,
        lambda: density.measured_error(centers, h),
    ):
        with pytest.raises(InputError, match="start a new one"):
            use()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("sign", [1, -1])
def test_weights_whose_sum_would_overflow_are_refused(dtype, sign):
    centers, h = np.zeros((4, 1)), np.ones((1, 1))
    weights = np.full(4, sign * 0.1 * float(np.finfo(dtype).max))
    with pytest.raises(InputError, match=r"of weights .* up to .* may overflow"):
        Density(line_grid(1), dtype=dtype).add(centers, h, weights=weights)
    largest = Density(line_grid(1), dtype=dtype).add(centers, h, weights=np.full(4, 1e29))
    assert np.all(np.isfinite(largest.values))
    assert largest.effective_sample_size == pytest.approx(4)


def test_masked_entries_are_refused():
    density, h = Density(line_grid(1)), np.ones((1, 1))
    centers = np.ma.array(np.zeros((3, 1)), mask=[[0], [1], [0]])
    with pytest.raises(InputError, match="centers has masked entries"):
        density.add(centers, h)
    for name in ("weights", "log_weights"):
        with pytest.raises(InputError, match="weights has masked entries"):
            density.add(np.zeros((3, 1)), h, **{name: np.ma.array([1.0, 2, 3], mask=[0, 0, 1])})
    assert density.add(np.ma.array(np.zeros((3, 1))), h).n_kernels == 3  # nothing is masked
