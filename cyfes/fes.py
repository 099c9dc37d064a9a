"""Free energy surfaces: made from hills, from COLVAR files or from samples."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from cyfes import gridfile
from cyfes.bandwidth import automatic_bandwidth
from cyfes.density import TAIL, TOLERANCE, Density, Progress, given_weights, unmasked
from cyfes.errors import InputError
from cyfes.grid import MAX_DIMS, Grid, GridRequest
from cyfes.hills import Hills, hills_grid
from cyfes.hillsfile import read_hills
from cyfes.hillsum import hill_densities
from cyfes.reweight import Samples, SampleStream, read_samples
from cyfes.samplegrid import array_grid, per_cv, samples_grid, stream_grid
from cyfes.selection import Selection

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class FreeEnergySurface:
    """F on a grid.

    ``grid``; ``values`` float64[grid.shape], inf where no sample is within reach; ``derivatives``
    None or dF/ds, float64[d, *grid.shape]; ``kbt`` None if it was not needed; ``units``
    "kj/mol", "kcal/mol" or "kt". Energies in ``units``, CVs in their own. ``computed_on`` tells
    where the sum was computed and why there, ``explanation`` how (see ``explain``).
    """

    grid: Grid
    values: np.ndarray
    kbt: float | None = None
    derivatives: np.ndarray | None = None
    units: str = "kj/mol"
    value_name: str = "file.free"
    computed_on: str = ""
    explanation: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if self.values.shape != self.grid.shape:
            raise InputError(f"values have shape {self.values.shape}, expected {self.grid.shape}")

    # Making one

    @classmethod
    def from_hills(
        cls,
        hills: Hills | str | PathLike | Sequence[str | PathLike],
        *,
        lower: Sequence[str | float] | None = None,
        upper: Sequence[str | float] | None = None,
        bins: Sequence[int] | None = None,
        spacing: Sequence[float] | None = None,
        negbias: bool = False,
        plumed_compat: bool = False,
        derivatives: bool = True,
        kbt: float | None = None,
        units: str = "kj/mol",
        n_threads: int = 0,
        backend: str = "auto",
        devices: Sequence[int] = (0,),
    ) -> "FreeEnergySurface":
        """Return F(s) = -sum_t h_t K(s - s_t) of hills or HILLS files.

        Grid arguments as in ``plumed sum_hills``: one entry a CV, bounds as numbers or text
        ("-pi"), automatic where left out. ``negbias`` gives minus the bias of a well-tempered run
        instead of the free energy; ``plumed_compat`` reproduces PLUMED's known faults.
        Raises InputError, FileFormatError, FileMissingError or GridTooLargeError.
        """
        if not isinstance(hills, Hills):
            hills = read_hills(hills, plumed_compat=plumed_compat, n_threads=n_threads)
        grid = hills_grid(
            hills, GridRequest(lower, upper, bins, spacing), plumed_compat=plumed_compat
        )
        blocks = hill_blocks(
            hills,
            grid,
            negbias=negbias,
            plumed_compat=plumed_compat,
            derivatives=derivatives,
            n_threads=n_threads,
            backend=backend,
            devices=devices,
        )
        return replace(next(blocks), kbt=kbt, units=units)

    @classmethod
    def from_colvar(
        cls,
        paths: Samples | SampleStream | str | PathLike | Sequence[str | PathLike],
        *,
        kbt: float,
        selection: Selection | None = None,
        bandwidth: Sequence[float] | np.ndarray | None = None,
        lower: Sequence[str | float] | None = None,
        upper: Sequence[str | float] | None = None,
        bins: Sequence[int] | None = None,
        spacing: Sequence[float] | None = None,
        derivatives: bool = True,
        units: str = "kj/mol",
        stream: bool = False,
        n_threads: int = 0,
        backend: str = "auto",
        devices: Sequence[int] = (0,),
        tol: float = TOLERANCE,
        tail: float = TAIL,
        explain: bool = False,
        progress: Progress | None = None,
        **choices: Any,
    ) -> "FreeEnergySurface":
        """Return the reweighted F(s) = -kBT ln P(s) of frames or COLVAR files.

        P(s) = sum_j w_j K(s - s_j) / sum_j w_j with w_j = exp(V_j / kBT) and normalised Gaussians
        K of standard deviation ``bandwidth`` (CV units; None: automatic_bandwidth). ``choices`` are
        the fields of ``reweight.Selection`` (cv=..., bias=..., start=...). ``stream`` sums them
        as they are read, however many; it needs a bandwidth and, unless all CVs are periodic,
        bounds and bins. ``tol``, ``tail`` and ``explain``, which cannot be had with ``stream``, as
        in from_samples.
        Raises InputError, FileFormatError, FileMissingError or GridTooLargeError.
        """
        if selection is None:
            selection = Selection(**choices)
        samples = paths
        if not isinstance(samples, Samples | SampleStream):
            read = SampleStream if stream else read_samples
            samples = read(samples, kbt, selection, n_threads)
        if isinstance(samples, SampleStream):
            if bandwidth is None:
                raise InputError("--stream reads the frames once and needs --sigma with numbers")
            if explain:
                raise InputError("--stream keeps no frames to measure the error of --explain with")
        elif bandwidth is None:
            bandwidth, _ = automatic_bandwidth(
                samples.values, samples.log_weights, samples.periods, samples.names, samples.sums
            )
        h = _positive("bandwidth", bandwidth, len(samples.names))
        request = GridRequest(lower, upper, bins, spacing)
        if isinstance(samples, SampleStream):
            grid = stream_grid(samples, request, h)
        else:
            grid = samples_grid(samples, request, h)
        density = Density(
            grid,
            derivatives=derivatives,
            n_threads=n_threads,
            backend=backend,
            devices=devices,
            tol=tol,
            tail=tail,
        )
        if isinstance(samples, SampleStream):
            for values, log_w in samples.chunks():
                density.add(values, h[None, :], log_weights=log_w)
            return cls.from_density(density, h, kbt, units)
        values, log_w = samples.values, samples.log_weights
        return cls._summed(density, values, log_w, h, kbt, units, explain, progress)

    @classmethod
    def from_samples(
        cls,
        samples: np.ndarray,
        *,
        weights: np.ndarray | None = None,
        log_weights: np.ndarray | None = None,
        bandwidth: Sequence[float] | np.ndarray | float | None = None,
        lower: Sequence[float] | None = None,
        upper: Sequence[float] | None = None,
        shape: Sequence[int] | None = None,
        period: Sequence[float] | None = None,
        kbt: float = 1.0,
        units: str = "kt",
        names: Sequence[str] | None = None,
        cutoff: float | None = None,
        derivatives: bool = True,
        dtype: Any = np.float64,
        n_threads: int = 0,
        backend: str = "auto",
        devices: Sequence[int] = (0,),
        tol: float = TOLERANCE,
        tail: float = TAIL,
        method: str = "auto",
        explain: bool = False,
    ) -> "FreeEnergySurface":
        """Return F(s) = -kBT ln P(s) of weighted samples (see from_colvar for P).

        ``samples`` float64[n, d] or [n]; ``weights`` >= 0 or ``log_weights`` float64[n];
        ``bandwidth``, ``lower``, ``upper``, ``period`` (0 = not periodic) one a CV, in CV units;
        ``shape`` grid points a CV. A periodic CV spans [lower, lower + period), lower defaulting
        to -period / 2. P errs by at most ``tol`` of its peak, and F by 1e-8 kBT up to ``tail`` kBT
        above its minimum (0: only ``tol`` counts); ``cutoff`` and ``method`` see Density.
        ``explain`` measures the error for ``explain()``, which takes a while.
        Raises InputError for shapes that disagree or weights that are no weights.
        """
        values = unmasked("samples", samples)
        values = values[:, None] if values.ndim == 1 else values
        if values.ndim != 2 or not len(values) or not np.all(np.isfinite(values)):
            raise InputError(f"samples must be finite [n, d] with n > 0, got {values.shape}")
        d = values.shape[1]
        if not 1 <= d <= MAX_DIMS:
            raise InputError(f"samples must have 1 to {MAX_DIMS} CVs, got {d}")
        log_w = _log_weights(len(values), weights, log_weights)
        periods = np.zeros(d) if period is None else per_cv("period", period, d)
        if not (np.all(periods >= 0) and np.all(np.isfinite(periods))):
            raise InputError(f"period must be positive, or 0 for none, got {periods}")
        if bandwidth is None:
            bandwidth, _ = automatic_bandwidth(values, log_w, periods, names)
        h = _positive("bandwidth", per_cv("bandwidth", bandwidth, d), d)
        grid = array_grid(values, h, periods, lower, upper, shape, names)
        density = Density(
            grid,
            cutoff=cutoff,
            derivatives=derivatives,
            dtype=dtype,
            n_threads=n_threads,
            backend=backend,
            devices=devices,
            tol=tol,
            tail=tail,
            method=method,
        )
        return cls._summed(density, values, log_w, h, kbt, units, explain)

    @classmethod
    def from_density(
        cls, density: Density, bandwidth: np.ndarray, kbt: float, units: str = "kj/mol"
    ) -> "FreeEnergySurface":
        """Return F = -kBT ln P of a summed density of Gaussians of one ``bandwidth`` float64[d].

        P is normalised: the kernels by their volume, the weights by their sum.
        Raises InputError if nothing was added, or only weights of zero.
        """
        if not density.log_sum_weights > -np.inf:
            raise InputError("the density is empty: add samples whose weights are not all zero")
        volume = np.prod(np.sqrt(2 * np.pi) * np.asarray(bandwidth))
        shift = density.log_scale - density.log_sum_weights - np.log(volume)
        values, slopes = _minus_kbt_log(density, kbt)
        return cls(density.grid, values - kbt * shift, kbt, slopes, units, **_told_by(density))

    @classmethod
    def _summed(
        cls,
        density: Density,
        samples: np.ndarray,
        log_weights: np.ndarray,
        bandwidth: np.ndarray,
        kbt: float,
        units: str,
        explain: bool,
        progress: Progress | None = None,
    ) -> "FreeEnergySurface":
        """Return the surface of all samples; their density's error is measured if asked for."""
        h = bandwidth[None, :]
        density.add(samples, h, log_weights=log_weights, progress=progress)
        surface = cls.from_density(density, bandwidth, kbt, units)
        if not explain:
            return surface
        n, error, tail = density.measured_error(samples, h, log_weights=log_weights)
        text = f"{error:.1e} of the density's peak; |dF| {tail:.1e} kBT (at {n} points)"
        return replace(surface, explanation=(*surface.explanation, ("error measured", text)))

    # Using it

    def explain(self) -> str:
        """Return how the sum was computed and why, its error bounds and, where it was measured
        (``explain=True``), its error; empty for a surface that was read."""
        return "\n".join(f"{name}: {text}" for name, text in self.explanation)

    @property
    def minimum(self) -> float:
        """Lowest value of F."""
        return float(np.min(self.values))

    def shifted(self) -> "FreeEnergySurface":
        """Return the surface with its minimum at zero (``--mintozero``); derivatives stay."""
        return replace(self, values=self.values - self.minimum)

    def minima(self) -> list[tuple[tuple[float, ...], float]]:
        """Return the local minima as (position, F), lowest first.

        A grid point is a minimum if none of its up to 3^d - 1 neighbours is lower (the first of
        equal ones counts); edges of a CV that is not periodic qualify.
        """
        lowest = np.isfinite(self.values)
        for offset in np.ndindex(*(3,) * self.grid.n_dims):
            step = np.array(offset) - 1
            if not step.any():
                continue
            neighbour = _moved(self.values, step, self.grid.periodic)
            first = tuple(step) < (0,) * len(step)
            lowest &= (self.values < neighbour) if first else (self.values <= neighbour)
        axes = self.grid.axes
        found = [
            (tuple(float(a[i]) for a, i in zip(axes, index)), float(self.values[tuple(index)]))
            for index in np.argwhere(lowest)
        ]
        return sorted(found, key=lambda minimum: minimum[1])

    def marginal(self, names: Sequence[str], kbt: float | None = None) -> "FreeEnergySurface":
        """Return the projection on some CVs, F(s) = -kBT ln sum exp(-F / kBT) over the others.

        The sum runs over grid points without a volume factor, as ``plumed sum_hills --idw``.
        Raises InputError if ``names`` is not a proper subset of the CVs or kBT is unknown.
        """
        kbt = kbt if kbt is not None else self.kbt
        if kbt is None or not kbt > 0:
            raise InputError(f"a projection needs kbt > 0, got {kbt}")
        grid = self.grid.select(names)
        if len(set(names)) != len(names) or not 0 < len(names) < self.grid.n_dims:
            raise InputError(
                f"a projection takes some, not all, of {', '.join(self.grid.names)}; "
                f"got {', '.join(names)}"
            )
        kept = [self.grid.names.index(name) for name in names]
        others = tuple(i for i in range(self.grid.n_dims) if i not in kept)
        values = -kbt * _log_sum_exp(-self.values / kbt, others)
        order = np.argsort(np.argsort(kept))
        values = np.ascontiguousarray(np.transpose(values, order))
        return FreeEnergySurface(
            grid, values, kbt, None, self.units, "projection", self.computed_on, self.explanation
        )

    # Files and pictures

    def to_dat(self, path: str | PathLike, *, fmt: str = "%14.9f", n_threads: int = 0) -> None:
        """Write PLUMED's grid format; an existing file becomes bck.N.NAME (see gridfile)."""
        gridfile.write_dat(
            path,
            self.grid,
            self.values,
            self.derivatives,
            value_name=self.value_name,
            fmt=fmt,
            n_threads=n_threads,
        )

    def to_cube(self, path: str | PathLike) -> None:
        """Write a Gaussian cube file (3 CVs; see gridfile)."""
        gridfile.write_cube(path, self.grid, self.values, units=self.units)

    def to_npz(self, path: str | PathLike) -> None:
        """Write everything exactly (see gridfile)."""
        gridfile.write_npz(
            path,
            self.grid,
            self.values,
            self.derivatives,
            kbt=self.kbt,
            units=self.units,
            extra={"value_name": self.value_name},
        )

    @classmethod
    def from_dat(
        cls, path: str | PathLike, *, kbt: float | None = None, units: str = "kj/mol"
    ) -> "FreeEnergySurface":
        """Read a file of ``to_dat`` or of PLUMED; such files tell neither kBT nor units."""
        data = gridfile.read_dat(path)
        return cls(data.grid, data.values, kbt, data.derivatives, units, data.value_name)

    @classmethod
    def from_cube(cls, path: str | PathLike, *, kbt: float | None = None) -> "FreeEnergySurface":
        """Read a Gaussian cube file."""
        data = gridfile.read_cube(path)
        return cls(data.grid, data.values, kbt, None, data.units or "kj/mol")

    @classmethod
    def from_npz(cls, path: str | PathLike) -> "FreeEnergySurface":
        """Read a file of ``to_npz``."""
        data = gridfile.read_npz(path)
        name = str(data.extra.get("value_name", "file.free"))
        return cls(data.grid, data.values, data.kbt, data.derivatives, data.units or "kj/mol", name)

    def plot(self, ax: "Axes | None" = None, **kwargs: Any) -> Any:
        """Draw the surface on matplotlib Axes and return them (see plot.plot_surface)."""
        from cyfes.plot import plot_surface

        return plot_surface(self, ax, **kwargs)


