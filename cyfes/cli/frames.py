"""What the commands share that make surfaces of frames."""

import argparse
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cyfes.cli.common import (
    ProgressBar,
    counts,
    files,
    grid_request,
    in_units,
    integer,
    notes,
    number,
    number_of_blocks,
    report,
    sampled_bandwidth,
    selection,
    split,
    thermal,
    where,
)
from cyfes.cli.surfaces import is_surface, needed, surface_of
from cyfes.errors import InputError
from cyfes.fes import FreeEnergySurface
from cyfes.hills import Hills
from cyfes.reweight import Samples, SampleStream, read_samples
from cyfes.surface import Surface
from cyfes.units import UNIT_LABELS

#: Options of frames and of their sum, with what they are where they are not given.
OF_FRAMES = {
    **dict.fromkeys(("cv", "period", "bias", "logweights", "sigma", "start", "stop", "blocks")),
    **dict.fromkeys(("min", "max", "bin", "spacing", "weights", "hills", "biasfactor", "heights")),
    **dict.fromkeys(("rbias", "no_bias", "stream"), False),
    **{"on_bad": "raise", "on_overlap": "keep", "skip": "0", "every": "1"},
    **{"tol": "1e-11", "tail": "30"},
}


def refuse_options_of_frames(
    arguments: argparse.Namespace, what: str, kept: Collection[str] = ()
) -> None:
    """Raise InputError for an option of frames, but those ``kept``, where there are none.

    ``what`` there is instead, as in "fes.dat is a surface".
    """
    for name, default in OF_FRAMES.items():
        if name not in kept and getattr(arguments, name, default) != default:
            option = "--" + name.replace("_", "-")
            raise InputError(f"{option} is for frames, and {what}: leave it out")


@dataclass(frozen=True)
class Reweighted:
    """A surface in --to-units, the frames it was made of, and report lines about these."""

    surface: FreeEnergySurface
    samples: Samples | SampleStream
    lines: list[tuple[str, object]]

    def report(self) -> None:
        """Report the frames."""
        report(self.lines)
        outside = self.samples.n_outside(self.surface.grid)
        if outside:
            report({"samples outside": f"{outside} lie outside the grid; those near it count"})

    def report_errors(self) -> None:
        """Report what errors rest on, where they were asked for."""
        uncertainty = self.surface.uncertainty
        if uncertainty is not None:
            report(uncertainty.lines())
            notes([uncertainty.note] if uncertainty.note else [])


def reweighted(
    arguments: argparse.Namespace,
    computing: dict[str, Any],
    samples: Samples | SampleStream | None = None,
) -> Reweighted:
    """Return the surface of frames as the options say; ``computing`` from ``where``, ``samples``
    where they are read already."""
    kbt = known_kbt(arguments)
    check_sum(arguments)
    if samples is None:
        samples = frames_of(arguments, kbt, split(arguments.cv), computing["n_threads"])
    if isinstance(samples, Samples):
        notes(samples.notes)
    bandwidth, rule = sampled_bandwidth(arguments, samples)
    surface = summed(arguments, computing, samples, bandwidth, kbt)
    if arguments.stream:
        notes(samples.notes)
    lines = frame_lines(samples, bandwidth, rule, kbt, arguments)
    return Reweighted(in_units(surface, arguments, kbt), samples, lines)


def known_kbt(arguments: argparse.Namespace) -> float:
    """Return kBT in --units; InputError, with the remedy, if no option tells it."""
    kbt = thermal(arguments)
    if kbt is None:
        raise InputError(f"give --kt in {UNIT_LABELS[arguments.units]} or --temp in kelvin")
    return kbt


def check_sum(arguments: argparse.Namespace) -> None:
    """Raise InputError for options of a sum that are wrong, before anything is read."""
    grid_request(arguments)
    number_of_blocks(arguments)


def summed(
    arguments: argparse.Namespace,
    computing: dict[str, Any],
    samples: Samples | SampleStream,
    bandwidth: np.ndarray,
    kbt: float,
) -> FreeEnergySurface:
    """Return the surface of frames with a bandwidth, in --units, the rest as the options say."""
    return FreeEnergySurface.from_colvar(
        samples,
        kbt=kbt,
        bandwidth=list(bandwidth),
        grid=grid_request(arguments),
        units=arguments.units,
        tol=_at_least_zero(arguments.tol, "--tol"),
        tail=_at_least_zero(arguments.tail, "--tail"),
        explain=arguments.explain,
        error=arguments.error,
        blocks=number_of_blocks(arguments),
        **computing,
        progress=ProgressBar("samples"),
    )


def frames_of(
    arguments: argparse.Namespace, kbt: float, cv: list[str] | None, threads: int
) -> Samples | SampleStream:
    """Return the frames with the weights that the options say; a stream for --stream."""
    if not arguments.stream:
        return kept_frames(arguments, kbt, cv, threads)
    from cyfes.hillweights import OF_COLUMNS

    chosen = selection(arguments, cv)
    if arguments.weights in OF_COLUMNS:
        chosen = replace(chosen, weights=arguments.weights)
    for name in ("weights", "hills"):
        if getattr(arguments, name) not in (None, chosen.weights):
            raise InputError(f"--{name} needs all frames at once: leave --stream out")
    return SampleStream(arguments.files, kbt, chosen, threads)


