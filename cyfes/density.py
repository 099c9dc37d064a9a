"""Sums of weighted kernels on a grid: everything a free energy surface is made of."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cyfes import _kernels
from cyfes.backend import Choice, choose
from cyfes.errors import InputError
from cyfes.grid import Grid

#: Kernels summed between two looks at the keyboard and the progress bar: those that share a
#: bandwidth, which are the quicker the more there are, and those with one each.
CHUNK = 1 << 17
HILL_CHUNK = 1 << 13
GPU_CHUNK = 1 << 24

#: Reach of a Gaussian in bandwidths. What is neglected is below exp(-60.5) = 5e-27 of the samples'
#: total, so that F is right to 1e-10 kBT even 30 kBT above a peak that holds 1 % of them.
CUTOFF = 11.0

_LN2 = math.log(2.0)

Progress = Callable[[int, int], None]


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

    The bits of the result do not depend on ``n_threads``.
    Raises GridTooLargeError if the arrays would not fit in memory.
    """

    def __init__(
        self,
        grid: Grid,
        *,
        kernel: str = "gaussian",
        cutoff: float = CUTOFF,
        images: str = "all",
        derivatives: bool = False,
        dtype: Any = np.float64,
        n_threads: int = 0,
        interval: tuple[float, float] | None = None,
        backend: str = "auto",
        devices: Sequence[int] = (0,),
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
            "cutoff": cutoff,
            "images": images,
            "n_threads": n_threads,
        }

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
        return self._sum_weights**2 / self._sum_squares if self._sum_squares else 0.0

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
        chunk = CHUNK if len(bandwidths) == 1 else HILL_CHUNK
        if self.choice.devices:
            chunk = GPU_CHUNK
        scaled = self._scaled_weights(n, weights, log_weights)
        for start in range(0, n, chunk):
            rows = slice(start, min(start + chunk, n))
            some = bandwidths if len(bandwidths) == 1 else bandwidths[rows]
            self._sum(centers[rows], some, scaled[rows], None if windows is None else windows[rows])
            self._count(scaled[rows])
            if progress is not None:
                progress(rows.stop, n)
        return self

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

    def _scaled_weights(
        self, n: int, weights: np.ndarray | None, log_weights: np.ndarray | None
    ) -> np.ndarray:
        """Weights divided by 2^exponent, after raising the exponent to what they need."""
        if weights is not None and log_weights is not None:
            raise InputError("give weights or log_weights, not both")
        given = weights if weights is not None else log_weights
        if given is None:
            weights = given = np.ones(n)
        given = np.asarray(given, np.float64)
        if given.shape != (n,):
            raise InputError(f"weights must be [{n}], got {given.shape}")
        # A logarithm of -inf is a weight of zero.
        if not np.all(np.isfinite(given) | (np.isneginf(given) if weights is None else False)):
            raise InputError("weights must be finite")
        if weights is not None:
            self._raise_exponent(max(0, self.exponent))
            return np.asarray(np.ldexp(given, -self.exponent))
        if np.isfinite(highest := float(given.max(initial=-math.inf))):
            self._raise_exponent(math.ceil(highest / _LN2))
        scaled = given / _LN2
        scaled -= self.exponent
        return np.exp2(scaled, out=scaled)

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

    def _count(self, weights: np.ndarray) -> None:
        self.n_kernels += len(weights)
        self._sum_weights += float(weights.sum())
        # Not a dot product: that of the BLAS would wake threads of its own for so little.
        self._sum_squares += float(np.square(weights).sum())

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
