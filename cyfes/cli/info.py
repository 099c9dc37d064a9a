"""``cyfes info``: how a file was made, or what this installation is made of."""

import argparse
import os
import platform
import sys
from collections.abc import Sequence

import numpy as np

from cyfes import __version__, _kernels
from cyfes.backend import cuda
from cyfes.cli.common import files, report
from cyfes.errors import BackendError, LibraryMissingError
from cyfes.gridfile import read_provenance

#: Libraries worth naming among those mapped into this process.
LIBRARIES = ("libgomp", "libomp", "libcudart", "libcuda.", "libcufes", "libstdc++", "libc++")


def run(arguments: argparse.Namespace) -> None:
    """Print how files were made, or the state of this installation."""
    if arguments.files:
        _describe_files(files((), arguments.files))
        return
    report(
        {
            "cyfes": __version__,
            "extension": _kernels.__file__,
            "Python": f"{platform.python_version()} ({sys.executable})",
            "NumPy": np.__version__,
            "instruction sets": _describe_isas(),
            "threads": f"{_kernels.max_threads()} of {os.cpu_count()} processors",
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "not set"),
            "CUDA": _describe_cuda(),
        }
    )
    for path in mapped_libraries():
        report({"library": path})


def _describe_files(paths: Sequence[str]) -> None:
    known = {path: read_provenance(path) for path in paths}
    for path, made in known.items():
        report({"file": path})
        for line in [("made by", "not told")] if made is None else made.lines():
            report([line])


def _describe_cuda() -> str:
    found = cuda()
    if isinstance(found, LibraryMissingError):
        return "not in this build"
    if isinstance(found, BackendError):
        return f"cannot be used: {found}"
    backend, n_devices = found
    return f"{n_devices} device{'s' if n_devices > 1 else ''} through {backend.path}"


def _describe_isas() -> str:
    chosen = _kernels.selected_isa()
    words = []
    for name, supported in _kernels.isas():
        state = " (in use)" if name == chosen else "" if supported else " (not supported here)"
        words.append(name + state)
    return ", ".join(words)


def mapped_libraries() -> list[str]:
    """Return the files of the shared libraries in LIBRARIES that this process has mapped."""
    try:
        paths = _loaded_images() if sys.platform == "darwin" else _mapped_files()
    except OSError:
        return ["unknown: /proc is not mounted"]
    return sorted({path for path in paths if os.path.basename(path).startswith(LIBRARIES)})


def _mapped_files() -> list[str]:
    """What Linux tells of this process."""
    with open("/proc/self/maps", encoding="utf-8") as lines:
        return ["/" + line.rstrip("\n").partition("/")[2] for line in lines if "/" in line]


def _loaded_images() -> list[str]:
    """What macOS' dynamic linker tells."""
    import ctypes

    linker = ctypes.CDLL(None)
    linker._dyld_get_image_name.restype = ctypes.c_char_p
    names = map(linker._dyld_get_image_name, range(linker._dyld_image_count()))
    return [os.fsdecode(name) for name in names if name]
