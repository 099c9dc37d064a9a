"""Times of cyfes against PLUMED and the usual Python ways; ``make bench`` prints the tables.

End to end: ``cyfes sum_hills`` as a process of its own, reading and writing text. Kernels: calls in
this process. What is compared runs in turns, so that a busy machine slows all alike; each figure is
the median. Real hills are used where ``../shared/data`` is at hand.
"""

import argparse
import gzip
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from cyfes import _kernels
from cyfes.grid import Grid

SHARED = Path(
    os.environ.get("CYFES_SHARED_DATA", Path(__file__).resolve().parents[2] / "shared/data")
)


@dataclass(frozen=True)
class Case:
    """One ``sum_hills`` run. ``plumed``: seconds of PLUMED 2.10.1, one thread of a Zen 3 core."""

    name: str
    options: str
    plumed: float
    n_dims: int
    generated: int = 0
    source: str = ""

    def write(self, folder: Path) -> Path | None:
        """Put the HILLS file into a folder; None where there is no data for it."""
        path = folder / "HILLS"
        if self.generated:
            write_hills(path, self.n_dims, self.generated)
            return path
        found = [p for p in (SHARED / self.source, SHARED / f"{self.source}.gz") if p.exists()]
        if not found:
            return None
        data = found[0].read_bytes()
        path.write_bytes(gzip.decompress(data) if found[0].suffix == ".gz" else data)
        return path


def box(n_dims: int, bins: int) -> str:
    """Options of a grid over full turns."""
    low, high, count = (",".join([x] * n_dims) for x in ("-pi", "pi", str(bins)))
    return f"--min {low} --max {high} --bin {count}"


CASES = (
    Case("2-D 50k generated, 200^2", box(2, 200), 7.3, 2, generated=50_000),
    Case("2-D 30k real, 256^2", box(2, 256), 22.1, 2, source="2d-per-wt-acealanme/HILLS"),
    Case("3-D 20k generated, 60^3", box(3, 60), 7.0, 3, generated=20_000),
    Case("3-D 30k real, 60^3", box(3, 60), 47.1, 3, source="3d-per-wt-acealanme/HILLS"),
)


def write_hills(path: Path, n_dims: int, n: int) -> None:
    """Write well-tempered hills, 0.3 rad wide, all over periodic CVs."""
    rng = np.random.default_rng(n)
    names = ["phi", "psi", "omega"][:n_dims]
    header = (
        f"#! FIELDS time {' '.join(names)} {' '.join(f'sigma_{x}' for x in names)} height biasf\n"
    )
    header += "#! SET multivariate false\n#! SET kerneltype stretched-gaussian\n"
    header += "".join(f"#! SET min_{x} -pi\n#! SET max_{x} pi\n" for x in names)
    rows = np.column_stack(
        [
            np.arange(1, n + 1),
            rng.uniform(-np.pi, np.pi, (n, n_dims)),
            np.full((n, n_dims), 0.3),
            rng.uniform(0.1, 1.2, n),
            np.full(n, 10.0),
        ]
    )
    with path.open("w") as file:
        file.write(header)
        np.savetxt(file, rows, fmt="%22.16g")


