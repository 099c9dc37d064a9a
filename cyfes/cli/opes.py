"""``cyfes opes``: the free energy surface of an OPES run, from its STATE or KERNELS file."""

import argparse
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cyfes.agreement import agreement_with_frames
from cyfes.cli.common import (
    ProgressBar,
    counts,
    files,
    grid_request,
    integer,
    notes,
    report,
    share_or_count,
    split,
    thermal,
    to_units,
)
from cyfes.cli.console import STDOUT
from cyfes.cli.series import output_name, write_index, write_series
from cyfes.cli.surfaces import check_picture
from cyfes.errors import InputError
from cyfes.fes import opes_surfaces
from cyfes.grid import Grid
from cyfes.gridfile import check_output
from cyfes.opes import OpesRun, OpesState, opes_grid
from cyfes.opesfile import read_opes
from cyfes.provenance import Provenance
from cyfes.reweight import read_samples
from cyfes.selection import Selection
from cyfes.units import UNIT_LABELS


def run(arguments: argparse.Namespace) -> None:
    """Make surfaces of the states of an OPES run as the options say."""
    threads = integer(arguments.threads, "--threads")
    check_picture(arguments)
    paths = [arguments.file, *files(arguments.colvar)]
    check_output(arguments.outfile or "fes.dat", paths)
    kbt = _thermal(arguments)
    every = integer(arguments.stride or "0", "--stride")
    several = arguments.all or every > 0
    if several and arguments.outfile in STDOUT:
        raise InputError("--all and --stride write several files, and need a prefix of their names")
    found = read_opes(
        arguments.file,
        every=every,
        all_stored=arguments.all,
        on_bad=arguments.on_bad,
        n_threads=threads,
    )
    notes(found.notes)
    grid = opes_grid(found.states, grid_request(arguments))
    surfaces = opes_surfaces(found.states, grid, kbt, n_threads=threads)
    checked = _check(arguments, found.states[-1], grid, kbt, threads)
    lines = _lines(found, arguments.file, grid, kbt, arguments.units)
    report(lines)
    made = Provenance.of(arguments.command_line, paths).then(*lines)
    last = write_series(
        arguments,
        (replace(surface, provenance=made) for surface in surfaces),
        output_name(arguments.outfile, "fes", several),
        several,
        threads,
        kbt,
    )
    if several:
        _write_index(arguments, found.states, made)
    if arguments.plot:
        from cyfes.plot import save_plot

        save_plot(last, arguments.plot)
        report({"written": arguments.plot})
    report(checked)


def _thermal(arguments: argparse.Namespace) -> float:
    kbt = thermal(arguments)
    if kbt is None:
        raise InputError(
            f"give --kt in {UNIT_LABELS[arguments.units]} or --temp in kelvin: OPES files tell "
            "probabilities and no temperature"
        )
    for option in ("bias", "skip"):
        if getattr(arguments, option) is not None and arguments.colvar is None:
            raise InputError(f"--{option} is for the frames of --colvar: give both")
    return kbt


def _check(
    arguments: argparse.Namespace, state: OpesState, grid: Grid, kbt: float, threads: int
) -> list[tuple[str, object]]:
    """Report lines of whether a state agrees with the frames of --colvar, if there are any."""
    if arguments.colvar is None:
        return []
    chosen = Selection(
        cv=list(state.names),
        bias=split(arguments.bias),
        skip=share_or_count(arguments.skip or "0", "--skip"),
        on_bad=arguments.on_bad,
    )
    paths = files(arguments.colvar)
    frames = read_samples(paths, kbt, chosen, threads, timed=True)
    notes(frames.notes)
    judged = agreement_with_frames(
        state,
        frames,
        grid,
        kbt,
        units=arguments.units,
        n_threads=threads,
        progress=ProgressBar("samples"),
    )
    units = arguments.to_units or arguments.units
    judged = judged.scaled(to_units(arguments.units, arguments, kbt), units)
    return [
        ("frames", f"{frames.n_used} from {','.join(paths)}, by their bias"),
        ("state and frames", judged.sentence()),
    ]


def _lines(
    found: OpesRun, path: str, grid: Grid, kbt: float, units: str
) -> list[tuple[str, object]]:
    state = found.states[-1]
    read = (
        f"{found.n_found} kernels from {path}; {len(state)} after those that are close were merged"
        if found.compressed
        else f"{found.n_found} states from {path}; the last has {len(state)} kernels"
    )
    mode = "OPES_METAD_EXPLORE" if state.explore else "OPES_METAD"
    highest = -kbt * state.exponent * np.log(state.epsilon)
    return [
        ("read", read),
        ("rows dropped", counts(found.dropped)),
        ("time", f"{state.time:.10g}"),
        ("bias", f"{mode}, biasfactor {state.biasfactor:.6g}"),
        ("CVs", grid),
        ("kBT", f"{kbt:.6g} {UNIT_LABELS[units]}"),
        ("F without kernels", f"{highest:.6g} {UNIT_LABELS[units]}, from epsilon"),
    ]


def _write_index(
    arguments: argparse.Namespace, states: Sequence[OpesState], made: Provenance
) -> None:
    rows = (f"{k} {state.time:.10g} {len(state)}" for k, state in enumerate(states))
    path = f"{output_name(arguments.outfile, 'fes', True)}states.dat"
    write_index(path, "state time kernels", rows, made, "states and times")
