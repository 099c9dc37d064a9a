"""Every way a GPU can be missing has its own exception, and none is a crash or a silent zero.

The real libcufes.so meets real faults: hidden, broken and unreadable files, a CUDA runtime that is
not there, and one (tests/native/stub_cudart.c) without driver, device or memory.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from plumed_files import write_hills

import cyfes
from cyfes import backend
from cyfes.cli import main
from cyfes.errors import (
    BackendError,
    BackendLibraryError,
    CyfesWarning,
    InputError,
    LibraryMissingError,
)

if sys.platform == "darwin":
    pytest.skip("there is no CUDA for macOS", allow_module_level=True)

NATIVE = Path(__file__).parent / "native"
KERNELS = Path(__file__).parents[1] / "kernels"
LIBRARY = backend.LIBRARY

needs_library = pytest.mark.skipif(not LIBRARY.exists(), reason="libcufes.so is not in this build")


def run(program: str, *, expect: int = 0, **environment: str) -> subprocess.CompletedProcess:
    """A Python process of its own: a library that was loaded once stays loaded."""
    root = os.path.dirname(os.path.dirname(os.path.abspath(cyfes.__file__)))
    paths = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": paths, **environment},
    )
    assert done.returncode == expect, done.stderr
    return done


def compiler() -> str:
    found = shutil.which(os.environ.get("CC", "gcc"))
    if found is None or not KERNELS.is_dir():
        pytest.skip("no C compiler, or no kernel sources beside the tests")
    return found


def runtime_name() -> str:
    """The CUDA runtime that libcufes.so asks for."""
    found = re.search(rb"libcudart\.so\.\d+", LIBRARY.read_bytes())
    assert found is not None
    return found[0].decode()


@pytest.fixture(scope="session")
def stub(tmp_path_factory) -> Path:
    """The runtime without a card, under the name and version that libcufes.so asks for."""
    gcc, folder, name = compiler(), tmp_path_factory.mktemp("stub"), runtime_name()
    versions = folder / "versions"
    versions.write_text(f"{name} {{ global: *; }};\n")
    flags = ["-shared", "-fPIC", f"-Wl,-soname,{name}", f"-Wl,--version-script={versions}"]
    subprocess.run(
        [gcc, *flags, str(NATIVE / "stub_cudart.c"), "-o", str(folder / name)], check=True
    )
    return folder / name


def test_a_hidden_library(tmp_path):
    with pytest.raises(LibraryMissingError, match=r"does not exist.*--backend cpu"):
        backend.load_cuda(tmp_path / "libcufes.so")


def test_a_broken_copy(tmp_path, host_library):
    whole = host_library.read_bytes()
    for content in (b"", b"not a library", whole[:5000]):
        broken = tmp_path / "libcufes.so"
        broken.write_bytes(content)
        with pytest.raises(BackendLibraryError, match=r"cannot be loaded: .*reinstall cyfes"):
            backend.load_cuda(broken)


def test_a_library_that_cannot_be_read(tmp_path):
    folder = tmp_path / "libcufes.so"  # root may read any file, but nobody a folder as a library
    folder.mkdir()
    with pytest.raises(BackendLibraryError, match="cannot be loaded"):
        backend.load_cuda(folder)


def test_a_library_of_something_else():
    with pytest.raises(BackendLibraryError, match="is not a library of cyfes"):
        backend.load_cuda(backend.CPU.path or cyfes._kernels.__file__)


def test_a_library_of_another_version(tmp_path):
    other = tmp_path / "other.cpp"
    other.write_text(
        '#include "cyfes_kernels.h"\n'
        'static const cyfes_backend table = {999, "cuda", 0, 0, 0, 0, 0, 0};\n'
        'extern "C" const cyfes_backend *cyfes_cuda_backend() { return &table; }\n'
    )
    library = tmp_path / "libcufes.so"
    headers = Path(__file__).parents[1] / "kernels"
    compiler()
    subprocess.run(
        ["g++", "-shared", "-fPIC", f"-I{headers}", str(other), "-o", str(library)], check=True
    )
    with pytest.raises(BackendLibraryError, match="version 999 of the kernels' contract"):
        backend.load_cuda(library)


@pytest.fixture
def lonely(tmp_path) -> tuple[Path, Path]:
    """A library, and the libcudart that was there when it was linked; the folder knows it not."""
    gcc, empty = compiler(), tmp_path / "empty.c"
    empty.write_text("int cyfes_nothing(void) { return 0; }\n")
    runtime, library = tmp_path / "libcudart.so.99", tmp_path / "libcufes.so"
    common = [gcc, "-shared", "-fPIC", "-Wl,--no-as-needed"]
    subprocess.run([*common, "-Wl,-soname,libcudart.so.99", empty, "-o", runtime], check=True)
    subprocess.run([*common, empty, runtime, "-o", library], check=True)
    return library, runtime


def test_a_runtime_that_is_not_there(lonely):
    library, runtime = lonely
    runtime.unlink()
    done = run(f"from cyfes.backend import load_cuda; load_cuda({str(library)!r})", expect=1)
    assert "CudaRuntimeError" in done.stderr
    assert re.search(r"needs libcudart\.so\.99, which is not found: install the CUDA", done.stderr)


def test_a_runtime_in_another_folder_of_packages(lonely, tmp_path):
    """pip leaves it in the system's, for --user and --system-site-packages."""
    library, runtime = lonely
    folder = tmp_path / "site" / "nvidia" / "cu99" / "lib"
    folder.mkdir(parents=True)
    runtime.rename(folder / runtime.name)
    program = (
        f"import sys; sys.path.append({str(tmp_path / 'site')!r})\n"
        f"from cyfes.backend import load_cuda; load_cuda({str(library)!r})"
    )
    done = run(program, expect=1)
    assert "BackendLibraryError" in done.stderr  # found, loaded, and not a library of cyfes
    assert "is not a library of cyfes" in done.stderr
    (folder / runtime.name).write_text("not a library")
    assert "CudaRuntimeError" in run(program, expect=1).stderr


