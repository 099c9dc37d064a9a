"""The names and flags of CyFES 2 to 4, nothing else: energies in kcal/mol, kT that of 300 K."""

from cyfes.compat.commandline import main
from cyfes.compat.functions import (
    BOHR_PER_ANGSTROM,
    KBT,
    DevicePathFES,
    FastBias,
    FastPathFES,
    FastPathFES_f32,
    PathFES,
    PathFES_f32,
    StreamPathFES,
    read_out,
    save_cube,
    save_dat,
    save_fes,
)

__all__ = [
    "BOHR_PER_ANGSTROM",
    "KBT",
    "DevicePathFES",
    "FastBias",
    "FastPathFES",
    "FastPathFES_f32",
    "PathFES",
    "PathFES_f32",
    "StreamPathFES",
    "main",
    "read_out",
    "save_cube",
    "save_dat",
    "save_fes",
]
