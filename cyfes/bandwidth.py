"""How wide a kernel should be: automatic bandwidths for weighted, possibly periodic samples."""

import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from cyfes.errors import CyfesWarning, InputError

#: Cells of the histogram that the Sheather-Jones rule looks at.
BINS = 1024

#: Samples looked at in one go.
CHUNK = 1 << 16

#: The functionals that rule estimates one after another: derivatives 7, 6, ..., 2 of the density.
HIGHEST_DERIVATIVE = 7


def effective_sample_size(log_weights: np.ndarray) -> float:
    """Return Kish's (sum w)^2 / sum w^2 for ln w float64[n]."""
    weights = _relative_weights(log_weights)
    total = weights.sum()
    weights *= weights
    return float(total**2 / weights.sum())


def _relative_weights(log_weights: np.ndarray) -> np.ndarray:
    """Weights divided by the largest."""
    weights = log_weights - log_weights.max()
    return np.asarray(np.exp(weights, out=weights))


def _chunks(n: int) -> Iterator[slice]:
    """Slices of n samples: what is computed for each is never held for all."""
    return (slice(start, start + CHUNK) for start in range(0, n, CHUNK))


def automatic_bandwidth(
    values: np.ndarray, log_weights: np.ndarray, periods: np.ndarray
) -> tuple[np.ndarray, str]:
    """Return (bandwidth float64[d] in CV units, the rule's name) for samples float64[n, d].

    The improved Sheather-Jones rule for each CV, widened from one CV to d by
    n^(1/5 - 1/(d + 4)); Silverman's where it finds no solution. ``log_weights`` are ln w,
    ``periods`` 0 where a CV is not periodic; n is the effective sample size.
    Raises InputError if a CV does not vary.
    """
    bandwidth = silverman_bandwidth(values, log_weights, periods)
    n, d = effective_sample_size(log_weights), values.shape[1]
    if n < 10:
        warnings.warn(
            f"only {n:.1f} effective samples: a few frames carry all the weight",
            CyfesWarning,
            stacklevel=2,
        )
    weights = _relative_weights(log_weights)
    weights /= weights.sum()
    found = [
        sheather_jones_bandwidth(values[:, i], weights, n, float(periods[i])) for i in range(d)
    ]
    rules = []
    for i, width in enumerate(found):
        rules.append("Silverman" if width is None else "improved Sheather-Jones")
        if width is not None:
            bandwidth[i] = width * n ** (1 / 5 - 1 / (d + 4))
    return bandwidth, " and ".join(sorted(set(rules)))


def silverman_bandwidth(
    values: np.ndarray, log_weights: np.ndarray, periods: np.ndarray
) -> np.ndarray:
    """Return Silverman's normal reference bandwidth for weighted samples, float64[d] (CV units).

    h_i = s_i (4 / ((d + 2) n))^(1 / (d + 4)), with the weighted standard deviation s_i and Kish's
    effective sample size n. Along a periodic CV of period L, s = L / (2 pi) sqrt(-2 ln R), where R
    is the length of the mean of exp(2 pi i s / L), but never more than the uniform distribution's
    L / sqrt(12). It suits one basin and is too wide for several.
    Sources: B. W. Silverman, Density Estimation (1986), eq. 4.14; K. V. Mardia and P. E. Jupp,
    Directional Statistics (2000), eq. 2.3.14.
    Raises InputError if a CV does not vary.
    """
    n, d = effective_sample_size(log_weights), values.shape[1]
    weights = _relative_weights(log_weights)
    weights /= weights.sum()
    spread = np.array([_spread(values[:, i], weights, float(periods[i])) for i in range(d)])
    if not np.all(spread > 0):
        raise InputError(
            f"no automatic bandwidth: CV number {int(np.argmin(spread)) + 1} does not vary; "
            "give --sigma"
        )
    return np.asarray(spread * (4 / ((d + 2) * n)) ** (1 / (d + 4)))


def _spread(x: np.ndarray, weights: np.ndarray, period: float) -> float:
    """Weighted standard deviation, circular where there is a period."""

    def mean(function: Callable[[np.ndarray], np.ndarray]) -> Any:
        return sum((weights[rows] * function(x[rows])).sum() for rows in _chunks(len(x)))

    if period == 0:
        center = mean(lambda some: some)
        return math.sqrt(mean(lambda some: (some - center) ** 2))
    length = min(1.0, abs(mean(lambda some: np.exp(2j * np.pi * some / period))))
    wrapped = period / (2 * np.pi) * math.sqrt(-2 * math.log(max(length, 1e-300)))
    return min(wrapped, period / math.sqrt(12))


def sheather_jones_bandwidth(
    x: np.ndarray, weights: np.ndarray, n: float, period: float
) -> float | None:
    """Return the improved Sheather-Jones bandwidth of one CV, None if there is no solution.

    The width sqrt(t) at which t = (2 n sqrt(pi) |f''|^2)^(-2/5), where the norm of f'' is estimated
    at a width that follows in the same way from that of the third derivative, and so on: no normal
    distribution is assumed, so that several basins keep their shape. ``x`` float64[n_samples] (CV
    units), ``weights`` float64[n_samples] of sum 1, ``n`` effective samples, ``period`` 0 if none.
    A periodic CV is expanded in a Fourier series, any other in cosines.
    Source: Z. I. Botev, J. F. Grotowski, D. P. Kroese, Ann. Stat. 38, 2916 (2010), section 3.
    """
    length, frequencies, power = _spectrum(x, weights, period)

    def excess(log_t: float) -> float:
        return math.exp(log_t) - _optimal_time(math.exp(log_t), n, frequencies, power)

    steps = np.linspace(math.log(1e-10), math.log(0.1), 60)
    signs = np.array([excess(step) > 0 for step in steps])
    crossings = np.flatnonzero(~signs[:-1] & signs[1:])
    if not len(crossings):
        return None
    low, high = steps[crossings[0]], steps[crossings[0] + 1]
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if excess(middle) > 0 else (middle, high)
    return length * math.exp(low / 2)


def _spectrum(
    x: np.ndarray, weights: np.ndarray, period: float
) -> tuple[float, np.ndarray, np.ndarray]:
    """(length of the range, squared angular frequencies on it, power of each) of a histogram.

    The norm of derivative s, smoothed for a time t, is sum k2^s power exp(-k2 t).
    """
    if period > 0:
        start, length = 0.0, period
    else:
        margin = 0.1 * float(np.ptp(x))
        start, length = float(x.min()) - margin, float(np.ptp(x)) + 2 * margin
    histogram = np.zeros(BINS)
    for rows in _chunks(len(x)):
        cells = np.floor((x[rows] - start) / length * BINS).astype(np.int64) % BINS
        histogram += np.bincount(cells, weights=weights[rows], minlength=BINS)
    if period > 0:
        amplitudes: Any = np.abs(np.fft.rfft(histogram)[1 : BINS // 2])
        frequencies = 2 * np.pi * np.arange(1, BINS // 2)
    else:  # cosines are the Fourier series of the mirrored histogram
        mirrored = np.fft.rfft(np.concatenate([histogram, histogram[::-1]]))[1:BINS]
        amplitudes = np.abs(mirrored) / 2
        frequencies = np.pi * np.arange(1, BINS)
    return length, frequencies**2, 2 * amplitudes**2


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
