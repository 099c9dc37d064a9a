"""Minima, basins and passes of a function on a grid."""

from functools import partial

import numpy as np

from benchmarks import ours
from benchmarks.targets import seconds
from benchmarks.workload import Contender, Workload

#: kT: what is less deep is joined, as by default.
PERSISTENCE = 0.5


def basins(n_dims: int, n_points: int, noise: float = 0.0) -> Workload:
    """A million points or so, three turns of a cosine along every CV and ``noise`` kT upon it."""
    grid = ours.grid_of([n_points] * n_dims)
    places = np.meshgrid(*grid.axes, indexing="ij", sparse=True)
    values = sum(2 * np.cos(3 * x + 0.1 * i) for i, x in enumerate(places))
    values = values + noise * np.random.default_rng(n_dims).normal(size=grid.shape)
    kind = f"white noise of {noise:g} kT" if noise else "smooth"
    return Workload(
        f"Basins of {' x '.join(map(str, grid.shape))} points, {kind}",
        (Contender("cyfes", partial(ours.basins, grid, values, PERSISTENCE)),),
        "cyfes x1",
        (seconds("cyfes x1", 1.0),),
    )
