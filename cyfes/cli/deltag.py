"""``cyfes deltag``: the free energy difference of two regions."""

import argparse
import math
import warnings
from collections.abc import Sequence

from cyfes.cli.common import (
    counts,
    files,
    integer,
    notes,
    number_of_blocks,
    positive,
    report,
    to_units,
)
from cyfes.cli.frames import frames_of, known_kbt, refuse_options_of_frames
from cyfes.cli.regions import regions_of
from cyfes.cli.surfaces import check_units, is_surface
from cyfes.deltag import (
    STANDARD_VOLUME,
    FreeEnergyDifference,
    difference_of_frames,
    difference_on_grid,
    funnel_volume,
    standard_state,
)
from cyfes.errors import CyfesWarning, InputError
from cyfes.regions import TwoRegions
from cyfes.reweight import Samples, SampleStream
from cyfes.surface import Surface
from cyfes.tables import told
from cyfes.uncertainty import ErrorRequest
from cyfes.units import UNIT_LABELS

#: By which share the kBT of a surface may differ from the one given, in silence.
ANOTHER_KBT = 0.01


def run(arguments: argparse.Namespace) -> None:
    """Report the difference as the options say."""
    arguments.files = files((), arguments.files)
    kbt = known_kbt(arguments)
    own = next(filter(is_surface, arguments.files[:1]), None)
    regions = regions_of(arguments, kbt, own) or TwoRegions(None, None)  # which is refused
    factor = to_units(arguments.units, arguments, kbt)
    request = ErrorRequest(number_of_blocks(arguments))
    volume, given = _volume(arguments, regions)
    threads = integer(arguments.threads, "--threads")
    unit = UNIT_LABELS[arguments.to_units or arguments.units]
    if any(is_surface(path) for path in arguments.files):
        value = _on_grid(arguments, regions, kbt)
        report({"A, B": regions, "dG = F(B) - F(A)": f"{factor * value:.6g} {unit}"})
        used = f"exp(-F / kBT), F in {UNIT_LABELS[arguments.units]}"
        report({"how": f"{used}, summed over the points of the grid; no error is known"})
    else:
        value = _of_frames(arguments, regions, kbt, request, threads, factor, unit)
    if volume is not None:
        corrected = factor * (value + standard_state(kbt, volume))
        formula = f"dG - kBT ln({given} nm^3 / {STANDARD_VOLUME:.5g} nm^3), A at 1 mol/l"
        report({"standard state": f"{corrected:.6g} {unit} = {formula}"})


def _volume(arguments: argparse.Namespace, regions: TwoRegions) -> tuple[float | None, str]:
    """The volume of A in nm^3 and how it is told; None where there is no correction."""
    volume = positive(arguments.standard_state, "--standard-state")
    radius = positive(arguments.funnel, "--funnel")
    if radius is None:
        return volume, f"{volume:g}" if volume else ""
    if volume is not None:
        raise InputError("--funnel gives the volume of A: leave --standard-state out")
    volume = funnel_volume(regions.a, radius)
    length = volume / (math.pi * radius**2)
    return volume, f"pi ({radius:g} nm)^2 {length:g} nm = {volume:.5g}"


def _on_grid(arguments: argparse.Namespace, regions: TwoRegions, kbt: float) -> float:
    paths = arguments.files
    if len(paths) > 1:
        raise InputError(f"expected one surface on a grid, or COLVAR files, got {', '.join(paths)}")
    refuse_options_of_frames(arguments, f"{paths[0]} is a surface")
    surface = Surface.read(paths[0], told().units)
    check_units(paths[0], surface, arguments.units)
    if surface.kbt and abs(surface.kbt - kbt) > ANOTHER_KBT * kbt:
        text = f"{paths[0]} was made with kBT = {surface.kbt:g}, and kBT = {kbt:g} is used"
        warnings.warn(text, CyfesWarning, stacklevel=2)
    return difference_on_grid(surface, regions, kbt)


def _of_frames(
    arguments: argparse.Namespace,
    regions: TwoRegions,
    kbt: float,
    request: ErrorRequest,
    threads: int,
    factor: float,
    unit: str,
) -> float:
    samples = frames_of(arguments, kbt, list(regions.names), threads)
    found = difference_of_frames(samples, regions, kbt, request)
    notes(samples.notes)
    if found.problem:
        warnings.warn(
            f"the error is a lower bound: {found.problem}",
            CyfesWarning,
            stacklevel=2,
        )
    _report(samples, arguments.files, found, factor, unit)
    return found.value


def _report(
    samples: Samples | SampleStream,
    paths: Sequence[str],
    found: FreeEnergyDifference,
    factor: float,
    unit: str,
) -> None:
    value, error, half = (factor * x for x in (found.value, found.error, found.interval()))
    shares = found.blocks.values.sum(axis=0) / found.blocks.weights.sum()
    bound = f", a lower bound: {found.problem}" if found.problem else ""
    interval = f"{value - half:.6g} to {value + half:.6g} {unit}"
    report(
        {
            "samples read": f"{samples.n_read} from {','.join(paths)}",
            "samples used": samples.n_used,
            "rows dropped": counts(samples.dropped),
            "ln sum of weights": f"{samples.sums.log_sum:.6g}",
            "effective samples": f"{samples.sums.effective_sample_size:.1f}",
            "A, B": found.regions,
            "weight of A, B": f"{shares[0]:.4g}, {shares[1]:.4g} of all",
            "correlation time": f"{found.correlation.time:.3g} frames",
            "blocks": f"{len(found.blocks)} of {found.blocks.length:.4g} frames",
            "forwards": _row(found.forwards(), factor),
            "backwards": _row(found.backwards(), factor),
            "halves": _row(found.halves(), factor),
            "dG = F(B) - F(A)": f"{value:.6g} +- {error:.3g} {unit}{bound}",
            "95 % interval": f"at least {interval}" if found.problem else interval,
        }
    )


def _row(values: Sequence[float], factor: float) -> str:
    return " ".join(f"{factor * value:.4g}" for value in values)
