"""Checks the cyfes of a conda prefix: run by that prefix's Python, with readelf on PATH.

    env -u LD_LIBRARY_PATH python check_package.py cpu|cuda...

Exits with 1 and one line a problem. The argument is the variant as its build string names it.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import cyfes
from cyfes import _kernels
from cyfes.backend import LIBRARY, cuda
from cyfes.cli.info import mapped_libraries

sys.path.append(str(Path(__file__).resolve().parents[1]))
from check_cuda_library import dynamic_entries

TESTS = Path(__file__).resolve().parents[2]
PREFIX = Path(sys.prefix)
#: Part of the C library, which is the machine's.
GLIBC = re.compile(r"(libc|libm|libdl|libpthread|librt|ld-linux[\w-]*)\.so\.\d+")
EXTENSION = Path(_kernels.__file__)
#: There conda-build alone looks at paths and owners, when it builds.
ON_MAC = sys.platform == "darwin"


def records() -> list[dict]:
    """What conda noted of every package of the prefix."""
    return [json.loads(path.read_text()) for path in (PREFIX / "conda-meta").glob("*.json")]


def path_problems(library: Path) -> Iterator[str]:
    """Every entry is relative; those that lead somewhere lead to the prefix's lib."""
    entries = ":".join(dynamic_entries(library, "RPATH")).split(":")
    folders = [Path(entry.replace("$ORIGIN", str(library.parent))) for entry in entries]
    found = {folder.resolve() for folder in folders if folder.is_dir()}
    if found != {PREFIX.resolve() / "lib"} or any(e[:7] != "$ORIGIN" for e in entries):
        yield f"{library.name}: RPATH {entries}, expected paths from $ORIGIN to {PREFIX}/lib"
    if dynamic_entries(library, "RUNPATH"):
        yield f"{library.name}: has a RUNPATH, which LD_LIBRARY_PATH overrides"


def dependency_problems(library: Path) -> Iterator[str]:
    """Each library that is needed must belong to a package that cyfes depends on by name."""
    owners = {file: record["name"] for record in records() for file in record["files"]}
    [own] = [record for record in records() if record["name"] == "cyfes"]
    declared = {depend.split()[0] for depend in own["depends"]}
    for name in dynamic_entries(library, "NEEDED"):
        owner = owners.get(f"lib/{name}")
        if not GLIBC.fullmatch(name) and owner not in declared:
            yield f"{library.name}: {name} is of {owner}, which is none of {sorted(declared)}"


def load_problems() -> Iterator[str]:
    """What this process has loaded must be the prefix's, not the machine's.

    The driver's library is the machine's, and so are macOS' own.
    """
    for path in map(Path, mapped_libraries()):
        of_machine = "libcuda." in path.name or (ON_MAC and path.is_relative_to("/usr/lib"))
        if not of_machine and not path.is_relative_to(PREFIX.resolve()):
            yield f"{path} was loaded, which is not in {PREFIX}"


def variant_problems(flavour: str) -> Iterator[str]:
    if flavour.startswith("cuda") != LIBRARY.exists():
        yield f"{LIBRARY} is {'there' if LIBRARY.exists() else 'missing'} in a {flavour} package"
    loaded = " ".join(mapped_libraries())
    expected = ["libomp"] if ON_MAC else ["libgomp", "libstdc++"]
    for name in [*expected, *(["libcudart"] if LIBRARY.exists() else [])]:
        if name not in loaded:
            yield f"{name} was not loaded"


def sum_problems() -> Iterator[str]:
    """A sum of 10,000 hills against PLUMED's, which prints 9 digits."""
    case = TESTS / "data" / "1d-per-nowt-phi"
    with tempfile.TemporaryDirectory() as folder:
        command = [PREFIX / "bin" / "cyfes", "sum_hills", "--hills", case / "HILLS.gz"]
        subprocess.run(
            [*command, "--backend", "cpu", "--outfile", "fes.dat"], check=True, cwd=folder
        )
        ours = np.loadtxt(Path(folder, "fes.dat"))
    expected = np.loadtxt(case / "ref" / "default.dat")
    if ours.shape != expected.shape or not np.allclose(ours, expected, rtol=0, atol=2e-9):
        yield f"the sum of {case.name} is not PLUMED's"


def main() -> int:
    [flavour] = sys.argv[1:]
    libraries = [] if ON_MAC else [EXTENSION, *([LIBRARY] if LIBRARY.exists() else [])]
    print("CUDA:", cuda())
    problems = [*variant_problems(flavour), *load_problems(), *sum_problems()]
    for library in libraries:
        problems += [*path_problems(library), *dependency_problems(library)]
        for tag in ("RPATH", "NEEDED"):
            print(f"{library.name}: {tag} {' '.join(dynamic_entries(library, tag))}")
    for path in mapped_libraries():
        print("loaded:", path)
    print("LD_LIBRARY_PATH:", os.environ.get("LD_LIBRARY_PATH", "not set"))
    print("\n".join(problems) or f"cyfes {cyfes.__version__} {flavour}: no problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
