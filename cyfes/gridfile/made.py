"""How a file was made, as files of every kind tell it that this program writes."""

import os
from itertools import takewhile
from pathlib import Path

from cyfes.errors import FileFormatError, InputError
from cyfes.extras import required
from cyfes.gridfile.cube import read_cube
from cyfes.gridfile.data import missing_file
from cyfes.gridfile.npz import read_npz
from cyfes.provenance import MARK, Provenance

#: What the lines of provenance begin with in tables and surfaces, index files and lists.
_MARKS = (MARK, "; ", "# ")


def read_provenance(path: str | os.PathLike[str]) -> Provenance | None:
    """Return how a file was made: .npz, .cube, .png, or text; None if it does not tell.

    Raises FileMissingError; FileFormatError for a damaged file; InputError for other pictures.
    """
    suffix = Path(path).suffix.lower()
    if suffix == ".npz":
        return read_npz(path).provenance
    if suffix in (".cube", ".cub"):
        return read_cube(path).provenance
    if suffix in (".pdf", ".svg"):
        raise InputError(f"{path}: what it tells can be seen as its Subject or Description")
    try:
        return _of_png(path) if suffix == ".png" else _of_text(path)
    except OSError as error:
        raise missing_file(path, error) from error


def _of_text(path: str | os.PathLike[str]) -> Provenance | None:
    """What the comments tell that a text begins with."""
    with open(path, encoding="utf-8", errors="replace") as file:
        comments = list(takewhile(lambda line: line.startswith(("#", ";")), file))
    for mark in _MARKS:
        lines = [line.removeprefix(mark) for line in comments if line.startswith(mark)]
        if any(line.startswith("version ") for line in lines):
            return Provenance.parse(lines)
    return None


def _of_png(path: str | os.PathLike[str]) -> Provenance | None:
    image = required("PIL.Image", "reading a picture", "plot")
    try:
        with image.open(path) as picture:
            return Provenance.parse(picture.info.get("Description", "").splitlines())
    except image.UnidentifiedImageError:
        raise FileFormatError(f"{path}: not a picture") from None
