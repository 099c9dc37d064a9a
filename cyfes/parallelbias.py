"""The bias of PBMETAD, which is made of a METAD bias of each CV, at frames."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from os import PathLike

import numpy as np

from cyfes.deposits import deposits_of, with_periods
from cyfes.errors import CyfesWarning, InputError
from cyfes.hills import Hills
from cyfes.reweight import Samples, read_samples
from cyfes.runningbias import bias_at, bias_of
from cyfes.selection import Selection
from cyfes.weights import WeightSums

#: In kBT: the bias of hills and that of a file are the same if they differ by less, as RMS.
SAME = 0.1


@dataclass(frozen=True, eq=False)
class ParallelBias:
    """V = -kBT ln sum_i exp(-V_i(s_i) / kBT) of the hills of each CV, at frames.

    ``samples`` with their times and the CVs of all ``biases``, one Hills per CV; ``kbt`` in their
    unit. Source: Pfaendtner and Bonomi, J. Chem. Theory Comput. 11, 5062 (2015); PLUMED's PBMETAD.
    """

    samples: Samples
    biases: tuple[Hills, ...]
    kbt: float
    n_threads: int = 0

    @cached_property
    def final(self) -> np.ndarray:
        """V(s_j, t_end) of all hills, float64[n]."""
        n = len(self.samples)
        return self._joined([self._at(hills, np.full(n, len(hills))) for hills in self.biases])

    @cached_property
    def running(self) -> np.ndarray:
        """V(s_j, t_j) of the hills before each frame, float64[n]."""
        found = [deposits_of(hills, self.samples) for hills in self.biases]
        return self._joined([self._at(each.hills, each.n_before) for each in found])

    def _at(self, hills: Hills, n_before: np.ndarray) -> np.ndarray:
        places = self.samples.columns_of(hills.names)
        return bias_at(bias_of(hills), places, n_before, n_threads=self.n_threads)

    def _joined(self, each: Sequence[np.ndarray]) -> np.ndarray:
        return np.asarray(-self.kbt * np.logaddexp.reduce([-bias / self.kbt for bias in each]))

    def weighted(self) -> Samples:
        """Return the frames with ln w = V(s_j, t_end) / kBT, the biases of others added."""
        log_weights = np.asarray(self.samples.log_weights + self.final / self.kbt)
        sums = WeightSums.of(log_weights)
        return replace(self.samples, log_weights=log_weights, sums=sums, beside={})

    def check_column(self) -> None:
        """Warn if V(s, t) is not the bias in the files; without times nothing is compared."""
        own, times = self.samples.own_bias, self.samples.times
        if not own or times is None or np.isnan(times).any():
            return
        difference = self.running - self.samples.columns_of([own])[:, 0]
        apart = float(np.sqrt(np.mean(difference**2))) / self.kbt
        if apart > SAME:
            warnings.warn(
                f"the bias V(s, t) of the hills of {', '.join(h.names[0] for h in self.biases)} "
                f"and {own} differ by {apart:.3g} kBT (RMS): are these the hills of all CVs of the "
                f"run? If {own} is that of something else, add it by --bias {own}",
                CyfesWarning,
                stacklevel=3,
            )


def read_parallel_bias(
    paths: str | PathLike | Sequence[str | PathLike],
    biases: Sequence[Hills],
    kbt: float,
    selection: Selection | None = None,
    *,
    n_threads: int = 0,
) -> ParallelBias:
    """Return the bias of PBMETAD at the frames of COLVAR files, compared with that in the files.

    ``biases``: the hills of each CV, all of which must be columns; the CVs of ``selection`` may be
    others, its ``bias`` is added.
    Raises InputError, FileFormatError or FileMissingError.
    """
    names = tuple(name for hills in biases for name in hills.names)
    for hills in biases:
        bias_of(hills)  # refuses what cannot be, now
    chosen = selection or Selection()
    if chosen.cv is None and len(names) > 2:
        raise InputError(
            f"the hills are of {', '.join(names)}: choose the CVs of the surface (--cv)"
        )
    chosen = replace(chosen, hills=names, cv=chosen.cv or names)
    samples = read_samples(paths, kbt, chosen, n_threads, timed=True)
    for hills in biases:
        samples = with_periods(samples, hills, chosen)
    found = ParallelBias(samples, tuple(biases), kbt, n_threads)
    found.check_column()
    return found
