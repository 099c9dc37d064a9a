"""Instructions and floating-point operations of the kernels, against a committed table.

``make bench-instructions`` fails where a kernel needs more than 3 % more instructions a sample, a
point, a row or a number than the table says. The counts hold for one compiler, one thread and
x86-64-v3 (valgrind runs no AVX-512); with another compiler nothing is compared. CYFES_PORTABLE=1
counts what other processors get, vectors of 128 bits, beside them in the table.
"""

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))
sys.path.append(str(Path(__file__).resolve().parents[1] / "tools"))

import build_compiler
from build_kernels import cxx_flags, instruction_sets, kernel_objects

from benchmarks import counts
from benchmarks.callgrind import Count, count

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "build" / "instructions"
#: More than this part above the table is a regression; as far below, the table is to be updated.
TOLERANCE = 0.03
#: What a stretched Gaussian of 0.3 rad reaches, and its ball's volume by CVs.
_RADIUS = 0.3 * math.sqrt(12.5)
_BALL = {2: math.pi * _RADIUS**2, 3: 4 / 3 * math.pi * _RADIUS**3}

Counts = dict[str, dict[str, dict[str, float]]]


@dataclass(frozen=True)
class Case:
    """Two sizes of a kernel's work whose difference is counted: samples, hills, rows or points a
    CV. ``points``: of the grid along each CV, or in all."""

    name: str
    sizes: tuple[int, int]
    points: int = 0

    def units(self, low: Count, high: Count) -> dict[str, float]:
        """How many of each unit the difference of the two runs holds."""
        added = float(self.sizes[1] - self.sizes[0])
        kind, _, dims = self.name.partition("-")
        if kind == "evaluate":
            return {"kernel": added * self.points}
        if kind == "hills":
            d = int(dims[0])
            reached = _BALL[d] * (self.points / (2 * math.pi)) ** d
            return {"kernel": added, "hill_point": added * reached}
        if kind == "parse":
            return {"row": added, "byte": float(high.printed) - float(low.printed)}
        if kind == "format":
            return {"number": 5.0 * (self.sizes[1] ** 2 - self.sizes[0] ** 2)}
        return {"kernel": added}

    @property
    def grid(self) -> int:
        """Points of the grid, 0 where all the work grows with the size."""
        kind, _, dims = self.name.partition("-")
        return self.points ** int(dims[0]) if kind in ("kde", "tiles") else 0


CASES = (
    Case("kde-1d", (200_000, 400_000), 500),
    Case("kde-2d", (200_000, 400_000), 200),
    Case("kde-3d", (50_000, 100_000), 60),
    Case("tiles-2d", (20_000, 40_000), 200),
    Case("hills-2d", (2_000, 4_000), 200),
    Case("hills-3d", (500, 1_000), 60),
    Case("evaluate-2d", (2_000, 4_000), 512),
    Case("evaluate-3d", (2_000, 4_000), 512),
    Case("parse", (20_000, 40_000)),
    Case("format", (60, 120)),
)


def build() -> Path:
    """Compile the kernels with the sources and flags of setup.py, and the program around them."""
    os.chdir(ROOT)
    shutil.rmtree(FOLDER, ignore_errors=True)
    compiler = os.environ.get("CXX", "g++")
    answer = build_compiler.ask([compiler], [])
    isas = instruction_sets(answer.x86_64, os.environ)
    common = [compiler, *cxx_flags(["-fopenmp"], os.environ), "-Ikernels", "-fPIC", "-g1"]
    jobs = [(source, [*common, *flags]) for _, source, flags in kernel_objects(isas)]
    jobs.append(("benchmarks/instructions.cpp", [*common, "-std=c++20"]))

    def compile_one(job: tuple[int, tuple[str, list[str]]]) -> str:
        number, (source, command) = job
        target = FOLDER / f"{number}-{Path(source).stem}.o"
        subprocess.run([*command, "-c", source, "-o", str(target)], check=True)
        return str(target)

    FOLDER.mkdir(parents=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(compile_one, enumerate(jobs)))
    program = FOLDER / "instructions"
    # Addresses in the file are those in memory.
    subprocess.run([compiler, "-no-pie", "-fopenmp", *objects, "-o", str(program)], check=True)
    return program


