"""Blocks of frames at the nodes of a net, and from there on a grid, against plain sums."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyfes import _kernels
from cyfes.density import Density
from cyfes.errors import InputError
from cyfes.grid import Grid
from cyfes.net import MOST_NODES, WIDTH, Net

NODES = _kernels.NODES
ISAS = [name for name, supported in _kernels.isas() if supported]


def cells(periodic):
    shape = (7, 9)[: len(periodic)]
    lower = (-1.0, 2.0)[: len(periodic)]
    bins = [n - (not wraps) for n, wraps in zip(shape, periodic)]
    upper = [low + 0.5 * n for low, n in zip(lower, bins)]
    return Grid.from_bins(["x", "y"][: len(periodic)], lower, upper, bins, periodic)


def nodes_by_hand(net, values, weights):
    found = np.zeros([n + NODES - 1 for n in net.shape])
    for x, w in zip(values, weights):
        position = (x - net.lower) / net.spacing
        position = np.where(net.periodic, position % np.array(net.shape), position)
        at = np.floor(position).astype(int)
        if np.any((at < 0) | (at >= net.shape)):
            continue
        factors = [
            np.exp(-(((np.arange(NODES) - (NODES // 2 - 1) - (p - i)) / WIDTH) ** 2) / 2)
            for p, i in zip(position, at)
        ]
        part = factors[0] if len(at) == 1 else np.outer(*factors)
        found[tuple(slice(i, i + NODES) for i in at)] += w * part
    return found


def frames(d, n=150, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal([0.5, 4.0][:d], 1.5, (n, d)), rng.uniform(0, 2, n)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("periodic", [(False,), (True,), (False, True), (True, False)])
def test_nodes_hold_what_a_plain_loop_does(monkeypatch, isa, periodic):
    monkeypatch.setenv("CYFES_ISA", isa)
    net = cells(periodic)
    values, weights = frames(net.n_dims)
    found = np.zeros((2, *(n + NODES - 1 for n in net.shape)))
    _kernels.add_nodes(net, WIDTH, [70, 150], values, weights, found)
    for block, rows in zip(found, (slice(0, 70), slice(70, 150))):
        want = nodes_by_hand(net, values[rows], weights[rows])
        np.testing.assert_allclose(block, want, rtol=1e-12, atol=1e-300)


def test_frames_outside_and_values_that_are_not_finite_count_nothing():
    net = cells((False, True))
    values = np.array([[-1.01, 3.0], [2.6, 3.0], [np.nan, 3.0], [0.0, np.inf], [0.0, 1e300]])
    found = np.zeros((1, *(n + NODES - 1 for n in net.shape)))
    _kernels.add_nodes(net, WIDTH, [4], values, np.ones(5), found)
    assert not found.any()


@pytest.mark.parametrize(
    ("ends", "n_values", "shape", "words"),
    [
        ([3], 2, (1, 18, 20), "after the last"),
        ([2, 1], 2, (2, 18, 20), "must not fall"),
        ([2], 2, (1, 18, 21), "C-contiguous"),
        ([-1], 2, (1, 18, 20), "must not fall"),
    ],
)
def test_shapes_that_disagree_are_refused(ends, n_values, shape, words):
    with pytest.raises(InputError, match=words):
        _kernels.add_nodes(
            cells((False, True)), WIDTH, ends, np.zeros((n_values, 2)), np.ones(2), np.zeros(shape)
        )


def test_bits_do_not_depend_on_threads():
    net = cells((True, True))
    values, weights = frames(2, 1000)
    ends = np.linspace(0, 1000, 12).astype(int)[1:]
    found = [np.zeros((len(ends), *(n + NODES - 1 for n in net.shape))) for _ in range(2)]
    for n_threads, nodes in zip((1, 3), found):
        _kernels.add_nodes(net, WIDTH, ends, values, weights, nodes, n_threads)
    assert np.array_equal(*found)


@given(
    st.floats(0.02, 3.0), st.integers(2, 60), st.booleans(), st.integers(0, 100), st.floats(-900, 9)
)
def test_a_net_makes_the_density_of_each_block(h, points, wraps, seed, log_unit):
    grid = Grid.from_bins(["x"], [-1.0], [2.0], [points], [wraps])
    bandwidth = np.array([h])
    net = Net.of(grid, bandwidth, 11.0)
    if net is None:
        assert 3 * h * grid.size < 2 * 70 * MOST_NODES or h > 16 * 3
        return
    rng = np.random.default_rng(seed)
    values, log_w = rng.normal(0.5, 0.5, (40, 1)), log_unit + rng.normal(0, 1, 40)
    for k, (nodes, exponent, sums) in enumerate(net.blocks(values, log_w, np.array([15, 40]))):
        rows = (slice(0, 15), slice(15, 40))[k]
        # Exactly: all images, no end.
        distance = grid.axes[0][:, None] - values[rows, 0]
        turns = range(-20, 21) if wraps else [0]
        weights = np.exp(log_w[rows] - exponent * math.log(2))
        exact = sum(np.exp(-(((distance + 3 * t) / h) ** 2) / 2) for t in turns) @ weights
        found = net.on_grid(nodes[None])[0]
        np.testing.assert_allclose(found, exact, rtol=1e-4, atol=1e-11 * exact.max())
        np.testing.assert_allclose(sums, (weights.sum(), (weights**2).sum()))


def test_a_net_reaches_as_far_as_the_density():
    grid = Grid.from_bins(["x", "y"], [0, 0], [2, 1], [40, 20], [False, True])
    h = np.array([0.1, 0.2])
    values, log_w = np.array([[-1.0, 5.5], [3.0, 0.3]]), np.zeros(2)
    exact = Density(grid, cutoff=30.0, method="stamps").add(values, h[None]).values
    net = Net.of(grid, h, 11.0)
    ((nodes, exponent, _),) = net.blocks(values, log_w, np.array([2]))
    found = np.ldexp(net.on_grid(nodes[None])[0], exponent)
    within = [0, 1, 2, -3, -2, -1]  # rows of points up to eleven bandwidths from a frame
    np.testing.assert_allclose(found[within], exact[within], rtol=0.1)


def test_matrices_that_would_be_large_are_not_made():
    grid = Grid.from_bins(["x"], [0], [1], [100_000], [False])
    assert Net.of(grid, np.array([1e-4]), 11.0) is None
    assert Net.of(grid, np.array([0.2]), 11.0) is not None
