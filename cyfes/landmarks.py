"""Pictures of minima, basins, saddles and paths, drawn on surfaces."""

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cyfes.basins import Basins
from cyfes.errors import InputError
from cyfes.pathway import Pathway
from cyfes.plot import (
    energy_label,
    matplotlib_module,
    new_figure,
    picture_format,
    plot_surface,
    save_figure,
)
from cyfes.surface import Surface

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Inches, of one picture and of two side by side.
_ONE, _TWO = (4.0, 3.0), (8.0, 3.0)
_DPI = 160.0

#: Borders of more basins than this would hide the surface.
_BORDERS = 30

_DOT: dict[str, Any] = {
    "marker": "o",
    "s": 90,
    "color": "white",
    "edgecolors": "black",
    "zorder": 5,
}
_CROSS: dict[str, Any] = {"marker": "x", "s": 25, "color": "white", "linewidths": 1.2, "zorder": 4}


def plot_basins(basins: Basins, ax: Any = None, **kwargs: Any) -> Any:
    """Draw a surface with its minima, numbered, its passes as crosses and the borders of basins.

    1 or 2 CVs; ``kwargs`` as for plot.plot_surface. Returns ``ax`` or the new Axes. Raises
    InputError for more CVs.
    """
    grid = basins.surface.grid
    if grid.n_dims > 2:
        raise InputError(
            f"minima are drawn for 1 or 2 CVs, got {', '.join(grid.names)}: project first"
        )
    if ax is None:
        ax = new_figure(_ONE, pyplot=True).subplots()
    plot_surface(replace(basins.surface, error=None), ax, **kwargs)
    if grid.n_dims == 2 and len(basins) <= _BORDERS:
        _draw_borders(basins, ax)
    _draw_points(basins, ax)
    return ax


def plot_profile(path: Pathway, ax: Any = None, **kwargs: Any) -> Any:
    """Draw F along a path, with a band of one standard error where known; return the Axes."""
    if ax is None:
        ax = new_figure(_ONE, pyplot=True).subplots()
    free = np.ma.masked_invalid(path.values - path.values[0])
    (line,) = ax.plot(path.lengths, free, **{"linewidth": 1.5, **kwargs})
    if path.errors is not None:
        low, high = free - path.errors, free + path.errors
        ax.fill_between(path.lengths, low, high, color=line.get_color(), alpha=0.3, linewidth=0)
    ax.margins(x=0)
    ax.set_xlabel("length of the path")
    ax.set_ylabel(energy_label(path.surface).replace("F", "F - F(A)", 1))
    return ax


def draw_way(path: Pathway, ax: "Axes") -> None:
    """Draw the points of a path on Axes of 2 CVs, where it crosses the end of a period too."""
    x, y = path.points.T
    ax.scatter(x, y, s=4, color="white", zorder=4, linewidths=0)
    for name, k in (("A", 0), ("B", -1)):
        ax.scatter(x[k], y[k], **_DOT)
        ax.annotate(name, (x[k], y[k]), ha="center", va="center_baseline", fontsize=7, zorder=6)


def save_basins(basins: Basins, path: str | os.PathLike[str], **kwargs: Any) -> None:
    """Draw basins into a .png, .pdf or .svg file (see plot.save_plot)."""
    picture = picture_format(path)
    with matplotlib_module().rc_context({"text.usetex": False}):
        figure = new_figure(_ONE, pyplot=False)
        plot_basins(basins, figure.subplots(), **kwargs)
        save_figure(figure, basins.surface, path, picture, _DPI)


def save_path(path: Pathway, file: str | os.PathLike[str]) -> None:
    """Draw F along a path into a file; of 2 CVs the path on the surface beside it."""
    picture = picture_format(file)
    surface: Surface = replace(path.surface, error=None)
    with matplotlib_module().rc_context({"text.usetex": False}):
        if surface.grid.n_dims == 2:
            figure = new_figure(_TWO, pyplot=False)
            left, right = figure.subplots(1, 2)
            plot_surface(surface, left)
            draw_way(path, left)
        else:
            figure = new_figure(_ONE, pyplot=False)
            right = figure.subplots()
        plot_profile(path, right)
        save_figure(figure, path.surface, file, picture, _DPI)


def _draw_borders(basins: Basins, ax: "Axes") -> None:
    x, y = basins.surface.grid.axes
    for number in range(len(basins)):
        inside = basins.mask(number).astype(float)
        if 0 < inside.mean() < 1:
            ax.contour(x, y, inside.T, levels=[0.5], colors="white", linewidths=0.6)


def _draw_points(basins: Basins, ax: "Axes") -> None:
    surface = basins.surface
    tops = [(*s.position, s.value - surface.minimum) for s in basins.passes_between]
    saddles = np.array(tops).reshape(-1, surface.grid.n_dims + 1)
    minima = np.array([(*m.position, m.value - surface.minimum) for m in basins.minima])
    ax.scatter(*saddles[:, :2].T, **{**_CROSS, **_on(surface)})
    ax.scatter(*minima[:, :2].T, **_DOT)
    for number, place in enumerate(minima[:, :2]):
        ax.annotate(str(number), place, ha="center", va="center_baseline", fontsize=7, zorder=6)


def _on(surface: Surface) -> dict[str, Any]:
    """Crosses are white on colours, black on white paper."""
    return {"color": "black"} if surface.grid.n_dims == 1 else {}
