"""``cyfes project``: a surface of fewer CVs, the others integrated out."""

import argparse

from cyfes.cli.common import notes, report, split
from cyfes.cli.surfaces import check_picture, needed, surface_of, write
from cyfes.provenance import Provenance
from cyfes.units import UNIT_LABELS


def run(arguments: argparse.Namespace) -> None:
    """Write the projection of a surface."""
    check_picture(arguments)
    path = arguments.file
    made = Provenance.of(arguments.command_line, path)
    surface, told = surface_of(path, arguments, arguments.units)
    kbt = needed(told, path, surface)
    names = split(arguments.cv) or []
    found = surface.project(names, kbt)
    text = f"{kbt:.6g} {UNIT_LABELS[surface.units]}"
    report({"read": path, "kBT": text})
    if surface.error is not None and found.error is None:
        notes(
            [
                f"{path} has the error of F, which does not tell that of a projection; from the "
                f"frames: cyfes reweight COLVAR --cv {','.join(names)} --error"
            ]
        )
    write(found, arguments, kbt, made.then(("kBT", text)), "project.dat")
