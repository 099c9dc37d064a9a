"""Builds libcufes.so, the GPU's backend: nvcc compiles, the C++ compiler links.

The environment variables are those of docs/building.md. Only the standard library is imported:
the build's hooks look for nvcc before anything is installed.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LIBRARY = "libcufes.so"
#: nvcc and the CUDA runtime on PyPI.
REQUIREMENT = "cuda-toolkit[nvcc,cudart]==13.*"
#: NVCC of this value: that of PyPI.
PACKAGED = "pypi"
KERNELS = Path("kernels")
SOURCE = KERNELS / "cuda" / "cufes.cu"
#: A version script: even the standard library's templates stay inside.
EXPORTS = KERNELS / "cuda" / "exports.map"
#: Names of symbols and sections are drawn from it instead of the clock.
SEED = "-frandom-seed=cufes"
NVCC_FLAGS = [
    "-std=c++17",
    "-O3",
    "-Xptxas=-v",
    "-Xcompiler=-fPIC,-fvisibility=hidden,-Wall,-Wextra",
    # The oldest architectures of all-major are announced to go; no reason to stop under -Werror.
    "-Wno-deprecated-gpu-targets",
]
ARCHITECTURE = re.compile(r"(\d+)([af]?)(-real|-virtual)?")


class CudaBuildError(Exception):
    """libcufes.so cannot be built; the text gives the cause and the remedy."""


@dataclass(frozen=True)
class Toolkit:
    """What nvcc tells about its CUDA toolkit."""

    nvcc: str
    major: int
    #: Where its libraries may be.
    folders: tuple[Path, ...]
    #: Whether it can be told to build the same bits every time.
    seeds: bool


def find_nvcc(environ: Mapping[str, str], import_path: Iterable[str]) -> str | None:
    """Return the path of nvcc, or None: the first of NVCC, the toolkits' homes, PATH and PyPI.

    NVCC=pypi: the package of PyPI or none, whatever the machine has.
    """
    named, folders = environ.get("NVCC"), []
    if named and named != PACKAGED:
        if found := shutil.which(named, path=environ.get("PATH", os.defpath)):
            return found
        raise CudaBuildError(f"NVCC={named} is not a program; unset NVCC to search for nvcc")
    if not named:
        homes = [environ.get(home) for home in ("CUDA_HOME", "CUDA_PATH", "BUILD_PREFIX")]
        folders += [Path(home, "bin") for home in homes if home]
        folders += map(Path, filter(None, environ.get("PATH", "").split(os.pathsep)))
    for folder in filter(None, import_path):
        folders += Path(folder).glob("nvidia/cu*/bin")
    return shutil.which("nvcc", path=os.pathsep.join(map(str, folders)))


def cuda_mode(environ: Mapping[str, str]) -> str:
    """Return CYFES_CUDA: "0", "1" or "auto"; "0" on a Mac, for which there is no CUDA."""
    mode = environ.get("CYFES_CUDA") or "auto"
    if mode not in ("0", "1", "auto"):
        raise CudaBuildError(f"CYFES_CUDA={mode}: expected 0, 1 or auto")
    if sys.platform != "darwin":
        return mode
    if mode == "1":
        raise CudaBuildError("CYFES_CUDA=1, but there is no CUDA for macOS; unset CYFES_CUDA")
    return "0"


def nvcc_to_use(environ: Mapping[str, str], import_path: Iterable[str]) -> str | None:
    """Return the nvcc to build with; None for a build without CUDA."""
    mode = cuda_mode(environ)
    if mode == "0":
        return None
    nvcc = find_nvcc(environ, import_path)
    if nvcc is None and mode == "1":
        raise CudaBuildError(
            "CYFES_CUDA=1, but there is no nvcc: looked at NVCC, CUDA_HOME, CUDA_PATH, "
            "BUILD_PREFIX, PATH and the PyPI package; "
            f"install one, e.g. pip install '{REQUIREMENT}', or set CYFES_CUDA=0"
        )
    return nvcc


def requirements(environ: Mapping[str, str], import_path: Iterable[str]) -> list[str]:
    """Return what a build has to install for CUDA: nvcc, if it must have one and there is none."""
    if cuda_mode(environ) == "1" and find_nvcc(environ, import_path) is None:
        return [REQUIREMENT]
    return []


def architecture_flags(text: str) -> list[str]:
    """Return nvcc's flags for a list like CMake's: "80;90-real", "all-major" or "native".

    Machine code for each, and PTX of the newest for GPUs still to come.
    """
    if text in ("all", "all-major", "native"):
        return [f"-arch={text}"]
    real, virtual = set(), set()
    for word in re.split(r"[;,\s]+", text.strip()):
        match = ARCHITECTURE.fullmatch(word)
        if match is None:
            raise CudaBuildError(
                f"{word!r} is not a CUDA architecture in {text!r}: expected numbers such as "
                '"80;90-real", or one of all, all-major, native'
            )
        number, family, kind = match.groups()
        (virtual if kind == "-virtual" else real).add((int(number), family))
    virtual.add(max(real | virtual))
    return [
        f"-gencode=arch=compute_{number}{family},code={code}_{number}{family}"
        for code, wanted in (("sm", real), ("compute", virtual))
        for number, family in sorted(wanted)
    ]


def run(command: Sequence[str]) -> str:
    """Run a command and return what it printed; raises CudaBuildError with it on failure."""
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
    except OSError as error:
        raise CudaBuildError(f"{command[0]}: {error.strerror}") from error
    if done.returncode != 0:
        raise CudaBuildError(f"{shlex.join(command)} failed:\n{done.stdout}")
    return done.stdout


def inspect_toolkit(nvcc: str) -> Toolkit:
    """Ask nvcc itself, which may be a script or a link elsewhere, for its toolkit."""
    release = re.search(r"release (\d+)\.", run([nvcc, "--version"]))
    plan = run([nvcc, "--dryrun", "-c", str(SOURCE)])
    top = re.search(r"^#\$ TOP=(.*)$", plan, re.MULTILINE)
    libraries = re.search(r"^#\$ LIBRARIES=(.*)$", plan, re.MULTILINE)
    if release is None or libraries is None:
        raise CudaBuildError(f"{nvcc} does not answer as nvcc does")
    words = shlex.split(libraries[1])
    folders = [Path(word[2:]) for word in words if word.startswith("-L")]
    if top is not None:
        folders += [Path(top[1], name) for name in ("lib", "lib64")]
    return Toolkit(
        nvcc=nvcc,
        major=int(release[1]),
        folders=tuple(dict.fromkeys(f.resolve() for f in folders if f.is_dir())),
        seeds="--frandom-seed" in run([nvcc, "--help"]),
    )


def find_cudart(toolkit: Toolkit) -> tuple[Path | None, str]:
    """Return the toolkit's folder of the CUDA runtime and the linker's name for it."""
    # The PyPI package has no link for developers.
    numbered = f"libcudart.so.{toolkit.major}"
    for name, option in (("libcudart.so", "-lcudart"), (numbered, f"-l:{numbered}")):
        for folder in toolkit.folders:
            if (folder / name).exists():
                return folder, option
    return None, "-lcudart"


def runtime_paths(
    toolkit: Toolkit, cudart: Path | None, environ: Mapping[str, str], in_place: bool
) -> list[str]:
    """Return where libcufes.so looks for the CUDA runtime, besides what LDFLAGS bring."""
    if environ.get("CONDA_BUILD"):
        # LDFLAGS name the only place, the prefix.
        return []
    package = "nvidia/cuda_runtime/lib" if toolkit.major < 13 else f"nvidia/cu{toolkit.major}/lib"
    paths = [f"$ORIGIN/../{package}"]
    if in_place:
        # The library stays in the source tree: $ORIGIN does not lead to site-packages.
        paths.append(str(Path(sysconfig.get_path("purelib"), package)))
    # A toolkit that was imported from PyPI may vanish with the build's environment.
    packages = [Path(folder, "nvidia").resolve() for folder in sys.path]
    passing = cudart and any(cudart.is_relative_to(folder) for folder in packages)
    if cudart and not passing:
        paths.append(str(cudart))
    return paths


def host_compiler(environ: Mapping[str, str]) -> list[str]:
    """Return the C++ compiler, as words of a command."""
    if words := shlex.split(environ.get("CXX", "")):
        return words
    found = shutil.which("g++") or shutil.which("c++")
    if found is None:
        raise CudaBuildError("there is no C++ compiler: neither CXX nor g++ nor c++")
    return [found]


def compile_kernels(toolkit: Toolkit, target: Path, environ: Mapping[str, str]) -> str:
    """Compile the kernels into an object file and return nvcc's words, ptxas' table included."""
    wanted = environ.get("CYFES_CUDA_ARCHS") or environ.get("CUDAARCHS") or "all-major"
    flags = [*NVCC_FLAGS, *architecture_flags(wanted), "--threads=0", f"-I{KERNELS}"]
    flags.append(SEED if toolkit.seeds else f"-Xcompiler={SEED}")
    if environ.get("CYFES_WERROR") == "1":
        flags += ["-Werror=all-warnings", "-Xcompiler=-Werror"]
    # conda's activation names the compiler in NVCC_PREPEND_FLAGS; to name it twice is a warning.
    named = "".join(environ.get(f"NVCC_{x}", "") for x in ("PREPEND_FLAGS", "APPEND_FLAGS"))
    if environ.get("CXX") and "-ccbin" not in named and len(host_compiler(environ)) == 1:
        flags += ["-ccbin", environ["CXX"]]
    return run([toolkit.nvcc, "-c", str(SOURCE), "-o", str(target), *flags])


def link_library(
    toolkit: Toolkit, target: Path, library: Path, environ: Mapping[str, str], in_place: bool
) -> None:
    """Link the object file into libcufes.so, with one symbol to see."""
    cudart, option = find_cudart(toolkit)
    options = [f"-soname,{LIBRARY}", "--no-undefined", "--exclude-libs,ALL"]
    options.append(f"--version-script,{EXPORTS}")
    # Local symbols carry the names of nvcc's temporary files, new on every build.
    options.append("--strip-all")
    # RPATH, not RUNPATH: a stale LD_LIBRARY_PATH must not win.
    options.append("--disable-new-dtags")
    options += [f"-rpath,{path}" for path in runtime_paths(toolkit, cudart, environ, in_place)]
    command = [*host_compiler(environ), "-shared", *shlex.split(environ.get("LDFLAGS", ""))]
    command += [f"-Wl,{words}" for words in options]
    command += [str(target), *([f"-L{cudart}"] if cudart else []), option, "-o", str(library)]
    run(command)


def build(
    nvcc: str, library: Path, temporary: Path, environ: Mapping[str, str], in_place: bool
) -> str:
    """Build libcufes.so from the current folder, a source tree, and return nvcc's words."""
    toolkit = inspect_toolkit(nvcc)
    temporary.mkdir(parents=True, exist_ok=True)
    library.parent.mkdir(parents=True, exist_ok=True)
    target = temporary / "cufes.o"
    words = compile_kernels(toolkit, target, environ)
    link_library(toolkit, target, library, environ, in_place)
    return words
