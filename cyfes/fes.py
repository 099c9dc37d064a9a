"""Free energy surfaces: made from hills, from COLVAR files or from samples."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from cyfes.arrays import (
    Periods,
    bins_of_shape,
    named_samples,
    per_cv,
    positive,
    sample_grid,
    sample_weights,
    span,
)
from cyfes.density import TAIL, TOLERANCE, Density, Progress
from cyfes.errors import CyfesWarning, InputError
from cyfes.grid import (
    Grid,
    GridRequest,
    fit_samples,
    fit_stream,
    is_reached,
    spans,
    warn_if_coarse,
)
from cyfes.hills import REACH, Hills, hills_grid
from cyfes.hillsfile import read_hills
from cyfes.hillsum import hill_densities
from cyfes.histogram import histogram_densities, histogram_grid, read_unweighted
from cyfes.provenance import Provenance
from cyfes.reweight import Samples, SampleStream, read_samples
from cyfes.selection import Selection
from cyfes.surface import Surface
from cyfes.tables import input_paths
from cyfes.weights import WeightSums

if TYPE_CHECKING:
    from cyfes.blockdensity import BlockDensity
    from cyfes.hillweights import AnyHills
    from cyfes.opes import OpesState
    from cyfes.uncertainty import ErrorRequest, Uncertainty

#: With fewer effective samples, and less than half of all, a few frames make the surface.
FEW_SAMPLES = 10

#: Frames summed in blocks between updates of the progress.
FRAMES = 1 << 20

#: A surface of which more is out of reach is worth a warning.
MOSTLY_UNREACHED = 0.9


class FreeEnergySurface(Surface):
    """F on a grid, made from hills, from frames or from a density (see Surface for its fields)."""

    @classmethod
    def from_hills(
        cls,
        hills: Hills | str | PathLike | Sequence[str | PathLike],
        *,
        grid: Grid | GridRequest | None = None,
        lower: Sequence[str | float] | None = None,
        upper: Sequence[str | float] | None = None,
        bins: Sequence[int] | None = None,
        spacing: Sequence[float] | None = None,
        negbias: bool = False,
        plumed_compat: bool = False,
        derivatives: bool = True,
        kbt: float | None = None,
        units: str = "kj/mol",
        n_threads: int = 0,
        backend: str = "auto",
        devices: Sequence[int] = (0,),
        progress: Progress | None = None,
    ) -> "FreeEnergySurface":
        """Return F(s) = -sum_t h_t K(s - s_t) of hills or HILLS files.

        ``grid``, or one entry per CV of what ``plumed sum_hills`` takes: bounds as numbers or text
        ("-pi"), bins, spacing; automatic where left out. ``negbias`` gives minus the bias of a
        well-tempered run instead of the free energy; ``plumed_compat`` reproduces PLUMED's known
        faults.
        Raises InputError, FileFormatError, FileMissingError or GridTooLargeError.
        """
        made = _made("from_hills", hills, {"negbias": negbias, "plumed_compat": plumed_compat})
        if not isinstance(hills, Hills):
            hills = read_hills(hills, plumed_compat=plumed_compat, n_threads=n_threads)
        request = _request(grid, lower, upper, bins, spacing)
        blocks = hill_blocks(
            hills,
            hills_grid(hills, request, plumed_compat=plumed_compat),
            negbias=negbias,
            plumed_compat=plumed_compat,
            derivatives=derivatives,
            n_threads=n_threads,
            backend=backend,
            devices=devices,
            progress=progress,
        )
        return replace(next(blocks), kbt=kbt, units=units, provenance=made)

    @classmethod
    def from_colvar(
        cls,
        paths: Samples | SampleStream | str | PathLike | Sequence[str | PathLike],
        *,
        kbt: float,
        selection: Selection | None = None,
        bandwidth: Sequence[float] | np.ndarray | None = None,
        grid: Grid | GridRequest | None = None,
        lower: Sequence[str | float] | None = None,
        upper: Sequence[str | float] | None = None,
        bins: Sequence[int] | None = None,
        spacing: Sequence[float] | None = None,
        derivatives: bool = True,
        units: str = "kj/mol",
        weights: str | None = None,
        hills: "AnyHills | None" = None,
        stream: bool = False,
        n_threads: int = 0,
        backend: str = "auto",
        devices: Sequence[int] = (0,),
        tol: float = TOLERANCE,
        tail: float = TAIL,
        explain: bool = False,
        error: bool = False,
        blocks: int | None = None,
        bootstrap: int = 0,
        progress: Progress | None = None,
        **choices: Any,
    ) -> "FreeEnergySurface":
        """Return the reweighted F(s) = -kBT ln P(s) of frames or COLVAR files.

        P(s) = sum_j w_j K(s - s_j) / sum_j w_j with w_j = exp(V_j / kBT) and normalised Gaussians
        K of standard deviation ``bandwidth`` (CV units; None: automatic_bandwidth). The grid as in
        from_hills. ``choices`` are the fields
        of ``reweight.Selection`` (cv=..., bias=..., start=...). ``weights`` of a METAD run: "bias",
        "rbias", "tiwary", "final" or "static", of ``hills`` where these are given (see
        hillweights.read_weighted); None: what the columns say. ``stream`` sums the frames as they
        are read, however many; it needs a bandwidth and, unless all CVs are periodic,
        bounds and bins. ``tol``, ``tail`` and ``explain``, which cannot be had with ``stream``, as
        in from_samples. ``error`` also gives the standard error of F from ``blocks`` of successive
        frames (None: as many as are independent; with ``stream`` up to twice as many), with
        ``bootstrap`` from so many replicas of them; a warning where it is but a lower bound.
        Raises InputError, FileFormatError, FileMissingError or GridTooLargeError.
        """
        if selection is None:
            selection = Selection(**choices)
        samples = paths
        settings = {"kbt": kbt, "units": units, "weights": weights, **choices}
        made = _made("from_colvar", _with_hills(paths, hills), settings)
        if weights is not None or hills is not None:
            samples = _weighted(samples, kbt, weights, hills, selection, stream, n_threads)
        elif not isinstance(samples, Samples | SampleStream):
            read = SampleStream if stream else read_samples
            samples = read(samples, kbt, selection, n_threads)
        if isinstance(samples, SampleStream):
            if bandwidth is None:
                raise InputError("--stream reads the frames once and needs --sigma with numbers")
            if explain:
                raise InputError("--stream keeps no frames to measure the error of --explain with")
        elif bandwidth is None:
            bandwidth = _automatic(
                samples.values, samples.log_weights, samples.periods, samples.names, samples.sums
            )
        h = positive("bandwidth", bandwidth, len(samples.names))
        request = _request(grid, lower, upper, bins, spacing)
        if isinstance(samples, SampleStream):
            fitted = fit_stream(samples.names, samples.bounds, request, h)
        else:
            extents = span(samples.values)
            fitted = fit_samples(samples.names, samples.bounds, request, extents, h)
        density = Density(
            fitted,
            derivatives=derivatives,
            n_threads=n_threads,
            backend=backend,
            devices=devices,
            tol=tol,
            tail=tail,
        )
        errors = _error_request(error, blocks, bootstrap)
        if isinstance(samples, SampleStream):
            surface = cls._streamed(density, samples, h, kbt, units, errors)
        elif errors is not None:
            surface = cls._in_blocks(density, samples, h, kbt, units, errors, explain, progress)
        else:
            values, log_w = samples.values, samples.log_weights
            surface = cls._summed(density, values, log_w, h, kbt, units, explain, progress)
        widths = ", ".join(f"{width:.6g}" for width in h)
        return replace(surface, provenance=made.then(("bandwidth", widths)))

    @classmethod
    def from_samples(
        cls,
        samples: Any,
        *,
        weights: np.ndarray | None = None,
        log_weights: np.ndarray | None = None,
        bandwidth: Sequence[float] | np.ndarray | float | None = None,
        grid: Grid | GridRequest | None = None,
        lower: Sequence[float] | None = None,
        upper: Sequence[float] | None = None,
        shape: Sequence[int] | None = None,
        period: Periods | None = None,
        kbt: float = 1.0,
        units: str = "kt",
        names: Sequence[str] | None = None,
        cutoff: float | None = None,
        derivatives: bool = True,
        dtype: Any = np.float64,
        n_threads: int = 0,
        backend: str = "auto",
        devices: Sequence[int] = (0,),
        tol: float = TOLERANCE,
        tail: float = TAIL,
        method: str = "auto",
        explain: bool = False,
        error: bool = False,
        blocks: int | None = None,
        bootstrap: int = 0,
    ) -> "FreeEnergySurface":
        """Return F(s) = -kBT ln P(s) of weighted samples (see from_colvar for P).

        ``samples`` float64[n, d] or [n], or what tells names and periods besides: a table of pandas
        or polars, an array or data set of xarray, a structured array, or a mapping of names to
        columns (see frames_of_arrays); ``weights`` >= 0 or ``log_weights`` float64[n];
        ``bandwidth``, ``lower``, ``upper``, ``period`` (0 = not periodic): one per CV, in CV units;
        ``shape``: grid points per CV; or a ``grid``. A periodic CV spans [lower, lower + period),
        lower defaulting to -period / 2. P errs by at most ``tol`` of its peak, and F by 1e-8 kBT up
        to ``tail`` kBT above its minimum (0: only ``tol`` counts); ``cutoff`` and ``method`` see
        Density. ``explain`` measures the error for ``explain()``, which takes a while. ``error``,
        ``blocks`` and ``bootstrap`` as in from_colvar: the samples are successive frames of a run.
        Raises InputError for shapes that disagree, weights that are no weights, and a grid that no
        sample reaches.
        """
        values, names, periods = named_samples(samples, names, period, grid)
        n, d = values.shape
        log_w = sample_weights(n, weights, log_weights)
        if bandwidth is None:
            span(values)
            logarithms = np.zeros(n) if log_w is None else log_w
            bandwidth = _automatic(values, logarithms, periods, names)
        h = positive("bandwidth", per_cv("bandwidth", bandwidth, d), d)
        request = _request(grid, lower, upper, bins_of_shape(shape, names, periods), None)
        density = Density(
            sample_grid(values, h, periods, names, request),
            cutoff=cutoff,
            derivatives=derivatives,
            dtype=dtype,
            n_threads=n_threads,
            backend=backend,
            devices=devices,
            tol=tol,
            tail=tail,
            method=method,
        )
        errors = _error_request(error, blocks, bootstrap)
        if errors is None:
            return cls._summed(density, values, log_w, h, kbt, units, explain)
        some = np.zeros(n) if log_w is None else log_w
        frames = Samples(tuple(names), (None,) * d, values, some, WeightSums.of(some), n)
        return cls._in_blocks(density, frames, h, kbt, units, errors, explain, None)

    @classmethod
    def from_density(
        cls, density: Density, bandwidth: np.ndarray, kbt: float, units: str = "kj/mol"
    ) -> "FreeEnergySurface":
        """Return F = -kBT ln P of a summed density of Gaussians of one ``bandwidth`` float64[d].

        P is normalised: the kernels by their volume, the weights by their sum.
        Raises InputError if nothing was added, or only weights of zero. Warns where a few kernels
        have all the weight.
        """
        if not density.log_sum_weights > -np.inf:
            raise InputError("the density is empty: add samples whose weights are not all zero")
        volume = np.prod(np.sqrt(2 * np.pi) * np.asarray(bandwidth))
        shift = density.log_scale - density.log_sum_weights - np.log(volume)
        n = density.effective_sample_size
        if n < min(FEW_SAMPLES, density.n_kernels / 2):
            warnings.warn(
                f"only {n:.1f} effective samples: a few frames carry all the weight",
                CyfesWarning,
                stacklevel=2,
            )
        values, slopes = _minus_kbt_log(density, kbt)
        values -= kbt * shift
        return cls(density.grid, values, kbt, slopes, units, **_told_by(density))

    @classmethod
    def from_histogram(
        cls,
        paths: Samples | str | PathLike | Sequence[str | PathLike],
        *,
        sigma: Sequence[float] | np.ndarray,
        kbt: float,
        names: Sequence[str] | None = None,
        grid: Grid | GridRequest | None = None,
        plumed_compat: bool = False,
        units: str = "kj/mol",
        n_threads: int = 0,
        backend: str = "auto",
        devices: Sequence[int] = (0,),
    ) -> "FreeEnergySurface":
        """Return F(s) = -kBT ln sum_j K(s - s_j) of all frames: ``plumed sum_hills --histo``.

        K is PLUMED's stretched kernel of height 1 and width ``sigma`` (float64[d], CV units); the
        sum is not normalised. ``paths``: samples or files, whose columns ``names`` are the CVs
        (None: those of a HILLS file); a ``grid`` that is not given has bounds one sigma outside.
        Raises InputError, FileFormatError, FileMissingError or GridTooLargeError.
        """
        samples = paths
        made = _made("from_histogram", paths, {"kbt": kbt, "plumed_compat": plumed_compat})
        if not isinstance(samples, Samples):
            samples = read_unweighted(samples, names, n_threads=n_threads)
        blocks = histogram_blocks(
            samples,
            grid if grid is not None else GridRequest(),
            sigma,
            kbt,
            plumed_compat=plumed_compat,
            n_threads=n_threads,
            backend=backend,
            devices=devices,
        )
        return replace(next(blocks), units=units, provenance=made)

    @classmethod
    def from_opes(
        cls,
        state: "OpesState | str | PathLike",
        *,
        kbt: float,
        grid: Grid | GridRequest | None = None,
        lower: Sequence[str | float] | None = None,
        upper: Sequence[str | float] | None = None,
        bins: Sequence[int] | None = None,
        spacing: Sequence[float] | None = None,
        derivatives: bool = True,
        units: str = "kj/mol",
        n_threads: int = 0,
    ) -> "FreeEnergySurface":
        """Return F(s) = -kBT g ln(P(s) / Z + epsilon) of a state of OPES_METAD or its EXPLORE.

        ``state``, or the STATE or KERNELS file whose last one counts (see opesfile.read_opes); P
        and g see OpesState. The grid as in from_hills; automatic bounds lie three sigmas outside
        the kernels. Where none reaches, F is that of epsilon, about the BARRIER.
        Raises InputError, FileFormatError, FileMissingError or GridTooLargeError.
        """
        from cyfes.opes import opes_grid
        from cyfes.opesfile import read_opes

        made = _made("from_opes", state, {"kbt": kbt})
        if isinstance(state, str | PathLike):
            state = read_opes(state, n_threads=n_threads).states[-1]
        surfaces = opes_surfaces(
            [state],
            opes_grid([state], _request(grid, lower, upper, bins, spacing)),
            kbt,
            derivatives=derivatives,
            n_threads=n_threads,
        )
        return replace(next(surfaces), units=units, provenance=made)

    @classmethod
    def _streamed(
        cls,
        density: Density,
        samples: SampleStream,
        bandwidth: np.ndarray,
        kbt: float,
        units: str,
        errors: "ErrorRequest | None",
    ) -> "FreeEnergySurface":
        """Return the surface of frames that are summed as they are read."""
        h = bandwidth[None, :]
        warn_if_coarse(density.grid, h, "kernels")
        blocks = None if errors is None else _blocks_of(density, bandwidth, errors.blocks)
        extents, n_files = [], 0
        for values, log_w in samples.chunks(density.grid):
            if blocks is None:
                density.add(values, h, log_weights=log_w)
            else:
                if len(samples.ends) > n_files:
                    n_files = len(samples.ends)
                    blocks.end_file()
                blocks.add(values, log_w)
            extents.append(span(values))
        surface = cls.from_density(density, bandwidth, kbt, units)
        lows, highs = zip(*extents)
        surface = surface.reached(lambda: (np.min(lows, axis=0), np.max(highs, axis=0)))
        if blocks is None or errors is None:
            return surface
        return surface._with_errors(blocks, errors)

    @classmethod
    def _in_blocks(
        cls,
        density: Density,
        samples: Samples,
        bandwidth: np.ndarray,
        kbt: float,
        units: str,
        errors: "ErrorRequest",
        explain: bool,
        progress: Progress | None,
    ) -> "FreeEnergySurface":
        """Return the surface of all samples, summed in blocks, with its errors."""
        if samples.mixture is not None:
            values, log_w = samples.values, samples.log_weights
            surface = cls._summed(density, values, log_w, bandwidth, kbt, units, explain, progress)
            from cyfes.windowblocks import density_uncertainty

            return surface._told(density_uncertainty(density, samples, bandwidth, errors))
        warn_if_coarse(density.grid, bandwidth[None, :], "kernels")
        n_files = len(samples.ends) or 1
        blocks = _blocks_of(density, bandwidth, errors.blocks, len(samples), n_files)
        for rows in samples.files():
            for start in range(rows.start, rows.stop, FRAMES):
                part = slice(start, min(start + FRAMES, rows.stop))
                blocks.add(samples.values[part], samples.log_weights[part])
                if progress is not None:
                    progress(part.stop, len(samples))
            blocks.end_file()
        surface = cls._of(
            density, samples.values, samples.log_weights, bandwidth, kbt, units, explain
        )
        return surface._with_errors(blocks, errors)

    def _with_errors(self, blocks: "BlockDensity", errors: "ErrorRequest") -> "FreeEnergySurface":
        """Return itself with the errors that its blocks tell; warn where these are too small."""
        return self._told(blocks.uncertainty(errors))

    def _told(self, found: "Uncertainty") -> "FreeEnergySurface":
        """Return itself with errors; warn where these are too small."""
        if found.problem:
            warnings.warn(
                f"the errors are lower bounds: {found.problem}",
                CyfesWarning,
                stacklevel=5,
            )
        return self.with_uncertainty(found)

    def with_uncertainty(self, found: "Uncertainty") -> "FreeEnergySurface":
        """Return itself with the errors that blocks on its grid tell."""
        # Blocks reach a little farther than the density, where F is inf.
        known = np.isfinite(self.values)
        error = np.where(known, (self.kbt or 1.0) * found.relative_error(), np.inf)
        return replace(self, error=error, uncertainty=found)

    @classmethod
    def _summed(
        cls,
        density: Density,
        samples: np.ndarray,
        log_weights: np.ndarray | None,
        bandwidth: np.ndarray,
        kbt: float,
        units: str,
        explain: bool,
        progress: Progress | None = None,
    ) -> "FreeEnergySurface":
        """Return the surface of all samples; their density's error is measured if asked for."""
        h = bandwidth[None, :]
        warn_if_coarse(density.grid, h, "kernels")
        density.add(samples, h, log_weights=log_weights, progress=progress)
        return cls._of(density, samples, log_weights, bandwidth, kbt, units, explain)

    @classmethod
    def _of(
        cls,
        density: Density,
        samples: np.ndarray,
        log_weights: np.ndarray | None,
        bandwidth: np.ndarray,
        kbt: float,
        units: str,
        explain: bool,
    ) -> "FreeEnergySurface":
        """Return the surface of a density to which all samples were added."""
        surface = cls.from_density(density, bandwidth, kbt, units).reached(lambda: span(samples))
        if not explain:
            return surface
        n, error, tail = density.measured_error(
            samples, bandwidth[None, :], log_weights=log_weights
        )
        text = f"{error:.1e} of the density's peak; |dF| {tail:.1e} kBT (at {n} points)"
        return replace(surface, explanation=(*surface.explanation, ("error measured", text)))

    def reached(self, frames: Callable[[], tuple[np.ndarray, np.ndarray]]) -> "FreeEnergySurface":
        """Return itself; InputError if no frame reached the grid, a warning if few points were.

        ``frames`` returns their lowest and highest values.
        """
        unreached, size = self.n_unreached, self.grid.size
        if unreached == size:
            where = spans("frames", self.grid, *frames())
            raise InputError(f"no frame lies within reach of the grid; {where}")
        if unreached > MOSTLY_UNREACHED * size:
            warnings.warn(
                f"{unreached} of {size} grid points are out of reach of all frames: look at the "
                "bounds of the grid and at the bandwidth",
                CyfesWarning,
                stacklevel=4,
            )
        return self


