"""Table of the GPU's figures: python table.py FIGURES, the output of bench.cu, one JSON a line.

Beside each case the CPU backend sums the same amount (fewer samples, scaled, where it would take
over some seconds).
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

from cyfes import _kernels
from cyfes.grid import Grid

#: Kernels the CPU sums at most; its time grows in proportion.
MOST = 200_000

COLUMNS = (
    "case", "whole ms", "upload ms", "sum ms", "download ms", "pairs/s", "of FMA rate",
    "upload of copy rate", "ratio to CPU", "ratio to plain sum",
)  # fmt: skip


def cpu_seconds(figure: dict) -> float:
    """Seconds of the CPU backend on all cores, scaled from at most MOST kernels."""
    d, n = figure["n_dims"], min(figure["n"], MOST)
    rng = np.random.default_rng(1)
    centers = rng.uniform(-np.pi, np.pi, (n, d))
    width = np.full((n, d), 0.3) if figure["hills"] else np.full((1, d), 2 * np.pi / 50)
    options = (
        {"kernel": "stretched-gaussian", "images": "nearest"}
        if figure["hills"]
        else {"kernel": "gaussian", "images": "all", "cutoff": 11.0}
    )
    if figure["case"].startswith("points"):
        points = rng.uniform(-np.pi, np.pi, (1000, d))
        begin = time.perf_counter()
        period, values = np.full(d, 2 * np.pi), np.zeros(len(points))
        _kernels.evaluate(points, period, centers, width, np.ones(n), values, **options)
        factor = figure["points"] / len(points)
    else:
        bins = [round(figure["points"] ** (1 / d))] * d
        names = [f"s{i}" for i in range(d)]
        grid = Grid.from_bins(names, [-np.pi] * d, [np.pi] * d, bins, [True] * d)
        values = np.zeros(grid.shape)
        slopes = np.zeros((d, *grid.shape)) if figure["hills"] else None
        begin = time.perf_counter()
        _kernels.spread(grid, centers, width, np.ones(n), values, slopes, **options)
        factor = 1.0
    return (time.perf_counter() - begin) * factor * figure["n"] / n


def row(figure: dict) -> list[str]:
    """One line of the table."""
    whole = figure["whole_s"]
    plain = figure["plain_s"]
    return [
        figure["case"],
        *(f"{1e3 * figure[key]:.3g}" for key in ("whole_s", "upload_s", "sum_s", "download_s")),
        f"{figure['pairs_per_s']:.2g}",
        f"{figure['fma_fraction']:.2f}",
        f"{figure['upload_of_copy_rate']:.3f}",
        f"{cpu_seconds(figure) / whole:.0f}",
        f"{plain / whole:.0f}" if plain > 0 else "not measured",
    ]


def main() -> None:
    """Print the table of a file of figures."""
    probes, *figures = map(json.loads, Path(sys.argv[1]).read_text().splitlines())
    print(f"FMA probe {probes['fma_per_s']:.3g}/s, copy probe {probes['copy_bytes_per_s']:.3g} B/s")
    print("| " + " | ".join(COLUMNS) + " |")
    print("|" + "---|" * len(COLUMNS))
    for figure in figures:
        print("| " + " | ".join(row(figure)) + " |")


if __name__ == "__main__":
    main()
