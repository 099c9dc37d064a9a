"""Sums of weighted kernels on a grid: everything a free energy surface is made of."""

import math
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cyfes import _kernels
from cyfes.backend import Choice, choose
from cyfes.errors import InputError
from cyfes.grid import Grid, arrays_of_surface
from cyfes.plans import Plans
from cyfes.weights import exponent_of, kish

#: Chunk sizes: how many kernels are summed between checks for Ctrl-C and progress updates. Moments
#: use the largest chunk because each pays for one expansion; kernels with a bandwidth each, the
#: smallest.
MOMENT_CHUNK = 1 << 21
CHUNK = 1 << 17
HILL_CHUNK = 1 << 13
GPU_CHUNK = 1 << 24

#: Reach of a Gaussian in bandwidths. What is neglected is below exp(-60.5) = 5e-27 of the samples'
#: total, so that F is right to 1e-10 kBT even 30 kBT above a peak that holds 1 % of them.
CUTOFF = 11.0

#: Accuracy of a sum: its error relative to its peak, and up to what height above its minimum F is
#: right to 1e-8.
TOLERANCE = _kernels.TOLERANCE
TAIL = _kernels.TAIL

#: Points at which ``measured_error`` sums directly.
MEASURED_POINTS = 48

#: Sums of weights, and of their squares and gradients, stay far from overflow below this.
MAX_WEIGHT = {8: 2.0**500, 4: 2.0**100}

_LN2 = math.log(2.0)


Progress = Callable[[int, int], None]
#: Weights, good until the next are asked for, their sum, and the sum of their squares.
Scaled = tuple[np.ndarray, float, float]


def cutoff_for(tail: float) -> float:
    """Return the reach, in bandwidths, that keeps F right to 1e-8 up to ``tail``; >= CUTOFF."""
    return min(37.0, max(CUTOFF, math.sqrt(2 * (max(tail, 0.0) + math.log(1e8))) + 0.7))


