"""Weights of the frames of a METAD run, from its HILLS."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from os import PathLike

import numpy as np

from cyfes.deposits import Deposits, deposits_of, with_periods
from cyfes.errors import CyfesWarning, InputError
from cyfes.grid import Grid, GridRequest, warn_if_coarse
from cyfes.hills import POINTS_PER_REACH, Hills, hills_grid
from cyfes.hillsfile import read_hill_sets, read_hills
from cyfes.parallelbias import SAME, read_parallel_bias
from cyfes.reweight import Samples, read_samples
from cyfes.runningbias import bias_at, bias_of, offsets, told_kbt
from cyfes.selection import Selection
from cyfes.weights import WeightSums

#: Weights that are made of hills.
OF_HILLS = ("tiwary", "final", "static")

#: Weights that are columns of the files, and all that can be named.
OF_COLUMNS = ("bias", "rbias")
KINDS = (*OF_COLUMNS, *OF_HILLS)

#: Points of an automatic grid for c(t), at most.
MOST_POINTS = 1 << 17

#: Less than this share of the extent of a hill along a CV is a hill that was cut off.
WHOLE = 0.99

#: By which share kBT may differ from what the heights of hills tell.
ANOTHER_KBT = 0.03

#: In kBT, and in standard errors: a bias that rises by more at the same place moves.
RISE, RISE_ERRORS = 0.1, 5.0

#: Cells along each CV that tell places apart, and how many must be visited in both halves of a run.
CELLS, LEAST_CELLS = 50, 5


#: Hills, their files, or the hills of each CV of a PBMETAD run.
AnyHills = Hills | str | PathLike | Sequence[str | PathLike] | Sequence[Hills]


@dataclass(frozen=True, eq=False)
class HillBias:
    """The bias that hills made, at the frames of their run; in the unit of ``kbt``.

    ``samples`` with their times and the CVs of the hills, as ``read_hill_bias`` reads them.
    ``grid``: where c(t) is computed; None: automatic, at most MOST_POINTS points.
    """

    samples: Samples
    hills: Hills
    kbt: float
    grid: Grid | GridRequest | None = None
    n_threads: int = 0

    @cached_property
    def _found(self) -> tuple[Deposits, np.ndarray]:
        """(the hills that each frame had, V(s_j, t_j)); all hills where the files tell so."""
        found, own = deposits_of(self.hills, self.samples), self.samples.own_bias
        bias = bias_of(found.hills)
        running = bias_at(bias, self._places, found.n_before, n_threads=self.n_threads)
        if not own or self._apart(running, own) <= SAME or self._apart(self.final, own) > SAME:
            return found, running
        note = f"{own} is the bias of all hills: these are those of an earlier run"
        everywhere = np.full(len(self.samples), len(self.hills))
        return replace(found, n_before=everywhere, notes=(*found.notes, note)), self.final

    @property
    def deposits(self) -> Deposits:
        """The hills that each frame had."""
        return self._found[0]

    @property
    def running(self) -> np.ndarray:
        """V(s_j, t_j) of the hills before each frame, float64[n]."""
        return self._found[1]

    @cached_property
    def final(self) -> np.ndarray:
        """V(s_j, t_end) of all hills, float64[n]."""
        bias, everywhere = bias_of(self.hills), np.full(len(self.samples), len(self.hills))
        return bias_at(bias, self._places, everywhere, n_threads=self.n_threads)

    @cached_property
    def offset(self) -> np.ndarray:
        """c(t_j), float64[n] (see runningbias.offsets)."""
        self._warn_if_coarse()
        found = offsets(bias_of(self.deposits.hills), self.offset_grid, self.kbt)
        return np.asarray(found[self.deposits.n_before])

    @cached_property
    def offset_grid(self) -> Grid:
        """The grid that c(t) is computed on."""
        if self.grid is not None:
            return hills_grid(self.hills, self.grid)
        whole = hills_grid(self.hills, GridRequest(bins=[1] * self.hills.n_dims))
        steps = self.hills.supports().min(axis=0) / POINTS_PER_REACH
        bins = np.ceil((np.array(whole.upper) - whole.lower) / steps)
        share = min(1.0, (MOST_POINTS / bins.prod()) ** (1 / self.hills.n_dims))
        return hills_grid(self.hills, GridRequest(bins=[max(1, int(share * n)) for n in bins]))

    def _warn_if_coarse(self) -> None:
        if self.grid is not None:
            warn_if_coarse(self.offset_grid, self.hills.sigmas, "hills")
            return
        n = int(np.any(self.hills.sigmas < self.offset_grid.spacing, axis=1).sum())
        if n:
            warnings.warn(
                f"c(t) is computed on {self.offset_grid}, whose steps are wider than sigma of {n} "
                "of the hills: 'cyfes weights --bin' takes a finer grid",
                CyfesWarning,
                stacklevel=4,
            )

    @property
    def _places(self) -> np.ndarray:
        return self.samples.columns_of(self.hills.names)

    def log_weights(self, kind: str) -> np.ndarray:
        """Return ln w of the frames, float64[n], with the biases of others added.

        "tiwary": (V(s, t) - c(t)) / kBT (Tiwary and Parrinello 2015); "final": V(s, t_end) / kBT
        (Branduardi, Bussi and Parrinello 2012); "static": the same, of hills that were all there
        before the first frame. Raises InputError for another kind, or a bias that is not static.
        """
        if kind not in OF_HILLS:
            raise InputError(f"weights of hills are {', '.join(OF_HILLS)}; got {kind!r}")
        if kind == "static":
            self._check_static()
        bias = self.running - self.offset if kind == "tiwary" else self.final
        return np.asarray(self.samples.log_weights + bias / self.kbt)

    def is_static(self) -> bool:
        """Whether all hills were there before the first frame."""
        return bool(self.deposits.n_before.min() == len(self.hills))

    def kinds(self) -> tuple[str, ...]:
        """Return the kinds of weights that can be had."""
        return OF_HILLS if self.is_static() else OF_HILLS[:2]

    def _check_static(self) -> None:
        if not self.is_static():
            n = len(self.hills) - int(self.deposits.n_before.min())
            raise InputError(
                f"the bias is not static: {n} of {len(self.hills)} hills are deposited after the "
                "first frame; take 'tiwary' or 'final' weights. Of the hills of an earlier run, "
                "'final' is the same"
            )

    def weighted(self, kind: str) -> Samples:
        """Return the frames with ``log_weights`` and without the columns beside their CVs."""
        log_weights = self.log_weights(kind)
        return replace(
            self.samples,
            log_weights=log_weights,
            sums=WeightSums.of(log_weights),
            notes=(*self.samples.notes, *self.notes(kind)),
            beside={},
        )

    def notes(self, kind: str) -> tuple[str, ...]:
        """Return what a user may want to know of weights of a kind, one sentence each."""
        told = () if kind == "final" else self.deposits.notes
        if kind == "tiwary" and not all(self.offset_grid.periodic):
            told = (*told, f"c(t) is an integral over {self.offset_grid}, which it depends on")
        return told

    def apart(self, name: str) -> float:
        """Return the RMS distance of V(s, t) from a column, in kBT."""
        return self._apart(self.running, name)

    def _apart(self, bias: np.ndarray, name: str) -> float:
        difference = bias - self.samples.columns_of([name])[:, 0]
        return float(np.sqrt(np.mean(difference**2))) / self.kbt

    def check_columns(self) -> None:
        """Compare V(s, t) with the biases in the files.

        Warns if it is not the one that must be its own. Raises InputError if it is one of those
        that are added. Without times nothing is compared.
        """
        own = self.samples.own_bias
        others = [
            name for name in self.samples.beside if name not in self.hills.names and name != own
        ]
        if not own:
            self._warn_of_cuts()
        if not (own or others):
            return
        try:
            _ = self.deposits
        except InputError:
            return
        for name in others:
            if self.apart(name) < SAME:
                raise InputError(
                    f"--bias {name} is the bias of the hills themselves, and would count twice: "
                    "leave it out"
                )
        if own and self.apart(own) > SAME:
            warnings.warn(self._not_own(own), CyfesWarning, stacklevel=3)

    def _warn_of_cuts(self) -> None:
        """Warn of multivariate hills that METAD may have cut off, where no column can tell."""
        if self.hills.covariances is None:
            return
        cut = self.hills.supports(plumed_compat=True) < WHOLE * self.hills.supports()
        n = int(np.any(cut, axis=1).sum())
        if n:
            warnings.warn(
                f"{n} of {len(self.hills)} multivariate hills are wider than what METAD with a "
                "grid visits of them: it cuts them off, and the run did not feel their sum. With "
                "the columns bias and rct of METAD, --weights rbias is right",
                CyfesWarning,
                stacklevel=4,
            )

    def check_kbt(self) -> None:
        """Warn if the heights of the hills tell another kBT than is given."""
        # Walkers do not feel all hills before theirs.
        if len(self.hills.ends) > 1 or np.any(np.diff(self.hills.times) == 0):
            return
        told = told_kbt(bias_of(self.hills))
        if abs(told - self.kbt) > ANOTHER_KBT * self.kbt:
            warnings.warn(
                f"the heights of the hills fall as in a run with kBT = {told:.4g}, and "
                f"{self.kbt:.4g} is given: look at --temp or --kt, --units and biasf",
                CyfesWarning,
                stacklevel=3,
            )

    def _not_own(self, own: str) -> str:
        text = (
            f"the bias V(s, t) of the hills and {own} differ by {self.apart(own):.3g} kBT (RMS). "
            f"If {own} is that of something else, add it by --bias {own}"
        )
        if self.hills.covariances is not None:
            return f"{text}; else PLUMED may have cut multivariate hills off, and {own} is right"
        if len(self.hills.ends) > 1:
            return f"{text}; else walkers read the hills of others late, and {own} is right"
        return f"{text}; else look at the unit, at biasf and whether the hills are of this run"


def read_hill_bias(
    paths: str | PathLike | Sequence[str | PathLike],
    hills: Hills | str | PathLike | Sequence[str | PathLike],
    kbt: float,
    selection: Selection | None = None,
    *,
    grid: Grid | GridRequest | None = None,
    n_threads: int = 0,
) -> HillBias:
    """Return the bias of hills at the frames of COLVAR files, compared with that in the files.

    The CVs of the hills must be columns; those of ``selection`` may be others, by default they are
    the same; its ``bias`` is added.
    Raises InputError, FileFormatError or FileMissingError.
    """
    if not isinstance(hills, Hills):
        hills = read_hills(hills, n_threads=n_threads)
    bias_of(hills)  # refuses what cannot be, now
    chosen = selection or Selection()
    chosen = replace(chosen, hills=hills.names, cv=chosen.cv or hills.names)
    samples = read_samples(paths, kbt, chosen, n_threads, timed=True)
    samples = with_periods(samples, hills, chosen)
    found = HillBias(samples, hills, kbt, grid, n_threads)
    found.check_kbt()
    found.check_columns()
    return found


def read_weighted(
    paths: str | PathLike | Sequence[str | PathLike],
    kbt: float,
    weights: str,
    hills: AnyHills | None = None,
    selection: Selection | None = None,
    *,
    grid: Grid | GridRequest | None = None,
    n_threads: int = 0,
) -> Samples:
    """Return the frames of COLVAR files with weights of a kind, one of KINDS.

    "bias" and "rbias" are columns (see Selection); "tiwary" and "final" are made of ``hills`` (see
    HillBias), of PBMETAD, with hills of several CVs, "final" (see ParallelBias); "static" is the
    bias of either, which must not move. The rest as in ``read_hill_bias``.
    Raises InputError, FileFormatError or FileMissingError.
    """
    check_kind(weights, hills is not None)
    if hills is not None:
        biases = _biases_of(hills, n_threads)
        if len(biases) > 1:
            _check_parallel(weights, biases)
            parallel = read_parallel_bias(paths, biases, kbt, selection, n_threads=n_threads)
            return parallel.weighted()
        found = read_hill_bias(paths, biases[0], kbt, selection, grid=grid, n_threads=n_threads)
        return found.weighted(weights)
    chosen = selection or Selection()
    if weights == "static":
        own = chosen if chosen.bias is not None else replace(chosen, weights="bias")
        samples = read_samples(paths, kbt, own, n_threads, timed=True)
        check_static(samples, kbt)
        return samples
    columns = replace(chosen, weights="rbias" if weights == "rbias" else "bias")
    return read_samples(paths, kbt, columns, n_threads, timed=True)


def _biases_of(hills: AnyHills, n_threads: int) -> list[Hills]:
    """The hills of a run, of PBMETAD those of each CV."""
    if isinstance(hills, Hills):
        return [hills]
    if not isinstance(hills, str | PathLike) and all(isinstance(each, Hills) for each in hills):
        return [each for each in hills if isinstance(each, Hills)]
    return [each for _, each in read_hill_sets(hills, n_threads=n_threads)]  # type: ignore[arg-type]


def _check_parallel(weights: str, biases: Sequence[Hills]) -> None:
    if weights != "final":
        raise InputError(
            f"the hills are of {', '.join(hills.names[0] for hills in biases)}, one bias each, as "
            f"those of PBMETAD: it has 'final' weights only, got {weights!r}"
        )


def check_kind(weights: str, has_hills: bool) -> None:
    """Raise InputError for an unknown kind of weights, and for hills that it needs or does not."""
    if weights not in KINDS:
        raise InputError(f"weights are one of {', '.join(KINDS)}; got {weights!r}")
    if has_hills and weights not in OF_HILLS:
        raise InputError(
            f"{weights!r} weights are columns of the COLVAR files and take no hills; 'tiwary' and "
            "'final' are made of hills"
        )
    if not has_hills and weights in ("tiwary", "final"):
        raise InputError(f"{weights!r} weights are made of hills: give the HILLS files (--hills)")


def check_static(samples: Samples, kbt: float) -> None:
    """Raise InputError if the bias of frames moves: if it rises at places that they visit again.

    The mean bias in each of CELLS cells along each CV is compared between the halves of the run;
    a static bias that is a function of the CVs is the same. Warns where nothing can be compared.
    """
    values, n = samples.values, len(samples)
    low, span = values.min(axis=0), np.ptp(values, axis=0)
    cells = np.floor((values - low) / np.where(span > 0, span, 1) * (CELLS - 1)).astype(int)
    _, place = np.unique(cells, axis=0, return_inverse=True)
    place = place.ravel()
    bias = samples.log_weights
    late = np.arange(n) >= n / 2
    counts, sums = (
        np.array([np.bincount(place[half], w, place.max() + 1) for half, w in halves])
        for halves in (
            ((~late, None), (late, None)),
            ((~late, bias[~late]), (late, bias[late])),
        )
    )
    both = counts.min(axis=0) > 0
    if both.sum() < LEAST_CELLS:
        warnings.warn(
            "whether the bias is static cannot be told: the two halves of the run visit different "
            "places",
            CyfesWarning,
            stacklevel=3,
        )
        return
    rises = (sums[1] / counts[1].clip(1) - sums[0] / counts[0].clip(1))[both]
    shares = counts.min(axis=0)[both] / counts.min(axis=0)[both].sum()
    rise = float(shares @ rises)
    error = float(np.sqrt((shares**2) @ (rises - rise) ** 2))
    if abs(rise) > max(RISE, RISE_ERRORS * error):
        raise InputError(
            f"the bias is not static: at the same {', '.join(samples.names)} it is "
            f"{abs(rise) * kbt:.3g} {'higher' if rise > 0 else 'lower'} in the second half of the "
            "run, or it depends on other CVs; --weights bias takes it as it is, tiwary and final "
            "with --hills are for METAD"
        )
