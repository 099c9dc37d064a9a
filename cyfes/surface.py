"""A free energy surface: what it is, what can be read off it, and its files."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from cyfes import gridfile
from cyfes.errors import InputError
from cyfes.grid import Grid
from cyfes.landscape import local_minima, log_sum_exp
from cyfes.uncertainty import Uncertainty

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: What the files of pictures end in.
_PICTURES = (".png", ".pdf", ".svg")


@dataclass(frozen=True)
class Surface:
    """F on a grid.

    ``grid``; ``values`` float64[grid.shape], inf where no sample is within reach; ``derivatives``
    None or dF/ds, float64[d, *grid.shape]; ``kbt`` None if it was not needed; ``units``
    "kj/mol", "kcal/mol" or "kt". Energies in ``units``, CVs in their own. ``computed_on`` tells
    where the sum was computed and why there, ``explanation`` how (see ``explain``). ``error`` None
    or the standard error of F, float64[grid.shape], inf where F is; ``uncertainty`` what it rests
    on, None for a surface that was read.
    """

    grid: Grid
    values: np.ndarray
    kbt: float | None = None
    derivatives: np.ndarray | None = None
    units: str = "kj/mol"
    value_name: str = "file.free"
    computed_on: str = ""
    explanation: tuple[tuple[str, str], ...] = ()
    error: np.ndarray | None = None
    uncertainty: Uncertainty | None = None

    def __post_init__(self) -> None:
        if self.values.shape != self.grid.shape:
            raise InputError(f"values have shape {self.values.shape}, expected {self.grid.shape}")
        if self.error is not None and self.error.shape != self.grid.shape:
            raise InputError(f"errors have shape {self.error.shape}, expected {self.grid.shape}")

    # Using it

    def explain(self) -> str:
        """Return how the sum was computed and why, its error bounds and, where it was measured
        (``explain=True``), its error; empty for a surface that was read."""
        return "\n".join(f"{name}: {text}" for name, text in self.explanation)

    @property
    def n_unreached(self) -> int:
        """Number of points where F is not finite: no kernel reaches them."""
        return self.grid.size - int(np.count_nonzero(np.isfinite(self.values)))

    @property
    def minimum(self) -> float:
        """Lowest finite value of F; inf if there is none."""
        return float(np.min(self.values, where=np.isfinite(self.values), initial=np.inf))

    def interval(self, level: float = 0.95) -> np.ndarray:
        """Return half the width of the interval of F that holds the truth in a share ``level``.

        Standard errors times Student's t. Raises InputError for a surface without blocks.
        """
        uncertainty = self._blocks("an interval")
        return np.asarray(self.error) * uncertainty.quantile(level)

    def halves(self) -> tuple[np.ndarray, np.ndarray]:
        """Return F of the first and of the second half of the blocks; errors as ``interval``."""
        n = len(self._blocks("halves").blocks) // 2
        return self._part(slice(0, n)), self._part(slice(n, None))

    def running(self) -> Iterator[np.ndarray]:
        """Yield F of the first block, of the first two, ... of all; errors as ``interval``."""
        for k in range(len(self._blocks("a running estimate").blocks)):
            yield self._part(slice(0, k + 1))

    def replicas(self, n: int, seed: int = 0) -> np.ndarray:
        """Return F of ``n`` bootstrap replicas of the blocks, float64[n, *grid.shape].

        Errors as ``interval``, and InputError for fewer than one.
        """
        if n < 1:
            raise InputError(f"expected at least 1 replica, got {n}")
        blocks, kbt = self._blocks("replicas").blocks, self.kbt or 1.0
        free = np.empty((n, self.grid.size))
        for points, logs in blocks.replicas(n, seed):
            free[:, points] = self.values.ravel()[points] - kbt * logs
        free[np.isnan(free)] = np.inf
        return free.reshape(n, *self.grid.shape)

    def _part(self, rows: slice) -> np.ndarray:
        blocks, kbt = self._blocks("a part").blocks, self.kbt or 1.0
        with np.errstate(divide="ignore", invalid="ignore"):
            free = self.values - kbt * np.log(blocks.mean(rows) / blocks.mean())
        return np.where(np.isnan(free), np.inf, free)

    def _blocks(self, what: str) -> Uncertainty:
        if self.uncertainty is None:
            raise InputError(f"{what} needs a surface made with error=True")
        return self.uncertainty

    def shifted(self) -> Self:
        """Return the surface with its minimum at zero (``--mintozero``).

        Derivatives and points that are not finite stay.
        """
        lowest = self.minimum
        return replace(self, values=self.values - (lowest if np.isfinite(lowest) else 0.0))

    def minima(self) -> list[tuple[tuple[float, ...], float]]:
        """Return the local minima as (position, F), lowest first.

        A grid point is a minimum if none of its up to 3^d - 1 neighbours is lower (the first of
        equal ones counts); edges of a CV that is not periodic qualify.
        """
        return local_minima(self.grid, self.values)

    def marginal(self, names: Sequence[str], kbt: float | None = None) -> Self:
        """Return the projection on some CVs, F(s) = -kBT ln sum exp(-F / kBT) over the others.

        The sum runs over grid points without a volume factor, as ``plumed sum_hills --idw``.
        Raises InputError if ``names`` is not a proper subset of the CVs or kBT is unknown.
        """
        kbt = kbt if kbt is not None else self.kbt
        if kbt is None or not kbt > 0:
            raise InputError(f"a projection needs kbt > 0, got {kbt}")
        grid = self.grid.select(names)
        if len(set(names)) != len(names) or not 0 < len(names) < self.grid.n_dims:
            raise InputError(
                f"a projection takes some, not all, of {', '.join(self.grid.names)}; "
                f"got {', '.join(names)}"
            )
        kept = [self.grid.names.index(name) for name in names]
        others = tuple(i for i in range(self.grid.n_dims) if i not in kept)
        values = -kbt * log_sum_exp(-self.values / kbt, others)
        order = np.argsort(np.argsort(kept))
        values = np.ascontiguousarray(np.transpose(values, order))
        return type(self)(
            grid, values, kbt, None, self.units, "projection", self.computed_on, self.explanation
        )

    # Files and pictures

    def to_dat(self, path: str | PathLike, *, fmt: str = "%14.9f", n_threads: int = 0) -> None:
        """Write PLUMED's grid format; an existing file becomes bck.N.NAME (see gridfile)."""
        gridfile.write_dat(
            path,
            self.grid,
            self.values,
            self.derivatives,
            error=self.error,
            value_name=self.value_name,
            fmt=fmt,
            n_threads=n_threads,
        )

    def to_cube(self, path: str | PathLike) -> None:
        """Write a Gaussian cube file (3 CVs; see gridfile)."""
        gridfile.write_cube(path, self.grid, self.values, units=self.units)

    def to_npz(self, path: str | PathLike) -> None:
        """Write everything exactly (see gridfile)."""
        extra: dict[str, Any] = {"value_name": self.value_name}
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
        )

    @classmethod
    def read(cls, path: str | PathLike, *, units: str = "kj/mol") -> Self:
        """Read a surface; its format is told by the content, then by the suffix.

        ``units``: those of a file that tells none, such as a .dat file.
        Raises FileMissingError or FileFormatError, InputError for a picture.
        """
        name = fspath(path)
        suffix = Path(name).suffix.lower()
        if suffix in _PICTURES:
            raise InputError(f"{name} is a picture; expected a .dat, .cube or .npz file")
        if suffix == ".npz" or _begins_with(name, b"PK\x03\x04"):
            return cls.from_npz(name, units=units)
        if suffix in (".cube", ".cub") and not _begins_with(name, b"#!"):
            return cls.from_cube(name, units=units)
        return cls.from_dat(name, units=units)

    @classmethod
    def from_dat(
        cls, path: str | PathLike, *, kbt: float | None = None, units: str = "kj/mol"
    ) -> Self:
        """Read a file of ``to_dat`` or of PLUMED; such files tell neither kBT nor units."""
        data = gridfile.read_dat(path)
        name, error = data.value_name, data.extra.get("error")
        return cls(data.grid, data.values, kbt, data.derivatives, units, name, error=error)

    @classmethod
    def from_cube(
        cls, path: str | PathLike, *, kbt: float | None = None, units: str = "kj/mol"
    ) -> Self:
        """Read a Gaussian cube file; ``units`` if its title names none."""
        data = gridfile.read_cube(path)
        return cls(data.grid, data.values, kbt, None, data.units or units)

    @classmethod
    def from_npz(cls, path: str | PathLike, *, units: str = "kj/mol") -> Self:
        """Read a file of ``to_npz``; ``units`` if it tells none."""
        data = gridfile.read_npz(path)
        name = str(data.extra.get("value_name", "file.free"))
        units, error = data.units or units, data.extra.get("error")
        return cls(data.grid, data.values, data.kbt, data.derivatives, units, name, error=error)

    def plot(self, ax: "Axes | None" = None, **kwargs: Any) -> Any:
        """Draw the surface on matplotlib Axes and return them (see plot.plot_surface)."""
        from cyfes.plot import plot_surface

        return plot_surface(self, ax, **kwargs)


def _begins_with(path: str, magic: bytes) -> bool:
    """Whether a file that can be read begins with these bytes; a pipe would lose them."""
    if not Path(path).is_file():
        return False
    try:
        with open(path, "rb") as file:
            return file.read(len(magic)) == magic
    except OSError:
        return False
