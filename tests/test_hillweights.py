"""Weights from hills: V(s, t) and c(t) against their formulas and PLUMED, times, walkers, walls."""

import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cyfes import FreeEnergySurface, Grid, read_hills, runningbias
from cyfes.deltag import difference_of_frames
from cyfes.deposits import deposits_of
from cyfes.errors import CyfesWarning, InputError
from cyfes.grid import GridRequest
from cyfes.hills import Hills
from cyfes.hillweights import HillBias, check_static, read_hill_bias, read_weighted
from cyfes.regions import Region, TwoRegions
from cyfes.reweight import Samples, Selection, read_samples
from cyfes.runningbias import bias_at, bias_of, offsets, told_kbt
from cyfes.tables import read_table
from cyfes.units import thermal_energy
from cyfes.weights import WeightSums

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(__file__).parent / "data"
SHARED = Path(os.environ.get("CYFES_SHARED_DATA", ROOT.parent / "shared" / "data"))
ALA2 = SHARED / "1d-per-wt-ala2"
B_OF_ALA2 = TwoRegions(None, Region.parse(["phi=0:2.3"], "--b"))
PERIOD = 2 * math.pi


def make_hills(n=20, d=1, *, gamma=8.0, seed=0, gaussian=False, covariances=None, **changes):
    """Hills at random places, times 1, 2, ..., n; the first CV is periodic."""
    rng = np.random.default_rng(seed)
    bounds = (("-pi", "pi"), None)[:d]
    found = Hills(
        names=("phi", "y")[:d],
        bounds=bounds,
        centers=rng.uniform(-3, 3, (n, d)),
        heights=rng.uniform(0.5, 1.5, n),
        biasfactors=np.full(n, gamma),
        sigmas=rng.uniform(0.2, 0.6, (n, d)),
        gaussian=np.full(n, gaussian),
        times=np.arange(1.0, n + 1),
        covariances=covariances,
    )
    return replace(found, **changes)


def make_samples(hills, times, places=None, seed=1, ends=(), log_weights=None):
    rng = np.random.default_rng(seed)
    n = len(times)
    places = rng.uniform(-3, 3, (n, hills.n_dims)) if places is None else places
    log_weights = np.zeros(n) if log_weights is None else log_weights
    return Samples(
        hills.names, hills.bounds, places, log_weights, WeightSums.of(log_weights), n,
        ends=ends, times=np.asarray(times, float),
    )  # fmt: skip


def each_hill(hills, points):
    """V of each hill at each point by the formula, [m, n]."""
    kernels = ("stretched-gaussian", "gaussian")
    return np.stack(
        [
            oracles.kernel_sum(
                points, hills.periods, hills.centers[k : k + 1], hills.bandwidths[k : k + 1],
                hills.heights[k : k + 1], kernel=kernels[int(hills.gaussian[k])], images="nearest",
            )[0]
            for k in range(len(hills))
        ],
        axis=1,
    )  # fmt: skip


def formula_of_c(hills, grid, kbt):
    """c after 0, 1, ... hills by the formula, from V on all points."""
    v = np.cumsum(each_hill(hills, oracles.grid_points(grid)), axis=1)
    found = [0.0]
    for k, gamma in enumerate(hills.biasfactors):
        low = 0.0 if gamma < 0 or math.isinf(gamma) else 1 / (gamma - 1)
        high = 1 + low
        sums = [np.logaddexp.reduce(slope * v[:, k] / kbt) for slope in (high, low)]
        found.append(kbt * (sums[0] - sums[1]))
    return np.array(found)


# V(s, t)


@settings(deadline=None, max_examples=40)
@given(
    st.integers(1, 30), st.integers(1, 2), st.integers(0, 40), st.booleans(), st.integers(0, 2**30)
)
def test_the_bias_of_a_frame_is_the_sum_of_the_hills_before_it(n, d, m, gaussian, seed):
    hills = make_hills(n, d, gaussian=gaussian, seed=seed)
    rng = np.random.default_rng(seed)
    points, n_before = rng.uniform(-3, 3, (m, d)), rng.integers(0, n + 1, m)
    had = np.arange(n) < n_before[:, None]
    wanted = (each_hill(hills, points) * had).sum(axis=1) if m else np.zeros(0)
    np.testing.assert_allclose(bias_at(hills, points, n_before), wanted, rtol=1e-9, atol=1e-12)