def _moment_chunk(n: int) -> int:
    """Kernels in each of the equal chunks that moments sum."""
    return -(-n // max(1, -(-n // MOMENT_CHUNK)))


def unmasked(what: str, values: Any) -> np.ndarray:
    """Return values as float64. Raises InputError for masked entries, whose mask would be lost."""
    # Without numpy.ma, which takes long to import, there are no masked arrays.
    if "numpy.ma" in sys.modules and np.ma.is_masked(values):
        raise InputError(f"{what} has masked entries: leave those rows out before they are summed")
    return np.asarray(values, np.float64)


def given_weights(
    n: int, weights: np.ndarray | None, log_weights: np.ndarray | None
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Return what is given of ``weights`` and ``log_weights`` as float64[n].

    Raises InputError if both are, for another shape, and for nan, a logarithm of inf or masked
    entries.
    """
    if weights is not None and log_weights is not None:
        raise InputError("give weights or log_weights, not both")
    given = weights if weights is not None else log_weights
    if given is None:
        return None, None
    checked = unmasked("weights", given)
    if checked.shape != (n,):
        raise InputError(f"weights must be [{n}], got {checked.shape}")
    # A logarithm of -inf is a weight of zero; nan is neither below nor above.
    is_finite = checked.max(initial=0.0) < math.inf
    if not is_finite or (weights is not None and not checked.min(initial=0.0) > -math.inf):
        raise InputError("weights must be finite")
    return (None, checked) if weights is None else (checked, None)


class Density:
    """A sum of kernels on a grid, D(s) = 2^exponent * values = sum_k w_k K(s - c_k), K(0) = 1.

    A sum adds up: chunks, files and machines join by ``add`` and ``merge``. Weights may be given
    as logarithms of any size; ``exponent`` is a running integer, so that rescaling is exact.

    Parameters: ``grid``; ``kernel`` "gaussian" (within ``cutoff`` bandwidths) or PLUMED's
    "stretched-gaussian"; ``images`` "all" (a periodic kernel is wrapped, so it stays normalised)
    or "nearest" (PLUMED's rule for hills); ``derivatives`` also sum the gradient; ``dtype`` float64
    or float32; ``n_threads`` 0 = all. ``interval`` (lower, upper) evaluates one CV at the nearest
    point inside, with zero gradient outside, as METAD's INTERVAL does. ``backend`` "auto", "cpu" or
    "cuda" and ``devices`` (GPU indices) choose where to compute; ``choice`` tells what was chosen.
    On a CPU, samples of one bandwidth and no negative weight may be summed approximately: within
    ``tol`` of the density's peak, and with F = -ln D right to 1e-8 up to ``tail`` above its minimum
    (0: only ``tol`` counts). That holds for all that is added with one bandwidth, by however many
    calls: they share their cells, and errors are linear in the weights. ``method`` "auto" takes the
    quickest of "stamps", "tiles" (both exact) and "moments"; ``explain`` tells which and why.
    ``cutoff`` None: what the tail needs.

    The bits of the result do not depend on ``n_threads``. Threads may share a Density: one adds
    at a time. An ``add`` that ends with an exception (Ctrl-C, no memory) may leave some of its
    kernels in the sum; whatever needs the whole sum then raises InputError.
    Raises GridTooLargeError if the arrays would not fit in memory.
    """

    def __init__(
        self,
        grid: Grid,
        *,
        kernel: str = "gaussian",
        cutoff: float | None = None,
        images: str = "all",
        derivatives: bool = False,
        dtype: Any = np.float64,
        n_threads: int = 0,
        interval: tuple[float, float] | None = None,
        backend: str = "auto",
        devices: Sequence[int] = (0,),
        tol: float = TOLERANCE,
        tail: float = TAIL,
        method: str = "auto",
    ) -> None:
        n_arrays = arrays_of_surface(grid.n_dims * derivatives)
        grid.check_memory(n_arrays, np.dtype(dtype).itemsize)
        if interval is not None and grid.n_dims != 1:
            raise InputError(f"an interval needs a grid of one CV, got {grid.n_dims}")
        self.grid = grid
        self.values = np.zeros(grid.shape, dtype)
        self.derivatives = np.zeros((grid.n_dims, *grid.shape), dtype) if derivatives else None
        self.exponent = 0
        self.n_kernels = 0
        self._sum_weights = 0.0
        self._sum_squares = 0.0
        self._interval = interval
        self._wanted = backend, tuple(devices)
        #: Where the last sum was computed, and why there.
        self.choice = Choice(_kernels.CPU, (), "nothing was summed yet")
        self._options: dict[str, Any] = {
            "kernel": kernel,
            "cutoff": cutoff_for(tail) if cutoff is None else cutoff,
            "images": images,
            "n_threads": n_threads,
        }
        self._accuracy: dict[str, Any] = {"tol": tol, "tail": tail, "method": method}
        #: How the last sum was computed on the CPU (see _kernels.plan), None before.
        self.plan: _kernels.Plan | None = None
        self._plans = Plans()
        self._is_partial = False
        self._lock = threading.RLock()

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the lock: a copy has its own."""
        with self._lock:
            return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over a state of ``__getstate__``."""
        self.__dict__.update(state, _lock=threading.RLock())

    def _check_whole(self) -> None:
        if self._is_partial:
            raise InputError(
                "an earlier add failed and left some kernels in this density: start a new one"
            )

    @property
    def cutoff(self) -> float:
        """Reach of a kernel in bandwidths."""
        return float(self._options["cutoff"])

    @property
    def n_threads(self) -> int:
        """Threads that sum, 0 for all."""
        return int(self._options["n_threads"])

    @property
    def log_scale(self) -> float:
        """Natural logarithm of the factor of ``values``."""
        return self.exponent * _LN2

    @property
    def log_sum_weights(self) -> float:
        """ln sum_k w_k; -inf while nothing was added."""
        self._check_whole()
        return math.log(self._sum_weights) + self.log_scale if self._sum_weights else -math.inf

    @property
    def sums(self) -> tuple[float, float]:
        """(sum w, sum w^2) of weights divided by 2^exponent."""
        self._check_whole()
        return self._sum_weights, self._sum_squares

    @property
    def effective_sample_size(self) -> float:
        """Kish's (sum w)^2 / sum w^2."""
        self._check_whole()
        return kish(self._sum_weights, self._sum_squares)

    def add(
        self,
        centers: np.ndarray,
        bandwidths: np.ndarray,
        *,
        weights: np.ndarray | None = None,
        log_weights: np.ndarray | None = None,
        windows: np.ndarray | None = None,
        progress: Progress | None = None,
    ) -> "Density":
        """Add kernels: ``centers`` float64[n, d], ``bandwidths`` float64[1 or n, d or d(d+1)/2].

        Weights: ``weights`` float64[n], or ``log_weights`` float64[n] (their natural logarithms),
        else 1. ``windows`` see _kernels.spread. ``progress(done, n)`` is called between chunks.
        Returns itself. Raises InputError for shapes that disagree or values that are not finite.
        """
        centers = unmasked("centers", centers)
        if centers.ndim != 2 or centers.shape[1] != self.grid.n_dims:
            raise InputError(f"centers must be [n, {self.grid.n_dims}], got {centers.shape}")
        bandwidths = unmasked("bandwidths", bandwidths)
        if bandwidths.ndim != 2 or len(bandwidths) not in (1, len(centers)):
            raise InputError(
                f"bandwidths must be [1 or {len(centers)}, ...], got {bandwidths.shape}"
            )
        n = len(centers)
        weights, log_weights = given_weights(n, weights, log_weights)
        with self._lock:
            self._check_whole()
            self.choice = self._choose(n, bandwidths, windows)
            self.plan = self._plan(n, bandwidths, weights, windows)
            scale = self._scaling(n, weights, log_weights)
            self._is_partial = True
            self._add(centers, bandwidths, scale, windows, progress)
            self._is_partial = False
        return self

    def _add(
        self,
        centers: np.ndarray,
        bandwidths: np.ndarray,
        scale: Callable[[slice], Scaled],
        windows: np.ndarray | None,
        progress: Progress | None,
    ) -> None:
        n, shared = len(centers), len(bandwidths) == 1
        for rows in self._chunks(n, shared):
            some = bandwidths if shared else bandwidths[rows]
            scaled, total, squares = scale(rows)
            self._sum(centers[rows], some, scaled, None if windows is None else windows[rows])
            self.n_kernels += len(scaled)
            self._sum_weights += total
            self._sum_squares += squares
            if self.plan is not None:
                self._plans.used(self.plan, len(scaled))
            if progress is not None:
                progress(rows.stop, n)

    def explain(self) -> str:
        """Return how the sum was computed and why, and bounds of its error, line by line."""
        return "\n".join(f"{name}: {text}" for name, text in self.explanation())

    def explanation(self) -> list[tuple[str, str]]:
        """Return the (name, text) pairs of ``explain``."""
        if self.plan is None:
            return [("method", f"not planned: {self.choice}")]
        rounding = float(np.finfo(self.values.dtype).eps) / 2
        return self._plans.describe(self.plan, self._accuracy["tail"], rounding)

    def measured_error(
        self,
        centers: np.ndarray,
        bandwidths: np.ndarray,
        *,
        weights: np.ndarray | None = None,
        log_weights: np.ndarray | None = None,
    ) -> tuple[int, float, float]:
        """Compare with a direct sum, in double, of everything that was added.

        Returns (number of points, largest error relative to the density's peak, largest error of
        F = -ln D where F is less than ``tail`` above its minimum) over MEASURED_POINTS grid points
        spread from the peak to the least density. The arguments are those of ``add``.
        """
        self._check_whole()
        values = self.values.reshape(-1)
        order = np.argsort(values, kind="stable")
        order = order[values[order] > 0]
        if not len(order):
            return 0, 0.0, 0.0
        chosen = order[np.linspace(0, len(order) - 1, MEASURED_POINTS).astype(int)]
        index = np.unravel_index(np.unique(chosen), self.grid.shape)
        points = np.stack([axis[i] for axis, i in zip(self.grid.axes, index)], axis=1)
        exact, found = np.zeros(len(points)), values[np.unique(chosen)]
        scale = self._scaling(len(centers), *given_weights(len(centers), weights, log_weights))
        for rows in self._chunks(len(centers), len(bandwidths) == 1):
            _kernels.evaluate(
                points, self.grid.period, centers[rows], bandwidths, scale(rows)[0], exact,
                **self._options,
            )  # fmt: skip
        peak = exact.max()
        seen = exact > peak * math.exp(-self._accuracy["tail"])
        error = float(np.abs(found - exact).max() / peak)
        tail = float(np.abs(np.log(found[seen] / exact[seen])).max(initial=0.0))
        return len(points), error, tail

    def _chunks(self, n: int, shared: bool) -> list[slice]:
        """Rows summed in one call; by moments equal parts, each long enough to be worth it."""
        most = CHUNK if shared else HILL_CHUNK
        if self.choice.devices:
            most = GPU_CHUNK
        elif self.plan is not None and self.plan["method"] == "moments":
            most = _moment_chunk(n)
        return [slice(start, min(start + most, n)) for start in range(0, n, most)]

    def _plan(
        self,
        n: int,
        bandwidths: np.ndarray,
        weights: np.ndarray | None,
        windows: np.ndarray | None,
    ) -> _kernels.Plan | None:
        """Return the one plan of all chunks, made for as many kernels as a chunk of moments has."""
        if self.choice.devices or self._interval is not None:
            return None
        options = {k: v for k, v in self._options.items() if k != "n_threads"}
        options |= self._accuracy
        size = _moment_chunk(n)

        def make(**changes: Any) -> _kernels.Plan:
            windowed = windows is not None
            plan = _kernels.plan(
                self.grid, size, bandwidths, windows=windowed, **{**options, **changes}
            )
            plan["cost"] = {m: cost * n / max(size, 1) for m, cost in plan["cost"].items()}
            return plan

        if len(bandwidths) != 1 or windows is not None:
            return make()
        if weights is not None and options["method"] == "auto" and weights.min(initial=0.0) < 0:
            return self._plan_without_moments(make)
        return self._plans.shared(bandwidths.tobytes(), size, make)

    @staticmethod
    def _plan_without_moments(make: Callable[..., _kernels.Plan]) -> _kernels.Plan:
        """Return an exact plan: the bounds of moments hold for sums of positive terms."""
        plan = make()
        if plan["method"] == "moments":
            plan = make(method="tiles" if "tiles" in plan["cost"] else "stamps")
            plan["reason"] = "negative weights"
        return plan

    def part(self) -> "Density":
        """Return an empty density with the settings and the plans of this one, to be merged."""
        with self._lock:
            state = self.__getstate__()
        new = object.__new__(Density)
        new.__setstate__(state)
        new.values = np.zeros_like(self.values)
        new.derivatives = None if self.derivatives is None else np.zeros_like(self.derivatives)
        new.exponent = new.n_kernels = 0
        new._sum_weights = new._sum_squares = 0.0
        return new

    def merge(self, other: "Density") -> "Density":
        """Add another sum on the same grid; returns itself. Raises InputError if grids differ."""
        if other.grid != self.grid or (other.derivatives is None) != (self.derivatives is None):
            raise InputError("only densities on the same grid, with the same derivatives, merge")
        first, second = sorted((self, other), key=id)
        with first._lock, second._lock:
            self._check_whole()
            other._check_whole()
            self._is_partial = True
            self._merge(other)
            self._is_partial = False
        return self

    def _merge(self, other: "Density") -> None:
        if other.n_kernels == 0:
            return
        self._raise_exponent(other.exponent)
        shift = other.exponent - self.exponent
        self.values += np.ldexp(other.values, shift)
        if self.derivatives is not None and other.derivatives is not None:
            self.derivatives += np.ldexp(other.derivatives, shift)
        self._sum_weights += math.ldexp(other._sum_weights, shift)
        self._sum_squares += math.ldexp(other._sum_squares, 2 * shift)
        self.n_kernels += other.n_kernels
        self.plan, self.choice = self.plan or other.plan, other.choice
        if other._plans is not self._plans:
            self._plans.merge(other._plans)

    def _scaling(
        self, n: int, weights: np.ndarray | None, log_weights: np.ndarray | None
    ) -> Callable[[slice], Scaled]:
        """Return rows -> weights / 2^exponent, after raising the exponent to what they need."""
        if log_weights is not None:
            return self._scaling_of_logarithms(log_weights)
        self._raise_exponent(max(0, self.exponent))
        if weights is None:
            return self._scaling_of_ones()
        given = weights
        largest = float(max(given.max(initial=0.0), -given.min(initial=0.0)))
        if n * largest > MAX_WEIGHT[self.values.itemsize]:
            raise InputError(
                f"the sum of {n} kernels of weights (heights of hills) up to {largest:g} may "
                "overflow: give them in a larger unit, or as log_weights"
            )
        shift, n_threads = -self.exponent, self._options["n_threads"]

        def scale(rows: slice) -> Scaled:
            scaled = np.ldexp(given[rows], shift) if shift else given[rows]
            return scaled, *_kernels.sum_weights(scaled, n_threads)

        return scale

    def _scaling_of_ones(self) -> Callable[[slice], Scaled]:
        one, ones = math.ldexp(1, -self.exponent), np.empty(0)

        def scale(rows: slice) -> Scaled:
            nonlocal ones
            count = rows.stop - rows.start
            if len(ones) < count:
                ones = np.full(count, one)
            return ones[:count], count * one, count * one**2

        return scale

    def _scaling_of_logarithms(self, given: np.ndarray) -> Callable[[slice], Scaled]:
        high = float(given.max(initial=-math.inf))
        if high > -math.inf:
            self._raise_exponent(exponent_of(high))
        exponent, n_threads = self.exponent, self._options["n_threads"]
        room = np.empty(0)

        def scale(rows: slice) -> Scaled:
            nonlocal room
            count = rows.stop - rows.start
            if len(room) < count:
                room = np.empty(count)
            scaled = room[:count]
            return scaled, *_kernels.weigh(given[rows], exponent, scaled, n_threads)

        return scale

    def _raise_exponent(self, exponent: int) -> None:
        """Rescale exactly so that weights up to 2^exponent are at most 1."""
        if self.n_kernels == 0:
            self.exponent = exponent
        elif exponent > self.exponent:
            shift = self.exponent - exponent
            values = np.ldexp(self.values, shift)
            if self.derivatives is not None:
                self.derivatives = np.ldexp(self.derivatives, shift)
            self.values = values
            self._sum_weights = math.ldexp(self._sum_weights, shift)
            self._sum_squares = math.ldexp(self._sum_squares, 2 * shift)
            self.exponent = exponent

    def _sum(
        self,
        centers: np.ndarray,
        bandwidths: np.ndarray,
        weights: np.ndarray,
        windows: np.ndarray | None,
    ) -> None:
        if self._interval is not None:
            self._sum_clamped(centers, bandwidths, weights)
            return
        if self.choice.devices:
            self._sum_on_devices(centers, bandwidths, weights)
            return
        _kernels.spread(
            self.grid,
            centers,
            bandwidths,
            weights,
            self.values,
            self.derivatives,
            windows,
            **self._options,
            **self._accuracy,
            plan=self.plan,
        )

    def _choose(self, n: int, bandwidths: np.ndarray, windows: np.ndarray | None) -> Choice:
        wanted, devices = self._wanted
        cpu_only = ""
        if windows is not None:
            cpu_only = "PLUMED's visiting rule is summed on the CPU"
        elif self._interval is not None:
            cpu_only = "an interval is summed on the CPU"
        reach = self._options["cutoff"] * float(bandwidths.max(initial=0.0))
        points = np.minimum(self.grid.shape, 2 * reach / self.grid.spacing + 1)
        return choose(wanted, devices, n * float(np.prod(points)), cpu_only)

    def _sum_on_devices(
        self, centers: np.ndarray, bandwidths: np.ndarray, weights: np.ndarray
    ) -> None:
        """Divide the kernels among the devices, a host thread each, and add up in their order."""
        from concurrent.futures import ThreadPoolExecutor

        choice = self.choice
        cuts = np.linspace(0, len(weights), len(choice.devices) + 1).astype(int)

        def run(part: int) -> tuple[np.ndarray, np.ndarray | None]:
            rows = slice(cuts[part], cuts[part + 1])
            values = np.zeros_like(self.values)
            slopes = None if self.derivatives is None else np.zeros_like(self.derivatives)
            _kernels.spread(
                self.grid,
                centers[rows],
                bandwidths if len(bandwidths) == 1 else bandwidths[rows],
                weights[rows],
                values,
                slopes,
                backend=choice.backend,
                device=choice.devices[part],
                **self._options,
            )
            return values, slopes

        with ThreadPoolExecutor(len(choice.devices)) as pool:
            for values, slopes in pool.map(run, range(len(choice.devices))):
                self.values += values
                if self.derivatives is not None:
                    self.derivatives += slopes

    def _sum_clamped(
        self, centers: np.ndarray, bandwidths: np.ndarray, weights: np.ndarray
    ) -> None:
        """Values at the points clamped into the interval; no gradient at its ends and outside."""
        axis, (low, high) = self.grid.axes[0], self._interval or (-math.inf, math.inf)
        slopes = None if self.derivatives is None else np.zeros_like(self.derivatives)
        _kernels.evaluate(
            np.clip(axis, low, high)[:, None],
            self.grid.period,
            centers,
            bandwidths,
            weights,
            self.values,
            slopes,
            **self._options,
        )
        if self.derivatives is not None and slopes is not None:
            self.derivatives += np.where((axis <= low) | (axis >= high), 0.0, slopes)
