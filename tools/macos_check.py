"""Compiles and links the extension for macOS on any machine, with zig's clang; runs nothing.

    python tools/macos_check.py [arm64|x86_64 ...]

Sources, instruction sets and flags are those of setup.py, warnings errors. The headers and the
library of OpenMP are stand-ins that only declare what the kernels call, Python.h is this Python's.
Exits with 1 and the compiler's words if anything fails.
"""

import os
import subprocess
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import build_openmp
from build_kernels import KERNELS, cxx_flags, instruction_sets, kernel_objects
from build_macos import OLDEST

#: The names that Apple has for them -> zig's.
TARGETS = {"arm64": f"aarch64-macos.{OLDEST}", "x86_64": f"x86_64-macos.{OLDEST}"}
#: What zig's libc++ has and that of the oldest macOS has not.
NEWER = (b"to_chars", b"from_chars")
OMP_H = """\
#pragma once
extern "C" int omp_get_max_threads(), omp_get_num_procs(), omp_get_thread_num();
"""


def run(command: list[str]) -> None:
    """Run a command; ends the program with its words if it fails."""
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")


def build(machine: str, folder: Path) -> None:
    """Compile and link the extension for one machine."""
    zig, target = [sys.executable, "-m", "ziglang"], ["-target", TARGETS[machine]]
    (folder / "omp.h").write_text(OMP_H)
    openmp = build_openmp.flags(True, True, True, machine, {})
    common = [*cxx_flags(openmp.compile, {"CYFES_WERROR": "1"}), f"-I{KERNELS}", f"-I{folder}"]
    # zig writes x86-64-v3 as x86_64_v3.
    isas = {
        name: [flag.replace("=x86-64", "=x86_64").replace("-v", "_v") for flag in flags]
        for name, flags in instruction_sets(machine == "x86_64", {}).items()
    }
    jobs = [(source, [*common, *flags]) for _, source, flags in kernel_objects(isas)]
    macros = ["-DPy_LIMITED_API=0x030B0000", "-DCYTHON_LIMITED_API=1"]
    include = [f"-I{KERNELS}", f"-I{sysconfig.get_path('include')}"]
    generated = folder / "_kernels.cpp"
    run([sys.executable, "-m", "cython", "--cplus", "cyfes/_kernels.pyx", "-o", str(generated)])
    jobs.append((str(generated), ["-std=c++17", "-O2", "-fvisibility=hidden", *macros, *include]))

    def compile_one(job: tuple[int, tuple[str, list[str]]]) -> str:
        number, (source, flags) = job
        made = str(folder / f"{number}.o")
        run([*zig, "c++", *target, *flags, "-c", source, "-o", made])
        return made

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(compile_one, enumerate(jobs)))
    library = folder / "_kernels.abi3.so"
    # As on a Mac, names of Python are looked up when it is loaded; here those of libc++, too.
    link = ["-dynamiclib", "-Wl,-undefined,dynamic_lookup"]
    run([*zig, "cc", *target, *link, *objects, "-o", str(library)])
    content = library.read_bytes()
    for name in NEWER:
        if name in content:
            raise SystemExit(f"{machine}: uses {name.decode()}, which libc++ of {OLDEST} has not")
    print(f"{machine}: {len(objects)} objects compiled and linked, {len(content)} bytes")


def main(machines: list[str]) -> int:
    os.chdir(Path(__file__).resolve().parents[1])
    for machine in machines or TARGETS:
        with tempfile.TemporaryDirectory() as folder:
            build(machine, Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
