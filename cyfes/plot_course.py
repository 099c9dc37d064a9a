"""Pictures of convergence. Matplotlib is imported only when one is drawn."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from cyfes.plot import matplotlib_module, new_figure, picture_format, save_figure
from cyfes.units import UNIT_LABELS

if TYPE_CHECKING:
    from cyfes.convergence import Convergence, Course

DPI = 160.0
_PANEL = (4.0, 3.0)  # inches: one column of a journal


def plot_convergence(found: Convergence, ax: Any = None) -> Any:
    """Draw the course of a run, forwards and backwards, and return the Axes.

    The difference of regions with its error now, where there are any, and the distance of F from
    that of all. ``ax``: two Axes or, for the first of these alone, one; None: a new pyplot figure.
    Raises BackendError without matplotlib.
    """
    if ax is None:
        ax = _new_axes(found, pyplot=True)
    axes = np.atleast_1d(ax)
    panels = [_draw_differences] if found.forwards.differences is not None else []
    for draw, on in zip([*panels, _draw_distances], axes):
        draw(found, on)
        on.set_xlabel("share of the run")
        on.set_xlim(0, 1)
        on.legend(frameon=False)
    return ax


def save_convergence(found: Convergence, path: str | os.PathLike[str]) -> None:
    """Draw into a .png, .pdf or .svg file; needs no display. Raises as plot.save_plot."""
    picture = picture_format(path)
    with matplotlib_module().rc_context({"text.usetex": False}):
        axes = np.atleast_1d(_new_axes(found, pyplot=False))
        plot_convergence(found, axes)
        save_figure(axes[0].figure, found.surface, path, picture, DPI)


def _new_axes(found: Convergence, *, pyplot: bool) -> Any:
    n = 1 + (found.forwards.differences is not None)
    return new_figure((n * _PANEL[0], _PANEL[1]), pyplot).subplots(1, n)


def _both(found: Convergence) -> list[tuple[str, Course, np.ndarray]]:
    courses = (("forwards", found.forwards), ("backwards", found.backwards))
    return [(name, course, course.counts / course.counts[-1]) for name, course in courses]


def _known(values: np.ndarray | None) -> np.ma.MaskedArray:
    return np.ma.masked_invalid(np.asarray(values, np.float64))


def _draw_differences(found: Convergence, ax: Any) -> None:
    for name, course, share in _both(found):
        known = _known(course.differences)
        ax.plot(share, known, marker=".", label=name)
    now = _known(found.forwards.differences)[-1]
    if now is not np.ma.masked and np.isfinite(found.error):
        ax.axhspan(now - found.error, now + found.error, color="0.85", zorder=0)
    ax.set_ylabel(f"dG = F(B) - F(A) / {UNIT_LABELS[found.surface.units]}")


def _draw_distances(found: Convergence, ax: Any) -> None:
    for name, course, share in _both(found):
        ax.plot(share, _known(course.rms), marker=".", label=name)
    ax.set_ylabel(f"RMS distance of F / {UNIT_LABELS[found.surface.units]}")
    ax.set_ylim(bottom=0)
