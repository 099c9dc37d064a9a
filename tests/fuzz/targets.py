"""What is fuzzed: how an input is made, and the law that it must not break.

A law returns, or raises a CyfesError where the input is refused; anything else is a fault.
"""

import gzip
import math
import random
import re
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import texts
from cases.oracle import accepted, hill_columns, hills_sum, rows_of
from oracles import grid_points

from cyfes import FreeEnergySurface, Grid, cli
from cyfes.convert import write_frames
from cyfes.errors import CyfesError, FileFormatError
from cyfes.gridfile import read_cube, read_dat, read_npz
from cyfes.hillsfile import read_hills
from cyfes.opesfile import read_opes
from cyfes.restraints import read_windows
from cyfes.surface import Surface
from cyfes.tables import format_of, read_header, read_table, reading
from cyfes.tables.formats import COLVARS_HILLS, COLVARS_PMF
from cyfes.units import parse_number

DATA = Path(__file__).resolve().parents[1] / "data" / "cases"
FORMATS = DATA.parent / "formats"


@dataclass(frozen=True)
class Target:
    """``make`` an input from random numbers; ``check`` the law on it, in a scratch folder."""

    make: Callable[[random.Random], bytes]
    check: Callable[[bytes, Path], None]


def require(condition: object, fault: str) -> None:
    if not condition:
        raise AssertionError(fault)


def stored(content: bytes, folder: Path, name: str) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@cache
def seeds(pattern: str) -> list[bytes]:
    """The files of the shipped cases with names like this."""
    return [path.read_bytes()[:4000] for path in sorted(DATA.glob(f"*/{pattern}"))]


def mutated(pattern: str) -> Callable[[random.Random], bytes]:
    def make(rng: random.Random) -> bytes:
        return texts.damaged(rng, rng.choice(seeds(pattern)), seeds(pattern))

    return make


# --- tables


def check_table(content: bytes, folder: Path) -> None:
    """The rows that are accepted, and their numbers to the bit, are those of plain Python."""
    names = content.partition(b"\n")[0].decode().split()[2:]
    wanted = names[: 1 + len(content) % 3]
    expected = texts.rows_of(content, wanted)
    path = stored(content, folder, "table")
    if not expected:
        try:
            read_table(path, wanted, on_bad="skip")
        except CyfesError:
            return
        require(False, "no good row, or no column, and no error")
    found = read_table(path, wanted, on_bad="skip", n_threads=1 + len(content) % 2).columns
    rows = np.stack([found[name] for name in wanted], axis=1)
    require(len(rows) == len(expected), f"{len(rows)} rows, expected {len(expected)}")
    require(rows.tobytes() == np.array(expected).tobytes(), "numbers differ in their bits")


HEADER_WORDS = (
    b"#! FIELDS SET time d min_d max_d -pi pi # sigma_d height 1 multivariate true \xff \x00"
).split(b" ")
HEADER_WORDS += [b"", b"\t"]


def make_header(rng: random.Random) -> bytes:
    lines = [
        b" ".join(rng.choices(HEADER_WORDS, k=rng.randint(1, 9))) for _ in range(rng.randint(1, 12))
    ]
    return texts.damaged(rng, b"\n".join([*lines, b"1 2 3", b""]), seeds("HILLS"))


def check_header(content: bytes, folder: Path) -> None:
    header = read_header(stored(content, folder, "header"))
    require(all(name.split() == [name] for name in header.fields), f"fields {header.fields}")


WINDOWS = [
    b"# file center k\nwindow 0.5 25\nwindow -1 2*pi\n",
    b"#! FIELDS file at_d kappa_d correlation temperature\nwindow 1 2 3 300\n",
    b"#! FIELDS time d r.d_cntr r.d_kappa\n0 1 2 3\n1 2 2 3\n",
]


def make_windows(rng: random.Random) -> bytes:
    return texts.damaged(rng, rng.choice(WINDOWS), WINDOWS)


def check_windows(content: bytes, folder: Path) -> None:
    """Windows that are not refused have restraints that can be, of files that are there."""
    stored(b"#! FIELDS time d r.bias\n0 1 0\n", folder, "window")
    found = read_windows(stored(content, folder, "list"))
    require(found.windows and found.names, "no windows, or no CVs, and no error")
    require(np.isfinite(found.centers).all(), f"centers {found.centers}")
    require((found.springs >= 0).all() and np.isfinite(found.springs).all(), "spring constants")
    require(
        all(Path(window.path).is_file() for window in found.windows), "a file that is not there"
    )


# --- sums


def check_hills(content: bytes, folder: Path) -> None:
    path = stored(content, folder, "HILLS")
    try:
        surface = FreeEnergySurface.from_hills(path, bins=[8], n_threads=1)
    except FileFormatError:
        surface = FreeEnergySurface.from_hills(path, bins=[6, 6], n_threads=1)
    require(not np.isnan(surface.values).any(), "F is nan")
    if not texts.GLUED.search(content):
        compare_hills(path, surface)


