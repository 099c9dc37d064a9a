"""What a user asks of a grid."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from cyfes.errors import InputError

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
        for name, count in zip(names, () if self.bins is None else self.bins):
            if not 1 <= count <= MOST_STEPS or count != int(count):
                raise InputError(
                    f"--bin must be a whole number from 1 to {MOST_STEPS:.0e} for {name}, "
                    f"got {count!s:.40}"
                )
        for name, step in zip(names, () if self.spacing is None else self.spacing):
            if not 0 < step < math.inf:
                raise InputError(f"--spacing must be positive for {name}, got {step}")

    def split(self, names: Sequence[Sequence[str]]) -> list["GridRequest"]:
        """Return what is asked of several grids, of the CVs ``names`` each, one entry per CV.

        Raises InputError unless the entries fit the CVs of all.
        """
        self.check([name for of_grid in names for name in of_grid])
        ends = [0, *accumulate(map(len, names))]
        return [self._of(slice(a, b)) for a, b in pairwise(ends)]

    def _of(self, cvs: slice) -> "GridRequest":
        return GridRequest(
            lower=None if self.lower is None else self.lower[cvs],
            upper=None if self.upper is None else self.upper[cvs],
            bins=None if self.bins is None else self.bins[cvs],
            spacing=None if self.spacing is None else self.spacing[cvs],
        )

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
            counts.append(max(1, math.ceil(steps)))
        return max(counts, default=None)


def _text(value: str | float) -> str:
    return value.strip() if isinstance(value, str) else repr(float(value))
