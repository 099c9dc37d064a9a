"""Two surfaces side by side: the constant between them, and where they differ."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cyfes.errors import InputError
from cyfes.grid import ROUNDING
from cyfes.interpolation import linear
from cyfes.surface import Surface
from cyfes.units import UNIT_LABELS, conversion

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False)
class Difference:
    """A - B - c at the points where both are known, c the mean of A - B over those compared.

    ``surface`` holds A - B - c, inf where one of the two is not known, on the grid of A and in its
    unit; its ``error`` is that of independent runs, sqrt(a^2 + b^2), None where one has none.
    ``compared`` bool[grid.shape]: the points that ``constant``, ``rms`` and ``largest`` are of.
    """

    surface: Surface
    compared: np.ndarray
    constant: float

    @property
    def rms(self) -> float:
        """Root of the mean square of A - B - c."""
        return float(np.sqrt(np.mean(self.surface.values[self.compared] ** 2)))

    @property
    def largest(self) -> tuple[tuple[float, ...], float]:
        """(position, A - B - c) where the difference is largest in size."""
        sizes = np.where(self.compared, np.abs(self.surface.values), -1.0)
        at = np.unravel_index(int(np.argmax(sizes)), sizes.shape)
        axes = self.surface.grid.axes
        position = tuple(float(axis[i]) for axis, i in zip(axes, at))
        return position, float(self.surface.values[at])

    @property
    def beyond_errors(self) -> float | None:
        """Share of the points compared that differ by more than two errors; None without errors.

        5 % do by chance; c itself, taken from the same points, is not counted as uncertain.
        """
        if self.surface.error is None:
            return None
        sizes = np.abs(self.surface.values[self.compared])
        return float(np.mean(sizes > 2 * self.surface.error[self.compared]))

    def scaled(self, factor: float, units: str) -> "Difference":
        """Return the same with all energies times ``factor``, in another unit."""
        surface = self.surface.scaled(factor, units)
        return replace(self, surface=surface, constant=self.constant * factor)

    def lines(self) -> list[tuple[str, str]]:
        """Return report lines."""
        unit, grid = UNIT_LABELS[self.surface.units], self.surface.grid
        position, value = self.largest
        where = " ".join(f"{name}={x:.4g}" for name, x in zip(grid.names, position))
        lines = [
            ("points compared", f"{int(self.compared.sum())} of {grid.size}"),
            ("constant", f"{self.constant:.6g} {unit}, the mean of A - B, taken off"),
            ("RMS difference", f"{self.rms:.4g} {unit}"),
            ("largest", f"{value:.4g} {unit} at {where}"),
        ]
        share = self.beyond_errors
        if share is not None:
            text = f"{share:.1%} of the points; 5 % by chance, if the runs are independent"
            lines.append(("beyond 2 errors", text))
        return lines

    def table(self) -> str:
        """Return the figures as text."""
        return "\n".join(f"{name:<16} {value}" for name, value in self.lines())

    def plot(self, ax: "Axes | None" = None, **kwargs: Any) -> Any:
        """Draw A - B - c of the points compared and return the Axes (see plot.plot_difference)."""
        from cyfes.plot import plot_difference

        return plot_difference(self.drawn, ax, **kwargs)

    @property
    def drawn(self) -> Surface:
        """The surface of the points compared alone: others may differ by far more."""
        return replace(self.surface, values=np.where(self.compared, self.surface.values, np.inf))


def difference(
    a: Surface, b: Surface, *, below: float | None = None, interpolate: bool = False
) -> Difference:
    """Return how ``a`` differs from ``b``, whose unit is converted to that of ``a``.

    The points compared are those where both are finite and, with ``below``, both lie less than so
    much above their own minimum (in the unit of ``a``). ``b`` must be on the grid of ``a``, or is
    interpolated there linearly (``interpolate``); points of ``a`` off its grid are not known then.
    Raises InputError for other CVs or grids, for units without a kBT between them, and where no
    point can be compared.
    """
    other = converted(b, a)
    values, errors = _on_grid_of(a, other, interpolate)
    known = np.isfinite(a.values) & np.isfinite(values)
    compared = known.copy()
    if below is not None:
        for each in (a.values, values):
            lowest = each.min(where=known, initial=np.inf)
            compared &= np.where(known, each, np.inf) - lowest < below
    if not compared.any():
        limit = "" if below is None else f" below {below:g} {UNIT_LABELS[a.units]}"
        raise InputError(f"no point{limit} is known on both surfaces: nothing to compare")
    off = np.where(known, a.values, 0.0) - np.where(known, values, 0.0)
    constant = float(off[compared].mean())
    error = None
    if a.error is not None and errors is not None:
        error = np.where(known, np.hypot(a.error, errors), np.inf)
    found = Surface(
        a.grid,
        np.where(known, off - constant, np.inf),
        a.kbt,
        units=a.units,
        value_name="difference",
        error=error,
        provenance=a.provenance,
    )
    return Difference(found, compared, constant)


def converted(surface: Surface, like: Surface) -> Surface:
    """Return a surface in the energy unit of another; kBT, where it is needed, of either.

    Raises InputError if neither tells it.
    """
    if surface.units == like.units:
        return surface
    kbt = like.kbt if surface.units == "kt" else surface.kbt
    if "kt" in (surface.units, like.units) and kbt is None:
        raise InputError(
            f"{UNIT_LABELS[surface.units]} to {UNIT_LABELS[like.units]} needs kBT, which neither "
            "surface tells: give --temp (kbt= in Python)"
        )
    return surface.scaled(conversion(surface.units, like.units, kbt), like.units)


def _on_grid_of(a: Surface, b: Surface, interpolate: bool) -> tuple[np.ndarray, np.ndarray | None]:
    """(F, error or None) of ``b`` at the points of ``a``."""
    if a.grid.agrees_with(b.grid):
        return b.values, b.error
    if set(a.grid.names) != set(b.grid.names):
        raise InputError(
            f"the surfaces have different CVs, {', '.join(a.grid.names)} and "
            f"{', '.join(b.grid.names)}; project reduces one to fewer"
        )
    if not interpolate:
        raise InputError(
            f"the surfaces have different grids: {a.grid}; {b.grid}. Make both with the same "
            "--min, --max and --bin, or interpolate the second one (--interpolate)"
        )
    periods = [dict(zip(grid.names, grid.period)) for grid in (a.grid, b.grid)]
    for name, period in periods[0].items():
        if not np.isclose(period, periods[1][name], rtol=ROUNDING, atol=0):
            raise InputError(
                f"{name} has the period {period:g} on one surface and {periods[1][name]:g} on the "
                "other (0: none); is it in other units?"
            )
    mesh = dict(zip(a.grid.names, np.meshgrid(*a.grid.axes, indexing="ij")))
    points = np.stack([mesh[name].ravel() for name in b.grid.names], axis=1)
    inside = b.grid.encloses(points.T)
    fields = []
    for field in (b.values, b.error):
        found = np.full(len(points), np.inf)
        if field is not None:
            found[inside] = linear(b.grid, field, points[inside])
        fields.append(found.reshape(a.grid.shape))
    return fields[0], None if b.error is None else fields[1]
