"""A free energy surface: what it is, and what can be read off it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from cyfes.errors import InputError
from cyfes.grid import Grid
from cyfes.interpolation import at_fixed, linear
from cyfes.landscape import local_minima, log_sum_exp
from cyfes.provenance import Provenance
from cyfes.surfacefile import SurfaceFiles
from cyfes.units import UNIT_LABELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cyfes.basins import Basins
    from cyfes.comparison import Difference
    from cyfes.pathway import Pathway
    from cyfes.uncertainty import Uncertainty


@dataclass(frozen=True)
class Surface(SurfaceFiles):
    """F on a grid.

    ``grid``; ``values`` float64[grid.shape], inf where no sample is within reach; ``derivatives``
    None or dF/ds, float64[d, *grid.shape]; ``kbt`` None if it was not needed; ``units``
    "kj/mol", "kcal/mol" or "kt". Energies in ``units``, CVs in their own. ``computed_on`` tells
    where the sum was computed and why there, ``explanation`` how (see ``explain``). ``error`` None
    or the standard error of F, float64[grid.shape], inf where F is; ``uncertainty`` what it rests
    on, None for a surface that was read. ``provenance`` None or the files and settings it was made
    from.
    """

    __array_ufunc__ = None  # a number of NumPy + a surface is for the surface to add

    grid: Grid
    values: np.ndarray
    kbt: float | None = None
    derivatives: np.ndarray | None = None
    units: str = "kj/mol"
    value_name: str = "file.free"
    computed_on: str = ""
    explanation: tuple[tuple[str, str], ...] = ()
    error: np.ndarray | None = None
    uncertainty: "Uncertainty | None" = None
    provenance: Provenance | None = None

    def __post_init__(self) -> None:
        if self.values.shape != self.grid.shape:
            raise InputError(f"values have shape {self.values.shape}, expected {self.grid.shape}")
        if self.error is not None and self.error.shape != self.grid.shape:
            raise InputError(f"errors have shape {self.error.shape}, expected {self.grid.shape}")

    # Using it

    def explain(self) -> str:
        """Return how the sum was computed and why, its error bounds and, where it was measured
        (``explain=True``), its error; empty for a surface that was read."""
        return "\n".join(f"{name}: {text}" for name, text in self.explanation)

    @property
    def n_unreached(self) -> int:
        """Number of points where F is not finite: no kernel reaches them."""
        return self.grid.size - int(np.count_nonzero(np.isfinite(self.values)))

    @property
    def minimum(self) -> float:
        """Lowest finite value of F; inf if there is none."""
        return float(np.min(self.values, where=np.isfinite(self.values), initial=np.inf))

    def interval(self, level: float = 0.95) -> np.ndarray:
        """Return half the width of the interval of F that holds the truth in a share ``level``.

        Standard errors times Student's t. Raises InputError for a surface without blocks.
        """
        uncertainty = self._blocks("an interval")
        return np.asarray(self.error) * uncertainty.quantile(level)

    def error_of_difference(self, reference: Sequence[float]) -> np.ndarray:
        """Return the standard error of F(s) - F(reference), float64[grid.shape], inf where F is.

        Of the grid point nearest to the ``reference``, one number per CV, where it is zero: what
        both points share cancels. From the influence D_b(s) / D(s) - D_b(ref) / D(ref) of each
        block (see BlockSums). Errors as ``interval``, and InputError for a reference where F is
        inf or of another number of CVs.
        """
        found = self._blocks("the error of a difference")
        at = self.grid.index_of(reference)
        if not np.isfinite(self.values[at]):
            raise InputError(f"no frame is within reach of the reference {tuple(reference)}")
        with np.errstate(invalid="ignore"):
            error = (self.kbt or 1.0) * found.relative_error_from(at)
        return np.where(np.isfinite(self.values), error, np.inf)

    def halves(self) -> tuple[np.ndarray, np.ndarray]:
        """Return F of the first and of the second half of the blocks; errors as ``interval``."""
        n = len(self._blocks("halves").blocks) // 2
        return self._part(slice(0, n)), self._part(slice(n, None))

    def running(self) -> Iterator[np.ndarray]:
        """Yield F of the first block, of the first two, ... of all; errors as ``interval``."""
        for k in range(len(self._blocks("a running estimate").blocks)):
            yield self._part(slice(0, k + 1))

    def replicas(self, n: int, seed: int = 0) -> np.ndarray:
        """Return F of ``n`` bootstrap replicas of the blocks, float64[n, *grid.shape].

        Errors as ``interval``, and InputError for fewer than one.
        """
        if n < 1:
            raise InputError(f"expected at least 1 replica, got {n}")
        blocks, kbt = self._blocks("replicas").blocks, self.kbt or 1.0
        free = np.empty((n, self.grid.size))
        for points, logs in blocks.replicas(n, seed):
            free[:, points] = self.values.ravel()[points] - kbt * logs
        free[np.isnan(free)] = np.inf
        return free.reshape(n, *self.grid.shape)

    def _part(self, rows: slice) -> np.ndarray:
        blocks, kbt = self._blocks("a part").blocks, self.kbt or 1.0
        with np.errstate(divide="ignore", invalid="ignore"):
            free = self.values - kbt * np.log(blocks.mean(rows) / blocks.mean())
        return np.where(np.isnan(free), np.inf, free)

    def _blocks(self, what: str) -> "Uncertainty":
        if self.uncertainty is None:
            raise InputError(f"{what} needs a surface made with error=True")
        return self.uncertainty

    def shifted(self) -> Self:
        """Return the surface with its minimum at zero (``--mintozero``).

        Derivatives and points that are not finite stay.
        """
        lowest = self.minimum
        return replace(self, values=self.values - (lowest if np.isfinite(lowest) else 0.0))

    def relative_to(self, reference: Sequence[float] | None = None) -> Self:
        """Return F(s) - F(reference), with the errors of these differences if F has errors.

        Of the grid point nearest to the ``reference``, one number per CV; None: the lowest point.
        Raises InputError as ``error_of_difference``, and for a surface whose errors were read.
        """
        at = self.place_of(reference)
        point = [float(axis[i]) for axis, i in zip(self.grid.axes, at)]
        if not np.isfinite(self.values[at]):
            raise InputError(f"F is not finite at the reference {tuple(point)}")
        error = None if self.error is None else self.error_of_difference(point)
        told = ", ".join(f"{name}={x:g}" for name, x in zip(self.grid.names, point))
        made = self._then("reference", told)
        return replace(self, values=self.values - self.values[at], error=error, provenance=made)

    def radial(self, name: str) -> Self:
        """Return F + 2 kBT ln r of the CV ``name``, a distance r, up to a constant.

        F tells the probability per distance, of which a larger sphere has more room; this is of
        the probability per volume, and flat where nothing acts. Where r <= 0 it is inf.
        Raises InputError for a CV that there is not, a periodic one, or an unknown kBT.
        """
        if name not in self.grid.names:
            names = ", ".join(self.grid.names)
            raise InputError(f"no CV {name!r} to be radial, only {names}")
        i = self.grid.names.index(name)
        if self.grid.periodic[i]:
            raise InputError(f"{name} is periodic, and no distance")
        if self.kbt is None:
            raise InputError("2 kBT ln r needs kbt")
        axis = self.grid.axes[i].reshape([-1 if k == i else 1 for k in range(self.grid.n_dims)])
        with np.errstate(divide="ignore", invalid="ignore"):
            jacobian = np.where(axis > 0, 2 * self.kbt * np.log(axis), np.inf)
        slopes = self.derivatives
        if slopes is not None:
            slopes = slopes.copy()
            slopes[i] += 2 * self.kbt / np.where(axis > 0, axis, np.inf)
        return replace(
            self,
            values=self.values + jacobian,
            derivatives=slopes,
            error=None if self.error is None else np.where(axis > 0, self.error, np.inf),
            provenance=self._then("radial", f"F + 2 kBT ln {name}"),
        )

    def place_of(self, reference: Sequence[float] | None = None) -> tuple[int, ...]:
        """Return the index of the grid point nearest to a position; None: of the lowest point.

        Raises InputError for another number of CVs, or a position off the grid.
        """
        if reference is not None:
            return self.grid.index_of(reference)
        lowest = np.where(np.isfinite(self.values), self.values, np.inf).argmin()
        return tuple(int(i) for i in np.unravel_index(lowest, self.grid.shape))

    def scaled(self, factor: float, units: str) -> Self:
        """Return the surface with all its energies times ``factor``, in another unit."""
        slopes = self.derivatives
        return replace(
            self,
            values=self.values * factor,
            derivatives=None if slopes is None else slopes * factor,
            error=None if self.error is None else self.error * factor,
            kbt=None if self.kbt is None else self.kbt * factor,
            units=units,
        )

    def __call__(self, points: Sequence[float] | np.ndarray) -> np.ndarray:
        """Return F at any ``points`` float64[..., d], or float64[...] of one CV: float64[...].

        Multilinear between the points of the grid, and exact at these; inf where one of those
        around is out of reach. What is summed without a grid is ``Hills.free_energy``.
        Raises InputError for a point outside the grid or another shape.
        """
        places = np.asarray(points, np.float64)
        if self.grid.n_dims == 1 and (places.ndim == 0 or places.shape[-1] != 1):
            places = places[..., None]
        if places.ndim == 0 or places.shape[-1] != self.grid.n_dims:
            raise InputError(
                f"points must be [..., {self.grid.n_dims}] ({', '.join(self.grid.names)}), got an "
                f"array of shape {np.shape(points)}"
            )
        flat = places.reshape(-1, self.grid.n_dims)
        return linear(self.grid, self.values, flat).reshape(places.shape[:-1])

    def __add__(self, other: "Surface | float") -> Self:
        """Return the sum with a number, or with a surface on the same grid in the same unit.

        F is inf where either is. Errors, which depend on whether the two share frames, are left
        out. Raises InputError for another grid, unit or kBT.
        """
        return self._plus(other, 1.0)

    def __radd__(self, other: float) -> Self:
        """Return the sum with a number."""
        return self._plus(other, 1.0)

    def __sub__(self, other: "Surface | float") -> Self:
        """Return the difference, as ``+``; ``difference`` also aligns, converts and compares."""
        return self._plus(other, -1.0)

    def _plus(self, other: "Surface | float", sign: float) -> Self:
        if not isinstance(other, Surface):
            return replace(self, values=self.values + sign * float(other))
        if not self.grid.agrees_with(other.grid):
            raise InputError(
                f"the surfaces have different grids: {self.grid}; {other.grid}; "
                "difference(other, interpolate=True) interpolates"
            )
        if self.units != other.units:
            raise InputError(
                f"the surfaces are in {UNIT_LABELS[self.units]} and {UNIT_LABELS[other.units]}; "
                "difference(other) converts"
            )
        known = np.isfinite(self.values) & np.isfinite(other.values)
        slopes = None
        if self.derivatives is not None and other.derivatives is not None:
            slopes = self.derivatives + sign * other.derivatives
        kbt = self.kbt if self.kbt == other.kbt else None
        total = np.full(self.grid.shape, np.inf)
        np.add(self.values, sign * other.values, out=total, where=known)
        return type(self)(self.grid, total, kbt, slopes, self.units, provenance=self.provenance)

    def difference(
        self, other: "Surface", *, below: float | None = None, interpolate: bool = False
    ) -> "Difference":
        """Return how this surface differs from another one, up to a constant.

        See comparison.difference.
        """
        from cyfes.comparison import difference

        return difference(self, other, below=below, interpolate=interpolate)

    def minima(
        self, persistence: float = 0.0, kbt: float | None = None
    ) -> list[tuple[tuple[float, ...], float]]:
        """Return the local minima as (position of the grid point, F), lowest first.

        Those that lie less than ``persistence`` kT below the pass to a lower one are left out, by
        default none (see basins.find_basins); edges of a CV that is not periodic qualify.
        ``kbt`` as for ``basins``.
        """
        if persistence:
            found = self.basins(persistence, kbt)
            axes = self.grid.axes
            return [
                (tuple(float(a[i]) for a, i in zip(axes, m.index)), m.value) for m in found.minima
            ]
        return local_minima(self.grid, self.values)

    def basins(self, persistence: float = 0.5, kbt: float | None = None) -> "Basins":
        """Return the minima, their basins and the saddles between them (see basins.find_basins).

        ``persistence`` in kT: a minimum that is less deep is none; ``kbt`` None: the surface's.
        """
        from cyfes.basins import find_basins

        return find_basins(self, persistence, kbt)

    def path(self, a: Any, b: Any, **options: Any) -> "Pathway":
        """Return the minimum free energy path between two minima or points (needs scipy).

        ``a``, ``b`` and ``options`` as for pathway.find_path.
        """
        from cyfes.pathway import find_path

        return find_path(self, a, b, **options)

    def marginal(self, names: Sequence[str], kbt: float | None = None) -> Self:
        """Return the projection on some CVs, F(s) = -kBT ln sum exp(-F / kBT) over the others.

        The sum runs over grid points without a volume factor, as ``plumed sum_hills --idw``. Errors
        are those of the blocks' own projections; without blocks, as of a file, they are not known.
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
        values = -kbt * log_sum_exp(-self.values / kbt, others)
        order = np.argsort(np.argsort(kept))
        values = np.ascontiguousarray(np.transpose(values, order))
        uncertainty = None
        if self.uncertainty is not None and kbt == self.kbt:
            uncertainty = self.uncertainty.summed(others, order)
        return type(self)(
            grid,
            values,
            kbt,
            None,
            self.units,
            "projection",
            self.computed_on,
            self.explanation,
            None if uncertainty is None else kbt * uncertainty.relative_error(),
            uncertainty,
            provenance=self._then("projected on", ", ".join(names)),
        )

    def project(self, names: Sequence[str], kbt: float | None = None) -> Self:
        """Return F(s) = -kBT ln integral exp(-F / kBT) over all CVs but ``names``.

        ``marginal`` with the volume of the grid's steps, so that the integral of exp(-F / kBT)
        stays what it was: 1 for frames. Errors as ``marginal``.
        """
        found = self.marginal(names, kbt)
        volume = self.grid.bin_volume / found.grid.bin_volume
        return replace(found, values=found.values - (found.kbt or 1.0) * np.log(volume))

    def slice(self, at: Mapping[str, float]) -> Self:
        """Return F of the other CVs where some have the values ``at``: a cut, nothing is averaged.

        Linear between the points of the grid, errors too, which is an upper bound of them there.
        Raises InputError for a CV or value that is not on the grid, or if none or all are fixed.
        """
        unknown = [name for name in at if name not in self.grid.names]
        if unknown or not 0 < len(at) < self.grid.n_dims:
            raise InputError(
                f"a slice fixes some, not all, of {', '.join(self.grid.names)}; got "
                f"{', '.join(at) or 'none'} (fes(points) gives F at points)"
            )
        kept = [name for name in self.grid.names if name not in at]
        slopes = None
        if self.derivatives is not None:
            along = [self.derivatives[self.grid.names.index(name)] for name in kept]
            slopes = np.stack([at_fixed(self.grid, slope, at) for slope in along])
        where = ", ".join(f"{name}={value:.10g}" for name, value in at.items())
        return replace(
            self,
            grid=self.grid.select(kept),
            values=at_fixed(self.grid, self.values, at),
            derivatives=slopes,
            value_name="slice",
            error=None if self.error is None else at_fixed(self.grid, self.error, at),
            uncertainty=None,
            provenance=self._then("slice at", where),
        )

    def _then(self, name: str, value: str) -> Provenance | None:
        return None if self.provenance is None else self.provenance.then((name, value))

    # Other tools and pictures

    def to_xarray(self) -> Any:
        """Return an xarray.Dataset (see export; needs xarray)."""
        from cyfes.export import to_xarray

        return to_xarray(self)

    def to_dataframe(self) -> Any:
        """Return a pandas.DataFrame, one row per point (see export; needs pandas)."""
        from cyfes.export import to_dataframe

        return to_dataframe(self)

    def _repr_html_(self) -> str:
        from cyfes.export import to_html

        return to_html(self)

    def plot(self, ax: "Axes | None" = None, **kwargs: Any) -> Any:
        """Draw the surface on matplotlib Axes and return them (see plot.plot_surface)."""
        from cyfes.plot import plot_surface

        return plot_surface(self, ax, **kwargs)
