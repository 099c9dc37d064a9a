"""Which flags turn OpenMP on and link its runtime, per compiler and system."""

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

#: Homebrew's prefix is that of one architecture: what lies in the other one does not link.
HOMEBREW = {"arm64": "/opt/homebrew", "x86_64": "/usr/local"}


@dataclass(frozen=True)
class OpenMP:
    """Flags to compile and to link with."""

    compile: list[str] = field(default_factory=lambda: ["-fopenmp"])
    link: list[str] = field(default_factory=lambda: ["-fopenmp"])


def flags(
    clang: bool, apple: bool, has_header: bool, machine: str, environ: Mapping[str, str]
) -> OpenMP | None:
    """Return the flags; None where omp.h is not found.

    ``has_header``: whether the compiler finds omp.h by itself. Apple's clang has neither a runtime
    nor the option -fopenmp, but compiles OpenMP if its preprocessor is given it, and so does every
    other clang. libomp is that of conda, Homebrew or MacPorts.
    """
    if not (apple and clang):
        return OpenMP() if has_header else None
    on = ["-Xpreprocessor", "-fopenmp"]
    if has_header:  # then CPPFLAGS and LDFLAGS say where, as conda's compilers have them
        return OpenMP(on, ["-lomp"])
    for headers, libraries in libomp_folders(machine, environ):
        if (headers / "omp.h").is_file():
            found = [f"-L{libraries}", f"-Wl,-rpath,{libraries}", "-lomp"]
            return OpenMP([*on, f"-I{headers}"], found)
    return None


def libomp_folders(machine: str, environ: Mapping[str, str]) -> Iterator[tuple[Path, Path]]:
    """Yield where a Mac may have LLVM's OpenMP: folders of headers and of libraries."""
    roots = [environ.get("CONDA_PREFIX"), sys.base_prefix]
    if machine in HOMEBREW:
        roots.append(os.path.join(HOMEBREW[machine], "opt", "libomp"))
    for root in filter(None, roots):
        yield Path(root, "include"), Path(root, "lib")
    yield Path("/opt/local/include/libomp"), Path("/opt/local/lib/libomp")
