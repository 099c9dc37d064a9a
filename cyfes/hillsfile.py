"""HILLS files: what a row means, and what must not change between rows and files."""

import os
import warnings
from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from typing import Literal

import numpy as np

from cyfes.errors import CyfesWarning, FileFormatError, InputError
from cyfes.grid import MAX_DIMS
from cyfes.hillparts import joined, without_overlap
from cyfes.hills import KERNELS, Hills
from cyfes.restarts import check_on_overlap
from cyfes.rowfilter import TimeWatch
from cyfes.tables import (
    Bounds,
    Header,
    Rows,
    Table,
    TableReader,
    expect_kind,
    format_of,
    input_paths,
    kind_of,
    more_exact,
    same_bounds,
    table_of,
    told,
)
from cyfes.tables.formats import COLVARS_HILLS, PLUMED
from cyfes.units import parse_number

#: Columns that are no CVs, unless they have a sigma.
_NO_CVS = ("time", "height", "biasf")

#: Files of different CVs are those of a PBMETAD run, perhaps.
PBMETAD = (
    "; a bias is of one set of CVs. Of PBMETAD, with a HILLS file per CV, 'cyfes sum_hills' writes "
    "one surface per CV"
)

#: A hill this many times as high as the median is pointed out: a walker may have blown up.
SPIKE = 1e4


def read_hills(
    paths: str | PathLike | Sequence[str | PathLike],
    *,
    on_bad: Literal["raise", "skip"] = "raise",
    on_overlap: Literal["keep", "drop", "raise"] = "keep",
    plumed_compat: bool = False,
    n_threads: int = 0,
) -> Hills:
    """Return the hills of one or more HILLS files, one file after another; "-" is standard input.

    Restarts (repeated headers), walkers (a trailing clock column), compressed files and CRLF are
    understood. ``on_bad="skip"`` leaves bad rows out and counts them in ``Hills.dropped``;
    ``plumed_compat`` also a complete last line without newline, as PLUMED does. Hills that a
    restart from an older checkpoint has again are kept, as METAD reads them and sum_hills sums
    them; ``on_overlap`` "drop" leaves the older ones out, "raise" is an error. Hills of other
    programs are read as METAD would have written them; ``cyfes.reading`` tells what files do not.
    Raises FileMissingError or FileFormatError naming file, line and column; InputError for a file
    given twice, or copies of one file.
    """
    names = input_paths(paths)
    parts = _read_parts(names, on_bad, on_overlap, plumed_compat, n_threads)
    return _joined(names, parts, on_overlap)


def read_hill_sets(
    paths: str | PathLike | Sequence[str | PathLike],
    *,
    on_bad: Literal["raise", "skip"] = "raise",
    on_overlap: Literal["keep", "drop", "raise"] = "keep",
    plumed_compat: bool = False,
    n_threads: int = 0,
) -> list[tuple[list[str], Hills]]:
    """Return (files, their hills) of each CV of a PBMETAD run, which has a HILLS file per CV.

    Of any other run that is one entry. Files are of PBMETAD if each has one CV and there are
    several of them. The rest as ``read_hills``.
    """
    names = input_paths(paths)
    parts = _read_parts(names, on_bad, on_overlap, plumed_compat, n_threads)
    sets: dict[tuple[str, ...], list[int]] = {}
    for i, part in enumerate(parts):
        sets.setdefault(part.names, []).append(i)
    if any(len(cvs) > 1 for cvs in sets):
        sets = {(): list(range(len(parts)))}
    chosen = [([names[i] for i in some], [parts[i] for i in some]) for some in sets.values()]
    return [(of_set, _joined(of_set, hills, on_overlap)) for of_set, hills in chosen]


def _read_parts(
    names: Sequence[str],
    on_bad: Literal["raise", "skip"],
    on_overlap: Literal["keep", "drop", "raise"],
    plumed_compat: bool,
    n_threads: int,
) -> list[Hills]:
    check_on_overlap(on_overlap)
    return [_read_file(path, on_bad, on_overlap, plumed_compat, n_threads) for path in names]


