"""``cyfes rates``: how long a transition takes, from runs of infrequent metadynamics."""

import argparse
import math
from dataclasses import replace

from cyfes.cli.common import counts, files, integer, notes, periods, report, split, thermal
from cyfes.errors import InputError
from cyfes.extras import required
from cyfes.gridfile import check_output
from cyfes.rates import Rates, read_rates
from cyfes.regions import Region
from cyfes.units import UNIT_LABELS


def run(arguments: argparse.Namespace) -> None:
    """Report the rate as the options say."""
    required("scipy", "the interval of tau")  # now, not after all files are read
    if arguments.plot:
        from cyfes.plot import matplotlib_module, picture_format

        picture_format(arguments.plot)
        matplotlib_module()
    paths = files((), arguments.files)
    for output in (arguments.outfile, arguments.plot):
        check_output(output, paths)
    until = Region.parse(arguments.until, "--until") if arguments.until else None
    found = read_rates(
        paths,
        _thermal(arguments),
        until=until,
        committed=arguments.committed,
        bias=split(arguments.bias),
        no_bias=arguments.no_bias,
        period=periods(split(arguments.period), list(until.names) if until else None),
        on_bad=arguments.on_bad,
        on_overlap=arguments.on_overlap,
        n_threads=integer(arguments.threads, "--threads"),
    )
    assert found.provenance is not None  # told by read_rates
    made = replace(found.provenance, command=arguments.command_line)
    found = replace(found, provenance=made)
    notes(found.notes)
    report.table(found.columns().lines())
    _report(found, dict(made.settings)["transition"])
    _write(found, arguments)


def _thermal(arguments: argparse.Namespace) -> float:
    kbt = thermal(arguments)
    if kbt is None and not arguments.no_bias:
        raise InputError(f"give --kt in {UNIT_LABELS[arguments.units]} or --temp in kelvin")
    return kbt or 1.0


def _report(found: Rates, transition: str) -> None:
    n, n_events = len(found.runs), found.n_events
    censored = f", {n - n_events} censored, whose times count" if n_events < n else ""
    low, high = found.interval
    report(
        {
            "runs": f"{n}, {n_events} with a transition{censored}",
            "rows dropped": counts(found.dropped),
            "transition": transition,
            "unit of time": "that of the files, PLUMED's default is ps",
            "tau": f"{found.tau:.6g}" if n_events else "not known: no run has the transition",
            "95 % interval": f"{low:.6g} to {high:.6g}",
            "rate 1/tau": f"{found.rate:.6g}" if n_events else f"less than {1 / low:.6g}",
        }
    )
    moments = found.moments()
    if moments is not None:
        mean, deviation, median = moments
        half = found.tau * math.log(2)
        report(
            {
                "mean, deviation": f"{mean:.6g}, {deviation:.6g}; ratio {_ratio(mean, deviation)}",
                "median": f"{median:.6g}; tau ln 2 = {half:.6g}, ratio {_ratio(half, median)}",
            }
        )
    report({"Poisson process": found.verdict()})


def _ratio(one: float, other: float) -> str:
    return f"{one / other:.3g}" if other else "-"


def _write(found: Rates, arguments: argparse.Namespace) -> None:
    if arguments.outfile:
        found.write(arguments.outfile)
        report({"written": arguments.outfile})
    if arguments.plot:
        from cyfes.plot_rates import save_rates

        save_rates(found, arguments.plot)
        report({"written": arguments.plot})
