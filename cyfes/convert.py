"""Files of other programs as files of PLUMED: HILLS, COLVAR, grids, and CSV."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from os import PathLike
from typing import Literal

import numpy as np

from cyfes.errors import FileFormatError, InputError
from cyfes.gridfile import atomic_write
from cyfes.hills import KERNELS, Hills
from cyfes.provenance import Provenance
from cyfes.tables import Bounds, Header, TableReader

#: Rows printed in one go.
CHUNK = 1 << 14


def write_hills(
    path: str | PathLike[str], hills: Hills, provenance: Provenance | None = None
) -> None:
    """Write hills as METAD does, each number so that it reads back as the very same.

    A further header begins where the kernel changes.
    ``biasf``, ``time`` and ``clock`` are left out where they are not known.
    Raises InputError where only some hills know them, OutputError if the file cannot be written.
    """
    columns = hill_columns(hills)
    with atomic_write(path) as file:
        for part in _parts(hills):
            kernel = KERNELS[int(hills.gaussian[part.start])]
            file.write(_head_of_hills(hills, list(columns), kernel).encode())
            if provenance is not None and part.start == 0:
                file.write(provenance.text().encode())
            for text in _rows([column[part] for column in columns.values()], " "):
                file.write(text)


def write_hills_csv(path: str | PathLike[str], hills: Hills) -> None:
    """Write hills as CSV, which does not tell periods.

    Raises InputError for hills of kerneltype gaussian or with INTERVAL, which CSV cannot tell.
    """
    if hills.gaussian.any() or hills.interval is not None:
        raise InputError("CSV tells no kerneltype or INTERVAL, which these hills have; use HILLS")
    columns = hill_columns(hills)
    with atomic_write(path) as file:
        file.write((",".join(columns) + "\n").encode())
        for text in _rows(list(columns.values()), ","):
            file.write(text)


def write_frames(
    path: str | PathLike[str],
    source: str,
    *,
    separator: Literal[" ", ","] = " ",
    columns: Sequence[str] | None = None,
    on_bad: Literal["raise", "skip"] = "raise",
    provenance: Provenance | None = None,
) -> TableReader:
    """Write the rows of a table as a COLVAR file, or CSV; return the reader that has read them.

    ``columns``: those that are written, None for all. In a COLVAR headers stay where they are, so
    that restarts are seen; CSV has one. Numbers read back as the very same. Raises FileMissingError
    or FileFormatError naming file, line and column, InputError for a column that is not there,
    OutputError if the file cannot be written.
    """
    reader = TableReader(source, on_bad=on_bad, allow_nonfinite=True)
    names = list(dict.fromkeys(columns or reader.header.fields))
    head = ",".join(names) + "\n" if separator == "," else ""
    told = "" if provenance is None or head else provenance.text()
    with atomic_write(path) as file:
        header = None
        for rows in reader.rows(names):
            if columns is None:
                _check_columns(source, rows.header, names)
            if separator == " " and (rows.header is not header or rows.follows_header):
                head, header = _head_of_frames(rows.header, names) + told, rows.header
            file.write(head.encode())
            head = told = ""
            for text in _rows(rows.columns, separator):
                file.write(text)
    return reader


def hill_columns(hills: Hills) -> dict[str, np.ndarray]:
    """Return the columns of a HILLS file by name, float64[n] each.

    Raises InputError where only some hills know their time, biasfactor or clock.
    """
    columns = {"time": hills.times}
    columns |= dict(zip(hills.names, hills.centers.T))
    columns |= dict(_widths(hills))
    columns["height"] = hills.heights
    columns["biasf"] = hills.biasfactors
    if hills.clocks is not None:
        columns["clock"] = hills.clocks
    for name in {"time", "biasf", "clock"}.intersection(columns):
        unknown = int(np.isnan(columns[name]).sum())
        if 0 < unknown < len(hills):
            raise InputError(f"{unknown} of {len(hills)} hills have no {name}; all or none may")
        if unknown:
            del columns[name]
    return columns


def _widths(hills: Hills) -> Iterator[tuple[str, np.ndarray]]:
    """Columns of the widths: sigmas, or the lower Cholesky factors row by row."""
    if hills.covariances is None:
        yield from ((f"sigma_{name}", sigma) for name, sigma in zip(hills.names, hills.sigmas.T))
        return
    try:
        factors = np.linalg.cholesky(hills.covariances)
    except np.linalg.LinAlgError:
        raise InputError("the covariance of a hill is not positive definite") from None
    for i, a in enumerate(hills.names):
        for j, b in enumerate(hills.names[: i + 1]):
            yield f"sigma_{a}_{b}", factors[:, i, j]


def _parts(hills: Hills) -> Iterator[slice]:
    """Successive hills of one kernel."""
    changes = np.flatnonzero(np.diff(hills.gaussian.astype(np.int8))) + 1
    cuts = [0, *changes.tolist(), len(hills)]
    yield from (slice(a, b) for a, b in pairwise(cuts))


def _head_of_hills(hills: Hills, names: Sequence[str], kernel: str) -> str:
    multivariate = "false" if hills.covariances is None else "true"
    lines = [
        f"#! FIELDS {' '.join(names)}",
        f"#! SET multivariate {multivariate}",
        f"#! SET kerneltype {kernel}",
        *_periods(zip(hills.names, hills.bounds)),
    ]
    if hills.interval is not None:
        low, high = hills.interval
        lines += [f"#! SET lower_int {low!r}", f"#! SET upper_int {high!r}"]
    return "\n".join(lines) + "\n"


def _periods(bounds: Iterable[tuple[str, Bounds]]) -> Iterator[str]:
    for name, own in bounds:
        if own is not None:
            yield from (f"#! SET min_{name} {own[0]}", f"#! SET max_{name} {own[1]}")


def _head_of_frames(header: Header, names: Sequence[str]) -> str:
    constants = "".join(f"#! SET {name} {value}\n" for name, value in header.constants.items())
    return f"#! FIELDS {' '.join(names)}\n{constants}"


def _check_columns(path: str, header: Header, names: Sequence[str]) -> None:
    """Raise FileFormatError for a column that would be left out without a word."""
    more = [name for name in header.fields if name not in names]
    if more:
        raise FileFormatError(
            f"{path}:{max(1, header.line)}: columns {', '.join(more)} are new from here on; "
            "choose those to be written with --columns"
        )


def _rows(columns: Sequence[np.ndarray], separator: str) -> Iterator[bytes]:
    """Text of rows, each number as short as it can be."""
    lead = " " if separator == " " else ""
    for start in range(0, len(columns[0]) if columns else 0, CHUNK):
        texts = (map(repr, column[start : start + CHUNK].tolist()) for column in columns)
        yield "".join(f"{lead}{separator.join(row)}\n" for row in zip(*texts)).encode()
