"""Sums of weighted kernels on a grid: everything a free energy surface is made of."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cyfes import _kernels
from cyfes.backend import Choice, choose
from cyfes.errors import InputError
from cyfes.grid import Grid
from cyfes.weights import kish

#: Kernels summed between two looks at the keyboard and the progress bar: by cell moments, whose
#: expansion each chunk pays; others that share a bandwidth; and those with one each.
MOMENT_CHUNK = 1 << 21
CHUNK = 1 << 17
HILL_CHUNK = 1 << 13
GPU_CHUNK = 1 << 24

#: Reach of a Gaussian in bandwidths. What is neglected is below exp(-60.5) = 5e-27 of the samples'
#: total, so that F is right to 1e-10 kBT even 30 kBT above a peak that holds 1 % of them.
CUTOFF = 11.0

#: What a sum may err by: relative to its peak, and how far above its minimum F is right to 1e-8.
TOLERANCE = _kernels.TOLERANCE
TAIL = _kernels.TAIL

#: Points at which ``measured_error`` sums directly.
MEASURED_POINTS = 48

_LN2 = math.log(2.0)

Progress = Callable[[int, int], None]
#: Weights, good until the next are asked for, their sum, and the sum of their squares.
Scaled = tuple[np.ndarray, float, float]


def cutoff_for(tail: float) -> float:
    """Return the reach, in bandwidths, that keeps F right to 1e-8 up to ``tail``; >= CUTOFF."""
    return min(37.0, max(CUTOFF, math.sqrt(2 * (max(tail, 0.0) + math.log(1e8))) + 0.7))


def describe_plan(plan: dict[str, Any], tail: float) -> list[tuple[str, str]]:
    """Return (name, text) pairs that tell what a plan of _kernels.plan does and why."""
    costs = ", ".join(f"{method} {seconds:.2g} s" for method, seconds in plan["cost"].items())
    lines = [("method", f"{plan['method']} ({plan['reason']})")]
    if costs:
        lines.append(("estimated cost", f"{costs} on one thread"))
    if plan["method"] != "moments":
        return [*lines, ("reach", f"{plan['reach']:.4g} bandwidths"), ("error bound", "rounding")]
    widths = ", ".join(f"{width:.3g}" for width in plan["cell_width"])
    bound = f"{plan['error']:.1e} of the density's peak"
    if tail > 0:
        bound += f"; |dF| <= {plan['tail_error']:.1e} kBT where F < {tail:g} kBT"
    return [
        *lines,
        ("order", f"{plan['order']}, cells of {widths} bandwidths"),
        ("reach", f"{plan['reach']:.4g} bandwidths"),
        ("error bound", bound),
    ]


def _one_a_kernel(weights: np.ndarray, n: int) -> np.ndarray:
    given = np.asarray(weights, np.float64)
    if given.shape != (n,):
        raise InputError(f"weights must be [{n}], got {given.shape}")
    return given


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
    (0: only ``tol`` counts). ``method`` "auto" takes the quickest of "stamps", "tiles" (both exact)
    and "moments"; ``explain`` tells which and why. ``cutoff`` None: what the tail needs.

    The bits of the result do not depend on ``n_threads``.
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
        # Twice: the work array of tiles, or the copy that becomes F.
        grid.check_memory(2 * (1 + grid.n_dims * derivatives), np.dtype(dtype).itemsize)
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
        self.plan: dict[str, Any] | None = None

    @property
    def log_scale(self) -> float:
        """Natural logarithm of the factor of ``values``."""
        return self.exponent * _LN2

    @property
    def log_sum_weights(self) -> float:
        """ln sum_k w_k; -inf while nothing was added."""
        return math.log(self._sum_weights) + self.log_scale if self._sum_weights else -math.inf

    @property
    def effective_sample_size(self) -> float:
        """Kish's (sum w)^2 / sum w^2."""
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
        centers = np.asarray(centers, np.float64)
        if centers.ndim != 2 or centers.shape[1] != self.grid.n_dims:
            raise InputError(f"centers must be [n, {self.grid.n_dims}], got {centers.shape}")
        bandwidths = np.asarray(bandwidths, np.float64)
        if bandwidths.ndim != 2 or len(bandwidths) not in (1, len(centers)):
            raise InputError(
                f"bandwidths must be [1 or {len(centers)}, ...], got {bandwidths.shape}"
            )
        n = len(centers)
        self.choice = self._choose(n, bandwidths, windows)
        self.plan = self._plan(n, bandwidths, windows)
        scale = self._scaling(n, weights, log_weights)
        for rows in self._chunks(n, len(bandwidths) == 1):
            some = bandwidths if len(bandwidths) == 1 else bandwidths[rows]
            scaled, total, squares = scale(rows)
            self._sum(centers[rows], some, scaled, None if windows is None else windows[rows])
            self.n_kernels += len(scaled)
            self._sum_weights += total
            self._sum_squares += squares
            if progress is not None:
                progress(rows.stop, n)
        return self

    def explain(self) -> str:
        """Return how the last sum was computed and why, and what it may err by, line by line."""
        return "\n".join(f"{name}: {text}" for name, text in self.explanation())

    def explanation(self) -> list[tuple[str, str]]:
        """Return the (name, text) pairs of ``explain``."""
        if self.plan is None:
            return [("method", f"not planned: {self.choice}")]
        return describe_plan(self.plan, self._accuracy["tail"])

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
        values = self.values.reshape(-1)
        order = np.argsort(values, kind="stable")
        order = order[values[order] > 0]
        if not len(order):
            return 0, 0.0, 0.0
        chosen = order[np.linspace(0, len(order) - 1, MEASURED_POINTS).astype(int)]
        index = np.unravel_index(np.unique(chosen), self.grid.shape)
        points = np.stack([axis[i] for axis, i in zip(self.grid.axes, index)], axis=1)
        exact, found = np.zeros(len(points)), values[np.unique(chosen)]
        scale = self._scaling(len(centers), weights, log_weights)
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
            most = -(-n // -(-n // MOMENT_CHUNK))
        return [slice(start, min(start + most, n)) for start in range(0, n, most)]

    def _plan(
        self, n: int, bandwidths: np.ndarray, windows: np.ndarray | None
    ) -> dict[str, Any] | None:
        if self.choice.devices or self._interval is not None:
            return None
        options = {k: v for k, v in self._options.items() if k != "n_threads"}
        return _kernels.plan(
            self.grid, n, bandwidths, windows=windows is not None, **options, **self._accuracy
        )

    def merge(self, other: "Density") -> "Density":
        """Add another sum on the same grid; returns itself. Raises InputError if grids differ."""
        if other.grid != self.grid or (other.derivatives is None) != (self.derivatives is None):
            raise InputError("only densities on the same grid, with the same derivatives, merge")
        if other.n_kernels:
            self._raise_exponent(other.exponent)
            shift = other.exponent - self.exponent
            self.values += np.ldexp(other.values, shift)
            if self.derivatives is not None and other.derivatives is not None:
                self.derivatives += np.ldexp(other.derivatives, shift)
            self._sum_weights += math.ldexp(other._sum_weights, shift)
            self._sum_squares += math.ldexp(other._sum_squares, 2 * shift)
            self.n_kernels += other.n_kernels
        return self

    def _scaling(
        self, n: int, weights: np.ndarray | None, log_weights: np.ndarray | None
    ) -> Callable[[slice], Scaled]:
        """Return rows -> weights / 2^exponent, after raising the exponent to what they need."""
        if weights is not None and log_weights is not None:
            raise InputError("give weights or log_weights, not both")
        if log_weights is not None:
            return self._scaling_of_logarithms(_one_a_kernel(log_weights, n))
        self._raise_exponent(max(0, self.exponent))
        if weights is None:
            return self._scaling_of_ones(n)
        given = _one_a_kernel(weights, n)
        # A sum of finite numbers is finite, or overflows.
        if not math.isfinite(float(given.sum())) and not np.all(np.isfinite(given)):
            raise InputError("weights must be finite")
        shift, n_threads = -self.exponent, self._options["n_threads"]

        def scale(rows: slice) -> Scaled:
            scaled = np.ldexp(given[rows], shift) if shift else given[rows]
            return scaled, *_kernels.sum_weights(scaled, n_threads)

        return scale

    def _scaling_of_ones(self, n: int) -> Callable[[slice], Scaled]:
        one = math.ldexp(1, -self.exponent)
        ones = np.full(min(n, GPU_CHUNK if self.choice.devices else MOMENT_CHUNK), one)

        def scale(rows: slice) -> Scaled:
            count = rows.stop - rows.start
            return ones[:count], count * one, count * one**2

        return scale

    def _scaling_of_logarithms(self, given: np.ndarray) -> Callable[[slice], Scaled]:
        # A logarithm of -inf is a weight of zero.
        high = float(given.max(initial=-math.inf))
        if math.isnan(high) or high == math.inf:
            raise InputError("weights must be finite")
        if high > -math.inf:
            self._raise_exponent(math.ceil(high / _LN2))
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
            self.values = np.ldexp(self.values, shift)
            if self.derivatives is not None:
                self.derivatives = np.ldexp(self.derivatives, shift)
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
            **{**self._accuracy, "method": self.plan["method"] if self.plan else "auto"},
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
