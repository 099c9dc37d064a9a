"""Grids and kernels that nobody plans for, on every backend, against the NumPy oracle."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import grid_points, grid_sum
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


@settings(max_examples=120, deadline=None)
@given(odd_cases(), st.sampled_from([("gaussian", "all"), ("gaussian", "nearest"),
                                     ("stretched-gaussian", "nearest")]))  # fmt: skip
def test_odd_grids_and_kernels(backend, case, choice):
    grid, kernels = case
    options = dict(zip(("kernel", "images"), choice))
    period = grid.period if choice[1] == "nearest" else 0.0
    want = grid_sum(grid, *kernels, **options)
    options["backend"] = backend
    assert_close(spread(grid, *kernels, **options), want, kernels, choice[0], period)
    values, slopes = evaluate(grid_points(grid), grid.period, *kernels, **options)
    found = values.reshape(grid.shape), slopes.reshape(want[1].shape)
    assert_close(found, want, kernels, choice[0], period)
