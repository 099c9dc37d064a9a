"""What a surface must be: rows read by a few lines of Python, summed by NumPy.

Slow and plain, and written without a look at cyfes' readers: it is their judge.
"""

import bz2
import gzip
import lzma
import math
import re
import shlex
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from oracles import free_energy, kernel_sum


def gunzipped(content: bytes) -> bytes:
    """All members of a gzip file; of a cut-off one what is there."""
    try:
        return gzip.decompress(content)
    except EOFError:
        return zlib.decompressobj(31).decompress(content)


PACKED = {b"\x1f\x8b": gunzipped, b"BZh": bz2.decompress, b"\xfd7zXZ": lzma.decompress}
#: Options that take no value.
FLAGS = "--nohistory --negbias --mintozero --rbias --no-bias --stream --explain".split()
GAS_CONSTANT = {"kj/mol": 0.00831446261815324, "kcal/mol": 0.00831446261815324 / 4.184}
#: Beyond this many kT above the minimum a Gaussian may be cut.
TAIL = 25.0


# --- command lines


@dataclass
class Command:
    """The options of a command line; a repeated one has all its values."""

    name: str
    files: list[str] = field(default_factory=list)
    options: dict[str, list[str]] = field(default_factory=dict)

    def one(self, name: str, default: str | None = None) -> str | None:
        return self.options.get(name, [default])[-1]

    def names(self, option: str) -> list[str]:
        """Entries of all lists of an option, one after another."""
        return [n for text in self.options.get(option, []) for n in text.split(",") if n]

    def numbers(self, option: str) -> list[float]:
        return [number(text) for text in self.names(option)]


def command(words: list[str]) -> Command:
    """Read the words of a command line, ``cyfes`` first."""
    found = Command(words[1] if len(words) > 1 else "")
    rest = words[2:]
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if not word.startswith("--"):
            found.files.append(word)
        elif equals:
            found.options.setdefault(name, []).append(value)
        elif word in FLAGS:
            found.options[word] = [""]
        else:
            found.options.setdefault(word, []).append(rest.pop(0) if rest else "")
            while word == "--hills" and rest and not rest[0].startswith("--"):
                found.options[word].append(rest.pop(0))
    return found


def words_of(segment: str) -> list[str]:
    """The words of the cyfes command in a line of shell."""
    words = shlex.split(segment)
    words = words[words.index("cyfes") :]
    return words[: words.index("|")] if "|" in words else words


def number(text: str) -> float:
    """A number as PLUMED writes it: 1.5, -pi, 2pi, pi/2."""
    text = re.sub(r"(?<=[\d.])\s*pi", "*pi", text.strip().lower())
    if not re.fullmatch(r"[-+*/.()\d\se]*(pi[-+*/.()\d\se]*)*", text):
        raise ValueError(text)
    return float(eval(text, {"__builtins__": {}, "pi": math.pi}))


# --- rows


@dataclass
class Row:
    """One row of a table: values as text, by name, under the header that held there."""

    line: int
    names: list[str]
    values: list[str]
    constants: dict[str, str]
    #: It is the first one after a header that is not the file's first.
    resumes: bool

    def fault(self, columns: list[str]) -> str | None:
        """What is wrong with the columns in use; None if nothing is."""
        if len(self.values) != len(self.names):
            return f"line {self.line}: {len(self.values)} columns"
        widths = {f"sigma_{name}{tail}" for name in self.names for tail in ("", f"_{name}")}
        for name in columns:
            try:
                value = float(self.values[self.names.index(name)])
            except ValueError:
                return f"line {self.line}: {name}"
            if not math.isfinite(value) or (name in widths and value <= 0):
                return f"line {self.line}: {name}"
        return None

    def __getitem__(self, name: str) -> float:
        return float(self.values[self.names.index(name)])


