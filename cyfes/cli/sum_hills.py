"""``cyfes sum_hills``: the free energy surface of metadynamics hills."""

import argparse
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cyfes.cli.common import (
    ProgressBar,
    counts,
    files,
    grid_request,
    integer,
    notes,
    positives,
    report,
    split,
    thermal,
    where,
)
from cyfes.cli.console import STDOUT
from cyfes.cli.series import output_name, write_index, write_series
from cyfes.errors import InputError
from cyfes.fes import FreeEnergySurface, hill_blocks, histogram_blocks
from cyfes.grid import Grid, GridRequest
from cyfes.gridfile import check_output
from cyfes.hills import Hills, hills_grid
from cyfes.hillsfile import read_hill_sets
from cyfes.hillsum import hill_blocks_of
from cyfes.histogram import read_unweighted
from cyfes.provenance import Provenance
from cyfes.reweight import Samples
from cyfes.tables import same_bounds, told
from cyfes.tables.formats import COLVARS_HILLS
from cyfes.walkers import hills_in_order


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
    biases = _read(arguments, request, computing["n_threads"]) if arguments.hills else []
    if biases:
        grid = biases[0].grid
    _check_units(arguments)
    # All that can be refused is, before a file is written.
    histogram = (
        None
        if arguments.histo is None
        else _histogram(arguments, grid, kbt or 1.0, stride, computing)
    )
    for bias in biases:
        _sum(arguments, bias, kbt, stride, computing)
    if histogram is not None:
        samples, surfaces = histogram
        report({"samples read": f"{len(samples)} from {','.join(files(arguments.histo))}"})
        outfile = output_name(arguments.outhisto, "histo", stride > 0)
        threads = computing["n_threads"]
        write_series(arguments, surfaces, outfile, stride > 0, threads, kbt)


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


@dataclass(frozen=True, eq=False)
class _Bias:
    """Hills of the same CVs, their files, and the grid they are summed on.

    ``cv``: the one they are of where a run has a bias for each, else empty.
    """

    paths: list[str]
    hills: Hills
    grid: Grid
    cv: str = ""

    def path(self, named: str, stride: int) -> str:
        """Return the name of an output, with the CV in it: fes.phi.dat, or the prefix fes_phi_."""
        if not self.cv:
            return named
        root, ending = os.path.splitext(named)
        return f"{named}{self.cv}_" if stride else f"{root}.{self.cv}{ending}"


def _read(arguments: argparse.Namespace, request: GridRequest, threads: int) -> list[_Bias]:
    """The hills and the grids they are summed on; what is refused of options for them is here."""
    found = read_hill_sets(
        arguments.hills,
        on_bad=arguments.on_bad,
        on_overlap=arguments.on_overlap,
        plumed_compat=arguments.plumed_compat,
        n_threads=threads,
    )
    if len(found) == 1:
        hills, grid = _on_grid(arguments, found[0][1], request)
        return [_Bias(arguments.hills, hills, grid)]
    _check_parallel(arguments, found)
    requests = request.split([hills.names for _, hills in found])
    return [
        _Bias(paths, *_on_grid(arguments, hills, own), cv=hills.names[0])
        for (paths, hills), own in zip(found, requests)
    ]


def _check_parallel(arguments: argparse.Namespace, found: list[tuple[list[str], Hills]]) -> None:
    """Say what files of different CVs are taken for; refuse options that are for one surface."""
    cvs = ", ".join(name for _, hills in found for name in hills.names)
    for option in ("idw", "histo"):
        if getattr(arguments, option) is not None:
            raise InputError(
                f"--{option} is for one bias, and these files are of different CVs ({cvs}), as "
                "those of PBMETAD: give the files of one CV"
            )
    if arguments.outfile in STDOUT:
        raise InputError(f"{len(found)} surfaces ({cvs}) are written, which need a name: --outfile")
    notes([f"the files are of different CVs, as those of PBMETAD: one surface each of {cvs}"])


def _on_grid(
    arguments: argparse.Namespace, hills: Hills, request: GridRequest
) -> tuple[Hills, Grid]:
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
    bias: _Bias,
    kbt: float | None,
    stride: int,
    computing: dict[str, Any],
) -> None:
    threads, projection = computing["n_threads"], split(arguments.idw)
    hills, grid = bias.hills, bias.grid
    if stride and len(bias.paths) > 1:
        hills = _ordered(arguments, hills)
    made = Provenance.of(arguments.command_line, bias.paths)
    lines = [
        ("hills read", f"{len(hills)} from {','.join(bias.paths)}"),
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
    outfile = bias.path(output_name(arguments.outfile, default, stride > 0), stride)
    write_series(arguments, surfaces, outfile, stride > 0, threads, kbt)
    if stride:
        _write_blocks(hills, stride, arguments, made, f"{outfile}blocks.dat")


def _ordered(arguments: argparse.Namespace, hills: Hills) -> Hills:
    """The hills of several files in the order of the run, or, as in PLUMED, file after file."""
    order = arguments.order or ("files" if arguments.plumed_compat else "time")
    if order == "files":
        notes(["the blocks follow the files one after another, not the time of the run"])
        return hills
    hills, remark = hills_in_order(hills)
    notes([remark] if remark else [])
    return hills


def _write_blocks(
    hills: Hills, stride: int, arguments: argparse.Namespace, made: Provenance, path: str
) -> None:
    """Write which hills the file of each block holds, and the time of the last of them."""
    rows = []
    for k, block in enumerate(hill_blocks_of(len(hills), stride)):
        first = block.start + 1 if arguments.nohistory else 1
        time = hills.times[block.stop - 1]
        rows.append(f"{k} {first} {block.stop} {time:.10g}")
    write_index(path, "block first last time", rows, made, "hills and times")


def _histogram(
    arguments: argparse.Namespace,
    grid: Grid | GridRequest,
    kbt: float,
    stride: int,
    computing: dict[str, Any],
) -> tuple[Samples, Iterator[FreeEnergySurface]]:
    """The samples of --histo, and their surfaces, which are summed when they are asked for."""
    if arguments.on_overlap != "keep":
        raise InputError("--on-overlap is for hills, and --histo counts all rows: leave it out")
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
