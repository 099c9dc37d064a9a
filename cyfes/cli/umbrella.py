"""``cyfes umbrella``: the free energy surface of umbrella windows."""

import argparse
from dataclasses import replace

from cyfes.cli.common import (
    describe_minima,
    energy_unit,
    files,
    report,
    selection,
    split,
    where,
)
from cyfes.cli.frames import Reweighted, inputs, known_kbt, moved, reference_of, reweighted
from cyfes.cli.surfaces import check_picture
from cyfes.gridfile import check_output
from cyfes.provenance import Provenance
from cyfes.umbrella import Umbrella, read_umbrella
from cyfes.units import UNIT_LABELS


def run(arguments: argparse.Namespace) -> None:
    """Join umbrella windows as the options say."""
    computing = where(arguments)
    check_picture(arguments)
    reference = reference_of(arguments)
    arguments.files = files((), arguments.files)
    path = arguments.outfile or "fes.dat"
    for output in (path, arguments.windows, arguments.overlap):
        if output:
            check_output(output, inputs(arguments))
    made = Provenance.of(arguments.command_line, inputs(arguments))
    kbt = known_kbt(arguments)
    chosen = selection(arguments, split(arguments.cv))
    joined = read_umbrella(arguments.files, kbt, chosen, n_threads=computing["n_threads"])
    found = reweighted(arguments, computing, joined.samples)
    lines = [*found.lines, *_lines(joined, arguments.units)]
    surface = replace(found.surface, provenance=made.then(*lines))
    surface = moved(surface, arguments, reference)
    _write(arguments, joined, replace(found, lines=lines, surface=surface), path)


def _lines(joined: Umbrella, units: str) -> list[tuple[str, object]]:
    """Report lines of the windows and their solution."""
    mixture, listed = joined.mixture, joined.listed
    f, unit = joined.kbt * mixture.free_energies, UNIT_LABELS[units]
    return [
        ("windows", f"{len(listed.windows)}, restrained in {', '.join(listed.names)}"),
        ("free energies", f"{f.min():.6g} to {f.max():.6g} {unit}, the first is 0"),
        ("converged", f"to {mixture.precision:.1g} kT in {mixture.n_steps} steps"),
        ("weakest overlap", joined.overlap.weakest()),
    ]


def _write(arguments: argparse.Namespace, joined: Umbrella, found: Reweighted, path: str) -> None:
    surface = found.surface
    wanted = arguments.provenance or arguments.error
    surface.write(path, fmt=arguments.fmt, provenance=wanted)
    found.report()
    report({"points unreached": f"{surface.n_unreached} of {surface.grid.size}"})
    report({"computed on": surface.computed_on, "written": path})
    report(energy_unit(surface, arguments))
    found.report_errors()
    if arguments.explain:
        report(surface.explanation)
    report(describe_minima(surface))
    if arguments.windows:
        joined.columns().write(arguments.windows, surface.provenance)
        report({"written": arguments.windows})
    if arguments.overlap:
        joined.overlap.write(arguments.overlap, surface.provenance)
        report({"written": arguments.overlap})
    if arguments.plot:
        from cyfes.plot import save_plot

        save_plot(surface, arguments.plot)
        report({"written": arguments.plot})