def test_the_bits_of_the_bias_do_not_depend_on_the_threads(monkeypatch):
    monkeypatch.setattr(runningbias, "FEW_PAIRS", 0)
    hills = make_hills(300, 2)
    rng = np.random.default_rng(3)
    points, n_before = rng.uniform(-3, 3, (2000, 2)), rng.integers(0, 301, 2000)
    one, four = (bias_at(hills, points, n_before, n_threads=n) for n in (1, 4))
    assert one.tobytes() == four.tobytes()


def test_no_hill_makes_no_bias():
    hills = make_hills(2)
    points = np.zeros((3, 1))
    assert hills[2:].free_energy(points).tolist() == [0.0] * 3
    assert bias_at(hills, points, np.zeros(3, int)).tolist() == [0.0] * 3


def test_the_bias_in_parts_is_the_bias_at_once():
    hills = make_hills(50, 2)
    rng = np.random.default_rng(4)
    points, n_before = rng.uniform(-3, 3, (60, 2)), rng.integers(0, 51, 60)
    whole = bias_at(hills, points, n_before)
    parts = [bias_at(hills, points[i : i + 7], n_before[i : i + 7]) for i in range(0, 60, 7)]
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-12, atol=1e-12)


def test_heights_become_those_of_the_bias():
    np.testing.assert_allclose(
        bias_of(make_hills(gamma=5.0)).heights, 0.8 * make_hills(gamma=5.0).heights
    )
    for ordinary in (-1.0, math.inf):
        hills = make_hills(gamma=ordinary)
        assert bias_of(hills).heights.tolist() == hills.heights.tolist()


@pytest.mark.parametrize(("gamma", "says"), [(math.nan, "lack the column biasf"), (1.0, "biasf 1")])
def test_what_does_not_tell_its_biasfactor_is_asked(gamma, says):
    with pytest.raises(InputError, match=says):
        bias_of(make_hills(gamma=gamma))
    assert len(bias_of(make_hills(gamma=gamma).with_biasfactor(-1)))
    with pytest.raises(InputError, match="biasfactor is above 1"):
        make_hills().with_biasfactor(1)


# c(t)


def test_c_of_one_hill_by_hand():
    grid = Grid.from_bins(["phi"], [-math.pi], [math.pi], [64], [True])
    hills = make_hills(1, gamma=5.0, heights=np.array([3.0]))
    v = each_hill(hills, grid.axes[0][:, None])[:, 0]
    wanted = 2.0 * math.log(np.exp(1.25 * v / 2.0).sum() / np.exp(0.25 * v / 2.0).sum())
    assert offsets(hills, grid, 2.0).tolist() == pytest.approx([0.0, wanted])


@settings(deadline=None, max_examples=30)
@given(
    st.integers(1, 25), st.integers(1, 2), st.sampled_from([3.0, -1.0, math.inf]),
    st.booleans(), st.floats(0.3, 30.0), st.integers(0, 2**30),
)  # fmt: skip
def test_c_is_its_formula(n, d, gamma, gaussian, kbt, seed):
    hills = make_hills(n, d, gamma=gamma, gaussian=gaussian, seed=seed)
    grid = Grid.from_bins(
        ["phi", "y"][:d], [-math.pi, -2][:d], [math.pi, 4][:d], [40, 25][:d], [True, False][:d]
    )
    np.testing.assert_allclose(
        offsets(hills, grid, kbt), formula_of_c(hills, grid, kbt), rtol=1e-9, atol=1e-9
    )


