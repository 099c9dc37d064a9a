"""Regular grids of collective variables."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cyfes.errors import GridTooLargeError, InputError
from cyfes.grid.memory import free_memory

MAX_DIMS = 4

#: How far the bounds of equal grids may be apart, as printed, relative to the range of the CV.
ROUNDING = 1e-6

#: Bytes that are not worth a look at the free memory.
SMALL = 1 << 24


def arrays_of_surface(n_slopes: int) -> int:
    """Return how many arrays a surface with so many derivatives takes while it is made.

    A density, what comes of it, and two to work with (measured in three dimensions).
    """
    return 2 * (1 + n_slopes) + 2


@dataclass(frozen=True)
class Grid:
    """A regular grid over 1 to 4 collective variables (CVs).

    Point ``i`` along a CV lies at ``lower + i * spacing``. A periodic CV spans exactly one period,
    ``[lower, upper)``, and has as many points as bins; any other CV includes both bounds and has
    one point more than bins (PLUMED's convention).

    Parameters: ``names``, ``lower``, ``upper`` (CV units), ``shape`` (points), ``periodic``: one
    entry a CV. ``bounds_text`` keeps the bounds as they were written (``-pi``), for file headers.

    Raises InputError if the entries disagree in number, a bound is not finite, ``lower >= upper``
    or there is no bin.
    """

    names: tuple[str, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    shape: tuple[int, ...]
    periodic: tuple[bool, ...]
    bounds_text: tuple[tuple[str, str], ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        if not 1 <= self.n_dims <= MAX_DIMS:
            raise InputError(f"a grid has 1 to {MAX_DIMS} CVs, got {self.n_dims}")
        for what in ("lower", "upper", "shape", "periodic"):
            if len(getattr(self, what)) != self.n_dims:
                raise InputError(
                    f"{what} has {len(getattr(self, what))} entries for {self.n_dims} CVs"
                )
        for name, low, high, n_points, wraps in zip(
            self.names, self.lower, self.upper, self.shape, self.periodic, strict=True
        ):
            if not (math.isfinite(low) and math.isfinite(high)):
                raise InputError(f"bounds of {name} must be finite, got {low} and {high}")
            if low >= high:
                raise InputError(f"min must be less than max for {name}, got {low} and {high}")
            if n_points < (1 if wraps else 2):
                raise InputError(f"number of bins of {name} must be at least 1")
        if not self.bounds_text:
            text = tuple((f"{a:.15g}", f"{b:.15g}") for a, b in zip(self.lower, self.upper))
            object.__setattr__(self, "bounds_text", text)

    @classmethod
    def from_bins(
        cls,
        names: Sequence[str],
        lower: Sequence[float],
        upper: Sequence[float],
        bins: Sequence[int],
        periodic: Sequence[bool],
        bounds_text: Sequence[tuple[str, str]] = (),
    ) -> "Grid":
        """Return the grid with ``bins`` intervals between ``lower`` and ``upper`` of each CV."""
        for name, count in zip(names, bins):
            if count < 1:
                raise InputError(f"number of bins of {name} must be at least 1, got {count}")
        shape = tuple(int(n) + (not wraps) for n, wraps in zip(bins, periodic, strict=True))
        return cls(
            tuple(names),
            tuple(map(float, lower)),
            tuple(map(float, upper)),
            shape,
            tuple(map(bool, periodic)),
            tuple(bounds_text),
        )

    @property
    def n_dims(self) -> int:
        """Number of CVs."""
        return len(self.names)

    @property
    def size(self) -> int:
        """Number of points."""
        return math.prod(self.shape)

    @property
    def bins(self) -> tuple[int, ...]:
        """Number of intervals along each CV."""
        return tuple(n - (not wraps) for n, wraps in zip(self.shape, self.periodic))

    @property
    def lengths(self) -> np.ndarray:
        """Distance of the bounds of each CV, float64[n_dims]."""
        return np.asarray(np.array(self.upper) - np.array(self.lower))

    @property
    def spacing(self) -> np.ndarray:
        """Distance of neighbouring points along each CV, float64[n_dims]."""
        return np.asarray(self.lengths / np.array(self.bins))

    @property
    def period(self) -> np.ndarray:
        """Period of each CV, 0 where it is not periodic, float64[n_dims]."""
        return np.where(self.periodic, self.lengths, 0.0)

    @property
    def axes(self) -> list[np.ndarray]:
        """Coordinates along each CV: a list of float64[shape[i]]."""
        return [
            low + np.arange(n) * step for low, n, step in zip(self.lower, self.shape, self.spacing)
        ]

    @property
    def bin_volume(self) -> float:
        """Product of the spacings."""
        return float(np.prod(self.spacing))

    def agrees_with(self, other: "Grid") -> bool:
        """Return whether ``other`` has the same points, up to the rounding of printed bounds."""
        if (self.names, self.shape, self.periodic) != (other.names, other.shape, other.periodic):
            return False
        room = ROUNDING * (np.array(self.upper) - np.array(self.lower))
        ends = ((self.lower, other.lower), (self.upper, other.upper))
        return all(bool(np.all(np.abs(np.subtract(a, b)) <= room)) for a, b in ends)

    def check_periods(self, names: Sequence[str], periods: Sequence[float] | np.ndarray) -> None:
        """Raise InputError if data have another period (0: none is told) of a CV than this grid."""
        for name, own in zip(self.names, self.period):
            told = float(periods[list(names).index(name)])
            if own and told and abs(told - own) > ROUNDING * own:
                raise InputError(
                    f"{name} has the period {told:.6g} in the data and {own:.6g} on the grid; is "
                    "one of them in other units?"
                )

    def encloses(self, columns: Iterable[np.ndarray]) -> np.ndarray:
        """Return the mask of places, float64[n] for each CV, within the bounds; both belong to it.

        A CV that is periodic has no bound.
        """
        inside: Any = True
        for column, low, high, wraps in zip(
            columns, self.lower, self.upper, self.periodic, strict=True
        ):
            within = np.isfinite(column) if wraps else (column >= low) & (column <= high)
            inside = inside & within
        return np.asarray(inside)

    def nearest(self, columns: Sequence[np.ndarray]) -> np.ndarray:
        """Return the flat index of the point nearest to each place, int64[n]; -1 off the grid.

        ``columns``: the CVs of the places, float64[n] each. A place off the grid lies more than
        half a step beyond a bound of a CV that is not periodic, or is not finite.
        """
        flat, inside = np.zeros(len(columns[0]), np.int64), np.ones(len(columns[0]), bool)
        for column, low, step, n, wraps in zip(
            columns, self.lower, self.spacing, self.shape, self.periodic, strict=True
        ):
            with np.errstate(invalid="ignore"):
                steps = np.rint((column - low) / step)
                steps = steps % n if wraps else steps
                inside &= (steps >= 0) & (steps < n)  # nan is neither
            flat = flat * n + np.where(inside, steps, 0).astype(np.int64)
        return np.where(inside, flat, -1)

    def index_of(self, position: Sequence[float]) -> tuple[int, ...]:
        """Return the index of the point nearest to a position, one number per CV.

        Raises InputError for another number of CVs, or a position off the grid.
        """
        if len(position) != self.n_dims:
            raise InputError(f"a position has {self.n_dims} numbers, got {len(position)}")
        flat = int(self.nearest([np.array([float(x)]) for x in position])[0])
        if flat < 0:
            told = ", ".join(f"{name}={x:g}" for name, x in zip(self.names, position))
            raise InputError(f"{told} lies off the grid {self}")
        return tuple(int(i) for i in np.unravel_index(flat, self.shape))

    def __str__(self) -> str:
        return ", ".join(
            f"{name} [{low}, {high}] {n} points{' periodic' if wraps else ''}"
            for name, (low, high), n, wraps in zip(
                self.names, self.bounds_text, self.shape, self.periodic
            )
        )

    def select(self, names: Sequence[str]) -> "Grid":
        """Return the grid of only the CVs in ``names``, in that order.

        Raises InputError for a name that is not a CV of this grid.
        """
        for name in names:
            if name not in self.names:
                raise InputError(f"unknown CV {name!r}; this grid has {', '.join(self.names)}")
        index = [self.names.index(name) for name in names]

        def pick(values: tuple) -> tuple:
            return tuple(values[i] for i in index)

        return Grid(
            pick(self.names),
            pick(self.lower),
            pick(self.upper),
            pick(self.shape),
            pick(self.periodic),
            pick(self.bounds_text),
        )

    def check_memory(self, n_arrays: int, itemsize: int = 8) -> None:
        """Raise GridTooLargeError if ``n_arrays`` arrays on this grid exceed the free memory."""
        needed = self.size * n_arrays * itemsize
        if needed <= SMALL or needed <= (free := free_memory()):
            return
        most = free // (2 * 8 * arrays_of_surface(self.n_dims))
        raise GridTooLargeError(
            f"a grid of {' x '.join(map(str, self.shape))} points needs {needed / 2**30:.3g} GiB, "
            f"{free / 2**30:.3g} GiB are free; bins that fit: {self.fitting_bins(most)}"
        )

    def fitting_bins(self, most: int) -> str:
        """Return bins of each CV, separated by commas, that make ``most`` points, if possible.

        The CVs with the most points give way first.
        """
        points, left = list(self.shape), float(most)
        for rank, i in enumerate(sorted(range(self.n_dims), key=lambda i: self.shape[i])):
            share = left ** (1 / (self.n_dims - rank))
            points[i] = max(2 - self.periodic[i], min(points[i], int(share)))
            left = max(left / points[i], 1.0)
        return ",".join(str(n - (not wraps)) for n, wraps in zip(points, self.periodic))
