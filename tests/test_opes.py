"""States of OPES: kernels by hand and in NumPy, merging, Z, and F against the bias of the run."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import grid_points

from cyfes import FreeEnergySurface, Grid
from cyfes.agreement import agreement
from cyfes.compression import CompressedKernels
from cyfes.errors import CyfesWarning, InputError
from cyfes.gridfile import read_dat
from cyfes.opes import OpesState
from cyfes.opesfile import read_opes
from cyfes.opessum import opes_free_energy
from cyfes.tables import read_table

DATA = Path(__file__).parent / "data" / "opes-1d-per"
KBT = 300 * 0.00831446261815324
RUNS = ["", "explore."]


def state_of(seed=0, n=30, d=2, explore=False, **changes):
    """A state of random kernels; its first CV is periodic."""
    rng = np.random.default_rng(seed)
    state = OpesState(
        names=("phi", "x", "y")[:d],
        bounds=(("-pi", "pi"), None, None)[:d],
        centers=rng.uniform(-3, 3, (n, d)),
        sigmas=rng.uniform(0.1, 0.8, (n, d)),
        heights=rng.uniform(0.1, 5, n),
        cutoff=rng.uniform(2, 6),
        norm=rng.uniform(1, 100),
        zed=rng.uniform(0.1, 2),
        epsilon=10.0 ** rng.uniform(-9, -2),
        biasfactor=rng.uniform(2, 20),
        explore=explore,
    )
    return replace(state, **changes)


def oracle(state, points):
    """(sum of the kernels [m], its gradient [d, m])."""
    way = points[:, None, :] - state.centers
    way[..., 0] -= 2 * np.pi * np.rint(way[..., 0] / (2 * np.pi))
    square = ((way / state.sigmas) ** 2).sum(axis=2)
    inside = square < state.cutoff**2
    gaussian = np.where(inside, state.heights * np.exp(-square / 2), 0)
    end = np.where(inside, state.heights * math.exp(-(state.cutoff**2) / 2), 0)
    slopes = -np.einsum("mk,mkd->dm", gaussian, way / state.sigmas**2)
    return (gaussian - end).sum(axis=1), slopes


def energy(state, points, kbt):
    sums, slopes = oracle(state, points)
    ratio = sums / state.norm / state.zed + state.epsilon
    scale = -kbt * (state.biasfactor if state.explore else 1)
    return scale * np.log(ratio), scale * slopes / state.norm / state.zed / ratio


def test_one_kernel_by_hand():
    state = state_of(
        n=1, d=1, centers=np.array([[3.0]]), sigmas=np.array([[0.5]]), heights=np.array([2.0]),
        cutoff=3.0, norm=4.0, zed=0.25, epsilon=1e-3,
    )  # fmt: skip
    # Across the end of the period, two sigmas away; and at the last point that is not reached.
    points = np.array([[3.0], [4.0 - 2 * math.pi], [1.5]])
    end = math.exp(-4.5)
    sums = [2 * (1 - end), 2 * (math.exp(-2) - end), 0]
    expected = [-2.5 * math.log(value / 4 / 0.25 + 1e-3) for value in sums]
    np.testing.assert_allclose(state.free_energy(points, 2.5), expected, rtol=1e-14)
    explored = replace(state, explore=True, biasfactor=7.0)
    np.testing.assert_allclose(explored.free_energy(points, 2.5), 7 * np.array(expected))


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(1, 3), st.booleans())
def test_surfaces_are_the_formula(seed, n, d, explore):
    state = state_of(seed, n, d, explore)
    bins = [17, 12, 9][:d]
    grid = Grid.from_bins(
        state.names, [-math.pi, -4, -4][:d], [math.pi, 4, 4][:d], bins, [True, False, False][:d]
    )
    values, slopes_found, _ = opes_free_energy(state, grid, 2.5)
    points = grid_points(grid)
    expected, slopes = energy(state, points, 2.5)
    scale = 2.5 * state.exponent
    np.testing.assert_allclose(values.ravel(), expected, rtol=0, atol=1e-9 * scale)
    np.testing.assert_allclose(
        slopes_found.reshape(d, -1), slopes, rtol=1e-8, atol=1e-9 * np.abs(slopes).max()
    )
    np.testing.assert_allclose(state.free_energy(points, 2.5), expected, atol=1e-9 * scale)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_the_gradient_is_that_of_the_surface(d):
    state = state_of(3, 10, d, epsilon=1e-2, cutoff=6.0)
    point = np.full((1, d), 0.3)
    _, slopes = energy(state, point, 1.0)
    for i in range(d):
        step = np.zeros(d)
        step[i] = 1e-5
        ahead, behind = (state.free_energy(point + s * step, 1.0) for s in (1, -1))
        np.testing.assert_allclose((ahead - behind) / 2e-5, slopes[i], rtol=1e-6)


def test_the_sum_is_normalised():
    """A truncated kernel holds sigma (sqrt(2 pi) erf(c / sqrt 2) - 2 c exp(-c^2 / 2))."""
    state = state_of(1, 8, 1, sigmas=np.full((8, 1), 0.2), cutoff=3.0)
    grid = np.linspace(-math.pi, math.pi, 100_000, endpoint=False)[:, None]
    held = state.kernel_sum(grid).sum() * 2 * math.pi / len(grid)
    c = state.cutoff
    one = math.sqrt(2 * math.pi) * math.erf(c / math.sqrt(2)) - 2 * c * math.exp(-c * c / 2)
    assert held == pytest.approx(state.heights.sum() * 0.2 * one, rel=1e-6)


# --- merging


@given(st.integers(0, 10**6), st.floats(0, 3))
def test_merging_keeps_heights_mean_and_variance(seed, threshold):
    rng = np.random.default_rng(seed)
    rows = np.column_stack([rng.normal(size=(60, 2)), rng.uniform(0.1, 1, (60, 3))])
    kernels = CompressedKernels(np.zeros(2), threshold)
    for row in rows:
        kernels.add(row)
    merged = kernels.rows()
    for found, expected in zip(moments(merged), moments(rows)):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    if threshold == 0:
        np.testing.assert_array_equal(merged, rows)


def moments(rows):
    centers, sigmas, heights = rows[:, :2], rows[:, 2:4], rows[:, 4]
    mean = heights @ centers / heights.sum()
    return heights.sum(), mean, heights @ (sigmas**2 + centers**2) / heights.sum() - mean**2


def test_kernels_are_merged_with_the_nearest_image_and_again():
    kernels = CompressedKernels(np.array([2 * math.pi]), 1.0)
    for center in (3.1, -2.0, -3.1):
        kernels.add(np.array([center, 0.2, 1.0]))
    assert len(kernels) == 2  # 3.1 and -3.1 are 0.083 apart
    far, _, height = max(kernels.rows(), key=lambda row: row[2])
    assert height == 2
    assert abs(math.remainder(far - math.pi, 2 * math.pi)) < 1e-12
    kernels = CompressedKernels(np.zeros(1), 1.0)
    for center, n_expected in ((0.0, 1), (0.9, 2), (0.45, 1)):  # the third draws both together
        kernels.add(np.array([center, 0.8, 1.0]))
        assert len(kernels) == n_expected


@pytest.mark.parametrize("prefix", RUNS)
def test_kernels_make_the_states_that_were_stored(prefix):
    """Every state that the run stored comes of its KERNELS: merging, the sum of weights and Z."""
    every = 10 if prefix == "" else 50
    stored = read_opes(DATA / f"{prefix}STATE.gz", every=every // 10 if prefix == "" else 1)
    made = read_opes(DATA / f"{prefix}KERNELS.gz", every=every)
    assert len(stored.states) == len(made.states) == 1000 // every
    assert (stored.compressed, made.compressed) == (False, True)
    points = np.linspace(-3, 3, 61)[:, None]
    for one, other in zip(stored.states, made.states):
        assert len(one) == len(other)
        assert one.time == other.time
        assert other.zed == pytest.approx(one.zed, rel=1e-9)
        np.testing.assert_allclose(
            one.free_energy(points, KBT), other.free_energy(points, KBT), atol=1e-7
        )


@pytest.mark.parametrize("prefix", RUNS)
def test_the_bias_of_the_run_is_that_of_its_states(prefix):
    """V = -(1 - 1 / gamma) F at frames, printed before the kernel of their time was deposited."""
    names = ["time", "phi", "opes.bias"]
    frames = read_table(DATA / f"{prefix}COLVAR.gz", names).columns
    states = read_opes(DATA / f"{prefix}KERNELS.gz", every=1).states
    for k in (1, 10, 100, 500, 998):
        state = states[k - 1]
        at = np.array([[frames["phi"][k]]])
        bias = -(1 - 1 / state.biasfactor) * state.free_energy(at, KBT)[0]
        assert bias == pytest.approx(frames["opes.bias"][k], abs=2e-4)


# --- surfaces


def true_energy(phi):
    return 12 * (1 + np.cos(2 * phi)) + 2 * np.sin(phi)


@pytest.mark.parametrize("prefix", RUNS)
def test_the_surface_of_a_run_is_near_the_truth(prefix):
    surface = FreeEnergySurface.from_opes(DATA / f"{prefix}STATE.gz", kbt=KBT)
    assert surface.units == "kj/mol"
    (phi,) = surface.grid.axes
    low = true_energy(phi) < 15
    off = (surface.values - true_energy(phi))[low]
    assert np.std(off) < 0.5 * KBT


def test_a_surface_of_python_has_the_options_of_others():
    options = {"kbt": 1.0, "units": "kt", "bins": [90]}
    surface = FreeEnergySurface.from_opes(DATA / "STATE.gz", **options, derivatives=False)
    assert surface.grid.shape == (90,)
    assert surface.derivatives is None
    assert surface.units == "kt"
    again = FreeEnergySurface.from_opes(read_opes(DATA / "STATE.gz").states[-1], **options)
    np.testing.assert_array_equal(again.values, surface.values)
    assert "from_opes" in surface.provenance.command


def test_without_kernels_f_is_that_of_epsilon():
    state = state_of(n=1, d=2, centers=np.zeros((1, 2)), sigmas=np.full((1, 2), 0.2), cutoff=3.0)
    surface = FreeEnergySurface.from_opes(
        state, kbt=1, lower=["-pi", -9], upper=["pi", 9], bins=[60, 180]
    )
    assert surface.values.max() == pytest.approx(-math.log(state.epsilon))
    assert surface.n_unreached == 0


def test_a_grid_that_no_kernel_reaches_is_refused():
    with pytest.raises(InputError, match="no kernel lies within reach of the grid; the kernels"):
        FreeEnergySurface.from_opes(
            state_of(), kbt=1, lower=["-pi", 50], upper=["pi", 60], bins=[9, 9]
        )
    with pytest.raises(InputError, match="kbt must be positive"):
        FreeEnergySurface.from_opes(state_of(), kbt=0)


def test_a_coarse_grid_is_told():
    with pytest.warns(CyfesWarning, match="wider than sigma"):
        FreeEnergySurface.from_opes(state_of(), kbt=1, bins=[9, 9])


def test_the_bits_do_not_depend_on_threads():
    surfaces = [
        FreeEnergySurface.from_opes(DATA / "STATE.gz", kbt=1, n_threads=n).values for n in (1, 2)
    ]
    np.testing.assert_array_equal(*surfaces)


# --- agreement


def reweighted(grid, name="COLVAR.gz"):
    return FreeEnergySurface.from_colvar(DATA / name, kbt=KBT, cv=["phi"], grid=grid, error=True)


def test_a_state_agrees_with_its_frames_and_not_with_others():
    surface = FreeEnergySurface.from_opes(DATA / "STATE.gz", kbt=KBT)
    frames = reweighted(surface.grid)
    judged = agreement(surface, frames)
    assert judged.agrees
    assert judged.sentence().startswith("agree within errors: they differ by ")
    wrong = agreement(surface.scaled(2.0, "kj/mol"), frames)
    assert not wrong.agrees
    assert "do NOT agree" in wrong.sentence()


def test_of_an_exploring_run_the_frames_are_nearer_to_the_truth():
    """The errors of its state are gamma times those of the distribution; the sentence shows it."""
    surface = FreeEnergySurface.from_opes(DATA / "explore.STATE.gz", kbt=KBT)
    frames = reweighted(surface.grid, "explore.COLVAR.gz")
    truth = true_energy(surface.grid.axes[0])
    low = truth < truth.min() + 10 * KBT
    assert np.std((frames.values - truth)[low]) < np.std((surface.values - truth)[low])
    assert not agreement(surface, frames).agrees


def test_an_agreement_does_not_depend_on_units():
    surface = FreeEnergySurface.from_opes(DATA / "STATE.gz", kbt=KBT)
    frames = reweighted(surface.grid)
    one, other = (
        agreement(surface, frames),
        agreement(surface.scaled(1 / 4.184, "kcal/mol"), frames),
    )
    assert other.found.rms * 4.184 == pytest.approx(one.found.rms, rel=1e-9)
    assert other.error * 4.184 == pytest.approx(one.error, rel=1e-9)


def test_an_agreement_needs_errors():
    surface = FreeEnergySurface.from_opes(DATA / "STATE.gz", kbt=KBT)
    with pytest.raises(InputError, match="error=True"):
        agreement(surface, surface)


# --- real runs


def test_the_state_of_the_tutorial(shared_data):
    """F of PLUMED's tutorial, an independent sum in NumPy; and what is known of the system."""
    path = shared_data / "opes-2d-tutorial" / "opes_STATE"
    found = read_opes(path, every=1)
    assert found.n_found == 40
    reference = np.loadtxt(shared_data / "opes-2d-tutorial" / "ref-fes.dat")
    surface = FreeEnergySurface.from_opes(
        found.states[-1], kbt=1, units="kt", lower=[-3], upper=[3], bins=[999]
    )
    text = path.read_text().rpartition("#! FIELDS")[2].splitlines()
    told = {line.split()[2]: line.split()[3] for line in text if line.startswith("#! SET")}
    rows = np.array([line.split() for line in text[1:] if not line.startswith("#")], float)
    cutoff, unit = (float(told["kernel_cutoff"]), float(told["zed"]) * float(told["sum_weights"]))
    square = ((reference[:, :1] - rows[:, 1]) / rows[:, 2]) ** 2
    values = np.maximum(np.exp(-square / 2) - math.exp(-(cutoff**2) / 2), 0) @ rows[:, 3]
    expected = -np.log(values / unit + float(told["epsilon"]))
    np.testing.assert_allclose(surface.values, expected, atol=1e-6)
    low = reference[:, 1] - reference[:, 1].min() < 10
    off = (surface.values - reference[:, 1])[low]
    assert np.std(off) < 0.15  # of the state: its wells are 0.2 kT off


