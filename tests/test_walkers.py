"""Walkers in the order of the run, PBMETAD, patterns of files."""

import gzip
import math
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from metad_runs import DATA, GAMMA, KBT, PERIOD, bias_at, metad, write_frames, write_run
from plumed_files import report_of, run

from cyfes.cli.common import files
from cyfes.errors import CyfesWarning, FileFormatError, InputError
from cyfes.fes import FreeEnergySurface
from cyfes.hillsfile import read_hill_sets, read_hills
from cyfes.hillweights import read_hill_bias, read_weighted
from cyfes.restarts import parts_order
from cyfes.reweight import read_samples
from cyfes.selection import Selection
from cyfes.walkers import hills_in_order, run_order, samples_in_order

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
    assume(clocked or parts_order([times[some] for some in chosen if len(some)]) is None)
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