def odd_hills():
    rng = np.random.default_rng(9)
    factors = rng.uniform(0.2, 0.5, (20, 2, 2)) * np.array([[1, 0], [1, 1]])
    return {
        "higher than exp can hold": make_hills(heights=np.full(20, 900.0)),
        "negative": make_hills(heights=np.where(np.arange(20) % 3, 40.0, -60.0)),
        "both kernels": make_hills(d=2, gaussian=np.arange(20) % 2 == 0),
        "another biasfactor": make_hills(biasfactors=np.repeat([4.0, 12.0], 10)),
        "wider than the period": make_hills(sigmas=np.full((20, 1), 2.0)),
        "multivariate": make_hills(d=2, covariances=factors @ factors.transpose(0, 2, 1)),
    }


@pytest.mark.parametrize("which", odd_hills())
def test_c_of_odd_hills_is_its_formula(which):
    hills = odd_hills()[which]
    if hills.covariances is not None:
        hills = replace(hills, sigmas=np.sqrt(np.einsum("nii->ni", hills.covariances)))
    d = hills.n_dims
    grid = Grid.from_bins(
        ["phi", "y"][:d], [-math.pi, -2][:d], [math.pi, 2][:d], [48, 30][:d], [True, False][:d]
    )
    np.testing.assert_allclose(
        offsets(hills, grid, 1.0), formula_of_c(hills, grid, 1.0), rtol=1e-9, atol=1e-9
    )


def test_a_large_biasfactor_is_ordinary_metadynamics():
    grid = Grid.from_bins(["phi"], [-math.pi], [math.pi], [64], [True])
    ordinary, nearly = (offsets(make_hills(gamma=g), grid, 1.0) for g in (-1.0, 1e9))
    np.testing.assert_allclose(ordinary, nearly, atol=1e-7)


# Which hills a frame had


def test_a_hill_counts_after_the_step_it_is_deposited_in():
    hills = make_hills(3, times=np.array([0.3, 0.6, 0.8999999999]))
    samples = make_samples(hills, [0.0, 0.3, 0.31, 0.6, 0.9, 0.95])
    assert deposits_of(hills, samples).n_before.tolist() == [0, 0, 1, 1, 2, 3]


def test_hills_of_one_time_count_together():
    hills = make_hills(4, times=np.array([1.0, 1.0, 2.0, 2.0]))
    samples = make_samples(hills, [1.0, 1.5, 2.0, 3.0])
    assert deposits_of(hills, samples).n_before.tolist() == [0, 2, 2, 4]


def test_a_restart_keeps_its_hills():
    hills = make_hills(4, times=np.array([1.0, 2.0, 1.0, 2.0]))
    found = deposits_of(hills, make_samples(hills, [0, 1, 2, 0, 1, 2, 3]))
    assert found.n_before.tolist() == [0, 0, 1, 2, 2, 3, 4]
    assert "time goes back once" in found.notes[0]
    in_two_files = make_samples(hills, [0, 1, 2, 0, 1, 2, 3], ends=(3, 7))
    assert deposits_of(hills, in_two_files).n_before.tolist() == found.n_before.tolist()


def test_times_that_do_not_go_together_are_refused():
    hills = make_hills(4, times=np.array([1.0, 2.0, 1.0, 2.0]))
    with pytest.raises(InputError, match="1 times in the hills and 0 times in the frames"):
        deposits_of(hills, make_samples(hills, [0, 1, 2, 3]))
    with pytest.raises(InputError, match="column 'time'"):
        deposits_of(hills, replace(make_samples(hills, [0, 1]), times=None))


def test_a_time_that_stands_still_is_refused():
    hills = make_hills(4)
    for some, times in ((hills, np.zeros(5)), (replace(hills, times=np.ones(4)), np.arange(5))):
        with pytest.raises(InputError, match=r"time is [01] in all (frames|hills)"):
            deposits_of(some, make_samples(hills, times))


def test_times_of_two_units_are_warned_of():
    hills = make_hills(4)
    with pytest.warns(CyfesWarning, match="end at 4 and those of the frames at 4000"):
        deposits_of(hills, make_samples(hills, np.array([0.0, 1000, 2000, 3000, 4000])))


