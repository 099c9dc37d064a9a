"""What several test files share."""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import landscapes
import pytest

from cyfes import _kernels
from cyfes.backend import load_cuda
from cyfes.errors import BackendError
from cyfes.tables import reader as tablereader

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real simulation outputs, beside the repository or in CYFES_SHARED_DATA."""
    folder = Path(os.environ.get("CYFES_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no simulation outputs at {folder}")
    return folder


@pytest.fixture
def write(tmp_path):
    """Writes a file and returns its path."""

    def write_text(content, name="COLVAR"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write_text


@pytest.fixture(scope="session")
def host_library(tmp_path_factory) -> Path:
    """The GPU's blocks compiled for the host (tests/native/cuda_on_host.cpp)."""
    if sys.platform == "darwin":
        pytest.skip("libcufes.so is a library of Linux: there is no CUDA for macOS")
    compiler = shutil.which(os.environ.get("CXX", "g++"))
    source = ROOT / "tests" / "native" / "cuda_on_host.cpp"
    if compiler is None or not (ROOT / "kernels").is_dir():
        pytest.skip("no C++ compiler, or no kernel sources beside the tests")
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # whose folders lie in one; it takes half a minute
        folder = folder.parent
    library = folder / "libcufes.so"
    flags = ["-std=c++17", "-O2", "-fPIC", "-shared", "-Wall", "-Wextra", "-Werror"]
    with open(folder / "libcufes.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not library.exists():
            made = folder / "made.so"
            command = [compiler, *flags, f"-I{ROOT / 'kernels'}", source, "-o", made]
            subprocess.run(command, check=True)
            made.rename(library)
    return library


@pytest.fixture(scope="session", params=["cpu", "cuda-on-host", "cuda"])
def backend(request) -> _kernels.Backend:
    """Each backend that there is; CYFES_REQUIRE_CUDA=1 makes a missing GPU a failure."""
    if request.param == "cpu":
        return _kernels.CPU
    if request.param == "cuda-on-host":
        return load_cuda(request.getfixturevalue("host_library"))[0]
    try:
        return load_cuda()[0]
    except BackendError as error:
        if os.environ.get("CYFES_REQUIRE_CUDA") == "1":
            raise
        pytest.skip(str(error))


@pytest.fixture(params=[tablereader.FIRST_BYTES, 5])
def block_bytes(request, monkeypatch):
    """Blocks of the usual size, and so small that lines are longer."""
    monkeypatch.setattr(tablereader, "FIRST_BYTES", request.param)
    monkeypatch.setattr(tablereader, "BLOCK_BYTES", min(request.param * 4, 1 << 24))


@pytest.fixture(scope="session")
def quapp():
    """Wolfe and Quapp's potential, three minima, on a grid."""
    return landscapes.quapp_surface()


@pytest.fixture(scope="session")
def frames():
    """The text of a COLVAR file of a double well."""
    return landscapes.double_well_frames()