def compare_hills(path: Path, surface: FreeEnergySurface) -> None:
    """A file that is not refused has no bad row, and F is the sum of all.

    Unless a hill is so wide that the grid's coordinates, in double, are rounded by the width of
    another: then it is rounding that decides which points a narrow hill reaches.
    """
    rows = accepted(rows_of(path), hill_columns, skip=False)
    rounding = np.spacing(np.abs([*surface.grid.lower, *surface.grid.upper]).max())
    if rounding > 1e-6 * read_hills(path).sigmas.min():
        return
    with np.errstate(all="ignore"):
        expected, _ = hills_sum(rows, grid_points(surface.grid))
        scale = sum(abs(row["height"]) for row in rows)
        error = np.abs(surface.values.ravel() - expected).max()
    require(not error > 1e-7 * scale, f"F is off by {error:.3g}; heights: {scale:.3g}")


def check_frames(content: bytes, folder: Path) -> None:
    path = stored(content, folder, "COLVAR")
    options = {"bins": [12], "bandwidth": [0.2], "n_threads": 1, "on_bad": "skip"}
    surface = FreeEnergySurface.from_colvar(path, kbt=2.5, stream=False, **options)
    require(not np.isnan(surface.values).any(), "F is nan")
    require(np.isfinite(surface.values).any(), "F is infinite everywhere")


@cache
def opes_seeds() -> list[bytes]:
    """The first states and kernels of small OPES runs."""
    paths = sorted((DATA.parent / "opes-1d-per").glob("*S*.gz"))
    texts_of = [gzip.decompress(path.read_bytes()) for path in paths if "COLVAR" not in path.name]
    return [b"\n".join(text.split(b"\n")[:60]) + b"\n" for text in texts_of]


def make_opes(rng: random.Random) -> bytes:
    return texts.damaged(rng, rng.choice(opes_seeds()), opes_seeds())


def check_opes(content: bytes, folder: Path) -> None:
    """A state that is accepted has the Z of its kernels, and F nowhere above that of epsilon."""
    path = stored(content, folder, "STATE")
    state = read_opes(path, n_threads=1).states[-1]
    points = np.linspace(-3, 3, 16)[:, None].repeat(len(state.names), axis=1)
    found = state.free_energy(points, 1.0)
    require(not np.isnan(found).any(), "F is nan")
    highest = -state.exponent * math.log(state.epsilon)
    require(found.max() <= highest + 1e-9 * abs(highest), "F is above that of epsilon")
    with np.errstate(all="ignore"):
        way = state.centers[:, None, :] - state.centers
        way -= np.where(state.periods > 0, state.periods * np.rint(way / state.periods), 0.0)
        square = ((way / state.sigmas) ** 2).sum(axis=2)
        ends = np.exp(-square / 2) - math.exp(-(state.cutoff**2) / 2)
        zed = (np.maximum(ends, 0) @ state.heights).mean() / state.norm
    require(state.zed == 1 or abs(zed / state.zed - 1) < 2e-3, f"Z is {zed}, not {state.zed}")


# --- files of other programs


@cache
def foreign() -> list[bytes]:
    """The beginnings of the files of other programs."""
    return [path.read_bytes()[:3000] for path in sorted(FORMATS.glob("[!m]*.*"))]


def make_foreign(rng: random.Random) -> bytes:
    return texts.damaged(rng, rng.choice(foreign()), foreign())


def check_foreign(content: bytes, folder: Path) -> None:
    """What can be read reads the same after it was written as PLUMED's."""
    path = stored(content, folder, "file")
    told = {"axes": ["phi=-180:180:periodic", "d"], "units": "kj/mol", "gamma": 5.0}
    if format_of(str(path), "frames").name == COLVARS_PMF:
        require(not np.isnan(Surface.read(path, "kj/mol").values).all(), "F is nan")
        return
    try:
        with reading(COLVARS_HILLS, widths="sigma", **told):
            require(np.isfinite(read_hills(path, on_bad="skip").heights).all(), "a height is nan")
    except CyfesError:
        pass
    written = folder / "written"
    written.unlink(missing_ok=True)
    write_frames(written, str(path), on_bad="skip")
    names = list(dict.fromkeys(read_header(path).fields))
    before, after = (
        read_table(p, names, on_bad="skip", allow_nonfinite=True).columns for p in (path, written)
    )
    for name in names:
        require(np.array_equal(before[name], after[name], equal_nan=True), f"{name} differs")


# --- grids


