"""Fuzz the readers, the parsers and the sums.

    python tests/fuzz/run.py [--inputs N] [--seconds S] [--seed N] [--results FOLDER] [TARGET ...]

N inputs and S seconds are shared by the targets. Exits with 1 if a law was broken; the inputs that
did it lie in FOLDER. An input is tried again by `--again FILE TARGET`.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from pathlib import Path

# The oracles of the other tests.
sys.path.append(str(Path(__file__).resolve().parents[1]))
from targets import TARGETS
from workers import fuzz


def again(name: str, file: Path) -> None:
    """Try one input; what goes wrong is raised."""
    content = file.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for stream in ("stdout", "stderr"):
            Path(stream).touch()
        TARGETS[name].check(content, Path(folder))


def summary(results: Path) -> list[str]:
    """One line per kind of fault: how often, and where its first input is."""
    lines = []
    for folder in sorted(path for path in results.glob("*") if (path / "count").exists()):
        text = min(folder.glob("*.txt")).read_text().strip().splitlines()[-1]
        lines.append(f"{(folder / 'count').stat().st_size:6}  {folder.name}: {text[:200]}")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--inputs", type=int, default=1 << 40)
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--results", type=Path, default=Path("build/fuzz"))
    parser.add_argument("--again", type=Path, metavar="FILE")
    chosen = parser.parse_args()
    names = chosen.targets or list(TARGETS)
    if chosen.again:
        again(names[0], chosen.again)
        return 0
    results = chosen.results / str(chosen.seed)
    print(f"seed {chosen.seed}, {chosen.workers} workers", flush=True)
    for name in names:
        start = time.monotonic()
        tried = fuzz(
            name, chosen.seed, results, inputs=-(-chosen.inputs // len(names)),
            seconds=chosen.seconds / len(names), n_workers=chosen.workers,
        )  # fmt: skip
        print(f"{name:8} {tried:9} inputs in {time.monotonic() - start:6.1f} s", flush=True)
    faults = summary(results)
    print("\n".join([*faults, f"inputs in {results}"]) if faults else "no law was broken")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
