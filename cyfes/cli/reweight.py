"""``cyfes reweight``: the free energy surface of biased frames."""

import argparse
from dataclasses import replace

from cyfes.cli.common import (
    describe_minima,
    energy_unit,
    files,
    number,
    report,
    split,
    where,
)
from cyfes.cli.frames import inputs, reweighted
from cyfes.errors import InputError
from cyfes.gridfile import check_output
from cyfes.provenance import Provenance


def run(arguments: argparse.Namespace) -> None:
    """Reweight frames as the options say."""
    computing = where(arguments)
    # What can be refused is refused now, not after a long sum.
    reference = _reference(arguments)
    if arguments.plot:
        from cyfes.plot import picture_format

        picture_format(arguments.plot)
    arguments.files = files((), arguments.files)
    check_output(arguments.outfile or "fes.dat", inputs(arguments))
    made = Provenance.of(arguments.command_line, inputs(arguments))
    found = reweighted(arguments, computing)
    surface = replace(found.surface, provenance=made.then(*found.lines))
    if arguments.reference is not None:
        surface = surface.relative_to(reference)
    elif arguments.mintozero:
        surface = surface.shifted()
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


def _reference(arguments: argparse.Namespace) -> list[float] | None:
    """The point of --reference, None for the lowest."""
    if arguments.reference is not None and arguments.mintozero:
        raise InputError("--mintozero is --reference minimum without its errors: give one of them")
    if arguments.reference in (None, "minimum"):
        return None
    return [number(text, "--reference") or 0.0 for text in split([arguments.reference]) or ()]
