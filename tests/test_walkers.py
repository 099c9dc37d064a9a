"""Walkers in the order of the run, restarts that overlap, PBMETAD, patterns of files."""

import gzip
import math
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from plumed_files import report_of, run

from cyfes.cli.common import files
from cyfes.errors import CyfesWarning, FileFormatError, InputError
from cyfes.fes import FreeEnergySurface
from cyfes.hillparts import were_in_bias
from cyfes.hillsfile import read_hill_sets, read_hills
from cyfes.hillweights import read_hill_bias, read_weighted
from cyfes.restarts import overlap_of, parts_of, parts_order, superseded
from cyfes.reweight import SampleStream, read_samples
from cyfes.selection import Selection
from cyfes.walkers import hills_in_order, run_order, samples_in_order

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


# The order of walkers


@given(
    st.lists(st.integers(0, 2), min_size=6, max_size=40),
    st.permutations(range(3)),
    st.booleans(),
)
def test_walkers_merge_to_the_run_they_are_of(owners, order, clocked):
    times, owners = np.arange(len(owners), dtype=float), np.array(owners)
    chosen = [np.flatnonzero(owners == k) for k in order]
    rows, ends = np.concatenate(chosen), np.cumsum([len(c) for c in chosen]).tolist()
    clocks = 1700000000 + times[rows] // 3 if clocked else None
    assume(clocked or parts_order([times[some] for some in chosen]) is None)
    found, _ = run_order(ends, times[rows], clocks)
    found = np.arange(len(rows)) if found is None else found
    assert rows[found].tolist() == list(range(len(owners)))


