"""Regions of CVs, boxes or parts of a grid, and which frames or grid points lie in them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cyfes.errors import InputError, quoted
from cyfes.grid import MAX_DIMS, Grid
from cyfes.units import parse_number

#: What a frame is labelled with.
A, B, NEITHER = 0, 1, 2


@dataclass(frozen=True)
class Region:
    """A union of boxes, each {CV: (low, high)} with low <= CV < high.

    Of a periodic CV low > high reaches across the end of the period.
    """

    boxes: tuple[dict[str, tuple[float, float]], ...]

    @classmethod
    def parse(cls, texts: Sequence[str], option: str) -> "Region":
        """Return the union of boxes such as "phi=0:2.3,psi=-pi:0"; an open end is left out.

        Raises InputError that names ``option``.
        """
        return cls(tuple(_box(text, option) for text in texts))

    @property
    def names(self) -> tuple[str, ...]:
        """The CVs, in the order in which they are named."""
        return tuple(dict.fromkeys(name for box in self.boxes for name in box))

    def contains(
        self, names: Sequence[str], columns: Sequence[np.ndarray], periods: Sequence[float]
    ) -> np.ndarray:
        """Return the mask of points inside: ``columns`` float64[n] and periods (0: none) by CV.

        Raises InputError for low >= high of a CV that is not periodic.
        """
        inside = np.zeros(len(columns[0]), bool)
        for box in self.boxes:
            here = np.ones(len(columns[0]), bool)
            for name, bounds in box.items():
                i = list(names).index(name)
                here &= _between(name, columns[i], *bounds, float(periods[i]))
            inside |= here
        return inside

    def __str__(self) -> str:
        return " or ".join(
            ", ".join(f"{low:.6g} <= {name} < {high:.6g}" for name, (low, high) in box.items())
            for box in self.boxes
        )


@dataclass(frozen=True, eq=False)
class GridRegion:
    """The places whose nearest point of a ``grid`` is in ``mask``, bool[grid.shape].

    ``text`` says which these are. What lies off the grid is not inside.
    """

    grid: Grid
    mask: np.ndarray
    text: str

    @property
    def names(self) -> tuple[str, ...]:
        """The CVs of the grid."""
        return self.grid.names

    def contains(
        self, names: Sequence[str], columns: Sequence[np.ndarray], periods: Sequence[float]
    ) -> np.ndarray:
        """Return the mask of points inside, as ``Region.contains``.

        Raises InputError if a CV has another period than on the grid.
        """
        self.grid.check_periods(names, periods)
        nearest = self.grid.nearest([columns[list(names).index(name)] for name in self.names])
        return np.asarray((nearest >= 0) & self.mask.ravel()[nearest])

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class TwoRegions:
    """A and B, of which one may be everything that is not in the other."""

    a: Region | GridRegion | None
    b: Region | GridRegion | None

    def __post_init__(self) -> None:
        if self.a is None and self.b is None:
            raise InputError(
                "give a region, --a or --b, as in --b 'phi=0:2.3'; the other is the rest"
            )
        if len(self.names) > MAX_DIMS:
            raise InputError(f"regions take at most {MAX_DIMS} CVs, got {', '.join(self.names)}")

    @property
    def names(self) -> tuple[str, ...]:
        """The CVs of both."""
        both = [region.names for region in (self.a, self.b) if region is not None]
        return tuple(dict.fromkeys(name for names in both for name in names))

    def labels(self, columns: Sequence[np.ndarray], periods: Sequence[float]) -> np.ndarray:
        """Return A, B or NEITHER of points, int64[n]: ``columns`` and periods of ``names``.

        Raises InputError if a point is in both.
        """
        in_a, in_b = (
            None if region is None else region.contains(self.names, columns, periods)
            for region in (self.a, self.b)
        )
        if in_a is None or in_b is None:
            inside = in_a if in_a is not None else ~np.asarray(in_b)
            return np.where(inside, A, B)
        if np.any(in_a & in_b):
            at = int(np.argmax(in_a & in_b))
            where = ", ".join(f"{n}={c[at]:.6g}" for n, c in zip(self.names, columns))
            raise InputError(f"the regions --a and --b overlap: {where} is in both")
        return np.where(in_a, A, np.where(in_b, B, NEITHER))

    def __str__(self) -> str:
        return f"A: {self.a or 'all that is not in B'}; B: {self.b or 'all that is not in A'}"


def _box(text: str, option: str) -> dict[str, tuple[float, float]]:
    box = {}
    for part in text.split(","):
        name, equals, interval = part.rpartition("=")
        low, colon, high = interval.partition(":")
        name = name.strip()
        if not (equals and colon and name):
            raise InputError(
                f"{option}: {quoted(part)} is no CV=LOW:HIGH, as in {option} 'phi=0:2.3,psi=-pi:0'"
            )
        if name in box:
            raise InputError(f"{option}: {name} stands twice in {quoted(text)}; repeat {option}")
        box[name] = (
            parse_number(low, f"{option} {name}") if low.strip() else -math.inf,
            parse_number(high, f"{option} {name}") if high.strip() else math.inf,
        )
    return box


def _between(name: str, values: np.ndarray, low: float, high: float, period: float) -> np.ndarray:
    """Mask of low <= value < high, modulo the period of a CV that has one."""
    if period:
        if not (math.isfinite(low) and math.isfinite(high)):
            raise InputError(
                f"region {name}={low:g}:{high:g}: {name} is periodic and has no end; give LOW:HIGH"
            )
        width = high - low
        if width < 0:
            width += period * math.ceil(-width / period)
        if not 0 < width <= period * (1 + 1e-9):
            raise InputError(
                f"region {name}={low:g}:{high:g}: expected a part of the period {period:g}"
            )
        return np.asarray((values - low) % period < width)
    if not low < high:
        raise InputError(
            f"region {name}={low:g}:{high:g}: low must be below high, as {name} is not periodic; "
            f"give two boxes, {name}={low:g}: and {name}=:{high:g}, or, of frames, --period"
        )
    return np.asarray((values >= low) & (values < high))