def hill_blocks(hills: Hills, grid: Grid, **options: Any) -> Iterator[FreeEnergySurface]:
    """Yield the surface of each density of ``hillsum.hill_densities``, whose options it takes."""
    for density in hill_densities(hills, grid, **options):
        slopes = None if density.derivatives is None else -density.derivatives
        yield FreeEnergySurface(grid, -density.values, derivatives=slopes, **_told_by(density))


def histogram_surface(
    density: Density, kbt: float, *, plumed_compat: bool = False
) -> FreeEnergySurface:
    """Return F = -kBT ln sum K of a density of unit kernels: ``plumed sum_hills --histo``.

    PLUMED writes -kBT / D' for the gradient, -kBT D' / D is right (``plumed_compat``).
    """
    values, slopes = _minus_kbt_log(density, kbt)
    if plumed_compat and density.derivatives is not None:
        with np.errstate(divide="ignore"):
            slopes = -kbt / density.derivatives
    return FreeEnergySurface(density.grid, values, kbt, slopes, **_told_by(density))


def _told_by(density: Density) -> dict[str, Any]:
    """What a density tells a surface about its sum."""
    return {"computed_on": str(density.choice), "explanation": tuple(density.explanation())}


def _positive(what: str, values: Sequence[float] | np.ndarray, n: int) -> np.ndarray:
    array = np.asarray(values, np.float64)
    if array.shape != (n,):
        raise InputError(f"{what} has {array.size} values, expected {n}")
    if not (np.all(array > 0) and np.all(np.isfinite(array))):
        raise InputError(f"{what} must be positive, got {', '.join(f'{x:g}' for x in array)}")
    return array