FAULTS = [
    ("no-driver", "NoDeviceError", "no NVIDIA driver is installed.*--backend cpu"),
    ("old-driver", "DriverError", r"too old.*supports CUDA 12\.2, the runtime is CUDA 13\.0"),
    ("no-device", "NoDeviceError", r"no NVIDIA GPU can be used.*CUDA_VISIBLE_DEVICES"),
]
SUM = """
import numpy as np
from cyfes.density import Density
from cyfes.grid import Grid
grid = Grid.from_bins(["x", "y"], [0, 0], [1, 1], [20, 20], [False, False])
centers = np.full((100000, 2), 0.5)
Density(grid, backend="cuda", devices=[{device}]).add(centers, np.full((1, 2), 0.1))
"""


@needs_library
@pytest.mark.parametrize(("fault", "exception", "words"), FAULTS)
def test_a_machine_without_a_gpu(fault, exception, words, stub, tmp_path):
    environment = {"LD_PRELOAD": str(stub), "CYFES_STUB": fault}
    done = run("from cyfes.backend import load_cuda; load_cuda()", expect=1, **environment)
    assert re.search(f"{exception}: .*{words}", done.stderr)
    # Importing never fails, info tells, auto falls back with one warning.
    told = run("from cyfes.cli import main; main(['info'])", **environment)
    assert re.search(f"CUDA +cannot be used: .*{words}", told.stdout)
    write_hills(tmp_path / "HILLS")
    program = (
        "import os, sys; from cyfes import backend; from cyfes.cli import main\n"
        f"os.chdir({str(tmp_path)!r}); backend.WORTH_PAIRS = 0\n"
        "sys.exit(main(['sum_hills', '--hills', 'HILLS']))"
    )
    done = run(program, **environment)
    assert (tmp_path / "fes.dat").exists()
    assert done.stderr.count("cyfes: warning: computing on the CPU") == 1
    assert "computed on        CPU (no GPU can be used)" in done.stdout


