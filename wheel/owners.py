"""Who brings a library: the system, or a package that is known by the library's name."""

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources

#: What conda leaves to the system: the C library.
GLIBC = re.compile(r"(lib(c|m|dl|rt|pthread|util|resolv)\.so\.\d+|ld-linux\S*\.so\.\d+)$")
#: The driver's own libraries, which no package may ship.
DRIVER = re.compile(r"lib(cuda|nvidia-ml)\.so\.1$")
#: CUDA's libraries on PyPI and the part of the package's name that follows "nvidia-".
NVIDIA = {
    "cudart": "cuda-runtime", "nvrtc": "cuda-nvrtc", "cupti": "cuda-cupti",
    "nvJitLink": "nvjitlink", "cublas": "cublas", "cublasLt": "cublas", "cufft": "cufft",
    "curand": "curand", "cusolver": "cusolver", "cusparse": "cusparse",
}  # fmt: skip
#: Packages of conda by the library's name; conda puts all libraries in the prefix's lib.
CONDA = {
    "gomp": ("libgomp", "_openmp_mutex"),
    "stdc++": ("libstdcxx", "libstdcxx-ng"),
    "gcc_s": ("libgcc", "libgcc-ng"),
    "gfortran": ("libgfortran", "libgfortran5"),
    "cudart": ("cuda-cudart", "cudatoolkit"),
    "nvrtc": ("cuda-nvrtc", "cudatoolkit"),
    **{name: (f"lib{name.removesuffix('Lt')}", "cudatoolkit")
       for name in ("cublas", "cublasLt", "cufft", "curand", "cusolver", "cusparse")},
}  # fmt: skip
#: How the packages are called whose version is that of the CUDA runtime.
RUNTIMES = ("nvidia-cuda-runtime", "cuda-version", "cuda-cudart", "cudatoolkit")


@dataclass(frozen=True)
class Owner:
    """A package that brings a library, and the folder: from site-packages, or from the prefix."""

    package: str
    folder: str


def system(kind: str, name: str) -> bool:
    """Whether a library comes from the machine that a wheel or conda package is installed on."""
    if GLIBC.match(name) or DRIVER.match(name):
        return True
    return kind == "wheel" and name in manylinux()


@cache
def manylinux() -> frozenset[str]:
    """Return the libraries that auditwheel's newest policy lets come from the system."""
    text = resources.files("auditwheel").joinpath("policy", "manylinux-policy.json").read_text()
    return frozenset(json.loads(text)[-1]["lib_whitelist"])


def parts(name: str) -> tuple[str, str]:
    """Split "libcudart.so.13" into ("cudart", "13")."""
    match = re.fullmatch(r"lib(.+?)\.so(?:\.(\d+)[\d.]*)?", name)
    return (match[1], match[2] or "") if match else ("", "")


def known(kind: str, name: str) -> list[Owner]:
    """Return the packages that are known to bring a library."""
    stem, major = parts(name)
    if kind == "conda":
        return [Owner(package, "lib") for package in CONDA.get(stem, ())]
    if stem not in NVIDIA:
        return []
    # Before 13 each package had a folder of its own, and CUDA's version in its name.
    package = NVIDIA[stem]
    return [
        Owner(f"nvidia-{package}", f"nvidia/cu{major}/lib"),
        *(Owner(f"nvidia-{package}-cu{n}", f"nvidia/{package.replace('-', '_')}/lib")
          for n in (11, 12)),
    ]  # fmt: skip


def brings(package: str, folder: str) -> bool:
    """Whether a package of PyPI is known to have a folder of libraries in site-packages."""
    match = re.fullmatch(r"nvidia-(.+?)(-cu\d+)?", package)
    if match is None or match[1] not in NVIDIA.values():
        return False
    named = match[1].replace("-", "_") if match[2] else r"cu\d+"
    return re.fullmatch(f"nvidia/{named}/lib", folder) is not None


def cuda_major(name: str) -> int | None:
    """Return the major version in the name of a CUDA runtime; None for other libraries."""
    stem, major = parts(name)
    return int(major) if stem == "cudart" and major else None