def _log_weights(n: int, weights: np.ndarray | None, log_weights: np.ndarray | None) -> np.ndarray:
    weights, log_weights = given_weights(n, weights, log_weights)
    if weights is not None:
        if not np.all(weights >= 0):
            raise InputError("weights must not be negative")
        with np.errstate(divide="ignore"):
            log_weights = np.log(weights)
    result = np.zeros(n) if log_weights is None else log_weights
    if not np.any(result > -np.inf):
        raise InputError("weights must not all be zero")
    return result


def _minus_kbt_log(density: Density, kbt: float) -> tuple[np.ndarray, np.ndarray | None]:
    """(-kBT ln values, its gradient); inf and nan where no kernel reaches."""
    if not kbt > 0:
        raise InputError(f"kbt must be positive, got {kbt}")
    sums = density.values.astype(np.float64, copy=False)
    with np.errstate(divide="ignore", invalid="ignore"):
        values = -kbt * np.log(sums)
        slopes = None if density.derivatives is None else -kbt * (density.derivatives / sums)
    return values, slopes


def _log_sum_exp(values: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    peak = values.max(axis=axes, keepdims=True)
    safe = np.where(np.isfinite(peak), peak, 0.0)
    with np.errstate(divide="ignore"):
        total = np.log(np.exp(values - safe).sum(axis=axes, keepdims=True))
    return np.asarray(np.squeeze(total + safe, axis=axes))


def _moved(values: np.ndarray, step: np.ndarray, periodic: Sequence[bool]) -> np.ndarray:
    """values[index + step], inf beyond an edge that does not wrap."""
    moved = np.roll(values, tuple(-step), axis=tuple(range(values.ndim)))
    for axis, (shift, wraps) in enumerate(zip(step, periodic)):
        if shift and not wraps:
            edge = [slice(None)] * values.ndim
            edge[axis] = slice(-1, None) if shift > 0 else slice(0, 1)
            moved[tuple(edge)] = np.inf
    return moved