def kept_frames(
    arguments: argparse.Namespace, kbt: float, cv: list[str] | None, threads: int
) -> Samples:
    """Return the frames, with their times and the weights that the options say."""
    chosen, kind = selection(arguments, cv), arguments.weights
    if kind is None:
        for name in ("hills", "biasfactor", "heights"):
            if getattr(arguments, name) is not None:
                raise InputError(f"--{name} is for --weights tiwary, final or static: say which")
        return read_samples(arguments.files, kbt, chosen, threads, timed=True)
    if kind == "mbar":
        if arguments.hills is not None:
            raise InputError("--hills is for --weights tiwary, final or static, not mbar")
        from cyfes.umbrella import read_umbrella

        return read_umbrella(arguments.files, kbt, chosen, n_threads=threads).samples
    from cyfes.hillweights import read_weighted

    return read_weighted(
        arguments.files,
        kbt,
        kind,
        hills_of(arguments),
        chosen,
        n_threads=threads,
    )


def hills_of(arguments: argparse.Namespace) -> list[Hills] | None:
    """Return the hills of --hills, of PBMETAD those of each CV; None if there are none."""
    if arguments.hills is None:
        return None
    from cyfes.hillsfile import read_hill_sets

    threads = integer(arguments.threads, "--threads")
    found = read_hill_sets(
        files(arguments.hills),
        on_bad=arguments.on_bad,
        on_overlap=arguments.on_overlap,
        n_threads=threads,
    )
    return [_told(arguments, hills) for _, hills in found]


def _told(arguments: argparse.Namespace, hills: Hills) -> Hills:
    """Hills with what the options tell of them."""
    notes([*hills.notes, *([f"hills dropped: {counts(hills.dropped)}"] if hills.dropped else [])])
    biasfactor = number(arguments.biasfactor, "--biasfactor")
    if biasfactor is not None:
        hills = hills.with_biasfactor(biasfactor)
    return hills.unscaled() if arguments.heights == "unscaled" else hills


def inputs(arguments: argparse.Namespace) -> list[str]:
    """Return all files that a result is made from: frames, lists of these, the hills of --hills."""
    given = files((), arguments.files)
    listed: list[str] = []
    if getattr(arguments, "weights", None) == "mbar":
        from cyfes.restraints import read_windows

        listed = [w.path for w in read_windows(given).windows]
    return [*dict.fromkeys([*given, *listed]), *files(arguments.hills)]


def surface_or_frames(arguments: argparse.Namespace) -> tuple[Surface, list[tuple[str, object]]]:
    """Return (the surface in a file, or of frames with its errors; lines about it), reported.

    The surface is in --to-units and knows kBT. Raises InputError if nothing tells that, for a
    surface and other files, or for a surface and options of frames.
    """
    computing = where(arguments)
    arguments.files = files((), arguments.files)
    if any(is_surface(path) for path in arguments.files):
        return _surface_of_file(arguments)
    arguments.units = arguments.units or "kj/mol"
    found = reweighted(arguments, computing)
    found.report()
    found.report_errors()
    return found.surface, found.lines


def _surface_of_file(arguments: argparse.Namespace) -> tuple[Surface, list[tuple[str, object]]]:
    paths: Sequence[str] = arguments.files
    if len(paths) > 1:
        raise InputError(f"expected one surface on a grid, or COLVAR files, got {', '.join(paths)}")
    refuse_options_of_frames(arguments, f"{paths[0]} is a surface")
    surface, told = surface_of(paths[0], arguments, arguments.units)
    kbt = needed(told, paths[0], surface)
    text = f"{kbt:.6g} {UNIT_LABELS[surface.units]}"
    lines: list[tuple[str, object]] = [("read", paths[0]), ("CVs", surface.grid), ("kBT", text)]
    report(lines)
    if surface.error is not None:
        text = "has the error of F, which does not tell that of a difference; for that give"
        notes([f"{paths[0]} {text} the COLVAR files instead"])
    return in_units(replace(surface, kbt=kbt), arguments, kbt), lines


def reference_of(arguments: argparse.Namespace) -> list[float] | None:
    """Return the point of --reference, None for the lowest; InputError if --mintozero is there."""
    if arguments.reference is not None and arguments.mintozero:
        raise InputError("--mintozero is --reference minimum without its errors: give one of them")
    if arguments.reference in (None, "minimum"):
        return None
    return [number(text, "--reference") or 0.0 for text in split([arguments.reference]) or ()]


def moved(
    surface: FreeEnergySurface, arguments: argparse.Namespace, reference: list[float] | None
) -> FreeEnergySurface:
    """Return the surface as --radial says, relative to --reference or as --mintozero says."""
    if arguments.radial is not None:
        surface = surface.radial(arguments.radial)
    if arguments.reference is not None:
        return surface.relative_to(reference)
    return surface.shifted() if arguments.mintozero else surface


def _at_least_zero(text: str, option: str) -> float:
    value = number(text, option)
    if value is None or not 0 <= value < float("inf"):
        raise InputError(f"{option} must be at least 0, got {text}")
    return value


def frame_lines(
    samples: Samples | SampleStream,
    bandwidth: np.ndarray,
    rule: str,
    kbt: float,
    arguments: argparse.Namespace,
) -> list[tuple[str, object]]:
    """Return report lines of the frames and of what was decided about them."""
    sums = samples.sums
    kind = [] if arguments.weights is None else [("weights", arguments.weights)]
    distance = getattr(arguments, "radial", None)
    told = f"F + 2 kBT ln {distance}, of the probability per volume"
    radial = [] if distance is None else [("radial", told)]
    return [
        ("samples read", f"{samples.n_read} from {','.join(arguments.files)}"),
        ("samples used", samples.n_used),
        ("rows dropped", counts(samples.dropped)),
        ("CVs", ", ".join(samples.names)),
        *kind,
        *radial,
        ("ln sum of weights", f"{sums.log_sum:.6g}"),
        ("effective samples", f"{sums.effective_sample_size:.1f}"),
        ("bandwidth", f"{', '.join(f'{h:.4g}' for h in bandwidth)} ({rule})"),
        ("kBT", f"{kbt:.6g} {UNIT_LABELS[arguments.units]}"),
    ]
