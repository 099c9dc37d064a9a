"""``cyfes sum_hills``: the free energy surface of metadynamics hills."""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from cyfes.cli.common import (
    ProgressBar,
    counts,
    describe_minima,
    energy_unit,
    files,
    grid_request,
    in_units,
    integer,
    notes,
    positives,
    report,
    split,
    thermal,
    where,
)
from cyfes.cli.options import STDOUT
from cyfes.errors import InputError
from cyfes.fes import FreeEnergySurface, hill_blocks, histogram_blocks
from cyfes.grid import Grid, GridRequest
from cyfes.gridfile import atomic_write, check_output
from cyfes.hills import Hills, hills_grid
from cyfes.hillsfile import read_hills
from cyfes.hillsum import hill_blocks_of
from cyfes.histogram import read_unweighted
from cyfes.provenance import Provenance
from cyfes.reweight import Samples
from cyfes.tables import same_bounds, told
from cyfes.tables.formats import COLVARS_HILLS


def run(arguments: argparse.Namespace) -> None:
    """Sum hills and/or histogram samples as the options say."""
    computing = where(arguments)
    arguments.hills = files(arguments.hills, arguments.files)
    if not arguments.hills and arguments.histo is None:
        raise InputError("give --hills FILE or --histo FILE; - is the standard input")
    for output in (arguments.outfile, arguments.outhisto):
        check_output(output, [*arguments.hills, *files(arguments.histo)])
    kbt = thermal(arguments)
    if kbt is None and (arguments.idw is not None or arguments.histo is not None):
        raise InputError("--idw and --histo need --kt, kBT in --units, or --temp")
    stride = integer(arguments.stride or "0", "--stride")
    if stride and {arguments.outfile, arguments.outhisto} & set(STDOUT):
        raise InputError("--stride writes several files, and needs a prefix of their names")
    request = grid_request(arguments)
    grid: Grid | GridRequest = request
    hills, made = None, Provenance.of(arguments.command_line, arguments.hills)
    if arguments.hills:
        hills, grid = _read(arguments, request, computing["n_threads"])
    _check_units(arguments)
    # All that can be refused is, before a file is written.
    histogram = (
        None
        if arguments.histo is None
        else _histogram(arguments, grid, kbt or 1.0, stride, computing)
    )
    if hills is not None and isinstance(grid, Grid):
        _sum(arguments, hills, grid, kbt, stride, made, computing)
    if histogram is not None:
        samples, surfaces = histogram
        report({"samples read": f"{len(samples)} from {','.join(files(arguments.histo))}"})
        _write(
            arguments, surfaces, arguments.outhisto, "histo", stride, computing["n_threads"], kbt
        )


def _check_units(arguments: argparse.Namespace) -> None:
    """Refuse units that would change no number, by somebody who may expect a conversion."""
    used = (arguments.to_units, arguments.kt, arguments.temp, arguments.idw, arguments.histo)
    if told().format == COLVARS_HILLS:  # of which they must be told
        return
    if arguments.units != "kj/mol" and all(option is None for option in used):
        raise InputError(
            f"--units {arguments.units} says what the files hold and converts nothing; say "
            f"--to-units {arguments.units} to convert from kj/mol, or give both options for files "
            f"in {arguments.units}"
        )


def _read(arguments: argparse.Namespace, request: GridRequest, threads: int) -> tuple[Hills, Grid]:
    """The hills and the grid they are summed on; what is refused of options for them is here."""
    hills = read_hills(
        arguments.hills,
        on_bad=arguments.on_bad,
        plumed_compat=arguments.plumed_compat,
        n_threads=threads,
    )
    notes(hills.notes)
    if arguments.heights == "unscaled":
        hills = hills.unscaled()
    grid = hills_grid(hills, request, plumed_compat=arguments.plumed_compat)
    _note_full_periods(hills, request)
    projection = split(arguments.idw)
    if projection is not None and not 0 < len(set(projection) & set(hills.names)) < hills.n_dims:
        raise InputError(
            f"--idw takes some, not all, of {','.join(hills.names)}; got {','.join(projection)}"
        )
    grid.select(projection or hills.names)
    return hills, grid


