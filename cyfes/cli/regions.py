"""The regions of --a and --b: boxes, or basins of the surface of --fes."""

import argparse

import numpy as np

from cyfes.basins import Basins
from cyfes.errors import InputError
from cyfes.regions import GridRegion, Region, TwoRegions
from cyfes.surface import Surface
from cyfes.tables import told
from cyfes.units import UNIT_LABELS, parse_integer, parse_number

#: Begins a region that is a basin.
BASIN = "basin:"


def regions_of(
    arguments: argparse.Namespace, kbt: float | None, surface: str | None = None
) -> TwoRegions | None:
    """Return the regions, None if there are none; ``surface``: a file that --fes may leave out."""
    path = arguments.fes or surface
    texts = [*(arguments.a or ()), *(arguments.b or ())]
    basins = None
    if any(text.startswith(BASIN) for text in texts):
        if path is None:
            raise InputError("basin:N is a basin of a surface: give it as --fes")
        basins = _basins(path, arguments, kbt)
    elif arguments.fes is not None:
        raise InputError("--fes is for regions such as --a basin:0, and there is none")
    if not texts:
        return None
    return TwoRegions(
        _region(arguments.a, "--a", basins),
        _region(arguments.b, "--b", basins),
    )


def _basins(path: str, arguments: argparse.Namespace, kbt: float | None) -> Basins:
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
