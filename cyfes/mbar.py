"""MBAR: free energies of windows that differ in their bias, from the frames of all of them.

Shirts and Chodera, J. Chem. Phys. 129, 124105 (2008).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from cyfes import _kernels
from cyfes.errors import InputError

#: Free energies are converged when a step of Newton changes none by more, in kBT.
CONVERGED = 1e-10

#: What rounding may leave of a step where windows hardly overlap.
STALLED = 1e-7

#: Self-consistent steps before those of Newton, and steps of any kind at most.
FIRST, MOST_STEPS = 3, 1000

#: How often a step of Newton is halved before a self-consistent one is taken instead.
HALVINGS = 8

#: Numbers u_k(x_n) that are computed in one go where no kernel does.
AT_ONCE = 1 << 20


class Energies(Protocol):
    """Reduced biases u_k(x_n) = V_k(x_n) / kBT of K windows at n frames; never held for all."""

    @property
    def n_windows(self) -> int:
        """K."""

    @property
    def n_frames(self) -> int:
        """Number of frames."""

    def shares(
        self,
        offsets: np.ndarray,
        rows: slice = slice(None),
        products: np.ndarray | None = None,
        logs: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return sum_n p_nk over some frames, float64[K]; p_nk = exp(a_k - u_k(x_n)) / sum_l ...

        ``offsets`` float64[K]: a. ``products`` float64[K, K] += sum_n p_nk p_nl; ``logs``
        float64[rows] = ln sum_l exp(a_l - u_l(x_n)).
        """

    def of_window(self, k: int) -> np.ndarray:
        """Return u_k of all frames, float64[n]."""


