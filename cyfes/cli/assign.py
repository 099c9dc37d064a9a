"""``cyfes assign``: which basin each frame is in."""

import argparse
import warnings
from collections.abc import Sequence

import numpy as np

from cyfes.assign import Assignment, assign_frames, labels_of
from cyfes.cli.common import counts, files, integer, notes, report, selection
from cyfes.cli.surfaces import basins_of
from cyfes.errors import CyfesWarning
from cyfes.grid import Grid
from cyfes.provenance import Provenance
from cyfes.restarts import OVERLAP
from cyfes.reweight import SampleStream
from cyfes.rowfilter import REPEATED
from cyfes.surface import Surface


def run(arguments: argparse.Namespace) -> None:
    """Write the basin of each frame."""
    every = integer(arguments.trajectory_every, "--trajectory-every", 1)
    paths = files((), arguments.files)
    made = Provenance.of(arguments.command_line, [arguments.fes or arguments.basins, *paths])
    grid, labels, lines = _basins(arguments)
    # Weights do not matter here.
    arguments.bias, arguments.rbias, arguments.logweights = None, False, None
    arguments.no_bias = True
    samples = SampleStream(paths, 1.0, selection(arguments, list(grid.names)))
    found = assign_frames(samples, grid, labels, every=every)
    notes(samples.notes)
    if found.n_folded:
        notes([f"{found.n_folded} frames lie beyond the period of the grid, and were folded back"])
    _warn_of_numbers(samples)
    report(
        {
            "frames read": f"{samples.n_read} from {','.join(paths)}",
            "frames used": len(found),
            "rows dropped": counts(samples.dropped),
            "CVs": grid,
        }
    )
    report(_shares(found, lines))
    _write(arguments, found, made.then(*lines))


def _basins(arguments: argparse.Namespace) -> tuple[Grid, np.ndarray, list[tuple[str, str]]]:
    """(grid, labels, a line about each basin)."""
    if arguments.basins:
        surface = Surface.read(arguments.basins, "kj/mol")
        return surface.grid, labels_of(surface.values, arguments.basins), []
    basins = basins_of(arguments.fes, arguments, arguments.units)
    names, lowest = basins.surface.grid.names, basins.surface.minimum
    lines = []
    for minimum in basins.minima:
        where = " ".join(f"{name}={x:.4g}" for name, x in zip(names, minimum.position))
        lines.append((f"basin {minimum.number}", f"{where} F-Fmin={minimum.value - lowest:.4g}"))
    return basins.surface.grid, basins.labels, lines


def _shares(found: Assignment, lines: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Report lines of how many frames are in each basin, and in none."""
    where = dict(lines)
    counted = [(f"basin {k}", n) for k, n in enumerate(found.counts.tolist())]
    n_inside = sum(n for _, n in counted)
    shares = [
        (name, f"{n} frames, {n / len(found):.2%}  {where.get(name, '')}".rstrip())
        for name, n in counted
    ]
    n_between = len(found) - n_inside - found.n_off
    shares.append(("in none", f"{n_between} where F is not known, {found.n_off} off the grid"))
    return shares


def _warn_of_numbers(samples: SampleStream) -> None:
    """Warn where the rows of a file and the frames of its trajectory may be out of step."""
    bad = [reason for reason in samples.dropped if "skip" not in reason and "--st" not in reason]
    bad = [reason for reason in bad if reason not in (REPEATED, OVERLAP)]
    if bad or any("time goes back" in note and "kept" in note for note in samples.notes):
        why = ", ".join(bad) or "time goes back"
        warnings.warn(
            f"rows and frames may be out of step ({why}): compare the times in the table with "
            "those of the trajectory; --on-overlap drop leaves rows out that a restart has again",
            CyfesWarning,
            stacklevel=2,
        )


def _write(arguments: argparse.Namespace, found: Assignment, made: Provenance) -> None:
    path = arguments.outfile or "assign.dat"
    found.write(path, made)
    report({"written": path})
    if arguments.ndx:
        found.write_ndx(arguments.ndx, made)
        report({"written": arguments.ndx})
    if arguments.frames is not None:
        for written in found.write_frames(arguments.frames, made):
            report({"written": written})
