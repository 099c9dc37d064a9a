"""Runs inside an environment: uses the package and prints, as JSON, what it found.

``probe.py FOLDER [MODULE before|after]``: FOLDER holds HILLS.gz and ref/grid.dat; MODULE is another
user of OpenMP, set to work before or after cyfes.
"""

import hashlib
import importlib
import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np


def work(module: str) -> None:
    """Have another package use its threads."""
    found = importlib.import_module(module)
    values = np.random.default_rng(0).normal(size=(2000, 20))
    if module == "sklearn":
        cluster = importlib.import_module("sklearn.cluster")
        cluster.KMeans(8, n_init=2, random_state=0).fit(values)
    elif module == "torch":
        tensor = found.from_numpy(values)
        (tensor @ tensor.T).exp().sum().item()


def surface(folder: Path) -> np.ndarray:
    """The free energies of the simulation, as PLUMED's command line gives them."""
    from cyfes.cli import main

    with tempfile.TemporaryDirectory() as temporary:
        out = str(Path(temporary, "fes.dat"))
        sys.stdout.flush()
        words = ["--hills", str(folder / "HILLS.gz"), "--bin", "24,24", "--outfile", out]
        with open(os.devnull, "w") as nowhere:
            told, sys.stdout = sys.stdout, nowhere
            try:
                code = main(["sum_hills", *words])
            finally:
                sys.stdout = told
        if code:
            raise SystemExit(f"sum_hills ended with {code}")
        return np.loadtxt(out)


def mapped() -> list[str]:
    """The shared libraries of this process."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    paths = {"/" + line.partition("/")[2] for line in lines if "/" in line}
    return sorted(path for path in paths if ".so" in os.path.basename(path))


def main() -> None:
    folder, module, when = Path(sys.argv[1]), *(sys.argv[2:] or [None, None])
    if when == "before":
        work(module)
    values = surface(folder)
    if when == "after":
        work(module)
        again = surface(folder)
        np.testing.assert_array_equal(again, values)
    expected = np.loadtxt(folder / "ref" / "grid.dat")
    import cyfes
    from cyfes.backend import load_cuda
    from cyfes.errors import BackendError

    try:
        cuda = f"{load_cuda()[1]} devices"
    except BackendError as error:
        cuda = f"{type(error).__name__}: {error}"
    found = {
        "package": cyfes.__file__,
        "points": len(values),
        "error": float(np.max(np.abs(values - expected))),
        "digest": hashlib.sha256(values.tobytes()).hexdigest(),
        "cuda": cuda,
        "mapped": mapped(),
    }
    print(json.dumps(found))


main()