def hill_blocks(hills: Hills, grid: Grid, **options: Any) -> Iterator[FreeEnergySurface]:
    """Yield the surface of each density of ``hillsum.hill_densities``, whose options it takes.

    Warns of a grid that no hill reaches, on which all surfaces are 0.
    """
    warn_if_coarse(grid, hills.sigmas, "hills")
    if hills.interval is None and not is_reached(grid, hills.centers, hills.supports()):
        where = spans("hills", grid, *span(hills.centers))
        warnings.warn(
            f"no hill lies within reach of the grid, so that the surface is 0; {where}",
            CyfesWarning,
            stacklevel=2,
        )
    for density in hill_densities(hills, grid, **options):
        slopes = None if density.derivatives is None else -density.derivatives
        yield FreeEnergySurface(grid, -density.values, derivatives=slopes, **_told_by(density))


def opes_surfaces(
    states: Sequence["OpesState"], grid: Grid, kbt: float, **options: Any
) -> Iterator[FreeEnergySurface]:
    """Return the surface of each state (see opessum.opes_free_energy, whose options it takes).

    Raises InputError for a kBT that is not positive, and a grid that no kernel reaches.
    """
    from cyfes.opessum import check_reach, opes_free_energy

    if not kbt > 0:
        raise InputError(f"kbt must be positive, got {kbt}")
    check_reach(states, grid)

    def surface(state: "OpesState") -> FreeEnergySurface:
        values, slopes, density = opes_free_energy(state, grid, kbt, **options)
        told = tuple(density.explanation())
        return FreeEnergySurface(grid, values, kbt, slopes, explanation=told)

    return map(surface, states)


