"""Checks a built libcufes.so: what it shows, what it needs, what its kernels became.

    python check_cuda_library.py LIBCUFES [--runtime LIBCUDART] [--cuobjdump CUOBJDUMP]

Exits with 1 and one line a problem. --runtime is the oldest CUDA runtime it must load with,
--cuobjdump reads the machine code of its kernels.
"""

import argparse
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

EXPORTS = {"cyfes_cuda_backend"}
#: What every Linux has, and a C++ program brings.
SYSTEM = re.compile(r"(libstdc\+\+|libm|libgcc_s|libc|libdl|libpthread|librt|ld-linux.*)\.so\.\d+")
CUDART = re.compile(r"libcudart\.so\.(\d+)")


@dataclass(frozen=True)
class Resources:
    """What ptxas says of one kernel on one architecture."""

    kernel: str
    architecture: str
    registers: int
    stack: int
    spills: int


def output_of(*command: str | Path) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def symbols(library: Path, *options: str) -> set[str]:
    """Dynamic symbols, without their versions."""
    lines = output_of("nm", "-D", *options, library).splitlines()
    return {line.split()[-1].split("@")[0] for line in lines}


def dynamic_entries(library: Path, tag: str) -> list[str]:
    """Values of a tag of the dynamic section: NEEDED, RPATH, SONAME ..."""
    return re.findall(rf"\({tag}\).*\[(.*)\]", output_of("readelf", "-dW", library))


def cuda_major(library: Path) -> int | None:
    """The major version of the CUDA runtime a library needs."""
    matches = map(CUDART.fullmatch, dynamic_entries(library, "NEEDED"))
    return next((int(match[1]) for match in matches if match), None)


def runtime_symbols(library: Path) -> set[str]:
    """What a library asks of the CUDA runtime."""
    undefined = symbols(library, "--undefined-only")
    return {name for name in undefined if name.startswith(("cuda", "__cuda"))}


def link_problems(library: Path) -> Iterator[str]:
    shown = symbols(library, "--defined-only")
    if shown != EXPORTS:
        yield f"exports {sorted(shown)}, expected {sorted(EXPORTS)}"
    if dynamic_entries(library, "SONAME") != ["libcufes.so"]:
        yield f"SONAME {dynamic_entries(library, 'SONAME')}, expected libcufes.so"
    if cuda_major(library) is None:
        yield "does not need libcudart.so"
    for name in dynamic_entries(library, "NEEDED"):
        if not SYSTEM.fullmatch(name) and not CUDART.fullmatch(name):
            yield f"needs {name}"


def search_problems(library: Path) -> Iterator[str]:
    major = cuda_major(library)
    package = "cuda_runtime" if major == 12 else f"cu{major}"
    paths = ":".join(dynamic_entries(library, "RPATH")).split(":")
    if paths[0] != f"$ORIGIN/../nvidia/{package}/lib":
        yield f"RPATH {paths}, expected the runtime of PyPI first"
    if dynamic_entries(library, "RUNPATH"):
        yield "has a RUNPATH, which LD_LIBRARY_PATH overrides"


def runtime_problems(library: Path, runtime: Path) -> Iterator[str]:
    for name in sorted(runtime_symbols(library) - symbols(runtime, "--defined-only")):
        yield f"asks for {name}, which {runtime.name} of that version lacks"


def ptxas_table(words: str) -> list[Resources]:
    """The kernels in what nvcc -Xptxas=-v printed."""
    entry = re.compile(
        r"Compiling entry function '(?P<kernel>\S+)' for '(?P<architecture>\S+)'.*?"
        r"(?P<stack>\d+) bytes stack frame, (?P<stores>\d+) bytes spill stores, "
        r"(?P<loads>\d+) bytes spill loads.*?Used (?P<registers>\d+) registers",
        re.DOTALL,
    )
    return [
        Resources(
            kernel=match["kernel"],
            architecture=match["architecture"],
            registers=int(match["registers"]),
            stack=int(match["stack"]),
            spills=int(match["stores"]) + int(match["loads"]),
        )
        for match in entry.finditer(words)
    ]


def kernels_of(cuobjdump: str, library: Path) -> dict[str, list[tuple[int, str, str]]]:
    """The machine code of each kernel: address, operation, operands."""
    line = re.compile(r"/\*([0-9a-f]{4,})\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9_.]*)([^;]*);")
    found = {}
    for part in output_of(cuobjdump, "-sass", library).split("Function : ")[1:]:
        name, _, code = part.partition("\n")
        found[name.strip()] = [(int(a, 16), what, rest) for a, what, rest in line.findall(code)]
    return found


def sum_loop(code: list[tuple[int, str, str]], fused: str) -> Counter[str]:
    """The operations of the loop that adds a batch: it reads shared memory and stores nothing."""
    jumps = [
        (int(target[1], 16), address)
        for address, what, operands in code
        if what.startswith("BRA") and (target := re.search(r"0x([0-9a-f]+)", operands))
    ]
    bodies = [
        Counter(what for address, what, _ in code if start <= address <= end)
        for start, end in jumps
        if start < end
    ]
    adds = [body for body in bodies if reads_shared_only(body)]
    return max(adds, key=lambda body: body[fused], default=Counter())


def reads_shared_only(body: Counter[str]) -> bool:
    families = {operation.partition(".")[0] for operation in body}
    return "LDS" in families and not families & {"LDG", "STS", "STG", "MUFU", "CALL", "BAR"}


def plain_loops(cuobjdump: str, library: Path) -> dict[str, Counter[str]]:
    """The sum over a batch of the tile kernels for densities of Gaussians: 16 products a kernel."""
    return {
        name: sum_loop(code, "DFMA" if match[1] == "d" else "FFMA")
        for name, code in kernels_of(cuobjdump, library).items()
        if (match := re.search(r"tiles_kernelI([df])Li\dELb0ELb0E", name))
    }


def code_problems(loops: dict[str, Counter[str]]) -> Iterator[str]:
    """A product costs one instruction, factors come by wide loads, sums stay in registers."""
    if not loops:
        yield "has no tile kernels"
    for name, loop in loops.items():
        fused = loop["DFMA"] + loop["FFMA"]
        if fused < 16 or fused % 16:
            yield f"{name}: {fused} fused additions in its loop, expected 16 a kernel"
        wide = loop["LDS.128"] + (loop["LDS.64"] if loop["FFMA"] else 0)
        if 8 * wide < fused:
            yield f"{name}: {wide} wide loads for {fused} products, expected one for 8"
        for operation in ("DADD", "FADD", "DMUL", "FMUL", "LDL", "STL"):
            if loop[operation]:
                yield f"{name}: {loop[operation]} {operation} in its loop, expected none"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("library", type=Path)
    parser.add_argument("--runtime", type=Path, metavar="LIBCUDART")
    parser.add_argument("--cuobjdump")
    arguments = parser.parse_args()
    problems = [*link_problems(arguments.library), *search_problems(arguments.library)]
    if arguments.runtime:
        problems += runtime_problems(arguments.library, arguments.runtime)
    if arguments.cuobjdump:
        loops = plain_loops(arguments.cuobjdump, arguments.library)
        problems += code_problems(loops)
        for name, loop in loops.items():
            print(f"{name}:", ", ".join(f"{n} {what}" for what, n in sorted(loop.items())))
    for problem in problems:
        print(f"{arguments.library}: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
