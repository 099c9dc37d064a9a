"""Which basin each frame is in, and lists of the frames of each basin for other programs."""

from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np

from cyfes.errors import InputError
from cyfes.grid import Grid
from cyfes.gridfile import atomic_write
from cyfes.provenance import MAX_LINE, Provenance
from cyfes.reweight import SampleStream
from cyfes.tables.growing import GrowingArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: A frame that is in no basin, and one that the trajectory lacks.
NONE = -1

#: Frames written at a time, and numbers on a line of a list.
CHUNK = 1 << 16
PER_LINE = 15


@dataclass(frozen=True, eq=False)
class Assignment:
    """The frames that were read, in order: ``basins`` int64[n], -1 for none, out of ``n_basins``.

    ``times`` float64[n], None where a file has no time; ``files`` int64[n] counts the files, and
    ``frames`` int64[n] the frames of the trajectory of each file, from 0, -1 for a frame that the
    trajectory lacks. ``n_off`` frames lie off the grid, ``n_folded`` beyond the bounds of a
    periodic CV, where they were folded back.
    """

    basins: np.ndarray
    frames: np.ndarray
    files: np.ndarray
    times: np.ndarray | None
    n_basins: int
    n_off: int
    n_folded: int

    def __len__(self) -> int:
        return len(self.basins)

    @property
    def n_files(self) -> int:
        """Number of files."""
        return int(self.files[-1]) + 1

    @property
    def counts(self) -> np.ndarray:
        """Number of frames in each basin, int64[n_basins]."""
        return np.bincount(self.basins[self.basins >= 0], minlength=self.n_basins)

    def frames_of(self, basin: int, file: int = 0) -> np.ndarray:
        """Return the frames of a basin in the trajectory of a file, int64, counted from 0.

        As ``universe.trajectory[...]`` of MDAnalysis and ``trajectory[...]`` of mdtraj take them.
        """
        rows = slice(*np.searchsorted(self.files, [file, file + 1]))
        basins, frames = self.basins[rows], self.frames[rows]
        return np.asarray(frames[(basins == basin) & (frames >= 0)])

    def table(self) -> str:
        """Return how many frames are in each basin, as text."""
        rows = [f"{k:>5} {n:>10} {n / len(self):>8.4f}" for k, n in enumerate(self.counts.tolist())]
        n_none = len(self) - int(self.counts.sum())
        rows.append(f" none {n_none:>10} {n_none / len(self):>8.4f}")
        return "\n".join(["basin     frames    share", *rows])

    def plot(self, ax: "Axes") -> "Axes":
        """Draw the basin of each frame against time, or number, on matplotlib Axes."""
        for file in range(self.n_files):
            chosen = self.files == file
            x = np.arange(chosen.sum()) if self.times is None else self.times[chosen]
            ax.plot(x, self.basins[chosen], ".", markersize=2, label=f"file {file}")
        ax.set_xlabel("frame" if self.times is None else "time")
        ax.set_ylabel("basin")
        ax.set_yticks(range(NONE, self.n_basins), ["none", *map(str, range(self.n_basins))])
        return ax

    def lists(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yield (name, ``frames_of``) of each basin that has any, file by file."""
        for file in range(self.n_files):
            for basin in range(self.n_basins):
                frames = self.frames_of(basin, file)
                if len(frames):
                    of_file = f"file{file}_" if self.n_files > 1 else ""
                    yield f"{of_file}basin{basin}", frames

    def write(self, path: str | PathLike, provenance: Provenance | None = None) -> None:
        """Write a table of all frames: time, if it is known, basin, frame, file."""
        times = [] if self.times is None else [self.times]
        columns = [*times, self.basins, self.frames, self.files]
        row = " %.10g" * len(times) + " %d %d %d\n"
        fields = "time " * len(times) + "basin frame file"
        with atomic_write(path) as file:
            remarks = "" if provenance is None else provenance.text()
            file.write(f"#! FIELDS {fields}\n{remarks}".encode())
            for start in range(0, len(self), CHUNK):
                part = (column[start : start + CHUNK].tolist() for column in columns)
                file.write("".join(row % values for values in zip(*part)).encode())

    def write_ndx(self, path: str | PathLike, provenance: Provenance | None = None) -> None:
        """Write an index file of GROMACS: a group per basin, frames counted from 1.

        As ``gmx trjconv -fr`` and ``gmx extract-cluster -clusters`` take it.
        """
        with atomic_write(path) as file:
            if provenance is not None:
                file.write(provenance.text("; ", MAX_LINE).encode())
            for name, frames in self.lists():
                file.write(f"[ {name} ]\n".encode())
                file.write(_lines(frames + 1).encode())

    def write_frames(self, prefix: str, provenance: Provenance | None = None) -> list[str]:
        """Write a text file per basin, prefix + ``basin0.txt``, a frame per line, counted from 0.

        As ``numpy.loadtxt(..., dtype=int)`` reads it. Returns the paths.
        """
        paths = []
        for name, frames in self.lists():
            paths.append(f"{prefix}{name}.txt")
            with atomic_write(paths[-1]) as file:
                if provenance is not None:
                    file.write(provenance.text("# ").encode())
                file.write("".join(f"{frame}\n" for frame in frames.tolist()).encode())
        return paths


def assign_frames(
    samples: SampleStream, grid: Grid, labels: np.ndarray, *, every: int = 1
) -> Assignment:
    """Return which basin each frame is in: the label of the nearest point of a grid.

    ``labels`` int64[grid.shape], below 0 for none, as ``fes.basins().labels``; the CVs of the
    ``samples`` are those of the grid, in its order. ``every``: the trajectory has one frame for so
    many rows of a file, from its first one on.
    Raises InputError if no frame is on the grid, or a CV has another period there.
    """
    grid.check_periods(samples.names, samples.periods)
    flat = labels.ravel()
    known = GrowingArray(4)
    n_off, n_folded, timed = 0, 0, True
    lows, highs = np.full(grid.n_dims, np.inf), np.full(grid.n_dims, -np.inf)
    for part in samples.parts():
        columns = [part.columns[name] for name in samples.names]
        nearest = grid.nearest(columns)
        numbers, n = part.numbers(), len(nearest)
        room = known.room(n)
        room[:n, 0] = np.where(nearest < 0, NONE, flat[nearest])
        room[:n, 1] = np.where(numbers % every, NONE, numbers // every)
        room[:n, 2] = part.file
        room[:n, 3] = part.columns.get("time", np.nan)
        timed = timed and "time" in part.columns
        del room  # a view, which would keep the array from growing
        known.keep(n)
        n_off += int((nearest < 0).sum())
        n_folded += _n_folded(grid, columns)
        lows = np.minimum(lows, [column.min() for column in columns])
        highs = np.maximum(highs, [column.max() for column in columns])
    table = known.array()
    if n_off == len(table):
        spans = "; ".join(
            f"the frames span {a:g} to {b:g} (CV {name}), the grid {c:g} to {d:g}"
            for name, a, b, c, d in zip(grid.names, lows, highs, grid.lower, grid.upper)
        )
        raise InputError(f"no frame lies on the grid; {spans}")
    basins, frames, files = (table[:, i].astype(np.int64) for i in range(3))
    basins[basins < 0] = NONE
    times = table[:, 3].copy() if timed else None
    return Assignment(basins, frames, files, times, max(0, int(flat.max()) + 1), n_off, n_folded)


def labels_of(values: np.ndarray, path: str) -> np.ndarray:
    """Return labels int64 of a map of basins that a file holds as numbers on a grid.

    Not finite or below 0: no basin. Raises InputError for a number that is not whole, or as large
    as the grid has points.
    """
    finite = np.where(np.isfinite(values), values, NONE)
    labels = np.rint(finite)
    if np.any(np.abs(labels - finite) > 1e-6):
        odd = float(finite.ravel()[np.argmax(np.abs(labels - finite))])
        raise InputError(
            f"{path}: expected numbers of basins, 0, 1, ..., and below 0 or inf for none; got "
            f"{odd:g} (is it a surface? then give it as --fes)"
        )
    if labels.max() >= labels.size:
        raise InputError(f"{path}: expected numbers of basins from 0 on, got {labels.max():g}")
    return np.maximum(labels, NONE).astype(np.int64)


def _n_folded(grid: Grid, columns: list[np.ndarray]) -> int:
    """Number of frames beyond the bounds of a periodic CV by more than a step."""
    beyond = np.zeros(len(columns[0]), bool)
    for column, low, high, step, wraps in zip(
        columns, grid.lower, grid.upper, grid.spacing, grid.periodic
    ):
        if wraps:
            beyond |= (column < low - step) | (column > high + step)
    return int(beyond.sum())


def _lines(numbers: np.ndarray) -> str:
    rows = (numbers[i : i + PER_LINE].tolist() for i in range(0, len(numbers), PER_LINE))
    return "".join(" ".join(map(str, row)) + "\n" for row in rows)
