"""An installation whose extension cannot be loaded says so in one line, with the remedy."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import cyfes
from cyfes import _kernels
from cyfes.errors import extension_error

PACKAGE = Path(cyfes.__file__).parent
EXTENSION = Path(_kernels.__file__)
LIBGOMP = re.compile(rb"(libgomp[-\w]*\.so\.)\d")
ABSENT = r"libgomp[-\w]*\.so\.7"


@pytest.fixture
def copied(tmp_path) -> Path:
    """A copy of the package without its extension; returns the folder that holds it."""
    ignored = shutil.ignore_patterns("*.so", "__pycache__")
    shutil.copytree(PACKAGE, tmp_path / "cyfes", ignore=ignored)
    return tmp_path


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run Python where the copy is found first, with the packages that this one has."""
    paths = [str(folder), *filter(None, sys.path)]
    start = f"import sys; sys.path[:0] = {paths!r}; "
    return subprocess.run(
        [sys.executable, "-S", "-c", start + words[0], *words[1:]],
        check=False, capture_output=True, text=True, cwd=folder,
    )  # fmt: skip


def refusals(folder: Path) -> tuple[str, str]:
    """What the command line and the import say: each one line, the last."""
    shown = run(folder, "from cyfes.cli import main; sys.exit(main(sys.argv[1:]))", "info")
    assert shown.returncode == 2
    assert shown.stdout == ""
    [line] = shown.stderr.splitlines()
    raised = run(folder, "import cyfes\ntry: cyfes.read_hills\nexcept ImportError as e: print(e)")
    assert raised.returncode == 0, raised.stderr
    return line, raised.stdout.rstrip("\n")


def test_an_openmp_runtime_that_is_missing(copied):
    content = EXTENSION.read_bytes()
    if not LIBGOMP.search(content):
        pytest.skip("this extension has another OpenMP runtime")
    (copied / "cyfes" / EXTENSION.name).write_bytes(LIBGOMP.sub(rb"\g<1>7", content))
    for said in refusals(copied):
        assert re.search(f"{re.escape(EXTENSION.name)} cannot be loaded: {ABSENT}", said)
        assert "conda: libgomp; Debian, Ubuntu: libgomp1; Fedora: libgomp" in said
        assert said.endswith("or reinstall cyfes")


def test_the_openmp_runtime_of_macs():
    """What macOS' dynamic linker says where libomp is missing."""
    words = (
        "dlopen(/x/cyfes/_kernels.abi3.so, 0x0002): Library not loaded: @rpath/libomp.dylib\n"
        "  Referenced from: /x/cyfes/_kernels.abi3.so"
    )
    error = ImportError(words, name="cyfes._kernels", path="/x/cyfes/_kernels.abi3.so")
    said = str(extension_error(error))
    assert "/x/cyfes/_kernels.abi3.so cannot be loaded: " in said
    assert "conda: llvm-openmp; Homebrew: libomp" in said
    assert said.endswith("or reinstall cyfes")
    assert "\n" not in said


def test_an_extension_that_is_cut_off(copied):
    (copied / "cyfes" / EXTENSION.name).write_bytes(b"\x7fELF")
    for said in refusals(copied):
        assert f"{EXTENSION.name} cannot be loaded: " in said
        assert said.endswith("; reinstall cyfes")


def test_an_extension_that_was_never_compiled(copied):
    for said in refusals(copied):
        assert "cyfes._kernels is not compiled here: install cyfes" in said


def test_another_module_that_is_missing_is_not_the_extension(copied):
    (copied / "cyfes" / "hillsfile.py").write_text("import no_such_module\n")
    raised = run(copied, "import cyfes; cyfes.read_hills")
    assert "No module named 'no_such_module'" in raised.stderr.splitlines()[-1]
