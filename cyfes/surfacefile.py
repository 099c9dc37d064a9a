"""The files of a surface: which format a path means, and what goes into each."""

from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Self

import numpy as np

from cyfes import gridfile
from cyfes.errors import InputError
from cyfes.grid import Grid
from cyfes.provenance import Provenance
from cyfes.tables import format_of, told
from cyfes.tables.formats import COLVARS_PMF, CUBE, NPZ, OPENMM

#: What the files of pictures end in, and those of cubes.
_PICTURES = (".png", ".pdf", ".svg")
_CUBES = (".cube", ".cub")


_READERS = {
    COLVARS_PMF: gridfile.read_colvars,
    CUBE: gridfile.read_cube,
    NPZ: gridfile.read_npz,
    OPENMM: gridfile.read_openmm,
}


class SurfaceFiles:
    """How a surface, whose fields these are, is written and read."""

    grid: Grid
    values: np.ndarray
    kbt: float | None
    derivatives: np.ndarray | None
    units: str
    value_name: str
    error: np.ndarray | None
    provenance: Provenance | None

    def write(
        self,
        path: str | PathLike,
        *,
        fmt: str = "%14.9f",
        n_threads: int = 0,
        provenance: bool | None = None,
        columns: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        """Write the file that the suffix of ``path`` names: .npz, .cube or .cub, else as .dat.

        ``columns``: further functions on the grid by name, of which a cube holds none.
        """
        suffix = Path(fspath(path)).suffix.lower()
        if suffix in _PICTURES:
            raise InputError(f"{path} is a picture; expected a .dat, .cube or .npz file")
        if suffix == ".npz":
            self.to_npz(path, columns)
        elif suffix not in _CUBES:
            self.to_dat(path, fmt=fmt, n_threads=n_threads, provenance=provenance, columns=columns)
        elif columns:
            raise InputError(f"a cube holds F alone, not {', '.join(columns)}: give a .dat or .npz")
        else:
            self.to_cube(path)

    def to_dat(
        self,
        path: str | PathLike,
        *,
        fmt: str = "%14.9f",
        n_threads: int = 0,
        provenance: bool | None = None,
        columns: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        """Write PLUMED's grid format; an existing file becomes bck.N.NAME (see gridfile).

        ``provenance`` adds comments that tell how the surface was made; None: where the file has a
        column of errors or ``columns``, and so is not PLUMED's to the byte in any case.
        """
        more = self.error is not None or bool(columns)
        wanted = provenance if provenance is not None else more
        gridfile.write_dat(
            path,
            self.grid,
            self.values,
            self.derivatives,
            error=self.error,
            columns=columns,
            value_name=self.value_name,
            provenance=self.provenance if wanted else None,
            units=self.units,
            kbt=self.kbt,
            fmt=fmt,
            n_threads=n_threads,
        )

    def to_cube(self, path: str | PathLike) -> None:
        """Write a Gaussian cube file (3 CVs; see gridfile)."""
        gridfile.write_cube(
            path, self.grid, self.values, units=self.units, provenance=self.provenance
        )

    def to_npz(self, path: str | PathLike, columns: Mapping[str, np.ndarray] | None = None) -> None:
        """Write everything exactly (see gridfile), and further arrays by name."""
        extra: dict[str, Any] = {"value_name": self.value_name, **(columns or {})}
        if self.error is not None:
            extra["error"] = self.error
        gridfile.write_npz(
            path,
            self.grid,
            self.values,
            self.derivatives,
            kbt=self.kbt,
            units=self.units,
            extra=extra,
            provenance=self.provenance,
        )

    @classmethod
    def read(cls, path: str | PathLike, units: str | None = None) -> Self:
        """Read a surface; its format is told by the content, then by the suffix.

        ``units`` of a file that does not tell them, such as a .dat of PLUMED (None: kj/mol). What
        files of other programs do not tell, cyfes.reading does.
        Raises FileMissingError or FileFormatError, InputError for a picture.
        """
        name = fspath(path)
        if Path(name).suffix.lower() in _PICTURES:
            raise InputError(f"{name} is a picture; expected a .dat, .cube or .npz file")
        found = format_of(name, "surface").name
        data = _READERS.get(found, gridfile.read_dat)(name)
        if found == COLVARS_PMF and units is None:
            units = told().need_units(name, "the free energies of Colvars")
        _check_axes(name, data.grid.names)
        return cls._of_file(data, units=units or "kj/mol")

    @classmethod
    def from_dat(
        cls, path: str | PathLike, *, kbt: float | None = None, units: str = "kj/mol"
    ) -> Self:
        """Read a file of ``to_dat`` or of PLUMED; ``kbt`` and ``units`` where it tells neither."""
        return cls._of_file(gridfile.read_dat(path), kbt, units)

    @classmethod
    def from_cube(cls, path: str | PathLike, *, kbt: float | None = None) -> Self:
        """Read a Gaussian cube file."""
        return cls._of_file(gridfile.read_cube(path), kbt)

    @classmethod
    def from_npz(cls, path: str | PathLike) -> Self:
        """Read a file of ``to_npz``."""
        return cls._of_file(gridfile.read_npz(path))

    @classmethod
    def _of_file(
        cls, data: gridfile.GridData, kbt: float | None = None, units: str = "kj/mol"
    ) -> Self:
        """The surface of a file; what it tells itself counts more than what is given."""
        return cls(  # type: ignore[call-arg]
            data.grid,
            data.values,
            kbt if data.kbt is None else data.kbt,
            data.derivatives,
            data.units or units,
            data.value_name or str(data.extra.get("value_name", "file.free")),
            error=data.extra.get("error"),
            provenance=data.provenance,
        )


def _check_axes(path: str, names: Sequence[str]) -> None:
    """Raise InputError if a user names other CVs than those of a surface, and not of hills."""
    given = [axis.name for axis in told().axes]
    if given and sorted(given) != sorted(names) and told().format in ("", COLVARS_PMF, OPENMM):
        raise InputError(
            f"{path} is of {', '.join(names)}, and --axes names {', '.join(given)}: leave it out"
        )
