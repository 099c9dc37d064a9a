"""Sums of hills: the bias block by block."""

import warnings
from collections.abc import Iterator, Sequence

from cyfes.density import Density, Progress
from cyfes.errors import CyfesWarning
from cyfes.grid import Grid
from cyfes.hills import DOUBLED_BIAS, Hills, plumed_differences

#: Hills of kerneltype gaussian are summed to this many sigma: each neglected term is below 1e-16
#: of its height.
HILL_CUTOFF = 8.6


def hill_densities(
    hills: Hills,
    grid: Grid,
    *,
    stride: int = 0,
    nohistory: bool = False,
    negbias: bool = False,
    plumed_compat: bool = False,
    derivatives: bool = True,
    n_threads: int = 0,
    backend: str = "auto",
    devices: Sequence[int] = (0,),
    progress: Progress | None = None,
) -> Iterator[Density]:
    """Yield the sum of hills after every ``stride`` of them (0: once) and always the final one.

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
    windows = hills.plumed_windows(grid) if plumed_compat and differences else None

    def empty() -> Density:
        return Density(
            grid,
            kernel=hills.kernel,
            cutoff=HILL_CUTOFF,
            images="nearest",
            derivatives=derivatives,
            n_threads=n_threads,
            interval=hills.interval,
            backend=backend,
            devices=devices,
        )

    density, n = empty(), len(hills)
    for start in range(0, n + 1, stride) if stride > 0 else [0]:
        rows = slice(start, start + stride if stride > 0 else n)
        if nohistory and start:
            density = empty()
        yield density.add(
            hills.centers[rows],
            bandwidths[rows],
            weights=heights[rows],
            windows=None if windows is None else windows[rows],
            progress=progress,
        )


def _fate(difference: str, hills: Hills, plumed_compat: bool) -> str:
    """Whether a fault of PLUMED is reproduced; within an INTERVAL its visiting rule is not."""
    if not plumed_compat:
        return "not reproduced (--plumed-compat does)"
    if hills.interval is not None and difference != DOUBLED_BIAS:
        return "not reproduced within an INTERVAL"
    return "reproduced"
