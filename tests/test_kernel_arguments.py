"""What the kernels refuse: every message names what was got and what was expected."""

import re

import numpy as np
import pytest

from cyfes import _kernels
from cyfes.errors import CyfesWarning, InputError
from cyfes.grid import Grid

GRID = Grid.from_bins(["a", "b"], [0, 0], [1, 1], [4, 5], [True, False])


def arguments(**changes):
    """Arguments of ``spread`` for three kernels, some replaced."""
    good = {
        "grid": GRID,
        "centers": np.full((3, 2), 0.5),
        "bandwidths": np.full((1, 2), 0.1),
        "weights": np.ones(3),
        "density": np.zeros(GRID.shape),
    }
    return {**good, **changes}


def read_only(shape):
    array = np.zeros(shape)
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"centers": np.zeros(3)}, r"centers must have 2 axes, got shape \(3,\)"),
        ({"centers": np.zeros((3, 1))}, "centers has 1 columns for 2 CVs"),
        ({"centers": [["x", "y"]] * 3}, "centers must be numbers"),
        ({"centers": np.full((3, 2), np.nan)}, "center of kernel 0 is not finite"),
        ({"centers": np.full((3, 2), 1e300)}, "center of kernel 0 is too many periods away"),
        ({"weights": np.ones(2)}, "weights has 2 entries for 3 kernels"),
        ({"weights": np.ones((3, 1))}, r"weights must have 1 axes, got shape \(3, 1\)"),
        ({"weights": [1, np.inf, 1]}, "weight of kernel 1 is not finite"),
        ({"bandwidths": np.ones((2, 2))}, "bandwidths has 2 rows for 3 kernels"),
        ({"bandwidths": np.ones((1, 4))}, "bandwidths have 4 columns for 2 CVs"),
        ({"bandwidths": [[0.1, -0.2]]}, "bandwidth of kernel 0 must be positive.*got -0.2"),
        ({"bandwidths": [[0.1, 0]]}, "bandwidth of kernel 0 must be positive.*got 0"),
        ({"bandwidths": [[np.nan, 1]]}, "must be positive and finite, got nan"),
        ({"bandwidths": [[0.1, 1e200]]}, "must be positive and finite, got 1e\\+200"),
        ({"bandwidths": [[1e3, 0.1]]}, "wider than the period of CV 0"),
        ({"bandwidths": [[1, 2, 1]]}, "covariance of kernel 0 is not positive definite"),
        ({"density": np.zeros((4, 5))}, r"density must be.*\(4, 6\), got float64\(4, 5\)"),
        ({"density": np.zeros((4, 6), int)}, "must be float64 or float32, got int64"),
        ({"density": np.zeros((4, 12))[:, ::2]}, "strided"),
        ({"density": np.zeros((6, 4)).T}, "strided"),
        ({"density": read_only((4, 6))}, "read-only"),
        ({"density": [0.0]}, "density must be an array, got list"),
        ({"derivatives": np.zeros((2, 4, 6), np.float32)}, "derivatives must be.*got float32"),
        ({"derivatives": np.zeros((4, 6))}, r"derivatives must be.*\(2, 4, 6\), got .*\(4, 6\)"),
        ({"windows": np.ones((3, 1), np.int32)}, r"windows must.*\(3, 2\), got \(3, 1\)"),
        ({"kernel": "epanechnikov"}, "unknown kernel 'epanechnikov'; expected one of gaussian, "),
        ({"images": "some"}, "unknown images 'some'; expected one of nearest, all"),
        ({"cutoff": 0.0}, "cutoff must be between 0 and 37 bandwidths, got 0"),
        ({"cutoff": np.nan}, "cutoff must be between 0 and 37"),
        ({"n_threads": -1}, "n_threads must be at least 0, got -1"),
    ],
)
def test_spread_refuses(changes, message):
    given = arguments(**changes)
    with pytest.raises(InputError, match=message):
        _kernels.spread(**given)
    assert not np.any(given["density"])  # nothing was added before the refusal


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"points": np.zeros((7, 1))}, "points has 1 columns, centers 2, period 2 entries"),
        ({"points": np.zeros(7)}, "points must have 2 axes"),
        ({"points": np.full((7, 2), np.inf)}, "point 0 is not finite"),
        ({"period": [1.0]}, "period 1 entries"),
        ({"period": [-1.0, 0.0]}, "period of CV 0 must be finite and at least 0"),
        ({"density": np.zeros(6)}, r"density must be.*\(7,\), got float64\(6,\)"),
        ({"bandwidths": [[0.1, -0.2]]}, "bandwidth of kernel 0 must be positive"),
    ],
)
def test_evaluate_refuses(changes, message):
    good = arguments(points=np.zeros((7, 2)), period=np.zeros(2), density=np.zeros(7))
    del good["grid"]
    with pytest.raises(InputError, match=message):
        _kernels.evaluate(**{**good, **changes})


@pytest.mark.parametrize("n_bandwidths", [0, 1])
def test_no_kernels_add_nothing(n_bandwidths):
    none = np.zeros((0, 2)), np.ones((n_bandwidths, 2)), np.zeros(0)
    density = np.ones(GRID.shape)
    _kernels.spread(GRID, *none, density)
    assert np.all(density == 1)
    values = np.ones(3)
    _kernels.evaluate(np.zeros((3, 2)), np.zeros(2), *none, values)
    assert np.all(values == 1)
    _kernels.evaluate(np.zeros((0, 2)), np.zeros(2), np.zeros((1, 2)), [[1, 1]], [1], np.zeros(0))


def test_inputs_of_any_layout_are_taken():
    rng = np.random.default_rng(0)
    centers, weights = np.asfortranarray(rng.normal(size=(5, 2))), rng.uniform(size=10)[::2]
    strided, plain = np.zeros(GRID.shape), np.zeros(GRID.shape)
    _kernels.spread(GRID, centers, [[1, 1]], weights, strided)
    _kernels.spread(GRID, centers.copy("C"), np.ones((1, 2)), weights.copy(), plain)
    np.testing.assert_array_equal(strided, plain)


def test_more_threads_than_a_machine_has_are_no_harm():
    one, many = np.zeros(GRID.shape), np.zeros(GRID.shape)
    _kernels.spread(**arguments(density=one, n_threads=1))
    with pytest.warns(CyfesWarning, match=f"threads are used instead of {10**12}"):
        _kernels.spread(**arguments(density=many, n_threads=10**12))
    np.testing.assert_array_equal(one, many)


def test_kernels_far_outside_and_very_wide_ones():
    grid = Grid.from_bins(["a", "b"], [0, 0], [1, 1], [4, 5], [False, False])
    density = np.zeros(grid.shape)
    _kernels.spread(grid, [[1e300, 0.5], [-1e300, 0.5]], [[0.1, 0.1]], [1, 1], density)
    assert not density.any()
    for n in (1, 2):
        density[:] = 0
        _kernels.spread(grid, np.full((n, 2), 0.5), [[1e150, 1e3]], np.ones(n), density)
        np.testing.assert_allclose(density, n, rtol=1e-6)


def test_instruction_sets_are_named_slowest_first():
    found = _kernels.isas()
    assert found
    assert found[0][1]
    assert all(re.fullmatch(r"[\w-]+", name) for name, _ in found)
    assert _kernels.max_threads() >= 1
