"""Automatic bandwidths: what must not change them, and what has none."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cyfes.bandwidth import automatic_bandwidth, silverman
from cyfes.errors import CyfesWarning, InputError
from cyfes.marginal import marginals
from cyfes.weights import WeightSums

NAMES = st.sampled_from(["normal", "two wells", "skewed", "periodic"])
SEEDS = st.integers(0, 2**32 - 1)
ANY = settings(max_examples=15, deadline=None)
TURN = 2 * math.pi


def wrapped(x):
    return np.angle(np.exp(1j * x))


#: Drawn from (rng, n), with a period or 0.
KINDS = {
    "normal": (lambda rng, n: rng.normal(size=n), 0),
    "two wells": (
        lambda rng, n: np.where(
            rng.random(n) < 0.6, rng.normal(0.5, 0.06, n), rng.normal(1.2, 0.1, n)
        ),
        0,
    ),
    "skewed": (lambda rng, n: rng.gamma(3, 1, n), 0),
    "periodic": (
        lambda rng, n: wrapped(np.where(rng.random(n) < 0.5, 2.8, -0.5) + rng.normal(0, 0.5, n)),
        TURN,
    ),
}


def bandwidth(x, log_weights=None, period=0.0):
    log_weights = np.zeros(len(x)) if log_weights is None else log_weights
    return float(automatic_bandwidth(x[:, None], log_weights, np.array([period]), ["d"])[0][0])


def sample(kind, seed, weighted):
    rng = np.random.default_rng(seed)
    n = int(rng.choice([1000, 4000, 20000]))
    return kind[0](rng, n), rng.normal(0, 0.7 * weighted, n)


@ANY
@given(name=NAMES, seed=SEEDS, weighted=st.booleans(), digits=st.integers(1, 6))
def test_rounding_changes_nothing(name, seed, weighted, digits):
    kind = KINDS[name]
    x, log_weights = sample(kind, seed, weighted)
    exact = bandwidth(x, log_weights, kind[1])
    step = 10.0**-digits
    if step < exact:
        rounded = bandwidth(np.round(x, digits), log_weights, kind[1])
        assert rounded == pytest.approx(exact, rel=0.1 if step < exact / 2 else 0.3)
        assert rounded >= step * (1 - 1e-9)


@ANY
@given(
    name=NAMES, seed=SEEDS, weighted=st.booleans(), copies=st.integers(2, 9), in_a_row=st.booleans()
)
def test_repeated_frames_count_once(name, seed, weighted, copies, in_a_row):
    kind = KINDS[name]
    x, log_weights = sample(kind, seed, weighted)
    repeat = np.repeat if in_a_row else np.tile
    found = bandwidth(repeat(x, copies), repeat(log_weights, copies), kind[1])
    assert found == pytest.approx(bandwidth(x, log_weights, kind[1]), rel=0.12)


@ANY
@given(
    name=NAMES,
    seed=SEEDS,
    weighted=st.booleans(),
    far=st.floats(20, 100),
    sign=st.sampled_from([-1, 1]),
)
def test_an_outlier_changes_nothing(name, seed, weighted, far, sign):
    if KINDS[name][1]:
        return
    x, log_weights = sample(KINDS[name], seed, weighted)
    with_one = np.append(x, x.mean() + sign * far * x.std())
    found = bandwidth(with_one, np.append(log_weights, 0.0))
    assert found == pytest.approx(bandwidth(x, log_weights), rel=0.1)


def test_far_outliers_are_named():
    x, _ = sample(KINDS["two wells"], 0, False)
    with pytest.warns(CyfesWarning, match=r"CV d spans -1e\+08 to 10000, but nearly all frames"):
        found = bandwidth(np.append(x, [10000, 700, -1e8]))
    assert found == pytest.approx(bandwidth(x), rel=0.02)


@pytest.mark.parametrize("n", [300, 3000, 100_000])
@pytest.mark.parametrize("mean", [1, 5, 60])
def test_whole_numbers_end_in_no_comb(n, mean):
    x = np.random.default_rng(n).poisson(mean, n).astype(float)
    states = len(np.unique(x))
    try:
        assert bandwidth(x) >= 1
    except InputError as error:
        assert states <= 20
        expected = f"CV d takes {states} distinct values only, 1 apart; give --sigma"
        assert str(error).endswith(expected)  # noqa: PT017
    else:
        assert mean > 5


def test_states_are_no_distribution():
    rng = np.random.default_rng(0)
    for states in ([0, 1], [0.0, 0.1, 0.35, 1.0], range(6)):
        with pytest.raises(InputError, match=rf"CV d takes {len(states)} distinct values only"):
            bandwidth(rng.choice(states, 5000).astype(float))
    x = rng.normal(size=3000)
    x[::3] = 0.25
    with pytest.raises(InputError, match=r"33 % of the frames have CV d at 0\.25 exactly"):
        bandwidth(x)


@pytest.mark.parametrize("digits", [2, 3])
def test_significant_digits(digits):
    x, _ = sample(KINDS["two wells"], 1, False)
    rounded = np.array([float(f"{value:.{digits}g}") for value in x])
    found = bandwidth(rounded)
    assert found >= 10.0 ** (1 - digits) or found == pytest.approx(bandwidth(x), rel=0.1)


def test_a_constant_cv_and_a_lonely_frame_have_none():
    with pytest.raises(InputError, match="CV d does not vary; give --sigma"):
        bandwidth(np.ones(50))
    x, log_weights = np.random.default_rng(0).normal(size=50), np.zeros(50)
    log_weights[0] = 60
    with pytest.raises(InputError, match=r"1\.0 effective samples: one frame carries nearly all"):
        bandwidth(x, log_weights)


@pytest.mark.parametrize("values", [[-1e308, 1e308], [0, 1e-320], [1e15, 1e15 + 1, 1e15 + 2]])
def test_extreme_values_have_a_width_or_none(values):
    x = np.resize(np.array(values, float), 300)
    with pytest.raises(InputError, match="no automatic bandwidth"):
        bandwidth(x)
    # A period far below the step of the values is no trouble, either.
    assert 0 < bandwidth(np.round(np.random.default_rng(0).normal(size=300), 1), None, 1e-9) < 1


def test_the_rule_tells_what_it_saw():
    x, _ = sample(KINDS["normal"], 2, False)

    def rule(values):
        n = len(values)
        return automatic_bandwidth(values[:, None], np.zeros(n), np.zeros(1), ["d"])[1]

    assert rule(x) == "improved Sheather-Jones"
    assert rule(np.round(x, 1)).endswith("; values of d are rounded to 0.1")
    assert rule(np.repeat(x, 5)).endswith("; frames repeat in d, about 5 times each")


@ANY
@given(SEEDS, st.integers(1, 4))
def test_silverman_is_its_formula(seed, d):
    rng = np.random.default_rng(seed)
    values, log_weights = rng.normal(2, 3, (100, d)), rng.normal(0, 1, 100) + 2000
    weights = np.exp(log_weights - 2000)
    mean = np.average(values, axis=0, weights=weights)
    spread = np.sqrt(np.average((values - mean) ** 2, axis=0, weights=weights))
    sums = WeightSums.of(log_weights)
    found = marginals(values, log_weights, np.zeros(d), sums)
    np.testing.assert_allclose([m.spread for m in found], spread, rtol=1e-3)
    n = weights.sum() ** 2 / (weights**2).sum()
    assert sums.effective_sample_size == pytest.approx(n, rel=1e-12)
    assert silverman(2.0, n, d) == pytest.approx(2 * (4 / ((d + 2) * n)) ** (1 / (d + 4)))


@ANY
@given(SEEDS, st.floats(-10, 10))
def test_periodic_spreads_do_not_see_the_border(seed, move):
    rng = np.random.default_rng(seed)
    values, log_weights = rng.normal(0, 0.4, (300, 1)), rng.normal(0, 1, 300)
    sums, period = WeightSums.of(log_weights), np.array([TURN])

    def spread(x, period=period):
        return marginals(x, log_weights, period, sums)[0].spread

    moved = values + move + period * rng.integers(-3, 4, values.shape)
    assert spread(moved) == pytest.approx(spread(values), rel=1e-3)
    # Far from the border a narrow basin is as wide as without a period.
    assert spread(0.1 * values) == pytest.approx(spread(0.1 * values, np.zeros(1)), rel=1e-2)
    # What covers the whole period is no wider than the uniform distribution.
    assert spread(rng.uniform(-9, 9, (300, 1))) <= 1.0001 * TURN / math.sqrt(12)


@pytest.mark.parametrize("n", [3, 4, 5, 7, 9])
def test_few_frames_vary(n):
    values = np.random.default_rng(n).normal(size=(n, 1))
    assert automatic_bandwidth(values, np.zeros(n), np.zeros(1)).widths[0] > 0


@pytest.mark.parametrize("share", [0.01, 0.08])
def test_a_value_with_a_share_of_its_own_changes_nothing(share):
    x, _ = sample(KINDS["two wells"], 1, False)
    rng = np.random.default_rng(3)
    lone = np.where(rng.random(len(x)) < share, x.min(), x)
    found = automatic_bandwidth(lone[:, None], np.zeros(len(x)), np.zeros(1), ["n"])
    assert found.widths[0] == pytest.approx(bandwidth(x), rel=0.1)
    assert f"of n at {x.min():g} exactly are left out" in found.rule
    assert "repeat" not in found.rule
