"""Weights from their logarithms: exp(x) 2^-exponent, and the sums of weights."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyfes import _kernels
from cyfes.errors import InputError

ISAS = [name for name, supported in _kernels.isas() if supported]
LN2 = np.log(np.longdouble(2))


@pytest.fixture(params=ISAS)
def isa(request, monkeypatch):
    monkeypatch.setenv("CYFES_ISA", request.param)


def weigh(x, exponent, **options):
    weights = np.empty(len(x))
    return weights, _kernels.weigh(x, exponent, weights, **options)


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("size", [1.0, 700.0, 1e5])
def test_weights_are_exponentials(size):
    x = np.random.default_rng(0).uniform(-size, size, 4099)
    exponent = math.ceil(x.max() / math.log(2))
    weights, sums = weigh(x, exponent)
    exact = np.exp(x.astype(np.longdouble) - exponent * LN2)
    assert weights.max() <= 1
    # The logarithm is known to half an ulp.
    np.testing.assert_allclose(
        weights, exact.astype(float), rtol=5e-16 + size * 2.3e-16, atol=5e-324
    )
    np.testing.assert_allclose(sums, [weights.sum(), (weights**2).sum()], rtol=1e-14)
    np.testing.assert_allclose(_kernels.sum_weights(weights), sums, rtol=1e-15)


@pytest.mark.usefixtures("isa")
def test_weights_of_zero_subnormal_and_at_the_end_of_doubles():
    x = np.array([0.0, -math.inf, -720.0, -744.0, -746.0, -1e9, -1e300, math.log(2)])
    weights, (total, _) = weigh(x, 0)
    expected = [1, 0, math.exp(-720), math.exp(-744), 0, 0, 0, 2]
    np.testing.assert_allclose(weights, expected, rtol=1e-14, atol=5e-324)
    assert total == pytest.approx(3, rel=1e-15)
    assert weigh(np.array([1e300, -math.inf]), 1e300 / math.log(2))[0][1] == 0


@given(st.lists(st.floats(-600, 0), max_size=40), st.integers(0, 500))
def test_another_exponent_gives_the_same_digits(logarithms, exponent):
    x = np.array(logarithms)
    one, one_sums = weigh(x, 0)
    other, other_sums = weigh(x, exponent)
    normal = other > 1e-300
    np.testing.assert_array_equal(np.ldexp(other, exponent)[normal], one[normal])
    if normal.all():
        assert math.ldexp(other_sums[0], exponent) == one_sums[0]


@pytest.mark.usefixtures("isa")
def test_sums_do_not_depend_on_threads():
    x = np.random.default_rng(1).normal(0, 30, 300_001)
    one, sums = weigh(x, 300, n_threads=1)
    for n_threads in (2, 3, 8):
        many, other = weigh(x, 300, n_threads=n_threads)
        np.testing.assert_array_equal(many, one)
        assert other == sums
        assert _kernels.sum_weights(one, n_threads) == _kernels.sum_weights(one, 1)


def test_bad_shapes_of_weights():
    assert weigh(np.empty(0), 0)[1] == (0, 0)
    assert _kernels.sum_weights(np.empty(0)) == (0, 0)
    with pytest.raises(InputError, match="weights must be"):
        _kernels.weigh(np.zeros(3), 0, np.zeros(4))
    with pytest.raises(InputError, match="1 axes"):
        _kernels.sum_weights(np.zeros((3, 1)))
