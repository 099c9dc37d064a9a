"""Hills with their derivatives: the kernel in memory, and ``sum_hills`` from text to text."""

import gzip
import os
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import data, ours
from benchmarks.counts import flop, instructions
from benchmarks.peers.programs import cyfes, plumed_sum_hills, run
from benchmarks.targets import counted, faster
from benchmarks.workload import Contender, Target, Workload, probe_contenders
from cyfes.fes import FreeEnergySurface

THREADS = (1, 2)
SHARED = Path(
    os.environ.get("CYFES_SHARED_DATA", Path(__file__).resolve().parents[3] / "shared/data")
)
#: Seconds of PLUMED 2.10.1, one thread of a Zen 3 core, by CVs: generated hills, real hills.
RECORDED = {2: (7.3, 22.1), 3: (7.0, 47.1)}
#: kernel x1, kernel x2, from text to text x1 and x2, each as a part of PLUMED's time.
FACTORS = {2: (150, 250, 100, 180), 3: (120, 220, 100, 180)}


def generated(n_dims: int, n: int, bins: int) -> Workload:
    """Hills 0.3 rad wide all over periodic CVs."""
    folder = TemporaryDirectory()
    path = Path(folder.name) / "HILLS"
    data.write_hills(path, n, n_dims)
    grid, hills = ours.grid_of((bins,) * n_dims), data.hills(n, n_dims)
    operations = flop(f"hills-{n_dims}d", n, grid.size)
    kernels = [
        Contender("cyfes kernel", partial(ours.hills, grid, hills, t), t, operations)
        for t in THREADS
    ]
    limits = _limits(n_dims)
    if n_dims == 2:
        value = instructions("hills-2d", "hill_point")
        limits.append(counted("instructions per point and hill", 6, value))
    return _workload(
        f"{n_dims}-D sum_hills, {n} generated hills, {bins}^{n_dims}",
        folder, bins, n_dims, RECORDED[n_dims][0], kernels, limits,
    )  # fmt: skip


def real(n_dims: int, bins: int) -> Workload:
    """30,000 hills of a simulation, from text to text only. Raises LookupError without them."""
    name = f"{n_dims}d-per-wt-acealanme/HILLS"
    found = [p for p in (SHARED / name, SHARED / f"{name}.gz") if p.exists()]
    if not found:
        raise LookupError(f"{SHARED / name} is not there (CYFES_SHARED_DATA)")
    folder = TemporaryDirectory()
    content = found[0].read_bytes()
    content = gzip.decompress(content) if found[0].suffix == ".gz" else content
    (Path(folder.name) / "HILLS").write_bytes(content)
    return _workload(
        f"{n_dims}-D sum_hills, 30,000 real hills, {bins}^{n_dims}",
        folder, bins, n_dims, RECORDED[n_dims][1], [], _limits(n_dims)[2:],
    )  # fmt: skip


def _limits(n_dims: int) -> list[Target]:
    ours_ = ("cyfes kernel", "cyfes sum_hills", "cyfes in Python")
    kernel, whole = FACTORS[n_dims][:2], FACTORS[n_dims][2:]
    return [
        faster(f"{who} x{t}", "plumed sum_hills x1", factor)
        for who, factors in zip(ours_, (kernel, whole, whole), strict=True)
        for t, factor in zip(THREADS, factors, strict=True)
    ]


def _workload(
    title: str,
    folder: TemporaryDirectory[str],
    bins: int,
    n_dims: int,
    recorded: float,
    kernels: list[Contender],
    limits: list[Target],
) -> Workload:
    """The kernels beside whole runs in ``folder``."""
    where = Path(folder.name)
    low, high, count = (",".join([x] * n_dims) for x in ("-pi", "pi", str(bins)))
    options = ["--hills", "HILLS", "--min", low, "--max", high, "--bin", count]

    def whole(threads: int) -> None:
        (where / "fes.dat").unlink(missing_ok=True)
        run(cyfes(["sum_hills", *options, "--threads", str(threads)]), where)

    def in_python(threads: int) -> None:
        surface = FreeEnergySurface.from_hills(
            where / "HILLS", lower=["-pi"] * n_dims, upper=["pi"] * n_dims, bins=[bins] * n_dims,
            backend="cpu", n_threads=threads,
        )  # fmt: skip
        surface.to_dat(where / "fes.dat", n_threads=threads)

    found = [Contender("cyfes sum_hills", partial(whole, t), t) for t in THREADS]
    # Without the start of Python and NumPy, which a hundred files need but once.
    found += [Contender("cyfes in Python", partial(in_python, t), t) for t in THREADS]
    theirs = plumed_sum_hills(where, options, recorded)
    return Workload(
        title,
        (*probe_contenders(THREADS), *kernels, *found, theirs),
        (kernels or found[: len(THREADS)])[-1].key,
        tuple(limits),
        folder=folder,
    )
