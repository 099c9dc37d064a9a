"""Metadynamics hills: what a row of a HILLS file means, and the grid that fits the hills."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from os import PathLike, fspath
from typing import Literal

import numpy as np

from cyfes.errors import FileFormatError, InputError
from cyfes.grid import MAX_DIMS, Grid, GridRequest, fit_grid
from cyfes.tables import Header, Table, read_header, read_table
from cyfes.units import parse_number

#: Reach of a hill in sigma: PLUMED's kernels end where the exponent reaches 6.25.
REACH = math.sqrt(2 * 6.25)

DOUBLED_BIAS = "PLUMED doubles the bias of hills whose biasf is -1"

#: How many steps of a hill's end an automatic bound may cut off, to be written as PLUMED does.
CUT = 0.01

#: Grid points per reach of the narrowest hill on an automatic grid (PLUMED's choice).
POINTS_PER_REACH = 10


@dataclass(frozen=True)
class Hills:
    """Hills in the order they were deposited.

    ``names``: CVs. ``bounds``: per CV None or the period's bounds as written. ``centers``
    float64[n, d]; ``heights`` float64[n] (energy; well-tempered heights already carry
    gamma / (gamma - 1), as METAD writes them); ``biasfactors`` float64[n]; ``sigmas`` float64[n, d]
    standard deviations, or ``covariances`` float64[n, d, d] of multivariate hills;
    ``kernel`` "stretched-gaussian" or "gaussian"; ``interval`` None or the (lower, upper) of
    METAD's INTERVAL. Source: PLUMED 2.10 METAD and sum_hills.
    """

    names: tuple[str, ...]
    bounds: tuple[tuple[str, str] | None, ...]
    centers: np.ndarray
    heights: np.ndarray
    biasfactors: np.ndarray
    sigmas: np.ndarray
    covariances: np.ndarray | None = None
    kernel: str = "stretched-gaussian"
    interval: tuple[float, float] | None = None
    dropped: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.heights)

    def __getitem__(self, rows: slice) -> "Hills":
        return replace(
            self,
            centers=self.centers[rows],
            heights=self.heights[rows],
            biasfactors=self.biasfactors[rows],
            sigmas=self.sigmas[rows],
            covariances=None if self.covariances is None else self.covariances[rows],
        )

    @property
    def n_dims(self) -> int:
        """Number of CVs."""
        return len(self.names)

    @property
    def periodic(self) -> tuple[bool, ...]:
        """Which CVs are periodic."""
        return tuple(bound is not None for bound in self.bounds)

    @property
    def bandwidths(self) -> np.ndarray:
        """Bandwidths as the kernels take them: sigmas, or packed inverse covariances."""
        if self.covariances is None:
            return self.sigmas
        rows, columns = np.tril_indices(self.n_dims)
        try:
            return np.linalg.inv(self.covariances)[:, rows, columns]
        except np.linalg.LinAlgError:
            singular = int(np.argmin(np.abs(np.linalg.det(self.covariances))))
            raise InputError(
                f"the covariance of hill {singular} is singular; expected positive definite ones"
            ) from None

    def bias_heights(self, plumed_compat: bool = False) -> np.ndarray:
        """Return heights of the bias itself, h (gamma - 1) / gamma, float64[n].

        A biasfactor of -1 marks ordinary metadynamics, whose bias is the sum of the hills as they
        are; PLUMED applies the formula there too and gets twice the bias (``plumed_compat``).
        """
        gamma = self.biasfactors
        factor = (gamma - 1) / gamma
        return self.heights * (factor if plumed_compat else np.where(gamma < 0, 1.0, factor))

    def supports(self, plumed_compat: bool = False) -> np.ndarray:
        """Return half the extent of each hill along each CV, float64[n, d] (CV units).

        sqrt(12.5) sigma; for a multivariate hill sqrt(12.5 C_ii). PLUMED follows only the
        eigenvector of the largest eigenvalue of C, which is too short (``plumed_compat``).
        """
        if self.covariances is None:
            return np.asarray(REACH * self.sigmas)
        if not plumed_compat:
            return np.asarray(REACH * np.sqrt(np.einsum("nii->ni", self.covariances)))
        values, vectors = np.linalg.eigh(self.covariances)
        largest = np.argmax(values, axis=1)[:, None]  # the first of equal ones, as PLUMED
        vector = np.take_along_axis(vectors, largest[:, None, :], axis=2)[:, :, 0]
        longest = np.sqrt(np.take_along_axis(values, largest, axis=1))
        return np.asarray(REACH * longest * np.abs(vector))

    def plumed_windows(self, grid: Grid) -> np.ndarray:
        """Return the grid steps PLUMED visits on each side of a hill, int32[n, d]."""
        steps = np.ceil(self.supports(plumed_compat=True) / grid.spacing)
        return np.asarray(steps.astype(np.int32))


def read_hills(
    paths: str | PathLike | Sequence[str | PathLike],
    *,
    on_bad: Literal["raise", "skip"] = "raise",
    plumed_compat: bool = False,
    n_threads: int = 0,
) -> Hills:
    """Return the hills of one or more HILLS files, one file after another.

    Restarts (repeated headers), walkers (a trailing clock column), gz and CRLF are understood.
    ``on_bad="skip"`` leaves bad rows out and counts them in ``Hills.dropped``; ``plumed_compat``
    also a complete last line without newline, as PLUMED does.
    Raises FileMissingError or FileFormatError naming file, line and column.
    """
    if isinstance(paths, str | PathLike):
        paths = [paths]
    parts = [_read_file(fspath(path), on_bad, plumed_compat, n_threads) for path in paths]
    first = parts[0]
    for path, part in zip(paths[1:], parts[1:]):
        _check_same(fspath(paths[0]), first, fspath(path), part)
    dropped: dict[str, int] = {}
    for part in parts:
        for reason, count in part.dropped.items():
            dropped[reason] = dropped.get(reason, 0) + count
    covariances = [part.covariances for part in parts if part.covariances is not None]
    return replace(
        first,
        centers=np.concatenate([part.centers for part in parts]),
        heights=np.concatenate([part.heights for part in parts]),
        biasfactors=np.concatenate([part.biasfactors for part in parts]),
        sigmas=np.concatenate([part.sigmas for part in parts]),
        covariances=np.concatenate(covariances) if covariances else None,
        dropped=dropped,
        notes=tuple(note for part in parts for note in part.notes),
    )


def cv_names(header: Header) -> tuple[str, ...]:
    """Return the CVs of a HILLS header: the fields before the first sigma, without time."""
    names = []
    for name in header.fields:
        if any(mark in name for mark in ("sigma_", "min_", "max_")):
            break
        if name != "time":
            names.append(name)
    return tuple(names)


def _read_file(
    path: str, on_bad: Literal["raise", "skip"], plumed_compat: bool, n_threads: int
) -> Hills:
    header = read_header(path)
    names = _check_header(path, header)
    multivariate = _is_multivariate(path, header, names)
    sigma_names = _sigma_names(names, multivariate)
    wanted = [*names, *sigma_names, "height"]
    if "biasf" in header.fields:
        wanted.append("biasf")
    for name in wanted:
        if name not in header.fields:
            raise FileFormatError(
                f"{path}:{header.line}: a HILLS file of {', '.join(names)} needs a column "
                f"{name!r}; found {' '.join(header.fields)}"
            )
    table = read_table(
        path, wanted, on_bad=on_bad, drop_unterminated=plumed_compat, n_threads=n_threads
    )
    for block in table.headers[1:]:
        _check_same_header(path, header, block, names)
    columns = table.columns
    sigmas = np.column_stack([columns[name] for name in sigma_names])
    covariances = None
    if multivariate:
        covariances, sigmas = _covariances(table, sigma_names, sigmas, len(names))
    else:
        _check_positive(table, sigma_names, sigmas)
    return Hills(
        names=names,
        bounds=tuple(_bounds(path, header, name) for name in names),
        centers=np.column_stack([columns[name] for name in names]),
        heights=columns["height"],
        biasfactors=columns["biasf"] if "biasf" in wanted else np.ones(table.n_rows),
        sigmas=sigmas,
        covariances=covariances,
        kernel=header.constants.get("kerneltype", "stretched-gaussian"),
        interval=_interval(path, header),
        dropped=dict(table.dropped),
        notes=tuple(f"{path}: {note}" for note in table.notes),
    )


def _check_header(path: str, header: Header) -> tuple[str, ...]:
    """CV names of a header that can be summed; FileFormatError for any other."""
    if header.line == 0:
        raise FileFormatError(
            f"{path}:1: no '#! FIELDS' header; expected one such as "
            "'#! FIELDS time phi psi sigma_phi sigma_psi height biasf' (PLUMED 1 wrote none)"
        )
    action = header.constants.get("action", "")
    if "logweight" in header.fields or action.startswith("OPES"):
        raise FileFormatError(
            f"{path}:{header.line}: this is an OPES file, whose kernels are not hills; "
            "use 'cyfes reweight' on the COLVAR file of that run"
        )
    names = cv_names(header)
    if not 1 <= len(names) <= MAX_DIMS:
        raise FileFormatError(
            f"{path}:{header.line}: {len(names)} CVs ({' '.join(names)}); expected 1 to {MAX_DIMS}"
        )
    kernel = header.constants.get("kerneltype", "stretched-gaussian")
    if kernel not in ("stretched-gaussian", "gaussian"):
        raise FileFormatError(
            f"{path}:{header.line}: kerneltype {kernel!r}; expected stretched-gaussian or gaussian"
        )
    return names


def _is_multivariate(path: str, header: Header, names: Sequence[str]) -> bool:
    text = header.constants.get("multivariate")
    if text is None:  # very old files: the names of the sigmas tell
        return f"sigma_{names[0]}_{names[0]}" in header.fields
    if text not in ("true", "false"):
        raise FileFormatError(
            f"{path}:{header.line}: multivariate {text!r}; expected true or false"
        )
    return text == "true"


def _sigma_names(names: Sequence[str], multivariate: bool) -> list[str]:
    """Columns of the widths: one a CV, or the lower Cholesky factor row by row."""
    if not multivariate:
        return [f"sigma_{name}" for name in names]
    return [f"sigma_{names[i]}_{names[j]}" for i in range(len(names)) for j in range(i + 1)]


def _check_positive(table: Table, names: Sequence[str], sigmas: np.ndarray) -> None:
    bad = np.argwhere(~(sigmas > 0))
    if len(bad):
        row, column = bad[0]
        raise FileFormatError(
            f"{table.path}:{table.line_of(int(row))}: column {names[column]} must be positive, "
            f"got {sigmas[row, column]:g}"
        )


def _covariances(
    table: Table, names: Sequence[str], factors: np.ndarray, n_dims: int
) -> tuple[np.ndarray, np.ndarray]:
    """(C = L L^T, standard deviations) from the packed factors L, float64[n, d (d + 1) / 2]."""
    rows, columns = np.tril_indices(n_dims)
    lower = np.zeros((len(factors), n_dims, n_dims))
    lower[:, rows, columns] = factors
    diagonal = [i * (i + 3) // 2 for i in range(n_dims)]
    _check_positive(table, [names[i] for i in diagonal], np.abs(factors[:, diagonal]))
    covariances = lower @ lower.transpose(0, 2, 1)
    return covariances, np.sqrt(np.einsum("nii->ni", covariances))


def _bounds(path: str, header: Header, name: str) -> tuple[str, str] | None:
    low, high = header.constants.get(f"min_{name}"), header.constants.get(f"max_{name}")
    if low is None and high is None:
        return None
    if low is None or high is None:
        raise FileFormatError(f"{path}:{header.line}: min_{name} and max_{name} come together")
    if not parse_number(low, f"{path}: min_{name}") < parse_number(high, f"{path}: max_{name}"):
        raise FileFormatError(
            f"{path}:{header.line}: min_{name} {low} must be less than max_{name} {high}"
        )
    return low, high


def _interval(path: str, header: Header) -> tuple[float, float] | None:
    if "lower_int" not in header.constants or "upper_int" not in header.constants:
        return None
    low, high = (
        parse_number(header.constants[key], f"{path}: {key}") for key in ("lower_int", "upper_int")
    )
    return (low, high) if low != high else None


_SHARED_CONSTANTS = ("multivariate", "kerneltype", "lower_int", "upper_int")


def _check_same_header(path: str, first: Header, other: Header, names: Sequence[str]) -> None:
    """A restart must go on with the same CVs, kernels and periods."""
    keys = [*_SHARED_CONSTANTS, *(f"{m}_{name}" for name in names for m in ("min", "max"))]
    for key in keys:
        if first.constants.get(key) != other.constants.get(key):
            raise FileFormatError(
                f"{path}:{other.line}: {key} changes from {first.constants.get(key)} "
                f"to {other.constants.get(key)}"
            )


def _check_same(first_path: str, first: Hills, path: str, other: Hills) -> None:
    for what in ("names", "bounds", "kernel", "interval"):
        if getattr(first, what) != getattr(other, what):
            raise FileFormatError(
                f"{path}: {what} {getattr(other, what)} differ from "
                f"{getattr(first, what)} in {first_path}"
            )
    if (first.covariances is None) != (other.covariances is None):
        raise FileFormatError(f"{path}: multivariate hills in only one of {first_path} and {path}")


def hills_grid(hills: Hills, request: Grid | GridRequest, *, plumed_compat: bool = False) -> Grid:
    """Return the grid for a sum of hills (see fit_grid).

    Automatic bounds enclose every hill; the automatic step is a tenth of the smallest reach. PLUMED
    rounds bounds to the nearest: so does this grid where that cuts off CUT of a step at most
    (``plumed_compat``: always). Raises InputError where there are no hills.
    """
    if not len(hills):
        raise InputError("there are no hills to sum")
    if isinstance(request, GridRequest) and hills.interval and request.lower is None:
        text = tuple(f"{bound:g}" for bound in hills.interval)
        bins = request.bins if request.bins is not None else [200]
        request = GridRequest([text[0]], [text[1]], bins)
    reach = hills.supports(plumed_compat)
    columns = list(zip(hills.centers.T, reach.T))
    extents = (
        np.array([(center - half).min() for center, half in columns]),
        np.array([(center + half).max() for center, half in columns]),
    )
    steps = np.array([half.min() for _, half in columns]) / POINTS_PER_REACH
    cut = math.inf if plumed_compat else CUT
    return fit_grid(hills.names, hills.bounds, request, extents, steps, cut=cut)


def plumed_differences(hills: Hills, grid: Grid, negbias: bool) -> list[str]:
    """Return one line for each known fault of PLUMED's sum_hills that changes this sum."""
    lines = []
    windows = hills.plumed_windows(grid)
    if hills.covariances is not None:
        needed = np.ceil(hills.supports() / grid.spacing)
        short = int(np.any(windows < needed, axis=1).sum())
        if short:
            lines.append(f"PLUMED misses grid points of {short} multivariate hills")
    wraps = np.array(grid.periodic) & (2 * windows + 1 > np.array(grid.shape))
    twice = int(np.any(wraps, axis=1).sum())
    if twice:
        lines.append(f"PLUMED counts {twice} hills wider than half a period twice")
    if hills.kernel == "gaussian":
        lines.append("PLUMED cuts Gaussian hills at grid points near sqrt(12.5) sigma")
    if negbias and np.any(hills.biasfactors < 0):
        lines.append(DOUBLED_BIAS)
    return lines
