"""``cyfes path``: the minimum free energy path between two minima or points."""

import argparse
from dataclasses import replace

from cyfes.cli.common import integer, positives, report
from cyfes.cli.frames import inputs, surface_or_frames
from cyfes.cli.surfaces import check_picture, fixed_values
from cyfes.extras import required
from cyfes.pathway import find_path
from cyfes.provenance import Provenance
from cyfes.units import UNIT_LABELS, parse_integer, parse_number


def run(arguments: argparse.Namespace) -> None:
    """Write the path, and a picture if that is asked for."""
    check_picture(arguments)
    required("scipy", "a path")  # now, not after a long sum
    a, b = _end(arguments.a, "--from"), _end(arguments.b, "--to")
    scales = None if arguments.scale is None else positives([arguments.scale], "--scale")
    n_points = integer(arguments.points, "--points", 3)
    persistence = parse_number(arguments.persistence, "--persistence")
    made = Provenance.of(arguments.command_line, inputs(arguments))
    surface, lines = surface_or_frames(arguments)
    path = find_path(surface, a, b, persistence=persistence, n_points=n_points, scales=scales)
    report({"energy unit": UNIT_LABELS[surface.units]})
    report(path.lines())
    made = made.then(*lines, *path.lines())
    outfile = arguments.outfile or "path.dat"
    path.columns().write(outfile, made)
    report({"written": outfile})
    if arguments.plot:
        from cyfes.landmarks import save_path

        save_path(replace(path, surface=replace(surface, provenance=made)), arguments.plot)
        report({"written": arguments.plot})


def _end(text: str, option: str) -> int | dict[str, float]:
    """A basin's number, or a point."""
    return fixed_values([text], option) if "=" in text else parse_integer(text, option)
