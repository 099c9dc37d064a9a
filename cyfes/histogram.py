"""Histograms as ``plumed sum_hills --histo`` makes them: sums of unit stretched kernels."""

from collections import Counter
from collections.abc import Iterator, Sequence
from os import PathLike
from typing import Literal

import numpy as np

from cyfes.density import Density
from cyfes.errors import InputError
from cyfes.grid import Grid, GridRequest, fit_grid
from cyfes.hills import CUT
from cyfes.hillsfile import cv_names
from cyfes.hillsum import hill_blocks_of
from cyfes.reweight import Samples
from cyfes.tables import TableReader, input_paths, same_bounds, table_of
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

    ``names``: the CVs, None for those before the first sigma. All must have the same periods.
    Raises FileMissingError or FileFormatError naming file, line and column.
    """
    readers = [TableReader(path, on_bad=on_bad, n_threads=n_threads) for path in input_paths(paths)]
    names = tuple(names or cv_names(readers[0].header))
    bounds = [tuple(r.header.bounds_of(r.path, name) for name in names) for r in readers]
    for reader, own in zip(readers, bounds):
        if not all(map(same_bounds, bounds[0], own)):
            raise InputError(f"{reader.path}: its periods differ from those in {readers[0].path}")
    tables = [table_of(reader, names) for reader in readers]
    values = np.concatenate(
        [np.column_stack([table.columns[name] for name in names]) for table in tables]
    )
    log_weights = np.zeros(len(values))
    return Samples(
        names,
        bounds[0],
        values,
        log_weights,
        WeightSums.of(log_weights),
        sum(reader.n_rows for reader in readers),
        dict(sum((Counter(table.dropped) for table in tables), Counter())),
        tuple(
            f"{reader.path}: {note}"
            for reader, table in zip(readers, tables)
            for note in (*table.notes, *reader.remark_on_periods(names))
        ),
    )


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
