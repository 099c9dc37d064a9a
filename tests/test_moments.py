"""Cell moments: their error bounds, their zeros, and the plan that chooses them."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from oracles import grid_sum, kernel_sum

from cyfes import Density, FreeEnergySurface, Grid, _kernels, cli
from cyfes import density as density_module
from cyfes.density import cutoff_for
from cyfes.errors import BackendError, InputError
from cyfes.plans import describe_plan

ISAS = [name for name, supported in _kernels.isas() if supported]
SIZES = {1: (12, 90), 2: (8, 26), 3: (5, 12)}
MOST_ERROR_OF_THE_ORACLE = 1e-13


class Problem:
    """Weighted samples in clumps, inside and outside of a grid, some CVs periodic."""

    def __init__(self, seed, d, n=None, spread=20.0):
        rng = np.random.default_rng(seed)
        self.rng, self.d = rng, d
        n = int(rng.integers(1, 150)) if n is None else n
        shape = rng.integers(*SIZES[d], d)
        wraps = rng.integers(0, 2, d) > 0
        lower = rng.uniform(-30, 30, d)
        spacing = rng.uniform(0.05, 2.0, d)
        self.grid = Grid.from_bins(
            [f"s{i}" for i in range(d)], lower, lower + spacing * shape, shape, wraps
        )
        # From grids coarser than a bandwidth to bandwidths of half a grid.
        self.h = np.exp(rng.uniform(np.log(0.6), np.log(0.4 * shape))) * self.grid.spacing
        length = spacing * shape
        middles = lower + rng.uniform(-0.2, 1.2, (3, d)) * length
        self.centers = middles[rng.integers(0, 3, n)] + rng.normal(0, 0.1, (n, d)) * length
        self.log_weights = rng.uniform(-spread, spread, n)
        self.weights = np.exp(self.log_weights - self.log_weights.max())

    def plan(self, **options):
        return _kernels.plan(self.grid, len(self.weights), self.h[None], **options)

    def sum(self, dtype=np.float64, derivatives=True, **options):
        grid = self.grid
        values = np.zeros(grid.shape, dtype)
        slopes = np.zeros((self.d, *grid.shape), dtype) if derivatives else None
        options = {"method": "moments", **options}
        _kernels.spread(grid, self.centers, self.h[None], self.weights, values, slopes, **options)
        return values, slopes

    def peak(self, values):
        """The density's peak, wherever it lies."""
        there, _ = kernel_sum(
            self.centers, self.grid.period, self.centers, self.h[None], self.weights
        )
        return max(values.max(), there.max())


def assert_within_the_plan(problem, plan, found, tail):
    """No point errs by more than the plan predicts; the oracle cuts at 11 bandwidths."""
    exact, slopes = grid_sum(problem.grid, problem.centers, problem.h[None], problem.weights)
    peak, total = problem.peak(exact), problem.weights.sum()
    error = np.abs(found[0] - exact)
    assert error.max() <= plan["error"] * peak + MOST_ERROR_OF_THE_ORACLE * exact.max()
    slope_error = np.abs(found[1] - slopes) * problem.h.reshape(-1, *[1] * problem.d)
    assert slope_error.max() <= 20 * plan["error"] * peak + 1e-12 * peak
    seen = exact > peak * math.exp(-tail)
    relative = error[seen] / exact[seen]
    if tail:
        allowed = plan["tail_error"] + 1e-11 + total * math.exp(-60.5) / exact[seen]
        assert np.all(relative <= allowed)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 3),
    st.sampled_from([0.0, 5.0, 20.0, 30.0, 40.0]),
    st.sampled_from([1e-4, 1e-8, 1e-11, 1e-12]),
    st.sampled_from([0.0, 20.0, 1000.0]),
    st.sampled_from(ISAS),
)
@example(162, 3, 0.0, 1e-4, 0.0, ISAS[0])  # a period that is no whole number of cells
def test_predicted_errors_are_not_exceeded(seed, d, tail, tol, spread, isa):
    problem = Problem(seed, d, spread=spread)
    options = {"tail": tail, "tol": tol, "cutoff": cutoff_for(tail)}
    try:
        plan = problem.plan(method="moments", **options)
    except BackendError:  # a grid too coarse for the accuracy
        return
    assert plan["error"] <= tol
    assert plan["tail_error"] <= 1e-8
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CYFES_ISA", isa)
        found = problem.sum(**options)
    assert_within_the_plan(problem, plan, found, tail)
    assert np.all(found[0] >= 0)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.sampled_from([0.0, 30.0]))