def rows_of(path: Path, names: list[str] | None = None) -> list[Row]:
    """Every row of a file, good or bad; ``#!`` within a row begins a header line."""
    content = path.read_bytes()
    for magic, unpacked in PACKED.items():
        if content.startswith(magic):
            content = unpacked(content)
    text = content.decode("utf-8-sig", errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    if path.suffix == ".csv":
        text = "#! FIELDS " + text.replace(",", " ")
    rows, constants, headers, resumes = [], {}, 0, False
    for at, line in enumerate(text.split("\n"), 1):
        data, hash_sign, tail = line.partition("#")
        if data.split() and not data.startswith("@"):  # of xvg files
            columns = names or [str(i) for i in range(len(data.split()))]
            rows.append(Row(at, columns, data.split(), dict(constants), resumes))
            resumes = False
        words = tail.lstrip("! ").split() if hash_sign else []
        if words[:1] == ["FIELDS"]:
            names, headers = words[1:], headers + 1
            resumes = headers > 1
        elif words[:1] == ["SET"]:
            constants[words[1]] = words[2]
    return rows


def accepted(rows: list[Row], columns_of, *, skip: bool) -> list[Row]:
    """The rows without fault in the columns in use; with a fault only if they may be skipped."""
    faults = [row.fault(columns_of(row)) for row in rows]
    if not skip and any(faults):
        raise Disagreement(f"should be refused: {next(filter(None, faults))}")
    return [row for row, fault in zip(rows, faults) if fault is None]


def period_of(row: Row, names: list[str]) -> np.ndarray:
    bounds = [(row.constants.get(f"min_{n}"), row.constants.get(f"max_{n}")) for n in names]
    return np.array([number(b) - number(a) if a and b else 0.0 for a, b in bounds])


class Disagreement(Exception):
    """The oracle expects something else."""


# --- surfaces


@dataclass
class Written:
    """A surface as it was written: points [m, d], values [m], slopes [d, m] or None."""

    names: list[str]
    axes: list[np.ndarray]
    periodic: list[bool]
    values: np.ndarray
    slopes: np.ndarray | None

    @property
    def points(self) -> np.ndarray:
        grid = np.meshgrid(*self.axes[::-1], indexing="ij")[::-1]  # the first CV runs fastest
        return np.stack([axis.ravel() for axis in grid], axis=-1)


def read_surface(path: Path) -> Written:
    """Read a .dat file; its rows must lie where its header says."""
    lines = path.read_text().splitlines()
    constants = {w[2]: w[3] for w in (line.split() for line in lines) if w[:2] == ["#!", "SET"]}
    names = [name.removeprefix("nbins_") for name in constants if name.startswith("nbins_")]
    periodic = [constants[f"periodic_{name}"] == "true" for name in names]
    axes = []
    for name, wraps in zip(names, periodic):
        low, high = number(constants[f"min_{name}"]), number(constants[f"max_{name}"])
        axes.append(np.linspace(low, high, int(constants[f"nbins_{name}"]), endpoint=not wraps))
    data = np.loadtxt(lines, comments="#", ndmin=2)
    d = len(names)
    slopes = data[:, d + 1 :].T if data.shape[1] == 2 * d + 1 else None
    found = Written(names, axes, periodic, data[:, d], slopes)
    if len(data) != len(found.points) or np.abs(data[:, :d] - found.points).max() > 2e-9 * (
        1 + np.abs(found.points).max()
    ):
        raise Disagreement(f"{path.name}: rows are not where the header says")
    return found


def check_grid(surface: Written, asked: Command, centers: np.ndarray, ranges: bool) -> None:
    """Bounds and bins as asked for; bounds that were not enclose all centers."""
    low, high, bins = (asked.numbers(o) for o in ("--min", "--max", "--bin"))
    for i, axis in enumerate(surface.axes):
        if bins and len(axis) != int(bins[i]) + (not surface.periodic[i]):
            raise Disagreement(f"{surface.names[i]}: {len(axis)} points, {bins[i]:g} bins asked")
        if surface.periodic[i]:
            continue
        if low and (abs(axis[0] - low[i]) > 1e-9 or abs(axis[-1] - high[i]) > 1e-9):
            raise Disagreement(f"{surface.names[i]}: {axis[0]} to {axis[-1]}")
        if (
            not low
            and ranges
            and not axis[0] <= centers[:, i].min() <= centers[:, i].max() <= axis[-1]
        ):
            raise Disagreement(f"{surface.names[i]}: the grid does not enclose all rows")


# --- sum_hills


def hill_names(row: Row) -> list[str]:
    """The CVs of a HILLS file: the columns that have a sigma."""
    return [n for n in row.names if {f"sigma_{n}", f"sigma_{n}_{n}"} & set(row.names)]


def hill_columns(row: Row) -> list[str]:
    sigmas = [n for n in row.names if n.startswith("sigma_")]
    return [*dict.fromkeys([*hill_names(row), *sigmas, "height"])]


def packed_inverse(row: Row, names: list[str]) -> list[float]:
    """The lower triangle of a hill's inverse covariance."""
    factor = np.zeros((len(names), len(names)))
    for i, a in enumerate(names):
        for j, b in enumerate(names[: i + 1]):
            columns = [c for c in (f"sigma_{a}_{b}", f"sigma_{b}_{a}") if c in row.names]
            if columns:
                factor[i, j] = row[columns[0]]
            elif i == j:
                factor[i, i] = row[f"sigma_{a}"]
    inverse = np.linalg.inv(factor @ factor.T)
    return inverse[np.tril_indices(len(names))].tolist()


def hills_sum(rows: list[Row], points: np.ndarray, *, negbias: bool = False):
    """(F [m], dF/ds [d, m]) of hills, each with the kernel its header names."""
    names = hill_names(rows[0]) if rows else []
    total, slopes = np.zeros(len(points)), np.zeros((len(names), len(points)))
    period = period_of(rows[0], names) if rows else None
    for kernel in ("gaussian", "stretched-gaussian"):
        chosen = [r for r in rows if r.constants.get("kerneltype", "stretched-gaussian") == kernel]
        if not chosen:
            continue
        heights = [row["height"] * (tempering(row) if negbias else 1) for row in chosen]
        inverses = [packed_inverse(row, names) for row in chosen]
        if len(names) == 1:  # one number is a width to kernel_sum
            inverses = [[1 / math.sqrt(value)] for (value,) in inverses]
        centers = np.array([[row[n] for n in names] for row in chosen])
        profile = "gaussian" if kernel == "gaussian" else "stretched_gaussian"
        values, gradient = kernel_sum(
            points, period, centers, np.array(inverses), np.array(heights), profile, "nearest"
        )
        total, slopes = total - values, slopes - gradient
    return total, slopes


def tempering(row: Row) -> float:
    """What --negbias multiplies a height by."""
    return (row["biasf"] - 1) / row["biasf"] if "biasf" in row.names else 1.0


def blocks_of(rows: list[Row], asked: Command) -> list[list[Row]]:
    """The hills of each file that is written."""
    stride = int(asked.one("--stride", "0"))
    if not stride:
        return [rows]
    ends = [*range(stride, len(rows) + 1, stride), len(rows)]
    begins = [0, *ends[:-1]] if "--nohistory" in asked.options else [0] * len(ends)
    return [rows[a:b] for a, b in zip(begins, ends)]


def check_hills(folder: Path, asked: Command, written: list[str], rows: list[Row], scale=1.0):
    """Compare every file that sum_hills wrote with the sum of its hills."""
    blocks = blocks_of(rows, asked)
    if len(written) != len(blocks):
        raise Disagreement(f"{len(written)} files, expected {len(blocks)}")
    names = hill_names(rows[0])
    centers = np.array([[row[n] for n in names] for row in rows])
    for name, block in zip(written, blocks):
        surface = read_surface(folder / name)
        check_grid(surface, asked, centers, ranges=True)
        points = surface.points
        negbias = "--negbias" in asked.options
        values, slopes = (scale * x for x in hills_sum(block, points, negbias=negbias))
        if "--mintozero" in asked.options:
            values = values - values.min()
        slack = 1e-8 + 1e-9 * np.abs(values) + 1e-9 * np.abs(slopes).max(initial=0)
        error = np.abs(surface.values - values)
        if not (error <= slack).all():
            raise Disagreement(f"{name}: F is off by {error.max():.3g}")
        check_slopes(name, surface, slopes)


def check_slopes(name: str, surface: Written, slopes) -> None:
    """Hills end with a jump of their slope: single points there may differ."""
    if surface.slopes is None or not slopes.size:
        return
    wrong = np.abs(surface.slopes - slopes) > 1e-7 * (1 + np.abs(slopes).max(initial=0))
    if wrong.mean() > 0.02:
        raise Disagreement(f"{name}: {wrong.mean():.0%} of the derivatives are off")


def check_histogram(path: Path, asked: Command, rows: list[Row]) -> None:
    """Compare a histogram, -kT ln of the sum of kernels of height 1."""
    surface = read_surface(path)
    centers = np.array([[row[n] for n in surface.names] for row in rows])
    check_grid(surface, asked, centers, ranges=True)
    period, weights = period_of(rows[0], surface.names), np.ones(len(rows))
    widths = np.array(asked.numbers("--sigma"))
    total, _ = kernel_sum(
        surface.points, period, centers, widths, weights, "stretched_gaussian", "nearest"
    )
    kbt = thermal_energy(asked)
    with np.errstate(divide="ignore"):
        compare(path.name, surface.values, -kbt * np.log(total), kbt, 1e-6)


# --- reweight


def thermal_energy(asked: Command) -> float:
    units = asked.one("--units", "kj/mol").lower()
    if temperature := asked.one("--temp"):
        return GAS_CONSTANT[units] * number(temperature)
    return number(asked.one("--kt", "1"))


def bias_names(row: Row, asked: Command) -> list[str]:
    if "--no-bias" in asked.options:
        return []
    ending = ".rbias" if "--rbias" in asked.options else ".bias"
    return asked.names("--bias") or [*dict.fromkeys(n for n in row.names if n.endswith(ending))]


def cv_names(row: Row, asked: Command) -> list[str]:
    rest = [n for n in row.names if n not in ("time", "clock") and "." not in n]
    return named(row, asked.names("--cv")) or rest


def named(row: Row, wanted: list[str]) -> list[str]:
    """Columns by name, or by number in a file that has no names."""
    return [n for n in wanted if n in row.names] or [row.names[int(n)] for n in wanted]


def window(rows: list[Row], cvs: list[str], asked: Command) -> list[Row]:
    """The rows of one file within --skip, --start and --stop, without repeats at a restart."""
    rows = rows[int(asked.one("--skip", "0")) :]
    times = [row["time"] if "time" in row.names else 0.0 for row in rows]
    moves = len(set(times)) > 1
    low, high = (number(asked.one(o, d)) for o, d in (("--start", "-1e99"), ("--stop", "1e99")))
    kept, before = [], None
    for row, time in zip(rows, times):
        frame = (time, *(row[n] for n in cvs))
        repeats = moves and row.resumes and frame == before
        if low <= time <= high and not repeats:
            kept.append(row)
        before = frame
    return kept


def check_frames(path: Path, asked: Command, rows: list[Row], reported: list[float], scale=1.0):
    """Compare what reweight wrote with the sum of Gaussians of the reported bandwidth."""
    surface = read_surface(path)
    cvs = surface.names
    centers = np.array([[row[n] for n in cvs] for row in rows])
    check_grid(surface, asked, centers, ranges=False)
    given = asked.numbers("--sigma") if asked.one("--sigma", "auto") != "auto" else []
    if given and not np.allclose(given, reported, rtol=1e-3):
        raise Disagreement(f"bandwidth {reported}, asked {given}")
    kbt = thermal_energy(asked)
    log_weights = np.array([sum(row[b] for b in bias_names(row, asked)) / kbt for row in rows])
    period, width = period_of(rows[0], cvs), np.array(given or reported)
    values = free_energy(surface.points, period, centers, width, log_weights, kbt)
    if "--mintozero" in asked.options:
        values = values - values.min()
    compare(path.name, surface.values, values * scale, kbt * scale, 1e-6 if given else 0.03)


def compare(name: str, found: np.ndarray, expected: np.ndarray, kbt: float, slack: float) -> None:
    """Within ``slack`` kT where F is below TAIL kT; beyond it may be cut, and only there."""
    near = expected < expected.min() + (TAIL if slack < 0.01 else 10) * kbt
    error = np.abs(found[near] - expected[near]) / kbt
    if not (error <= slack).all():
        raise Disagreement(f"{name}: F is off by {error.max():.3g} kT")
    if not (found >= found[near].min() - slack * kbt).all():
        raise Disagreement(f"{name}: F is below its minimum")
