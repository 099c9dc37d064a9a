"""``cyfes minima``: minima of a surface, their basins, and the barriers between them."""

import argparse
from dataclasses import replace

from cyfes.basins import Basins
from cyfes.cli.common import notes, report
from cyfes.cli.frames import inputs, surface_or_frames
from cyfes.cli.surfaces import check_picture
from cyfes.columns import Columns
from cyfes.errors import InputError
from cyfes.provenance import Provenance
from cyfes.units import UNIT_LABELS, parse_number


def run(arguments: argparse.Namespace) -> None:
    """Report, and write if that is asked for, the minima of a surface."""
    check_picture(arguments)
    persistence = parse_number(arguments.persistence, "--persistence")
    made = Provenance.of(arguments.command_line, inputs(arguments))
    surface, lines = surface_or_frames(arguments)
    if arguments.plot and surface.grid.n_dims > 2:
        raise InputError(
            f"--plot draws 1 or 2 CVs, not {', '.join(surface.grid.names)}: 'cyfes project' first"
        )
    basins = surface.basins(persistence)
    found = (
        f"{len(basins)} of {len(surface.minima())} local minima, those {persistence:g} kT deep "
        f"or more; energies in {UNIT_LABELS[surface.units]}"
    )
    report({"minima": found})
    saddles = basins.saddle_columns() if arguments.saddles else None
    report.table(basins.lines())
    doubtful = sum(1 for m in basins.minima if (m.depth_error or 0) * 2 > m.depth)
    if doubtful:
        notes(
            [
                f"{doubtful} of {len(basins)} minima are less deep than two of their errors: noise "
                "may have made them; a higher --persistence, or a larger --sigma, leaves them out"
            ]
        )
    _write(arguments, basins, saddles, made.then(*lines, ("minima", found)))


def _write(
    arguments: argparse.Namespace, basins: Basins, saddles: Columns | None, made: Provenance
) -> None:
    if arguments.outfile:
        basins.columns().write(arguments.outfile, made)
        report({"written": arguments.outfile})
    if saddles is not None:
        saddles.write(arguments.saddles, made)
        report({"written": arguments.saddles})
    if arguments.basins:
        labels = replace(basins.labels_surface(), provenance=made)
        labels.write(arguments.basins, provenance=True)
        report({"written": arguments.basins})
    if arguments.plot:
        from cyfes.landmarks import save_basins

        drawn = replace(basins, surface=replace(basins.surface, provenance=made))
        save_basins(drawn, arguments.plot)
        report({"written": arguments.plot})
