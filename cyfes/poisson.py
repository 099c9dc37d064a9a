"""Waiting times of a Poisson process, some of them censored: tau, its interval, and a test.

Times of runs that ended before anything happened are censored: all they tell is a lower bound.
"""

import math
from dataclasses import dataclass

import numpy as np

from cyfes.extras import required

#: With fewer events nothing is tested.
LEAST_EVENTS = 5

#: Samples that a p value is simulated with, and their seed: the same times have the same p value.
N_DRAWS, SEED = 9999, 20130607

#: Random numbers drawn in one go.
_CHUNK = 1 << 20


def mean_time(times: np.ndarray, events: np.ndarray) -> float:
    """Return the most likely mean waiting time, tau = sum t / number of events; inf without one.

    ``times`` float64[n]; ``events`` bool[n], False where the time is censored.
    """
    n_events = int(events.sum())
    return float(times.sum()) / n_events if n_events else math.inf


def mean_time_interval(
    times: np.ndarray, events: np.ndarray, level: float = 0.95
) -> tuple[float, float]:
    """Return the interval that holds the mean waiting time with probability ``level``.

    2 T / tau, T = sum t, is distributed as chi^2 with 2n degrees of freedom if none of n times is
    censored, and the interval is exact (Epstein and Sobel 1953). With censored times the lower end
    is that of 2n + 2, which is at least as wide; the upper end is inf without an event.
    Raises BackendError without scipy.
    """
    required("scipy", "the interval of tau")
    from scipy.special import gammaincinv  # P(n, x) is that of chi^2 with 2n at 2x

    total, n = float(times.sum()), int(events.sum())
    tail = (1 - level) / 2
    most = n if n == len(times) else n + 1
    low = total / float(gammaincinv(most, 1 - tail))
    return low, total / float(gammaincinv(n, tail)) if n else math.inf


@dataclass(frozen=True)
class PoissonTest:
    """How far times are from an exponential distribution: the largest distance of the two
    distribution functions, ``statistic``, and how likely one at least as large is, ``p``.

    ``n_events`` of ``n_runs`` happened up to the time ``limit``, inf where all did.
    """

    p: float
    statistic: float
    n_events: int
    n_runs: int
    limit: float


def poisson_test(times: np.ndarray, events: np.ndarray) -> PoissonTest | None:
    """Return the test of Kolmogorov and Smirnov for an exponential whose mean is fitted.

    Its p value is simulated, the mean fitted anew to each sample (Lilliefors 1969): tables for a
    known mean give p values that are far too large. All is looked at up to the shortest censored
    time, as every run is known until then. None if fewer than LEAST_EVENTS happen by then.
    """
    limit = float(times[~events].min(initial=math.inf))
    n_events = int((events & (times <= limit)).sum())
    if n_events < LEAST_EVENTS:
        return None
    tau = float(np.minimum(times, limit).sum()) / n_events
    reached = np.sort(np.where(events, times, math.inf) / tau)
    found = float(_distances(reached[None, :], limit / tau)[0])
    p = _p_value(found, len(times), limit / tau)
    return PoissonTest(p, found, n_events, len(times), limit)


def _p_value(distance: float, n: int, limit: float) -> float:
    """Share of samples of n times with mean 1 that are as far from what is fitted to them."""
    generator = np.random.default_rng(SEED)
    rows = max(1, _CHUNK // n)
    n_further = 0
    for start in range(0, N_DRAWS, rows):
        drawn = generator.exponential(size=(min(rows, N_DRAWS - start), n))
        drawn.sort(axis=1)
        n_further += int((_distances(drawn, limit) >= distance * (1 - 1e-9)).sum())
    return (1 + n_further) / (1 + N_DRAWS)


def _distances(times: np.ndarray, limit: float) -> np.ndarray:
    """Largest distance up to the limit of rows of sorted times from the exponential fitted to each,
    float64[rows]."""
    n = times.shape[1]
    known = times <= limit
    n_events = known.sum(axis=1)
    totals = np.minimum(times, limit).sum(axis=1)
    rate = n_events / totals
    fitted = -np.expm1(-np.minimum(times, limit) * rate[:, None])
    step = np.arange(1, n + 1) / n
    above = np.where(known, step - fitted, 0.0).max(axis=1)
    # Behind the last event it is the distance at the limit that counts.
    below = (fitted - np.where(known, step - 1 / n, (n_events / n)[:, None])).max(axis=1)
    return np.asarray(np.maximum(above, below))


def survival(times: np.ndarray, events: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (times of events in order, float64[k]; share of runs that last longer, float64[k]).

    Kaplan and Meier 1958; 1 minus the empirical distribution function where none is censored.
    """
    order = np.lexsort((~events, times))  # of equal times events come first
    at_risk = np.arange(len(times), 0, -1)
    happened = events[order]
    return times[order][happened], np.cumprod(1 - 1 / at_risk[happened])