def _sum(
    arguments: argparse.Namespace,
    hills: Hills,
    grid: Grid,
    kbt: float | None,
    stride: int,
    made: Provenance,
    computing: dict[str, Any],
) -> None:
    threads, projection = computing["n_threads"], split(arguments.idw)
    if stride and len(arguments.hills) > 1:
        notes(["the blocks follow the files one after another, not the time of the run"])
    lines = [
        ("hills read", f"{len(hills)} from {','.join(arguments.hills)}"),
        ("rows dropped", counts(hills.dropped)),
        ("CVs", str(grid)),
    ]
    report(lines)
    made = made.then(*lines)
    options = {
        "negbias": arguments.negbias,
        "plumed_compat": arguments.plumed_compat,
        "derivatives": projection is None,
        "progress": ProgressBar("hills"),
        **computing,
    }
    blocks = (
        hill_blocks(hills, grid, stride=stride, nohistory=arguments.nohistory, **options)
        if stride
        else iter([FreeEnergySurface.from_hills(hills, grid=grid, **options)])
    )
    default = "negativebias" if arguments.negbias else "fes"
    surfaces = (
        replace(b if projection is None else b.marginal(projection, kbt), provenance=made)
        for b in blocks
    )
    _write(arguments, surfaces, arguments.outfile, default, stride, threads, kbt)
    if stride:
        path = f"{arguments.outfile or default + '_'}blocks.dat"
        _write_blocks(hills, stride, arguments, made, path)


def _write_blocks(
    hills: Hills, stride: int, arguments: argparse.Namespace, made: Provenance, path: str
) -> None:
    """Write which hills the file of each block holds, and the time of the last of them."""
    rows = []
    for k, block in enumerate(hill_blocks_of(len(hills), stride)):
        first = block.start + 1 if arguments.nohistory else 1
        time = hills.times[block.stop - 1]
        rows.append(f" {k} {first} {block.stop} {time:.10g}")
    with atomic_write(path) as file:
        head = f"#! FIELDS block first last time\n{made.text()}"
        file.write((head + "\n".join(rows) + "\n").encode())
    report({"hills and times": path})


def _histogram(
    arguments: argparse.Namespace,
    grid: Grid | GridRequest,
    kbt: float,
    stride: int,
    computing: dict[str, Any],
) -> tuple[Samples, Iterator[FreeEnergySurface]]:
    """The samples of --histo, and their surfaces, which are summed when they are asked for."""
    threads, paths = computing["n_threads"], files(arguments.histo)
    made = Provenance.of(arguments.command_line, paths)
    # Beside --hills the CVs are those of the hills: in a COLVAR every column might be one.
    names = split(arguments.idw) or (list(grid.names) if isinstance(grid, Grid) else None)
    samples = read_unweighted(paths, names, on_bad=arguments.on_bad, n_threads=threads)
    notes(samples.notes)
    sigma = positives(arguments.sigma, "--sigma") or []
    if len(sigma) != len(samples.names):
        raise InputError(
            f"--histo needs --sigma with {len(samples.names)} values ({','.join(samples.names)}), "
            f"got {len(sigma)}; --idw chooses columns"
        )
    surfaces = histogram_blocks(
        samples,
        grid.select(samples.names) if isinstance(grid, Grid) else grid,
        np.array(sigma, float),
        kbt,
        stride=stride,
        nohistory=arguments.nohistory,
        plumed_compat=arguments.plumed_compat,
        **computing,
    )
    made = made.then(("samples read", f"{len(samples)} from {','.join(paths)}"))
    return samples, (replace(surface, provenance=made) for surface in surfaces)


def _write(
    arguments: argparse.Namespace,
    surfaces: Iterator[FreeEnergySurface],
    outfile: str | None,
    default: str,
    stride: int,
    threads: int,
    kbt: float | None,
) -> None:
    """Write one file, or with a stride one per block: prefix + k + .dat."""
    for k, summed in enumerate(surfaces):
        told = kbt if summed.kbt is None else summed.kbt
        surface = in_units(replace(summed, units=arguments.units, kbt=told), arguments, kbt)
        path = f"{outfile or default + '_'}{k}.dat" if stride else outfile or f"{default}.dat"
        shown = surface.shifted() if arguments.mintozero else surface
        shown.write(path, fmt=arguments.fmt, n_threads=threads, provenance=arguments.provenance)
        report({"written": path})
    if surface.computed_on:
        report({"computed on": surface.computed_on})
    report(energy_unit(surface, arguments))
    if arguments.explain:
        report(surface.explanation)
    report(describe_minima(surface))


def _note_full_periods(hills: Hills, request: GridRequest) -> None:
    """Say so where asked bounds of a periodic CV are not its period."""
    for i, (name, period) in enumerate(zip(hills.names, hills.bounds)):
        wanted = request.bounds_of(i, name)
        if period is not None and wanted is not None and not same_bounds(wanted, period):
            notes(
                [
                    f"{name} is periodic: the grid spans {period[0]} to {period[1]}, not "
                    f"{wanted[0]} to {wanted[1]}"
                ]
            )
