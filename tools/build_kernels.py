"""How the CPU's kernels are compiled: their objects, their flags, and only what is stale."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

KERNELS = Path("kernels")
#: Instruction sets compiled side by side, slowest first: name -> compiler flags.
X86_64_ISAS = {
    "x86-64": ["-march=x86-64"],
    "x86-64-v3": ["-march=x86-64-v3"],
    "x86-64-v4": ["-march=x86-64-v4"],
}
#: What any other processor gets: the compiler's own choice, NEON on aarch64.
PORTABLE_ISAS = {"portable": ["-DCYFES_PORTABLE"]}
#: No fused multiply-adds: the same rounding for every instruction set, that of PLUMED.
EXACT = ["-ffp-contract=off"]
CXX_FLAGS = [
    "-std=c++17",
    "-O3",
    "-fvisibility=hidden",
    # Errors are signalled by status codes, not by errno or the floating-point environment;
    # nan and inf keep their meaning.
    "-fno-math-errno",
    "-fno-trapping-math",
    "-Wall",
    "-Wextra",
    "-Wshadow",
    # Vectors wider than the target's registers never cross an object: their ABI does not matter.
    "-Wno-psabi",
]


def instruction_sets(x86_64: bool, environ: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the instruction sets for what the compiler makes code for, which may not be this
    machine. CYFES_PORTABLE=1: what other processors get, to have it tested on this one."""
    return X86_64_ISAS if x86_64 and environ.get("CYFES_PORTABLE") != "1" else PORTABLE_ISAS


def cxx_flags(openmp: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """Return the flags that every kernel is compiled with."""
    return [*CXX_FLAGS, *openmp, *(["-Werror"] if environ.get("CYFES_WERROR") == "1" else [])]


def kernel_objects(isas: Mapping[str, Sequence[str]]) -> list[tuple[str, str, list[str]]]:
    """(object folder, source, extra flags) of every kernel object, the longest to compile first.

    What lies in a folder ``per_isa`` is compiled once per instruction set; only there, and but for
    sources named ``_exact``, may multiply-adds be fused.
    """
    sources = sorted(KERNELS.rglob("*.cpp"))
    per_isa = [path for path in sources if path.parent.name == "per_isa"]
    count = f"-DCYFES_N_ISAS={len(isas)}"
    objects = []
    for index, (name, flags) in enumerate(isas.items()):
        defines = [f"-DCYFES_ISA_INDEX={index}", f'-DCYFES_ISA_NAME="{name}"', count]
        for path in per_isa:
            exact = EXACT if path.stem.endswith("_exact") else []
            objects.append((f"isa{index}", str(path), [*flags, *exact, *defines]))
    once = [str(path) for path in sources if path not in per_isa]
    return objects + [("plain", source, [count, *EXACT]) for source in once]


class IncrementalCompiler:
    """Has a setuptools compiler skip the objects that are fresh, and notes every command.

    An object is fresh if its command is the one that made it and no file that was read for it is
    newer. Beside each object lie that command (``.command``) and the files (``.d``, from -MMD).
    """

    def __init__(self, compiler: Any) -> None:
        self._compiler, self._compile = compiler, compiler._compile
        compiler._compile = self
        self._commands: dict[str, list[str]] = {}

    def __call__(
        self, target: str, source: str, ext: str, cc: list[str], extra: list[str], pp: list[str]
    ) -> None:
        """Compile a source unless its object is fresh; the arguments are setuptools' own."""
        command = [*self._compiler.compiler_so_cxx, *cc, source, "-o", target, *extra]
        self._commands[target] = command
        depends, record = Path(target).with_suffix(".d"), Path(target).with_suffix(".command")
        made_by = json.dumps([*command, *_identity(command[0])])
        if is_fresh(Path(target), depends, record, made_by):
            return
        record.unlink(missing_ok=True)
        self._compile(target, source, ext, cc, [*extra, "-MMD", "-MF", str(depends)], pp)
        record.write_text(made_by)

    def write_commands(self, path: Path) -> None:
        """Write every compiler's command for editors and checkers (compile_commands.json)."""
        entries = [
            {"directory": os.getcwd(), "file": words[words.index("-o") - 1], "arguments": words}
            for _, words in sorted(self._commands.items())
        ]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(entries, indent=1) + "\n")


def _identity(compiler: str) -> list[Any]:
    """What changes when the compiler does."""
    found = shutil.which(compiler)
    return [found, os.stat(found).st_mtime_ns] if found else [compiler]


def is_fresh(target: Path, depends: Path, record: Path, made_by: str) -> bool:
    """Whether an object was made by this command, after every file that it depends on."""
    try:
        if record.read_text() != made_by:
            return False
        made = target.stat().st_mtime_ns
        return all(os.stat(path).st_mtime_ns < made for path in dependencies(depends))
    except FileNotFoundError:
        return False


def dependencies(path: Path) -> list[str]:
    """Return the files that a make rule, as a compiler writes it, depends on."""
    _, _, files = path.read_text().replace("\\\n", " ").partition(": ")
    return [name.replace("\0", " ") for name in files.replace("\\ ", "\0").split()]
