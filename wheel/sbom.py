"""What is in the wheel besides cyfes: a CycloneDX list under ``.dist-info/sboms`` (PEP 770).

auditwheel lists there what it copied from packages of the system, without licences: they are added.
It knows nothing of what the compilers put in, nor of a CUDA runtime from elsewhere: that is said
here.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import archive
import licensing
import rpath
import source
from commands import run
from elftools.elf.elffile import ELFFile

NAME = "cyfes.cdx.json"
EULA = {"name": "NVIDIA CUDA Toolkit EULA", "url": "https://docs.nvidia.com/cuda/eula/"}


def licenses_of(name: str) -> list[dict]:
    """Return the licences of a component as CycloneDX writes them."""
    known = licensing.license_of(name)
    if known == licensing.NVIDIA:
        return [{"license": EULA}]
    return [{"expression": known} if " " in known else {"license": {"id": known}}]


def gcc_version(library: Path) -> dict:
    """Return the version of GCC that a library says it was made by; {} if it says nothing."""
    with library.open("rb") as file:
        section = ELFFile(file).get_section_by_name(".comment")
        text = section.data().decode(errors="replace") if section else ""
    found = re.findall(r"GCC: \(.*?\) (\S+)", text.replace("\0", "\n"))
    return {"version": found[0]} if found else {}


def of_gcc(tree: Path) -> Iterator[dict]:
    """Yield what of GCC is in an unpacked wheel: libgomp, and what its headers compiled in."""
    for library in sorted((tree / rpath.GRAFTED).glob("libgomp*")):
        yield {
            "type": "library",
            "bom-ref": "libgomp",
            "name": "libgomp",
            **gcc_version(library),
            "description": f"{library.relative_to(tree)}: renamed, otherwise the system's",
            "hashes": [hash_of(library)],
        }
    yield {
        "type": "library",
        "bom-ref": "libstdc++",
        "name": "libstdc++",
        **gcc_version(tree / rpath.EXTENSION),
        "description": "templates of its headers and, where the compiler is newer than the system "
        f"it compiles for, parts of libstdc++_nonshared.a, in {rpath.EXTENSION}",
    }


def hash_of(file: Path) -> dict:
    return {"alg": "SHA-256", "content": hashlib.sha256(file.read_bytes()).hexdigest()}


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
    """Yield what is in an unpacked wheel besides cyfes, or comes with it, with licences."""
    for part in (*of_gcc(tree), *of_cuda(tree, cudart)):
        yield part | {"scope": "required", "licenses": licenses_of(part["name"])}


def of_cuda(tree: Path, cudart: str) -> Iterator[dict]:
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
    }
    runtime = {
        "type": "library",
        "bom-ref": "nvidia-cuda-runtime",
        "name": "nvidia-cuda-runtime",
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
        "hashes": [hash_of(bundled)],
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
        "licenses": licenses_of(name),
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
    """Write the list into an unpacked wheel, and the licences into the lists that are there."""
    folder = archive.dist_info(tree) / "sboms"
    folder.mkdir(exist_ok=True)
    for file in folder.glob("*.json"):
        file.write_text(licensed(file.read_text(encoding="utf-8")), encoding="utf-8")
    text = json.dumps(describe(tree, cudart), indent=1) + "\n"
    (folder / NAME).write_text(text, encoding="utf-8")


def licensed(text: str) -> str:
    """Return auditwheel's list with the licence of every component that lacks one."""
    document = json.loads(text)
    for part in (document["metadata"]["component"], *document["components"]):
        part.setdefault("licenses", licenses_of(part["name"]))
    return json.dumps(document, indent=1) + "\n"
