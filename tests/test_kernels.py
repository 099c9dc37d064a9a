"""``spread`` and ``evaluate`` against the NumPy oracle, on every instruction set."""

import itertools
import threading
import time

import numpy as np
import pytest
from oracles import CUTOFF, grid_sum, kernel_sum, precisions

from cyfes import _kernels
from cyfes.errors import BackendError
from cyfes.grid import Grid

ISAS = [name for name, supported in _kernels.isas() if supported]
SHAPES = {1: (61,), 2: (19, 33), 3: (7, 10, 13), 4: (4, 3, 5, 6)}
NEGLECTED = np.exp(-(CUTOFF**2) / 2)


def make_grid(shape, periodic, lower=-1.0, upper=1.5):
    d = len(shape)
    bins = [n - (not wraps) for n, wraps in zip(shape, periodic)]
    return Grid.from_bins([f"s{i}" for i in range(d)], [lower] * d, [upper] * d, bins, periodic)


def make_bandwidths(rng, form, n, d, low, high):
    """Random bandwidths in each of the forms the kernels take."""
    sigma = rng.uniform(low, high, (1 if form == "shared" else n, d))
    if form != "covariance" or d == 1:
        return sigma
    factors = (np.tril(rng.normal(0, 0.4, (n, d, d)), -1) + np.eye(d)) * sigma[:, :, None]
    rows, columns = np.tril_indices(d)
    return np.linalg.inv(factors @ factors.transpose(0, 2, 1))[:, rows, columns]


def spread(grid, *kernels, dtype=np.float64, **options):
    """(values, gradient) of ``_kernels.spread``."""
    values, gradient = np.zeros(grid.shape, dtype), np.zeros((grid.n_dims, *grid.shape), dtype)
    _kernels.spread(grid, *kernels, values, gradient, **{"cutoff": CUTOFF, **options})
    return values, gradient


def evaluate(points, period, *kernels, dtype=np.float64, **options):
    """(values, gradient) of ``_kernels.evaluate``."""
    values, gradient = np.zeros(len(points), dtype), np.zeros((points.shape[1], len(points)), dtype)
    _kernels.evaluate(
        points, period, *kernels, values, gradient, **{"cutoff": CUTOFF, "images": "all", **options}
    )
    return values, gradient


def assert_close(got, want, kernels, kernel, period=0.0, n_images=1.0):
    """Errors within what each precision promises, against the peak and in the tails.

    A sum of many periodic images one after another rounds once for each.

    A Gaussian keeps its relative accuracy down to what the cutoff neglects; a stretched one is a
    difference that ends in zero. The nearest image is found as PLUMED does, which rounds to 2^-46
    of the ``period``.
    """
    (values, gradient), (exact, slopes) = got, want
    _, bandwidths, weights = kernels
    d, total = len(slopes), np.abs(weights).sum()
    diagonals = precisions(bandwidths, d)[:, range(d), range(d)]
    sharpness = np.sqrt(diagonals.max(initial=1.0))
    assert values.dtype == gradient.dtype
    single = values.dtype == np.float32
    peak = max(exact.max(initial=0.0), np.abs(weights).max(initial=0.0))
    error, slope_error = np.abs(values - exact), np.abs(gradient - slopes)
    most = (1e-5 if single else 1e-12) * peak + 2**-46 * np.max(period) * sharpness * total
    most += 2**-53 * n_images * peak
    assert error.max() <= most
    assert slope_error.max() <= 10 * sharpness * most
    if kernel != "gaussian":
        return
    # Below exp(-25) of the peak single precision comes near its least number.
    seen = exact > peak * np.exp(-25) if single else np.ones(exact.shape, bool)
    allowed = (2e-5 if single else 1e-10) * exact + 2 * NEGLECTED * total
    assert np.all((error <= allowed)[seen])
    assert np.all((slope_error <= 20 * sharpness * allowed)[:, seen])


CASES = [
    pytest.param(d, periodic, form, kernel, images, id=f"{d}d-{periodic}-{form}-{kernel}-{images}")
    for d, periodic, form, kernel, images in itertools.product(
        (1, 2, 3, 4),
        ("open", "periodic", "mixed"),
        ("shared", "each", "covariance"),
        ("gaussian", "stretched-gaussian"),
        ("all", "nearest"),
    )
    if (d > 1 or (form != "covariance" and periodic != "mixed"))
    and not (images == "nearest" and periodic == "open")
]