def test_zero_exactly_where_no_sample_is_within_reach(seed, d, tail):
    problem = Problem(seed, d, n=3, spread=300.0)
    try:
        plan = problem.plan(method="moments", tail=tail)
    except BackendError:
        return
    values, _ = problem.sum(tail=tail)
    # Distances along each CV, in bandwidths, to the nearest copy.
    near = np.zeros(problem.grid.shape, bool)
    beyond = np.ones(problem.grid.shape, bool)
    for center, weight in zip(problem.centers, problem.weights):
        inside, outside = np.ones((2, *problem.grid.shape), bool)
        squares = 0.0
        for i, axis in enumerate(problem.grid.axes):
            x, period = axis - center[i], problem.grid.period[i]
            if period:
                x = x - period * np.rint(x / period)
            at = [-1 if j == i else 1 for j in range(d)]
            steps = np.abs(x).reshape(at) / problem.h[i]
            squares = squares + steps**2
            inside &= steps <= plan["reach"] - 1e-9
            outside &= steps <= plan["reach"] + plan["cell_width"][i] + 1e-9
        near |= inside & (np.log(max(weight, 1e-300)) - squares / 2 > -690)
        beyond &= ~outside
    assert np.all(values[near] > 0)
    assert np.all(values[beyond] == 0)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_one_heavy_and_many_light_samples(d):
    """The light ones' neighbourhood is not drowned in the heavy one's error."""
    grid = Grid.from_bins([f"s{i}" for i in range(d)], [0] * d, [30] * d, [60] * d, [False] * d)
    rng = np.random.default_rng(3)
    centers = np.concatenate([np.full((1, d), 7.3), rng.uniform(10, 29, (200, d))])
    weights = np.concatenate([[1.0], np.full(200, 1e-12)])
    values = np.zeros(grid.shape)
    bandwidth = np.full((1, d), 1.0)
    _kernels.spread(grid, centers, bandwidth, weights, values, cutoff=11.0, method="moments")
    exact, _ = grid_sum(grid, centers, bandwidth, weights)
    seen = exact > exact.max() * math.exp(-30)
    assert np.count_nonzero(seen) > 40
    np.testing.assert_allclose(values[seen], exact[seen], rtol=1e-8)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_the_bits_do_not_depend_on_threads_or_derivatives(d):
    problem = Problem(5, d, n=9000)
    for dtype in (np.float64, np.float32):
        one = problem.sum(dtype, n_threads=1)
        alone, _ = problem.sum(dtype, derivatives=False, n_threads=1)
        np.testing.assert_array_equal(alone, one[0])
        for n_threads in (2, 3, 8):
            many = problem.sum(dtype, n_threads=n_threads)
            np.testing.assert_array_equal(many[0], one[0])
            np.testing.assert_array_equal(many[1], one[1])


