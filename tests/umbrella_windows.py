"""Umbrella windows with a known free energy: exact samples, as arrays and as files."""

import numpy as np

GRID = np.linspace(-2.2, 2.2, 4401)


def double_well(x):
    """F in kT, with a barrier of 4 kT."""
    return 4 * (x**2 - 1) ** 2 + 0.5 * x


def exact_frames(center, spring, n, seed, free=double_well):
    """Independent frames of exp(-F - spring (x - center)^2 / 2), float64[n]."""
    density = np.exp(-free(GRID) - 0.5 * spring * (GRID - center) ** 2)
    share = np.cumsum(density) - density / 2
    uniform = (np.random.default_rng(seed).random(n) + np.arange(n)) / n  # stratified
    frames = np.interp(uniform, share / share[-1], GRID)
    return np.random.default_rng(seed + 1).permutation(frames)


def windows(n_windows=9, n=400, spring=25.0, seed=0):
    """(list of frames float64[n], centers float64[K], springs float64[K])."""
    centers = np.linspace(-1.5, 1.5, n_windows)
    frames = [exact_frames(c, spring, n, seed + 2 * k) for k, c in enumerate(centers)]
    return frames, centers, np.full(n_windows, spring)


def write_windows(folder, frames, centers, springs, bias=True, name="x"):
    """COLVAR files and a list of them; returns the path of the list."""
    lines = []
    for k, (x, c, s) in enumerate(zip(frames, centers, springs)):
        path = folder / f"COLVAR.{k}"
        column = " restraint.bias" if bias else ""
        rows = [
            f"{t} {v:.8f}" + (f" {0.5 * s * (v - c) ** 2:.8f}" if bias else "")
            for t, v in enumerate(x)
        ]
        path.write_text(f"#! FIELDS time {name}{column}\n" + "\n".join(rows) + "\n")
        lines.append(f"COLVAR.{k} {c:.6f} {s:.6f}\n")
    path = folder / "windows.dat"
    path.write_text("# file center k\n" + "".join(lines))
    return path
