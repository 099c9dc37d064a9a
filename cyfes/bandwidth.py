"""How wide a kernel should be: automatic bandwidths for weighted, possibly periodic samples."""

import math
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cyfes.errors import CyfesWarning, InputError
from cyfes.marginal import MOST_STATES, SPIKE, Marginal, marginals
from cyfes.weights import WeightSums

#: The functionals that the rule estimates one after another: derivatives 7, 6, ..., 2.
HIGHEST_DERIVATIVE = 7

#: Fewer effective samples have no width.
FEWEST_SAMPLES = 2.0

#: A step of this share of the width is worth a word.
COARSE_STEP = 0.1

#: Values that span so many times what nearly all of them span have gone astray.
WIDE_RANGE = 1000.0


class Bandwidth(NamedTuple):
    """``widths`` float64[d] (CV units) and, in words, the ``rule`` they follow."""

    widths: np.ndarray
    rule: str


def automatic_bandwidth(
    values: np.ndarray,
    log_weights: np.ndarray,
    periods: np.ndarray,
    names: Sequence[str] | None = None,
    sums: WeightSums | None = None,
) -> Bandwidth:
    """Return the bandwidth for samples float64[n, d], and the rule it follows.

    The improved Sheather-Jones rule for each CV, widened from one CV to d by
    n^(1/5 - 1/(d + 4)); Silverman's where it finds no solution. n is the effective sample size, in
    which samples that repeat count once. No width is less than the step of the values, and values
    far astray, or at a single value that has a share of its own, are left out. ``log_weights`` are
    ln w, ``periods`` 0 where a CV is not periodic;
    ``names`` of the CVs are for messages, ``sums`` those of the weights, if they are at hand.
    Raises InputError if a CV does not vary or takes a few values only, or if one sample has nearly
    all the weight. Warns of values far astray.
    """
    d = values.shape[1]
    names = names if names is not None else [f"number {i + 1}" for i in range(d)]
    sums = sums if sums is not None else WeightSums.of(log_weights)
    n = sums.effective_sample_size
    if n < FEWEST_SAMPLES:
        raise InputError(
            f"no automatic bandwidth for {n:.1f} effective samples: one frame carries nearly all "
            "the weight; give --sigma"
        )
    widths, rules, remarks = [], set(), []
    for name, marginal in zip(names, marginals(values, log_weights, periods, sums)):
        _check(name, marginal)
        copies = marginal.copies(n)
        width, rule = _width(marginal, max(n / copies, FEWEST_SAMPLES), d)
        if marginal.steps.n_distinct <= MOST_STATES and width < 2 * marginal.steps.step:
            raise InputError(
                f"no automatic bandwidth: CV {name} takes {marginal.steps.n_distinct} distinct "
                f"values only, {marginal.steps.step:.6g} apart; give --sigma"
            )
        widths.append(max(width, marginal.steps.step))
        rules.add(rule)
        if copies > 1:
            remarks.append(f"frames repeat in {name}, about {max(copies, 2):.0f} times each")
        if marginal.steps.spike:
            value, share = marginal.steps.spike
            remarks.append(f"{100 * share:.2g} % of {name} at {value:g} exactly are left out")
        if marginal.steps.step > COARSE_STEP * width:
            remarks.append(f"values of {name} are rounded to {marginal.steps.step:.6g}")
    return Bandwidth(np.array(widths), "; ".join([" and ".join(sorted(rules)), *remarks]))


def _check(name: str, marginal: Marginal) -> None:
    low, high = marginal.near
    if not (high > low and marginal.spread > 0):
        raise InputError(f"no automatic bandwidth: CV {name} does not vary; give --sigma")
    value, share = marginal.steps.spike or (0.0, 0.0)
    if share > SPIKE:
        raise InputError(
            f"no automatic bandwidth: {100 * share:.0f} % of the frames have CV {name} at "
            f"{value:g} exactly; give --sigma"
        )
    lowest, highest = marginal.extremes
    if not marginal.period and highest - lowest > WIDE_RANGE * (high - low):
        warnings.warn(
            f"CV {name} spans {lowest:g} to {highest:g}, but nearly all frames lie within {low:g} "
            f"to {high:g}: look for broken frames, and give --min and --max",
            CyfesWarning,
            stacklevel=3,
        )


def _width(marginal: Marginal, n: float, d: int) -> tuple[float, str]:
    """(bandwidth of one of d CVs, the rule) for ``n`` effective samples."""
    widening = n ** (1 / 5 - 1 / (d + 4))
    found = sheather_jones(marginal, n, marginal.steps.step / widening)
    if found is None:
        return silverman(marginal.spread, n, d), "Silverman"
    return found * widening, "improved Sheather-Jones"


def silverman(spread: float, n: float, d: int) -> float:
    """Return Silverman's normal reference bandwidth of one of d CVs, s (4 / ((d + 2) n))^(1/(d+4)).

    ``spread`` s: standard deviation, ``n``: effective samples. It suits one basin and is too wide
    for several. Source: B. W. Silverman, Density Estimation (1986), eq. 4.14.
    """
    return float(spread * (4 / ((d + 2) * n)) ** (1 / (d + 4)))


def sheather_jones(marginal: Marginal, n: float, least: float = 0.0) -> float | None:
    """Return the improved Sheather-Jones bandwidth of one CV, None if there is no solution.

    The width sqrt(t) at which t = (2 n sqrt(pi) |f''|^2)^(-2/5), where the norm of f'' is estimated
    at a width that follows in the same way from that of the third derivative, and so on: no normal
    distribution is assumed, so that several basins keep their shape. ``n`` effective samples; a
    solution below ``least`` shows the steps of the values: ``least`` if there is no other.
    Source: Z. I. Botev, J. F. Grotowski, D. P. Kroese, Ann. Stat. 38, 2916 (2010), section 3.
    """
    k2, power = marginal.spectrum()

    def excess(log_t: float) -> float:
        return math.exp(log_t) - _optimal_time(math.exp(log_t), n, k2, power)

    steps = np.linspace(math.log(1e-10), math.log(0.1), 60)
    signs = np.array([excess(step) > 0 for step in steps])
    found = None
    for at in np.flatnonzero(~signs[:-1] & signs[1:]):
        low, high = steps[at], steps[at + 1]
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (low, middle) if excess(middle) > 0 else (middle, high)
        found = max(least, marginal.width * math.exp(low / 2))
        if found > least:
            break
    return found


def _optimal_time(t: float, n: float, k2: np.ndarray, power: np.ndarray) -> float:
    """The width squared that the density smoothed for a time t calls for (eq. 29 there)."""

    def norm(s: int, time: float) -> float:
        return float(np.sum(k2**s * power * np.exp(-k2 * time)))

    smoothed = norm(HIGHEST_DERIVATIVE, t)
    for s in range(HIGHEST_DERIVATIVE - 1, 1, -1):
        odd = math.prod(range(1, 2 * s, 2))
        factor = (1 + 0.5 ** (s + 0.5)) / 3 * odd / math.sqrt(math.pi / 2)
        if not smoothed > 0:
            return math.inf
        smoothed = norm(s, (factor / (n * smoothed)) ** (2 / (3 + 2 * s)))
    return (2 * n * math.sqrt(math.pi) * smoothed) ** (-2 / 5) if smoothed > 0 else math.inf
