"""``cyfes diff``: how two surfaces differ, up to a constant."""

import argparse
from dataclasses import replace

from cyfes.cli.common import positive, report, split, to_units
from cyfes.cli.options import UNITS
from cyfes.cli.surfaces import check_picture, surface_of
from cyfes.comparison import difference
from cyfes.errors import InputError
from cyfes.provenance import Provenance
from cyfes.units import UNIT_LABELS


def run(arguments: argparse.Namespace) -> None:
    """Report, and write if that is asked for, the difference of two surfaces."""
    check_picture(arguments)
    below = positive(arguments.below, "--below")
    arguments.kt = None
    made = Provenance.of(arguments.command_line, arguments.files)
    (a, kbt), (b, other_kbt) = (
        surface_of(path, arguments, units)
        for path, units in zip(arguments.files, _units(arguments))
    )
    found = difference(
        replace(a, kbt=kbt),
        replace(b, kbt=other_kbt),
        below=below,
        interpolate=arguments.interpolate,
    )
    wanted = arguments.to_units or a.units
    found = found.scaled(to_units(a.units, arguments, kbt), wanted)
    lines = found.lines()
    units = [f"{path} in {UNIT_LABELS[s.units]}" for path, s in zip(arguments.files, (a, b))]
    report({"A, B": "; ".join(units)})
    report(lines)
    made = made.then(*lines)
    if arguments.outfile:
        surface = replace(found.surface, provenance=made)
        surface.write(arguments.outfile, fmt=arguments.fmt, provenance=True)
        report({"written": arguments.outfile})
    if arguments.plot:
        from cyfes.plot import save_difference

        save_difference(replace(found.drawn, provenance=made), arguments.plot)
        report({"written": arguments.plot})


def _units(arguments: argparse.Namespace) -> list[str | None]:
    """--units of both files: one for both, or one each."""
    entries = split(arguments.units)
    if entries is None:
        return [None, None]
    for entry in entries:
        if entry not in UNITS:
            raise InputError(f"--units: {entry!r} is none of {', '.join(UNITS)}")
    if len(entries) > 2:
        raise InputError(f"--units takes one unit, or one for A and one for B, got {len(entries)}")
    return [entries[0], entries[-1]]