def histogram_blocks(
    samples: Samples,
    grid: Grid | GridRequest,
    sigma: Sequence[float] | np.ndarray,
    kbt: float,
    *,
    plumed_compat: bool = False,
    **options: Any,
) -> Iterator[FreeEnergySurface]:
    """Return F = -kBT ln sum K of each density of ``histogram.histogram_densities``, whose options
    it takes (see FreeEnergySurface.from_histogram).

    PLUMED writes -kBT / D' for the gradient, -kBT D' / D is right (``plumed_compat``).
    Raises InputError for a grid that no sample reaches.
    """
    h = positive("sigma", sigma, len(samples.names))
    fitted = histogram_grid(samples, grid, h)
    if not is_reached(fitted, samples.values, REACH * h[None, :]):
        where = spans("samples", fitted, *span(samples.values))
        raise InputError(f"no sample lies within reach of the grid; {where}")
    warn_if_coarse(fitted, h[None, :], "kernels")
    densities = histogram_densities(samples.values, fitted, h, **options)
    return _histogram_surfaces(fitted, densities, kbt, plumed_compat)


def _histogram_surfaces(
    grid: Grid, densities: Iterator[Density], kbt: float, plumed_compat: bool
) -> Iterator[FreeEnergySurface]:
    for density in densities:
        values, slopes = _minus_kbt_log(density, kbt)
        if plumed_compat and density.derivatives is not None:
            with np.errstate(divide="ignore"):
                slopes = -kbt / density.derivatives
        yield FreeEnergySurface(grid, values, kbt, slopes, **_told_by(density))


