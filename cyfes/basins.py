"""Minima of a surface, their basins, and the lowest passes between these."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from cyfes import _kernels
from cyfes.columns import Columns
from cyfes.errors import InputError
from cyfes.landscape import stationary_point
from cyfes.surface import Surface
from cyfes.units import UNIT_LABELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: In kT: a minimum that is less deep is none, where nothing else is asked for.
PERSISTENCE = 0.5

#: Minima that are told in text, and those all pairs of which are; and most whose pairs are made.
SHOWN, SHOWN_PAIRS, MOST_MINIMA = 30, 8, 2000


@dataclass(frozen=True)
class Minimum:
    """A minimum: its ``number``, 0 for the lowest, and the ``index`` of its grid point.

    ``position`` in CV units (see landscape.stationary_point); ``value`` of F at the grid point;
    ``depth`` below the pass to a lower minimum, inf where there is none; ``probability`` of the
    basin. ``error`` of ``value`` relative to the lowest minimum, ``depth_error`` and
    ``probability_error`` are standard errors, None where no blocks tell them.
    """

    number: int
    index: tuple[int, ...]
    position: tuple[float, ...]
    value: float
    depth: float
    probability: float
    error: float | None = None
    depth_error: float | None = None
    probability_error: float | None = None

    @property
    def share(self) -> tuple[float, float | None]:
        """The probability and its error."""
        return self.probability, self.probability_error


@dataclass(frozen=True)
class Saddle:
    """The highest point of the lowest way between two minima, those of the numbers ``between``.

    ``index``, ``position`` and ``value`` as those of a Minimum; ``barriers`` from the first and
    from the second minimum, with their standard ``errors``, None where no blocks tell them.
    ``touching``: the basins that meet there; others if the way leads through further basins.
    """

    between: tuple[int, int]
    touching: tuple[int, int]
    index: tuple[int, ...]
    position: tuple[float, ...]
    value: float
    barriers: tuple[float, float]
    errors: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False)
class Basins:
    """The basins of a ``surface``.

    ``labels`` int64[grid.shape]: of each point the number of its minimum, -1 where F is not finite;
    ``minima``, lowest first; ``passes`` int64[m, 3], lowest first: a point of the flattened grid
    and the two basins that meet there. A minimum less deep than ``persistence`` kT, kT being
    ``kbt``, is none; its basin is part of the one behind the pass.
    """

    surface: Surface
    kbt: float
    persistence: float
    labels: np.ndarray
    minima: tuple[Minimum, ...]
    passes: np.ndarray

    def __len__(self) -> int:
        return len(self.minima)

    def mask(self, number: int) -> np.ndarray:
        """Return the points of a basin, bool[grid.shape]; InputError if there is none such."""
        self._check(number)
        return np.asarray(self.labels == number)

    def labels_surface(self) -> Surface:
        """Return the labels as a function on the grid, which can be written as a surface is."""
        labels = self.labels.astype(np.float64)
        return Surface(self.surface.grid, labels, self.kbt, None, self.surface.units, "basin")

    @cached_property
    def saddles(self) -> tuple[Saddle, ...]:
        """The saddle of every pair of minima that no walls separate, by their numbers.

        Raises InputError if there are too many pairs.
        """
        if len(self) > MOST_MINIMA:
            raise InputError(
                f"{len(self)} minima have too many pairs for their saddles, which {MOST_MINIMA} "
                "may have: ask for a higher persistence"
            )
        return self._pairs(len(self))

    @property
    def passes_between(self) -> tuple[Saddle, ...]:
        """The saddles between basins that touch there, lowest first."""
        return tuple(self._saddle(int(a), int(b), (p, a, b)) for p, a, b in self.passes.tolist())

    def saddle(self, a: int, b: int) -> Saddle | None:
        """Return the saddle between two minima, the first of its barriers that from ``a``.

        None if walls separate them. Raises InputError if there is no such minimum, or a is b.
        """
        self._check(a)
        self._check(b)
        if a == b:
            raise InputError(f"a saddle is between two minima, got {a} twice")
        lakes = _Lakes(len(self))
        for entry in self.passes.tolist():
            lakes.join(*entry[1:])
            if lakes.root(a) == lakes.root(b):
                return self._saddle(a, b, entry)
        return None

    def columns(self, most: int | None = None) -> Columns:
        """Return the minima: basin, CVs, F above the lowest, depth, probability, their errors.

        The ``most`` lowest only, if that is given.
        """
        lowest = self.surface.minimum
        names = ["free", "free_error", "depth", "depth_error", "probability", "probability_error"]
        rows: list[list[float | None]] = [
            [m.number, *m.position, m.value - lowest, m.error, m.depth, m.depth_error, *m.share]
            for m in self.minima[:most]
        ]
        return Columns.of(["basin", *self.surface.grid.names, *names], rows)

    def saddle_columns(self, most: int | None = None) -> Columns:
        """Return the saddles: both basins, CVs, F above the lowest, barriers both ways, errors.

        Those between the ``most`` lowest basins only, if that is given.
        """
        chosen = self.saddles if most is None or most >= len(self) else self._pairs(most)
        lowest = self.surface.minimum
        names = ["free", "barrier_ab", "barrier_ab_error", "barrier_ba", "barrier_ba_error"]
        rows: list[list[float | None]] = []
        for s in chosen:
            (there, back), (first, second) = s.barriers, s.errors or (None, None)
            rows.append([*s.between, *s.position, s.value - lowest, there, first, back, second])
        return Columns.of(["a", "b", *self.surface.grid.names, *names], rows)

    def lines(self) -> list[str]:
        """Return the lowest minima, and the saddles between the lowest of these, as text."""
        lines = self.columns(SHOWN).lines()
        if len(self) > SHOWN:
            lines.append(f"... and {len(self) - SHOWN} more")
        if len(self.passes):
            of = (
                f"of the {SHOWN_PAIRS} lowest minima" if len(self) > SHOWN_PAIRS else "of all pairs"
            )
            lines += [f"saddles {of}, barriers from a to b and back"]
            lines += self.saddle_columns(SHOWN_PAIRS).lines()
        return lines

    def table(self) -> str:
        """Return ``lines`` with a title."""
        unit = UNIT_LABELS[self.surface.units]
        title = f"{len(self)} minima at least {self.persistence:g} kT deep, energies in {unit}"
        return "\n".join([title, *self.lines()])

    def plot(self, ax: "Axes | None" = None, **kwargs: Any) -> Any:
        """Draw the surface with its minima and saddles (1 or 2 CVs) and return the Axes.

        ``ax`` and ``kwargs`` as for plot.plot_surface.
        """
        from cyfes.landmarks import plot_basins

        return plot_basins(self, ax, **kwargs)

    def _check(self, number: int) -> None:
        if not 0 <= number < len(self):
            there = f"there are 0 to {len(self) - 1}" if len(self) else "there is none"
            raise InputError(f"no basin {number}: {there}")

    def _pairs(self, most: int) -> tuple[Saddle, ...]:
        """The saddles between the lowest minima."""
        members = [[number] if number < most else [] for number in range(len(self))]
        lakes, pairs = _Lakes(len(self)), []
        for entry in self.passes.tolist():
            lower, higher = lakes.join(*entry[1:])
            for a, b in itertools.product(members[lower], members[higher]):
                pairs.append(self._saddle(min(a, b), max(a, b), entry))
            members[lower] += members[higher]
        return tuple(sorted(pairs, key=lambda saddle: saddle.between))

    def _saddle(self, a: int, b: int, entry: Sequence[int]) -> Saddle:
        point, *touching = entry
        surface = self.surface
        index = tuple(int(i) for i in np.unravel_index(point, surface.grid.shape))
        value = float(surface.values[index])
        ends = [self.minima[number] for number in (a, b)]
        errors = [difference_error(surface, end.index, index, self.kbt) for end in ends]
        return Saddle(
            (a, b),
            (touching[0], touching[1]),
            index,
            stationary_point(surface.grid, surface.values, index, n_falling=1),
            value,
            (value - ends[0].value, value - ends[1].value),
            None if errors[0] is None or errors[1] is None else (errors[0], errors[1]),
        )


def find_basins(
    surface: Surface, persistence: float = PERSISTENCE, kbt: float | None = None
) -> Basins:
    """Return the basins of a surface by the flood of its grid (Vincent and Soille 1991).

    Points are neighbours along all CVs at once, up to 3^d - 1 of a point, across the ends of a
    period too; points where F is not finite are walls. The pass between two basins is the lowest
    of the highest points of all ways on the grid. A minimum that lies less than ``persistence`` kT
    below the pass to a lower one is none (Edelsbrunner, Letscher and Zomorodian 2002). The
    probability of a basin is its share of sum exp(-F / kBT) over the grid points. Errors are those
    of the blocks of a surface made with ``error=True``: positions held fixed, which changes them
    by second order only.

    ``kbt`` (None: the surface's own) in the surface's unit. Raises InputError if it is not known,
    or the persistence is negative.
    """
    kbt = kbt if kbt is not None else surface.kbt
    if kbt is None or not 0 < kbt < math.inf:
        raise InputError(f"basins need kbt > 0, got {kbt}: their persistence is in kT")
    if not 0 <= persistence < math.inf:
        raise InputError(f"persistence must be at least 0, got {persistence}")
    labels, points, passes = _kernels.basins(surface.grid, surface.values, persistence * kbt)
    minima = _minima(surface, kbt, labels, points, passes)
    return Basins(surface, kbt, persistence, labels, tuple(minima), passes)


def difference_error(
    surface: Surface, a: tuple[int, ...], b: tuple[int, ...], kbt: float
) -> float | None:
    """Return the standard error of F(b) - F(a) at two grid points, None without blocks."""
    if surface.uncertainty is None:
        return None
    ratios = [surface.uncertainty.blocks.ratios(point) for point in (a, b)]
    return float(kbt * surface.uncertainty.error_of(ratios[1] - ratios[0]))


def _minima(
    surface: Surface, kbt: float, labels: np.ndarray, points: np.ndarray, passes: np.ndarray
) -> Iterator[Minimum]:
    grid, values = surface.grid, surface.values
    escapes = _escapes(passes, len(points))
    probabilities = _probabilities(surface, kbt, labels, len(points))
    errors = _probability_errors(surface, labels, probabilities)
    indices = [tuple(int(i) for i in np.unravel_index(p, grid.shape)) for p in points]
    for number, (index, escape) in enumerate(zip(indices, escapes)):
        depth, depth_error = math.inf, None
        if escape is not None:
            top = tuple(int(i) for i in np.unravel_index(escape, grid.shape))
            depth = float(values[top] - values[index])
            depth_error = difference_error(surface, index, top, kbt)
        yield Minimum(
            number,
            index,
            stationary_point(grid, values, index),
            float(values[index]),
            depth,
            float(probabilities[number]),
            difference_error(surface, indices[0], index, kbt),
            depth_error,
            None if errors is None else float(errors[number]),
        )


class _Lakes:
    """Basins that run together at passes, each lake known by its lowest minimum."""

    def __init__(self, n: int) -> None:
        self._parent = list(range(n))

    def root(self, basin: int) -> int:
        """Return the lowest minimum of the lake of a basin."""
        parent = self._parent
        while parent[basin] != basin:
            parent[basin] = basin = parent[parent[basin]]
        return basin

    def join(self, a: int, b: int) -> tuple[int, int]:
        """Make one lake of those of two basins; return their lowest minima, the lower one first."""
        lower, higher = sorted((self.root(a), self.root(b)))
        self._parent[higher] = lower
        return lower, higher


def _escapes(passes: np.ndarray, n: int) -> list[int | None]:
    """Of each minimum the pass to a lower one."""
    escapes: list[int | None] = [None] * n
    lakes = _Lakes(n)
    for point, a, b in passes.tolist():
        escapes[lakes.join(a, b)[1]] = point
    return escapes


def _probabilities(surface: Surface, kbt: float, labels: np.ndarray, n: int) -> np.ndarray:
    inside = labels >= 0
    weights = np.exp((surface.minimum - surface.values[inside]) / kbt)
    return np.asarray(np.bincount(labels[inside], weights, n) / weights.sum())


def _probability_errors(
    surface: Surface, labels: np.ndarray, probabilities: np.ndarray
) -> np.ndarray | None:
    """p times the error of ln p, from the share that each block has in the basin and in all."""
    if surface.uncertainty is None:
        return None
    inside, n = labels >= 0, len(probabilities)
    blocks = surface.uncertainty.blocks.values
    sums = np.array([np.bincount(labels[inside], block[inside], n) for block in blocks])
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = sums / sums.sum(axis=0) - (sums.sum(axis=1) / sums.sum())[:, None]
        return np.asarray(probabilities * surface.uncertainty.error_of(shares))