def seconds(call: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def medians(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each call, all run in turns after one round that does not count."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(rounds):
        for name, call in calls.items():
            times[name].append(seconds(call))
    return {name: statistics.median(values) for name, values in times.items()}


def run_process(command: list[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def bench_sum_hills(rounds: int, chosen: str = "") -> None:
    """Print the table of whole runs of the cases with ``chosen`` in their names."""
    plumed = os.environ.get("PLUMED") or shutil.which("plumed")
    print("\nsum_hills, text to text: seconds (median)")
    print(
        f"PLUMED: {plumed}" if plumed else "PLUMED: 2.10.1, single thread, Zen 3, measured earlier"
    )
    print(
        f"{'case':<26} {'1 thread':>9} {'2 threads':>9} {'PLUMED':>9} {'ratio 1':>8} {'ratio 2':>8}"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for case in (c for c in CASES if chosen in c.name):
            hills = case.write(folder)
            if hills is None:
                print(f"{case.name:<26} no data")
                continue
            times = medians(_commands(case, hills, folder, plumed), rounds)
            theirs = times.get("plumed", case.plumed)
            print(
                f"{case.name:<26} {times['1']:9.3f} {times['2']:9.3f} {theirs:9.2f} "
                f"{theirs / times['1']:8.0f} {theirs / times['2']:8.0f}",
                flush=True,
            )


def _commands(
    case: Case, hills: Path, folder: Path, plumed: str | None
) -> dict[str, Callable[[], object]]:
    options = ["sum_hills", "--hills", hills.name, *case.options.split()]

    def ours(threads: int) -> None:
        (folder / "fes.dat").unlink(missing_ok=True)
        command = [sys.executable, "-m", "cyfes", *options, "--threads", str(threads)]
        run_process(command, folder)

    def theirs() -> None:
        (folder / "plumed.dat").unlink(missing_ok=True)
        run_process([str(plumed), "--no-mpi", *options, "--outfile", "plumed.dat"], folder)

    calls: dict[str, Callable[[], object]] = {"1": partial(ours, 1), "2": partial(ours, 2)}
    return {**calls, "plumed": theirs} if plumed else calls


def bench_spread(rounds: int) -> None:
    """Print the times of sums on a grid: hills, and samples of one bandwidth."""
    print("\nsums on a 200x200 periodic grid, in memory: seconds (median)")
    grid = Grid.from_bins(["phi", "psi"], [-np.pi] * 2, [np.pi] * 2, [200] * 2, [True] * 2)
    rng = np.random.default_rng(1)

    def call(n: int, kernel: str, images: str, threads: int) -> None:
        centers, weights = samples[:n], np.ones(n)
        shared = np.full((1 if kernel == "gaussian" else n, 2), width[kernel])
        density = np.zeros(grid.shape)
        slopes = np.zeros((2, *grid.shape)) if kernel != "gaussian" else None
        _kernels.spread(
            grid, centers, shared, weights, density, slopes,
            kernel=kernel, cutoff=8.5, images=images, n_threads=threads,
        )  # fmt: skip

    width = {"gaussian": 2 * np.pi / 50, "stretched-gaussian": 0.3}
    samples = rng.uniform(-np.pi, np.pi, (1_000_000, 2))
    rows = [("hills with slopes", 50_000, "stretched-gaussian", "nearest")]
    rows += [("samples", n, "gaussian", "all") for n in (10_000, 100_000, 1_000_000)]
    for name, n, kernel, images in rows:
        calls: dict[str, Callable[[], object]] = {
            str(t): partial(call, n, kernel, images, t) for t in (1, 2)
        }
        times = medians(calls, rounds)
        print(f"{name:<20} {n:>9} {times['1']:9.4f} {times['2']:9.4f}", flush=True)
    if find_spec("scipy"):
        bench_scipy(samples[:10_000], grid)


def bench_scipy(samples: np.ndarray, grid: Grid) -> None:
    """Print scipy's time for the smallest of these sums; it knows no periodic CV."""
    from scipy.stats import gaussian_kde

    points = np.array(np.meshgrid(*grid.axes)).reshape(2, -1)
    kde = gaussian_kde(samples.T)
    print(f"{'scipy gaussian_kde':<20} {len(samples):>9} {seconds(lambda: kde(points)):9.4f}")


def bench_text(rounds: int) -> None:
    """Print the times of reading and writing text."""
    rng = np.random.default_rng(2)
    n = 200_000
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "COLVAR"
        np.savetxt(path, rng.normal(size=(n, 5)), fmt="%.6f")
        text = path.read_bytes()
        calls: dict[str, Callable[[], object]] = {
            "cyfes, 1 thread": lambda: _kernels.parse_rows(text, 5, [0, 1, 3], 1),
            "cyfes, 2 threads": lambda: _kernels.parse_rows(text, 5, [0, 1, 3], 2),
            "numpy.loadtxt": lambda: np.loadtxt(path, usecols=[0, 1, 3]),
        }
        if find_spec("pandas"):
            import pandas as pd

            calls["pandas.read_csv"] = lambda: pd.read_csv(
                path, sep=r"\s+", header=None, usecols=[0, 1, 3]
            )
        print(f"\n3 of 5 columns, {n} rows, {len(text) / 1e6:.1f} MB: seconds (median)")
        _print_times(medians(calls, rounds))
    grid = Grid.from_bins(["phi", "psi"], [-np.pi] * 2, [np.pi] * 2, [200] * 2, [True] * 2)
    fields = list(rng.normal(size=(3, *grid.shape)))
    row = " %14.9f" * 5
    lines = rng.normal(size=(grid.size, 5))
    print(f"\n{grid.size} rows of 5 numbers as %14.9f: seconds (median)")
    _print_times(
        medians(
            {
                "cyfes, 1 thread": lambda: _kernels.format_grid(
                    grid, fields, 0, grid.size, 14, 9, 1
                ),
                "cyfes, 2 threads": lambda: _kernels.format_grid(
                    grid, fields, 0, grid.size, 14, 9, 2
                ),
                "Python %": lambda: "\n".join([row % tuple(line) for line in lines.tolist()]),
            },
            rounds,
        )
    )


def _print_times(times: dict[str, float]) -> None:
    for name, value in times.items():
        print(f"{name:<20} {value:9.4f}")


def describe_machine() -> str:
    """Processor, cores and instruction set."""
    model = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = [x for x in info.read_text().splitlines() if x.startswith("model name")]
        model = lines[0].partition(": ")[2] if lines else model
    return (
        f"{model}, {os.cpu_count()} cores, {_kernels.selected_isa()}, {time.strftime('%Y-%m-%d')}"
    )


def main() -> None:
    """Run the benchmarks that the arguments name, all by default."""
    parts: dict[str, Callable[[int], None]] = {
        "sum_hills": bench_sum_hills,
        "spread": bench_spread,
        "text": bench_text,
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*parts, []], metavar="|".join(parts))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--case", default="", help="only sum_hills cases with this in their names")
    arguments = parser.parse_args()
    parts["sum_hills"] = partial(bench_sum_hills, chosen=arguments.case)
    print(describe_machine())
    for name in arguments.parts or parts:
        parts[name](arguments.rounds)


if __name__ == "__main__":
    main()
