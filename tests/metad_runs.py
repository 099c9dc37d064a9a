"""METAD runs by their formulas, for tests: HILLS of one CV, with or without clocks, and COLVAR."""

import math
from pathlib import Path

import numpy as np

DATA = Path(__file__).parent / "data"
HEAD = "#! FIELDS time phi sigma_phi height biasf"
PERIOD = "#! SET min_phi -pi\n#! SET max_phi pi\n"
GAMMA, KBT, SIGMA = 6.0, 1.0, 0.35


def bias_at(x, centers, heights):
    d = (x - np.asarray(centers) + math.pi) % (2 * math.pi) - math.pi
    power = d**2 / (2 * SIGMA**2)
    kernel = np.where(power < 6.25, 1.00193418799744762399 * (np.exp(-power) - 1) + 1, 0.0)
    return float(np.sum(np.asarray(heights) * kernel))


def metad(n, seed=0, had=((), ()), start=0):
    """(times, centers, heights as in HILLS) of a well-tempered run that begins with some hills."""
    rng = np.random.default_rng(seed)
    centers, heights = list(had[0]), list(had[1])
    for x in rng.normal(0.5, 1.0, n):
        v = bias_at(x, centers, heights) * (GAMMA - 1) / GAMMA
        heights.append(1.2 * math.exp(-v / ((GAMMA - 1) * KBT)))
        centers.append(float(x))
    first = len(had[0])
    return np.arange(start + 1, start + n + 1), centers[first:], heights[first:]


def write_run(path, times, centers, heights, clocks=None, name="phi"):
    ends = [""] * len(times) if clocks is None else [f" {clock}" for clock in clocks]
    rows = [
        f"{t:g} {x:.15g} {SIGMA} {h:.15g} {GAMMA:g}{end}\n"
        for t, x, h, end in zip(times, centers, heights, ends)
    ]
    fields = f"{HEAD}{'' if clocks is None else ' clock'}".replace("phi", name)
    path.write_text(f"{fields}\n{PERIOD.replace('phi', name)}{''.join(rows)}")
    return str(path)


def write_frames(path, times, values, header_before=()):
    head = f"#! FIELDS time phi metad.bias\n{PERIOD}"
    rows = [
        f"{head if i in header_before else ''}{t:g} {x:.9f} {math.cos(3 * x):.9f}\n"
        for i, (t, x) in enumerate(zip(times, values))
    ]
    path.write_text(head + "".join(rows))
    return str(path)
