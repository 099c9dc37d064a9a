"""A finished wheel: what it is made of, and what its user meets where a library is missing.

``make wheel`` runs these on what it made; without CYFES_WHEEL and CYFES_SDIST there is nothing to
judge.
"""

import email
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import archive
import check_cuda_library as check
import checks
import environments
import hiding
import inspection
import licensing
import pytest
import rpath
import verification
from commands import WheelError

ROOT = Path(__file__).resolve().parents[3]
LOAD = "from cyfes.backend import load_cuda; load_cuda()"


def named(variable):
    if variable not in os.environ:
        pytest.skip(f"{variable} names no file: `make wheel` makes one and runs this test")
    return Path(os.environ[variable])


@pytest.fixture(scope="module")
def wheel():
    return named("CYFES_WHEEL")


@pytest.fixture(scope="module")
def tree(wheel, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unpacked")
    archive.unpack(wheel, folder)
    return folder


@pytest.fixture(scope="module")
def with_cuda(wheel):
    if not verification.has_cuda(wheel):
        pytest.skip("a wheel without CUDA")


def test_one_wheel_for_every_python(wheel, tree):
    name, version, *build, python, abi, platform = wheel.stem.split("-")
    assert (name, python, abi) == ("cyfes", "cp311", "abi3")
    assert version
    assert platform.startswith("manylinux_2_")
    bundled = any((tree / rpath.GRAFTED).glob("libcudart*"))
    expected = ["1bundled"] if bundled else [] if (tree / rpath.CUDA_LIBRARY).exists() else ["0cpu"]
    assert build == expected
    told = email.message_from_string((archive.dist_info(tree) / "WHEEL").read_text())
    assert told.get_all("Build", []) == expected


def test_every_grafted_library_has_its_licence(wheel):
    assert list(licensing.problems(wheel)) == []


def test_no_fault_is_found(wheel, tmp_path):
    """Nor a note: `python wheel check` says nothing of what it says of other packages."""
    lines = inspection.lines(inspection.world(wheel, None, [], tmp_path))
    assert [line for line in lines if line.startswith(("fault: ", "note: "))] == []


def test_libraries_look_in_the_wheel_and_beside_it(tree):
    grafted = "$ORIGIN/../cyfes.libs"
    for library in tree.rglob("*.so*"):
        assert check.dynamic_entries(library, "RUNPATH") == []
    assert check.dynamic_entries(tree / rpath.EXTENSION, "RPATH") == [grafted]
    libraries = sorted(path.name.partition("-")[0] for path in (tree / rpath.GRAFTED).iterdir())
    bundled = libraries == ["libcudart", "libgomp"]
    assert bundled or libraries == ["libgomp"]
    library = tree / rpath.CUDA_LIBRARY
    metadata = email.message_from_string((archive.dist_info(tree) / "METADATA").read_text())
    requires = [text for text in metadata.get_all("Requires-Dist") if text.startswith("nvidia-")]
    requires = [text for text in requires if "extra ==" not in text]
    if not library.exists():
        assert (bundled, requires) == (False, [])
        return
    major = rpath.cuda_major(library)
    beside = "" if bundled else f"$ORIGIN/../nvidia/cu{major}/lib:"
    assert check.dynamic_entries(library, "RPATH") == [beside + grafted]
    assert requires == ([] if bundled else [f"nvidia-cuda-runtime<{major + 1},>={major}"])
    if not bundled:
        assert [*check.link_problems(library), *check.search_problems(library)] == []


def test_libraries_carry_no_symbols_for_debuggers(tree):
    for library in (tree / "cyfes").glob("*.so"):
        sections = subprocess.run(
            ["readelf", "-SW", library], check=True, capture_output=True, text=True
        ).stdout
        assert ".dynsym" in sections
        assert ".debug_info" not in sections
        assert ".symtab" not in sections


def test_the_source_distribution_is_whole():
    """All that git knows of these folders, as a build or a test may need it."""
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "cyfes", "kernels", "tools", "tests", "wheel"],
        check=False,
        capture_output=True,
        text=True,
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout: nothing to compare with")
    with tarfile.open(named("CYFES_SDIST")) as opened:
        held = {name.partition("/")[2] for name in opened.getnames()}
    assert [name for name in listed.stdout.splitlines() if name not in held] == []
    assert [name for name in held if name.endswith(("/_kernels.cpp", ".so", ".pyc"))] == []


@pytest.fixture
def room(wheel, tmp_path):
    """A new environment with the wheel, where the machine's own libraries are hidden."""
    environment = environments.venv("broken", tmp_path / "environment", [wheel])
    return checks.Room(environment, tmp_path, verification.has_cuda(wheel))


def fails(room, *command):
    """What a command said that ended with exit code 1 or 2: by an exception, not by a signal."""
    with pytest.raises(WheelError, match=r"failed \([12]\)") as caught:
        room.run(*command)
    return str(caught.value)


def without_own_runtime(room):
    own = hiding.paths_of("libcudart")
    if own and not room.prefix:
        pytest.skip(f"{own[0]} would be found, and no mount is allowed here that hides it")


def test_a_broken_path_to_the_runtime_is_an_exception(room, with_cuda, tmp_path):
    without_own_runtime(room)
    python, site = room.environment.python, room.environment.site
    assert "CudaRuntimeError" not in fails(room, python, "-c", LOAD), "broken before it was broken"
    rpath.patch(site / rpath.CUDA_LIBRARY, "/nowhere")
    shutil.rmtree(site / "nvidia", ignore_errors=True)
    told = fails(room, python, "-c", LOAD)
    assert "CudaRuntimeError" in told
    assert "which is not found: install the CUDA runtime" in told
    assert "CudaRuntimeError" not in (info := room.run(room.environment.scripts / "cyfes", "info"))
    assert "cannot be used" in info
    hills = ROOT / checks.DATA / "HILLS.gz"
    command = [room.environment.scripts / "cyfes", "sum_hills", "--hills", hills]
    assert "cyfes: error: " in fails(room, *command, "--backend", "cuda")
    assert not (tmp_path / "fes.dat").exists()
    # The CPU needs none of it.
    room.run(*command)
    assert (tmp_path / "fes.dat").exists()


def test_the_runtime_may_lie_in_another_folder_of_packages(room, with_cuda, tmp_path):
    """So with --user where the system has it already."""
    without_own_runtime(room)
    packaged = room.environment.site / "nvidia"
    if not packaged.exists():
        pytest.skip("a wheel with a runtime of its own")
    shutil.move(packaged, tmp_path / "elsewhere" / "nvidia")
    assert "CudaRuntimeError" in fails(room, room.environment.python, "-c", LOAD)
    variables = {**room.environment.variables, "PYTHONPATH": str(tmp_path / "elsewhere")}
    object.__setattr__(room.environment, "variables", variables)
    assert "CudaRuntimeError" not in fails(room, room.environment.python, "-c", LOAD)


def test_a_broken_path_to_libgomp_is_an_exception(room):
    python = room.environment.python
    room.run(python, "-c", "import cyfes._kernels")
    rpath.patch(room.environment.site / rpath.EXTENSION, "/nowhere")
    told = fails(room, python, "-c", "import cyfes._kernels")
    assert "ImportError: libgomp-" in told
    assert "cannot open shared object file" in told
