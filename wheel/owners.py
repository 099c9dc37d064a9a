"""Who brings a library: the system, or a package that is known by the library's name."""

import json
import re
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
RUNTIMES = ("nvidia-cuda-runtime", "cuda-toolkit", "cuda-version", "cuda-cudart", "cudatoolkit")


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


def known(kind: str, name: str) -> tuple[str, ...]:
    """Return the packages that are known to bring a library."""
    stem, _ = parts(name)
    if kind == "conda":
        return CONDA.get(stem, ())
    if stem not in NVIDIA:
        return ()
    # Until CUDA 12 its version is in the package's name.
    package, major = f"nvidia-{NVIDIA[stem]}", cuda_major(name)
    newer, older = (package, "cuda-toolkit"), (f"{package}-cu11", f"{package}-cu12")
    if major is None:
        return newer + older
    return newer if major > 12 else (f"{package}-cu{major}",)


def folder(kind: str, package: str) -> str:
    """Return where a package is known to have its libraries, "" for those that are not known.

    From the prefix, or from site-packages. N stands for the major version of CUDA.
    """
    if kind == "conda":
        return "lib" if any(package in packages for packages in CONDA.values()) else ""
    match = re.fullmatch(r"nvidia-(.+?)(-cu\d+)?", package)
    if package == "cuda-toolkit" or (match and match[1] in NVIDIA.values() and not match[2]):
        return "nvidia/cuN/lib"
    if match and match[1] in NVIDIA.values():
        return f"nvidia/{match[1].replace('-', '_')}/lib"
    return ""


def brings(kind: str, package: str, place: str) -> bool:
    """Whether a package is known to have libraries in a folder."""
    pattern = folder(kind, package).replace("N", r"\d+")
    return bool(pattern) and re.fullmatch(pattern, place) is not None


def cuda_major(name: str) -> int | None:
    """Return the major version in the name of a CUDA runtime; None for other libraries."""
    stem, major = parts(name)
    return int(major) if stem == "cudart" and major else None