def test_walkers_share_their_hills_by_their_clocks():
    # The second walker starts when the first is at its time of 2.
    clocks = np.array([10.0, 20.0, 30.0, 25.0, 35.0])
    hills = make_hills(5, times=np.array([1.0, 2, 3, 1, 2]), clocks=clocks, ends=(3, 5))
    samples = make_samples(hills, [1, 2, 3, 4, 1, 2, 3], ends=(4, 7))
    found = deposits_of(hills, samples)
    assert found.hills.clocks.tolist() == sorted(clocks)
    assert found.n_before.tolist() == [0, 1, 3, 4, 2, 4, 5]


def test_files_that_overlap_without_clocks_are_warned_of():
    hills = make_hills(4, times=np.array([1.0, 2, 1.2, 2.5]), ends=(2, 4))
    samples = make_samples(hills, [1, 2, 1.2, 2.5], ends=(2, 4))
    with pytest.warns(CyfesWarning, match="taken for walkers side by side"):
        found = deposits_of(hills, samples)
    assert found.n_before.tolist() == [0, 2, 1, 3]


def test_files_of_one_run_have_all_hills_before_them():
    hills = make_hills(5, times=np.array([1.0, 2, 3, 2.5, 3.5]), ends=(3, 5))
    found = deposits_of(hills, make_samples(hills, [1, 2, 3, 2.5, 3.5], ends=(3, 5)))
    assert found.n_before.tolist() == [0, 1, 2, 3, 4]
    assert "as parts of one run" in found.notes[0]


def test_hills_of_more_files_than_frames_are_warned_of():
    hills = make_hills(4, times=np.array([1.0, 2, 1.2, 2.5]), ends=(2, 4))
    with pytest.warns(CyfesWarning, match="2 HILLS and 1 COLVAR files"):
        found = deposits_of(hills, make_samples(hills, [1, 2, 3]))
    assert found.n_before.tolist() == [0, 2, 4]


def test_hills_of_another_run_are_warned_of(recwarn):
    hills = make_hills(40)
    places = np.concatenate([hills.centers + PERIOD, [[0.0]]])
    deposits_of(hills, make_samples(hills, np.arange(1, 42), places))
    assert not recwarn
    with pytest.warns(CyfesWarning, match="are not where it is"):
        deposits_of(hills, make_samples(hills, np.arange(1, 42), places[::-1]))


# Weights


def test_hills_that_were_there_before_make_one_weight_of_all_kinds():
    hills = make_hills(30)
    found = HillBias(make_samples(hills, np.arange(100, 200)), hills, 2.0)
    kinds = {kind: found.log_weights(kind) for kind in ("static", "final", "tiwary")}
    assert kinds["static"].tolist() == kinds["final"].tolist()
    apart = kinds["final"] - kinds["tiwary"]  # a constant, which weights do not know
    np.testing.assert_allclose(apart, apart[0], rtol=1e-12)
    np.testing.assert_allclose(kinds["final"], found.running / 2.0, rtol=1e-12)


def test_the_bias_of_walls_is_added():
    hills = make_hills(10)
    walls = np.linspace(0, 3, 20)
    plain = HillBias(make_samples(hills, np.arange(20) + 0.5), hills, 2.0)
    walled = HillBias(make_samples(hills, np.arange(20) + 0.5, log_weights=walls), hills, 2.0)
    for kind in ("final", "tiwary"):
        np.testing.assert_allclose(
            walled.log_weights(kind), plain.log_weights(kind) + walls, rtol=1e-12
        )


def test_a_bias_that_moves_is_not_static():
    hills = make_hills(10)
    found = HillBias(make_samples(hills, np.arange(20) + 0.5), hills, 2.0)
    with pytest.raises(InputError, match="10 of 10 hills are deposited after the first frame"):
        found.weighted("static")
    with pytest.raises(InputError, match="tiwary, final, static"):
        found.weighted("bias")


@pytest.mark.parametrize("rise", [0.0, 3.0, -3.0])
def test_a_column_of_a_bias_that_moves_is_not_static(rise):
    rng = np.random.default_rng(2)
    x = rng.uniform(-2, 2, (4000, 1))
    bias = 4 * np.cos(x[:, 0]) + rise * np.linspace(0, 1, 4000)
    samples = Samples(("x",), (None,), x, bias, WeightSums.of(bias), 4000)
    if rise:
        with pytest.raises(InputError, match=f"not static: .*{'higher' if rise > 0 else 'lower'}"):
            check_static(samples, 1.0)
    else:
        check_static(samples, 1.0)


