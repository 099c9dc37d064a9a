"""``cyfes weights``: the weights of the frames of a METAD run, and what they make of a dG."""

import argparse
import warnings
from typing import Any

from cyfes.cli.common import (
    counts,
    files,
    grid_request,
    integer,
    notes,
    number_of_blocks,
    report,
    selection,
    split,
    to_units,
)
from cyfes.cli.frames import hills_of, inputs, known_kbt
from cyfes.cli.regions import regions_of
from cyfes.errors import CyfesWarning, InputError
from cyfes.estimators import disagreement, estimates_of, table_of
from cyfes.gridfile import check_output
from cyfes.hillweights import HillBias, read_hill_bias
from cyfes.provenance import Provenance
from cyfes.regions import TwoRegions
from cyfes.uncertainty import ErrorRequest
from cyfes.units import UNIT_LABELS
from cyfes.weightsfile import WeightsTable


def run(arguments: argparse.Namespace) -> None:
    """Write the weights of frames as the options say."""
    path = arguments.outfile or "weights.dat"
    arguments.files = files((), arguments.files)
    check_output(path, inputs(arguments))
    made = Provenance.of(arguments.command_line, inputs(arguments))
    kbt = known_kbt(arguments)
    regions = regions_of(arguments, kbt)
    blocks = ErrorRequest(number_of_blocks(arguments))
    factor = to_units(arguments.units, arguments, kbt)
    found = _read(arguments, regions, kbt)
    lines = _lines(arguments, found)
    notes(list(dict.fromkeys((*found.samples.notes, *found.notes("tiwary")))))
    compared = _compared(found, regions, blocks, factor, arguments) if regions else None
    told = made.then(*lines, ("kbt", f"{kbt:.10g}"), ("units", arguments.units))
    WeightsTable.of(found).write(path, told)
    report(lines)
    if compared is not None:
        report({"A, B": regions})
        report.table(compared)
    report({"written": path})


def _read(arguments: argparse.Namespace, regions: TwoRegions | None, kbt: float) -> HillBias:
    """The bias of the hills at the frames, whose CVs are all that is named."""
    hills = hills_of(arguments)
    assert hills is not None  # --hills is required
    if len(hills) > 1:
        raise InputError(
            f"the hills are of {', '.join(each.names[0] for each in hills)}, one bias each, as "
            "those of PBMETAD, which has no c(t): 'cyfes reweight --weights final --hills ...'"
        )
    (own,) = hills
    wanted = split(arguments.cv) or list(own.names)
    names = list(dict.fromkeys([*wanted, *(regions.names if regions else ())]))
    request = grid_request(arguments)
    given = (request.lower, request.upper, request.bins, request.spacing)
    return read_hill_bias(
        arguments.files,
        own,
        kbt,
        selection(arguments, names),
        grid=None if all(part is None for part in given) else request,
        n_threads=integer(arguments.threads, "--threads"),
    )


def _lines(arguments: argparse.Namespace, found: HillBias) -> list[tuple[str, object]]:
    samples = found.samples
    paths = ",".join(arguments.files)
    own = samples.own_bias
    lines: list[tuple[str, object]] = [
        ("samples read", f"{samples.n_read} from {paths}"),
        ("samples used", len(samples)),
        ("rows dropped", counts(samples.dropped)),
        ("hills read", f"{len(found.hills)} of {', '.join(found.hills.names)}"),
        ("c(t) on", found.offset_grid),
    ]
    if own:
        apart = f"{found.apart(own):.3g} kBT (RMS) from {own}"
        lines.append(("V(s,t) of hills", apart))
    return lines


def _compared(
    found: HillBias, regions: TwoRegions, request: ErrorRequest, factor: float, arguments: Any
) -> list[str]:
    """The table of dG by estimator; warns where they do not agree."""
    estimates = [e.scaled(factor) for e in estimates_of(found, regions, request)]
    unit = UNIT_LABELS[arguments.to_units or arguments.units]
    for estimate in estimates:
        if estimate.problem:
            text = f"{estimate.name}: the error is a lower bound: {estimate.problem}"
            warnings.warn(text, CyfesWarning, stacklevel=2)
    if sentence := disagreement(estimates, unit):
        warnings.warn(sentence, CyfesWarning, stacklevel=2)
    return [*table_of(estimates), f"dG = F(B) - F(A) in {unit}"]
