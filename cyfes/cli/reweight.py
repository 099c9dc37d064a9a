"""``cyfes reweight``: the free energy surface of biased frames."""

import argparse
from dataclasses import replace

from cyfes.cli.common import (
    describe_minima,
    energy_unit,
    files,
    report,
    where,
)
from cyfes.cli.frames import inputs, moved, reference_of, reweighted
from cyfes.gridfile import check_output
from cyfes.provenance import Provenance


def run(arguments: argparse.Namespace) -> None:
    """Reweight frames as the options say."""
    computing = where(arguments)
    if arguments.temperatures or arguments.entropy or arguments.energy is not None:
        from cyfes.cli.temperatures import at_temperatures

        at_temperatures(arguments, computing)
        return
    # What can be refused is refused now, not after a long sum.
    reference = reference_of(arguments)
    if arguments.plot:
        from cyfes.plot import picture_format

        picture_format(arguments.plot)
    arguments.files = files((), arguments.files)
    check_output(arguments.outfile or "fes.dat", inputs(arguments))
    made = Provenance.of(arguments.command_line, inputs(arguments))
    found = reweighted(arguments, computing)
    surface = replace(found.surface, provenance=made.then(*found.lines))
    surface = moved(surface, arguments, reference)
    path = arguments.outfile or "fes.dat"
    wanted = arguments.provenance or arguments.error
    threads = computing["n_threads"]
    surface.write(path, fmt=arguments.fmt, n_threads=threads, provenance=wanted)
    found.report()
    report(
        {
            "points unreached": f"{surface.n_unreached} of {surface.grid.size}",
            "computed on": surface.computed_on,
            "written": path,
        }
    )
    report(energy_unit(surface, arguments))
    found.report_errors()
    if arguments.explain:
        report(surface.explanation)
    report(describe_minima(surface))
    if arguments.plot:
        from cyfes.plot import save_plot

        save_plot(surface, arguments.plot)
        report({"written": arguments.plot})
