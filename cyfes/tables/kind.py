"""Which of PLUMED's files a table is, and which command takes it."""

import re

from cyfes.errors import FileFormatError
from cyfes.tables.header import Header
from cyfes.tables.text import decode, fields_of

#: What a file is, and what can be done with it.
_REMEDIES = {
    "HILLS": "this is a HILLS file (sigma and height columns); use "
    "'cyfes sum_hills --hills {path}'",
    "KERNELS": "this is an OPES file, whose kernels are not hills; use 'cyfes opes {path}', or "
    "'cyfes reweight' on the COLVAR file of that run",
    "DELTAFS": "this is a file of OPES_EXPANDED, which holds no kernels; use 'cyfes reweight' on "
    "the COLVAR file of that run, with its column opes.bias",
    "grid": "this is a surface on a grid, not a table of a run; see 'cyfes plot {path}'",
    "COLVAR": "this is a COLVAR file (no sigma and height columns); use 'cyfes reweight {path}'",
}
_NUMBER = re.compile(rb"[-+]?(\d|\.\d|nan|inf)", re.IGNORECASE)


def kind_of(header: Header) -> str:
    """Return "HILLS", "KERNELS" (also STATE), "DELTAFS" (of OPES_EXPANDED), "grid" or "COLVAR".

    "" without a FIELDS line.
    """
    if not header.line:
        return ""
    action = header.constants.get("action", "")
    if "logweight" in header.fields or action.startswith("OPES"):
        return "KERNELS"
    if "kernel_cutoff" in header.constants:  # OPES of an early PLUMED
        return "KERNELS"
    last = (header.fields or ("",))[-1]
    if last == "DeltaF" or ("rct" in header.fields[:2] and last.startswith("DeltaF_")):
        return "DELTAFS"
    if any(name.startswith("nbins_") for name in header.constants):
        return "grid"
    # A CV may be called sigma_1, but no column of a COLVAR is the sigma of another.
    fields = set(header.fields)
    widths = (f"sigma_{name}" in fields or f"sigma_{name}_{name}" in fields for name in fields)
    return "HILLS" if "height" in fields or any(widths) else "COLVAR"


def expect_kind(path: str, header: Header, wanted: str) -> None:
    """Raise FileFormatError, with the command that would do, unless a file is of a kind."""
    kind = kind_of(header)
    if kind and kind != wanted:
        remedy = _REMEDIES[kind].format(path=path)
        raise FileFormatError(f"{path}:{header.line}: {remedy}")


def check_first_row(path: str, number: int, row: bytes) -> None:
    """Raise FileFormatError if the first row of a file without a header holds no number at all."""
    fields = fields_of(row)
    separated = any(b"," in field for field in fields)
    if any(_NUMBER.match(field) for field in fields) and not separated:
        return
    where = f"{path}:{number}: {decode(row.strip())[:60]!r}"
    if re.search(rb"\w:\s|=", row):
        raise FileFormatError(f"{where} looks like PLUMED's input; give the file that it writes")
    if separated:
        raise FileFormatError(f"{where}: fields are separated by commas; say --format csv")
    raise FileFormatError(
        f"{where}: no numbers, and no '#! FIELDS' before it; names of columns are written "
        "'#! FIELDS time phi psi', or with commas between them"
    )
