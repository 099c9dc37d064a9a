"""How windows overlap: which are joined to which, and how well."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from os import PathLike

import numpy as np

from cyfes.errors import CyfesWarning, InputError
from cyfes.gridfile import atomic_write
from cyfes.provenance import Provenance

#: Frames that both sides of a cut share, as sums of probabilities: with fewer nothing joins them.
LEAST_SHARED = 1.0

#: An overlap below this makes free energies unreliable (Klimovich, Shirts and Mobley 2015).
GOOD = 0.03


@dataclass(frozen=True)
class Link:
    """Two windows and the overlap that joins them; ``one_side`` of all windows if it is cut, with
    ``shared`` frames across."""

    first: int
    second: int
    overlap: float
    one_side: tuple[int, ...]
    shared: float


@dataclass(frozen=True, eq=False)
class Overlap:
    """``products`` float64[K, K]: sum_n p_nk p_nl; ``counts`` float64[K] frames; ``names``."""

    products: np.ndarray
    counts: np.ndarray
    names: Sequence[str]

    @property
    def matrix(self) -> np.ndarray:
        """O_kl = sum_n p_nk p_nl / N_k, float64[K, K]; rows add up to 1."""
        return np.asarray(self.products / self.counts[:, None])

    @property
    def _both(self) -> np.ndarray:
        """The lower one of O_kl and O_lk."""
        return np.asarray(np.minimum(self.matrix, self.matrix.T))

    def of_neighbours(self) -> np.ndarray:
        """Return the overlap of each window with the one it overlaps most, float64[K]; nan of a
        single one."""
        others = self._both - np.diag(np.diag(self._both) + 1)
        return others.max(axis=1) if len(self.counts) > 1 else np.full(1, np.nan)

    @cached_property
    def tree(self) -> list[Link]:
        """The links of the tree that joins all windows with the highest overlaps, weakest first."""
        edges = list(_tree_edges(self._both))
        links = []
        for a, b in edges:
            side = _side_of(a, [e for e in edges if e != (a, b)])
            inside = np.zeros(len(self.counts), bool)
            inside[side] = True
            shared = float(self.products[np.ix_(inside, ~inside)].sum())
            links.append(Link(a, b, float(self._both[a, b]), tuple(side), shared))
        return sorted(links, key=lambda link: (link.shared >= LEAST_SHARED, link.overlap))

    def weakest(self) -> str:
        """Return one phrase about the weakest link."""
        if not self.tree:
            return "one window"
        link = self.tree[0]
        return f"{link.overlap:.3g} between {self.names[link.first]} and {self.names[link.second]}"

    def check(self) -> None:
        """Raise InputError if some windows are not joined to others; warn of weak links."""
        for link in self.tree[:1]:
            if link.shared < LEAST_SHARED:
                raise InputError(
                    f"the windows do not overlap: {self._listed(link.one_side)} share "
                    f"{link.shared:.2g} frames with the {len(self.counts) - len(link.one_side)} "
                    f"others, nearest {self.names[link.first]} and {self.names[link.second]}: add "
                    "windows between, or give only one side"
                )
        weak = [link for link in self.tree if link.overlap < GOOD]
        if weak:
            pairs = [f"{self.names[k.first]} and {self.names[k.second]}" for k in weak[:3]]
            warnings.warn(
                f"weak links between windows, with an overlap below {GOOD:g}: {'; '.join(pairs)}"
                f"{f' and {len(weak) - 3} more' if len(weak) > 3 else ''}; free energies across "
                "them are uncertain, and their errors too",
                CyfesWarning,
                stacklevel=3,
            )

    def _listed(self, side: Sequence[int]) -> str:
        names = [self.names[k] for k in side[:3]]
        return ", ".join(names) + (f" and {len(side) - 3} more" if len(side) > 3 else "")

    def write(self, path: str | PathLike[str], provenance: Provenance | None = None) -> None:
        """Write the matrix as text, one row per window; raises OutputError."""
        rows = (" ".join(f"{x:.6g}" for x in row) for row in self.matrix)
        with atomic_write(path) as file:
            file.write(("" if provenance is None else provenance.text()).encode())
            file.write("".join(f"{row}\n" for row in rows).encode())


def _tree_edges(strength: np.ndarray) -> Iterator[tuple[int, int]]:
    """The edges of the tree that spans all with the greatest strengths (Prim)."""
    n = len(strength)
    best, nearest = strength[0].copy(), np.zeros(n, int)
    outside = np.ones(n, bool)
    outside[0] = False
    for _ in range(n - 1):
        k = int(np.argmax(np.where(outside, best, -np.inf)))
        yield int(nearest[k]), k
        outside[k] = False
        closer = strength[k] > best
        best[closer], nearest[closer] = strength[k][closer], k


def _side_of(start: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """All that edges join to ``start``, in order."""
    side, more = {start}, True
    while more:
        more = False
        for a, b in edges:
            if (a in side) != (b in side):
                side |= {a, b}
                more = True
    return sorted(side)
