"""Builds the one extension, Cython over the C++ kernels, and libcufes.so where nvcc is found.

Each instruction set is compiled once, and an object again only if it is stale.
"""

import logging
import os
import platform
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError

sys.path.insert(0, str(Path(__file__).resolve().parent / "tools"))
import build_compiler
import build_cuda
import build_macos
from build_kernels import (
    KERNELS,
    IncrementalCompiler,
    cxx_flags,
    instruction_sets,
    kernel_objects,
)

if sys.platform == "darwin":
    build_macos.prepare(os.environ, sysconfig.get_platform(), platform.machine())

#: Before glibc 2.34 dlopen has a library of its own; on a Mac, tools that make a package movable
#: need room for longer paths.
LINK_FLAGS = ["-ldl"] if sys.platform != "darwin" else ["-Wl,-headerpad_max_install_names"]
#: The library of the GPU's backend, as setuptools sees it.
CUDA = "cyfes.libcufes"
CUDA_FILE = Path("cyfes") / build_cuda.LIBRARY


class BuildKernels(build_ext):
    """build_ext that compiles the kernels first, and has nvcc build libcufes.so beside them."""

    nvcc: str | None = None
    stays_in_source = False

    def run(self) -> None:
        try:
            self.nvcc = build_cuda.nvcc_to_use(os.environ, sys.path)
        except build_cuda.CudaBuildError as error:
            raise CompileError(str(error)) from error
        # What an earlier build left must not slip into this one.
        Path(self.build_lib, CUDA_FILE).unlink(missing_ok=True)
        if self.inplace:
            CUDA_FILE.unlink(missing_ok=True)
        if self.nvcc is None:
            self.announce("no nvcc, or CYFES_CUDA=0: cyfes is built for CPUs only", logging.WARNING)
            self.extensions = [e for e in self.extensions if e.name != CUDA]
        # setuptools builds in its own folder first and forgets meanwhile where to.
        self.stays_in_source = bool(self.inplace)
        super().run()

    def get_ext_filename(self, fullname: str) -> str:
        return str(CUDA_FILE) if fullname == CUDA else super().get_ext_filename(fullname)

    def build_extension(self, extension: Extension) -> None:
        if extension.name == CUDA:
            self.build_cuda_library()
            return
        answer = self.check_compiler(extension)
        compiler = IncrementalCompiler(self.compiler)
        extension.extra_objects = self.compile_kernels(answer)
        extension.extra_link_args = [*answer.openmp.link, *extension.extra_link_args]
        # Objects that were compiled again are newer than the extension, which then is linked.
        extension.depends = [*extension.depends, *extension.extra_objects]
        super().build_extension(extension)
        compiler.write_commands(Path("build", "compile_commands.json"))

    def check_compiler(self, extension: Extension) -> build_compiler.Answer:
        if sys.platform == "darwin":
            self.compiler.compiler_so_cxx = build_macos.one_architecture(
                self.compiler.compiler_so_cxx, os.environ.get("ARCHFLAGS", "")
            )
        folders = [*self.compiler.include_dirs, *extension.include_dirs]
        try:
            return build_compiler.check(self.compiler.compiler_so_cxx, folders)
        except build_compiler.CompilerError as error:
            raise CompileError(str(error)) from error

    def compile_kernels(self, answer: build_compiler.Answer) -> list[str]:
        common = cxx_flags(answer.openmp.compile, os.environ)
        isas = instruction_sets(answer.x86_64, os.environ)
        # A folder for each choice: a build with CYFES_PORTABLE=1 leaves another's objects fresh.
        objects_of = Path(self.build_temp, next(iter(isas)))

        def compile_one(job: tuple[str, str, list[str]]) -> list[str]:
            folder, source, flags = job
            return self.compiler.compile(
                [source],
                output_dir=str(objects_of / folder),
                include_dirs=[str(KERNELS)],
                extra_postargs=[*common, *flags],
            )

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            compiled = pool.map(compile_one, kernel_objects(isas))
            return [path for paths in compiled for path in paths]

    def build_cuda_library(self) -> None:
        library, temporary = Path(self.build_lib, CUDA_FILE), Path(self.build_temp)
        try:
            words = build_cuda.build(
                self.nvcc, library, temporary, os.environ, self.stays_in_source
            )
        except build_cuda.CudaBuildError as error:
            raise CompileError(str(error)) from error
        self.announce(words, logging.DEBUG)


setup(
    ext_modules=[
        Extension(
            "cyfes._kernels",
            ["cyfes/_kernels.pyx"],
            include_dirs=[str(KERNELS)],
            define_macros=[("Py_LIMITED_API", "0x030B0000"), ("CYTHON_LIMITED_API", "1")],
            py_limited_api=True,
            language="c++",
            extra_compile_args=["-std=c++17", "-O2", "-fvisibility=hidden"],
            extra_link_args=LINK_FLAGS,
            depends=[str(KERNELS / "cyfes_kernels.h")],
        ),
        # Unless asked for, a CUDA build that fails leaves a CPU build, with a warning.
        Extension(CUDA, [str(build_cuda.SOURCE)], optional=os.environ.get("CYFES_CUDA") != "1"),
    ],
    cmdclass={"build_ext": BuildKernels},
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