def _joined(names: Sequence[str], parts: list[Hills], on_overlap: str) -> Hills:
    """The hills of files that must be of one kind."""
    bounds = parts[0].bounds
    for path, part in zip(names[1:], parts[1:]):
        _check_same(names[0], parts[0], path, part)
        bounds = tuple(map(more_exact, bounds, part.bounds))
    _check_copies(names, parts)
    parts = without_overlap(names, parts, on_overlap)
    hills = replace(joined(parts), bounds=bounds)
    _warn_of_copies(hills)
    return replace(hills, notes=(*hills.notes, *_spikes(hills)))


def holds_hills(path: str) -> bool:
    """Return whether a file holds hills; of a pipe, which would lose what is read, only if told.

    Raises as TableReader.
    """
    if "frames" not in format_of(path, "hills").gives:
        return True
    if not os.path.isfile(path):
        return False
    reader = TableReader(path, allow_nonfinite=True)
    reader.close()
    return kind_of(reader.header) == "HILLS"


def cv_names(header: Header) -> tuple[str, ...]:
    """Return the CVs of a header: the fields before the first that is the sigma of one of them.

    Without time, and without height and biasf where these stand before it; all fields if none is a
    sigma. Fields behind it are CVs if they have a sigma.
    """
    names: list[str] = []
    sigmas: set[str] = set()
    seen = False
    for name in header.fields:
        seen = seen or name in sigmas
        has_one = not {f"sigma_{name}", f"sigma_{name}_{name}"}.isdisjoint(header.fields)
        if name not in sigmas and (has_one or not (seen or name in _NO_CVS)):
            names.append(name)
            sigmas |= {f"sigma_{name}", f"sigma_{name}_{name}"}
    return tuple(names)


class _Schema:
    """What the rows under one header are: CVs, their widths, periods, kernel and INTERVAL."""

    def __init__(self, path: str, header: Header) -> None:
        self.where = f"{path}:{max(1, header.line)}"
        self.names = self._check_names(path, header)
        self.bounds = tuple(header.bounds_of(path, name) for name in self.names)
        self.multivariate = self._is_multivariate(header)
        self.kernel = header.constants.get("kerneltype", KERNELS[0])
        if self.kernel not in KERNELS:
            raise FileFormatError(
                f"{self.where}: kerneltype {self.kernel!r}; expected {' or '.join(KERNELS)}"
            )
        self.interval = self._interval(header)
        self.has = frozenset(header.fields)
        for name in (*self.names, *self.sigma_names, "height"):
            if name not in header.fields:
                raise FileFormatError(
                    f"{self.where}: a HILLS file of {', '.join(self.names)} needs a column "
                    f"{name!r}; found {' '.join(header.fields)}"
                )

    @property
    def sigma_names(self) -> list[str]:
        """Columns of the widths: one per CV, or the lower Cholesky factor row by row."""
        if not self.multivariate:
            return [f"sigma_{name}" for name in self.names]
        return [f"sigma_{a}_{b}" for i, a in enumerate(self.names) for b in self.names[: i + 1]]

    @property
    def optional(self) -> list[str]:
        """Columns that a HILLS file may have and this one does."""
        return [name for name in ("biasf", "time", "clock") if name in self.has]

    def check_same(self, other: "_Schema", known: str) -> None:
        """Raise FileFormatError unless ``other`` goes on with the same hills as ``known``."""
        for what, words in _SHARED.items():
            mine, its = getattr(self, what), getattr(other, what)
            if mine != its:
                raise FileFormatError(
                    f"{other.where}: {words} {_text(its)} differ from {_text(mine)} in {known}"
                )
        for name, mine, its in zip(self.names, self.bounds, other.bounds):
            if not same_bounds(mine, its):
                raise FileFormatError(
                    f"{other.where}: the period of {name}, {_text(its)}, differs from "
                    f"{_text(mine)} in {known}; mend the SET lines that are wrong"
                )

    def _check_names(self, path: str, header: Header) -> tuple[str, ...]:
        if header.line == 0:
            raise FileFormatError(
                f"{path}:1: no '#! FIELDS' header; expected one such as "
                "'#! FIELDS time phi psi sigma_phi sigma_psi height biasf' (PLUMED 1 wrote none); "
                "of Colvars' .hills.traj say --format colvars-hills"
            )
        expect_kind(path, header, "HILLS")
        names = cv_names(header)
        if not 1 <= len(names) <= MAX_DIMS:
            raise FileFormatError(
                f"{self.where}: {len(names)} CVs ({' '.join(names)}); expected 1 to {MAX_DIMS}; "
                "'cyfes reweight' gives the surface of some of them from the COLVAR file"
            )
        return names

    def _is_multivariate(self, header: Header) -> bool:
        text = header.constants.get("multivariate")
        if text is None:  # very old files: the names of the sigmas tell
            return f"sigma_{self.names[0]}_{self.names[0]}" in header.fields
        if text not in ("true", "false"):
            raise FileFormatError(f"{self.where}: multivariate {text!r}; expected true or false")
        return text == "true"

    def _interval(self, header: Header) -> tuple[float, float] | None:
        if "lower_int" not in header.constants or "upper_int" not in header.constants:
            return None
        low, high = (
            parse_number(header.constants[key], f"{self.where}: {key}")
            for key in ("lower_int", "upper_int")
        )
        return (low, high) if low != high else None


