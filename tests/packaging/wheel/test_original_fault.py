"""The fault that this layout was chosen against: libraries installed through data_files.

CyFES put libcufes.so outside its package. auditwheel gives such a file a path that is right in the
unpacked wheel, and pip then moves it elsewhere.
"""

import json
import subprocess
import sys

import archive
import grafting
import licensing
import pytest
import rpath
import sbom
import toy
from check_cuda_library import dynamic_entries


@pytest.fixture
def runtime(compiler, tmp_path):
    """A CUDA runtime as of a toolkit somewhere on the machine."""
    return toy.library(compiler, tmp_path / "toolkit" / "libcudart.so.13")


def auditwheel(raw, folder):
    command = ["auditwheel", "repair", "--wheel-dir", folder, raw]
    subprocess.run(command, check=True, capture_output=True)
    (repaired,) = folder.glob("*.whl")
    return repaired


def test_data_files_lose_the_runtime(compiler, runtime, tmp_path):
    tree = tmp_path / "tree"
    toy.library(compiler, tree / f"cyfes-{toy.VERSION}.data/data/cyfes/libcufes.so", runtime)
    repaired = auditwheel(toy.wheel(tree, tmp_path), tmp_path / "repaired")
    # In the unpacked wheel all is well ...
    unpacked = tmp_path / "unpacked"
    archive.unpack(repaired, unpacked)
    library = unpacked / f"cyfes-{toy.VERSION}.data/data/cyfes/libcufes.so"
    assert rpaths(library) == ["$ORIGIN/../../../cyfes.libs"]
    assert "not found" not in toy.ldd(library)
    # ... and after installation nothing.
    toy.installed(repaired, tmp_path / "environment")
    told = toy.ldd(tmp_path / "environment" / "cyfes" / "libcufes.so")
    assert [line.split()[1:] for line in told.splitlines() if "libcudart" in line] == [
        ["=>", "not", "found"]
    ]
    found = lddtree(tmp_path / "environment" / "cyfes" / "libcufes.so")
    assert [path for name, path in found.items() if "libcudart" in name] == [None]


def lddtree(library):
    """What ``auditwheel lddtree`` tells: each library that is needed, and where it is or None."""
    command = ["auditwheel", "lddtree", library]
    # It is logged, behind the name of the logger.
    words = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    told = json.loads(words[words.index("{") :])
    return {name: found["realpath"] for name, found in told["libraries"].items()}


@pytest.mark.parametrize("version", [(3, 7), sys.version_info[:2]])
def test_a_path_for_one_python_is_lost_with_another(compiler, runtime, tmp_path, version):
    """The old cure: a first entry for auditwheel, then one for each Python that was thought of.

    auditwheel drops what lies outside the wheel, the first or not, keeps what lies inside as text,
    and appends its own.
    """
    tree, placed = tmp_path / "tree", f"cyfes-{toy.VERSION}.data/data/cyfes/libcufes.so"
    library = toy.library(compiler, tree / placed, runtime)
    named = "$ORIGIN/../lib/python{}.{}/site-packages/cyfes.libs".format(*version)
    entries = f"/dropped:$ORIGIN:{named}:{runtime.parent}"
    subprocess.run(["patchelf", "--force-rpath", "--set-rpath", entries, library], check=True)
    repaired = auditwheel(toy.wheel(tree, tmp_path), tmp_path / "repaired")
    toy.installed(repaired, tmp_path / "environment")
    installed = tmp_path / "environment" / "cyfes" / "libcufes.so"
    assert rpaths(installed) == [f"$ORIGIN:{named}:$ORIGIN/../../../cyfes.libs"]
    (place,) = [path for name, path in lddtree(installed).items() if "libcudart" in name]
    assert (place is not None) == (version == sys.version_info[:2])


def rpaths(library):
    return dynamic_entries(library, "RPATH") + dynamic_entries(library, "RUNPATH")


@pytest.fixture
def raw(compiler, runtime, tmp_path):
    """The package's layout: an extension that needs OpenMP, and libcufes.so beside it."""
    tree = tmp_path / "tree"
    toy.library(compiler, tree / rpath.EXTENSION, options=("-fopenmp",))
    toy.library(compiler, tree / rpath.CUDA_LIBRARY, runtime)
    return toy.wheel(tree, tmp_path)


def test_a_private_library_finds_a_bundled_runtime(raw, tmp_path, monkeypatch):
    monkeypatch.setattr(sbom, "runtime_version", lambda: "13.0.0")
    monkeypatch.setattr(licensing, "text_of", lambda name: licensing.TEXTS / "gcc" / "SOURCES.txt")
    repaired = grafting.repair(raw, tmp_path / "out", "bundled")
    site = toy.installed(repaired, tmp_path / "an environment")
    for name in (rpath.EXTENSION, rpath.CUDA_LIBRARY):
        assert rpaths(site / name) == ["$ORIGIN/../cyfes.libs"]
        assert "not found" not in toy.ldd(site / name)
    assert f"{site}/cyfes/../cyfes.libs/libcudart" in toy.ldd(site / rpath.CUDA_LIBRARY)


def test_a_repair_gives_the_same_bits(raw, tmp_path):
    wheels = [grafting.repair(raw, tmp_path / name, "package") for name in ("first", "second")]
    assert wheels[0].read_bytes() == wheels[1].read_bytes()


def test_a_private_library_finds_the_runtime_of_the_package_index(
    raw, runtime, tmp_path, monkeypatch
):
    repaired = grafting.repair(raw, tmp_path / "out", "package")
    site = toy.installed(repaired, tmp_path / "an environment")
    library = site / rpath.CUDA_LIBRARY
    # The toolkit's folder, where the compiler found it, is forgotten.
    assert rpaths(library) == ["$ORIGIN/../nvidia/cu13/lib:$ORIGIN/../cyfes.libs"]
    assert not list((site / "cyfes.libs").glob("libcudart*"))
    beside = site / "nvidia" / "cu13" / "lib"
    beside.mkdir(parents=True)
    runtime.rename(beside / runtime.name)
    assert f"{site}/cyfes/../nvidia/cu13/lib/libcudart.so.13" in toy.ldd(library)
    # RPATH goes before LD_LIBRARY_PATH.
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    (tmp_path / runtime.name).write_bytes((beside / runtime.name).read_bytes())
    assert f"{site}/cyfes/../nvidia/cu13/lib/libcudart.so.13" in toy.ldd(library)


def test_the_runtime_is_required_where_it_is_not_bundled(raw, tmp_path):
    for cudart, expected in (("package", ["nvidia-cuda-runtime<14,>=13"]), ("bundled", [])):
        tree = tmp_path / cudart
        archive.unpack(raw, tree)
        if cudart == "package":
            grafting.require_runtime(tree)
        text = (archive.dist_info(tree) / "METADATA").read_text()
        lines = text.partition("\n\n")[0].splitlines()
        found = [line.partition(": ")[2] for line in lines if line.startswith("Requires-Dist")]
        assert found == expected
        assert text.endswith("\n\nA toy.\n")
