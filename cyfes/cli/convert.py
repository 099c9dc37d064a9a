"""``cyfes convert``: a file of any format as one of PLUMED, or as CSV."""

import argparse
import warnings
from dataclasses import replace

from cyfes.cli.common import counts, notes, report, split
from cyfes.cli.surfaces import is_surface
from cyfes.convert import write_frames, write_hills, write_hills_csv
from cyfes.errors import CyfesWarning, InputError
from cyfes.gridfile import check_output
from cyfes.hillsfile import holds_hills, read_hills
from cyfes.provenance import Provenance
from cyfes.surface import Surface
from cyfes.tables import told

#: What can be written of each kind of file; the first is written if nothing is said.
_TARGETS = {"hills": ("hills", "csv"), "frames": ("colvar", "csv"), "surface": ("grid",)}


def run(arguments: argparse.Namespace) -> None:
    """Write a file as the options say."""
    path, out = arguments.file, arguments.outfile
    kind = "surface" if is_surface(path) else "hills" if holds_hills(path) else "frames"
    targets = _TARGETS[kind]
    target = arguments.to or targets[0]
    if target not in targets:
        raise InputError(
            f"{path} holds {kind}, of which --to can be {' or '.join(targets)}, got {target}"
        )
    if arguments.columns is not None and kind != "frames":
        raise InputError(f"--columns is for frames, and {path} holds {kind}: leave it out")
    check_output(out, [path])
    made = Provenance.of(arguments.command_line, [path])
    if told().units is not None:
        made = made.then(("units", told().units))
    if kind == "surface":
        _surface(arguments, made)
    elif kind == "hills":
        _hills(arguments, target, made)
    else:
        _frames(arguments, target, made)
    report({"written": out})


def _surface(arguments: argparse.Namespace, made: Provenance) -> None:
    surface = Surface.read(arguments.file, told().units)
    report({"read": arguments.file, "CVs": surface.grid})
    surface = replace(surface, provenance=made)
    surface.write(arguments.outfile, fmt="%.17g", provenance=True)


def _hills(arguments: argparse.Namespace, target: str, made: Provenance) -> None:
    hills = read_hills(arguments.file, on_bad=arguments.on_bad)
    notes(hills.notes)
    report(
        {"hills read": f"{len(hills)} from {arguments.file}", "rows dropped": counts(hills.dropped)}
    )
    if target == "hills":
        write_hills(arguments.outfile, hills, made)
        return
    if any(hills.periodic):
        _warn_of_csv(arguments.outfile)
    write_hills_csv(arguments.outfile, hills)


def _frames(arguments: argparse.Namespace, target: str, made: Provenance) -> None:
    reader = write_frames(
        arguments.outfile,
        arguments.file,
        separator="," if target == "csv" else " ",
        columns=split(arguments.columns),
        on_bad=arguments.on_bad,
        provenance=made,
    )
    notes(reader.notes)
    n = reader.n_rows - sum(reader.dropped.values())
    report(
        {
            "rows read": f"{reader.n_rows} from {arguments.file}",
            "rows dropped": counts(reader.dropped),
            "rows written": n,
        }
    )
    if target == "csv" and any(name.startswith("min_") for name in reader.header.constants):
        _warn_of_csv(arguments.outfile)


def _warn_of_csv(path: str) -> None:
    warnings.warn(
        f"{path}: CSV does not tell periods: give them again where it is read, with --period or "
        "--axes",
        CyfesWarning,
        stacklevel=3,
    )
