"""``cyfes converge``: how a result came about while the run went on."""

import argparse
from dataclasses import replace

import numpy as np

from cyfes.arrays import span
from cyfes.cli.common import (
    ProgressBar,
    counts,
    files,
    grid_request,
    in_units,
    integer,
    notes,
    number_of_blocks,
    positive,
    report,
    sampled_bandwidth,
    split,
    thermal,
    to_units,
    where,
)
from cyfes.cli.frames import inputs, kept_frames, refuse_options_of_frames
from cyfes.cli.regions import regions_of
from cyfes.convergence import Convergence
from cyfes.density import Density
from cyfes.errors import InputError
from cyfes.grid import fit_samples
from cyfes.hills import hills_grid
from cyfes.hillsfile import holds_hills, read_hills
from cyfes.provenance import Provenance
from cyfes.regions import TwoRegions
from cyfes.running import ROWS, convergence_of_frames, convergence_of_hills, cuts_of
from cyfes.uncertainty import ErrorRequest
from cyfes.units import UNIT_LABELS
from cyfes.walkers import hills_in_order, samples_in_order

#: Options of frames that hills have, too.
_OF_BOTH = ("on_bad", "on_overlap", "min", "max", "bin", "spacing", "tol", "tail")


def run(arguments: argparse.Namespace) -> None:
    """Write the table of a run as the options say."""
    computing = where(arguments)
    if arguments.plot:
        from cyfes.plot import picture_format

        picture_format(arguments.plot)  # now, not after a long sum
    kbt = thermal(arguments)
    regions = regions_of(arguments, kbt)
    _cuts(arguments, 2)  # refuses what cannot be, now
    target, below = positive(arguments.target, "--target"), positive(arguments.below, "--below")
    factor = to_units(arguments.units, arguments, kbt)
    below = None if below is None else below / factor
    if arguments.weights == "mbar":
        raise InputError("--weights mbar is for windows, which are no run that could converge")
    arguments.files = files((), arguments.files)
    of = _of_hills if holds_hills(arguments.files[0]) else _of_frames
    found = of(arguments, regions, kbt, below, computing)
    made = Provenance.of(arguments.command_line, inputs(arguments))
    surface = replace(in_units(found.surface, arguments, kbt), provenance=made)
    found = found.converted(factor, surface)
    path = arguments.outfile or "converge.dat"
    found.write(path, made if target is None else made.then(("target", f"{target:.10g}")))
    _report(found, target)
    report({"written": path})
    if arguments.plot:
        from cyfes.plot_course import save_convergence

        save_convergence(found, arguments.plot)
        report({"written": arguments.plot})


def _cuts(arguments: argparse.Namespace, n: int) -> np.ndarray:
    if arguments.stride and arguments.rows:
        raise InputError("give --stride or --rows, not both")
    return cuts_of(
        n,
        stride=integer(arguments.stride, "--stride", 1) if arguments.stride else 0,
        rows=integer(arguments.rows, "--rows", 2) if arguments.rows else ROWS,
        logarithmic=arguments.log,
    )


def _of_hills(
    arguments: argparse.Namespace,
    regions: TwoRegions | None,
    kbt: float | None,
    below: float | None,
    computing: dict,
) -> Convergence:
    """The convergence of HILLS files."""
    refuse_options_of_frames(arguments, f"{arguments.files[0]} holds hills", _OF_BOTH)
    threads = computing["n_threads"]
    hills = read_hills(
        arguments.files,
        on_bad=arguments.on_bad,
        on_overlap=arguments.on_overlap,
        n_threads=threads,
    )
    notes(hills.notes)
    read = {
        "hills read": f"{len(hills)} from {','.join(arguments.files)}",
        "rows dropped": counts(hills.dropped),
    }
    if arguments.order != "files":
        hills, remark = hills_in_order(hills)
        notes([remark] if remark else [])
    report(read)
    return convergence_of_hills(
        hills,
        hills_grid(hills, grid_request(arguments)),
        _cuts(arguments, len(hills)),
        regions=regions,
        kbt=kbt,
        units=arguments.units,
        below=below,
        progress=ProgressBar("hills"),
        **computing,
    )


def _of_frames(
    arguments: argparse.Namespace,
    regions: TwoRegions | None,
    kbt: float | None,
    below: float | None,
    computing: dict,
) -> Convergence:
    """The convergence of COLVAR files."""
    if kbt is None:
        raise InputError(f"give --kt in {UNIT_LABELS[arguments.units]} or --temp in kelvin")
    request, blocks = grid_request(arguments), ErrorRequest(number_of_blocks(arguments))
    cv = split(arguments.cv) or (list(regions.names) if regions else None)
    samples = kept_frames(arguments, kbt, cv, computing["n_threads"])
    notes(samples.notes)
    if arguments.order != "files":
        samples, remark = samples_in_order(samples)
        notes([remark] if remark else [])
    bandwidth, rule = sampled_bandwidth(arguments, samples)
    report(
        {
            "samples read": f"{samples.n_read} from {','.join(arguments.files)}",
            "samples used": samples.n_used,
            "rows dropped": counts(samples.dropped),
            "CVs": ", ".join(samples.names),
            "effective samples": f"{samples.sums.effective_sample_size:.1f}",
            "bandwidth": f"{', '.join(f'{h:.4g}' for h in bandwidth)} ({rule})",
        }
    )
    extents = span(samples.values)
    grid = fit_samples(samples.names, samples.bounds, request, extents, bandwidth)
    return convergence_of_frames(
        samples,
        Density(grid, **computing),
        bandwidth,
        _cuts(arguments, len(samples)),
        kbt=kbt,
        regions=regions,
        units=arguments.units,
        below=below,
        request=blocks,
    )


def _report(found: Convergence, target: float | None) -> None:
    unit = UNIT_LABELS[found.surface.units]
    notes(found.notes)
    lines: dict[str, object] = {
        "distances": f"RMS where F is less than {found.below:.4g} {unit} above its minimum"
    }
    for name, course in (("forwards", found.forwards), ("backwards", found.backwards)):
        lines[f"RMS {name}"] = _row(course.rms)
    if found.regions is not None:
        lines["A, B"] = found.regions
        for name, course in (("forwards", found.forwards), ("backwards", found.backwards)):
            lines[f"dG {name}"] = _row(np.asarray(course.differences))
    report(lines)
    if np.isfinite(found.error):
        of = "dG" if found.regions is not None else "F, root mean square"
        bound = f", a lower bound: {found.problem}" if found.problem else ""
        report({f"error of {of.partition(',')[0]}": f"{found.error:.3g} {unit}{bound}"})
    if target is not None:
        report(
            {"time still needed": f"for an error of {target:g} {unit}: {found.forecast(target)}"}
        )


def _row(values: np.ndarray, most: int = 10) -> str:
    """At most ten of the rows, the last among them."""
    step = -(-len(values) // most)
    return " ".join(f"{value:.4g}" for value in values[::-1][::step][::-1])
