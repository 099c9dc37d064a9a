"""The printed tables, as text for a terminal or as Markdown."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.errors import LEVELS, Errors
from benchmarks.workload import Measured, Target

LIMITS = "/".join(f"{level:g}" for level in LEVELS)
COLUMNS = (
    "who", "threads", "time", "CPU time", "ratio to ours", f"max dF below {LIMITS} kBT", "of peak",
    "pairs or numbers/s", "FLOP / FMA probe", "bytes / copy probe",
)  # fmt: skip
TARGET_COLUMNS = ("workload", "compared", "target", "reached", "met")
NOTHING = "-"


def rows(measured: Measured) -> list[list[str]]:
    """One row a contender, in the order of COLUMNS."""
    return [_row(measured, c.key) for c in measured.workload.contenders if c.key in measured.times]


def _row(measured: Measured, key: str) -> list[str]:
    contender, times = measured.contender(key), measured.times[key]
    who = contender.who + (f" ({contender.note})" if contender.note else "")
    errors = measured.errors.get(key)
    pairs = 0.0 if contender.is_probe else measured.workload.pairs
    reference = measured.workload.reference
    return [
        who,
        str(contender.threads),
        seconds(times.median),
        NOTHING if contender.seconds is not None else seconds(times.cpu_median),
        _or_nothing(lambda: f"{measured.ratio(key, reference):.3g}"),
        *_errors(errors),
        f"{pairs / times.median:.2g}" if pairs else NOTHING,
        _or_nothing(lambda: f"{measured.of_fma(key):.2f}"),
        _or_nothing(lambda: f"{measured.of_copy(key):.2f}"),
    ]


def _errors(errors: Errors | None) -> tuple[str, str]:
    if errors is None:
        return NOTHING, NOTHING
    below = " / ".join(_power(errors.below[level]) for level in LEVELS)
    return below, _power(errors.of_peak)


def _power(value: float) -> str:
    return NOTHING if math.isnan(value) else f"{value:.0e}".replace("e-0", "e-")


def _or_nothing(text: Callable[[], str]) -> str:
    try:
        return text()
    except KeyError:
        return NOTHING


def seconds(value: float) -> str:
    """A time with three digits and its unit."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value * 1e6:.3g} us"


def target_row(measured: Measured, target: Target) -> list[str]:
    """One row of the table of targets, in the order of TARGET_COLUMNS."""
    sign = ">=" if target.at_least else "<="
    wanted = f"{sign} {_number(target.limit)}{target.unit}"
    what = target.what
    if any(c.seconds is not None and c.key in what for c in measured.workload.contenders):
        what += " (recorded on another machine)"
    try:
        value = target.reached(measured)
    except KeyError:
        return [measured.workload.title, what, wanted, "not measured", NOTHING]
    met = "yes" if target.met(value) else "NO"
    return [measured.workload.title, what, wanted, _number(value) + target.unit, met]


def _number(value: float) -> str:
    return f"{value:.2e}" if value and abs(value) < 1e-3 else f"{value:.3g}"


def figures(measured: Measured) -> dict[str, Any]:
    """All times and errors, for a file that a program reads."""
    return {
        "times": {
            key: {"wall": times.wall, "cpu": times.cpu} for key, times in measured.times.items()
        },
        "errors": {
            key: {"of_peak": e.of_peak, **{f"below {level:g}": e.below[level] for level in LEVELS}}
            for key, e in measured.errors.items()
        },
    }


def text(columns: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """An aligned table for a terminal."""
    table = [list(columns), *map(list, body)]
    widths = [max(len(row[i]) for row in table) for i in range(len(columns))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths)).rstrip() for row in table)


def markdown(columns: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """The same as Markdown."""
    lines = [list(columns), ["---"] * len(columns), *map(list, body)]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines)
