"""Where the libraries of an installed wheel look for one another.

What ``auditwheel repair`` does to the RPATH of a file in the wheel:

- It **keeps** an entry that lies, as text, inside the unpacked wheel, whether the folder exists or
  not: ``$ORIGIN/../nvidia/cu13/lib``, a neighbour in site-packages, stays.
- It **drops** every other entry: the toolkit's folder, a folder of the machine.
- It **adds** ``$ORIGIN/../cyfes.libs`` last, to files for which it grafted something.
- It does all that only to files for which it grafted something. With the CUDA runtime left out,
  libcufes.so is none of them and keeps even the folder of the toolkit it was compiled with.
- It takes the place of a file in the wheel for its place after installation. For
  ``NAME.data/data/`` that is wrong: pip moves it to the root of the environment, and a path from
  there into site-packages depends on the version of Python. So nothing of cyfes lies there.

So the last word is spoken here: every library gets exactly the entries below.
"""

import re
from pathlib import Path

from commands import WheelError, run

EXTENSION = "cyfes/_kernels.abi3.so"
CUDA_LIBRARY = "cyfes/libcufes.so"
#: Where auditwheel puts what it grafts, beside the package.
GRAFTED = "cyfes.libs"


def runtime_package(major: int) -> str:
    """Return the folder of PyPI's CUDA runtime, beside the package; raises WheelError before 13."""
    if major < 13:
        raise WheelError(f"libcufes.so was compiled with CUDA {major}; the wheel needs 13 or newer")
    return f"nvidia/cu{major}/lib"


def needed(library: Path) -> list[str]:
    """Return the names of the libraries that a library asks for."""
    return run(["patchelf", "--print-needed", library]).split()


def cuda_major(library: Path) -> int:
    """Return the major version of the CUDA runtime that a library asks for."""
    for name in needed(library):
        if match := re.fullmatch(r"libcudart(?:-[0-9a-f]+)?\.so\.(\d+)(?:\.\d+)*", name):
            return int(match[1])
    raise WheelError(f"{library.name} does not ask for libcudart")


def wanted(tree: Path, cudart: str) -> dict[Path, str]:
    """Return the RPATH of each library of an unpacked wheel that has to find another one."""
    grafted = f"$ORIGIN/../{GRAFTED}"
    paths = {tree / EXTENSION: grafted}
    library = tree / CUDA_LIBRARY
    if library.exists():
        beside = f"$ORIGIN/../{runtime_package(cuda_major(library))}:"
        paths[library] = (beside if cudart == "package" else "") + grafted
    return paths


def patch(library: Path, path: str) -> None:
    """Set the RPATH of a library, and see that it is there.

    RPATH, not RUNPATH: a stale LD_LIBRARY_PATH must not win.
    """
    run(["patchelf", "--force-rpath", "--set-rpath", path, library])
    found = run(["patchelf", "--print-rpath", library]).strip()
    if found != path:
        raise WheelError(f"{library}: RPATH {found!r} after setting {path!r}")


def patch_tree(tree: Path, cudart: str) -> None:
    """Set the RPATHs of an unpacked wheel."""
    for library, path in wanted(tree, cudart).items():
        patch(library, path)