@cache
def grids(suffix: str) -> list[bytes]:
    """Small surfaces as cyfes writes them."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for n_dims in (3,) if suffix == "cube" else (1, 2, 3):
            names = ["x", "y", "z"][:n_dims]
            bins, periodic = [4] * n_dims, [False] * n_dims
            grid = Grid.from_bins(names, [-1.0] * n_dims, [2.0] * n_dims, bins, periodic)
            values = np.linspace(0, 7, grid.size).reshape(grid.shape)
            path = Path(folder, f"{n_dims}.{suffix}")
            getattr(FreeEnergySurface(grid, values), f"to_{suffix}")(path)
            found.append(path.read_bytes())
    return found


def damaged_grid(suffix: str) -> Callable[[random.Random], bytes]:
    def make(rng: random.Random) -> bytes:
        content = rng.choice(grids(suffix))
        if rng.random() < 0.5:  # one bit, anywhere
            at = rng.randrange(len(content))
            flipped = content[at] ^ (1 << rng.randrange(8))
            return content[:at] + bytes([flipped]) + content[at + 1 :]
        return texts.damaged(rng, content, grids(suffix))

    return make


def grid_reader(suffix: str) -> Callable[[bytes, Path], None]:
    read = {"dat": read_dat, "npz": read_npz, "cube": read_cube}[suffix]

    def check(content: bytes, folder: Path) -> None:
        found = read(stored(content, folder, f"grid.{suffix}"))
        require(found.values.shape == tuple(found.grid.shape), "values do not fill the grid")

    return check


# --- numbers and options


def make_number(rng: random.Random) -> bytes:
    if rng.random() < 0.5:
        return texts.number(rng).encode()
    parts = "0 1 2 9 . e E + - * / ^ ( ) pi sqrt( exp( log( PI , _ inf nan ** 10 1e3 é".split()
    parts.append(" ")
    return "".join(rng.choices(parts, k=rng.randint(1, 12))).encode()


def check_number(content: bytes, folder: Path) -> None:
    text = content.decode()
    value = parse_number(text, "number")
    require(type(value) is float, f"{value!r} is not a float")
    if texts.PLAIN.fullmatch(text):
        require(value == float(text), f"{value!r}, expected {float(text)!r}")
    require(not math.isnan(value), "nan is not a number")


OPTIONS = (
    "--hills --histo --stride --nohistory --min --max --bin --spacing --idw --kt --sigma --outfile "
    "--fmt --negbias --mintozero --on-bad --cv --bias --rbias --no-bias --temp --units --start "
    "--stop --skip --every --stream --period --tol --tail --explain --logweights --threads "
    "--plumed-compat --help --version --outhisto --all --colvar --format --axes --gamma --widths "
    "--columns --to --"
).split()
VALUES = (
    "HILLS COLVAR HILLS,HILLS nothere . , 0 1 -1 2.49 -pi pi,pi 1e400 nan inf 10 10,10 "
    "99999999999999999999 1.5 d phi time d,phi metad.bias skip raise kt kj/mol kcal/mol auto 0.1 "
    "csv openmm colvars-hills phi=-pi:pi:periodic d=0:1 2sigma "
    "0.1,0.1 %14.9f %s %d %n %99999f --kt -- -0:1 0:2 a=b = é \t out.dat 50% 0.001 300"
).split(" ")
VALUES += ["", "-" * 3000, "9" * 400, "0.1," * 300]


def make_options(rng: random.Random) -> bytes:
    command, files = rng.choice([
        ("sum_hills", ["--hills", "HILLS", "--bin", "4"]),
        ("reweight", ["COLVAR", "--kt", "1", "--sigma", "0.2", "--bin", "4"]),
        ("opes", ["STATE", "--temp", "300", "--bin", "90"]),
        ("plot", ["fes.dat"]), ("convert", ["COLVAR", "-o", "out"]), ("info", []), ("", []),
    ])  # fmt: skip
    words = [command] if rng.random() < 0.97 else []
    words += files if rng.random() < 0.9 else []
    for _ in range(rng.randint(0, 4)):
        words.append(rng.choice(OPTIONS))
        if rng.random() < 0.7:
            words.append(rng.choice(VALUES))
    return "\n".join(word.replace("\n", "") for word in words).encode()


def check_options(content: bytes, folder: Path) -> None:
    for name, case in (("HILLS", "hills-mixed-2d"), ("COLVAR", "frames-window")):
        if not (folder / name).exists():
            stored((DATA / case / name).read_bytes(), folder, name)
    if not (folder / "STATE").exists():
        stored(opes_seeds()[1], folder, "STATE")
    try:
        code = cli.main(content.decode().split("\n"))
    except SystemExit as stop:
        code = stop.code
    finally:
        sys.stdout.flush()
        for path in folder.iterdir():
            if path.name not in ("HILLS", "COLVAR", "STATE", "stdout", "stderr"):
                path.unlink()
    said = (folder / "stderr").read_text(errors="replace")
    require(code in (None, 0, 2), f"exit {code}")
    require(code != 2 or re.search("error: .", said), "exit 2 and no error")
    require(max(map(len, said.splitlines()), default=0) < 2000, "a line as long as its input")


TARGETS = {
    "table": Target(texts.table, check_table),
    "header": Target(make_header, check_header),
    "windows": Target(make_windows, check_windows),
    "hills": Target(mutated("HILLS*"), check_hills),
    "frames": Target(mutated("COLVAR*"), check_frames),
    "opes": Target(make_opes, check_opes),
    "foreign": Target(make_foreign, check_foreign),
    **{
        suffix: Target(damaged_grid(suffix), grid_reader(suffix))
        for suffix in ("dat", "npz", "cube")
    },
    "number": Target(make_number, check_number),
    "options": Target(make_options, check_options),
}
