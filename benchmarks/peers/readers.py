"""Ways to read some columns of a COLVAR file."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.peers import module
from benchmarks.workload import Contender

#: Comment lines at the top of the file that data.write_colvar writes.
HEADER = 5


def contenders(path: Path, columns: list[int]) -> tuple[tuple[Contender, ...], tuple[str, ...]]:
    """Readers of the ``columns`` (0-based) of a file of five, and the names of those missing."""
    ways: dict[str, Callable[[], object]] = {
        "pandas": lambda: _pandas(path, columns),
        "polars": lambda: _polars(path, columns),
        "numpy": lambda: np.loadtxt(path, usecols=columns),
    }
    names = {
        "pandas": "pandas read_csv, C engine",
        "polars": "polars read_csv, single spaces only",
        "numpy": "numpy.loadtxt",
    }
    found, missing = [], []
    for package, call in ways.items():
        if module(package) is None:
            missing.append(f"{names[package]}: {package} is not installed")
        else:
            threads = 0 if package == "polars" else 1
            found.append(Contender(names[package], call, threads))
    return tuple(found), tuple(missing)


def _pandas(path: Path, columns: list[int]) -> object:
    pandas = module("pandas")
    return pandas.read_csv(
        path, sep=r"\s+", header=None, usecols=columns, comment="#", engine="c",
        skiprows=HEADER, dtype=np.float64,
    )  # fmt: skip


def _polars(path: Path, columns: list[int]) -> object:
    polars = module("polars")
    # Each line begins with a blank: an empty column before the first.
    return polars.read_csv(
        path, separator=" ", has_header=False, skip_rows=HEADER, columns=[c + 1 for c in columns]
    )