@pytest.mark.parametrize("clocked", [True, False])
def test_the_order_of_the_files_does_not_matter(tmp_path, clocked):
    # Same times, and a clock of whole seconds: much is equal.
    paths = [
        write_run(tmp_path / f"HILLS.{k}", *metad(12, seed=k),
                  clocks=1700000000 + np.arange(12) // 5 if clocked else None)
        for k in range(3)
    ]  # fmt: skip
    found = [hills_in_order(read_hills(some))[0] for some in permutations(paths)]
    for other in found[1:]:
        np.testing.assert_array_equal(other.centers, found[0].centers)
    assert sorted(found[0].times) == found[0].times.tolist()


def test_blocks_of_walkers_are_those_of_one_file(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    times, centers, heights = metad(30)
    write_run(tmp_path / "HILLS", times, centers, heights)
    for k in (0, 1):
        own = slice(k, None, 2)
        write_run(tmp_path / f"HILLS.{k}", times[own], centers[own], heights[own],
                  clocks=1700000000 + 2 * times[own])  # fmt: skip
    blocks = ["--stride", "7", "--bin", "30"]
    assert run(capsys, "sum_hills", "HILLS", *blocks, "--outfile", "one_")[::2] == (0, "")
    code, out, err = run(capsys, "sum_hills", "HILLS.1", "HILLS.0", *blocks, "--outfile", "two_")
    assert code == 0
    assert report_of(out)["hills read"] == "30 from HILLS.1,HILLS.0"
    assert "2 files are merged in the order of clock" in err
    for k in range(5):
        assert Path(f"one_{k}.dat").read_text() == Path(f"two_{k}.dat").read_text()
    rows = [
        p.read_text().splitlines()[-5:] for p in map(Path, ("one_blocks.dat", "two_blocks.dat"))
    ]
    assert rows[0] == rows[1]
    for option in (["--order", "files"], ["--plumed-compat"]):
        code, _, err = run(
            capsys, "sum_hills", "HILLS.1", "HILLS.0", *blocks, *option, "--outfile", "three_"
        )
        assert code == 0
        assert "one after another, not the time of the run" in err
        assert Path("three_0.dat").read_text() != Path("one_0.dat").read_text()


def two_files(times=(5, 5), clocks=None):
    all_times = np.concatenate([np.arange(n, dtype=float) for n in times])
    return np.cumsum(times).tolist(), all_times, None if clocks is None else np.array(clocks, float)


def test_clocks_that_some_files_lack_do_not_count():
    ends, times, clocks = two_files((2, 2), [10, 20, math.nan, math.nan])
    with pytest.warns(CyfesWarning, match="clock is missing in 1 of 2 files.*order of time"):
        order, remark = run_order(ends, times, clocks)
    assert order.tolist() == [0, 2, 1, 3]
    assert "order of time" in remark


def test_clocks_that_cannot_be_compared_are_warned_of():
    ends, times, clocks = two_files((3, 3), [10, 30, 20, 15, 25, 35])
    with pytest.warns(CyfesWarning, match="goes back by 10 s within a file"):
        order, _ = run_order(ends, times, clocks)
    assert order.tolist() == [0, 3, 4, 1, 2, 5]
    ends, times, clocks = two_files((3, 3), [10, 20, 30, 1010, 1020, 1030])
    with pytest.warns(CyfesWarning, match="do not overlap, though their times do"):
        order, _ = run_order(ends, times, clocks)
    assert order is None


def test_parts_after_a_restart_come_one_after_another():
    times = np.array([1.0, 2, 3, 2, 3, 1, 2, 1, 3])
    order, _ = run_order([5, 9], times)
    assert times[order].tolist() == [1, 1, 2, 2, 3, 1, 2, 3, 3]
    with pytest.warns(CyfesWarning, match="goes back 1, 0 times in the 2 files"):
        order, _ = run_order([5, 7], times[:7])
    assert sorted(order.tolist()) == list(range(7))


def test_frames_of_walkers_do_not_depend_on_the_order_of_their_files(tmp_path):
    rng = np.random.default_rng(0)
    paths = [write_frames(tmp_path / f"C{k}", range(9), rng.uniform(-3, 3, 9)) for k in range(3)]
    found = [
        samples_in_order(read_samples(some, KBT, timed=True))[0] for some in permutations(paths)
    ]
    for other in found[1:]:
        np.testing.assert_array_equal(other.values, found[0].values)
        np.testing.assert_array_equal(other.log_weights, found[0].log_weights)


def test_shipped_walkers_are_merged_by_their_clocks(tmp_path):
    parts = []
    for k in (0, 1):
        text = gzip.decompress((DATA / "gen-walkers" / f"HILLS.{k}.gz").read_bytes()).decode()
        (tmp_path / f"HILLS.{k}").write_text(text)
        parts.append(np.loadtxt(text.splitlines(), comments="#!"))
    rows = np.concatenate(parts)
    hills, remark = hills_in_order(read_hills([tmp_path / "HILLS.0", tmp_path / "HILLS.1"]))
    assert "order of clock" in remark
    # The clock has whole seconds, in which the time of the run counts.
    np.testing.assert_array_equal(hills.clocks, np.sort(rows[:, -1]))
    for clock in np.unique(rows[:, -1]):
        same = hills.clocks == clock
        np.testing.assert_array_equal(hills.times[same], np.sort(rows[rows[:, -1] == clock, 0]))


def shipped_walkers():
    """Paths of (COLVAR.0, COLVAR.1), (HILLS.0, HILLS.1) of gen-walkers."""
    source = DATA / "gen-walkers"
    return [[str(source / f"{name}.{k}.gz") for k in (0, 1)] for name in ("COLVAR", "HILLS")]


@pytest.mark.filterwarnings("ignore:the bias V\\(s, t\\) of the hills and m.bias differ")
def test_frames_find_the_hills_of_their_walker():
    colvars, hills = shipped_walkers()
    want = read_hill_bias(colvars, hills, KBT)
    ends = want.samples.ends
    other = read_hill_bias(colvars, hills[::-1], KBT)
    np.testing.assert_allclose(other.running, want.running, atol=1e-9)
    np.testing.assert_allclose(other.offset, want.offset, atol=1e-9)
    alone = read_hill_bias(colvars[1], hills, KBT)
    np.testing.assert_allclose(alone.running, want.running[ends[0] :], atol=1e-9)
    # Each pair of frame and hill by its clock: a walker has all that was there before its own.
    order = hills_in_order(want.hills)[0]
    for k, frame in ((0, 700), (1, 1200)):
        rows = slice(ends[k - 1] if k else 0, ends[k])
        time, place = want.samples.times[rows][frame], want.samples.values[rows][frame]
        own = want.hills[slice(1500 * k, 1500 * (k + 1))]
        next_one = own.centers[np.searchsorted(own.times, time - 1e-4)]
        n = int(np.flatnonzero((order.centers == next_one).all(axis=1))[0])
        bias = -0.9 * order[:n].free_energy(place[None])[0]
        assert want.running[rows][frame] == pytest.approx(bias, abs=1e-9)


# What a restart has again


@given(st.lists(st.floats(0, 100), min_size=1, max_size=30), st.integers(0, 29), st.integers(0, 29))
def test_dropping_the_overlap_leaves_the_run_that_went_on(steps, cut, back):
    times = np.cumsum(np.array(steps) + 1e-3)
    cut = min(max(cut, 1), len(times))
    start = max(cut - 2 - back, 1) if cut > 2 else cut
    joined = np.concatenate([times[:cut], times[start:]]) if start < len(times) else times
    again = overlap_of([joined])[0]
    assert joined[~again].tolist() == times.tolist()


def test_a_clock_that_begins_anew_supersedes_nothing():
    parts = [np.array(p, float) for p in ([1, 2, 3], [1, 2, 3], [3, 4])]
    assert [mask.tolist() for mask in superseded(parts)] == [
        [False] * 3, [False, False, True], [False] * 2,
    ]  # fmt: skip
    earlier = [np.array(p, float) for p in ([1, 2, 3], [3, 4], [2, 3, 4])]
    assert [mask.tolist() for mask in superseded(earlier)] == [
        [False, True, True], [True, True], [False] * 3,
    ]  # fmt: skip
    assert len(parts_of(np.array([1.0, 2, 2, 3]))) == 1


def restarted(tmp_path, read_back, in_files=False):
    """HILLS of a run that goes on from a checkpoint at 40 of 50 hills; METAD reads back all, or 40.

    Returns (paths, the rows that are left without the overlap).
    """
    times, centers, heights = metad(50)
    n = 50 if read_back else 40
    more = metad(40, 1, (centers[:n], heights[:n]), start=40)
    if in_files:
        paths = [write_run(tmp_path / "HILLS.a", times, centers, heights),
                 write_run(tmp_path / "HILLS.b", *more)]  # fmt: skip
    else:
        whole = [[*a, *b] for a, b in zip((times, centers, heights), more)]
        paths = [write_run(tmp_path / "HILLS", *whole)]
    left = [[*a[:40], *b] for a, b in zip((times, centers, heights), more)]
    return paths, left


@pytest.mark.parametrize("in_files", [False, True])
def test_hills_of_a_restart_are_kept_as_metad_reads_them(tmp_path, in_files):
    paths, left = restarted(tmp_path, read_back=True, in_files=in_files)
    hills = read_hills(paths)
    assert len(hills) == 90
    note = hills.notes[-1]
    assert "a restart has 10 rows of times 41 to 50 again; kept" in note
    assert "heights of later hills tell so" in note
    again = np.zeros(90, bool)
    again[40:50] = True
    assert were_in_bias(hills, again)
    with pytest.warns(CyfesWarning, match="were in its bias: --on-overlap keep is right"):
        dropped = read_hills(paths, on_overlap="drop")
    np.testing.assert_allclose(dropped.centers[:, 0], left[1], rtol=1e-14)


@pytest.mark.parametrize("in_files", [False, True])
def test_hills_of_a_restart_are_dropped_where_it_did_not_read_them(tmp_path, in_files):
    paths, left = restarted(tmp_path, read_back=False, in_files=in_files)
    hills = read_hills(paths, on_overlap="drop")
    assert hills.dropped == {"in the overlap of a restart": 10}
    assert "10 rows of times 41 to 50 dropped" in hills.notes[-1]
    without = read_hills(write_run(tmp_path / "WITHOUT", *left))
    for name in ("centers", "heights", "sigmas", "times"):
        np.testing.assert_array_equal(getattr(hills, name), getattr(without, name))
    assert hills.ends == ((40, 80) if in_files else (80,))
    with pytest.warns(CyfesWarning, match="were not in its bias: --on-overlap drop is right"):
        assert len(read_hills(paths)) == 90


def test_heights_that_do_not_tell(tmp_path):
    paths, _ = restarted(tmp_path, read_back=True)
    hills = read_hills(paths)
    again = np.zeros(90, bool)
    again[40:50] = True
    assert were_in_bias(replace(hills, biasfactors=np.full(90, -1.0)), again) is None
    assert were_in_bias(replace(hills, heights=np.ones(90)), again) is None
    assert were_in_bias(hills[:55], again[:55]) is None


@pytest.mark.parametrize("in_files", [False, True])
def test_an_overlap_can_be_an_error(tmp_path, in_files):
    paths, _ = restarted(tmp_path, read_back=True, in_files=in_files)
    match = (
        "the next file has 10 rows again" if in_files else "time goes back from 50 to 41 at line 54"
    )
    with pytest.raises((InputError, FileFormatError), match=match):
        read_hills(paths, on_overlap="raise")
    with pytest.raises(InputError, match="on_overlap is one of keep, drop, raise"):
        read_hills(paths, on_overlap="no")


def test_walkers_do_not_go_on_with_each_other(tmp_path):
    paths = [write_run(tmp_path / f"HILLS.{k}", *metad(20, seed=k, start=5 * k),
                       clocks=np.arange(20) + 1000) for k in (0, 1)]  # fmt: skip
    assert len(read_hills(paths, on_overlap="drop")) == 40


def test_metad_reads_hills_behind_its_time_at_a_restart(tmp_path):
    """The run of gen-restart began at time 0 again, with 1000 hills up to time 300 in HILLS."""
    paths = []
    for name in ("HILLS", "COLVAR"):
        paths.append(tmp_path / name)
        paths[-1].write_bytes(gzip.decompress((DATA / "gen-restart" / f"{name}.gz").read_bytes()))
    hills = read_hills(paths[0])
    rows = np.loadtxt(paths[1].read_text().splitlines(), comments="#!")
    first = rows[np.flatnonzero(np.diff(rows[:, 0]) < 0) + 1]
    all_before = -0.9 * hills[:1000].free_energy(first[:, 1:3])
    np.testing.assert_allclose(all_before, first[:, 3], atol=2e-3)


def test_a_restart_with_a_clock_that_began_anew_is_kept(tmp_path):
    text = gzip.decompress((DATA / "gen-restart" / "HILLS.gz").read_bytes())
    (tmp_path / "HILLS").write_bytes(text)
    hills = read_hills(tmp_path / "HILLS", on_overlap="drop")
    assert len(hills) == 2000
    why = "all rows are kept, as a clock that began anew"
    assert hills.notes[0].endswith(f"time goes back from 300 to 0.3 at line 1007; {why}")


def test_a_part_that_begins_soon_after_the_first_is_warned_of(tmp_path):
    whole = [[*a, *b] for a, b in zip(metad(20), metad(9, 1, start=2))]
    with pytest.warns(CyfesWarning, match="18 of 29 rows are dropped, .* its clock began anew"):
        read_hills(write_run(tmp_path / "a", *whole), on_overlap="drop")


def test_parts_of_a_run_come_one_after_another(tmp_path):
    paths, _ = restarted(tmp_path, read_back=True, in_files=True)
    for some in (paths, paths[::-1]):
        hills, remark = hills_in_order(read_hills(some))
        assert hills.times.tolist() == [*range(1, 51), *range(41, 81)]
        assert "as parts of one run" in remark
    with pytest.warns(CyfesWarning, match="keep is right"):
        assert len(read_hills(paths[::-1], on_overlap="drop")) == 80


# Frames


def frames_of(tmp_path, in_files=False):
    """COLVAR of 30 frames that goes on from 20 on, other frames; (paths, times, values) left."""
    rng = np.random.default_rng(2)
    first, second = rng.uniform(-3, 3, (2, 30))
    if in_files:
        paths = [write_frames(tmp_path / "C.a", range(30), first),
                 write_frames(tmp_path / "C.b", range(20, 50), second)]  # fmt: skip
    else:
        times, values = [*range(30), *range(20, 50)], [*first, *second]
        paths = [write_frames(tmp_path / "C", times, values, header_before=(30,))]
    return paths, [*range(20), *range(20, 50)], [*first[:20], *second]


@pytest.mark.parametrize("in_files", [False, True])
def test_frames_of_an_overlap_are_dropped_if_asked_for(tmp_path, in_files):
    paths, times, values = frames_of(tmp_path, in_files)
    kept = read_samples(paths, KBT, timed=True)
    assert len(kept) == 60
    told = "begins at time 20, before" if in_files else "time goes back from 29 to 20 at line 37"
    assert any(told in note and "--on-overlap drop" in note for note in kept.notes)
    found = read_samples(paths, KBT, Selection(on_overlap="drop"), timed=True)
    assert found.times.tolist() == times
    np.testing.assert_allclose(found.values[:, 0], values, atol=1e-9)
    assert found.dropped == {"in the overlap of a restart": 10}
    assert any("10 rows of times 20 to 29 dropped" in note for note in found.notes)
    with pytest.raises((InputError, FileFormatError), match="--on-overlap keep"):
        read_samples(paths, KBT, Selection(on_overlap="raise"))


@pytest.mark.parametrize("skip", [0, 3, 0.5])
def test_a_stream_drops_the_same_frames(tmp_path, skip):
    paths, *_ = frames_of(tmp_path)
    selection = Selection(on_overlap="drop", skip=skip, every=2)
    kept = read_samples(paths, KBT, selection)
    stream = SampleStream(paths, KBT, selection)
    values = np.concatenate([v.copy() for v, _ in stream.chunks()])
    np.testing.assert_array_equal(values, kept.values)
    assert stream.dropped == kept.dropped


def test_frames_that_were_dropped_are_not_counted_in_a_trajectory(tmp_path):
    paths, *_ = frames_of(tmp_path)
    numbers = [n for part in SampleStream(paths, KBT, Selection(on_overlap="drop")).parts()
               for n in part.numbers().tolist()]  # fmt: skip
    assert numbers == list(range(50))


@pytest.mark.filterwarnings("default:rows and frames may:cyfes.errors.CyfesWarning")
def test_assigned_frames_of_a_restart_are_in_step_with_a_trajectory(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frames_of(tmp_path)
    surface = FreeEnergySurface.from_colvar("C", kbt=KBT, bandwidth=[0.5], bins=[40])
    surface.write("fes.dat")
    words = ["assign", "C", "--fes", "fes.dat", "--kt", KBT]
    code, _, err = run(capsys, *words)
    assert code == 0
    assert "rows and frames may be out of step (time goes back)" in err
    code, _, err = run(capsys, *words, "--on-overlap", "drop")
    assert code == 0
    assert "out of step" not in err
    assert np.loadtxt("assign.dat", comments="#")[:, 2].tolist() == list(range(50))


def test_what_an_overlap_needs_of_a_file(tmp_path):
    path = tmp_path / "C"
    path.write_text("#! FIELDS phi metad.bias\n0.1 0.2\n0.2 0.3\n")
    with pytest.raises(InputError, match="needs a column 'time'"):
        read_samples(path, KBT, Selection(on_overlap="drop"))


def test_frames_of_walkers_are_not_dropped(tmp_path):
    paths = [write_frames(tmp_path / f"C{k}", range(10), np.full(10, 0.1 * k) + np.arange(10) / 9)
             for k in (0, 1)]  # fmt: skip
    assert len(read_samples(paths, KBT, Selection(on_overlap="drop"))) == 20


def test_parts_of_several_walkers_are_not_told_apart(tmp_path):
    rng = np.random.default_rng(3)
    paths = [
        write_frames(tmp_path / f"C{k}", range(start, start + 10), rng.uniform(-3, 3, 10))
        for k, start in enumerate((0, 0, 5, 5))
    ]
    found = read_samples(paths, KBT, Selection(on_overlap="drop"))
    assert len(found) == 40
    assert any("4 files overlap in time by more than restarts do" in n for n in found.notes)
    hills = [write_run(tmp_path / f"H{k}", *metad(10, seed=k, start=start))
             for k, start in enumerate((0, 0, 5, 5))]  # fmt: skip
    notes = read_hills(hills, on_overlap="drop").notes
    assert any("taken for walkers" in note for note in notes)


# PBMETAD


def pbmetad(folder):
    write_run(folder / "HILLS.phi", *metad(20))
    write_run(folder / "HILLS.psi.0", *metad(20, 1), name="psi")
    write_run(folder / "HILLS.psi.1", *metad(15, 2), name="psi")
    return ["HILLS.phi", "HILLS.psi.0", "HILLS.psi.1"]


def test_one_surface_per_cv(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = pbmetad(tmp_path)
    sets = read_hill_sets(words)
    assert [(paths, hills.names, len(hills)) for paths, hills in sets] == [
        (words[:1], ("phi",), 20), (words[1:], ("psi",), 35),
    ]  # fmt: skip
    code, out, err = run(capsys, "sum_hills", *words, "--bin", "20,30")
    assert code == 0
    assert "one surface each of phi, psi" in err
    assert "written            fes.phi.dat" in out
    for name, some, bins in (("phi", words[:1], 20), ("psi", words[1:], 30)):
        assert run(capsys, "sum_hills", *some, "--bin", bins, "--outfile", "one.dat")[0] == 0
        assert Path("one.dat").read_text() == Path(f"fes.{name}.dat").read_text()
    assert run(capsys, "sum_hills", *words, "--stride", 10, "--outfile", "b_")[0] == 0
    assert {"b_phi_0.dat", "b_psi_0.dat", "b_phi_blocks.dat"} <= {p.name for p in Path().iterdir()}


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (["--bin", "20"], "--bin has 1 values, expected 2 (phi,psi)"),
        (["--idw", "phi", "--kt", "1"], "--idw is for one bias"),
        (["--histo", "HILLS.phi", "--kt", "1", "--sigma", "1"], "--histo is for one bias"),
        (["--outfile", "-"], "2 surfaces (phi, psi) are written, which need a name"),
    ],
)
def test_options_that_do_not_go_with_several_cvs(tmp_path, capsys, monkeypatch, options, match):
    monkeypatch.chdir(tmp_path)
    words = pbmetad(tmp_path)
    before = sorted(tmp_path.iterdir())
    code, _, err = run(capsys, "sum_hills", *words, *options)
    assert code == 2
    assert match in err
    assert sorted(tmp_path.iterdir()) == before


def test_one_bias_is_of_one_set_of_cvs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileFormatError, match=r"CVs psi differ from phi in HILLS.phi; .*PBMETAD"):
        read_hills(pbmetad(tmp_path))


def parallel(folder, n=40, shift=0.0):
    """A PBMETAD run of phi and psi by its formulas: HILLS of each CV, COLVAR with pb.bias."""
    rng = np.random.default_rng(5)
    places = rng.normal(0, 1, (n, 2))
    centers, heights, lines = ([], []), ([], []), []
    for k, point in enumerate(places):
        v = [
            bias_at(x, c, h) * (GAMMA - 1) / GAMMA
            for x, c, h in zip(point, centers, heights, strict=True)
        ]
        total = -KBT * math.log(sum(math.exp(-each / KBT) for each in v)) + shift
        lines.append(f"{k + 1} {point[0]:.12f} {point[1]:.12f} {total:.12f}\n")
        shares = [math.exp(-each / KBT) for each in v]
        for i in (0, 1):
            centers[i].append(point[i])
            heights[i].append(0.8 * shares[i] / sum(shares) * math.exp(-v[i] / (GAMMA - 1) / KBT))
    for name, c, h in zip(("phi", "psi"), centers, heights, strict=True):
        write_run(folder / f"HILLS.{name}", np.arange(1, n + 1), c, h, name=name)
    periods = PERIOD + PERIOD.replace("phi", "psi")
    (folder / "COLVAR").write_text(f"#! FIELDS time phi psi pb.bias\n{periods}{''.join(lines)}")
    final = [
        [bias_at(x, c, h) * (GAMMA - 1) / GAMMA for x in places[:, i]]
        for i, (c, h) in enumerate(zip(centers, heights, strict=True))
    ]
    return -np.log(np.exp(-np.array(final) / KBT).sum(axis=0))


@pytest.mark.filterwarnings("ignore:the bias V")
def test_final_weights_of_pbmetad(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    want = parallel(tmp_path)
    found = read_weighted("COLVAR", KBT, "final", ["HILLS.phi", "HILLS.psi"])
    np.testing.assert_allclose(found.log_weights, want, atol=1e-9)
    sets = [hills for _, hills in read_hill_sets(["HILLS.psi", "HILLS.phi"])]
    other = read_weighted("COLVAR", KBT, "final", sets)
    np.testing.assert_allclose(other.log_weights, want, atol=1e-9)
    code, out, _ = run(
        capsys, "reweight", "COLVAR", "--cv", "phi", "--kt", KBT, "--weights", "final", "--hills",
        "HILLS.*", "--sigma", 0.3,
    )  # fmt: skip
    assert code == 0
    assert report_of(out)["weights"] == "final"
    options = {"cv": ["phi"], "weights": "final", "bandwidth": [0.3], "bins": [30]}
    surface = FreeEnergySurface.from_colvar("COLVAR", kbt=KBT, hills=sets, **options)
    assert np.isfinite(surface.values).all()
    one = FreeEnergySurface.from_colvar("COLVAR", kbt=KBT, hills=Path("HILLS.phi"), **options)
    assert one.provenance is not None


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["reweight", "COLVAR", "--weights", "tiwary"], "has 'final' weights only, got 'tiwary'"),
        (["weights", "COLVAR"], "which has no c(t)"),
    ],
)
def test_what_pbmetad_does_not_have(tmp_path, capsys, monkeypatch, words, match):
    monkeypatch.chdir(tmp_path)
    parallel(tmp_path)
    code, _, err = run(capsys, *words, "--kt", KBT, "--hills", "HILLS.*")
    assert code == 2
    assert match in err


