"""Pictures of free energy surfaces. Matplotlib is imported only when one is drawn."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

import numpy as np

from cyfes.errors import BackendError, InputError, printable, shortened
from cyfes.grid import Grid
from cyfes.gridfile import atomic_write
from cyfes.units import UNIT_LABELS, thermal_energy

if TYPE_CHECKING:
    import numpy.typing as npt
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Colours end this many kT above the minimum (100 kJ/mol at 300 K) where a surface rises further:
#: sampling does not reach there, so what is drawn would be the tails of the kernels.
MAX_KT = 40.0

_SUFFIXES = (".png", ".pdf", ".svg")
_N_SLICES = 4
_FIGURE_SIZE = (4.0, 3.0)  # inches: one column of a journal
_N_LEVELS = 20
#: CV names are no formulas: matplotlib would take r_$1$ and a\\b for some.
_PLAIN: dict[str, Any] = {"parse_math": False, "usetex": False}


class Surface(Protocol):
    """What can be drawn: ``values`` float64[grid.shape] in ``units``, inf where not known.

    Where it also has an ``error`` of that shape, standard errors are drawn.
    """

    @property
    def grid(self) -> Grid: ...
    @property
    def values(self) -> npt.NDArray[np.float64]: ...
    @property
    def units(self) -> str: ...
    @property
    def kbt(self) -> float | None: ...


def plot_surface(
    fes: Surface,
    ax: Any = None,
    *,
    levels: Any = None,
    vmax: float | None = None,
    cmap: Any = "viridis",
    cbar: bool = True,
    **kwargs: Any,
) -> Any:
    """Draw a free energy surface relative to its minimum and return the Axes.

    1 CV: a line, with a band of one standard error where these are known. 2 CVs: filled contours;
    errors, where known, on a second Axes, if ``ax`` is None or holds two. 3 CVs: slices evenly
    spaced along the last CV, one of them through the minimum: as many as ``ax`` holds Axes, four
    where it is None. Without ``ax`` a new pyplot figure is made. Points that are not finite stay
    blank; periodic CVs are closed across their boundary.

    ``levels``: contour levels, or about how many; ``vmax``: top of the range, by default the
    highest value but at most MAX_KT kT (kT of 300 K where ``fes.kbt`` is None); both in
    ``fes.units``. ``cbar``: draw a colour bar. ``kwargs`` go to Axes.plot or Axes.contourf.
    Returns ``ax`` or the new Axes, an array of them for 3 CVs and for 2 CVs with errors.
    Raises InputError for 4 CVs or a surface without finite values, BackendError without
    matplotlib.
    """
    heights = _heights(fes)
    if ax is None:
        ax = _new_axes(fes, pyplot=True)
    top = _top(fes, heights) if vmax is None else vmax
    axes = np.atleast_1d(ax)
    if fes.grid.n_dims == 1:
        _draw_line(fes, heights, axes[0], top, kwargs)
        return ax
    style = {"levels": _levels(levels, top), "cmap": cmap, **kwargs}
    if heights.max() > style["levels"][-1]:
        style.setdefault("extend", "max")
    errors = _errors(fes)
    beside = axes[1:] if fes.grid.n_dims == 2 and errors is not None else axes[:0]
    axes = axes[: len(axes) - len(beside)]
    filled = _draw_slices(fes.grid, heights, axes, style)
    if cbar:
        _add_bar(filled, axes, energy_label(fes))
    if errors is not None and len(beside):
        errors.mask |= np.ma.getmaskarray(heights) | (heights > style["levels"][-1]).filled(True)
        _draw_errors(fes, errors, beside[0], cbar)
    return ax


def save_plot(
    fes: Surface, path: str | os.PathLike[str], *, dpi: float = 160.0, **kwargs: Any
) -> None:
    """Draw a surface into a .png, .pdf or .svg file; needs no display and leaves pyplot alone.

    ``dpi``: pixels per inch of a .png; ``kwargs`` as for plot_surface. An old picture becomes
    bck.N.NAME.
    Raises InputError for any other suffix, OutputError if the file cannot be written, and what
    plot_surface raises.
    """
    picture = picture_format(path)
    with _drawn(lambda axes: plot_surface(fes, axes, **kwargs), fes) as figure:
        save_figure(figure, fes, path, picture, dpi)


def save_difference(
    fes: Surface, path: str | os.PathLike[str], *, dpi: float = 160.0, **kwargs: Any
) -> None:
    """Draw a difference (see plot_difference) into a file, as save_plot draws a surface."""
    picture = picture_format(path)
    with _drawn(lambda axes: plot_difference(fes, axes, **kwargs), fes, errors=False) as figure:
        save_figure(figure, fes, path, picture, dpi)


def picture_of(fes: Surface, file: IO[bytes], picture: str, dpi: float = 160.0) -> None:
    """Draw a surface into an open file as "png", "pdf" or "svg"."""
    with _drawn(lambda axes: plot_surface(fes, axes), fes) as figure:
        figure.savefig(file, format=picture, dpi=dpi)


def save_figure(
    figure: Figure, fes: object, path: str | os.PathLike[str], picture: str, dpi: float
) -> None:
    """Write a figure, which tells the provenance of what it shows too."""
    with atomic_write(path) as file:
        figure.savefig(file, format=picture, dpi=dpi, metadata=_metadata(fes, picture))


@contextmanager
def _drawn(draw: Callable[[Any], Any], fes: Surface, errors: bool = True) -> Iterator[Figure]:
    """A figure of its own on which ``draw`` has drawn."""
    _heights(fes)
    with matplotlib_module().rc_context({"text.usetex": False}):  # which needs LaTeX
        axes = _new_axes(fes, pyplot=False, errors=errors)
        draw(axes)
        yield np.atleast_1d(axes)[0].figure


def _metadata(fes: object, picture: str) -> dict[str, str] | None:
    """How a surface was made, where a picture of this format keeps such text."""
    provenance = getattr(fes, "provenance", None)
    if provenance is None:
        return None
    return {"Subject" if picture == "pdf" else "Description": provenance.text("")}


def plot_difference(fes: Surface, ax: Any = None, *, cmap: Any = "RdBu_r", **kwargs: Any) -> Any:
    """Draw a difference of two surfaces and return the Axes.

    1 CV: a line about zero, with a band of one standard error where these are known. 2 CVs and
    slices of 3: filled contours whose colours are as far below zero as above. Axes and ``kwargs``
    as for plot_surface. Raises InputError for 4 CVs or without finite values.
    """
    _heights(fes)
    if ax is None:
        ax = _new_axes(fes, pyplot=True, errors=False)
    values, axes = np.ma.masked_invalid(fes.values), np.atleast_1d(ax)
    label = f"difference of {energy_label(fes)}"
    if fes.grid.n_dims == 1:
        axes[0].axhline(0.0, color="black", linewidth=0.6)
        _draw_line(fes, values, axes[0], math.inf, kwargs)
        axes[0].set_ylabel(label)
        return ax
    from matplotlib.ticker import MaxNLocator

    size = float(np.abs(values).max()) or 1.0
    levels = MaxNLocator(_N_LEVELS, symmetric=True).tick_values(-size, size)
    filled = _draw_slices(fes.grid, values, axes, {"levels": levels, "cmap": cmap, **kwargs})
    _add_bar(filled, axes, label)
    return ax


def picture_format(path: str | os.PathLike[str]) -> str:
    """Return "png", "pdf" or "svg", as a path ends; InputError for any other end."""
    suffix = Path(path).suffix.lower()
    if suffix not in _SUFFIXES:
        raise InputError(f"{path}: a picture must end in {', '.join(_SUFFIXES)}")
    return suffix[1:]


def _heights(fes: Surface) -> np.ma.MaskedArray:
    """Values above the minimum, masked where not finite; InputError for what cannot be drawn."""
    if fes.grid.n_dims > 3:
        raise InputError(f"cannot draw {fes.grid.n_dims} CVs: reduce them with marginal() first")
    values = np.ma.masked_invalid(fes.values)
    if values.count() == 0:
        raise InputError("nothing to draw: the surface has no finite value")
    heights: np.ma.MaskedArray = values - values.min()
    return heights


def _add_bar(filled: Any, axes: np.ndarray, label: str) -> None:
    bar = axes[0].figure.colorbar(filled, ax=list(axes), label=label)
    bar.ax.tick_params(length=2)


def _errors(fes: Surface) -> np.ma.MaskedArray | None:
    """Standard errors, masked where not finite; None where they are not known."""
    errors = getattr(fes, "error", None)
    if errors is None:
        return None
    finite = np.isfinite(errors)
    return np.ma.MaskedArray(errors, ~finite)


def _draw_errors(fes: Surface, errors: np.ma.MaskedArray, ax: Axes, cbar: bool) -> None:
    """Draw the errors of 2 CVs beside F."""
    if not errors.count():
        return
    style = {"levels": _levels(10, float(errors.max())), "cmap": "magma_r"}
    filled = _draw_slices(fes.grid, errors, np.array([ax]), style)
    if cbar:
        _add_bar(filled, np.array([ax]), f"error of {energy_label(fes)}")


def _top(fes: Surface, heights: np.ma.MaskedArray) -> float:
    kbt = thermal_energy(300.0, fes.units) if fes.kbt is None else fes.kbt
    return min(float(heights.max()), MAX_KT * kbt)


def _new_axes(fes: Surface, *, pyplot: bool, errors: bool = True) -> Any:
    """Axes for a surface on a figure of its own: one, or a row of them for 3 CVs or errors."""
    n_slices = min(_N_SLICES, fes.grid.shape[-1]) if fes.grid.n_dims == 3 else 1
    if errors and fes.grid.n_dims == 2 and _errors(fes) is not None:
        return new_figure((2 * _FIGURE_SIZE[0], _FIGURE_SIZE[1]), pyplot).subplots(1, 2)
    size = _FIGURE_SIZE if n_slices == 1 else (1.2 + 1.9 * n_slices, 2.6)
    figure = new_figure(size, pyplot)
    if fes.grid.n_dims < 3:
        return figure.subplots()
    return figure.subplots(1, n_slices, sharex=True, sharey=True, squeeze=False)[0]


def matplotlib_module() -> Any:
    """Return matplotlib; BackendError with the remedy if it is missing or does not start."""
    try:
        import matplotlib.figure
    except ImportError:
        raise BackendError("plotting needs matplotlib: pip install 'cyfes[plot]'") from None
    except ValueError as error:
        why = str(error).partition(";")[0]
        raise BackendError(
            f"matplotlib does not start: {why}; see MPLBACKEND and matplotlibrc"
        ) from error
    return matplotlib


def new_figure(size: tuple[float, float], pyplot: bool) -> Figure:
    """Return a figure of a size in inches; without ``pyplot`` one that needs no display."""
    matplotlib_module()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if pyplot:
        from matplotlib import pyplot as plt

        return plt.figure(figsize=size, layout="compressed")
    figure = Figure(figsize=size, layout="compressed")
    FigureCanvasAgg(figure)
    return figure


def _draw_line(
    fes: Surface, heights: np.ma.MaskedArray, ax: Axes, top: float, kwargs: dict[str, Any]
) -> None:
    (coordinates,), closed = _closed(fes.grid, heights)
    (line,) = ax.plot(coordinates, closed, **{"linewidth": 1.5, **kwargs})
    errors = _errors(fes)
    if errors is not None:
        _, errors = _closed(fes.grid, errors)
        low, high = closed - errors, closed + errors
        ax.fill_between(coordinates, low, high, color=line.get_color(), alpha=0.3, linewidth=0)
    if heights.max() > top:
        ax.set_ylim(-0.03 * top, 1.03 * top)
    ax.margins(x=0)
    ax.set_xlabel(_name(fes.grid, 0), **_PLAIN)
    ax.set_ylabel(energy_label(fes))
    _mark_angles(ax.xaxis, fes.grid, 0)


def _draw_slices(
    grid: Grid, heights: np.ma.MaskedArray, axes: np.ndarray, style: dict[str, Any]
) -> Any:
    """Draw 2 CVs, or slices of 3 CVs, and return filled contours for the colour bar."""
    coordinates, closed = _closed(grid, heights)
    if grid.n_dims == 2:
        slices = [closed]
    else:
        indices = _slice_indices(heights, len(axes))
        slices = [closed[:, :, i] for i in indices]
        for ax, i in zip(axes, indices):
            title = f"{_name(grid, 2)} = {coordinates[2][i]:.2f}"
            ax.set_title(title, fontsize="medium", **_PLAIN)
    drawn = [
        _draw_contours(coordinates, part, ax, style)
        for ax, part in zip(axes, slices)
        if part.count()
    ]
    for ax in axes:
        _label(ax, grid)
    return drawn[0]


def _slice_indices(heights: np.ma.MaskedArray, n_slices: int) -> list[int]:
    """Evenly spaced indices along the last CV, one of them that of the minimum."""
    n_points = heights.shape[-1]
    lowest = int(np.unravel_index(heights.argmin(), heights.shape)[-1])
    return sorted((lowest + k * n_points // n_slices) % n_points for k in range(n_slices))


def _draw_contours(
    coordinates: list[np.ndarray], heights: np.ma.MaskedArray, ax: Axes, style: dict[str, Any]
) -> Any:
    """Filled contours with thin lines between them."""
    x, y = coordinates[:2]
    filled = ax.contourf(x, y, heights.T, **style)
    levels = np.asarray(style["levels"])
    # Matplotlib warns about lines where no level is crossed.
    crossed = levels[(levels > heights.min()) & (levels < heights.max())]
    if crossed.size:
        ax.contour(x, y, heights.T, levels=crossed, colors="black", linewidths=0.3, alpha=0.6)
    return filled


def _levels(levels: Any, top: float) -> npt.NDArray[np.float64]:
    """Contour levels from 0 at round numbers, or those given."""
    from matplotlib.ticker import MaxNLocator

    if levels is None or np.ndim(levels) == 0:
        locator = MaxNLocator(levels or _N_LEVELS, steps=[1, 2, 2.5, 5, 10])
        return np.asarray(locator.tick_values(0.0, top if top > 0.0 else 1.0))
    return np.asarray(levels, np.float64)


def _closed(
    grid: Grid, heights: np.ma.MaskedArray
) -> tuple[list[npt.NDArray[np.float64]], np.ma.MaskedArray]:
    """Coordinates and values with the first points of periodic CVs repeated at the upper bound."""
    coordinates = grid.axes
    for i, wraps in enumerate(grid.periodic):
        if wraps:
            coordinates[i] = np.append(coordinates[i], grid.upper[i])
            heights = heights.take(np.arange(grid.shape[i] + 1) % grid.shape[i], axis=i)
    return coordinates, heights


def _label(ax: Axes, grid: Grid) -> None:
    ax.set_xlabel(_name(grid, 0), **_PLAIN)
    ax.set_ylabel(_name(grid, 1), **_PLAIN)
    ax.label_outer()
    _mark_angles(ax.xaxis, grid, 0)
    _mark_angles(ax.yaxis, grid, 1)
    if _is_angle(grid, 0) and _is_angle(grid, 1):
        ax.set_aspect("equal")


def _name(grid: Grid, i: int) -> str:
    return shortened(printable(grid.names[i]))


def _is_angle(grid: Grid, i: int) -> bool:
    # Bounds in files are often rounded: 3.14159.
    return grid.periodic[i] and math.isclose(grid.period[i], 2 * math.pi, rel_tol=1e-4)


def _mark_angles(axis: Any, grid: Grid, i: int) -> None:
    """Tick an angle at multiples of a quarter turn."""
    if not _is_angle(grid, i):
        return
    quarter = math.pi / 2
    first, last = (round(bound / quarter, 3) for bound in (grid.lower[i], grid.upper[i]))
    marks = range(math.ceil(first), math.floor(last) + 1)
    axis.set_ticks([k * quarter for k in marks], [_angle_text(k) for k in marks])


def _angle_text(quarters: int) -> str:
    """``quarters`` times a quarter turn as text: -π, -π/2, 0, π/2, 3π/2."""
    if quarters == 0:
        return "0"
    over, under = (quarters // 2, "") if quarters % 2 == 0 else (quarters, "/2")
    factor = {1: "", -1: "-"}.get(over, str(over))
    return f"{factor}π{under}"


def energy_label(fes: Surface) -> str:
    """Return the label of an axis of F."""
    return f"F / {UNIT_LABELS[fes.units]}"
