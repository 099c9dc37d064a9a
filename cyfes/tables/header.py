"""The header lines of PLUMED files: ``#! FIELDS`` names columns, ``#! SET`` gives constants."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from cyfes.errors import FileFormatError, quoted
from cyfes.tables.settings import Axis
from cyfes.tables.text import decode, fields_of
from cyfes.units import parse_number

#: More constants than any PLUMED file has; each header keeps its own.
MAX_CONSTANTS = 1000

#: How far printed bounds may lie from the period they stand for, relative to its length.
BOUND_TOLERANCE = 1e-5

#: The bounds of a period as they are written, None for a CV without a period.
Bounds = tuple[str, str] | None


@dataclass(frozen=True)
class Header:
    """A schema and the rows it holds for: one ``#! FIELDS`` line with its ``#! SET`` lines.

    ``fields``: column names, ``"0", "1", ...`` without a FIELDS line. ``constants``: SET names
    and values as they are written. ``line``: 1-based number of the FIELDS line, 0 without one.
    ``first_row``: index of the first row that belongs to it. ``remarks``: what ``#! CYFES`` lines
    tell, of files made by this program.
    """

    fields: tuple[str, ...]
    constants: Mapping[str, str]
    line: int
    first_row: int
    remarks: tuple[str, ...] = ()

    def bounds_of(self, path: str, name: str) -> Bounds:
        """Return the bounds of a CV's period, None if it has none.

        Raises FileFormatError for one bound without the other, or bounds that are no numbers or
        not in order.
        """
        where = f"{path}:{max(1, self.line)}"
        low, high = self.constants.get(f"min_{name}"), self.constants.get(f"max_{name}")
        if low is None and high is None:
            return None
        if low is None or high is None:
            given, missing = ("min", "max") if high is None else ("max", "min")
            raise FileFormatError(
                f"{where}: SET {given}_{name} without SET {missing}_{name}; a period needs both"
            )
        for end, text in (("min", low), ("max", high)):
            if len(text.split()) > 1:  # taken together they might be a number, too
                raise FileFormatError(
                    f"{where}: SET {end}_{name} has several values, {quoted(text)}; expected one"
                )
        ends = parse_number(low, f"{where}: min_{name}"), parse_number(high, f"{where}: max_{name}")
        if not math.isfinite(ends[0] - ends[1]):
            raise FileFormatError(
                f"{where}: min_{name} {low} and max_{name} {high} must be finite; a CV without a "
                "period has no such lines"
            )
        if not ends[0] < ends[1]:
            raise FileFormatError(f"{where}: min_{name} {low} must be less than max_{name} {high}")
        return low, high


#: What is known of a file before its first line.
NO_HEADER = Header((), {}, 0, 0)


def header_after(
    header: Header,
    lines: Iterable[tuple[int, bytes]],
    path: str,
    skipped: list[str] | None = None,
) -> Header:
    """Return the header in force after some header lines, each given with its number.

    ``header`` itself if nothing changes. A FIELDS line begins a header without constants; those
    set before the first FIELDS line belong to it. A SET line begins a header only if it changes a
    constant. Raises FileFormatError for a SET line without a name and a value; with ``skipped``
    such a line is left out and told there.
    """
    fields, constants, line_of_fields = header.fields, dict(header.constants), header.line
    remarks = header.remarks
    for number, line in lines:
        match decode(line.lstrip(b" \t\r")[2:]).split(maxsplit=2):
            case ["FIELDS", *names]:
                constants, remarks = ({}, ()) if line_of_fields else (constants, remarks)
                fields, line_of_fields = tuple(" ".join(names).split()), number
            case ["SET", name, value]:
                constants[name] = value.strip()
            case ["CYFES", *words]:
                remarks = (*remarks, " ".join(words))
            case ["SET", *_]:
                if skipped is None:
                    raise FileFormatError(
                        f"{path}:{number}: SET needs a name and a value; --on-bad skip ignores it"
                    )
                skipped.append(f"line {number}, SET without a name and a value, was ignored")
        if max(len(constants), len(remarks)) > MAX_CONSTANTS:
            raise FileFormatError(f"{path}:{number}: more than {MAX_CONSTANTS} SET lines")
    found = Header(fields, constants, line_of_fields, 0, remarks)
    return header if replace(header, first_row=0) == found else found


def header_of_hills(axes: Sequence[Axis]) -> Header:
    """Return the header of the hills of Colvars: step, centers, widths and weight, of Gaussians."""
    names = [axis.name for axis in axes]
    sigmas = [f"sigma_{name}" for name in names]
    constants = {"multivariate": "false", "kerneltype": "gaussian"}
    return Header(("time", *names, *sigmas, "height"), constants, 1, 0)


def with_periods(header: Header, axes: Sequence[Axis]) -> Header:
    """Return a header that tells none with the periods that a user tells of its columns."""
    told = [axis for axis in axes if axis.periodic and axis.name in header.fields]
    ends = {f"{end}_{axis.name}": text for axis in told for end, text in axis.ends()}
    return replace(header, constants={**header.constants, **ends}) if ends else header


def with_fields(header: Header, row: bytes) -> Header:
    """Return the header, its columns named by number after the first row if no line named them."""
    if header.line or header.fields:
        return header
    return replace(header, fields=tuple(map(str, range(len(fields_of(row))))))


def same_bounds(one: Bounds, other: Bounds) -> bool:
    """Return whether bounds mean the same period: -pi, and -3.141593 as a program prints it."""
    if one is None or other is None:
        return one is other
    (a, b), (c, d) = ([parse_number(text, "period") for text in pair] for pair in (one, other))
    return max(abs(a - c), abs(b - d)) <= BOUND_TOLERANCE * (b - a)


def periods_of(bounds: Iterable[Bounds]) -> list[float]:
    """Return the period of each CV, 0 where it has none."""
    return [
        parse_number(b[1], "period") - parse_number(b[0], "period") if b else 0.0 for b in bounds
    ]


def more_exact(one: Bounds, other: Bounds) -> Bounds:
    """Return those of two equivalent bounds that carry more digits."""

    def digits(bounds: Bounds) -> int:
        return sum(len(repr(parse_number(text, "period"))) for text in bounds or ())

    return other if digits(other) > digits(one) else one