def test_a_bias_of_pbmetad_that_is_not_that_of_the_hills(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    parallel(tmp_path, shift=0.5)
    with pytest.warns(CyfesWarning, match=r"differ by 0.5 kBT \(RMS\): .* hills of all CVs"):
        read_weighted("COLVAR", KBT, "final", ["HILLS.phi", "HILLS.psi"])
    notes = read_samples("COLVAR", KBT, Selection(cv=["phi"])).notes
    assert "pb.bias of PBMETAD grows while it runs" in notes[0]


# Patterns


def test_patterns_stand_for_their_files_in_natural_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for k in (0, 2, 10):
        (tmp_path / f"walker{k}").mkdir()
        (tmp_path / f"walker{k}" / "HILLS").touch()
    assert files(["walker*/HILLS*"]) == [f"walker{k}/HILLS" for k in (0, 2, 10)]
    with pytest.raises(InputError, match=r"no file matches 'walker\*/COLVAR'"):
        files((), ["walker*/COLVAR"])


def test_backups_are_not_taken_in_silence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("HILLS", "bck.0.HILLS"):
        (tmp_path / name).touch()
    with pytest.warns(CyfesWarning, match="1 backups bck"):
        assert files(["*HILLS"]) == ["HILLS"]
    assert files(["bck.*"]) == ["bck.0.HILLS"]
    with pytest.warns(CyfesWarning, match="not part of the later bias"):
        assert files(["bck.0.HILLS,HILLS"]) == ["bck.0.HILLS", "HILLS"]
    (tmp_path / "HILLS").unlink()
    with pytest.raises(InputError, match=r"only backups: bck.0.HILLS"):
        files(["*HILLS"])
