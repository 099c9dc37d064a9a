"""Where sums are computed: on the CPU, or by libcufes.so on NVIDIA GPUs."""

import os
import re
import struct
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cyfes._kernels import CPU, Backend
from cyfes.errors import (
    BackendError,
    BackendLibraryError,
    CudaRuntimeError,
    CyfesWarning,
    DriverError,
    InputError,
    LibraryMissingError,
    NoDeviceError,
)

#: The plug-in, private to the package: one relative path serves every kind of installation.
LIBRARY = Path(__file__).with_name("libcufes.so")

#: What the dynamic linker says of a CUDA runtime that it does not find.
MISSING_RUNTIME = re.compile(r"(libcudart\S*?): cannot open shared object file")

BACKENDS = ("auto", "cpu", "cuda")

#: Pairs of kernel and point from which "auto" takes a GPU: about a second on one core, what the
#: start of a GPU costs. An estimate, to be replaced by a measurement.
WORTH_PAIRS = 1e10


@dataclass(frozen=True)
class Choice:
    """A backend, the devices to use (GPU indices, empty for the CPU) and why it was chosen."""

    backend: Backend
    devices: tuple[int, ...]
    reason: str

    def __str__(self) -> str:
        where = "CPU" if not self.devices else f"GPU {', '.join(map(str, self.devices))}"
        return f"{where} ({self.reason})"


def load_cuda(path: str | os.PathLike[str] = LIBRARY) -> tuple[Backend, int]:
    """Return the CUDA backend and the number of GPUs.

    Loads ``path`` by its absolute path, so that no environment variable can put another library in
    its place. Raises, each with cause and remedy: LibraryMissingError, CudaRuntimeError,
    BackendLibraryError (broken), DriverError, NoDeviceError, DeviceFailureError.
    """
    library = Path(path).absolute()
    if not library.exists():
        raise LibraryMissingError(_without_cuda(library))
    try:
        _check_whole(library)
        backend = _loaded(library)
    except BackendLibraryError as error:
        raise _explained(library, str(error)) from None
    try:
        n_devices = backend.device_count()
    except DriverError as error:
        raise DriverError(
            f"the NVIDIA driver is too old for {library}: {error}; update the driver, install "
            "cyfes built for an older CUDA, or use --backend cpu"
        ) from None
    except NoDeviceError as error:
        raise _no_device(str(error)) from None
    if n_devices == 0:
        raise _no_device("the driver lists none")
    return backend, n_devices


def _without_cuda(library: Path) -> str:
    if sys.platform == "darwin":
        return "there is no CUDA for macOS; use --backend cpu"
    return (
        f"{library} does not exist: this is a build without CUDA; install one with CUDA, or use "
        "--backend cpu"
    )


def _check_whole(library: Path) -> None:
    """Refuse a file that was cut off: the dynamic linker would end the process with SIGBUS.

    The section table, which an ELF file's header points to, is the last thing in the file.
    """
    try:
        with library.open("rb") as file:
            header, size = file.read(64), os.fstat(file.fileno()).st_size
    except OSError as error:
        raise BackendLibraryError(str(error.strerror)) from None
    if len(header) < 64 or header[:5] != b"\x7fELF\x02":
        raise BackendLibraryError("not a 64-bit ELF file")
    (table,) = struct.unpack_from("<Q", header, 0x28)
    entry_size, n_entries = struct.unpack_from("<HH", header, 0x3A)
    if table + entry_size * n_entries > size:
        raise BackendLibraryError(f"cut off: {size} bytes of {table + entry_size * n_entries}")


def _loaded(library: Path) -> Backend:
    """Load the library, with PyPI's CUDA runtime from any site-packages if from no other place.

    The library looks beside its own package. pip does not install the runtime there if another
    folder of ``sys.path`` has it: that of the system, for ``--user`` and --system-site-packages.
    """
    try:
        return Backend.load(str(library))
    except BackendLibraryError as error:
        missing = MISSING_RUNTIME.search(str(error))
        if missing is None or not _load_packaged(missing[1]):
            raise
    return Backend.load(str(library))


def _load_packaged(name: str) -> bool:
    """Whether a library of PyPI's packages of CUDA was found on sys.path, and stays loaded."""
    import ctypes

    for folder in filter(None, sys.path):
        for path in Path(folder).glob(f"nvidia/*/lib/{name}"):
            try:
                ctypes.CDLL(str(path.absolute()))
            except OSError:
                continue
            return True
    return False


def _explained(library: Path, words: str) -> BackendError:
    """What the dynamic linker's words mean."""
    if missing := MISSING_RUNTIME.search(words):
        return CudaRuntimeError(
            f"{library} needs {missing[1]}, which is not found: install the CUDA runtime (conda: "
            "cuda-cudart or cudatoolkit; pip: nvidia-cuda-runtime), or use --backend cpu"
        )
    return BackendLibraryError(
        f"{library} cannot be loaded: {words}; reinstall cyfes, or use --backend cpu"
    )


def _no_device(words: str) -> NoDeviceError:
    return NoDeviceError(
        f"no NVIDIA GPU can be used: {words}; run where a GPU and its driver are visible "
        "(CUDA_VISIBLE_DEVICES?), or use --backend cpu"
    )


@cache
def cuda() -> tuple[Backend, int] | BackendError:
    """Return what load_cuda gave, or the error it raised; tried once a process."""
    try:
        return load_cuda()
    except BackendError as error:
        return error


@cache
def _warn_once(text: str) -> None:
    warnings.warn(f"computing on the CPU: {text}", CyfesWarning, stacklevel=4)


def choose(
    wanted: str = "auto",
    devices: Sequence[int] = (0,),
    pairs: float = 0.0,
    cpu_only: str = "",
) -> Choice:
    """Return where to compute a sum.

    ``wanted`` "cpu", "cuda" or "auto": a GPU if there is one and ``pairs`` (kernels times points
    that each reaches) are worth it. ``devices``: GPU indices. ``cpu_only``: why this sum can only
    run on the CPU. Raises the BackendError of load_cuda if "cuda" is wanted and cannot be had,
    InputError for another word or a device index that is none.
    """
    if wanted not in BACKENDS:
        raise InputError(f"unknown backend {wanted!r}; expected one of {', '.join(BACKENDS)}")
    if not devices or any(index < 0 for index in devices):
        raise InputError(f"devices must be indices from 0, got {list(devices)}")
    if wanted == "cpu":
        return Choice(CPU, (), "asked for")
    if cpu_only:
        return Choice(CPU, (), cpu_only)
    if wanted == "auto" and pairs < WORTH_PAIRS:  # without looking for one, which takes time
        return Choice(CPU, (), f"{pairs:.2g} pairs are not worth starting a GPU")
    found = cuda()
    if isinstance(found, BackendError):
        if wanted == "cuda":
            raise found
        if not isinstance(found, LibraryMissingError):
            _warn_once(str(found))
            return Choice(CPU, (), "no GPU can be used")
        return Choice(CPU, (), "a build without CUDA")
    backend, n_devices = found
    outside = [index for index in devices if index >= n_devices]
    if outside:
        raise InputError(f"there is no GPU {outside[0]}; this machine has {n_devices}")
    return Choice(backend, tuple(devices), "asked for" if wanted == "cuda" else "worth it")
