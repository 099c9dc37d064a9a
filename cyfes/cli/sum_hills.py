"""``cyfes sum_hills``: the free energy surface of metadynamics hills."""

import argparse
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from cyfes.cli.common import (
    ProgressBar,
    counts,
    grid_request,
    integer,
    notes,
    positive,
    report,
    split,
    where,
)
from cyfes.errors import InputError
from cyfes.fes import FreeEnergySurface, hill_blocks, histogram_blocks
from cyfes.grid import Grid, GridRequest
from cyfes.hills import Hills, hills_grid, read_hills
from cyfes.histogram import read_unweighted


def run(arguments: argparse.Namespace) -> None:
    """Sum hills and/or histogram samples as the options say."""
    computing = where(arguments)
    if arguments.hills is None and arguments.histo is None:
        raise InputError("give --hills FILE or --histo FILE")
    kbt = positive(arguments.kt, "--kt")
    if kbt is None and (arguments.idw is not None or arguments.histo is not None):
        raise InputError("--idw and --histo need --kt, kBT in the energy unit of the file")
    stride = integer(arguments.stride or "0", "--stride")
    request = grid_request(arguments)
    grid = None
    if arguments.hills is not None:
        grid = _sum(arguments, request, kbt, stride, computing)
    if arguments.histo is not None:
        _histogram(arguments, request, kbt or 1.0, stride, grid, computing)


def _sum(
    arguments: argparse.Namespace,
    request: GridRequest,
    kbt: float | None,
    stride: int,
    computing: dict[str, Any],
) -> Grid:
    threads = computing["n_threads"]
    hills = read_hills(
        split(arguments.hills) or [],
        on_bad=arguments.on_bad,
        plumed_compat=arguments.plumed_compat,
        n_threads=threads,
    )
    notes(hills.notes)
    grid = hills_grid(hills, request, plumed_compat=arguments.plumed_compat)
    _note_full_periods(hills, request)
    projection = split(arguments.idw)
    if projection is not None and not 0 < len(set(projection) & set(hills.names)) < hills.n_dims:
        raise InputError(
            f"--idw takes some, not all, of {','.join(hills.names)}; got {arguments.idw}"
        )
    grid.select(projection or hills.names)
    report(
        {
            "hills read": f"{len(hills)} from {arguments.hills}",
            "rows dropped": counts(hills.dropped),
            "CVs": ", ".join(_describe(grid)),
        }
    )
    blocks = hill_blocks(
        hills,
        grid,
        stride=stride,
        nohistory=arguments.nohistory,
        negbias=arguments.negbias,
        plumed_compat=arguments.plumed_compat,
        derivatives=projection is None,
        **computing,
        progress=ProgressBar("hills"),
    )
    default = "negativebias" if arguments.negbias else "fes"
    surfaces = (b if projection is None else b.marginal(projection, kbt) for b in blocks)
    _write(arguments, surfaces, arguments.outfile, default, stride, threads)
    return grid


def _histogram(
    arguments: argparse.Namespace,
    request: GridRequest,
    kbt: float,
    stride: int,
    grid: Grid | None,
    computing: dict[str, Any],
) -> None:
    threads = computing["n_threads"]
    # Beside --hills the CVs are those of the hills: in a COLVAR every column might be one.
    names = split(arguments.idw) or (None if grid is None else grid.names)
    samples = read_unweighted(
        split(arguments.histo) or [], names, on_bad=arguments.on_bad, n_threads=threads
    )
    sigma = np.array([positive(s, "--sigma") for s in split(arguments.sigma) or []], float)
    if len(sigma) != len(samples.names):
        raise InputError(
            f"--histo needs --sigma with {len(samples.names)} values ({','.join(samples.names)}), "
            f"got {len(sigma)}"
        )
    surfaces = histogram_blocks(
        samples,
        request if grid is None else grid.select(samples.names),
        sigma,
        kbt,
        stride=stride,
        nohistory=arguments.nohistory,
        plumed_compat=arguments.plumed_compat,
        **computing,
    )
    report({"samples read": f"{len(samples)} from {arguments.histo}"})
    _write(arguments, surfaces, arguments.outhisto, "histo", stride, threads)


def _write(
    arguments: argparse.Namespace,
    surfaces: Iterator[FreeEnergySurface],
    outfile: str | None,
    default: str,
    stride: int,
    threads: int,
) -> None:
    """Write one file, or with a stride one a block: prefix + k + .dat."""
    for k, surface in enumerate(surfaces):
        path = f"{outfile or default + '_'}{k}.dat" if stride else outfile or f"{default}.dat"
        shown = surface.shifted() if arguments.mintozero else surface
        shown.to_dat(path, fmt=arguments.fmt, n_threads=threads)
        report({"written": path})
    if surface.computed_on:
        report({"computed on": surface.computed_on})
    if arguments.explain:
        report(surface.explanation)
    report(describe_minima(surface))


def describe_minima(surface: FreeEnergySurface, most: int = 3) -> list[tuple[str, object]]:
    """Return report lines of the lowest local minima, energies relative to the lowest."""
    lines: list[tuple[str, object]] = []
    minima = surface.minima()
    for k, (position, value) in enumerate(minima[:most]):
        where = " ".join(f"{n}={x:.4g}" for n, x in zip(surface.grid.names, position))
        lines.append((f"minimum {k + 1}", f"{where}  F-Fmin={value - minima[0][1]:.4g}"))
    return lines


def _describe(grid: Grid) -> Sequence[str]:
    return [
        f"{name} [{low}, {high}] {n} points{' periodic' if wraps else ''}"
        for name, (low, high), n, wraps in zip(
            grid.names, grid.bounds_text, grid.shape, grid.periodic
        )
    ]


def _note_full_periods(hills: Hills, request: GridRequest) -> None:
    """Say so where asked bounds of a periodic CV are not its period."""
    for i, (name, period) in enumerate(zip(hills.names, hills.bounds)):
        wanted = request.bounds_of(i, name)
        if period is not None and wanted is not None and wanted != period:
            notes(
                [
                    f"{name} is periodic: the grid spans {period[0]} to {period[1]}, not "
                    f"{wanted[0]} to {wanted[1]}"
                ]
            )
