"""Builds libaxpy.so, with nvcc where there is one (NVCC= for CPUs only), and the extension."""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

SOURCE, LIBRARY = "axpy/axpy.cu", "axpy/libaxpy.so"
NVCC = shutil.which(os.environ.get("NVCC", "nvcc"))
if (named := os.environ.get("NVCC")) and NVCC is None:
    raise SystemExit(f"NVCC={named} is not a program: unset it, or leave it empty for CPUs only")


def run(*command: str) -> str:
    status, words = subprocess.getstatusoutput(shlex.join(command))
    if status != 0:
        raise SystemExit(f"{shlex.join(command)} failed:\n{words}")
    return words


CUDA = int(re.search(r"release (\d+)", run(NVCC, "--version"))[1]) if NVCC else None
#: In a wheel the CUDA runtime is a package beside this one; conda has all libraries in one folder.
BESIDE = CUDA is not None and "CONDA_BUILD" not in os.environ
if BESIDE and CUDA < 13:
    raise SystemExit(f"CUDA {CUDA}: PyPI's runtime has the names that are used here from 13 on")
#: RPATH and not RUNPATH: a stale LD_LIBRARY_PATH must not win.
LINK = ["-Wl,--disable-new-dtags"]


def build_library(target: Path, temporary: str) -> None:
    """Compile with nvcc, link with g++: nvcc ignores LDFLAGS and links the runtime statically."""
    os.makedirs(temporary, exist_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    cxx, binary = shlex.split(os.environ.get("CXX", "g++")), f"{temporary}/axpy.o"
    link = [*cxx, "-shared", *shlex.split(os.environ.get("LDFLAGS", "")), *LINK, binary]
    if NVCC:
        flags = [f"-arch={os.environ.get('AXPY_ARCH', 'all-major')}", "-Xcompiler=-fPIC"]
        run(NVCC, "-c", SOURCE, "-o", binary, *flags, "-Xcompiler=-fvisibility=hidden")
        top = re.search(r"TOP=(.*)", run(NVCC, "--dryrun", "-c", SOURCE))[1]
        link += [f"-L{top}/lib64", f"-L{top}/lib", f"-l:libcudart.so.{CUDA}"]
        link += [f"-Wl,-rpath,$ORIGIN/../nvidia/cu{CUDA}/lib"] if BESIDE else []
    else:
        run(*cxx, "-x", "c++", "-c", SOURCE, "-o", binary, "-fPIC", "-fvisibility=hidden")
    run(*link, "-Wl,-soname,libaxpy.so", "-Wl,--no-undefined", "-o", str(target))


class BuildBoth(build_ext):
    def get_ext_filename(self, name: str) -> str:
        return LIBRARY if name == "axpy.libaxpy" else super().get_ext_filename(name)

    def build_extension(self, extension: Extension) -> None:
        library = Path(self.build_lib, LIBRARY)
        if extension.name == "axpy.libaxpy":
            return build_library(library, self.build_temp)
        extension.library_dirs.append(str(library.parent))
        return super().build_extension(extension)


EXTENSION = Extension(
    "axpy._axpy", ["axpy/_axpy.pyx"], libraries=["axpy"], py_limited_api=True,
    define_macros=[("Py_LIMITED_API", "0x030B0000"), ("CYTHON_LIMITED_API", "1")],
    extra_compile_args=["-fopenmp"], extra_link_args=["-fopenmp", *LINK, "-Wl,-rpath,$ORIGIN"],
)  # fmt: skip
setup(
    install_requires=[f"nvidia-cuda-runtime>={CUDA},<{CUDA + 1}"] if BESIDE else [],
    ext_modules=[Extension("axpy.libaxpy", [SOURCE]), EXTENSION],
    cmdclass={"build_ext": BuildBoth},
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
