"""What a machine lacks is told in one line before anything is compiled."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
if not (ROOT / "tools").is_dir():
    pytest.skip("builds need the source tree", allow_module_level=True)
sys.path.insert(0, str(ROOT / "tools"))

import build_compiler  # noqa: E402
import build_openmp  # noqa: E402
from build_compiler import CompilerError, check  # noqa: E402

GXX = shutil.which("g++")


@pytest.fixture
def headers(tmp_path):
    """A folder with empty Python.h and omp.h."""
    for name in ("Python.h", "omp.h"):
        (tmp_path / name).touch()
    return [str(tmp_path)]


@pytest.fixture
def pretend(tmp_path):
    """Make a compiler that answers with a line, or with an exit code."""

    def make(line, code=0):
        program = tmp_path / "c++"
        program.write_text(f"#!/bin/sh\ncat > /dev/null\necho '{line}'\nexit {code}\n")
        program.chmod(0o755)
        return [str(program)]

    return make


@pytest.mark.skipif(GXX is None, reason="no g++")
def test_a_real_compiler_answers(headers, tmp_path):
    check([GXX], headers)
    (tmp_path / "Python.h").unlink()
    with pytest.raises(CompilerError, match=r"Python\.h.* python3-dev; Fedora: python3-devel;"):
        check([GXX], headers)


def test_no_compiler():
    with pytest.raises(CompilerError, match=r"c\+\+-99 is not a program.*Debian, Ubuntu: g\+\+;"):
        check(["c++-99"], [])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "yes yes __clang__ 11 1 __APPLE__",
            r"is gcc 11, but cyfes needs gcc 12 or newer.*gcc-c\+\+",
        ),
        ("yes yes __clang__ __GNUC__ 1 __APPLE__", "neither gcc nor clang"),
        ("HAS_PYTHON yes __clang__ 14 1 __APPLE__", r"Python\.h"),
        ("yes HAS_OMP 1 4 1 __APPLE__", r"omp\.h.*libomp-dev.*libomp-devel.*llvm-openmp"),
        ("HAS_PYTHON HAS_OMP __clang__ 4 1 __APPLE__", "is gcc 4"),
        ("HAS_PYTHON yes 1 4 __x86_64__ 1", r"Python\.h.*\(brew install python; conda: python\)"),
        ("yes HAS_OMP 1 4 __x86_64__ 1", r"omp\.h.*\(brew install libomp; conda: llvm-openmp\)"),
        ("yes yes __clang__ 11 1 1", r"gcc 11.*\(xcode-select --install; conda: cxx-compiler\)"),
        ("", "cannot preprocess"),
    ],
)
def test_what_is_missing_is_told(pretend, line, message, monkeypatch):
    monkeypatch.setattr(build_openmp, "libomp_folders", lambda *_: [])
    with pytest.raises(CompilerError, match=message) as caught:
        check(pretend(line), [])
    assert "\n" not in str(caught.value)


def test_what_will_do_is_taken(pretend):
    for line in ("yes yes __clang__ 12 1 __APPLE__", "yes yes 1 4 __x86_64__ 1"):
        check(pretend(line), [])


def test_it_is_the_compiler_who_knows_the_processor(pretend):
    """Where another machine is compiled for, this one's flags would be wrong."""
    for word, expected in (("1", True), ("__x86_64__", False)):
        assert check(pretend(f"yes yes __clang__ 12 {word} __APPLE__"), []).x86_64 is expected


def test_a_compiler_that_fails_is_quoted(pretend):
    with pytest.raises(CompilerError, match="cannot preprocess"):
        check(pretend("yes yes __clang__ 12 1 __APPLE__", code=1), [])


def test_a_build_ends_before_it_begins(tmp_path, pretend):
    """With the real setup.py: one line, and no object."""
    pytest.importorskip("Cython")
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("tools", "kernels", "cyfes"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("*.so"))
    compiler = pretend("yes yes __clang__ 9 1 __APPLE__")
    environ = os.environ | {"CXX": compiler[0], "CYFES_CUDA": "0"}
    command = [sys.executable, "setup.py", "build_ext", "--build-temp", "objects"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "is gcc 9, but cyfes needs gcc 12" in done.stderr.splitlines()[-1]
    assert not list(tmp_path.rglob("*.o"))


def test_documents_name_the_packages():
    include = Path(sysconfig.get_path("include"))
    assert include.name.startswith("python3")
    readme, page = ((ROOT / name).read_text() for name in ("README.md", "docs/building.md"))
    for names in (build_compiler.PACKAGES["compiler"], build_compiler.PACKAGES["Python.h"]):
        for name in names:
            assert f"{name}" in readme, name
            assert f"`{name}`" in page, name
