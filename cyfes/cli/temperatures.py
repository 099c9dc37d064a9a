"""``cyfes reweight --temperatures`` and ``--entropy``: several surfaces of the same frames."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cyfes.cli.common import (
    describe_minima,
    energy_unit,
    files,
    in_units,
    notes,
    positive,
    positives,
    report,
    sampled_bandwidth,
    split,
    to_units,
)
from cyfes.cli.console import STDOUT
from cyfes.cli.frames import (
    Reweighted,
    check_sum,
    frame_lines,
    inputs,
    kept_frames,
    known_kbt,
    moved,
    reference_of,
    summed,
)
from cyfes.entropy import EnergyAndEntropy, energy_and_entropy
from cyfes.errors import InputError
from cyfes.fes import FreeEnergySurface
from cyfes.gridfile import check_output
from cyfes.provenance import Provenance
from cyfes.reweight import Samples
from cyfes.temperatures import (
    checked_energies,
    effective_frames,
    mean_energy,
    reweighted_to,
    warn_of_support,
)
from cyfes.units import UNIT_LABELS, thermal_energy


@dataclass(frozen=True)
class _Run:
    """What the surfaces of all temperatures share; ``own`` in kelvin, None where not known."""

    arguments: argparse.Namespace
    computing: dict[str, Any]
    samples: Samples
    kbt: float
    own: float | None
    bandwidth: np.ndarray
    rule: str
    reference: list[float] | None
    made: Provenance

    def lines(self, samples: Samples, kbt: float) -> list[tuple[str, object]]:
        """Return report lines of the frames with their weights at a temperature."""
        told = frame_lines(samples, self.bandwidth, self.rule, kbt, self.arguments)
        return [*told, ("energy", self.arguments.energy)]


@dataclass(frozen=True)
class _Result:
    """A surface at a temperature and what is written with it; ``mean``: <E>, in its unit."""

    kelvin: float | None
    path: str
    found: Reweighted
    columns: dict[str, np.ndarray]
    mean: float


def at_temperatures(arguments: argparse.Namespace, computing: dict[str, Any]) -> None:
    """Write a surface for each temperature; none if one of them cannot be had."""
    _check_options(arguments)
    reference = reference_of(arguments)
    check_sum(arguments)
    arguments.files = files((), arguments.files)
    paths = _paths(arguments)
    for path in paths.values():
        check_output(path, inputs(arguments))
    made = Provenance.of(arguments.command_line, inputs(arguments))
    kbt = known_kbt(arguments)
    own = _own_temperature(arguments, kbt)
    samples = kept_frames(arguments, kbt, split(arguments.cv), computing["n_threads"])
    checked_energies(samples)
    notes(samples.notes)
    bandwidth, rule = sampled_bandwidth(arguments, samples)
    run = _Run(arguments, computing, samples, kbt, own, bandwidth, rule, reference, made)
    results = [_result(run, kelvin, path) for kelvin, path in paths.items()]
    _write(arguments, results, computing["n_threads"])
    Reweighted(results[0].found.surface, samples, run.lines(samples, kbt)).report()
    report(energy_unit(results[0].found.surface, arguments))
    for result in results:
        _report(result, arguments)


def _check_options(arguments: argparse.Namespace) -> None:
    """Raise InputError for options that do not go together."""
    wanted = [f"--{name}" for name in ("temperatures", "entropy") if vars(arguments)[name]]
    if not wanted:
        raise InputError("--energy is for --temperatures and --entropy: give one of them")
    if arguments.energy is None:
        raise InputError(f"{wanted[0]} needs --energy NAME, the column of the potential energy")
    if arguments.stream:
        raise InputError(f"{wanted[0]} needs all frames at once: leave --stream out")
    if arguments.radial is not None:
        raise InputError(f"--radial does not go with {wanted[0]}: the room of a sphere is entropy")
    if arguments.plot:
        raise InputError(f"--plot does not go with {wanted[0]}: draw the files with 'cyfes plot'")


def _paths(arguments: argparse.Namespace) -> dict[float | None, str]:
    """The file of each temperature; None is that of the run."""
    path = Path(arguments.outfile or "fes.dat")
    if path.suffix.lower() in (".cube", ".cub"):
        raise InputError(f"{path} would hold F alone, without n_eff: give a .dat or .npz file")
    kelvins = positives(arguments.temperatures, "--temperatures")
    if kelvins is None:
        return {None: str(path)}
    if str(path) in STDOUT:
        raise InputError("--temperatures writes a file for each temperature: give --outfile a name")
    names = [str(path.with_stem(f"{path.stem}_{kelvin:.10g}K")) for kelvin in kelvins]
    if len(set(names)) < len(names):
        raise InputError(f"--temperatures names one twice: {','.join(arguments.temperatures)}")
    return dict(zip(kelvins, names))


def _own_temperature(arguments: argparse.Namespace, kbt: float) -> float | None:
    """The temperature of the run in kelvin, None where nothing needs it."""
    told = positive(arguments.temp, "--temp")
    if told is not None:
        return told
    if arguments.units != "kt":
        return kbt / thermal_energy(1.0, arguments.units)
    if arguments.temperatures:
        raise InputError("energies in kT do not tell the temperature of the run: give --temp")
    return None


def _result(run: _Run, kelvin: float | None, path: str) -> _Result:
    """The surface at a temperature, None for that of the run, in --to-units."""
    arguments, samples, kbt = run.arguments, run.samples, run.kbt
    if kelvin is not None and run.own is not None:
        samples = reweighted_to(samples, kelvin, own=run.own, units=arguments.units)
        kbt = thermal_energy(kelvin, arguments.units)
        arguments = argparse.Namespace(**{**vars(arguments), "temp": repr(kelvin), "kt": None})
    plain = summed(arguments, run.computing, samples, run.bandwidth, kbt)
    threads = run.computing["n_threads"]
    n_eff = effective_frames(plain, samples, run.bandwidth, threads)
    if kelvin is not None:
        warn_of_support(plain, samples, n_eff, kelvin)
    columns, factor = {"n_eff": n_eff}, to_units(plain.units, arguments, kbt)
    if arguments.entropy:
        columns |= _split(run, plain, samples).scaled(factor).columns()
    made = run.made.then(*run.lines(samples, kbt), ("temperature", _label(kelvin)))
    converted = in_units(replace(plain, provenance=made), arguments, kbt)
    found = Reweighted(moved(converted, arguments, run.reference), samples, [])
    return _Result(kelvin, path, found, columns, factor * mean_energy(samples))


def _split(run: _Run, plain: FreeEnergySurface, samples: Samples) -> EnergyAndEntropy:
    """U and -TS of a surface, from the point where F is 0 if that was asked for."""
    arguments, threads = run.arguments, run.computing["n_threads"]
    differs = arguments.reference is not None
    at = plain.place_of(run.reference) if differs or arguments.mintozero else None
    found = energy_and_entropy(
        plain, samples, run.bandwidth, reference=at if differs else None, n_threads=threads
    )
    return found if at is None else found.relative_to(at)


def _write(arguments: argparse.Namespace, results: Sequence[_Result], threads: int) -> None:
    for result in results:
        result.found.surface.write(
            result.path, fmt=arguments.fmt, n_threads=threads, columns=result.columns
        )


def _report(result: _Result, arguments: argparse.Namespace) -> None:
    surface, sums = result.found.surface, result.found.samples.sums
    report({"written": f"{result.path}, at {_label(result.kelvin)}"})
    report({"effective samples": f"{sums.effective_sample_size:.1f}"})
    report({"mean energy": f"{result.mean:.6g} {UNIT_LABELS[surface.units]}"})
    report({"points unreached": f"{surface.n_unreached} of {surface.grid.size}"})
    result.found.report_errors()
    if arguments.explain:
        report(surface.explanation)
    report(describe_minima(surface))


def _label(kelvin: float | None) -> str:
    return "the temperature of the run" if kelvin is None else f"{kelvin:.10g} K"
