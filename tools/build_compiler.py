"""Asks the C++ compiler, before anything is compiled, whether it can build cyfes."""

import shutil
import subprocess
from collections.abc import Iterator, Sequence

#: The oldest gcc that compiles the kernels.
MIN_GCC = 12
#: What is missing -> the packages that bring it: Debian's and Ubuntu's, Fedora's, conda's.
PACKAGES = {
    "compiler": ("g++", "gcc-c++", "cxx-compiler"),
    "Python.h": ("python3-dev", "python3-devel", "python"),
    "omp.h": ("libomp-dev", "libomp-devel", "llvm-openmp"),
}
#: Preprocessed, the last line tells what there is; names that are no macros stay as they are.
QUESTION = """
#if __has_include(<Python.h>)
#define HAS_PYTHON yes
#endif
#if __has_include(<omp.h>)
#define HAS_OMP yes
#endif
HAS_PYTHON HAS_OMP __clang__ __GNUC__
"""


class CompilerError(Exception):
    """The compiler cannot build cyfes; the text gives the cause and the packages to install."""


def check(compiler: Sequence[str], include_folders: Sequence[str]) -> None:
    """Raise CompilerError with one line for the first thing that a build would lack.

    ``compiler``: the words of its command, ``include_folders`` where it is told to look.
    """
    for problem in problems(compiler, include_folders):
        raise CompilerError(problem)


def problems(compiler: Sequence[str], include_folders: Sequence[str]) -> Iterator[str]:
    name = compiler[0]
    if shutil.which(name) is None:
        yield f"no C++ compiler: {name} is not a program; {install('compiler')}, or name one in CXX"
        return
    python, omp, clang, gcc = answer(compiler, include_folders)
    if not clang.isdecimal() and (not gcc.isdecimal() or int(gcc) < MIN_GCC):
        found = f"{name} is gcc {gcc}" if gcc.isdecimal() else f"{name} is neither gcc nor clang"
        yield (
            f"{found}, but cyfes needs gcc {MIN_GCC} or newer, or clang: name one in CXX, or "
            f"{install('compiler')}"
        )
    if python != "yes":
        yield f"Python.h, the header of Python, is not found: {install('Python.h')}"
    if omp != "yes":
        yield f"omp.h, the header of OpenMP, is not found by {name}: {install('omp.h')}"


def install(what: str) -> str:
    debian, fedora, conda = PACKAGES[what]
    return f"install it (Debian, Ubuntu: {debian}; Fedora: {fedora}; conda: {conda})"


def answer(compiler: Sequence[str], include_folders: Sequence[str]) -> list[str]:
    """Return the four words of QUESTION's last line as the compiler's preprocessor leaves them."""
    folders = [f"-I{folder}" for folder in include_folders]
    command = [*compiler, "-fopenmp", *folders, "-x", "c++", "-std=c++17", "-E", "-"]
    try:
        done = subprocess.run(
            command, input=QUESTION, capture_output=True, text=True, errors="replace", check=False
        )
    except OSError as error:
        raise CompilerError(f"{command[0]} cannot be run: {error.strerror}") from error
    words = (done.stdout.strip().splitlines() or [""])[-1].split()
    if done.returncode != 0 or len(words) != 4:
        why = (done.stderr.strip().splitlines() or ["it says nothing"])[0]
        raise CompilerError(f"{command[0]} cannot preprocess C++17: {why}; name another in CXX")
    return words