@needs_library
@pytest.mark.parametrize(
    ("fault", "exception", "words"),
    [
        ("no-memory", "DeviceMemoryError", "no memory"),
        ("kernel-failure", "DeviceFailureError", "while summing; this process has lost the device"),
    ],
)
def test_a_sum_that_fails(fault, exception, words, stub):
    done = run(SUM.format(device=0), expect=1, LD_PRELOAD=str(stub), CYFES_STUB=fault)
    assert re.search(f"{exception}: .*{words}", done.stderr)


@needs_library
def test_little_memory_takes_smaller_batches(stub):
    run(SUM.format(device=0), LD_PRELOAD=str(stub), CYFES_STUB="little-memory")


@needs_library
def test_a_device_that_is_not_there(stub):
    done = run(SUM.format(device=3), expect=1, LD_PRELOAD=str(stub))
    assert "there is no GPU 3; this machine has 1" in done.stderr


def test_asked_for_cuda_without_it_is_an_error(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(backend, "cuda", lambda: LibraryMissingError("not in this build"))
    write_hills(tmp_path / "HILLS")
    monkeypatch.chdir(tmp_path)
    assert main(["sum_hills", "--hills", "HILLS", "--backend", "cuda"]) == 2
    assert capsys.readouterr().err == "cyfes: error: not in this build\n"
    assert not (tmp_path / "fes.dat").exists()


def test_the_choice_of_a_backend(monkeypatch, host_library):
    loaded = backend.load_cuda(host_library)
    monkeypatch.setattr(backend, "cuda", lambda: loaded)
    assert backend.choose("cpu").reason == "asked for"
    assert backend.choose("cuda").devices == (0,)
    assert backend.choose("auto", pairs=1e6).devices == ()
    assert "not worth" in backend.choose("auto", pairs=1e6).reason
    assert backend.choose("auto", pairs=1e15).devices == (0,)
    assert backend.choose("cuda", cpu_only="because").backend is backend.CPU
    for wanted, devices, words in (
        ("gpu", (0,), "unknown backend 'gpu'"),
        ("cuda", (-1,), "indices from 0"),
        ("cuda", (), "indices from 0"),
        ("cuda", (7,), "there is no GPU 7; this machine has 1"),
    ):
        with pytest.raises(InputError, match=words):
            backend.choose(wanted, devices)


def test_a_broken_gpu_warns_once(monkeypatch):
    monkeypatch.setattr(backend, "cuda", lambda: BackendError("broken"))
    backend._warn_once.cache_clear()
    with pytest.warns(CyfesWarning, match="computing on the CPU: broken"):
        assert backend.choose("auto", pairs=1e15).backend is backend.CPU
    assert backend.choose("auto", pairs=1e15).devices == ()  # a second warning would be an error


def test_several_devices_share_a_sum(monkeypatch, host_library):
    """Parts of the kernels, a thread each, added up in their order."""
    loaded = backend.load_cuda(host_library)[0], 3
    monkeypatch.setattr(backend, "cuda", lambda: loaded)
    rng = np.random.default_rng(0)
    grid = cyfes.Grid.from_bins(["x", "y"], [-1, -1], [1, 1], [12, 13], [True, False])
    centers, width = rng.uniform(-1, 1, (50, 2)), np.full((1, 2), 0.2)
    sums = []
    for wanted, devices in (("cpu", [0]), ("cuda", [0]), ("cuda", [0, 1, 2])):
        density = cyfes.Density(grid, derivatives=True, backend=wanted, devices=devices)
        sums.append(density.add(centers, width))
    for density in sums[1:]:
        np.testing.assert_allclose(density.values, sums[0].values, rtol=1e-12)
        np.testing.assert_allclose(density.derivatives, sums[0].derivatives, atol=1e-11)
    assert str(sums[2].choice) == "GPU 0, 1, 2 (asked for)"
