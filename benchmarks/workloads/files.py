"""Text in and out: reading columns, writing numbers, reweighting from file to file."""

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks import data, ours, probes
from benchmarks.memory import peak_memory
from benchmarks.peers.programs import cyfes, fes_script, plumed_driver, run
from benchmarks.peers.readers import contenders
from benchmarks.targets import counted, faster, per_number
from benchmarks.workload import Contender, Workload, probe_contenders
from cyfes import _kernels
from cyfes.fes import FreeEnergySurface
from cyfes.grid import Grid
from cyfes.tables import read_table

THREADS = (1, 2)
ROWS, COLUMNS = 1_000_000, ("phi", "psi", "metad.bias")
KBT, SIGMA, BINS = 2.494339, 0.15, 100


def reweight() -> Workload:
    """10,001 frames on 100x100 points, whole processes and in a Python that runs."""
    folder = TemporaryDirectory()
    where = Path(folder.name)
    data.write_colvar(where / "COLVAR", 10_001)

    def whole(threads: int) -> None:
        (where / "fes.dat").unlink(missing_ok=True)
        run(_reweighting(threads, "COLVAR"), where)

    def in_python(threads: int) -> None:
        surface = FreeEnergySurface.from_colvar(
            where / "COLVAR", cv=("phi", "psi"), bias=("metad.bias",), kbt=KBT,
            bandwidth=(SIGMA, SIGMA), lower=["-pi"] * 2, upper=["pi"] * 2, bins=[BINS] * 2,
            backend="cpu", n_threads=threads,
        )  # fmt: skip
        surface.to_dat(where / "fes.dat", n_threads=threads)

    found = [Contender("cyfes reweight", partial(whole, t), t) for t in THREADS]
    found += [Contender("cyfes in Python", partial(in_python, t), t) for t in THREADS]
    theirs = (
        plumed_driver(where, BINS, SIGMA, 38.0),
        fes_script(where, BINS, SIGMA, KBT, 4.2),
    )
    return Workload(
        f"reweighting, 10,001 frames, {BINS}x{BINS}, file to file",
        (*found, *theirs),
        "cyfes reweight x2",
        (
            *(
                faster(f"{who} x2", f"{peer} x1", factor)
                for who in ("cyfes reweight", "cyfes in Python")
                for peer, factor in (("plumed driver", 100), ("FES_from_Reweighting.py", 10))
            ),
        ),
        folder=folder,
    )


def _reweighting(threads: int, *paths: str) -> list[str]:
    options = f"--cv phi,psi --bias metad.bias --kt {KBT} --sigma {SIGMA},{SIGMA}"
    options += f" --min -pi,-pi --max pi,pi --bin {BINS},{BINS} --threads {threads}"
    return cyfes(["reweight", *paths, *options.split()])


def parse() -> Workload:
    """3 of 5 columns of 1e6 rows."""
    folder = TemporaryDirectory()
    path = Path(folder.name) / "COLVAR"
    data.write_colvar(path, ROWS)
    n_bytes = float(path.stat().st_size)

    def table(threads: int) -> None:
        read_table(path, COLUMNS, n_threads=threads)

    peers, missing = contenders(path, [1, 2, 4])
    found = [Contender("cyfes read_table", partial(table, t), t, n_bytes=n_bytes) for t in THREADS]
    pandas = "pandas read_csv, C engine x1"
    return Workload(
        f"COLVAR, 3 of 5 columns, {ROWS} rows, {n_bytes / 1e6:.0f} MB",
        (*probe_contenders(THREADS), *found, *peers),
        "cyfes read_table x2",
        (
            faster("cyfes read_table x1", pandas, 5),
            faster("cyfes read_table x2", pandas, 9),
            faster("cyfes read_table x2", "cyfes read_table x1", 1.8),
        ),
        missing=missing,
        folder=folder,
    )


def write(points: int = 300) -> Workload:
    """Numbers as " %14.9f": a grid's coordinates, values and derivatives."""
    grid = ours.grid_of((points, points))
    fields = list(np.random.default_rng(4).normal(scale=30.0, size=(3, *grid.shape)))
    n = grid.size * 5
    found = [Contender("cyfes format_grid", partial(_format, grid, fields, t), t) for t in THREADS]
    if probes.library() is not None:
        numbers, text = np.resize(fields, n), np.empty(400 * n, np.uint8)
        for how, who in (("printf", "sprintf"), ("to_chars", "std::to_chars, unpadded")):
            call = partial(probes.print_numbers, numbers, text, how)
            found.append(Contender(who, call))
    return Workload(
        f'{n} numbers as " %14.9f"',
        tuple(found),
        "cyfes format_grid x1",
        (per_number("cyfes format_grid x1", n, 24),),
        pairs=float(n),
    )


def _format(grid: Grid, fields: list[np.ndarray], threads: int) -> None:
    _kernels.format_grid(grid, fields, 0, grid.size, 14, 9, threads)


def memory() -> Workload:
    """Peak memory of reweighting ten files of 1e6 frames, less that of ten frames, in three columns
    of float64; and how it grows from 5 to 20 files when they are streamed."""
    with TemporaryDirectory() as folder:
        where = Path(folder)
        data.write_colvar(where / "COLVAR", ROWS)
        data.write_colvar(where / "few", 10)
        few, many = (
            peak_memory(_reweighting(2, *names), where) for names in (["few"], ["COLVAR"] * 10)
        )
        once, fourfold = (
            peak_memory(_reweighting(2, *["COLVAR"] * n, "--stream"), where) for n in (5, 20)
        )
    found = Contender("numpy, three columns", lambda: np.ones((ROWS, 3)))
    columns = 10 * ROWS * len(COLUMNS) * 8
    beyond = None if many is None or few is None else (many - few) / columns
    growth = None if once is None or fourfold is None else (fourfold - once) / (15 * ROWS)
    return Workload(
        f"peak memory of reweighting {10 * ROWS} frames",
        (found,),
        found.key,
        (
            counted("beyond that of ten frames, over three columns", 1.3, beyond),
            counted("--stream: bytes a frame more, from 5e6 to 20e6", 1.0, growth),
        ),
    )
