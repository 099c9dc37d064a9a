"""The verification itself: each check finds what it is there for."""

import subprocess
from pathlib import Path

import checks
import environments
import hiding
import pytest
import rpath
import toy

LDD = """\tlinux-vdso.so.1 (0x00007ffd)
\tlibcudart.so.13 => not found
\tlibgomp-0123.so.1 => /a path/cyfes.libs/libgomp-0123.so.1 (0x00007f)
\t/lib64/ld-linux-x86-64.so.2 (0x00007f)
"""


def test_the_linkers_account_is_read():
    assert list(checks.resolved(LDD)) == [
        ("linux-vdso.so.1", "linux-vdso.so.1"),
        ("libcudart.so.13", ""),
        ("libgomp-0123.so.1", "/a path/cyfes.libs/libgomp-0123.so.1"),
        ("ld-linux-x86-64.so.2", "/lib64/ld-linux-x86-64.so.2"),
    ]


@pytest.fixture
def room(compiler, tmp_path):
    """An environment with an extension and libcufes.so that find libcudart outside of it."""
    root = tmp_path / "environment"
    runtime = toy.library(compiler, tmp_path / "toolkit" / "libcudart.so.99")
    toy.library(compiler, root / rpath.EXTENSION)
    toy.library(compiler, root / rpath.CUDA_LIBRARY, runtime)
    environment = environments.Environment("toy", Path("python"), root, root, root)
    suite = tmp_path / "suite"
    suite.mkdir()
    return checks.Room(environment, suite, with_cuda=True)


def test_a_library_from_outside_is_found(room, tmp_path):
    runtime = tmp_path / "toolkit" / "libcudart.so.99"
    assert list(checks.linker(room)) == [
        f"libcufes.so: libcudart.so.99 => {runtime}, outside the environment"
    ]
    runtime.unlink()
    assert list(checks.linker(room)) == ["libcufes.so: libcudart.so.99 => not found"]
    (room.environment.site / rpath.CUDA_LIBRARY).unlink()
    assert [problem.endswith("libcufes.so is missing") for problem in checks.linker(room)] == [True]


def test_a_second_libgomp_and_a_missing_runtime_are_found(room):
    own = f"{room.environment.root}/cyfes.libs/libgomp-0123.so.1"
    room.found = {"mapped": [own, "/usr/lib/libgomp.so.1"]}
    assert list(checks.maps(room)) == [
        "0 of libcudart mapped, expected 1: ",
        f"2 of libgomp mapped, expected 1: {own}, /usr/lib/libgomp.so.1",
        "/usr/lib/libgomp.so.1 mapped, outside the environment",
    ]


def test_hidden_libraries_cannot_be_read(tmp_path):
    if not hiding.unshare():
        pytest.skip("mounts are not allowed here")
    hidden = hiding.paths_of("libgomp|libcudart")
    if not hidden:
        pytest.skip("the machine has neither libgomp nor CUDA: nothing to hide")
    prefix = hiding.prefix("libgomp|libcudart", tmp_path / "empty")
    for path in hidden:
        look = ["ls", "-A", path] if path.is_dir() else ["head", "-c", "4", path]
        assert subprocess.check_output(look) != b""
        assert subprocess.check_output([*prefix, *look]) == b""
