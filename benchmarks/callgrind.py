"""Instructions and floating-point operations of a program's ``measured`` function, by callgrind."""

import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_OPERATION = re.compile(r"^v?(fn?m(?:add|sub)\w*?|add|sub|mul|div|sqrt)([ps])d$")
_LANES = (("%zmm", 8), ("%ymm", 4), ("%xmm", 2))


@dataclass(frozen=True)
class Count:
    """What one run executed inside ``measured``, and the first word it printed."""

    instructions: int
    flop: int
    printed: str


def count(program: Path, arguments: list[str]) -> Count:
    """Run a program under callgrind. Raises RuntimeError with its words if that fails."""
    output = program.with_suffix(".callgrind." + "-".join(arguments))
    command = [
        "valgrind", "--tool=callgrind", "--dump-instr=yes", "--compress-pos=no",
        "--compress-strings=no", "--toggle-collect=measured", f"--callgrind-out-file={output}",
        str(program), *arguments,
    ]  # fmt: skip
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {ended.stderr[-2000:]}")
    executed = read_counts(output.read_text().splitlines(), str(program))
    output.unlink()
    flop = operations(program)
    return Count(
        sum(times for _, times in executed),
        sum(flop.get(address, 0) * times for address, times in executed),
        ended.stdout.strip(),
    )


def read_counts(lines: Iterable[str], program: str) -> list[tuple[int, int]]:
    """(address, times) of each instruction in a callgrind file that ran in ``program``; those of
    libraries at address -1."""
    counts = []
    inside, is_call = True, False
    for line in lines:
        if line.startswith("ob="):
            inside = line[3:] == program
        elif line.startswith("calls="):
            is_call = True  # the next line holds the cost of what was called
        elif line.startswith("0x"):
            if not is_call:
                words = line.split()
                counts.append((int(words[0], 16) if inside else -1, int(words[-1])))
            is_call = False
    return counts


@cache
def operations(program: Path) -> dict[int, int]:
    """Floating-point operations in double precision of each instruction that does any."""
    command = ["objdump", "-d", "--no-show-raw-insn", str(program)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = {}
    for line in text.splitlines():
        address, colon, instruction = line.strip().partition(":\t")
        if colon and (flop := flop_of(instruction)):
            found[int(address, 16)] = flop
    return found


def flop_of(instruction: str) -> int:
    """Operations of one disassembled instruction, a fused multiply-add counted as two."""
    name, _, operands = instruction.partition(" ")
    match = _OPERATION.match(name)
    if not match:
        return 0
    lanes = next((n for register, n in _LANES if register in operands), 0)
    return (2 if match[1].startswith("f") else 1) * (lanes if match[2] == "p" else 1)
