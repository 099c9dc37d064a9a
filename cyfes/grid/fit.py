"""Grids that fit data: every automatic grid is made here, from what the data span."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cyfes.errors import CyfesWarning, GridTooLargeError, InputError
from cyfes.grid.grid import Grid
from cyfes.grid.request import GridRequest
from cyfes.units import parse_number

#: Automatic bounds lie so many bandwidths beyond the samples; automatic bins are a part of one.
MARGIN = 3
POINTS_PER_BANDWIDTH = 3

#: The most bins per CV of an automatic grid for samples, and the most points of any automatic grid.
MOST_BINS = {1: 1000, 2: 300, 3: 100, 4: 40}
MOST_POINTS = 20_000_000

#: Digits of automatic bounds, where they are enough.
DIGITS = 6

#: Per CV None or the bounds of its period as text.
Periods = Sequence[tuple[str, str] | None]


def fit_grid(
    names: Sequence[str],
    periods: Periods,
    request: Grid | GridRequest,
    extents: tuple[np.ndarray, np.ndarray],
    steps: np.ndarray,
    *,
    cut: float = 0.0,
) -> Grid:
    """Return the grid that a request and the data lead to.

    ``extents`` (lowest, highest) and ``steps`` (automatic bin width): float64[d]. A periodic CV
    always gets its full period; other bounds are the requested ones, else the extents rounded
    outwards to six digits, or to more where six would move them by over a step. ``cut``: by how
    many steps rounding to the nearest may cut them off instead. Bins are counted from the extents
    themselves. A ``Grid`` is taken as it is. Source: PLUMED 2.10 sum_hills.
    Raises InputError for a request that cannot be met, GridTooLargeError for a grid that would not
    fit in memory and for an automatic one of over MOST_POINTS.
    """
    if isinstance(request, Grid):
        return _checked(request, names, periods)
    request.check(names)
    spans = zip(*extents, steps, strict=True)
    axes = [
        _axis(i, name, period, request, (float(low), float(high), float(step)), cut)
        for i, (name, period, (low, high, step)) in enumerate(zip(names, periods, spans))
    ]
    grid = Grid.from_bins(
        names,
        [parse_number(low, f"lower bound of {n}") for n, ((low, _), _) in zip(names, axes)],
        [parse_number(high, f"upper bound of {n}") for n, ((_, high), _) in zip(names, axes)],
        [bins for _, bins in axes],
        [period is not None for period in periods],
        [text for text, _ in axes],
    )
    if request.bins is None and request.spacing is None and grid.size > MOST_POINTS:
        raise GridTooLargeError(
            f"an automatic grid of {' x '.join(map(str, grid.shape))} points has more than "
            f"{MOST_POINTS}; give --bin, or --min, --max and --spacing; bins that fit: "
            f"{grid.fitting_bins(MOST_POINTS)}"
        )
    grid.check_memory(1)
    return grid


def _axis(
    i: int,
    name: str,
    period: tuple[str, str] | None,
    request: GridRequest,
    data: tuple[float, float, float],
    cut: float,
) -> tuple[tuple[str, str], int]:
    """(bounds as text, bins) of CV number i, whose ``data`` span (lowest, highest) in steps of."""
    low, high, step = data
    wanted = request.bounds_of(i, name)
    if period is not None:
        text, (start, end) = period, _span(name, period, "period of {name}")
        low, high, length = max(low, start), min(high, end), end - start
    elif wanted is not None:
        text, (low, high) = wanted, _span(name, wanted)
        length = high - low
    else:
        text = _rounded(low, -1, step, cut), _rounded(high, 1, step, cut)
        length = high - low
    count = request.bins_of(i, length)
    return text, _automatic_bins(name, high - low, step) if count is None else count


def fit_samples(
    names: Sequence[str],
    periods: Periods,
    request: Grid | GridRequest,
    extents: tuple[np.ndarray, np.ndarray],
    bandwidth: np.ndarray,
) -> Grid:
    """Return the grid for samples that span ``extents``: automatic bounds lie MARGIN bandwidths
    outside, automatic bins are a part of a bandwidth, at most MOST_BINS per CV (see fit_grid)."""
    with np.errstate(over="ignore"):  # bounds of inf are refused
        low, high = extents[0] - MARGIN * bandwidth, extents[1] + MARGIN * bandwidth
    lengths = high - low
    for i, (name, period) in enumerate(zip(names, periods)):
        given = period
        if given is None and isinstance(request, GridRequest) and request.lower is not None:
            request.check(names)
            given = request.bounds_of(i, name)
        if given is not None:
            start, end = _span(name, given)
            lengths[i] = end - start
    if not np.all(np.isfinite(lengths)):
        raise InputError(f"no grid fits samples from {extents[0]} to {extents[1]}; give its bounds")
    steps = np.maximum(bandwidth / POINTS_PER_BANDWIDTH, lengths / MOST_BINS[len(bandwidth)])
    if isinstance(request, GridRequest) and request.bins is None and request.spacing is None:
        request = replace(request, bins=[math.ceil(n - 1e-9) for n in lengths / steps])
    return fit_grid(names, periods, request, (low, high), steps)


def fit_stream(
    names: Sequence[str], periods: Periods, request: Grid | GridRequest, bandwidth: np.ndarray
) -> Grid:
    """Return the grid for frames that were not read yet: nothing of it may depend on them.

    Raises InputError naming what is missing: bounds and bins unless every CV is periodic.
    """
    open_ended = [name for name, period in zip(names, periods) if period is None]
    if isinstance(request, GridRequest) and open_ended:
        given = {
            "--min and --max": request.lower is not None and request.upper is not None,
            "--bin or --spacing": request.bins is not None or request.spacing is not None,
        }
        missing = [option for option, is_given in given.items() if not is_given]
        if missing:
            raise InputError(
                f"--stream reads the frames once and cannot fit a grid to {', '.join(open_ended)}, "
                f"which has no period; give {' and '.join(missing)}"
            )
    unknown = np.zeros(len(bandwidth))
    return fit_samples(names, periods, request, (unknown, unknown), bandwidth)


def warn_if_coarse(grid: Grid, widths: np.ndarray, what: str) -> None:
    """Warn where kernels are narrower than the grid's steps, so that some fall between its points.

    ``widths``: standard deviations float64[1 or n, d]; ``what`` has them: "kernels" or "hills".
    """
    for name, step, column in zip(grid.names, grid.spacing, widths.T):
        narrow = int((column < step * (1 - 1e-9)).sum())
        if narrow:
            which = f"the {what}" if narrow == len(column) else f"{narrow} of {len(column)} {what}"
            warnings.warn(
                f"the grid's steps of {name} ({step:.4g}) are wider than sigma "
                f"({float(column.min()):.4g}) of {which}: some may fall between its points; "
                "give more bins (--bin)",
                CyfesWarning,
                stacklevel=3,
            )


def _checked(grid: Grid, names: Sequence[str], periods: Periods) -> Grid:
    """A grid that is given; InputError unless it has these CVs with these periods."""
    if grid.names != tuple(names):
        raise InputError(
            f"the grid has the CVs {', '.join(grid.names)}, expected {', '.join(names)}"
        )
    for name, length, period in zip(names, grid.period, periods):
        low, high = (0.0, 0.0) if period is None else _span(name, period, "period of {name}")
        expected = high - low
        if not math.isclose(length, expected, rel_tol=1e-6):
            raise InputError(f"the grid has the period {length:g} of {name}, expected {expected:g}")
    return grid


def _span(
    name: str, text: tuple[str, str], what: str = "--{which} of {name}"
) -> tuple[float, float]:
    """The bounds of a CV that are given as text; ``what`` they are, for the message."""
    low, high = (
        parse_number(bound, what.format(which=which, name=name))
        for bound, which in zip(text, ("min", "max"))
    )
    if not math.isfinite(low - high):
        raise InputError(f"--min and --max of {name} must be finite, got {low} and {high}")
    if not low < high:
        raise InputError(f"--min must be less than --max for {name}, got {low} and {high}")
    return low, high


def _rounded(bound: float, side: int, step: float, cut: float) -> str:
    """An automatic bound as text, lower (``side`` -1) or upper (1)."""
    text = f"{bound:.{DIGITS}g}"
    if not math.isfinite(bound) or abs(float(text) - bound) <= cut * step:
        return text
    from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal  # seldom needed

    for digits in range(DIGITS, 18):
        context = Context(digits, ROUND_CEILING if side > 0 else ROUND_FLOOR)
        outwards = float(context.plus(Decimal(bound)))
        if abs(outwards - bound) <= step:
            return f"{outwards:.{digits}g}"
    return repr(bound)


def _automatic_bins(name: str, length: float, step: float) -> int:
    count = length / step if step > 0 else math.inf
    if not count <= 10**9:
        raise InputError(
            f"no automatic grid for {name}: {length:g} in steps of {step:g}; give --bin"
        )
    return max(1, math.ceil(count))
