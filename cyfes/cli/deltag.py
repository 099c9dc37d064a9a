"""``cyfes deltag``: the free energy difference of two regions."""

import argparse
import warnings
from collections.abc import Sequence

import numpy as np

from cyfes.basins import Basins
from cyfes.cli.common import (
    counts,
    files,
    integer,
    notes,
    number_of_blocks,
    positive,
    report,
    thermal,
    to_units,
)
from cyfes.cli.frames import frames_of, refuse_options_of_frames
from cyfes.cli.surfaces import check_units, is_surface
from cyfes.deltag import (
    STANDARD_VOLUME,
    FreeEnergyDifference,
    difference_of_frames,
    difference_on_grid,
    standard_state,
)
from cyfes.errors import CyfesWarning, InputError
from cyfes.regions import GridRegion, Region, TwoRegions
from cyfes.reweight import Samples, SampleStream
from cyfes.surface import Surface
from cyfes.tables import told
from cyfes.uncertainty import ErrorRequest
from cyfes.units import UNIT_LABELS, parse_integer, parse_number

#: Begins a region that is a basin.
BASIN = "basin:"

#: By which share the kBT of a surface may differ from the one given, in silence.
ANOTHER_KBT = 0.01


def run(arguments: argparse.Namespace) -> None:
    """Report the difference as the options say."""
    arguments.files = files((), arguments.files)
    kbt = thermal(arguments)
    if kbt is None:
        raise InputError(f"give --kt in {UNIT_LABELS[arguments.units]} or --temp in kelvin")
    regions = _regions(arguments, kbt)
    factor = to_units(arguments.units, arguments, kbt)
    request = ErrorRequest(number_of_blocks(arguments))
    volume = positive(arguments.standard_state, "--standard-state")
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
        formula = f"dG - kBT ln({volume:g} nm^3 / {STANDARD_VOLUME:.5g} nm^3), A at 1 mol/l"
        report({"standard state": f"{corrected:.6g} {unit} = {formula}"})


def _regions(arguments: argparse.Namespace, kbt: float) -> TwoRegions:
    """--a and --b, boxes or basins."""
    texts = [*(arguments.a or ()), *(arguments.b or ())]
    basins = None
    if any(text.startswith(BASIN) for text in texts):
        path = arguments.fes or arguments.files[0]
        if arguments.fes is None and not is_surface(path):
            raise InputError("basin:N is a basin of a surface: give it as --fes")
        basins = _basins(path, arguments, kbt)
    elif arguments.fes is not None:
        raise InputError("--fes is for regions such as --a basin:0, and there is none")
    return TwoRegions(
        _region(arguments.a, "--a", basins),
        _region(arguments.b, "--b", basins),
    )


def _basins(path: str, arguments: argparse.Namespace, kbt: float) -> Basins:
    surface = Surface.read(path, told().units)
    if surface.kbt is None and surface.units != arguments.units:
        raise InputError(
            f"{path} is in {UNIT_LABELS[surface.units]} and does not tell kBT; a surface in "
            f"{UNIT_LABELS[arguments.units]}, or an .npz that tells it, would do"
        )
    persistence = parse_number(arguments.persistence, "--persistence")
    return surface.basins(persistence, surface.kbt or kbt)


def _region(
    texts: list[str] | None, option: str, basins: Basins | None
) -> Region | GridRegion | None:
    if texts is None:
        return None
    chosen = [text.removeprefix(BASIN) for text in texts if text.startswith(BASIN)]
    if not chosen or basins is None:
        return Region.parse(texts, option)
    if len(chosen) < len(texts):
        raise InputError(f"{option} takes boxes or basins, not both")
    masks = [basins.mask(parse_integer(number, f"{option} {BASIN}N")) for number in chosen]
    text = f"basin {' or '.join(chosen)} of {basins.surface.grid}"
    return GridRegion(basins.surface.grid, np.logical_or.reduce(masks), text)


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
