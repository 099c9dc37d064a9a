"""Programs that are found by path: PLUMED, and the scripts of the OPES papers."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.workload import Contender

RECORDED = "recorded, PLUMED 2.10.1 on another machine (Zen 3)"


def plumed() -> str | None:
    """The program that PLUMED names, or ``plumed`` on PATH."""
    return os.environ.get("PLUMED") or shutil.which("plumed")


def plumed_version() -> str:
    """The version of ``plumed()``, or that there is none."""
    program = plumed()
    if program is None:
        return "not at hand"
    told = subprocess.run(
        [program, "--no-mpi", "info", "--long-version"], capture_output=True, text=True, check=False
    )
    return told.stdout.strip() or "unknown"


def run(command: list[str], folder: Path) -> None:
    """Run a program in a folder; CalledProcessError with its last words if it fails."""
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if ended.returncode:
        words = (ended.stdout + ended.stderr)[-2000:]
        raise RuntimeError(f"{' '.join(command)} failed ({ended.returncode}): {words}")


def cyfes(arguments: list[str]) -> list[str]:
    """The command line of cyfes in this Python."""
    return [sys.executable, "-m", "cyfes", *arguments]


def plumed_sum_hills(folder: Path, options: list[str], recorded: float) -> Contender:
    """``plumed sum_hills`` where there is PLUMED, else its recorded time."""
    program = plumed()
    if program is None:
        return Contender("plumed sum_hills", None, seconds=recorded, note=RECORDED)

    def call() -> None:
        (folder / "plumed.dat").unlink(missing_ok=True)
        run([program, "--no-mpi", "sum_hills", *options, "--outfile", "plumed.dat"], folder)

    return Contender("plumed sum_hills", call)


DRIVER_INPUT = """\
phi: READ FILE=COLVAR VALUES=phi IGNORE_TIME
psi: READ FILE=COLVAR VALUES=psi IGNORE_TIME
metad: READ FILE=COLVAR VALUES=metad.bias IGNORE_TIME
weights: REWEIGHT_BIAS TEMP=300 ARG=metad.bias
counts: HISTOGRAM ARG=phi,psi GRID_MIN=-pi,-pi GRID_MAX=pi,pi GRID_BIN={bins},{bins} \
BANDWIDTH={sigma},{sigma} LOGWEIGHTS=weights NORMALIZATION=true
fes: CONVERT_TO_FES ARG=counts TEMP=300
DUMPGRID ARG=fes FILE=plumed.dat
"""


def plumed_driver(folder: Path, bins: int, sigma: float, recorded: float) -> Contender:
    """``plumed driver`` with HISTOGRAM on the folder's COLVAR, or its recorded time."""
    program = plumed()
    if program is None:
        return Contender("plumed driver", None, seconds=recorded, note=RECORDED)
    (folder / "plumed.in").write_text(DRIVER_INPUT.format(bins=bins, sigma=sigma))

    def call() -> None:
        (folder / "plumed.dat").unlink(missing_ok=True)
        run([program, "--no-mpi", "driver", "--noatoms", "--plumed", "plumed.in"], folder)

    return Contender("plumed driver", call)


def fes_script(folder: Path, bins: int, sigma: float, kbt: float, recorded: float) -> Contender:
    """FES_from_Reweighting.py where FES_FROM_REWEIGHTING names it, or its recorded time."""
    who, script = "FES_from_Reweighting.py", os.environ.get("FES_FROM_REWEIGHTING")
    if script is None:
        return Contender(who, None, seconds=recorded, note="recorded on another machine (Zen 3)")
    command = [
        sys.executable, script, "--colvar", "COLVAR", "--cv", "phi,psi", "--bias", "metad.bias",
        "--sigma", f"{sigma},{sigma}", "--bin", f"{bins},{bins}", "--kt", str(kbt),
        "--outfile", "script.dat",
    ]  # fmt: skip
    return Contender(who, lambda: run(command, folder))
