"""What is in the wheel besides cyfes: a CycloneDX list under ``.dist-info/sboms`` (PEP 770).

auditwheel lists there what it copied from packages of the system. It knows nothing of what nvcc
compiled in, nor of a CUDA runtime from elsewhere: that is said here.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import archive
import rpath
import source
from commands import run

NAME = "cyfes.cdx.json"
LICENSE = [{"license": {"name": "NVIDIA CUDA Toolkit EULA"}}]


def compiler_version() -> str:
    """Return the version of the CUDA toolkit that compiled libcufes.so."""
    nvcc = os.environ.get("NVCC", "pypi")
    if nvcc == "pypi":
        pins = source.CONSTRAINTS.read_text(encoding="utf-8")
        found = re.search(r"^cuda-toolkit==(\S+)$", pins, re.MULTILINE)
    else:
        found = re.search(r"release \S+, V(\S+)", run([nvcc, "--version"]))
    return found[1] if found else "unknown"


def runtime_version() -> str:
    """Return the version of the CUDA runtime to bundle, that of wheel/requirements.txt."""
    return metadata.version("nvidia-cuda-runtime")


def components(tree: Path, cudart: str) -> Iterator[dict]:
    """Yield what of CUDA is in an unpacked wheel, or comes with it."""
    library = tree / rpath.CUDA_LIBRARY
    if not library.exists():
        return
    version = compiler_version()
    yield {
        "type": "library",
        "bom-ref": "cuda-toolkit",
        "name": "cuda-toolkit",
        "version": version,
        "purl": f"pkg:pypi/cuda-toolkit@{version}",
        "description": f"nvcc's headers and libdevice, compiled into {rpath.CUDA_LIBRARY}",
        "scope": "required",
        "licenses": LICENSE,
    }
    runtime = {
        "type": "library",
        "bom-ref": "nvidia-cuda-runtime",
        "name": "nvidia-cuda-runtime",
        "scope": "required",
        "licenses": LICENSE,
    }
    if cudart == "package":
        major = rpath.cuda_major(library)
        yield runtime | {
            "purl": "pkg:pypi/nvidia-cuda-runtime",
            "description": f"libcudart.so.{major}, not in this wheel: a requirement of it",
        }
        return
    version = runtime_version()
    (bundled,) = (tree / rpath.GRAFTED).glob("libcudart*")
    yield runtime | {
        "version": version,
        "purl": f"pkg:pypi/nvidia-cuda-runtime@{version}",
        "description": f"{bundled.relative_to(tree)}: renamed, otherwise as published",
        "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(bundled.read_bytes()).hexdigest()}],
    }


def describe(tree: Path, cudart: str) -> dict:
    """Return the CycloneDX document of an unpacked wheel."""
    name, version = archive.dist_info(tree).name.removesuffix(".dist-info").split("-")
    own = {
        "type": "library",
        "bom-ref": name,
        "name": name,
        "version": version,
        "purl": f"pkg:pypi/{name}@{version}",
        "licenses": [{"license": {"id": "MIT"}}],
    }
    parts = list(components(tree, cudart))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": own},
        "components": parts,
        "dependencies": [{"ref": name, "dependsOn": [part["bom-ref"] for part in parts]}],
    }


def write(tree: Path, cudart: str) -> None:
    """Write the list into an unpacked wheel."""
    folder = archive.dist_info(tree) / "sboms"
    folder.mkdir(exist_ok=True)
    text = json.dumps(describe(tree, cudart), indent=1) + "\n"
    (folder / NAME).write_text(text, encoding="utf-8")