# What only some surfaces need is imported when they do, for quick starts of the others.


def _automatic(
    values: np.ndarray,
    log_weights: np.ndarray,
    periods: np.ndarray,
    names: Sequence[str],
    sums: WeightSums | None = None,
) -> np.ndarray:
    from cyfes.bandwidth import automatic_bandwidth

    return automatic_bandwidth(values, log_weights, periods, names, sums).widths


def _error_request(error: bool, blocks: int | None, bootstrap: int) -> "ErrorRequest | None":
    if not (error or blocks or bootstrap):
        return None
    from cyfes.uncertainty import ErrorRequest

    return ErrorRequest(blocks, bootstrap)


def _blocks_of(density: Density, bandwidth: np.ndarray, *counts: Any) -> "BlockDensity":
    from cyfes.blockdensity import BlockDensity

    return BlockDensity(density, bandwidth, *counts)


def _weighted(
    paths: Samples | SampleStream | str | PathLike | Sequence[str | PathLike],
    kbt: float,
    weights: str | None,
    hills: "AnyHills | None",
    selection: Selection,
    stream: bool,
    n_threads: int,
) -> Samples:
    """The frames of COLVAR files with weights of a kind; InputError where they cannot be had."""
    if stream or isinstance(paths, Samples | SampleStream):
        raise InputError("weights= and hills= need COLVAR files, and no stream")
    if weights is None:
        raise InputError("hills= needs weights=: 'tiwary', 'final' or 'static'")
    from cyfes.hillweights import read_weighted

    return read_weighted(paths, kbt, weights, hills, selection, n_threads=n_threads)


