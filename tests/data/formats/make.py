"""Writes the files of this folder: one run of 240 frames and its hills, as programs write them."""

import math
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
N, STEPS = 240, 500

rng = np.random.default_rng(7)
phi = np.where(rng.random(N) < 0.6, -75.0, 160.0) + 18 * rng.standard_normal(N)
phi = np.round((phi + 180) % 360 - 180, 3)
d = np.round(0.35 + 0.05 * rng.standard_normal(N), 4)
bias = np.round(2 + np.cos(np.radians(phi)), 4)  # kcal/mol
time = 2.0 * np.arange(N)  # ps


def lines(*columns, form):
    return "".join(form.format(*row) + "\n" for row in zip(*columns))


def traj():
    rows = lines(STEPS * np.arange(N), phi, d, bias, form="{:12d}  {:21.14e}  {:21.14e}  {:21.14e}")
    label = "# step         phi                   d                     E_metadynamics1       \n"
    parts = rows.splitlines(keepends=True)
    return "".join(label + "".join(parts[i : i + 100]) for i in range(0, N, 100))


def hills_traj():
    heights = 0.2 * np.exp(-np.arange(24) / 12)
    at = slice(0, N, 10)
    steps = 10 * STEPS * np.arange(24)
    form = "{:12d}    {:21.14e} {:21.14e}    {:21.14e} {:21.14e}    {:21.14e}"
    widths = np.full(24, 10.0), np.full(24, 0.025)
    return lines(steps, phi[at], d[at], *widths, heights, form=form)


def pmf():
    middles = -180 + 10 * (np.arange(36) + 0.5)
    free = 2 * (1 - np.cos(np.radians(middles + 75)))
    head = f"# 1\n# {-180:21.14e} {10:21.14e} {36:10d}  1\n\n"
    return head + lines(middles, free, form=" {:21.14e}  {:21.14e}")


def xvg():
    head = (
        "# This file was made for cyfes, in the form of\n#   gmx angle -type dihedral -all\n"
        '@    title "Dihedral and distance"\n@    xaxis  label "Time (ps)"\n'
        '@    yaxis  label "(degree), (nm)"\n@TYPE xy\n@ view 0.15, 0.15, 0.75, 0.85\n'
        '@ legend on\n@ s0 legend "phi"\n@ s1 legend "d"\n@ s2 legend "bias"\n'
    )
    return head + lines(time, phi, d, bias, form="{:10.3f} {:9.3f} {:8.4f} {:8.4f}")


def csv(separator):
    head = separator.join(["time", "phi", "d", "bias"]) + "\n"
    return head + lines(time, phi, d, bias, form=separator.join(["{:g}", "{}", "{}", "{}"]))


def openmm():
    """V(phi, psi) of three hills on points from -pi to pi; the last variable is the first axis."""
    axis = np.linspace(-math.pi, math.pi, 25)
    total = np.zeros((25, 25))
    for a, b, height in ((-1.3, 1.2, 3.0), (-1.1, -0.6, 2.0), (1.0, 0.8, 1.0)):
        along = [np.abs(axis - x) for x in (a, b)]
        along = [np.minimum(x, 2 * math.pi - x) for x in along]
        x, y = (np.exp(-0.5 * (x / 0.5) ** 2) for x in along)
        total += height * np.multiply.outer(y, x)
    return total


TEXTS = {
    "run.colvars.traj": traj,
    "run.hills.traj": hills_traj,
    "run.pmf": pmf,
    "run.xvg": xvg,
    "run.csv": lambda: csv(","),
    "semicolons.csv": lambda: csv(";"),
}

if __name__ == "__main__":
    for name, text in TEXTS.items():
        (HERE / name).write_text(text())
    np.save(HERE / "bias_17_4.npy", openmm())