@pytest.mark.parametrize(("d", "periodic", "form", "kernel", "images"), CASES)
def test_spread_and_evaluate_are_the_sum(d, periodic, form, kernel, images, backend, monkeypatch):
    rng = np.random.default_rng(d)
    wraps = [periodic == "periodic" or (periodic == "mixed" and i % 2 == 0) for i in range(d)]
    grid, n = make_grid(SHAPES[d], wraps), 24 if d < 4 else 8
    bandwidths = make_bandwidths(rng, form, n, d, 0.15, 0.3)
    kernels = rng.uniform(-1.3, 1.8, (n, d)), bandwidths, rng.uniform(0.1, 1, n)
    options = {"kernel": kernel, "images": images}
    period = grid.period if images == "nearest" else 0.0
    want = grid_sum(grid, *kernels, **options)
    points = rng.uniform(-2, 3, (70 if d < 4 else 35, d))
    want_points = kernel_sum(points, grid.period, *kernels, **options)
    options["backend"] = backend
    isas = ISAS if backend is _kernels.CPU else ISAS[-1:]
    for isa, dtype in itertools.product(isas, (np.float64, np.float32)):
        monkeypatch.setenv("CYFES_ISA", isa)
        assert_close(spread(grid, *kernels, dtype=dtype, **options), want, kernels, kernel, period)
        found = evaluate(points, grid.period, *kernels, dtype=dtype, **options)
        assert_close(found, want_points, kernels, kernel, period)


def test_a_grid_of_five_bandwidths_a_step_and_a_kernel_wider_than_the_period(backend):
    rng = np.random.default_rng(5)
    for d, width in itertools.product((1, 2, 3), (0.2, 30.0)):
        grid = make_grid((11, 9, 8)[:d], [True] * d)
        bandwidths = np.full((1, d), width * grid.spacing.max())
        kernels = rng.uniform(-1, 1.5, (9, d)), bandwidths, np.ones(9)
        if d == 3 and width > 1:
            continue  # the oracle's copies would be too many
        found = spread(grid, *kernels, backend=backend)
        assert_close(found, grid_sum(grid, *kernels), kernels, "gaussian")


def test_many_samples_fill_every_kind_of_tile(backend):
    rng = np.random.default_rng(6)
    for periodic in itertools.product((True, False), repeat=2):
        grid = make_grid((41, 30), periodic)
        kernels = rng.normal(0.2, 0.8, (900, 2)), np.array([[0.1, 0.15]]), rng.exponential(size=900)
        found = spread(grid, *kernels, backend=backend)
        assert_close(found, grid_sum(grid, *kernels), kernels, "gaussian")


@pytest.mark.parametrize("form", ["shared", "each", "covariance"])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_the_cutoff_neglects_nothing_within(d, form):
    """A sum lies between that of the kernels within the cutoff and that of all."""
    rng = np.random.default_rng(10)
    grid = make_grid((25, 21, 12)[:d], [i == 0 for i in range(d)])
    kernels = (
        rng.uniform(-1.5, 2, (60, d)),
        make_bandwidths(rng, form, 60, d, 0.1, 0.2),
        np.ones(60),
    )
    everything, _ = grid_sum(grid, *kernels)
    for cutoff in (1.0, 2.5, 5.0):
        within, _ = grid_sum(grid, *kernels, cutoff=cutoff)
        values, _ = spread(grid, *kernels, cutoff=cutoff)
        assert np.all(values >= within * (1 - 1e-12))
        assert np.all(values <= everything * (1 + 1e-12))
        if form != "shared":  # which may add what lies near
            np.testing.assert_allclose(values, within, rtol=1e-12)


def test_outputs_accumulate(backend):
    rng = np.random.default_rng(7)
    grid = make_grid((8, 9), [True, False])
    for form in ("shared", "each"):
        kernels = rng.normal(size=(9, 2)), make_bandwidths(rng, form, 9, 2, 0.3, 0.4), np.ones(9)
        once = spread(grid, *kernels, backend=backend)
        values, gradient = np.ones(grid.shape), np.ones((2, 8, 9))
        _kernels.spread(grid, *kernels, values, gradient, cutoff=CUTOFF, backend=backend)
        np.testing.assert_allclose(values, 1 + once[0], rtol=1e-14)
        np.testing.assert_allclose(gradient, 1 + once[1], rtol=0, atol=1e-12)
        alone = np.ones(grid.shape)  # without derivatives: the same bits
        _kernels.spread(grid, *kernels, alone, cutoff=CUTOFF, backend=backend)
        np.testing.assert_array_equal(alone, values)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("form", ["shared", "each", "covariance"])
