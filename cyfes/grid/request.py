"""What a user asks of a grid, and the grid that it and the data lead to."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cyfes.errors import InputError
from cyfes.grid.grid import Grid
from cyfes.units import parse_number

#: Steps along a CV beyond which no computer has a grid.
MOST_STEPS = 1e15


@dataclass(frozen=True)
class GridRequest:
    """What a user asks of a grid: each None or one entry a CV; bounds as text or numbers."""

    lower: Sequence[str | float] | None = None
    upper: Sequence[str | float] | None = None
    bins: Sequence[int] | None = None
    spacing: Sequence[float] | None = None

    def check(self, names: Sequence[str]) -> None:
        """Raise InputError unless the entries fit ``names`` and each other."""
        if (self.lower is None) != (self.upper is None):
            given, missing = ("min", "max") if self.upper is None else ("max", "min")
            raise InputError(f"--{given} without --{missing}: give both or neither")
        if self.spacing is not None and self.lower is None:
            raise InputError("--spacing needs --min and --max; give them, or --bin alone")
        for what, values in (
            ("min", self.lower),
            ("max", self.upper),
            ("bin", self.bins),
            ("spacing", self.spacing),
        ):
            if values is not None and len(values) != len(names):
                raise InputError(
                    f"--{what} has {len(values)} values, expected {len(names)} ({','.join(names)})"
                )
        for name, count in zip(names, self.bins or ()):
            if count < 1:
                raise InputError(f"--bin must be at least 1 for {name}, got {count}")
        for name, step in zip(names, self.spacing or ()):
            if not step > 0:
                raise InputError(f"--spacing must be positive for {name}, got {step}")

    def bounds_of(self, index: int, name: str) -> tuple[str, str] | None:
        """The wanted bounds of one CV as text, or None."""
        if self.lower is None or self.upper is None:
            return None
        low, high = _text(self.lower[index]), _text(self.upper[index])
        return low, high

    def bins_of(self, index: int, length: float) -> int | None:
        """The wanted bins of one CV of a given length: the larger of bins and spacing, or None."""
        counts = []
        if self.bins is not None:
            counts.append(int(self.bins[index]))
        if self.spacing is not None:
            steps = length / self.spacing[index]
            if not steps < MOST_STEPS:
                raise InputError(
                    f"--spacing is too fine: {self.spacing[index]:g} for a length of {length:g}"
                )
            counts.append(math.ceil(steps))
        return max(counts, default=None)


def _text(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.17g}"


def choose_grid(
    names: Sequence[str],
    periods: Sequence[tuple[str, str] | None],
    request: GridRequest,
    extents: tuple[np.ndarray, np.ndarray],
    steps: np.ndarray,
) -> Grid:
    """Return the grid a request and the data's extents lead to.

    ``extents`` (lowest, highest) and ``steps`` (automatic bin width): float64[d]. A periodic CV
    always gets its full period; other bounds are the requested ones, else the extents rounded to
    six digits; bins are counted from the unrounded bounds. Source: PLUMED 2.10 sum_hills.
    Raises InputError for a request that cannot be met, GridTooLargeError.
    """
    request.check(names)
    bounds, texts, bins = [], [], []
    for i, (name, period) in enumerate(zip(names, periods)):
        wanted = request.bounds_of(i, name)
        low, high = float(extents[0][i]), float(extents[1][i])
        if period is not None:
            text = period
            start, end = (parse_number(t, f"period of {name}") for t in period)
            length = end - start
            low, high = max(low, start), min(high, end)
        elif wanted is not None:
            text = wanted
            low, high = (parse_number(t, f"--{m} of {name}") for t, m in zip(text, ("min", "max")))
            length = high - low
            if not low < high:
                raise InputError(f"--min must be less than --max for {name}, got {low} and {high}")
        else:
            text = (f"{low:g}", f"{high:g}")
            length = high - low
        count = request.bins_of(i, length)
        bins.append(_automatic_bins(name, high - low, steps[i]) if count is None else count)
        texts.append(text)
        bounds.append(tuple(parse_number(t, f"bounds of {name}") for t in text))
    grid = Grid.from_bins(
        names,
        [b[0] for b in bounds],
        [b[1] for b in bounds],
        bins,
        [period is not None for period in periods],
        texts,
    )
    grid.check_memory(1)
    return grid


def _automatic_bins(name: str, length: float, step: float) -> int:
    count = length / step if step > 0 else math.inf
    if not count <= 10**9:
        raise InputError(
            f"no automatic grid for {name}: {length:g} in steps of {step:g}; give --bin"
        )
    return max(1, math.ceil(count))