@pytest.mark.parametrize("bins", [60, 400])
def test_many_samples_are_summed_in_parts_whatever_the_threads(bins):
    """On the coarse grid a table of all cells serves, in four parts; on the fine one, batches."""
    grid = Grid.from_bins(["a", "b"], [-3] * 2, [3] * 2, [bins] * 2, [True] * 2)
    rng = np.random.default_rng(8)
    centers, weights = rng.normal(0, 1.2, (1_100_000, 2)), rng.uniform(0, 1, 1_100_000)

    def total(method, n_threads=0):
        values = np.zeros(grid.shape)
        _kernels.spread(
            grid, centers, np.full((1, 2), 8 / bins), weights, values, images="all", method=method,
            n_threads=n_threads,
        )  # fmt: skip
        return values

    one, exact = total("moments", 1), total("tiles")
    np.testing.assert_allclose(one, exact, rtol=0, atol=1e-11 * exact.max())
    for n_threads in (2, 3):
        np.testing.assert_array_equal(total("moments", n_threads), one)
    weights[1_000_000] = np.nan
    with pytest.raises(InputError, match="1000000"):
        total("moments")


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("d", [1, 2, 3])
def test_moments_are_the_exact_methods_within_tolerance(d, isa, monkeypatch):
    """Enough samples to fill cells with several blocks, in both precisions."""
    monkeypatch.setenv("CYFES_ISA", isa)
    for seed in range(3):
        problem = Problem(seed, d, n=20000, spread=2.0)
        exact, slopes = problem.sum(method="tiles" if d > 1 else "stamps", cutoff=11.0)
        values, gradient = problem.sum(cutoff=11.0)
        seen = exact > exact.max() * math.exp(-25)
        np.testing.assert_allclose(values[seen], exact[seen], rtol=1e-8)
        np.testing.assert_allclose(values, exact, rtol=0, atol=1e-11 * exact.max())
        most = 1e-9 * np.abs(slopes).max()
        np.testing.assert_allclose(gradient, slopes, rtol=0, atol=most)
        single, _ = problem.sum(np.float32, cutoff=11.0)
        np.testing.assert_allclose(single[seen], exact[seen], rtol=1e-6)


def test_the_plan_says_what_it_does_and_why():
    grid = Grid.from_bins(["a", "b"], [0, 0], [10, 10], [100, 100], [True, False])
    h = np.array([[0.3, 0.3]])

    def plan(n=10**6, g=grid, bandwidths=h, **options):
        return _kernels.plan(g, n, bandwidths, **options)

    assert plan()["method"] == "moments"
    assert plan()["cost"]["moments"] < plan()["cost"]["tiles"] < plan()["cost"]["stamps"]
    assert plan(tail=0.0)["order"] < plan(tail=40.0, cutoff=12.0)["order"]
    assert plan(tail=0.0)["reach"] < plan(tail=30.0, cutoff=12.0)["reach"] < 12
    for reason, found in (
        ("fewer than 4096 samples", plan(1000)),
        ("no order of moments holds the tolerance", plan(tol=1e-17)),
        ("tail above", plan(tail=500.0)),
        ("more than 4 bandwidths along CV 1", plan(bandwidths=np.array([[0.3, 0.01]]))),
        ("more than 16 grids along CV 1", plan(bandwidths=np.array([[0.3, 1000.0]]))),
        ("not Gaussians of one bandwidth", plan(kernel="stretched-gaussian")),
        ("not Gaussians of one bandwidth", plan(2, bandwidths=np.ones((2, 2)))),
    ):
        assert reason in found["reason"]
        assert found["method"] in ("tiles", "stamps")
        assert dict(describe_plan(found, 30.0))["method"].startswith(found["method"])
    for method in ("stamps", "tiles", "moments"):
        assert plan(method=method)["method"] == method
        assert plan(method=method)["reason"] == "asked for"
    for method, changes in (
        ("moments", {"kernel": "stretched-gaussian"}),
        ("tiles", {"images": "nearest"}),
        ("moments", {"tol": 1e-17}),
    ):
        with pytest.raises(BackendError):
            plan(method=method, **changes)
    for wrong in ({"tol": -1.0}, {"tail": math.nan}, {"method": "guess"}):
        with pytest.raises(InputError):
            plan(**wrong)


def test_samples_that_are_no_numbers_are_named():
    grid = Grid.from_bins(["a", "b"], [0, 0], [10, 10], [100, 100], [True, False])
    for row, column, bad, message in (
        (4321, 0, math.nan, "center of kernel 4321 is not finite"),
        (17, 1, math.inf, "center of kernel 17 is not finite"),
        (5, 0, 1e200, "center of kernel 5 is too many periods away"),
        (4999, 2, math.inf, "weight of kernel 4999 is not finite"),
    ):
        samples = np.random.default_rng(0).uniform(0, 10, (5000, 3))
        samples[row, column] = bad
        with pytest.raises(InputError, match=message):
            _kernels.spread(
                grid, samples[:, :2], np.array([[0.3, 0.3]]), samples[:, 2], np.zeros(grid.shape),
                method="moments",
            )  # fmt: skip
    line = Grid.from_bins(["a"], [0], [10], [100], [False])
    for center, weight in ((math.nan, 1.0), (1.0, math.nan)):
        with pytest.raises(InputError, match="of kernel 70 is not finite"):
            _kernels.spread(
                line, np.where(np.arange(99) == 70, center, 1.0)[:, None], np.array([[0.3]]),
                np.where(np.arange(99) == 70, weight, 1.0), np.zeros(100 + 1), method="moments",
            )  # fmt: skip