def test_a_run_that_never_returns_cannot_be_judged():
    x = np.linspace(0, 9, 100)[:, None]
    samples = Samples(("x",), (None,), x, np.zeros(100), WeightSums.of(np.zeros(100)), 100)
    with pytest.warns(CyfesWarning, match="cannot be told"):
        check_static(samples, 1.0)


def test_heights_tell_kbt():
    """h = h0 exp(-V / ((gamma - 1) kBT)), as METAD deposits."""
    n, gamma, kbt = 200, 6.0, 2.5
    hills = make_hills(n, gamma=gamma, sigmas=np.full((n, 1), 0.5))
    heights = np.zeros(n)
    for k in range(n):
        known = replace(hills, heights=heights)[:k]
        v = each_hill(known, hills.centers[k : k + 1]).sum() if k else 0.0
        heights[k] = 1.2 * math.exp(-v / ((gamma - 1) * kbt))
    assert told_kbt(replace(hills, heights=heights)) == pytest.approx(kbt, rel=1e-6)
    assert math.isnan(told_kbt(make_hills(200)))  # heights of no rule
    assert math.isnan(told_kbt(make_hills(200, gamma=-1.0)))


# Files: PLUMED's own columns


def test_bias_and_c_are_those_of_plumed():
    folder = DATA / "gen-2d-per-wt"
    grid = Grid.from_bins(["phi", "psi"], [-math.pi] * 2, [math.pi] * 2, [200] * 2, [True] * 2)
    found = read_hill_bias(str(folder / "COLVAR.gz"), str(folder / "HILLS.gz"), 1.0, grid=grid)
    names = ["m.bias", "m.rbias", "m.rct"]
    bias, rbias, rct = read_table(str(folder / "COLVAR.gz"), names).columns.values()
    np.testing.assert_allclose(found.running, bias, atol=1e-3)
    np.testing.assert_allclose(found.running - found.offset, rbias, atol=1e-3)
    # The column rct has the hill of its own step, too.
    np.testing.assert_allclose(offsets(bias_of(found.hills), grid, 1.0), rct, atol=1e-6)


def test_a_restarted_run_has_the_bias_of_plumed():
    folder = DATA / "gen-restart"
    found = read_hill_bias(str(folder / "COLVAR.gz"), str(folder / "HILLS.gz"), 1.0)
    assert found.apart("m.bias") < 1e-3
    assert any("a restart" in note for note in found.notes("tiwary"))


def test_final_weights_are_the_bias_of_all_hills():
    folder = DATA / "gen-restart"
    paths = str(folder / "COLVAR.gz"), str(folder / "HILLS.gz")
    hills = read_hills(paths[1])
    samples = read_weighted(paths[0], 1.0, "final", paths[1])
    wanted = -bias_of(hills).free_energy(samples.values)
    np.testing.assert_allclose(samples.log_weights, wanted, rtol=1e-12)
    assert samples.sums.log_sum == pytest.approx(WeightSums.of(wanted).log_sum)


def test_cvs_that_are_not_biased_have_the_weights_of_those_that_are():
    folder = DATA / "gen-2d-per-wt"
    paths = str(folder / "COLVAR.gz"), str(folder / "HILLS.gz")
    both = read_weighted(paths[0], 1.0, "final", paths[1])
    one = read_weighted(paths[0], 1.0, "final", paths[1], Selection(cv=["psi"]))
    assert one.names == ("psi",)
    assert one.values[:, 0].tolist() == both.values[:, 1].tolist()
    assert one.log_weights.tolist() == both.log_weights.tolist()


