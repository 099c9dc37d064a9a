"""Which basin each frame is in: the table, the lists for other programs, regions of basins."""

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import grid_points
from plumed_files import report_of, run

from cyfes import FreeEnergySurface
from cyfes.assign import assign_frames, labels_of
from cyfes.deltag import difference_of_frames
from cyfes.errors import InputError
from cyfes.grid import Grid
from cyfes.regions import GridRegion, Region, TwoRegions
from cyfes.reweight import SampleStream, read_samples
from cyfes.selection import Selection

KBT = 1.0
GRID = Grid(("x", "y"), (-math.pi, -2.0), (math.pi, 2.0), (36, 21), (True, False))
#: Two wells along x, the lower one across the end of its period.
WELLS = FreeEnergySurface(
    GRID,
    6 * np.cos(2 * GRID.axes[0])[:, None] * -1
    + np.cos(GRID.axes[0])[:, None]
    + GRID.axes[1] ** 2 / 2,
    KBT,
    units="kt",
)
NO_BIAS = Selection(cv=("x", "y"), no_bias=True)
PERIODIC = "#! SET min_x -pi\n#! SET max_x pi\n"


def write_frames(path, frames, start=0.0, header=PERIODIC):
    rows = "".join(f" {start + i:g} {x:.6f} {y:.6f}\n" for i, (x, y) in enumerate(frames))
    path.write_text(f"#! FIELDS time x y\n{header}{rows}")
    return path


def frames(n=200, seed=0):
    rng = np.random.default_rng(seed)
    return np.round(np.column_stack([rng.uniform(-math.pi, math.pi, n), rng.normal(0, 1, n)]), 6)


def stream(*paths, **changes):
    return SampleStream(paths, 1.0, Selection(cv=("x", "y"), no_bias=True, **changes))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    WELLS.to_npz("fes.npz")
    write_frames(tmp_path / "COLVAR", frames())
    return tmp_path


def report(capsys, *arguments):
    code, out, err = run(capsys, *arguments)
    assert (code, err) == (0, "")
    return report_of(out)


def nearest(grid, places):
    """The nearest point of each place by looking at all of them; -1 off the grid."""
    off = places[:, None, :] - grid_points(grid)
    period = np.where(grid.period > 0, grid.period, np.inf)
    wraps = np.isfinite(period)
    off[..., wraps] -= period[wraps] * np.rint(off[..., wraps] / period[wraps])
    inside = np.all((np.abs(off) <= grid.spacing / 2 + 1e-12), axis=2).any(axis=1)
    return np.where(inside, np.argmin((off / grid.spacing) ** 2 @ np.ones(grid.n_dims), axis=1), -1)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.lists(st.booleans(), min_size=1, max_size=3))
def test_the_nearest_point_of_the_grid(seed, wraps):
    d, rng = len(wraps), np.random.default_rng(seed)
    names, shape = ("a", "b", "c")[:d], tuple(int(n) for n in rng.integers(2, 6, d))
    grid = Grid(names, (-1.0,) * d, (1.5,) * d, shape, tuple(wraps))
    places = rng.uniform(-4, 4, (40, d))
    np.testing.assert_array_equal(grid.nearest(list(places.T)), nearest(grid, places))


def test_no_number_is_off_the_grid():
    assert GRID.nearest([np.array([0.0, np.nan]), np.array([np.inf, 0.0])]).tolist() == [-1, -1]


def test_frames_go_to_the_basin_of_the_nearest_point(folder):
    basins = WELLS.basins(0.5)
    assert len(basins) == 2
    found = assign_frames(stream("COLVAR"), GRID, basins.labels)
    expected = np.where(np.abs(frames()[:, 0]) > math.pi / 2, 0, 1)
    off = np.abs(frames()[:, 1]) > 2.1
    ridge = np.abs(np.abs(frames()[:, 0]) - math.pi / 2) < 0.4
    np.testing.assert_array_equal(found.basins[off], -1)
    np.testing.assert_array_equal(found.basins[~off & ~ridge], expected[~off & ~ridge])
    assert found.n_off == off.sum() > 0
    assert found.counts.sum() + found.n_off == len(found) == 200
    np.testing.assert_array_equal(found.times, np.arange(200))
    np.testing.assert_array_equal(np.sort(np.concatenate([found.frames_of(k) for k in (0, 1)])),
                                  np.flatnonzero(found.basins >= 0))  # fmt: skip
    assert found.table().splitlines()[-1].split()[:2] == ["none", str(found.n_off)]


