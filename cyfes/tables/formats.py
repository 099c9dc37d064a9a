"""The formats of files that are read: how each is told, and what it gives."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Literal

from cyfes.errors import FileFormatError, FileMissingError, InputError, quoted
from cyfes.tables.settings import Axis, Reading, telling, told
from cyfes.tables.text import TextReader, decode
from cyfes.tables.translation import (
    NUMBER,
    SeparatedValues,
    Translator,
    Xvg,
    colvars_trajectory,
)

#: What a command wants of a file.
Wanted = Literal["hills", "frames", "surface"]

#: So much of a file is looked at: its head and its first row.
HEAD_BYTES = 1 << 16

#: Formats of tables.
PLUMED, CSV, SEMICOLON, XVG = "plumed", "csv", "csv-semicolon", "xvg"
COLVARS_TRAJ, COLVARS_HILLS = "colvars-traj", "colvars-hills"
#: Formats of surfaces alone.
COLVARS_PMF, OPENMM, NPZ, CUBE = "colvars-pmf", "openmm", "npz", "cube"

#: Formats that --gamma and --widths tell something of.
_OF_GAMMA, _OF_WIDTHS = (COLVARS_HILLS, OPENMM), (COLVARS_HILLS,)

_ZIP, _NUMPY = b"PK\x03\x04", b"\x93NUMPY"
_PLUMED_HEADER = re.compile(rb"[ \t]*#!")
_STEP = re.compile(rb"[ \t]*#[ \t]*step[ \t]")
_N_CVS = re.compile(rb"[ \t]*#[ \t]*([0-9]{1,2})[ \t\r]*")
_AXIS = re.compile(rb"[ \t]*#[ \t]+(\S+)[ \t]+(\S+)[ \t]+([0-9]+)[ \t]+([01])[ \t\r]*")
_INPUT_OF_PLUMED = re.compile(rb"\w:\s|=")


@dataclass(frozen=True)
class Format:
    """``gives``: what a command can want of it; ``how``: by what it is told from others.

    ``translator`` of its text to that of PLUMED's tables, by the path of the file.
    """

    name: str
    gives: tuple[Wanted, ...]
    how: str
    translator: Callable[[str], Translator] | None = None


FORMATS: dict[str, Format] = {
    f.name: f
    for f in (
        Format(PLUMED, ("hills", "frames", "surface"), "'#! FIELDS', or nothing of what follows"),
        Format(XVG, ("frames",), "lines with @ before the first row", Xvg),
        Format(COLVARS_TRAJ, ("frames",), "a line '# step NAME ...'", colvars_trajectory),
        Format(COLVARS_HILLS, ("hills",), "--format alone: rows of numbers without a header"),
        Format(COLVARS_PMF, ("surface",), "'# D', and D lines '# MIN WIDTH POINTS PERIODIC'"),
        Format(
            CSV,
            ("hills", "frames"),
            "commas in the first row",
            partial(SeparatedValues, separator=b","),
        ),
        Format(
            SEMICOLON,
            ("hills", "frames"),
            "semicolons in the first row",
            partial(SeparatedValues, separator=b";"),
        ),
        Format(OPENMM, ("surface",), "--format alone: an array of NumPy, .npy"),
        Format(NPZ, ("surface",), "a zip file"),
        Format(CUBE, ("surface",), "its suffix, .cube or .cub"),
    )
}


@contextmanager
def reading(
    format: str = "",
    *,
    axes: Sequence[str | Axis] = (),
    units: str | None = None,
    gamma: float | None = None,
    widths: str = "",
) -> Iterator[None]:
    """Tell what files do not: everything read within the ``with`` block is read so.

    ``format``: a name in FORMATS; files with PLUMED's header, and what this format cannot give, are
    read as their content tells. ``axes``: the CVs, such as ``phi``, ``d=0:3`` or
    ``phi=-pi:pi:periodic``. ``units`` of energies ("kj/mol", "kcal/mol", "kt"). ``gamma``: bias
    factor, -1 of ordinary metadynamics. ``widths``: what hills of Colvars have, "sigma" or
    "2sigma". Raises InputError for anything else.
    """
    if format and format not in FORMATS:
        raise InputError(f"--format: {quoted(format)} is none of {', '.join(FORMATS)}")
    for option, value, of in (("gamma", gamma, _OF_GAMMA), ("widths", widths or None, _OF_WIDTHS)):
        if value is not None and format not in of:
            raise InputError(
                f"--{option} is for --format {' and '.join(of)}: say which, or no --{option}"
            )
    parsed = tuple(axis if isinstance(axis, Axis) else Axis.parse(axis) for axis in axes)
    with telling(Reading(format, parsed, units, gamma, widths)):
        yield


def opened(path: str, wanted: Wanted) -> tuple[TextReader, Format, bytes]:
    """Open a table: return its text as PLUMED would write it, its format, and its first bytes.

    The format is the one that is told by ``reading``, if it can be that of what is wanted, else as
    the content tells. Raises FileFormatError for one that cannot be told, or that is a surface
    where none is wanted; and as TextReader.
    """
    text = TextReader(path)
    try:
        head = bytes(text.peek(HEAD_BYTES).text)
        found = _format_of(path, head, wanted)
        if wanted not in found.gives:
            raise _mistaken(path, found, wanted)
        if found.translator is not None:
            text.translate(found.translator(path))
    except BaseException:
        text.close()
        raise
    return text, found, head


def format_of(path: str, wanted: Wanted) -> Format:
    """Return the format of a file; of a pipe, which would lose what is read, the one that is told.

    ``wanted`` and errors as ``opened``; a surface in a binary file is told, too.
    """
    forced = FORMATS.get(told().format, FORMATS[PLUMED])
    if not os.path.isfile(path):
        told_apart = forced.name != OPENMM or os.path.isdir(path)
        return forced if wanted in forced.gives and told_apart else FORMATS[PLUMED]
    magic = _beginning(path)
    if magic.startswith(_ZIP) or path.lower().endswith(f".{NPZ}"):
        return FORMATS[NPZ]
    if magic == _NUMPY and forced.name == OPENMM:
        return forced
    if path.lower().endswith((".cube", ".cub")) and not magic.startswith(b"#!"):
        return FORMATS[CUBE]
    with TextReader(path) as text:
        return _format_of(path, bytes(text.peek(HEAD_BYTES).text), wanted)


def _beginning(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(len(_NUMPY))
    except OSError as error:
        raise FileMissingError(f"cannot read {path}: {error.strerror or error}") from None


def _mistaken(path: str, found: Format, wanted: Wanted) -> FileFormatError:
    """What is said of a file that is not what is wanted of it."""
    given = found.gives[0]
    what = {"hills": "hills", "frames": "frames", "surface": "a surface on a grid"}
    command = {"hills": "sum_hills", "frames": "reweight", "surface": "plot"}[given]
    text = f"this holds {what[given]}, not {what[wanted]} ({found.name}: {found.how})"
    more = f"; if it is Colvars' .hills.traj, say --format {COLVARS_HILLS}"
    return FileFormatError(
        f"{path}: {text}; use 'cyfes {command} {path}'{more if wanted == 'hills' else ''}"
    )


def _format_of(path: str, head: bytes, wanted: Wanted) -> Format:
    top, number, row = _top_of(head)
    forced = FORMATS.get(told().format)
    if any(map(_PLUMED_HEADER.match, top)):
        return FORMATS[PLUMED]
    # Grids of Colvars and arrays are told in any case, and beside them may be files of frames.
    if forced is not None and wanted in forced.gives and forced.name not in (COLVARS_PMF, OPENMM):
        return forced
    if any(line.lstrip().startswith(b"@") for line in top):
        return FORMATS[XVG]
    if grid_lines(head):
        return FORMATS[COLVARS_PMF]
    if any(map(_STEP.match, top)):
        return FORMATS[COLVARS_TRAJ]
    return FORMATS[_separated(path, number, row)]


def _top_of(head: bytes) -> tuple[list[bytes], int, bytes]:
    """(lines before the first row, number of the line of that row, the row or nothing)."""
    lines = head.split(b"\n")
    for i, line in enumerate(lines):
        if line.strip() and not line.lstrip().startswith((b"#", b"@")):
            return lines[:i], i + 1, line
    return lines, len(lines), b""


def grid_lines(head: bytes) -> list[tuple[str, ...]]:
    """Return (MIN, WIDTH, POINTS, PERIODIC) of each CV of a grid of Colvars, by its first lines.

    Empty for any other file.
    """
    lines = [line for line in head.split(b"\n") if line.strip()]
    first = _N_CVS.fullmatch(lines[0]) if lines else None
    axes = [_AXIS.fullmatch(line) for line in lines[1 : 1 + int(first[1])]] if first else []
    found = [tuple(map(decode, axis.groups())) for axis in axes if axis]
    return found if first and len(found) == int(first[1]) else []


def _separated(path: str, number: int, row: bytes) -> str:
    """The format of a file by what separates the fields of its first row.

    Raises FileFormatError where commas may be those of decimals.
    """
    comma, semicolon = b"," in row, b";" in row
    if not (comma or semicolon) or _INPUT_OF_PLUMED.search(row):
        return PLUMED
    fields = re.split(rb"[,;]", row)
    joined = (len(f.split()) > 1 and all(map(NUMBER.fullmatch, f.split())) for f in fields)
    if (comma and semicolon) or any(joined):
        raise FileFormatError(
            f"{path}:{number}: {quoted(decode(row.strip()))}: are the commas those of decimals, or "
            f"between fields? Write decimals with points; or say --format {CSV} or {SEMICOLON}"
        )
    return CSV if comma else SEMICOLON
