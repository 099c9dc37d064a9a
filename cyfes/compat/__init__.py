"""The names and flags of CyFES 2 to 4, nothing else: energies in kcal/mol, kT that of 300 K."""

from cyfes.compat.commandline import main
from cyfes.compat.files import (
    BOHR_PER_ANGSTROM,
    cube2xyz,
    read_out,
    save2dat,
    save_cube,
    save_dat,
    save_fes,
)
from cyfes.compat.functions import (
    KBT,
    DevicePathFES,
    FastBias,
    FastPathFES,
    FastPathFES_f32,
    PathFES,
    PathFES_f32,
    StreamPathFES,
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
    "cube2xyz",
    "main",
    "read_out",
    "save2dat",
    "save_cube",
    "save_dat",
    "save_fes",
]