def measure(program: Path, names: list[str]) -> Counts:
    """Count the cases: kind ("instructions", "flop") -> case -> unit -> count a unit.

    "point" is what does not grow with the samples, over the points of the grid.
    """
    cases = [case for case in CASES if not names or case.name in names]
    jobs = [(case, size) for case in cases for size in case.sizes]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = dict(zip(jobs, pool.map(lambda job: _count(program, *job), jobs), strict=True))
    result: Counts = {"instructions": {}, "flop": {}}
    for case in cases:
        low, high = (found[case, size] for size in case.sizes)
        units = case.units(low, high)
        for kind in result:
            few, many = getattr(low, kind), getattr(high, kind)
            a_unit = {unit: (many - few) / number for unit, number in units.items()}
            if case.grid:
                fixed = few - (many - few) * case.sizes[0] / (case.sizes[1] - case.sizes[0])
                a_unit["point"] = fixed / case.grid
            result[kind][case.name] = {unit: float(f"{x:.5g}") for unit, x in a_unit.items()}
    return result


def _count(program: Path, case: Case, size: int) -> Count:
    return count(program, [case.name, str(size), str(case.points)])


def compare(found: Counts, table: Counts) -> tuple[list[str], list[str]]:
    """(regressions, other differences) of the instructions, one line each."""
    worse, other = [], []
    for case, units in found["instructions"].items():
        for unit, value in units.items():
            expected = table.get("instructions", {}).get(case, {}).get(unit)
            line = f"{case}: {value:g} instructions a {unit}, the table says {expected}"
            if expected is None:
                other.append(line)
            elif value > expected + TOLERANCE * abs(expected):
                worse.append(line)
            elif value < expected - TOLERANCE * abs(expected):
                other.append(line)
    return worse, other


def main() -> int:
    """Count, print, compare or update."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="CASE", help=" ".join(c.name for c in CASES))
    parser.add_argument("--update", action="store_true", help="write the counts into the table")
    arguments = parser.parse_args()
    for tool in ("valgrind", "objdump"):
        if shutil.which(tool) is None:
            print(f"skipped: no {tool} here (Debian: valgrind, binutils)")
            return 0
    compiler = counts.compiler()
    if compiler is None:
        print("skipped: no C++ compiler here (CXX)")
        return 0
    file = json.loads(counts.TABLE.read_text()) if counts.TABLE.exists() else {"compilers": {}}
    table = file["compilers"].get(compiler)
    if table is None and not arguments.update:
        known = "; ".join(file["compilers"]) or "none"
        print(f"skipped: no counts for {compiler}, only for: {known} (--update adds them)")
        return 0
    found = measure(build(), arguments.names)
    _print(found)
    if arguments.update:
        table = table or {}
        updated = {k: {**table.get(k, {}), **found[k]} for k in found}
        # Some cases alone leave the others as they were counted before.
        digest = table.get("sources", "") if arguments.names else counts.sources()
        file["compilers"][compiler] = {**updated, "sources": digest}
        counts.TABLE.write_text(json.dumps(file, indent=1, sort_keys=True) + "\n")
        return 0
    worse, other = compare(found, table)
    if other:
        print("the table is out of date (--update):", *other, sep="\n  ")
    if worse:
        print(f"more than {TOLERANCE:.0%} above the table:", *worse, sep="\n  ")
    return 1 if worse else 0


def _print(found: Counts) -> None:
    print(f"{'case':<12} {'unit':<11} {'instructions':>13} {'flop':>10}")
    for case, units in found["instructions"].items():
        for unit, value in units.items():
            print(f"{case:<12} {unit:<11} {value:13.5g} {found['flop'][case][unit]:10.4g}")


if __name__ == "__main__":
    sys.exit(main())
