"""Runs clang-tidy over the kernels: every source once, as it was compiled last.

    python tools/tidy.py [SOURCE ...]

It reads build/compile_commands.json, which any build of the package writes, and .clang-tidy.
Exits with 1 if there is a finding.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = ROOT / "build" / "compile_commands.json"
CLANG_TIDY = Path(sys.executable).with_name("clang-tidy")


def commands() -> dict[str, dict]:
    """The last command of each source; of those compiled for each instruction set, the newest."""
    if not COMMANDS.exists():
        raise SystemExit(f"no {COMMANDS}: build the package first")
    # g++ has omp.h, clang-tidy from PyPI does not.
    compiler = os.environ.get("CXX", "g++")
    command = [compiler, "-print-file-name=include"]
    headers = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    found = {}
    for entry in json.loads(COMMANDS.read_text()):
        if entry["file"].startswith("kernels/"):
            extra = ["-idirafter", headers, "-Wno-unknown-warning-option"]
            found[entry["file"]] = entry | {"arguments": [*entry["arguments"], *extra]}
    return found


def findings(source: str, database: str) -> str:
    """What clang-tidy says of one source."""
    command = [CLANG_TIDY, "--quiet", "-p", database, source]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)
    return done.stdout or (done.stderr if done.returncode else "")


def main(chosen: list[str]) -> int:
    if shutil.which(CLANG_TIDY) is None:
        raise SystemExit("no clang-tidy beside this Python: make tidy installs it")
    sources = commands()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "compile_commands.json").write_text(json.dumps(list(sources.values())))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            texts = list(pool.map(lambda name: findings(name, folder), chosen or sources))
    print("".join(texts) or f"{len(texts)} sources: no finding")
    return int(any(texts))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
