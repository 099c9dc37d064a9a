"""``cyfes reweight``: the free energy surface of biased frames."""

import argparse

import numpy as np

from cyfes.bandwidth import automatic_bandwidth
from cyfes.cli.common import (
    ProgressBar,
    counts,
    describe_minima,
    energy_unit,
    files,
    grid_request,
    in_units,
    notes,
    number,
    number_of_blocks,
    positives,
    report,
    selection,
    split,
    thermal,
    where,
)
from cyfes.errors import InputError
from cyfes.fes import FreeEnergySurface
from cyfes.gridfile import check_output
from cyfes.reweight import Samples, SampleStream, read_samples
from cyfes.units import UNIT_LABELS


def run(arguments: argparse.Namespace) -> None:
    """Reweight frames as the options say."""
    computing = where(arguments)
    threads = computing["n_threads"]
    if arguments.plot:
        from cyfes.plot import picture_format

        picture_format(arguments.plot)  # now, not after a long sum
    kbt = thermal(arguments)
    if kbt is None:
        raise InputError(f"give --kt in {UNIT_LABELS[arguments.units]} or --temp in kelvin")
    request, blocks = grid_request(arguments), number_of_blocks(arguments)
    arguments.files = files((), arguments.files)
    check_output(arguments.outfile or "fes.dat", arguments.files)
    read = SampleStream if arguments.stream else read_samples
    samples = read(arguments.files, kbt, selection(arguments, split(arguments.cv)), threads)
    if isinstance(samples, Samples):
        notes(samples.notes)
    bandwidth, rule = _bandwidth(arguments, samples)
    surface = FreeEnergySurface.from_colvar(
        samples,
        kbt=kbt,
        bandwidth=list(bandwidth),
        grid=request,
        units=arguments.units,
        tol=_at_least_zero(arguments.tol, "--tol"),
        tail=_at_least_zero(arguments.tail, "--tail"),
        explain=arguments.explain,
        error=arguments.error,
        blocks=blocks,
        **computing,
        progress=ProgressBar("samples"),
    )
    if arguments.stream:
        notes(samples.notes)
    surface = in_units(surface, arguments, kbt)
    if arguments.mintozero:
        surface = surface.shifted()
    path = arguments.outfile or "fes.dat"
    surface.to_dat(path, fmt=arguments.fmt, n_threads=threads)
    _report(samples, bandwidth, rule, kbt, arguments)
    outside = samples.n_outside(surface.grid)
    if outside:
        report({"samples outside": f"{outside} lie outside the grid; those near it count"})
    report(
        {
            "points unreached": f"{surface.n_unreached} of {surface.grid.size}",
            "computed on": surface.computed_on,
            "written": path,
        }
    )
    report(energy_unit(surface, arguments))
    if surface.uncertainty is not None:
        report(surface.uncertainty.lines())
        notes([surface.uncertainty.note] if surface.uncertainty.note else [])
    if arguments.explain:
        report(surface.explanation)
    report(describe_minima(surface))
    if arguments.plot:
        from cyfes.plot import save_plot

        save_plot(surface, arguments.plot)
        report({"written": arguments.plot})


def _at_least_zero(text: str, option: str) -> float:
    value = number(text, option)
    if value is None or not 0 <= value < float("inf"):
        raise InputError(f"{option} must be at least 0, got {text}")
    return value


def _bandwidth(
    arguments: argparse.Namespace, samples: Samples | SampleStream
) -> tuple[np.ndarray, str]:
    given = split(arguments.sigma)
    if given is None or given == ["auto"]:
        if isinstance(samples, SampleStream):
            raise InputError("--stream reads the frames once and needs --sigma with numbers")
        return automatic_bandwidth(
            samples.values, samples.log_weights, samples.periods, samples.names, samples.sums
        )
    widths = positives(given, "--sigma") or []
    if len(widths) != len(samples.names):
        raise InputError(
            f"--sigma has {len(widths)} values, expected {len(samples.names)} "
            f"({','.join(samples.names)})"
        )
    return np.array(widths, float), "given"


def _report(
    samples: Samples | SampleStream,
    bandwidth: np.ndarray,
    rule: str,
    kbt: float,
    arguments: argparse.Namespace,
) -> None:
    sums = samples.sums
    report(
        {
            "samples read": f"{samples.n_read} from {','.join(arguments.files)}",
            "samples used": samples.n_used,
            "rows dropped": counts(samples.dropped),
            "CVs": ", ".join(samples.names),
            "ln sum of weights": f"{sums.log_sum:.6g}",
            "effective samples": f"{sums.effective_sample_size:.1f}",
            "bandwidth": f"{', '.join(f'{h:.4g}' for h in bandwidth)} ({rule})",
            "kBT": f"{kbt:.6g} {UNIT_LABELS[arguments.units]}",
        }
    )
