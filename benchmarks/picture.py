"""The picture of how time grows: one panel a quantity, logarithmic, with slopes to compare."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from benchmarks.scaling import Point

LABELS = {
    "samples": ("samples N", "time against samples (h = range/50)"),
    "points": ("grid points G", "against the grid (2-D, N = 1e6)"),
    "bandwidth": ("bandwidth / range", "against the bandwidth (2-D, N = 1e6, 200x200)"),
    "threads": ("threads", "against threads"),
}
#: Slope of the grey line that the curves are compared with: work in proportion to all pairs
#: of a sample and a point in its reach.
SLOPES = {"samples": 1.0, "points": 1.0, "bandwidth": 2.0}
COLOURS = {
    "cyfes 1-D": "#7fb3d5", "cyfes 2-D": "#1f618d", "cyfes 3-D": "#12344d",
    "cyfes hills 2-D": "#b9770e", "KDEpy FFTKDE 2-D": "#cb4335", "finufft 1e-12 2-D": "#884ea0",
}  # fmt: skip


def draw(points: Sequence["Point"], machine: str, path: Path) -> None:
    """Write the picture of all series to a file."""
    figure, panels = plt.subplots(2, 2, figsize=(10, 7.5), layout="constrained")
    for panel, series in zip(panels.flat, LABELS, strict=True):
        _panel(panel, [p for p in points if p.series == series], series)
    figure.suptitle(machine, fontsize=8, color="0.4")
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)


def _panel(panel: "Axes", points: Sequence["Point"], series: str) -> None:
    for who in dict.fromkeys(p.who for p in points):
        x, y = np.array([(p.x, p.seconds) for p in points if p.who == who]).T
        if series == "threads":
            y = y[0] / y
        style = "o-" if who.startswith("cyfes") else "s--"
        panel.plot(x, y, style, label=who, color=COLOURS.get(who), markersize=4)
    xlabel, title = LABELS[series]
    panel.set(xlabel=xlabel, ylabel="speed-up" if series == "threads" else "seconds")
    x = np.array(sorted({p.x for p in points}))
    if series == "threads":
        panel.plot(x, x / x[0], ":", color="0.6", label="ideal")
        panel.set(xticks=x, ylim=(0, None))
    else:
        low, high = min(p.seconds for p in points), max(p.seconds for p in points)
        decades = 10 ** np.floor(np.log10(low)), 10 ** np.ceil(np.log10(high))
        panel.set(xscale="log", yscale="log", ylim=decades)
        slope = SLOPES[series]
        panel.plot(x, high * (x / x[-1]) ** slope, ":", color="0.6", label=f"slope {slope:g}")
    if series == "bandwidth":
        panel.set_xticks(x, [f"1/{1 / value:g}" for value in x])
        panel.xaxis.set_minor_locator(mpl.ticker.NullLocator())
    panel.set_title(title, fontsize=10)
    panel.grid(True, which="major", color="0.92")
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(fontsize=7, frameon=False)
