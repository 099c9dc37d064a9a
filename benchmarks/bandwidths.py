"""How good `--sigma auto` and `--sigma auto-f` are for F, on frames whose F is known.

Frames are Metropolis walks at kT = 1, biased by a share of their potential. Printed: the RMS error
of F below 9 kT of both rules, over that of the best of the widths that auto-f tries.

    python benchmarks/bandwidths.py [--runs 20]
"""

import argparse
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[1]))

from cyfes.bandwidth import automatic_bandwidth
from cyfes.crossvalidation import LADDER, free_energy_bandwidth
from cyfes.fes import FreeEnergySurface
from cyfes.grid import Grid

HIGHEST, STEP = 9.0, 0.5

Potential = Callable[[np.ndarray], np.ndarray]


def double_well(x: np.ndarray) -> np.ndarray:
    """9 kT between two wells."""
    return np.asarray(9.0 * (x[..., 0] ** 2 - 1.0) ** 2 + 0.8 * x[..., 0])


def harmonic(x: np.ndarray) -> np.ndarray:
    """A single well."""
    return np.asarray(10.0 * x[..., 0] ** 2)


def rough(x: np.ndarray) -> np.ndarray:
    """Two wells with ripples."""
    return np.asarray(6.0 * (x[..., 0] ** 2 - 1.0) ** 2 + 1.5 * np.sin(12.0 * x[..., 0]))


def two_cvs(x: np.ndarray) -> np.ndarray:
    """A double well beside a single one."""
    return double_well(x) + 4.0 * x[..., 1] ** 2


#: (name, potential, share of it that the bias takes away, CVs)
CASES = [
    ("double well", double_well, 0.85, 1),
    ("double well", double_well, 0.5, 1),
    ("harmonic", harmonic, 0.85, 1),
    ("rough", rough, 0.85, 1),
    ("two CVs", two_cvs, 0.85, 2),
]


def walks(u: Potential, d: int, share: float, runs: int, n: int) -> np.ndarray:
    """Metropolis walks in the biased potential, float64[runs, n, d]."""
    rng = np.random.default_rng(7)
    x = rng.choice([-1.0, 1.0], (runs, d)) * ([1.0, 0.0][:d])
    energy, frames = (1 - share) * u(x), np.empty((runs, n, d))
    for t in range(-500, n):
        tried = x + rng.normal(0.0, STEP, (runs, d))
        new = (1 - share) * u(tried)
        taken = rng.random(runs) < np.exp(np.minimum(0.0, energy - new))
        x, energy = np.where(taken[:, None], tried, x), np.where(taken, new, energy)
        if t >= 0:
            frames[:, t] = x
    return frames


def error(x: np.ndarray, log_w: np.ndarray, h: np.ndarray, u: Potential) -> float:
    """RMS error of F where it is below HIGHEST; inf where a point is not reached."""
    d = x.shape[1]
    grid = Grid.from_bins("xy"[:d], [-1.9, -1.6][:d], [1.9, 1.6][:d], [380, 160][:d], [False] * d)
    surface = FreeEnergySurface.from_samples(
        x, log_weights=log_w, bandwidth=h, grid=grid, derivatives=False
    )
    truth = u(np.stack(np.meshgrid(*grid.axes, indexing="ij"), axis=-1))
    return float((surface.values - truth)[truth - truth.min() < HIGHEST].std())


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    runs = parser.parse_args().runs
    warnings.simplefilter("ignore")
    print("case             biased  frames   auto/best  auto-f/best  best factor  RMS auto-f / kT")
    for name, u, share, d in CASES:
        for n in (2000, 20000):
            rows = [judged(x, -share * u(x), d, u) for x in walks(u, d, share, runs, n)]
            found = np.mean(rows, axis=0)
            best = int(found[2:].argmin())
            ratios = found[:2] / found[2 + best]
            print(
                f"{name:15} {100 * share:5.0f} %  {n:6d}  {ratios[0]:9.2f}  {ratios[1]:11.2f}  "
                f"{LADDER[best]:11.2f}  {found[1]:8.3f}",
                flush=True,
            )


def judged(x: np.ndarray, log_w: np.ndarray, d: int, u: Potential) -> list[float]:
    """Errors of auto, of auto-f, and of each width of the ladder."""
    start = automatic_bandwidth(x, log_w, np.zeros(d)).widths
    chosen = free_energy_bandwidth(x, log_w, np.zeros(d)).widths
    widths = [start, chosen, *(factor * start for factor in LADDER)]
    return [error(x, log_w, h, u) for h in widths]


if __name__ == "__main__":
    main()
