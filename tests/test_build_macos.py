"""What a build does on a Mac: libomp, one architecture, no CUDA. No Mac is needed."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
if not (ROOT / "tools").is_dir():
    pytest.skip("builds need the source tree", allow_module_level=True)
sys.path.insert(0, str(ROOT / "tools"))

import build_cuda  # noqa: E402
import build_macos  # noqa: E402
import build_openmp  # noqa: E402
from build_openmp import OpenMP  # noqa: E402

ON = ["-Xpreprocessor", "-fopenmp"]


@pytest.fixture
def conda(tmp_path):
    """An environment of conda's with llvm-openmp."""
    (tmp_path / "include").mkdir()
    (tmp_path / "include" / "omp.h").touch()
    return tmp_path


def flags(clang, apple, has_header, environ=None):
    return build_openmp.flags(clang, apple, has_header, "arm64", environ or {})


def test_elsewhere_the_compiler_brings_its_own_runtime():
    for clang, apple in ((False, False), (True, False), (False, True)):
        assert flags(clang, apple, True) == OpenMP(["-fopenmp"], ["-fopenmp"])
        assert flags(clang, apple, False) is None


def test_clang_on_a_mac_is_told_through_its_preprocessor():
    assert flags(True, True, True) == OpenMP(ON, ["-lomp"])


def test_libomp_is_looked_for_where_macs_have_it(conda):
    headers, libraries = conda / "include", conda / "lib"
    expected = OpenMP([*ON, f"-I{headers}"], [f"-L{libraries}", f"-Wl,-rpath,{libraries}", "-lomp"])
    assert flags(True, True, False, {"CONDA_PREFIX": str(conda)}) == expected
    (headers / "omp.h").unlink()
    assert flags(True, True, False, {"CONDA_PREFIX": str(conda)}) is None


@pytest.mark.parametrize(
    ("machine", "own", "other"),
    [("arm64", "/opt/homebrew", "/usr/local"), ("x86_64", "/usr/local", "/opt/homebrew")],
)
def test_a_library_of_the_other_architecture_is_not_looked_for(machine, own, other):
    folders = [str(lib) for _, lib in build_openmp.libomp_folders(machine, {})]
    assert f"{own}/opt/libomp/lib" in folders
    assert not [folder for folder in folders if folder.startswith(other)]


@pytest.mark.parametrize(
    ("host", "environ", "expected"),
    [
        ("macosx-11.0-arm64", {}, {"MACOSX_DEPLOYMENT_TARGET": "11.0"}),
        ("macosx-10.13-x86_64", {}, {"MACOSX_DEPLOYMENT_TARGET": "11.0"}),
        ("macosx-14-arm64", {}, {"MACOSX_DEPLOYMENT_TARGET": "14"}),
        (
            "macosx-10.13-universal2",
            {"MACOSX_DEPLOYMENT_TARGET": "13.3"},
            {
                "ARCHFLAGS": "-arch arm64",
                "_PYTHON_HOST_PLATFORM": "macosx-13.3-arm64",
            },
        ),
        (
            "macosx-10.13-universal2",
            {"ARCHFLAGS": "-arch x86_64"},
            {
                "MACOSX_DEPLOYMENT_TARGET": "11.0",
                "_PYTHON_HOST_PLATFORM": "macosx-11.0-x86_64",
            },
        ),
    ],
)
def test_one_architecture_and_a_macos_that_is_new_enough(host, environ, expected):
    given = dict(environ)
    build_macos.prepare(environ, host, "arm64")
    assert environ == given | expected


def test_two_architectures_at_once_are_refused():
    environ = {"ARCHFLAGS": "-arch arm64 -arch x86_64"}
    with pytest.raises(SystemExit, match=r"names 2 architectures.*set ARCHFLAGS='-arch arm64'"):
        build_macos.prepare(environ, "macosx-10.13-universal2", "arm64")


def test_the_command_of_a_python_for_two_architectures_compiles_for_one():
    command = ["clang++", "-arch", "arm64", "-arch", "x86_64", "-O3"]
    assert build_macos.one_architecture(command, "-arch arm64") == [
        "clang++", "-O3", "-arch", "arm64",
    ]  # fmt: skip
    assert build_macos.one_architecture(command, "") == command


def test_there_is_no_cuda(monkeypatch, tmp_path):
    nvcc = tmp_path / "nvcc"
    nvcc.touch(mode=0o755)
    environ = {"PATH": os.fspath(tmp_path)}
    assert build_cuda.nvcc_to_use(environ, []) == str(nvcc)
    monkeypatch.setattr(sys, "platform", "darwin")
    assert build_cuda.nvcc_to_use(environ, []) is None
    assert build_cuda.requirements(environ, []) == []
    with pytest.raises(build_cuda.CudaBuildError, match="no CUDA for macOS; unset CYFES_CUDA"):
        build_cuda.nvcc_to_use(environ | {"CYFES_CUDA": "1"}, [])