#: What all hills that are summed together must share.
_SHARED = {"names": "the CVs", "multivariate": "multivariate", "interval": "bounds of INTERVAL"}


def _text(value: object) -> str:
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value).lower()


class _HillsReader:
    """One HILLS file, checked row by row and header by header."""

    def __init__(self, reader: TableReader) -> None:
        self.reader = reader
        _check_told(reader)
        self.first = _Schema(reader.path, reader.header)
        self.bounds = self.first.bounds
        self.gaussian: list[np.ndarray] = []
        self.times = TimeWatch()
        self._header: Header | None = None
        self._kernel = self.first.kernel
        self.wanted = [
            *self.first.names,
            *self.first.sigma_names,
            "height",
            *self.first.optional,
        ]
        d = len(self.first.names)
        # The diagonal of a Cholesky factor may have any sign but not be zero.
        diagonal = [i * (i + 3) // 2 for i in range(d)] if self.first.multivariate else range(d)
        self.positive = [self.first.sigma_names[i] for i in diagonal]

    def check(self, rows: Rows) -> None:
        """Check rows before they are kept."""
        if rows.header is not self._header:
            self._header = rows.header
            schema = _Schema(self.reader.path, rows.header)
            self.first.check_same(schema, f"line {max(1, self.reader.header.line)}")
            self._kernel = schema.kernel
            self.bounds = tuple(map(more_exact, self.bounds, schema.bounds))
        for name in self.wanted:
            if name != "biasf":
                self._check_finite(rows, name)
        columns = dict(zip(self.wanted, rows.columns, strict=True))
        for name in self.positive:
            column = columns[name]
            if self.first.multivariate:
                column = np.abs(column)
            rows.reject(
                ~(column > 0),
                f"{name} not positive",
                lambda row, name=name, column=column: (  # type: ignore[misc]
                    f"column {name} must be positive, got {column[row]:g}"
                ),
            )
            columns = dict(zip(self.wanted, rows.columns, strict=True))
        if "time" in columns:
            self.times.look(rows, columns["time"])
        self.gaussian.append(np.full(len(rows), self._kernel == "gaussian"))

    def _check_finite(self, rows: Rows, name: str) -> None:
        column = rows.columns[self.wanted.index(name)]
        number = rows.header.fields.index(name) + 1
        rows.reject(
            ~np.isfinite(column),
            "not finite",
            lambda row: f"column {number} ({name}) is {column[row]}",
        )


def _check_told(reader: TableReader) -> None:
    """Raise InputError unless a user tells the periods of hills whose format does not, and of
    others no different ones."""
    if reader.format.name == PLUMED:
        for name in cv_names(reader.header):
            told().check_tells(reader.path, name, reader.header.bounds_of(reader.path, name))
        return
    told().check_periods()
    expect_kind(reader.path, reader.header, "HILLS")
    names = cv_names(reader.header)
    if sorted(names) != sorted(axis.name for axis in told().axes):
        raise InputError(
            f"{reader.path}: the format {reader.format.name} does not tell which CVs are periodic; "
            f"name each, as in --axes {','.join(f'{name}=-pi:pi:periodic' for name in names)}, or "
            f"--axes {','.join(names)} if none is"
        )


def _read_file(
    path: str,
    on_bad: Literal["raise", "skip"],
    on_overlap: str,
    plumed_compat: bool,
    n_threads: int,
) -> Hills:
    reader = TableReader(
        path,
        on_bad=on_bad,
        allow_nonfinite=True,  # of biasf, which most sums do not need: check refuses the others
        drop_unterminated=plumed_compat,
        n_threads=n_threads,
        wanted="hills",
    )
    file = _HillsReader(reader)
    table = table_of(reader, file.wanted, file.check)
    columns, names = table.columns, file.first.names
    covariances, sigmas = _widths(table, file.first.sigma_names, len(names))
    file.times.refuse(path, on_overlap)
    back = file.times.note(on_overlap)
    notes = [*table.notes, *([back] if back else [])]
    hills = Hills(
        names=names,
        bounds=file.bounds,
        centers=np.column_stack([columns[name] for name in names]),
        heights=columns["height"],
        biasfactors=columns.get("biasf", np.full(table.n_rows, np.nan)),
        sigmas=sigmas,
        gaussian=np.concatenate(file.gaussian),
        times=columns.get("time", np.full(table.n_rows, np.nan)),
        clocks=columns.get("clock", np.full(table.n_rows, np.nan)),
        ends=(table.n_rows,),
        covariances=covariances,
        interval=file.first.interval,
        dropped=dict(table.dropped),
        notes=tuple(f"{path}: {note}" for note in notes),
    )
    return _of_colvars(path, hills) if reader.format.name == COLVARS_HILLS else hills


def _of_colvars(path: str, hills: Hills) -> Hills:
    """Hills of Colvars, whose heights are those of the bias, as METAD would write them.

    Colvars writes sigma since 2020-02-24, and wrote 2 sigma before, as its manual says. Warns where
    nothing tells which.
    """
    told().need_units(path, "the heights of Colvars' hills")
    gamma = told().need_gamma(path)
    if not told().widths:
        warnings.warn(
            f"{path}: widths are taken for sigma, which Colvars writes since 2020-02-24; older "
            "versions wrote 2 sigma: say --widths sigma or --widths 2sigma",
            CyfesWarning,
            stacklevel=4,
        )
    half = 0.5 if told().widths == "2sigma" else 1.0
    return replace(hills, sigmas=half * hills.sigmas).with_biasfactor(gamma).unscaled()


def _widths(
    table: Table, names: Sequence[str], n_dims: int
) -> tuple[np.ndarray | None, np.ndarray]:
    """(C = L L^T or None, standard deviations) from sigmas or packed Cholesky factors L.

    The factor of one CV is its sigma, so that such hills are plain ones.
    """
    packed = np.column_stack([table.columns[name] for name in names])
    if len(names) == n_dims:
        return None, np.abs(packed)
    rows, columns = np.tril_indices(n_dims)
    lower = np.zeros((len(packed), n_dims, n_dims))
    lower[:, rows, columns] = packed
    with np.errstate(over="ignore", invalid="ignore"):  # inf is no covariance, which kernels say
        covariances = lower @ lower.transpose(0, 2, 1)
    return covariances, np.sqrt(np.einsum("nii->ni", covariances))


def _check_same(first_path: str, first: Hills, path: str, other: Hills) -> None:
    """Raise FileFormatError unless two files hold hills of one kind."""
    for what, words in (("names", "CVs"), ("interval", "bounds of INTERVAL")):
        mine, its = getattr(first, what), getattr(other, what)
        if mine != its:
            raise FileFormatError(
                f"{path}: {words} {_text(its)} differ from {_text(mine)} in {first_path}"
                f"{PBMETAD if what == 'names' else ''}"
            )
    if not all(map(same_bounds, first.bounds, other.bounds)):
        raise FileFormatError(
            f"{path}: periods {_periods(other.bounds)} differ from {_periods(first.bounds)} "
            f"in {first_path}; mend the SET lines that are wrong"
        )
    if (first.covariances is None) != (other.covariances is None):
        raise FileFormatError(f"{path}: multivariate hills in only one of {first_path} and {path}")


def _periods(bounds: Sequence[Bounds]) -> str:
    return ", ".join("none" if b is None else f"{b[0]} to {b[1]}" for b in bounds)


def _check_copies(paths: Sequence[str], parts: Sequence[Hills]) -> None:
    """Raise InputError if one file holds the first hills of another, as WALKERS_MPI writes them."""
    for i, (path, part) in enumerate(zip(paths, parts)):
        for other_path, other in zip(paths[:i], parts[:i]):
            n = min(len(part), len(other))
            columns = ("centers", "heights", "sigmas", "times")
            if all(_alike(getattr(part, c)[:n], getattr(other, c)[:n]) for c in columns):
                raise InputError(
                    f"{path} holds the same hills as {other_path} ({n} equal rows), so that they "
                    "would count twice; walkers that share their hills write copies: give one"
                )


def _alike(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether columns are equal, but for digits that a program may have left out."""
    return np.allclose(one, other, rtol=1e-5, atol=1e-6, equal_nan=True)


def _warn_of_copies(hills: Hills) -> None:
    """Warn of hills that are there again: walkers that were joined, a restart kept twice.

    Only where time goes back, and where a CV tells hills of one time apart: one of few states does
    not.
    """
    if not np.any(np.diff(hills.times) < 0):
        return
    keys = np.sort(_keys([hills.times, *hills.centers.T, hills.heights, *hills.sigmas.T]))
    n = int(np.count_nonzero(keys[1:] == keys[:-1]))
    if n and 2 * max(len(np.unique(center)) for center in hills.centers.T) > len(hills) - n:
        warnings.warn(
            f"{n} of {len(hills)} hills are there twice, the same in time, place and height: if "
            "files of walkers or of a restart were joined that hold the same hills, leave one out",
            CyfesWarning,
            stacklevel=3,
        )


def _keys(columns: Sequence[np.ndarray]) -> np.ndarray:
    """A number for each row, uint64[n], the same for equal rows alone: two of 1e6 others meet once
    in 1e7 files. Rows themselves take ten times as long to sort."""
    keys = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        keys += np.ascontiguousarray(column).view(np.uint64)
        keys *= np.uint64(0x9E3779B97F4A7C15)
        keys ^= keys >> np.uint64(32)
    return keys


def _spikes(hills: Hills) -> list[str]:
    """A remark if one hill towers above the others."""
    heights = np.abs(hills.heights)
    # The median, but np.median would import numpy.ma, which takes as long as a small sum.
    middle = len(heights) // 2
    typical, highest = float(np.partition(heights, middle)[middle]), int(np.argmax(heights))
    if not 0 < SPIKE * typical < heights[highest]:
        return []
    time = "" if np.isnan(hills.times[highest]) else f" at time {hills.times[highest]:g}"
    return [
        f"hill {highest + 1}{time} is {heights[highest]:g} high, {heights[highest] / typical:.2g} "
        "times the median; it is summed as it is"
    ]
