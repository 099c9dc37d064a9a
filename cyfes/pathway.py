"""Minimum free energy paths: the lowest pass first, then a string that relaxes (needs scipy)."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cyfes.basins import PERSISTENCE, Basins, difference_error, find_basins
from cyfes.columns import Columns
from cyfes.errors import CyfesWarning, InputError
from cyfes.extras import required
from cyfes.grid import Grid
from cyfes.gridway import GridWays
from cyfes.interpolation import linear
from cyfes.landscape import stationary_point
from cyfes.spline import GridSpline
from cyfes.stringmethod import String, arc, downhill, evenly, nearest_image
from cyfes.surface import Surface
from cyfes.units import UNIT_LABELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Points of a path, where no number is asked for.
POINTS = 101

#: In kT: a path whose barriers differ so much from those on the grid may have lost the pass.
LOST = 0.25

#: Steps of the grid beyond the end of a period in which the nearest known point is looked for.
NEAR = 8

#: The number of a minimum, or a point: the values of all CVs.
End = int | Sequence[float] | Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Pathway:
    """A minimum free energy path on a ``surface``, at n points equally far from each other.

    ``points`` float64[n, d] in CV units, within the periods; ``lengths`` float64[n], the way from
    the first, each CV divided by its entry of ``scales``; ``values`` float64[n], F, inf beside
    points where it is not known; ``errors`` None or the standard errors of F relative to the first
    point, float64[n]. ``ends`` as text. ``barriers`` from both ends to the highest point of the
    path. ``top``: index of the highest point of the best way on the grid; ``barrier_errors`` None
    or the standard errors of F there relative to both ends; ``top_values`` its F above that of
    the grid points at both ends. ``basins``: numbers of those that the path leads through.
    """

    surface: Surface
    points: np.ndarray
    lengths: np.ndarray
    values: np.ndarray
    errors: np.ndarray | None
    scales: tuple[float, ...]
    ends: tuple[str, str]
    barriers: tuple[float, float]
    top: tuple[int, ...]
    barrier_errors: tuple[float, float] | None
    top_values: tuple[float, float]
    basins: tuple[int, ...]

    @property
    def top_position(self) -> tuple[float, ...]:
        """Position of the highest grid point."""
        return tuple(float(axis[i]) for axis, i in zip(self.surface.grid.axes, self.top))

    def _on_grid(self) -> str:
        there, back = self.top_values
        return f"F - F(A) = {there:.4g}, F - F(B) = {back:.4g}"

    def columns(self) -> Columns:
        """Return the profile: length, CVs, F above that of the first point, and its error."""
        free = self.values - self.values[0]
        errors = [None] * len(free) if self.errors is None else self.errors.tolist()
        rows = [
            [length, *place, value, error]
            for length, place, value, error in zip(
                self.lengths.tolist(), self.points.tolist(), free.tolist(), errors
            )
        ]
        return Columns.of(["length", *self.surface.grid.names, "free", "free_error"], rows)

    def lines(self) -> list[tuple[str, str]]:
        """Return report lines."""
        unit, names = UNIT_LABELS[self.surface.units], self.surface.grid.names

        def at(place: Iterable[float]) -> str:
            return " ".join(f"{name}={x:.4g}" for name, x in zip(names, place))

        errors = self.barrier_errors or (None, None)
        there, back = (
            f"{barrier:.4g}{'' if error is None else f' +- {error:.2g}'} {unit}"
            for barrier, error in zip(self.barriers, errors)
        )
        return [
            ("from A", f"{at(self.points[0])} ({self.ends[0]})"),
            ("to B", f"{at(self.points[-1])} ({self.ends[1]})"),
            ("through basins", " ".join(map(str, self.basins))),
            ("lowest pass", f"{at(self.top_position)}, {self._on_grid()} {unit} on the grid"),
            ("barrier A to B", there),
            ("barrier B to A", back),
            ("F(B) - F(A)", f"{self.barriers[0] - self.barriers[1]:.4g} {unit}"),
            ("path length", f"{self.lengths[-1]:.4g}, {len(self.points)} points"),
        ]

    def table(self) -> str:
        """Return the lines as text."""
        return "\n".join(f"{name:<16} {value}" for name, value in self.lines())

    def plot(self, ax: "Axes | None" = None, **kwargs: Any) -> Any:
        """Draw F along the path on matplotlib Axes, with errors where known, and return them.

        ``kwargs`` go to Axes.plot.
        """
        from cyfes.landmarks import plot_profile

        return plot_profile(self, ax, **kwargs)


def find_path(
    surface: Surface,
    a: End,
    b: End,
    *,
    persistence: float = PERSISTENCE,
    kbt: float | None = None,
    n_points: int = POINTS,
    scales: Sequence[float] | None = None,
) -> Pathway:
    """Return the minimum free energy path between two minima or points.

    The way on the grid whose highest point is the lowest possible (see basins.find_basins) is where
    a string begins, which then moves down the gradient of a cubic spline through F, its points
    kept at equal distances (E, Ren and Vanden-Eijnden 2007), until the gradient has no part across
    it. What is across depends on the units of the CVs: each is divided by its entry of ``scales``
    (default 1). From an end that is no minimum the way of steepest descent leads to one.

    ``a``, ``b``: numbers of minima of ``basins(persistence)``, or points as a mapping or in the
    order of the CVs; ``n_points`` on the path. Raises InputError for ends that are not on the grid,
    where F is not known, equal, or apart by walls; BackendError without scipy. Warns if the path
    has not come to rest, has lost the pass, or runs beside points where F is not known.
    """
    required("scipy", "a path")
    if n_points < 3:
        raise InputError(f"a path needs at least 3 points, got {n_points}")
    scale = _scales(surface.grid, scales)
    basins = find_basins(surface, persistence, kbt)
    (start, first), (stop, last) = (_place(basins, end) for end in (a, b))
    if first == last:
        raise InputError("a path needs two ends, got one point of the grid twice")
    ways = GridWays(surface.grid, surface.values)
    down, up = ways.descent(first), ways.descent(last)[::-1]
    middle = ways.between(down[-1], up[0])
    if middle is None:
        raise InputError("no way leads from A to B: points where F is not known lie between")
    spline = GridSpline(surface.grid, _without_walls(surface, basins.kbt))
    points = _relaxed(surface, spline, scale, [start, stop], middle, n_points)
    way = [*down, *middle[1:], *up[1:]]
    return _pathway(basins, spline, scale, (_told(a), _told(b)), points, way)


def _relaxed(
    surface: Surface,
    spline: GridSpline,
    scale: np.ndarray,
    places: list[np.ndarray],
    middle: list[int],
    n_points: int,
) -> np.ndarray:
    """Points at equal distances along the path, float64[n, d], not wrapped into periods."""
    curve = _unwrapped(surface, middle)
    if len(middle) > 1:
        string = String(spline, scale, curve, n_points)
        string.relax()
        if not string.rests:
            _warn(
                f"the path is not at rest, its points move by {string.moves:.1g} steps of the grid "
                "at a time: bring the CVs to like scales (--scale)"
            )
        curve = string.points
    start = downhill(spline, scale, places[0], curve[0])
    end = downhill(spline, scale, places[1], curve[-1])[::-1]
    curve += start[-1] - curve[0]
    end += curve[-1] - end[0]
    if len(start) == len(end) == 2 and np.allclose(start[0], start[1]) and np.allclose(*end):
        return curve  # from minimum to minimum: its points are at equal distances
    whole = np.concatenate([start, curve, end]) / scale
    return np.asarray(evenly(whole, n_points, smooth=False) * scale)


def _unwrapped(surface: Surface, way: list[int]) -> np.ndarray:
    """Coordinates of the points of a way, across ends of periods; its ends are refined."""
    grid = surface.grid
    indices = np.stack(np.unravel_index(way, grid.shape), axis=1)
    places = np.array(grid.lower) + indices * grid.spacing
    for k in (0, -1):
        index = tuple(int(i) for i in indices[k])
        places[k] = stationary_point(grid, surface.values, index)
    steps = nearest_image(grid, np.diff(places, axis=0))
    return np.concatenate([places[:1], places[0] + np.cumsum(steps, axis=0)])


def _without_walls(surface: Surface, kbt: float) -> np.ndarray:
    """F, and where it is not known that of the nearest point known, rising by a kT per step."""
    values, known = surface.values, np.isfinite(surface.values)
    if known.all():
        return values
    from scipy.ndimage import distance_transform_edt

    around = [(NEAR if wraps else 0,) * 2 for wraps in surface.grid.periodic]
    center = tuple(slice(low, low + n) for (low, _), n in zip(around, values.shape))
    padded = np.pad(known, around, mode="wrap")
    distance, nearest = distance_transform_edt(~padded, return_indices=True)
    filled = np.pad(values, around, mode="wrap")[tuple(nearest)] + kbt * distance
    return np.asarray(filled[center])


def _pathway(
    basins: Basins,
    spline: GridSpline,
    scale: np.ndarray,
    ends: tuple[str, str],
    points: np.ndarray,
    way: list[int],
) -> Pathway:
    surface, grid, kbt = basins.surface, basins.surface.grid, basins.kbt
    places = _wrapped(grid, points)
    values = _profile(surface, spline, places)
    indices = [tuple(int(i) for i in np.unravel_index(p, grid.shape)) for p in way]
    heights = [float(surface.values[index]) for index in indices]
    top = indices[int(np.argmax(heights))]
    on_grid = (max(heights) - heights[0], max(heights) - heights[-1])
    path = Pathway(
        surface,
        places,
        arc(points / scale),
        values,
        _errors(surface, kbt, places),
        tuple(scale.tolist()),
        ends,
        _barriers(surface, spline, points, values) or on_grid,
        top,
        _both(difference_error(surface, index, top, kbt) for index in (indices[0], indices[-1])),
        on_grid,
        tuple(dict.fromkeys(int(basins.labels[index]) for index in indices)),
    )
    _warn_of(path, kbt)
    return path


def _profile(surface: Surface, spline: GridSpline, places: np.ndarray) -> np.ndarray:
    """F at places by the spline, inf beside points where it is not known."""
    known = np.isfinite(linear(surface.grid, surface.values, places))
    return np.where(known, spline.value(places), np.inf)


def _barriers(
    surface: Surface, spline: GridSpline, points: np.ndarray, values: np.ndarray
) -> tuple[float, float] | None:
    """From both ends to the highest point, which lies between those of the path; None if F is not
    known all along it."""
    if not np.isfinite(values).all():
        return None
    k = int(np.argmax(values))
    around = points[max(k - 1, 0) : k + 2]
    shares = np.linspace(0, len(around) - 1, 41)
    columns = [np.interp(shares, np.arange(len(around)), column) for column in around.T]
    near = _profile(surface, spline, _wrapped(surface.grid, np.stack(columns, axis=1)))
    highest = max(float(values[k]), float(np.max(near, where=np.isfinite(near), initial=-np.inf)))
    return highest - float(values[0]), highest - float(values[-1])


def _both(errors: Iterable[float | None]) -> tuple[float, float] | None:
    first, last = errors
    return None if first is None or last is None else (first, last)


def _warn_of(path: Pathway, kbt: float) -> None:
    n_unknown = int(np.count_nonzero(~np.isfinite(path.values)))
    if n_unknown:
        _warn(
            f"{n_unknown} of the {len(path.values)} points of the path lie beside points where F "
            "is not known, which bends it: sample there, or widen the kernels"
        )
    apart = max(abs(x - y) for x, y in zip(path.barriers, path.top_values)) / kbt
    if not n_unknown and apart > LOST:
        _warn(
            f"the barriers of the path and those of the lowest pass on the grid differ by "
            f"{apart:.2g} kT: the grid is too coarse for them, or the path has lost the pass"
        )


def _errors(surface: Surface, kbt: float, points: np.ndarray) -> np.ndarray | None:
    """Standard errors of F relative to the first point, float64[n], from the blocks."""
    if surface.uncertainty is None:
        return None
    blocks = surface.uncertainty.blocks.values
    sums = np.array([linear(surface.grid, block, points) for block in blocks])
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = sums / sums.sum(axis=0)
        errors = kbt * surface.uncertainty.error_of(ratios - ratios[:, :1])
    return np.where(np.isfinite(errors), errors, np.inf)


def _wrapped(grid: Grid, points: np.ndarray) -> np.ndarray:
    low, period = np.array(grid.lower), np.where(grid.periodic, grid.period, 1.0)
    return np.where(grid.periodic, low + (points - low) % period, points)


def _warn(text: str) -> None:
    warnings.warn(text, CyfesWarning, stacklevel=5)


def _scales(grid: Grid, scales: Sequence[float] | None) -> np.ndarray:
    found = np.ones(grid.n_dims) if scales is None else np.asarray(scales, np.float64)
    if found.shape != (grid.n_dims,) or not (np.isfinite(found) & (found > 0)).all():
        raise InputError(f"scales must be {grid.n_dims} positive numbers, got {scales}")
    return found


def _told(end: End) -> str:
    return f"basin {end}" if isinstance(end, int | np.integer) else "point"


def _place(basins: Basins, end: End) -> tuple[np.ndarray, int]:
    """The position of an end, float64[d], and its grid point; InputError for one that is none."""
    grid = basins.surface.grid
    if isinstance(end, int | np.integer):
        basins.mask(int(end))
        minimum = basins.minima[int(end)]
        return np.array(minimum.position), int(np.ravel_multi_index(minimum.index, grid.shape))
    place = _point(grid, end)
    if not np.isfinite(linear(grid, basins.surface.values, place[None, :])[0]):
        where = ", ".join(f"{name}={x:g}" for name, x in zip(grid.names, place))
        raise InputError(f"F is not known at {where}: no sample reaches it")
    return place, int(grid.nearest(list(place[:, None]))[0])


def _point(grid: Grid, end: Sequence[float] | Mapping[str, float]) -> np.ndarray:
    names = ", ".join(grid.names)
    if isinstance(end, Mapping):
        if set(end) != set(grid.names):
            raise InputError(f"a point has one value for each of {names}; got {', '.join(end)}")
        end = [end[name] for name in grid.names]
    place = np.asarray(end, np.float64)
    if place.shape != (grid.n_dims,):
        raise InputError(f"a point has one value for each of {names}; got {end}")
    return place