def test_the_surface_of_rbias_is_that_of_the_column():
    folder = DATA / "gen-2d-per-wt"
    paths = str(folder / "COLVAR.gz"), str(folder / "HILLS.gz")
    options = {"kbt": 1.0, "bandwidth": [0.2, 0.2], "bins": [40, 40], "units": "kt"}
    column, named, rebuilt = (
        FreeEnergySurface.from_colvar(paths[0], **chosen, **options)
        for chosen in (
            {"rbias": True},
            {"weights": "rbias"},
            {"weights": "tiwary", "hills": paths[1]},
        )
    )
    assert [Path(source.path).name for source in rebuilt.provenance.inputs] == [
        "COLVAR.gz",
        "HILLS.gz",
    ]
    np.testing.assert_array_equal(named.values, column.values)
    known = column.values < column.minimum + 10
    np.testing.assert_allclose(rebuilt.values[known], column.values[known], atol=2e-3)


def test_another_kbt_than_the_heights_tell_is_warned_of():
    folder = DATA / "gen-2d-per-wt"
    with pytest.warns(CyfesWarning, match="kBT = 1, and 2.494 is given"):
        read_hill_bias(str(folder / "COLVAR.gz"), str(folder / "HILLS.gz"), 2.494)


# Columns


def colvar(write, fields, n=60, seed=5):
    rng = np.random.default_rng(seed)
    names = fields.split()
    rows = np.column_stack([np.arange(n), *(rng.uniform(0, 2, n) for _ in names)])
    text = "\n".join(" ".join(f"{x:.6f}" for x in row) for row in rows)
    return write(f"#! FIELDS time {fields}\n{text}\n")


def log_weights(path, kind):
    return read_weighted(path, 1.0, kind, None, Selection(cv=["x"])).log_weights


def test_named_weights_take_their_columns(write):
    path = colvar(write, "x m.bias m.rct m.work")
    bias, rct = read_table(path, ["m.bias", "m.rct"]).columns.values()
    assert log_weights(path, "bias").tolist() == bias.tolist()
    assert log_weights(path, "rbias").tolist() == (bias - rct).tolist()
    path = colvar(write, "x m.bias m.rbias m.rct")
    rbias = read_table(path, ["m.rbias"]).columns["m.rbias"]
    assert log_weights(path, "rbias").tolist() == rbias.tolist()


@pytest.mark.parametrize(
    ("fields", "kind", "says"),
    [
        ("x m.bias", "rbias", "'.rbias', or in '.bias' and '.rct'"),
        ("x y", "bias", "no column ends in '.bias'"),
        ("x m.bias m.rbias uwall.bias", "rbias", "those of m, uwall; choose with --bias"),
        ("x o.bias o.rct o.zed o.neff o.nker", "rbias", "that of OPES"),
        ("x m.bias", "final", "give the HILLS files"),
        ("x m.bias", "tiwari", "one of bias, rbias, tiwary, final, static"),
    ],
)
def test_weights_that_cannot_be_had_are_refused(write, fields, kind, says):
    with pytest.raises(InputError, match=says):
        log_weights(colvar(write, fields), kind)


def test_weights_and_another_choice_exclude_each_other():
    with pytest.raises(InputError, match="give one"):
        Selection(weights="bias", rbias=True)
    with pytest.raises(InputError, match="no --rbias or --logweights"):
        Selection(hills=["x"], logweights="w")
    with pytest.raises(InputError, match="take no hills"):
        read_weighted("COLVAR", 1.0, "rbias", make_hills())


def beside_hills(write, fields, selection, n=60):
    """Frames of ``fields``, where "m.bias" is the bias of hills and "w.bias" is that of a wall."""
    hills = make_hills(n, gamma=-1.0)
    rng = np.random.default_rng(8)
    places = rng.uniform(-3, 3, (n, 1))
    v = bias_at(hills, places, deposits_of(hills, make_samples(hills, np.arange(n) + 0.5)).n_before)
    known = {"phi": places[:, 0], "m.bias": v, "w.bias": rng.uniform(0, 9, n)}
    rows = np.column_stack([np.arange(n) + 0.5, *(known[name] for name in fields.split())])
    text = "\n".join(" ".join(f"{x:.8f}" for x in row) for row in rows)
    path = write(f"#! FIELDS time {fields}\n{text}\n")
    return read_hill_bias(path, hills, 1.0, selection), known