def test_a_restart_and_the_rows_left_out_do_not_shift_the_frames(folder):
    first, second = frames(20), frames(20, seed=1)
    text = write_frames(folder / "a", first).read_text()
    again = write_frames(folder / "b", np.vstack([first[-1:], second]), start=19).read_text()
    (folder / "COLVAR").write_text(text + again)
    labels = np.zeros(GRID.shape, int)
    found = assign_frames(stream("COLVAR"), GRID, labels)
    np.testing.assert_array_equal(found.frames, np.arange(40))
    np.testing.assert_array_equal(found.times, np.arange(40))
    later = assign_frames(stream("COLVAR", start=25.0, every=3), GRID, labels)
    assert set(later.frames) < set(range(25, 40))
    np.testing.assert_array_equal(later.times, later.frames)
    every = assign_frames(stream("COLVAR"), GRID, labels, every=5)
    kept = every.frames >= 0
    np.testing.assert_array_equal(every.frames[kept], np.arange(8))
    np.testing.assert_array_equal(every.times[kept], 5 * np.arange(8))


def test_bad_rows_count_as_frames(folder):
    lines = (folder / "COLVAR").read_text().splitlines(keepends=True)
    lines[3 + 10] = " 10 nan 0\n"
    (folder / "COLVAR").write_text("".join(lines))
    found = assign_frames(stream("COLVAR", on_bad="skip"), GRID, np.zeros(GRID.shape, int))
    np.testing.assert_array_equal(found.frames, np.delete(np.arange(200), 10))


def test_several_files_are_counted_apart(folder):
    write_frames(folder / "B", frames(30, seed=3))
    found = assign_frames(stream("COLVAR", "B"), GRID, WELLS.basins().labels)
    assert found.n_files == 2
    np.testing.assert_array_equal(found.frames[found.files == 1], np.arange(30))
    assert {name for name, _ in found.lists()} == {
        f"file{f}_basin{b}" for f in (0, 1) for b in (0, 1)
    }


def test_frames_in_other_units_are_refused(folder):
    write_frames(folder / "D", frames() * 180, header="#! SET min_x -180\n#! SET max_x 180\n")
    with pytest.raises(InputError, match=r"x has the period 360 in the data and 6\.28319 on the"):
        assign_frames(stream("D"), GRID, WELLS.basins().labels)
    write_frames(folder / "E", frames() + np.array([0, 50]))
    with pytest.raises(InputError, match=r"no frame lies on the grid; the frames span .*CV y"):
        assign_frames(stream("E"), GRID, WELLS.basins().labels)


def test_the_command(folder, capsys):
    lines = report(capsys, "assign", "COLVAR", "--fes", "fes.npz", "--ndx", "b.ndx",
                   "--frames", "f_")  # fmt: skip
    found = assign_frames(stream("COLVAR"), GRID, WELLS.basins().labels)
    n = found.counts.tolist()
    assert lines["basin 0"].startswith(f"{n[0]} frames, {n[0] / 200:.2%}  x=")
    assert lines["in none"] == f"0 where F is not known, {found.n_off} off the grid"
    table = np.loadtxt("assign.dat")
    np.testing.assert_array_equal(table[:, 0], found.times)
    np.testing.assert_array_equal(table[:, 1], found.basins)
    np.testing.assert_array_equal(table[:, 2], np.arange(200))
    groups = {}
    for line in (folder / "b.ndx").read_text().splitlines():
        if re.fullmatch(r"\[ \S+ \]", line):
            group = groups.setdefault(line[2:-2], [])
        elif not line.startswith(";"):
            group += map(int, line.split())
    for k in (0, 1):
        listed = np.loadtxt(f"f_basin{k}.txt", dtype=int)
        np.testing.assert_array_equal(listed, found.frames_of(k))
        np.testing.assert_array_equal(groups[f"basin{k}"], listed + 1)


def test_a_map_of_basins_from_elsewhere(folder, capsys):
    labels = np.where(np.abs(GRID.axes[0]) > 1, 1, -1)[:, None] + np.zeros(GRID.shape)
    FreeEnergySurface(GRID, np.where(labels < 0, np.inf, labels)).to_dat("map.dat")
    lines = report(capsys, "assign", "COLVAR", "--basins", "map.dat", "-o", "t.dat")
    assert lines["basin 0"] == "0 frames, 0.00%"
    assert np.loadtxt("t.dat")[:, 1].max() == 1
    assert labels_of(labels, "map").min() == -1