def _with_hills(paths: Any, hills: Any) -> Any:
    """The files of frames and of hills, where there are both."""
    some = [hills] if isinstance(hills, Hills | str | PathLike | None) else hills
    of_files = not any(isinstance(each, Hills | None) for each in some)
    if not of_files or isinstance(paths, Samples | SampleStream):
        return paths
    return [*input_paths(paths), *input_paths(hills)]


def _made(name: str, data: Any, settings: dict[str, Any]) -> Provenance:
    """The provenance of what a method of the surface makes; of arrays no files are known."""
    paths = data if isinstance(data, str | PathLike | Sequence) else ()
    told = [(k, v) for k, v in settings.items() if v is not None and v is not False]
    return Provenance.of(f"FreeEnergySurface.{name}", paths, told)


def _told_by(density: Density) -> dict[str, Any]:
    """What a density tells a surface about its sum."""
    return {"computed_on": str(density.choice), "explanation": tuple(density.explanation())}


def _request(
    grid: Grid | GridRequest | None,
    lower: Sequence[str | float] | None,
    upper: Sequence[str | float] | None,
    bins: Sequence[int] | None,
    spacing: Sequence[float] | None,
) -> Grid | GridRequest:
    """The wanted grid; InputError if it is given twice."""
    request = GridRequest(lower, upper, bins, spacing)
    if grid is None:
        return request
    if any(given is not None for given in (lower, upper, bins, spacing)):
        raise InputError("give a grid, or its bounds and bins, not both")
    return grid


def _minus_kbt_log(density: Density, kbt: float) -> tuple[np.ndarray, np.ndarray | None]:
    """(-kBT ln values, its gradient); inf and nan where no kernel reaches."""
    if not kbt > 0:
        raise InputError(f"kbt must be positive, got {kbt}")
    sums = density.values.astype(np.float64, copy=False)
    slopes = None if density.derivatives is None else np.empty(density.derivatives.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.asarray(np.log(sums))
        values *= -kbt
        if slopes is not None and density.derivatives is not None:
            np.divide(density.derivatives, sums, out=slopes)
            slopes *= -kbt
    return values, slopes