def test_a_wall_beside_the_hills_is_asked_for_and_added(write):
    with pytest.raises(InputError, match=r"one of the biases m.bias, w.bias; name the others"):
        beside_hills(write, "phi m.bias w.bias", Selection())
    found, known = beside_hills(write, "phi m.bias w.bias", Selection(bias=["w.bias"]))
    np.testing.assert_allclose(found.log_weights("final") - found.final, known["w.bias"], atol=1e-6)
    found, _ = beside_hills(write, "phi m.bias w.bias", Selection(no_bias=True))
    assert found.log_weights("final").tolist() == found.final.tolist()


def test_a_wall_that_is_the_only_bias_is_told_from_that_of_the_hills(write):
    with pytest.warns(CyfesWarning, match="something else, add it by --bias w.bias"):
        beside_hills(write, "phi w.bias", Selection())
    found, known = beside_hills(write, "phi w.bias", Selection(bias=["w.bias"]))
    np.testing.assert_allclose(found.log_weights("final") - found.final, known["w.bias"], atol=1e-6)


def test_multivariate_hills_that_metad_cuts_off_are_warned_of(write):
    hills = str(DATA / "gen-2d-np-adaptive-diff" / "HILLS.gz")
    path = write("#! FIELDS time p.x p.y\n0 -1.1 1.4\n1 -1.7 0.3\n")
    with pytest.warns(CyfesWarning, match="multivariate hills are wider than what METAD"):
        read_weighted(path, 1.0, "final", hills)


def test_the_bias_of_the_hills_does_not_count_twice(write):
    with pytest.raises(InputError, match=r"--bias m.bias is the bias of the hills themselves"):
        beside_hills(write, "phi m.bias w.bias", Selection(bias=["m.bias", "w.bias"]))


def test_hills_of_an_earlier_run_are_told_by_the_column(write):
    """A second run, of times from 0 on, with the bias that the first one ended with."""
    hills = make_hills(30, gamma=-1.0)
    x = np.random.default_rng(6).uniform(-3, 3, (30, 1))
    v = -hills.free_energy(x)
    rows = "".join(f"{t + 0.5} {a:.8f} {b:.8f}\n" for t, (a, b) in enumerate(zip(x[:, 0], v)))
    path = write(f"#! FIELDS time phi m.bias\n{rows}")
    found = read_hill_bias(path, hills, 1.0)
    assert found.is_static()
    assert any("those of an earlier run" in note for note in found.notes("tiwary"))
    np.testing.assert_allclose(found.weighted("static").log_weights, v, atol=1e-6)
    assert np.ptp(found.log_weights("tiwary") - v) < 1e-6


def test_final_weights_need_no_times(write):
    hills = make_hills(5, gamma=-1.0, times=np.full(5, math.nan))
    path = write("#! FIELDS phi m.bias\n0.5 1\n1 2\n")
    samples = read_weighted(path, 1.0, "final", hills)
    wanted = -hills.free_energy(np.array([[0.5], [1.0]]))
    np.testing.assert_allclose(samples.log_weights, wanted)
    with pytest.raises(InputError, match="column 'time'"):
        read_weighted(path, 1.0, "tiwary", hills)


def test_a_period_that_only_the_hills_tell_counts(write):
    path = write("#! FIELDS time phi\n0 0.5\n1 1\n")
    hills = make_hills(5)
    assert read_weighted(path, 1.0, "final", hills).bounds == (("-pi", "pi"),)
    denied = Selection(cv=["phi"], period={"phi": None})
    assert read_weighted(path, 1.0, "final", hills, denied).bounds == (None,)


def test_periods_must_be_those_of_the_hills(write):
    path = write("#! FIELDS time phi\n#! SET min_phi -180\n#! SET max_phi 180\n0 1\n1 2\n")
    with pytest.raises(InputError, match="-180 to 180 in the frames, and -pi to pi in the hills"):
        read_hill_bias(path, make_hills(), 1.0)


def test_hills_whose_cvs_are_no_columns_are_refused(write):
    with pytest.raises(InputError, match="no column 'phi'"):
        read_hill_bias(write("#! FIELDS time x\n0 1\n1 2\n"), make_hills(), 1.0)


