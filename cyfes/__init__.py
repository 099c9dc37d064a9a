"""cyfes: free energy surfaces from enhanced-sampling data.

The names below are loaded when first used, so that importing the package stays cheap.
"""

from importlib import import_module
from typing import Any

from cyfes.errors import extension_error

#: The only place of the version. Above 4.5, the last CyFES of the same name.
__version__ = "5.0.0.dev0"

_EXPORTS = {
    "FreeEnergySurface": "cyfes.fes",
    "Density": "cyfes.density",
    "Grid": "cyfes.grid",
    "Hills": "cyfes.hills",
    "read_hills": "cyfes.hillsfile",
    "read_opes": "cyfes.opesfile",
    "read_samples": "cyfes.reweight",
    "read_rates": "cyfes.rates",
    "frames_of_arrays": "cyfes.arrays",
    "reading": "cyfes.tables",
    "convergence_of_frames": "cyfes.running",
    "convergence_of_hills": "cyfes.running",
    "PathFES": "cyfes.compat",
    "FastPathFES": "cyfes.compat",
    "StreamPathFES": "cyfes.compat",
    "DevicePathFES": "cyfes.compat",
    "PathFES_f32": "cyfes.compat",
    "FastPathFES_f32": "cyfes.compat",
    "FastBias": "cyfes.compat",
    "read_out": "cyfes.compat",
    "save_fes": "cyfes.compat",
    "save_cube": "cyfes.compat",
    "save_dat": "cyfes.compat",
}

__all__ = ["__version__", *_EXPORTS]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'cyfes' has no attribute {name!r}")
    try:
        return getattr(import_module(_EXPORTS[name]), name)
    except ImportError as error:
        raise extension_error(error) or error from None


def __dir__() -> list[str]:
    return sorted(__all__)