def test_the_hundred_states_of_an_exploring_run(shared_data):
    """Against the surface that the authors' script made of the last one, 6 digits."""
    folder = shared_data / "truth-opes-explore" / "ala2" / "explore"
    found = read_opes(folder / "STATE.gz", every=1)
    assert len(found.states) == 100
    reference = read_dat(folder / "running_fes" / "fes_100.dat")
    surface = FreeEnergySurface.from_opes(found.states[-1], kbt=300 * 0.0083144621, bins=[99, 99])
    expected = reference.values - reference.values.min()
    np.testing.assert_allclose(surface.shifted().values, expected, atol=1e-6)


@pytest.mark.parametrize("name", ["opes-1d-ala2", "gen-2d-np-opes"])
def test_real_kernels_make_the_state(shared_data, name):
    one = read_opes(shared_data / name / "STATE").states[-1]
    other = read_opes(shared_data / name / "KERNELS").states[-1]
    assert len(one) == len(other)
    assert other.norm == pytest.approx(one.norm, rel=1e-9)
    assert other.zed == pytest.approx(one.zed, rel=1e-9)
    points = np.random.default_rng(0).uniform(-3, 3, (200, len(one.names)))
    np.testing.assert_allclose(
        one.free_energy(points, 1.0), other.free_energy(points, 1.0), atol=1e-7
    )
