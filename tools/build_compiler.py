"""Asks the C++ compiler, before anything is compiled, whether it can build cyfes and for what."""

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import build_openmp
from build_openmp import OpenMP

#: The oldest gcc that compiles the kernels.
MIN_GCC = 12
#: What is missing -> the packages that bring it: Debian's and Ubuntu's, Fedora's, conda's.
PACKAGES = {
    "compiler": ("g++", "gcc-c++", "cxx-compiler"),
    "Python.h": ("python3-dev", "python3-devel", "python"),
    "omp.h": ("libomp-dev", "libomp-devel", "llvm-openmp"),
}
#: The same on a Mac, where conda's packages are the last words above.
MAC_PACKAGES = {
    "compiler": "xcode-select --install",
    "Python.h": "brew install python",
    "omp.h": "brew install libomp",
}
#: Preprocessed, the last line tells what there is; names that are no macros stay as they are.
QUESTION = """
#if __has_include(<Python.h>)
#define HAS_PYTHON yes
#endif
#if __has_include(<omp.h>)
#define HAS_OMP yes
#endif
HAS_PYTHON HAS_OMP __clang__ __GNUC__ __x86_64__ __APPLE__
"""


class CompilerError(Exception):
    """The compiler cannot build cyfes; the text gives the cause and the packages to install."""


@dataclass(frozen=True)
class Answer:
    """What a compiler tells: of itself, of what it makes code for, and of the headers it finds."""

    has_python: bool
    has_omp: bool
    is_clang: bool
    gcc: int | None
    x86_64: bool
    apple: bool

    @property
    def openmp(self) -> OpenMP | None:
        """The flags for OpenMP; None without omp.h."""
        machine = "x86_64" if self.x86_64 else "arm64"
        return build_openmp.flags(self.is_clang, self.apple, self.has_omp, machine, os.environ)


def check(compiler: Sequence[str], include_folders: Sequence[str]) -> Answer:
    """Return what a compiler tells; raise CompilerError with one line for the first thing it lacks.

    ``compiler``: the words of its command, ``include_folders`` where it is told to look.
    """
    name = compiler[0]
    if shutil.which(name) is None:
        remedy = install("compiler", platform.system() == "Darwin")
        raise CompilerError(
            f"no C++ compiler: {name} is not a program; {remedy}, or name one in CXX"
        )
    answer = ask(compiler, include_folders)
    for problem in problems(name, answer):
        raise CompilerError(problem)
    return answer


def problems(name: str, answer: Answer) -> Iterator[str]:
    if not answer.is_clang and (answer.gcc is None or answer.gcc < MIN_GCC):
        found = f"{name} is " + (f"gcc {answer.gcc}" if answer.gcc else "neither gcc nor clang")
        yield (
            f"{found}, but cyfes needs gcc {MIN_GCC} or newer, or clang: name one in CXX, or "
            f"{install('compiler', answer.apple)}"
        )
    for header, what, found in (
        ("Python.h", "Python", answer.has_python),
        ("omp.h", "OpenMP", answer.openmp),
    ):
        if not found:
            remedy = install(header, answer.apple)
            yield f"{header}, the header of {what}, is not found by {name}: {remedy}"


def install(what: str, on_mac: bool) -> str:
    debian, fedora, conda = PACKAGES[what]
    if on_mac:
        return f"install it ({MAC_PACKAGES[what]}; conda: {conda})"
    return f"install it (Debian, Ubuntu: {debian}; Fedora: {fedora}; conda: {conda})"


def ask(compiler: Sequence[str], include_folders: Sequence[str]) -> Answer:
    """Have the compiler's preprocessor answer QUESTION."""
    folders = [f"-I{folder}" for folder in include_folders]
    command = [*compiler, *folders, "-x", "c++", "-std=c++17", "-E", "-"]
    try:
        done = subprocess.run(
            command, input=QUESTION, capture_output=True, text=True, errors="replace", check=False
        )
    except OSError as error:
        raise CompilerError(f"{command[0]} cannot be run: {error.strerror}") from error
    words = (done.stdout.strip().splitlines() or [""])[-1].split()
    if done.returncode != 0 or len(words) != 6:
        why = (done.stderr.strip().splitlines() or ["it says nothing"])[0]
        raise CompilerError(f"{command[0]} cannot preprocess C++17: {why}; name another in CXX")
    python, omp, clang, gcc, x86_64, apple = words
    return Answer(
        has_python=python == "yes",
        has_omp=omp == "yes",
        is_clang=clang.isdecimal(),
        gcc=int(gcc) if gcc.isdecimal() else None,
        x86_64=x86_64.isdecimal(),
        apple=apple.isdecimal(),
    )