@pytest.mark.parametrize("d", [1, 2, 3, 4])
def test_the_bits_do_not_depend_on_the_threads(d, form, dtype):
    rng = np.random.default_rng(8)
    grid = make_grid(SHAPES[d], [i % 2 == 0 for i in range(d)])
    kernels = (
        rng.uniform(-1.5, 2, (300, d)),
        make_bandwidths(rng, form, 300, d, 0.1, 0.2),
        rng.uniform(size=300),
    )
    points = rng.uniform(-2, 3, (301, d))
    one = (
        *spread(grid, *kernels, dtype=dtype, n_threads=1),
        *evaluate(points, grid.period, *kernels, dtype=dtype, n_threads=1),
    )
    for n_threads in (2, 3, 8):
        many = (
            *spread(grid, *kernels, dtype=dtype, n_threads=n_threads),
            *evaluate(points, grid.period, *kernels, dtype=dtype, n_threads=n_threads),
        )
        for a, b in zip(one, many, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("form", ["each", "covariance"])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_the_bits_of_hills_do_not_depend_on_the_instruction_set(d, form, monkeypatch):
    rng = np.random.default_rng(11)
    grid = make_grid(SHAPES[d], [i % 2 == 0 for i in range(d)])
    kernels = rng.uniform(-1, 1.5, (200, d)), make_bandwidths(rng, form, 200, d, 0.1, 0.3)
    sums = []
    for isa in ISAS:
        monkeypatch.setenv("CYFES_ISA", isa)
        options = {"kernel": "stretched-gaussian", "images": "nearest"}
        sums.append(spread(grid, *kernels, np.ones(200), **options))
    for values, gradient in sums[1:]:
        np.testing.assert_array_equal(values, sums[0][0])
        np.testing.assert_array_equal(gradient, sums[0][1])


@pytest.mark.parametrize("form", ["each", "covariance"])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_the_bits_of_hills_do_not_depend_on_how_many_are_given_at_once(d, form):
    """More hills than are prepared at a time; a call goes on where the one before ended."""
    rng = np.random.default_rng(12)
    grid = make_grid(SHAPES[d], [i % 2 == 0 for i in range(d)])
    n = 2500 if form == "each" else 300
    kernels = rng.uniform(-1.5, 2, (n, d)), make_bandwidths(rng, form, n, d, 0.02, 2), np.ones(n)
    options = {"kernel": "stretched-gaussian", "images": "nearest"}
    for n_threads in (1, 3):
        want = spread(grid, *kernels, n_threads=n_threads, **options)
        values, gradient = np.zeros(grid.shape), np.zeros((d, *grid.shape))
        for begin, end in itertools.pairwise([0, 1, 8, n // 3, n]):
            some = (x[begin:end] for x in kernels)
            _kernels.spread(grid, *some, values, gradient, n_threads=2, **options)
        np.testing.assert_array_equal(values, want[0])
        np.testing.assert_array_equal(gradient, want[1])


@pytest.mark.parametrize("form", ["shared", "each"])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_sums_at_points_are_exact_and_do_not_depend_on_their_order(d, form):
    """Points are summed in groups, kernels out of a group's reach are left out: no bit may tell."""
    rng = np.random.default_rng(13)
    n, period = 1500, np.array([20.0, 0.0, 0.0])[:d]
    kernels = (
        rng.uniform(-10, 10, (n, d)),
        make_bandwidths(rng, form, n, d, 0.3, 0.4),
        rng.uniform(0.1, 1, n),
    )
    points = rng.uniform(-12, 12, (333, d))
    values, gradient = evaluate(points, period, *kernels)
    exact, slopes = kernel_sum(points, period, *kernels)
    assert np.abs(values - exact).max() <= 1e-13 * exact.max()
    assert np.abs(gradient - slopes).max() <= 1e-12 * np.abs(slopes).max()
    order = rng.permutation(len(points))
    found, found_gradient = evaluate(points[order], period, *kernels)
    np.testing.assert_array_equal(found, values[order])
    np.testing.assert_array_equal(found_gradient, gradient[:, order])
    alone = np.concatenate([evaluate(x[None], period, *kernels)[0] for x in points[:20]])
    np.testing.assert_array_equal(alone, values[:20])


def test_weights_without_a_logarithm_are_summed_at_points():
    """Weights of 0, below 0, and too small or large for a power of two of their own."""
    points, period = np.linspace(-2, 2, 50)[:, None], np.zeros(1)
    centers, bandwidths = np.array([[-1.0], [0.0], [1.0]]), np.array([[0.5]])
    for weights in ([0.0, 1.0, 0.0], [-1.0, 2.0, 0.5], [1e-300, 1.0, 1.0], [1e305, 1.0, 1.0]):
        values, _ = evaluate(points, period, centers, bandwidths, np.array(weights))
        exact, _ = kernel_sum(points, period, centers, bandwidths, np.array(weights))
        np.testing.assert_allclose(values, exact, rtol=1e-12, atol=1e-13 * np.abs(exact).max())


def test_other_python_threads_run_during_a_sum():
    """With the GIL held the others would stand still from begin to end of a sum."""
    grid = make_grid((400, 400), [True, True])
    rng = np.random.default_rng(9)
    kernels = rng.uniform(-1, 1.5, (40000, 2)), np.full((40000, 2), 0.2), np.ones(40000)
    took = []

    def work():
        start = time.perf_counter()
        _kernels.spread(grid, *kernels, np.zeros(grid.shape), n_threads=1)
        took.append(time.perf_counter() - start)

    thread = threading.Thread(target=work)
    ticks = [time.perf_counter()]
    thread.start()
    while thread.is_alive():
        ticks.append(time.perf_counter())
    thread.join()
    assert np.diff(ticks).max() < 0.8 * took[0]


def test_an_unknown_instruction_set_is_refused(monkeypatch):
    monkeypatch.setenv("CYFES_ISA", "nonsense")
    with pytest.raises(BackendError, match=f"CYFES_ISA=nonsense.*{ISAS[0]}"):
        spread(make_grid((3,), [False]), np.zeros((1, 1)), np.ones((1, 1)), np.ones(1))
    with pytest.raises(BackendError, match="nonsense"):
        _kernels.selected_isa()
    monkeypatch.setenv("CYFES_ISA", ISAS[0])
    assert _kernels.selected_isa() == ISAS[0]
