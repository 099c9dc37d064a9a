"""What instructions.py counted with the compiler that is here."""

import hashlib
import json
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

KERNELS = Path(__file__).resolve().parents[1] / "kernels"
TABLE = Path(__file__).with_name("instructions.json")


def compiler() -> str | None:
    """Name and version of the C++ compiler, such as "g++ 12.2.0 x86_64-linux-gnu"; or None.

    With CYFES_PORTABLE=1 another name: its code is compared with code of that kind."""
    program = os.environ.get("CXX", "g++")
    if shutil.which(program) is None:
        return None
    words = [_answer(program, option) for option in ("-dumpfullversion", "-dumpmachine")]
    kind = "clang++" if "clang" in _answer(program, "--version") else "g++"
    portable = ["portable"] if os.environ.get("CYFES_PORTABLE") == "1" else []
    return " ".join([kind, *words, *portable])


def _answer(program: str, option: str) -> str:
    ended = subprocess.run([program, option], capture_output=True, text=True, check=False)
    return re.sub(r"\s+", " ", ended.stdout).strip()


@cache
def table() -> dict[str, Any]:
    """Counts of this compiler: kind ("instructions", "flop") -> case -> unit -> count.

    Empty unless these sources were counted: operations of other kernels would mislead.
    """
    if not TABLE.exists():
        return {}
    found = json.loads(TABLE.read_text())["compilers"].get(compiler(), {})
    return found if found.get("sources") == sources() else {}


@cache
def sources() -> str:
    """A digest of the kernels' sources."""
    digest = hashlib.sha256()
    for path in sorted(KERNELS.rglob("*.[ch]*")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def instructions(case: str, unit: str) -> float | None:
    """Instructions a unit of a case; None if not counted for this compiler."""
    return table().get("instructions", {}).get(case, {}).get(unit)


def flop(case: str, n: int, points: int) -> float | None:
    """Operations of a case with ``n`` kernels (or pairs) on ``points`` points; None as above."""
    counted = table().get("flop", {}).get(case)
    if counted is None:
        return None
    return counted["kernel"] * n + counted.get("point", 0.0) * points
