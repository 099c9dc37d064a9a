"""The list of what else is in the wheel names CUDA."""

import json
import subprocess

import pytest
import rpath
import sbom
import source
import toy


@pytest.fixture
def tree(compiler, tmp_path):
    """An unpacked wheel that was repaired with a bundled runtime."""
    tree = tmp_path / "tree"
    runtime = toy.library(compiler, tree / rpath.GRAFTED / "libcudart-0123abcd.so.13")
    toy.library(compiler, tree / rpath.CUDA_LIBRARY, runtime)
    toy.library(compiler, tree / rpath.GRAFTED / "libgomp-0123abcd.so.1")
    toy.library(compiler, tree / rpath.EXTENSION)
    (tree / f"cyfes-{toy.VERSION}.dist-info").mkdir()
    return tree


def parts_of(tree, cudart):
    sbom.write(tree, cudart)
    (file,) = tree.glob("*.dist-info/sboms/*.cdx.json")
    document = json.loads(file.read_text())
    assert document["bomFormat"] == "CycloneDX"
    assert document["metadata"]["component"]["purl"] == f"pkg:pypi/cyfes@{toy.VERSION}"
    parts = {part["name"]: part for part in document["components"]}
    assert document["dependencies"] == [{"ref": "cyfes", "dependsOn": list(parts)}]
    return parts


def test_what_nvcc_compiled_in_has_the_version_of_the_constraints(tree, monkeypatch):
    monkeypatch.delenv("NVCC", raising=False)
    part = parts_of(tree, "package")["cuda-toolkit"]
    assert f"cuda-toolkit=={part['version']}\n" in source.CONSTRAINTS.read_text()


def test_another_nvcc_tells_its_version(tree, monkeypatch, tmp_path):
    nvcc = tmp_path / "nvcc"
    nvcc.write_text('#!/bin/sh\necho "Cuda compilation tools, release 13.9, V13.9.42"\n')
    nvcc.chmod(0o755)
    monkeypatch.setenv("NVCC", str(nvcc))
    assert parts_of(tree, "package")["cuda-toolkit"]["version"] == "13.9.42"


def test_a_required_runtime_has_no_version_and_a_bundled_one_its_digest(tree, monkeypatch):
    assert "version" not in parts_of(tree, "package")["nvidia-cuda-runtime"]
    monkeypatch.setattr(sbom, "runtime_version", lambda: "13.0.0")
    part = parts_of(tree, "bundled")["nvidia-cuda-runtime"]
    assert part["version"] == "13.0.0"
    assert len(part["hashes"][0]["content"]) == 64


def test_without_cuda_there_are_parts_of_gcc_alone(tree, compiler):
    (tree / rpath.CUDA_LIBRARY).unlink()
    parts = parts_of(tree, "package")
    assert list(parts) == ["libgomp", "libstdc++"]
    told = subprocess.check_output([compiler, "-dumpfullversion"], text=True)
    for part in parts.values():
        assert part["version"] == told.strip()
