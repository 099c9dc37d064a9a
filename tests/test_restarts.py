"""What a restart has again, of hills and of frames: kept, dropped or an error."""

import gzip
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from metad_runs import DATA, GAMMA, KBT, metad, write_frames, write_run
from plumed_files import report_of, run

from cyfes.errors import CyfesWarning, FileFormatError, InputError
from cyfes.fes import FreeEnergySurface
from cyfes.hillparts import were_in_bias
from cyfes.hillsfile import read_hills
from cyfes.hillweights import read_hill_bias
from cyfes.restarts import overlap_of, parts_of, superseded
from cyfes.reweight import SampleStream, read_samples
from cyfes.selection import Selection
from cyfes.walkers import hills_in_order


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


@pytest.mark.filterwarnings("default::cyfes.errors.CyfesWarning")
@pytest.mark.parametrize(
    "words",
    [
        ["reweight"], ["reweight", "--stream", "--min", "-pi", "--max", "pi", "--bin", "20"],
        ["deltag", "--b", "phi=0:3"], ["converge", "--rows", "5"], ["minima"],
    ],
)  # fmt: skip
def test_every_command_drops_the_overlap_of_frames(tmp_path, capsys, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    frames_of(tmp_path)
    words = [words[0], "C", *words[1:], "--kt", "2.5", "--on-overlap"]
    words = words if words[0] == "deltag" else [*words[:-1], "--sigma", "0.4", words[-1]]
    code, out, err = run(capsys, *words, "drop")
    assert code == 0, err
    assert report_of(out)["samples used"] == "50"
    assert report_of(out)["rows dropped"] == "10 (in the overlap of a restart)"
    code, _, err = run(capsys, *words, "raise")
    assert code == 2
    assert "time goes back from 29 to 20 at line 37; --on-overlap keep takes all rows" in err


@pytest.mark.filterwarnings("default::cyfes.errors.CyfesWarning")
@pytest.mark.parametrize("dropped", [True, False])
def test_weights_of_a_restart_that_overlaps(tmp_path, dropped):
    """V(s, t) of each frame is the sum of the hills that the run had."""
    (path,), _ = restarted(tmp_path, read_back=not dropped)
    rng = np.random.default_rng(7)
    times = [*(np.arange(50) + 0.5), *(np.arange(40, 80) + 0.5)]
    values = rng.uniform(-3, 3, len(times))
    colvar = write_frames(tmp_path / "C", times, values, header_before=(50,))
    on_overlap = "drop" if dropped else "keep"
    hills = read_hills(path, on_overlap=on_overlap)
    selection = Selection(no_bias=True, on_overlap=on_overlap)
    found = read_hill_bias(colvar, hills, KBT, selection)
    assert len(found.samples) == (80 if dropped else 90)
    for k in (10, 45, 60, len(found.samples) - 1):
        n = math.floor(found.samples.times[k])
        before = hills[:n] if dropped or k < 50 else hills[: n + 10]
        want = -(GAMMA - 1) / GAMMA * before.free_energy(found.samples.values[k][None])[0]
        assert found.running[k] == pytest.approx(want, abs=1e-9)


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
