"""What the commands share that write one surface, or one per block or state, as sum_hills does."""

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import replace

from cyfes.cli.common import describe_minima, energy_unit, in_units, report
from cyfes.fes import FreeEnergySurface
from cyfes.gridfile import atomic_write
from cyfes.provenance import Provenance


def output_name(given: str | None, default: str, several: bool) -> str:
    """Return the name of the output, of several surfaces their prefix."""
    return given or (f"{default}_" if several else f"{default}.dat")


def write_series(
    arguments: argparse.Namespace,
    surfaces: Iterator[FreeEnergySurface],
    outfile: str,
    several: bool,
    threads: int,
    kbt: float | None,
) -> FreeEnergySurface:
    """Write one file, or with ``several`` one per surface: outfile + k + .dat; return the last."""
    for k, summed in enumerate(surfaces):
        told = kbt if summed.kbt is None else summed.kbt
        surface = in_units(replace(summed, units=arguments.units, kbt=told), arguments, kbt)
        path = f"{outfile}{k}.dat" if several else outfile
        shown = surface.shifted() if arguments.mintozero else surface
        shown.write(path, fmt=arguments.fmt, n_threads=threads, provenance=arguments.provenance)
        report({"written": path})
    if surface.computed_on:
        report({"computed on": surface.computed_on})
    report(energy_unit(surface, arguments))
    if arguments.explain:
        report(surface.explanation)
    report(describe_minima(surface))
    return shown


def write_index(path: str, fields: str, rows: Iterable[str], made: Provenance, name: str) -> None:
    """Write what each file of a series holds, and report it as ``name``."""
    text = "".join(f" {row}\n" for row in rows)
    with atomic_write(path) as file:
        file.write(f"#! FIELDS {fields}\n{made.text()}{text}".encode())
    report({name: path})
