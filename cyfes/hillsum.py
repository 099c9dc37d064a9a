"""Sums of hills: the bias block by block, and where PLUMED's own sum differs."""

import warnings
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from cyfes.density import Density, Progress
from cyfes.errors import CyfesWarning
from cyfes.grid import Grid
from cyfes.hills import HILL_CUTOFF, KERNELS, Hills

#: Steps beyond which a hill covers any grid.
MOST_STEPS = 2**30

DOUBLED_BIAS = "PLUMED doubles the bias of hills whose biasf is -1"


def hill_blocks_of(n: int, stride: int) -> list[slice]:
    """Return which of n hills each block holds: ``stride`` at a time, all for a stride of 0.

    As in PLUMED, the last block is empty if ``stride`` divides n.
    """
    if stride <= 0:
        return [slice(0, n)]
    return [slice(begin, end) for begin, end in pairwise([*range(0, n + 1, stride), n])]


def hill_densities(
    hills: Hills,
    grid: Grid,
    *,
    stride: int = 0,
    blocks: Sequence[slice] | None = None,
    nohistory: bool = False,
    negbias: bool = False,
    plumed_compat: bool = False,
    derivatives: bool = True,
    n_threads: int = 0,
    backend: str = "auto",
    devices: Sequence[int] = (0,),
    progress: Progress | None = None,
) -> Iterator[Density]:
    """Yield the sum of hills after every ``stride`` of them (0: once) and always the final one, or
    after each of ``blocks`` of successive hills.

    As in PLUMED, if ``stride`` divides the number of hills the final state comes twice (with
    ``nohistory``, which forgets the blocks before, the last one is empty). A sum that goes on is
    yielded again, not copied. Warns where PLUMED's own answer is known to differ.
    """
    differences = plumed_differences(hills, grid, negbias)
    for line in differences:
        fate = _fate(line, hills, plumed_compat)
        warnings.warn(f"{line}: {fate}", CyfesWarning, stacklevel=2)
    heights = hills.bias_heights(plumed_compat) if negbias else hills.heights
    bandwidths = hills.bandwidths
    windows = plumed_windows(hills, grid) if plumed_compat and differences else None

    def empty(kernel: str) -> Density:
        return Density(
            grid,
            kernel=kernel,
            cutoff=HILL_CUTOFF,
            images="nearest",
            derivatives=derivatives,
            n_threads=n_threads,
            interval=hills.interval,
            backend=backend,
            devices=devices,
        )

    def add(density: Density, rows: slice | np.ndarray) -> Density:
        return density.add(
            hills.centers[rows],
            bandwidths[rows],
            weights=heights[rows],
            windows=None if windows is None else windows[rows],
            progress=progress,
        )

    mixed = bool(hills.gaussian.any()) and not hills.gaussian.all()
    kernel = KERNELS[int(bool(hills.gaussian.any()))]
    density = empty(kernel)
    for rows in hill_blocks_of(len(hills), stride) if blocks is None else blocks:
        if nohistory and rows.start:
            density = empty(kernel)
        if not mixed:
            yield add(density, rows)
            continue
        # Each hill keeps its kernel; a density has one, but sums add up.
        index = np.arange(rows.start, rows.stop)
        for is_gaussian, name in enumerate(KERNELS):
            of_kernel = index[hills.gaussian[rows] == bool(is_gaussian)]
            density.merge(add(empty(name), of_kernel))
        yield density


def plumed_windows(hills: Hills, grid: Grid) -> np.ndarray:
    """Return the grid steps PLUMED visits on each side of a hill, int32[n, d]."""
    with np.errstate(over="ignore"):  # inf is more than all steps, too
        steps = np.ceil(hills.supports(plumed_compat=True) / grid.spacing)
    return np.asarray(np.minimum(steps, MOST_STEPS).astype(np.int32))


def plumed_differences(hills: Hills, grid: Grid, negbias: bool) -> list[str]:
    """Return one line for each known fault of PLUMED's sum_hills that changes this sum."""
    lines = []
    windows = plumed_windows(hills, grid)
    if hills.covariances is not None:
        needed = np.ceil(hills.supports() / grid.spacing)
        short = int(np.any(windows < needed, axis=1).sum())
        if short:
            lines.append(f"PLUMED misses grid points of {short} multivariate hills")
    wraps = np.array(grid.periodic) & (2 * windows + 1 > np.array(grid.shape))
    twice = int(np.any(wraps, axis=1).sum())
    if twice:
        lines.append(f"PLUMED counts {twice} hills wider than half a period twice")
    if hills.gaussian.any():
        lines.append("PLUMED cuts Gaussian hills at grid points near sqrt(12.5) sigma")
    if negbias and np.any(hills.biasfactors < 0):
        lines.append(DOUBLED_BIAS)
    return lines


def _fate(difference: str, hills: Hills, plumed_compat: bool) -> str:
    """Whether a fault of PLUMED is reproduced; within an INTERVAL its visiting rule is not."""
    if not plumed_compat:
        return "not reproduced (--plumed-compat does)"
    if hills.interval is not None and difference != DOUBLED_BIAS:
        return "not reproduced within an INTERVAL"
    return "reproduced"
