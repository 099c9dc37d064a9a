"""Grids and kernels that nobody plans for, on every backend, against the NumPy oracle."""

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from oracles import CUTOFF, grid_points, grid_sum, precisions
from test_kernels import assert_close, evaluate, make_bandwidths, make_grid, spread


@st.composite
def odd_cases(draw):
    """Tiny and coarse grids, kernels wider than the period, outside the grid, without weight."""
    d = draw(st.integers(1, 4))
    shape = [draw(st.integers(1, 3 if d > 2 else 12)) for _ in range(d)]
    wraps = [draw(st.booleans()) for _ in range(d)]
    grid = make_grid([max(n, 2 - w) for n, w in zip(shape, wraps)], wraps)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n = draw(st.sampled_from([0, 1, 2, 40]))
    form = draw(st.sampled_from(["shared", "each", "covariance"]))
    width = draw(st.sampled_from([0.2, 0.6, 2.0, 3.0] if d < 4 else [0.2, 0.6]))
    low = width * float(grid.spacing.min())
    far = draw(st.sampled_from([1.0, 4.0]))
    centers = 0.25 + rng.uniform(-far, far, (n, d))
    weights = rng.uniform(0.1, 1, n) * rng.choice([0.0, 1.0], n)
    return grid, (centers, make_bandwidths(rng, form, n, d, low, 1.3 * low), weights)


def images_of(grid, kernels):
    """Most images of one kernel that reach a point."""
    precision = precisions(kernels[1], grid.n_dims)
    widest = np.sqrt(np.diagonal(np.linalg.inv(precision), axis1=1, axis2=2).max(0, initial=0.0))
    wraps = grid.period > 0
    return float(np.prod(2 * CUTOFF * widest[wraps] / grid.period[wraps] + 1))


def hundreds_of_thousands_of_images():
    rng = np.random.default_rng(1)
    kernels = (rng.uniform(-0.8, 1.3, (40, 3)), np.array([[9.4, 8.1, 7.8]]), rng.uniform(0, 1, 40))
    return make_grid([1, 1, 1], [True] * 3), kernels


@settings(max_examples=120, deadline=None)
@example(hundreds_of_thousands_of_images(), ("gaussian", "all"))
@given(odd_cases(), st.sampled_from([("gaussian", "all"), ("gaussian", "nearest"),
                                     ("stretched-gaussian", "nearest")]))  # fmt: skip
def test_odd_grids_and_kernels(backend, case, choice):
    grid, kernels = case
    options = dict(zip(("kernel", "images"), choice))
    period = grid.period if choice[1] == "nearest" else 0.0
    want = grid_sum(grid, *kernels, **options)
    options["backend"] = backend
    n_images = images_of(grid, kernels) if choice[1] == "all" else 1.0
    assert_close(spread(grid, *kernels, **options), want, kernels, choice[0], period, n_images)
    values, slopes = evaluate(grid_points(grid), grid.period, *kernels, **options)
    found = values.reshape(grid.shape), slopes.reshape(want[1].shape)
    assert_close(found, want, kernels, choice[0], period, n_images)
