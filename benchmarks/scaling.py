"""How the time of a sum grows with samples, points, bandwidth, CVs and threads.

``make bench ARGS=scaling`` writes scaling.json, docs/performance.png and a table. Samples are drawn
and added a chunk at a time, so that memory holds one chunk and the grid; drawing is not timed.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks import data, document, ours, table
from benchmarks.peers import module
from benchmarks.peers.densities import grid_points, kdepy
from benchmarks.peers.fourier import finufft_kde
from benchmarks.workloads.kde import BANDWIDTH
from cyfes.density import Density

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).with_name("scaling.json")
CHUNK = 4_000_000
POINTS = {1: 500, 2: 200, 3: 100}
SAMPLES = tuple(10**k for k in range(4, 9))
BINS = (25, 50, 100, 200, 400, 800, 1600)
FRACTIONS = (12.5, 25, 50, 100, 200, 400)
#: Peers hold all samples in memory; beyond this they are left out.
PEERS_UP_TO = 10_000_000


@dataclass(frozen=True)
class Point:
    """Median seconds of one sum. ``x``: samples, points, bandwidth over range, or threads."""

    series: str
    who: str
    x: float
    seconds: float
    rounds: int


def streamed(n: int, n_dims: int) -> float:
    """Seconds of adding ``n`` samples to a density, a chunk at a time."""
    grid = ours.grid_of((POINTS[n_dims],) * n_dims)
    density, taken = Density(grid), 0.0
    for chunk in data.sample_chunks(n, n_dims, CHUNK):
        begin = time.perf_counter()
        density.add(chunk, np.full((1, n_dims), BANDWIDTH))
        taken += time.perf_counter() - begin
    return taken


def timed(call: Callable[[], object]) -> float:
    """Wall seconds of a call."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def works(most: int) -> Iterator[tuple[str, float, dict[str, Callable[[], float]]]]:
    """(series, x, calls by name that return seconds) of every comparison, in turns of their own."""
    for n in (n for n in SAMPLES if n <= most):
        calls = {f"cyfes {d}-D": partial(streamed, n, d) for d in POINTS}
        yield "samples", n, {**calls, **(_peers(n) if n <= PEERS_UP_TO else {})}
    samples = data.samples(min(most, 1_000_000), 2)
    for bins in BINS:
        call = partial(_spread, samples, bins, BANDWIDTH, os.cpu_count() or 1)
        yield "points", bins**2, {"cyfes 2-D": call}
    for part in FRACTIONS:
        call = partial(_spread, samples, POINTS[2], data.PERIOD / part, os.cpu_count() or 1)
        yield "bandwidth", 1 / part, {"cyfes 2-D": call}
    hills, hills_grid = data.hills(50_000, 2), ours.grid_of((POINTS[2],) * 2)
    for threads in range(1, 1 + (os.cpu_count() or 1)):
        spread = partial(_spread, samples, POINTS[2], BANDWIDTH, threads)
        stamp = partial(timed, partial(ours.hills, hills_grid, hills, threads))
        yield "threads", threads, {"cyfes 2-D": spread, "cyfes hills 2-D": stamp}


def _spread(samples: np.ndarray, bins: int, h: float, threads: int) -> float:
    return timed(lambda: ours.spread(ours.grid_of((bins, bins)), samples, h, threads))


def _peers(n: int) -> dict[str, Callable[[], float]]:
    samples, shape = data.samples(n, 2), (POINTS[2],) * 2
    points = grid_points(shape)
    calls: dict[str, Callable[[], float]] = {}
    if module("KDEpy"):
        calls["KDEpy FFTKDE 2-D"] = lambda: timed(lambda: kdepy(samples, points, BANDWIDTH))
    if module("finufft"):
        threads = os.cpu_count() or 1
        calls["finufft 1e-12 2-D"] = lambda: timed(
            lambda: finufft_kde(samples, shape, BANDWIDTH, threads)
        )
    return calls


def run(rounds: int, most: int) -> list[Point]:
    """Time every comparison in turns; sums of more than 1e7 samples once."""
    found = []
    for series, x, calls in works(most):
        count = rounds if series != "samples" or x <= 10_000_000 else 1
        times: dict[str, list[float]] = {who: [] for who in calls}
        if count > 1:
            for call in calls.values():
                call()
        for _ in range(count):
            for who, call in calls.items():
                times[who].append(call())
        for who, values in times.items():
            found.append(Point(series, who, x, median(values), count))
            print(f"{series:<10} {x:<10.4g} {who:<20} {table.seconds(median(values))}", flush=True)
    return found


def render(points: list[Point]) -> str:
    """A table a series in Markdown, with the slope of log time over log x from row to row."""
    parts = []
    for series in dict.fromkeys(p.series for p in points):
        rows = []
        for who in dict.fromkeys(p.who for p in points if p.series == series):
            line = [p for p in points if (p.series, p.who) == (series, who)]
            for last, p in zip([None, *line], line, strict=False):
                slope = "" if last is None else f"{_slope(last, p):.2f}"
                rows.append([who, f"{p.x:g}", table.seconds(p.seconds), slope])
        parts.append(table.markdown(("who", series, "time", "slope"), rows))
    return "\n\n".join(parts) + "\n"


def _slope(a: Point, b: Point) -> float:
    return float(np.log(b.seconds / a.seconds) / np.log(b.x / a.x))


def main(rounds: int, most: int, machine: str, docs: bool) -> int:
    """Measure, write the results, draw them; ``docs``: put the table into the documentation."""
    points = run(rounds, most)
    content = {"machine": machine, "points": [asdict(p) for p in points]}
    RESULTS.write_text(json.dumps(content, indent=1) + "\n")
    text = render(points)
    print("\n" + text)
    if docs:
        document.insert("scaling", f"{machine}\n\n{text}")
    print(f"written: {RESULTS}")
    return plot()


def plot() -> int:
    """Draw scaling.json as docs/performance.png, where there is matplotlib."""
    if module("matplotlib") is None:
        print("no picture: matplotlib is not installed")
        return 0
    from benchmarks.picture import draw

    path = ROOT / "docs" / "performance.png"
    content = json.loads(RESULTS.read_text())
    draw([Point(**p) for p in content["points"]], content["machine"], path)
    print(f"written: {path}")
    return 0
