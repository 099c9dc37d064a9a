"""Umbrella sampling: the frames of all windows, each with its weight in the unbiased ensemble."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from os import PathLike

import numpy as np

from cyfes.arrays import sample_array, sample_periods
from cyfes.columns import Columns
from cyfes.correlation import integrated_time
from cyfes.errors import CyfesWarning, InputError
from cyfes.mbar import Harmonic, Mixture, harmonic, solve
from cyfes.overlap import Overlap
from cyfes.restraints import Window, WindowList, read_windows
from cyfes.reweight import Samples, read_samples
from cyfes.selection import Selection
from cyfes.units import GAS_CONSTANT, thermal_energy
from cyfes.weights import WeightSums

#: In kBT: the energy of a restraint and the bias in a file are the same if they differ by less, as
#: RMS.
SAME = 0.1

#: Frames that spread by more than so many times what their restraint alone would leave, in most
#: windows, have a spring constant in another unit: it is 57 for degrees and radians.
TOO_WIDE = 10.0

#: In kBT: frames whose restraint has more energy on average are far from its center.
FAR = 25.0

#: By which share the temperature in a list may differ from the one given.
ANOTHER_KBT = 0.01


@dataclass(frozen=True, eq=False)
class Umbrella:
    """Windows, solved: ``samples`` of all, whose ``mixture`` has the free energies; ``listed`` as
    they were given, without those that have no frames; in the unit of ``kbt``."""

    samples: Samples
    listed: WindowList
    kbt: float
    overlap: Overlap

    @property
    def mixture(self) -> Mixture:
        """The solution."""
        assert self.samples.mixture is not None
        return self.samples.mixture

    @property
    def times(self) -> np.ndarray:
        """Correlation times of the windows in frames, float64[K]."""
        assert self.mixture.times is not None
        return self.mixture.times

    def columns(self) -> Columns:
        """Return a table of the windows: center, spring constant, frames, f and its error in the
        unit of kBT, correlation time, overlap with the window that it overlaps most."""
        mixture, kbt = self.mixture, self.kbt
        errors = kbt * mixture.errors()
        names = ["window"]
        names += [f"{start}{n}" for start in ("at_", "kappa_") for n in self.listed.names]
        names += ["frames", "f", "f_error", "correlation", "overlap"]
        rows = [
            (k, *w.centers, *w.springs, int(n), float(kbt * f), float(e), float(t), float(o))
            for k, (w, n, f, e, t, o) in enumerate(
                zip(
                    self.listed.windows,
                    mixture.counts,
                    mixture.free_energies,
                    errors,
                    self.times,
                    self.overlap.of_neighbours(),
                )
            )
        ]
        return Columns.of(names, rows)


def read_umbrella(
    paths: str | PathLike | Sequence[str | PathLike],
    kbt: float,
    selection: Selection | None = None,
    *,
    n_threads: int = 0,
) -> Umbrella:
    """Return the frames of umbrella windows with ln w = -ln sum_k N_k exp(f_k - V_k / kBT).

    ``paths``: lists of windows, or COLVAR files with their restraints (see read_windows).
    The restrained CVs must be columns; those of ``selection`` may be others, by default they are
    the same; its ``bias`` is one that all windows share, such as walls, and is taken off as well.
    Warns of windows without frames, which are left out, and of those that hardly overlap.
    Raises InputError for windows that do not overlap, restraints that are not those of the frames,
    or another temperature; FileFormatError or FileMissingError.
    """
    chosen = selection or Selection()
    listed = read_windows(paths)
    _check_temperature(listed, kbt)
    cv = tuple(chosen.cv or listed.names)
    both = (*cv, *(name for name in listed.names if name not in cv))
    chosen = replace(chosen, cv=both, hills=listed.names, computed="restraint")
    samples = read_samples(
        [window.path for window in listed.windows], kbt, chosen, n_threads, timed=True
    )
    listed, samples = _without_empty(listed, samples)
    _check_restraints(listed, samples, kbt)
    return _solved(listed, samples, cv, kbt, n_threads)


def umbrella_of_arrays(
    values: Sequence[np.ndarray],
    centers: np.ndarray,
    springs: np.ndarray,
    kbt: float,
    *,
    names: Sequence[str] | None = None,
    period: Sequence[float] | None = None,
    n_threads: int = 0,
) -> Umbrella:
    """Return the frames of umbrella windows given as arrays, float64[N_k] or [N_k, d] each.

    ``centers`` and ``springs`` float64[K] or [K, d]: V_k = sum_d springs[k, d] (x_d - centers[k,
    d])^2 / 2 in the unit of ``kbt``; ``period`` per CV, 0 = none: [-period / 2, period / 2).
    Raises InputError for shapes that do not fit, and as ``read_umbrella``.
    """
    frames = [sample_array(part) for part in values]
    at, k = (np.asarray(x, np.float64).reshape(len(x), -1) for x in (centers, springs))
    d = frames[0].shape[1] if frames else 0
    if {at.shape, k.shape} != {(len(frames), d)} or {part.shape[1] for part in frames} != {d}:
        raise InputError(
            f"{len(frames)} arrays of {d} CVs do not fit centers {np.shape(centers)} and springs "
            f"{np.shape(springs)}"
        )
    given = tuple(names or (f"s{i + 1}" for i in range(d)))
    periods = sample_periods(period, d)
    bounds = tuple((repr(-p / 2), repr(p / 2)) if p > 0 else None for p in periods.tolist())
    ends = tuple(np.cumsum([len(part) for part in frames]).tolist())
    all_frames, zeros = np.concatenate(frames), np.zeros(ends[-1])
    samples = Samples(given, bounds, all_frames, zeros, WeightSums.of(zeros), ends[-1], ends=ends)
    windows = tuple(
        Window(f"window {i}", tuple(c), tuple(s), f"window {i}")
        for i, (c, s) in enumerate(zip(at.tolist(), k.tolist()))
    )
    listed, samples = _without_empty(WindowList(given, windows), samples)
    _check_restraints(listed, samples, kbt)
    return _solved(listed, samples, given, kbt, n_threads)


def _solved(
    listed: WindowList, samples: Samples, cv: tuple[str, ...], kbt: float, n_threads: int
) -> Umbrella:
    values = samples.columns_of(listed.names)
    periods = _periods_of(listed.names, samples)
    energies = Harmonic(values, periods, listed.centers, listed.springs / kbt, n_threads)
    counts = np.array([rows.stop - rows.start for rows in samples.files()], float)
    times = np.array([_time(w, samples, r) for w, r in zip(listed.windows, samples.files())])
    names = tuple(window.path for window in listed.windows)
    mixture = replace(solve(energies, counts), names=names, times=times)
    overlap = Overlap(mixture.products, mixture.counts, names)
    overlap.check()
    chosen = replace(
        samples,
        names=cv,
        bounds=samples.bounds[: len(cv)],
        values=np.ascontiguousarray(samples.values[:, : len(cv)]),
        beside={},
        own_bias="",
    )
    return Umbrella(weighted_by(mixture, chosen), listed, kbt, overlap)


def weighted_by(mixture: Mixture, samples: Samples) -> Samples:
    """Return the frames of windows, one after another, with what ``mixture`` says they weigh, and
    with its errors; weights that they have, of biases that all windows share, are multiplied."""
    log_weights = samples.log_weights - mixture.log_denominators
    sums, ends = WeightSums.of(log_weights), tuple(rows.stop for rows in mixture.rows())
    return replace(samples, log_weights=log_weights, sums=sums, ends=ends, mixture=mixture)


def _periods_of(names: Sequence[str], samples: Samples) -> np.ndarray:
    return np.array([samples.periods[samples.names.index(name)] for name in names])


def _check_temperature(listed: WindowList, kbt: float) -> None:
    """Raise InputError for a window at another temperature: that needs potential energies."""
    for window in listed.windows:
        if window.temperature is None or kbt == 1.0:  # kBT is 1 where energies are in kT
            continue
        # In which unit kBT is, nobody said here.
        ratios = [kbt / thermal_energy(window.temperature, unit) for unit in ("kj/mol", "kcal/mol")]
        if min(abs(ratio - 1) for ratio in ratios) > ANOTHER_KBT:
            raise InputError(
                f"{window.where}: the temperature is {window.temperature:g} K, and kBT = {kbt:.5g} "
                f"is that of {kbt / (GAS_CONSTANT / 1000):.4g} K in kJ/mol; windows at several "
                "temperatures need potential energies and are not joined"
            )


def _without_empty(listed: WindowList, samples: Samples) -> tuple[WindowList, Samples]:
    """Both without windows that no frame is left of; warns of these."""
    counts = np.diff([0, *samples.ends])
    empty = [w.path for w, n in zip(listed.windows, counts) if n == 0]
    if not empty:
        return listed, samples
    warnings.warn(
        f"{len(empty)} of {len(counts)} windows have no frames and are left out: "
        f"{', '.join(empty[:5])}{', ...' if len(empty) > 5 else ''}; look at --start, --stop and "
        "--skip",
        CyfesWarning,
        stacklevel=3,
    )
    kept = tuple(w for w, n in zip(listed.windows, counts) if n > 0)
    ends = tuple(np.cumsum(counts[counts > 0]).tolist())
    return replace(listed, windows=kept), replace(samples, ends=ends)


def _check_restraints(listed: WindowList, samples: Samples, kbt: float) -> None:
    """Raise InputError if restraints are not those of their frames: as a column of the bias tells,
    or the width of most windows."""
    values, periods = samples.columns_of(listed.names), _periods_of(listed.names, samples)
    widths, far = [], []
    for window, rows in zip(listed.windows, samples.files()):
        center, spring = np.array(window.centers), np.array(window.springs)
        energy = harmonic(values[rows], periods, center, spring) / kbt
        if samples.own_bias:
            _compare(window, energy, samples.beside[samples.own_bias][rows] / kbt, samples.own_bias)
        if np.mean(energy) > FAR:
            far.append(f"{window.path} ({np.mean(energy):.0f} kBT)")
        spread = harmonic(values[rows], periods, values[rows].mean(axis=0), spring)
        widths.append(float(np.sqrt(2 * np.mean(spread) / (kbt * len(center)))))
    if np.median(widths) > TOO_WIDE:
        raise InputError(
            f"the frames of most windows spread {np.median(widths):.0f} times as far as their "
            "spring constants allow: these are in another unit, perhaps per radian^2 for CVs in "
            "degrees, which is written K*(pi/180)^2"
        )
    if far:
        warnings.warn(
            f"restraints with more than {FAR:g} kBT on average: {', '.join(far[:3])}"
            f"{f' and {len(far) - 3} more' if len(far) > 3 else ''}; look at center, spring "
            "constant and unit, and whether the CV has a period (--period)",
            CyfesWarning,
            stacklevel=3,
        )


def _compare(window: Window, energy: np.ndarray, column: np.ndarray, name: str) -> None:
    """Raise InputError if the energy of a restraint is not the bias in the file, in kBT."""
    apart = float(np.sqrt(np.mean((energy - column) ** 2)))
    if apart > SAME:
        raise InputError(
            f"{window.where}: the energy of this restraint is {apart:.3g} kBT (RMS) away from "
            f"{name} in {window.path}: look at center, spring constant, units and period. If that "
            f"is another bias, which all windows have, add it with --bias {name}, or leave it out "
            "with --no-bias"
        )


def _time(window: Window, samples: Samples, rows: slice) -> float:
    """The correlation time of a window in frames: as the list tells it, else of its slowest CV."""
    if window.correlation is not None:
        return max(1.0, window.correlation)
    times = [1.0]
    for column, period in zip(samples.values[rows].T, samples.periods):
        for series in _centered(column, float(period)):
            times.append(integrated_time(series))
    return max(times)


def _centered(column: np.ndarray, period: float) -> list[np.ndarray]:
    """The deviations of a CV from its mean, on a circle if it has a period."""
    if not period:
        return [column - column.mean()]
    angle = column * (2 * np.pi / period)
    mean = np.angle(np.mean(np.exp(1j * angle)))
    folded = np.angle(np.exp(1j * (angle - mean)))
    return [folded - folded.mean()]