class Harmonic:
    """u_k(x) = sum_d springs[k, d] (x_d - centers[k, d])^2 / 2, at the nearest image.

    ``values`` float64[n, d]; ``periods`` float64[d], 0 = not periodic; ``springs`` in units of kBT.
    """

    def __init__(
        self,
        values: np.ndarray,
        periods: np.ndarray,
        centers: np.ndarray,
        springs: np.ndarray,
        n_threads: int = 0,
    ) -> None:
        self._values = np.ascontiguousarray(values, np.float64)
        self._periods, self._centers, self._halves = periods, centers, 0.5 * springs
        self._n_threads = n_threads

    @property
    def n_windows(self) -> int:
        """K."""
        return len(self._centers)

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self._values)

    def shares(
        self,
        offsets: np.ndarray,
        rows: slice = slice(None),
        products: np.ndarray | None = None,
        logs: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return the sums of shares (see Energies), by a kernel."""
        return _kernels.mbar_sums(
            self._values[rows],
            self._periods,
            self._centers,
            self._halves,
            offsets,
            products,
            logs,
            self._n_threads,
        )

    def of_window(self, k: int) -> np.ndarray:
        """Return u_k of all frames, float64[n]."""
        return harmonic(self._values, self._periods, self._centers[k], 2 * self._halves[k])


def harmonic(
    values: np.ndarray, periods: np.ndarray, center: np.ndarray, spring: np.ndarray
) -> np.ndarray:
    """Return sum_d spring[d] (x_d - center[d])^2 / 2 of values float64[n, d], float64[n]."""
    energy = np.zeros(len(values))
    for column, period, at, k in zip(values.T, periods, center, spring):
        distance = column - at
        if period > 0:
            distance -= period * np.rint(distance / period)
        energy += 0.5 * k * distance**2
    return energy


class Computed:
    """Any reduced biases: ``function(rows)`` returns u_k of a slice of frames, float64[K, m]."""

    def __init__(
        self, function: Callable[[slice], np.ndarray], n_windows: int, n_frames: int
    ) -> None:
        self._function = function
        self.n_windows, self.n_frames = n_windows, n_frames

    @classmethod
    def of_array(cls, u_kn: np.ndarray) -> "Computed":
        """Return those of an array float64[K, n]; InputError for one that is no finite matrix."""
        u = np.asarray(u_kn, np.float64)
        if u.ndim != 2 or not np.isfinite(u).all():
            raise InputError(f"reduced energies must be a finite [K, n], got shape {u.shape}")
        return cls(lambda rows: u[:, rows], *u.shape)

    def shares(
        self,
        offsets: np.ndarray,
        rows: slice = slice(None),
        products: np.ndarray | None = None,
        logs: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return the sums of shares (see Energies)."""
        begin, end, _ = rows.indices(self.n_frames)
        sums = np.zeros(self.n_windows)
        step = max(1, AT_ONCE // self.n_windows)
        for start in range(begin, end, step):
            stop = min(start + step, end)
            exponents = offsets[:, None] - self._function(slice(start, stop))
            highest = exponents.max(axis=0)
            p = np.exp(exponents - highest)
            total = p.sum(axis=0)
            p /= total
            sums += p.sum(axis=1)
            if products is not None:
                products += p @ p.T
            if logs is not None:
                logs[start - begin : stop - begin] = highest + np.log(total)
        return sums

    def of_window(self, k: int) -> np.ndarray:
        """Return u_k of all frames, float64[n]."""
        step = max(1, AT_ONCE // self.n_windows)
        starts = range(0, self.n_frames, step)
        return np.concatenate([self._function(slice(s, s + step))[k] for s in starts])


@dataclass(frozen=True, eq=False)
class Mixture:
    """Windows whose frames are weighted together, as drawn from a mixture of their ensembles.

    ``counts`` float64[K]: frames N_k of each window, which follow one another in ``energies``.
    ``free_energies`` float64[K]: f_k in kBT, the first 0. ``log_denominators`` float64[n]:
    ln sum_k N_k exp(f_k - u_k(x_n)), minus ln w of the frames. ``products`` float64[K, K]:
    sum_n p_nk p_nl. ``precision``: what the last step changed f_k by. ``times`` float64[K]:
    correlation times of the windows in frames, nan where unknown. ``names`` of the windows.
    """

    energies: Energies
    counts: np.ndarray
    free_energies: np.ndarray
    log_denominators: np.ndarray
    products: np.ndarray
    n_steps: int
    precision: float
    names: tuple[str, ...] = ()
    times: np.ndarray | None = None

    def name(self, k: int) -> str:
        """Return the name of a window, or its number."""
        return self.names[k] if self.names else f"number {k}"

    @property
    def offsets(self) -> np.ndarray:
        """a_k = ln N_k + f_k, float64[K]."""
        return np.asarray(np.log(self.counts) + self.free_energies)

    def log_shares(self, k: int) -> np.ndarray:
        """Return ln p_nk of all frames, float64[n]: how likely each is one of window k."""
        return np.asarray(self.offsets[k] - self.energies.of_window(k) - self.log_denominators)

    @property
    def overlap(self) -> np.ndarray:
        """O_kl = sum_n p_nk p_nl / N_k, float64[K, K]; rows add up to 1.

        (Klimovich, Shirts and Mobley, J. Comput. Aided Mol. Des. 29, 397, 2015.)
        """
        return np.asarray(self.products / self.counts[:, None])

    @cached_property
    def response(self) -> np.ndarray:
        """R float64[K, K]: f_k changes by -sum_l R_kl for what is added to sum_n p_nl - N_l."""
        return _inverse(_hessian(self.products.sum(axis=1), self.products), self.counts)

    def covariance(self) -> np.ndarray:
        """Return the covariance of f_k, float64[K, K]: R (sum of C_j) R.

        C_j = g_j sum_n (p_n - <p>)(p_n - <p>)^T over the frames of window j, g_j its correlation
        time, 1 where unknown. With all g = 1 that of Shirts and Chodera (2008), eq. 8, for many
        frames.
        """
        spread = np.zeros_like(self.products)
        times = np.ones(len(self.counts)) if self.times is None else self.times
        for rows, time in zip(self.rows(), times):
            products = np.zeros_like(self.products)
            sums = self.energies.shares(self.offsets, rows, products)
            spread += time * (products - np.outer(sums, sums) / (rows.stop - rows.start))
        return np.asarray(self.response @ spread @ self.response.T)

    def errors(self) -> np.ndarray:
        """Return the standard errors of f_k - f_0, float64[K], with correlated frames where
        ``times`` are known: as if there were N_k / time of them."""
        covariance = self.covariance()
        own = np.diag(covariance)
        variance = own + own[0] - 2 * covariance[0]
        return np.asarray(np.sqrt(np.maximum(variance, 0.0)))

    def rows(self) -> list[slice]:
        """Return the frames of each window."""
        ends = np.cumsum(self.counts).astype(int).tolist()
        return [slice(a, b) for a, b in zip([0, *ends[:-1]], ends)]


def solve(energies: Energies, counts: np.ndarray) -> Mixture:
    """Return the windows' free energies: the f_k with sum_n p_nk = N_k for all windows.

    They minimise the convex sum_n ln sum_k N_k exp(f_k - u_k(x_n)) - sum_k N_k f_k: steps of
    Newton, halved while they do not lead down, or self-consistent ones, which always do. Raises
    InputError for counts that do not fit the frames, and where they do not converge.
    """
    counts = np.asarray(counts, np.float64)
    _check_counts(energies, counts)
    found = _Point(energies, counts, np.zeros(len(counts)))
    before = math.inf
    for n_steps in range(1, MOST_STEPS + 1):
        wanted, found_next = None, None
        if n_steps > FIRST:
            wanted = found.newton()
            found_next = found.towards(wanted)
        if wanted is None or found_next is None:
            wanted = found.self_consistent()
            found_next = found.at(found.f + wanted)
        step = float(np.abs(wanted).max())
        found = found_next
        if n_steps > FIRST and (step < CONVERGED or STALLED > step > before / 2):
            return found.mixture(n_steps, step)
        before = step
    raise InputError(
        f"the free energies of {len(counts)} windows do not converge: the last of {MOST_STEPS} "
        f"steps changed them by {before:.2g} kT; look for windows that do not overlap"
    )


def _check_counts(energies: Energies, counts: np.ndarray) -> None:
    if len(counts) != energies.n_windows or counts.sum() != energies.n_frames:
        raise InputError(
            f"{energies.n_windows} windows of {energies.n_frames} frames, but {len(counts)} "
            f"numbers of frames that add up to {counts.sum():g}"
        )
    if not np.all(counts >= 1):
        raise InputError(f"window {int(np.argmin(counts))} has no frames: leave it out")


class _Point:
    """Free energies ``f`` on the way to the solution, with all sums there."""

    def __init__(self, energies: Energies, counts: np.ndarray, f: np.ndarray) -> None:
        self._energies, self._counts, self.f = energies, counts, f
        self._products = np.zeros((len(f), len(f)))
        self._logs = np.empty(energies.n_frames)
        offsets = np.log(counts) + f
        self._sums = energies.shares(offsets, products=self._products, logs=self._logs)
        self.value = float(self._logs.sum() - counts @ f)

    def at(self, f: np.ndarray) -> "_Point":
        return _Point(self._energies, self._counts, f - f[0])

    def self_consistent(self) -> np.ndarray:
        """The step of f_k = -ln sum_n exp(-u_k(x_n)) / sum_l N_l exp(f_l - u_l(x_n))."""
        step = -np.log(np.maximum(self._sums, np.finfo(float).tiny) / self._counts)
        return np.asarray(step - step[0])

    def newton(self) -> np.ndarray:
        hessian = _hessian(self._sums, self._products)
        step = _inverse(hessian, self._counts) @ (self._counts - self._sums)
        return np.asarray(step - step[0])

    def towards(self, step: np.ndarray) -> "_Point | None":
        """The point after a step, or the first of its halves, that lies lower; None for none."""
        noise = 1e-13 * (abs(self.value) + float(np.abs(self._counts @ self.f)))
        for k in range(HALVINGS):
            point = self.at(self.f + step / 2**k)
            if point.value <= self.value + noise:
                return point
        return None

    def mixture(self, n_steps: int, precision: float) -> Mixture:
        return Mixture(
            self._energies, self._counts, self.f, self._logs, self._products, n_steps, precision
        )


def _hessian(sums: np.ndarray, products: np.ndarray) -> np.ndarray:
    return np.asarray(np.diag(sums) - products)


def _inverse(hessian: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The inverse but for the constant that f_k are defined up to, in units of sqrt(N_k)."""
    scale = 1 / np.sqrt(counts)
    values, vectors = np.linalg.eigh(hessian * np.outer(scale, scale))
    known = values > 1e-14 * len(counts) * max(1.0, float(values[-1]))
    known[0] = False  # the constant
    half = (vectors[:, known] / np.sqrt(values[known])) * scale[:, None]
    return np.asarray(half @ half.T)