def test_chunks_of_moments_add_up(monkeypatch):
    problem = Problem(11, 2, n=30000, spread=2.0)
    options = {"method": "moments", "derivatives": True}
    arguments = problem.centers, problem.h[None]
    whole = Density(problem.grid, **options).add(*arguments, log_weights=problem.log_weights)
    seen = []
    monkeypatch.setattr(density_module, "MOMENT_CHUNK", 7000)
    parts = Density(problem.grid, **options).add(
        *arguments, log_weights=problem.log_weights, progress=lambda *p: seen.append(p)
    )
    assert seen == [(6000 * k, 30000) for k in range(1, 6)]
    most = 1e-11 * whole.values.max()
    np.testing.assert_allclose(parts.values, whole.values, rtol=0, atol=most)
    np.testing.assert_allclose(
        parts.derivatives, whole.derivatives, rtol=0, atol=50 * most / problem.h.min()
    )


def test_a_surface_explains_itself():
    samples = np.random.default_rng(0).normal(size=(200000, 2))
    options = {"bandwidth": 0.1, "shape": (120, 120), "lower": -4.0, "upper": 4.0}
    fes = FreeEnergySurface.from_samples(samples, explain=True, **options)
    text = dict(fes.explanation)
    assert text["method"].startswith("moments (least cost)")
    assert "where F < 30 kBT" in text["error bound"]
    assert "(at 48 points)" in text["error measured"]
    assert fes.explain().splitlines()[0] == f"method: {text['method']}"
    # The measure notices a wrong sum.
    density = Density(fes.grid).add(samples, np.array([[0.1, 0.1]]))
    n, error, tail = density.measured_error(samples, np.array([[0.1, 0.1]]))
    assert (n, error < 1e-11, tail < 1e-8) == (48, True, True)
    density.values *= 1 + 1e-6
    _, error, tail = density.measured_error(samples, np.array([[0.1, 0.1]]))
    assert error == pytest.approx(1e-6, rel=0.01)
    assert tail == pytest.approx(1e-6, rel=0.01)
    exact = FreeEnergySurface.from_samples(samples, method="tiles", **options)
    assert dict(exact.explanation)["method"] == "tiles (asked for)"
    seen = exact.values < exact.minimum + 25
    np.testing.assert_allclose(fes.values[seen], exact.values[seen], rtol=0, atol=1e-8)


def test_the_command_line_asks_for_accuracy_and_reports_it(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = np.random.default_rng(0).normal(size=(60000, 2))
    lines = (f"{i} {x:.6f} {y:.6f}" for i, (x, y) in enumerate(rows))
    (tmp_path / "COLVAR").write_text("#! FIELDS time x y\n" + "\n".join(lines) + "\n")
    command = ["reweight", "COLVAR", "--no-bias", "--kt", "1", "--sigma", "0.2,0.2"]
    command += ["--cv", "x,y", "--bin", "80,80", "--backend", "cpu"]
    assert cli.main([*command, "--explain", "--tail", "40"]) == 0
    text = capsys.readouterr().out
    for word in ("method", "estimated cost", "reach", "error bound", "error measured"):
        assert word in text
    assert cli.main(command) == 0
    assert "error measured" not in capsys.readouterr().out
    for option, value in itertools.product(("--tol", "--tail"), ("-1", "much")):
        assert cli.main([*command, option, value]) == 2
        assert option in capsys.readouterr().err


def test_negative_weights_keep_their_sign_with_three_variables():
    problem = Problem(5, 3, n=9000, spread=1.0)
    problem.weights[::3] *= -2
    exact, _ = problem.sum(method="tiles", cutoff=11.0)
    values, _ = problem.sum(cutoff=11.0)
    assert exact.min() < 0 < exact.max()
    np.testing.assert_allclose(values, exact, rtol=0, atol=1e-10 * np.abs(exact).max())