def test_python_needs_files_and_a_kind_for_hills(write):
    path = write("#! FIELDS time phi\n0 1\n1 2\n")
    for options, says in (
        ({"hills": make_hills()}, "needs weights="),
        ({"hills": make_hills(), "weights": "final", "stream": True}, "no stream"),
    ):
        with pytest.raises(InputError, match=says):
            FreeEnergySurface.from_colvar(path, kbt=1.0, **options)


def test_an_automatic_grid_of_c_has_a_bound_size():
    hills = make_hills(5, 2, sigmas=np.full((5, 2), 0.003))
    samples = make_samples(hills, np.arange(5))
    assert 5e4 < HillBias(samples, hills, 1.0).offset_grid.size <= (1 << 17) + 1000
    asked = GridRequest(["-pi", "-4"], ["pi", "4"], [30, 20])
    assert HillBias(samples, hills, 1.0, asked).offset_grid.shape == (30, 21)


# Simulation outputs that are not part of the package


@pytest.mark.skipif(not ALA2.is_dir(), reason="no shared data")
def test_dg_of_alanine_dipeptide_by_each_estimator():
    kbt = thermal_energy(300, "kj/mol")
    paths, chosen = (str(ALA2 / "COLVAR"), str(ALA2 / "HILLS")), Selection(cv=["phi"])
    wanted = {
        "tiwary": (9.33, 279),
        "final": (10.83, 409),
        "bias": (10.58, 62),
        "rbias": (9.33, 279),
    }
    for kind, (dg, effective) in wanted.items():
        hills = paths[1] if kind in ("tiwary", "final") else None
        samples = read_weighted(paths[0], kbt, kind, hills, chosen)
        found = difference_of_frames(samples, B_OF_ALA2, kbt)
        assert found.value == pytest.approx(dg, abs=0.01), kind
        assert samples.sums.effective_sample_size == pytest.approx(effective, abs=1), kind


@pytest.mark.skipif(not ALA2.is_dir(), reason="no shared data")
def test_c_of_alanine_dipeptide_is_that_of_plumed():
    kbt = thermal_energy(300, "kj/mol")
    grid = Grid.from_bins(["phi"], [-math.pi], [math.pi], [100], [True])
    found = offsets(bias_of(read_hills(str(ALA2 / "HILLS"))), grid, kbt)
    rct = read_table(str(ALA2 / "COLVAR"), ["metad.rct"]).columns["metad.rct"]
    assert np.abs(found - rct).max() < 1.2e-4
    rbias = read_samples(str(ALA2 / "COLVAR"), kbt, Selection(cv=["phi"], rbias=True)).log_weights
    rebuilt = read_weighted(str(ALA2 / "COLVAR"), kbt, "tiwary", str(ALA2 / "HILLS")).log_weights
    np.testing.assert_allclose(rebuilt, rbias, atol=5e-4)


#: Runs with their kBT, PLUMED's grid or one that fits the frames, and how far c may be off.
C_OF_RUNS = [
    ("gen-2d-np-wt", 1.0, ["p.x", "p.y"], 4.0, 300, "m.rct", 1e-6),
    # Ordinary metadynamics; nobody tells its grid.
    ("1d-np-nowt-px", 0.5, ["p.x"], 8.45, 200, "metad.rct", 5e-3),
]


@pytest.mark.parametrize(("name", "kbt", "cvs", "end", "bins", "column", "off"), C_OF_RUNS)
def test_c_of_cvs_that_are_not_periodic(name, kbt, cvs, end, bins, column, off):
    if not (SHARED / name).is_dir():
        pytest.skip("no shared data")
    d = len(cvs)
    grid = Grid.from_bins(cvs, [-end] * d, [end] * d, [bins] * d, [False] * d)
    hills = read_hills(str(SHARED / name / "HILLS"))
    found = offsets(bias_of(hills), grid, kbt)
    table = read_table(str(SHARED / name / "COLVAR"), ["time", column]).columns
    # METAD prints c with the hill of this very step.
    n_before = np.searchsorted(hills.times, table["time"] + 1e-6)
    assert np.abs(found[n_before] - table[column]).max() < off
