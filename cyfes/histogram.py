"""Histograms as ``plumed sum_hills --histo`` makes them: sums of unit stretched kernels."""

from collections.abc import Iterator, Sequence
from os import PathLike, fspath
from typing import Literal

import numpy as np

from cyfes.density import Density
from cyfes.grid import Grid, GridRequest, fit_grid
from cyfes.hills import CUT
from cyfes.hillsfile import cv_names
from cyfes.hillsum import hill_blocks_of
from cyfes.reweight import Samples
from cyfes.tables import read_header, read_table
from cyfes.weights import WeightSums

#: Automatic bins are this part of a kernel's width.
BINS_PER_SIGMA = 10


def read_unweighted(
    paths: str | PathLike | Sequence[str | PathLike],
    names: Sequence[str] | None = None,
    *,
    on_bad: Literal["raise", "skip"] = "raise",
    n_threads: int = 0,
) -> Samples:
    """Return every row of HILLS or COLVAR files as a sample of weight 1.

    ``names``: the CVs, None for those before the first sigma. Periods are those of the first file.
    Raises FileMissingError or FileFormatError naming file, line and column.
    """
    files = [fspath(p) for p in ([paths] if isinstance(paths, str | PathLike) else paths)]
    header = read_header(files[0])
    names = tuple(names or cv_names(header))
    tables = [read_table(file, names, on_bad=on_bad, n_threads=n_threads) for file in files]
    values = np.concatenate(
        [np.column_stack([table.columns[name] for name in names]) for table in tables]
    )
    periods = [
        (header.constants[f"min_{n}"], header.constants[f"max_{n}"])
        if f"min_{n}" in header.constants
        else None
        for n in names
    ]
    log_weights = np.zeros(len(values))
    sums = WeightSums.of(log_weights)
    return Samples(names, tuple(periods), values, log_weights, sums, len(values))


def histogram_grid(samples: Samples, request: Grid | GridRequest, sigma: np.ndarray) -> Grid:
    """Return the grid for a histogram, as PLUMED's: bounds one sigma outside (see fit_grid)."""
    columns = list(zip(samples.values.T, sigma))
    extents = (
        np.array([(x - h).min() for x, h in columns]),
        np.array([(x + h).max() for x, h in columns]),
    )
    steps = sigma / BINS_PER_SIGMA
    return fit_grid(samples.names, samples.bounds, request, extents, steps, cut=CUT)


def histogram_densities(
    values: np.ndarray,
    grid: Grid,
    sigma: np.ndarray,
    *,
    stride: int = 0,
    nohistory: bool = False,
    n_threads: int = 0,
    backend: str = "auto",
    devices: Sequence[int] = (0,),
) -> Iterator[Density]:
    """Yield the sum of unit kernels of width ``sigma`` float64[d] after every ``stride`` samples
    (0: once) and always the final one (see hillsum.hill_densities)."""

    def empty() -> Density:
        return Density(
            grid,
            kernel="stretched-gaussian",
            images="nearest",
            derivatives=True,
            n_threads=n_threads,
            backend=backend,
            devices=devices,
        )

    density = empty()
    for rows in hill_blocks_of(len(values), stride):
        if nohistory and rows.start:
            density = empty()
        yield density.add(values[rows], sigma[None, :])
