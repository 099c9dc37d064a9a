"""Small tables of numbers: as text for people, and as files whose header PLUMED reads."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from cyfes.errors import InputError, quoted
from cyfes.gridfile import atomic_write
from cyfes.provenance import Provenance

#: What the name of a column of standard errors ends in; the one before it is what they are of.
ERROR = "_error"


@dataclass(frozen=True)
class Columns:
    """A table: ``names`` of its columns, ``rows`` of as many numbers, None where not known.

    A cell may be a word; text with blanks belongs in the last column.
    """

    names: tuple[str, ...]
    rows: tuple[tuple[float | str | None, ...], ...]

    @classmethod
    def of(cls, names: Sequence[str], rows: Sequence[Sequence[float | str | None]]) -> "Columns":
        """Return a table without the columns of errors that nothing is known of."""
        kept = [
            k
            for k, name in enumerate(names)
            if not name.endswith(ERROR) or any(row[k] is not None for row in rows)
        ]
        return cls(
            tuple(names[k] for k in kept), tuple(tuple(row[k] for k in kept) for row in rows)
        )

    def lines(self) -> list[str]:
        """Return the names and the rows as aligned text; errors stand behind +-."""
        shown = [k for k, name in enumerate(self.names) if not name.endswith(ERROR)]
        table = [[self.names[k] for k in shown]]
        table += [[self._cell(row, k) for k in shown] for row in self.rows]
        widths = [max(map(len, column)) for column in zip(*table)]
        return ["  ".join(cell.ljust(n) for cell, n in zip(row, widths)).rstrip() for row in table]

    def write(self, path: str | os.PathLike[str], provenance: Provenance | None = None) -> None:
        """Write a file: names after "#! FIELDS", provenance, and a line per row.

        An existing file becomes bck.N.NAME. Raises InputError for a name with blanks, OutputError
        if the file cannot be written.
        """
        for name in self.names:
            if name.split() != [name]:
                raise InputError(f"a table holds no name with blanks, got {quoted(name)}")
        told = "" if provenance is None else provenance.text()
        rows = "".join(" ".join(map(_number, row)) + "\n" for row in self.rows)
        with atomic_write(path) as file:
            file.write(f"#! FIELDS {' '.join(self.names)}\n{told}{rows}".encode())

    def _cell(self, row: Sequence[float | str | None], k: int) -> str:
        text = _short(row[k], ".4g")
        if self.names[k + 1 : k + 2] != (self.names[k] + ERROR,) or row[k + 1] is None:
            return text
        return f"{text} +- {_short(row[k + 1], '.2g')}"


def _short(value: float | str | None, form: str) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int | str) else format(value, form)


def _number(value: float | str | None) -> str:
    if value is None:
        return "nan".rjust(17)
    if isinstance(value, str):
        return value
    return f"{value:5d}" if isinstance(value, int) else f"{value:17.10g}"
