"""Pictures of transition times. Matplotlib is imported only when one is drawn."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from cyfes.plot import matplotlib_module, new_figure, picture_format, save_figure
from cyfes.poisson import survival

if TYPE_CHECKING:
    from cyfes.rates import Rates

DPI = 160.0
_SIZE = (4.0, 3.0)  # inches: one column of a journal
_N_POINTS = 300


def plot_rates(found: Rates, ax: Any = None) -> Any:
    """Draw the distribution of t* and the exponential fitted to it, and return the Axes.

    Steps: share of runs that made the transition (Kaplan and Meier where some are censored, whose
    ends are marked); line: 1 - exp(-t / tau), with a band of the 95 % interval of tau. ``ax`` None:
    a new pyplot figure. Raises BackendError without matplotlib.
    """
    if ax is None:
        ax = new_figure(_SIZE, True).subplots()
    times, events = found.times, found.events
    low, high = times.min() / 3, times.max() * 3
    at, longer = survival(times, events)
    through = [0.0, *(1 - longer)]
    ax.step([low, *at, high], [*through, through[-1]], where="post")
    smooth = np.geomspace(low, high, _N_POINTS)
    band = [-np.expm1(-smooth / tau) for tau in found.interval]
    ax.fill_between(smooth, *band, color="0.85", zorder=0)
    ax.plot(smooth, -np.expm1(-smooth / found.tau), color="black", linewidth=1.0)
    if not events.all():
        ends = times[~events]
        ax.plot(ends, np.zeros(len(ends)), "|", color="black", clip_on=False)
    ax.set_xscale("log")
    ax.set_xlim(low, high)
    ax.set_ylim(0, 1)
    ax.set_xlabel("t* (unit of the files)")
    ax.set_ylabel("share of runs that are through")
    return ax


def save_rates(found: Rates, path: str | os.PathLike[str]) -> None:
    """Draw into a .png, .pdf or .svg file; needs no display. Raises as plot.save_plot."""
    picture = picture_format(path)
    with matplotlib_module().rc_context({"text.usetex": False}):
        figure = new_figure(_SIZE, False)
        plot_rates(found, figure.subplots())
        save_figure(figure, found, path, picture, DPI)