def test_lines_of_an_index_file_fit_what_gromacs_reads(folder, capsys, monkeypatch):
    long = folder / ("x" * 200)
    write_frames(long, frames())
    others = [write_frames(folder / f"c{i}", frames(seed=1 + i)) for i in range(300)]
    names = [f"{folder}/{'x' * 200}", *map(str, others)]
    run(capsys, "assign", *names, "--fes", "fes.npz", "--ndx", "b.ndx")
    assert max(map(len, (folder / "b.ndx").read_text().splitlines())) < 4096


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["COLVAR"], "one of the arguments --fes --basins is required"),
        (["COLVAR", "--fes", "fes.npz", "--basins", "fes.npz"], "not allowed with"),
        (["COLVAR", "--basins", "fes.npz"], "expected numbers of basins, 0, 1, ..."),
        (["COLVAR", "--fes", "none.npz"], "cannot read none.npz"),
        (["none", "--fes", "fes.npz"], "cannot read none"),
        (["COLVAR", "--fes", "fes.npz", "--persistence", "-1"], "persistence must be at least 0"),
        (["COLVAR", "--fes", "fes.npz", "--trajectory-every", "0"], "must be at least 1, got 0"),
        (["OTHER", "--fes", "fes.npz"], "no column 'y'"),
    ],
)
def test_bad_input_is_refused_and_nothing_written(folder, capsys, arguments, words):
    (folder / "OTHER").write_text("#! FIELDS time x\n 0 1\n")
    before = sorted(folder.iterdir())
    code, _, err = run(capsys, "assign", *arguments)
    assert code == 2
    assert words in err.splitlines()[-1]
    assert sorted(folder.iterdir()) == before


# Regions of free energy differences


def test_a_mask_that_is_a_box_is_that_box(folder):
    box = Region.parse(["x=-1:1,y=-1:1"], "--b")
    edges = [axis - step / 2 for axis, step in zip(GRID.axes, GRID.spacing)]
    columns = list(grid_points(GRID).T)
    mask = box.contains(("x", "y"), columns, GRID.period).reshape(GRID.shape)
    low = [float(edges[i][np.flatnonzero(mask.any(axis=1 - i))[0]]) for i in (0, 1)]
    high = [float(edges[i][np.flatnonzero(mask.any(axis=1 - i))[-1] + 1]) for i in (0, 1)]
    text = f"x={low[0]!r}:{high[0]!r},y={low[1]!r}:{high[1]!r}"
    same = TwoRegions(None, Region.parse([text], "--b"))
    region = TwoRegions(None, GridRegion(GRID, mask, "the mask"))
    samples = read_samples("COLVAR", 1.0, NO_BIAS)
    one, other = (difference_of_frames(samples, r, 1.0) for r in (same, region))
    assert (one.value, one.error) == (other.value, other.error)
    assert "the mask" in str(region)


def test_the_difference_of_two_basins(folder, capsys):
    lines = report(capsys, "deltag", "COLVAR", "--no-bias", "--kt", "1", "--units", "kt",
                   "--a", "basin:0", "--b", "basin:1", "--fes", "fes.npz")  # fmt: skip
    n = assign_frames(stream("COLVAR"), GRID, WELLS.basins().labels).counts
    assert float(lines["dG = F(B) - F(A)"].split()[0]) == pytest.approx(
        -math.log(n[1] / n[0]), rel=1e-4
    )
    assert lines["A, B"].startswith("A: basin 0 of x [")
    grid = report(capsys, "deltag", "fes.npz", "--kt", "1", "--units", "kt", "--a", "basin:0",
                  "--b", "basin:1")  # fmt: skip
    minima = WELLS.basins().minima
    expected = -math.log(minima[1].probability / minima[0].probability)
    assert float(grid["dG = F(B) - F(A)"].split()[0]) == pytest.approx(expected, rel=1e-4)
    mixed = report(capsys, "deltag", "COLVAR", "--no-bias", "--kt", "1", "--units", "kt",
                   "--a", "basin:0", "--b", "x=-1:1", "--fes", "fes.npz")  # fmt: skip
    assert "-1 <= x < 1" in mixed["A, B"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["COLVAR", "--a", "basin:0"], "basin:N is a basin of a surface: give it as --fes"),
        (["COLVAR", "--a", "basin:9", "--fes", "fes.npz"], "no basin 9: there are 0 to 1"),
        (["COLVAR", "--a", "basin:a", "--fes", "fes.npz"], "'a' is not a whole number"),
        (["COLVAR", "--a", "x=0:1", "--fes", "fes.npz"], "--fes is for regions such as"),
        (["COLVAR", "--a", "basin:0", "--a", "x=0:1", "--fes", "fes.npz"], "boxes or basins"),
        (["fes.npz", "--a", "x=0:1", "--units", "kj/mol"], "fes.npz tells that it is in kT, not"),
    ],
)
def test_regions_that_are_no_basins_are_refused(folder, capsys, arguments, words):
    units = [] if "--units" in arguments else ["--units", "kt"]
    code, _, err = run(capsys, "deltag", *arguments, "--kt", "1", *units)
    assert code == 2
    assert words in err.splitlines()[-1]
