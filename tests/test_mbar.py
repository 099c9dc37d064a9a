"""MBAR: the solver against a few lines of NumPy, against what is known in closed form, and laws."""

import numpy as np
import pytest
import umbrella_windows
from hypothesis import given, settings
from hypothesis import strategies as st

from cyfes import _kernels
from cyfes.errors import InputError
from cyfes.mbar import Computed, Harmonic, solve


def shares_of(x, periods, centers, halves, offsets):
    """(p float64[n, K], ln sum exp) in plain NumPy."""
    distance = x[:, None] - centers
    wraps = periods > 0
    distance[..., wraps] -= periods[wraps] * np.rint(distance[..., wraps] / periods[wraps])
    exponents = offsets - (halves * distance**2).sum(axis=2)
    highest = exponents.max(axis=1)
    p = np.exp(exponents - highest[:, None])
    total = p.sum(axis=1)
    return p / total[:, None], highest + np.log(total)


def self_consistent(u_kn, counts, n_steps=20000):
    """The free energies, by ten lines that anyone can read."""
    f = np.zeros(len(counts))
    for _ in range(n_steps):
        denominators = (counts * np.exp(f - u_kn.T)).sum(axis=1)
        new = -np.log((np.exp(-u_kn) / denominators).sum(axis=1))
        new -= new[0]
        if np.abs(new - f).max() < 1e-14:
            break
        f = new
    return f


def joined(frames, centers, springs):
    x = np.concatenate(frames)[:, None]
    energies = Harmonic(x, np.zeros(1), centers[:, None], springs[:, None])
    return energies, np.array([len(part) for part in frames])


@settings(max_examples=40, deadline=None)
@given(
    d=st.integers(1, 4),
    n=st.integers(1, 400),
    k=st.integers(1, 30),
    seed=st.integers(0, 2**32 - 1),
    stiff=st.sampled_from([0.0, 1.0, 1e4]),
)
def test_the_kernel_against_numpy(d, n, k, seed, stiff):
    rng = np.random.default_rng(seed)
    x, centers = rng.uniform(-4, 4, (n, d)), rng.uniform(-3, 3, (k, d))
    periods = np.where(rng.random(d) < 0.5, rng.uniform(1, 8, d), 0.0)
    halves, offsets = stiff * rng.random((k, d)), rng.normal(0, 5, k)
    p, logs = shares_of(x, periods, centers, halves, offsets)
    products, found = np.ones((k, k)), np.empty(n)
    sums = _kernels.mbar_sums(x, periods, centers, halves, offsets, products, found)
    np.testing.assert_allclose(sums, p.sum(axis=0), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(products - 1, p.T @ p, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found, logs, rtol=1e-12, atol=1e-9)


def test_threads_change_no_bit():
    rng = np.random.default_rng(3)
    x, centers, halves = rng.random((30000, 2)), rng.random((20, 2)), 30 * rng.random((20, 2))
    results = []
    for n_threads in (1, 2, 5):
        products, logs = np.zeros((20, 20)), np.empty(30000)
        sums = _kernels.mbar_sums(
            x, np.zeros(2), centers, halves, np.zeros(20), products, logs, n_threads
        )
        results.append(b"".join(a.tobytes() for a in (sums, products, logs)))
    assert len(set(results)) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"period": np.zeros(2)}, "do not fit the centers"),
        ({"period": np.array([-1.0])}, "period of CV 0 must be finite and at least 0"),
        ({"half_springs": np.array([[-1.0], [1.0]])}, "spring constant of window 0"),
        ({"centers": np.array([[0.0], [np.nan]])}, "center and spring constant of window 1"),
        ({"offsets": np.array([0.0, np.inf])}, "offset of window 1 is not finite"),
        ({"products": np.zeros((2, 3))}, "products must be C-contiguous"),
        ({"logs": np.zeros(3)}, "logs must be C-contiguous"),
    ],
)
def test_the_kernel_refuses(change, message):
    arguments = {
        "samples": np.zeros((4, 1)),
        "period": np.zeros(1),
        "centers": np.zeros((2, 1)),
        "half_springs": np.ones((2, 1)),
        "offsets": np.zeros(2),
    }
    with pytest.raises(InputError, match=message):
        _kernels.mbar_sums(**{**arguments, **change})


def test_self_consistent_equations_and_newton_agree():
    frames, centers, springs = umbrella_windows.windows(6, 60)
    energies, counts = joined(frames, centers, springs)
    u_kn = np.array([energies.of_window(k) for k in range(6)])
    wanted = self_consistent(u_kn, counts)
    np.testing.assert_allclose(solve(energies, counts).free_energies, wanted, atol=1e-9)
    found = solve(Computed.of_array(u_kn), counts)
    np.testing.assert_allclose(found.free_energies, wanted, atol=1e-9)


def test_energies_of_a_function_come_in_parts(monkeypatch):
    frames, centers, springs = umbrella_windows.windows(5, 50)
    energies, counts = joined(frames, centers, springs)
    u_kn = np.array([energies.of_window(k) for k in range(5)])
    monkeypatch.setattr("cyfes.mbar.AT_ONCE", 35)
    seen = []

    def part(rows):
        seen.append(u_kn[:, rows].shape[1])
        return u_kn[:, rows]

    found = solve(Computed(part, *u_kn.shape), counts)
    assert max(seen) == 7
    wanted = solve(energies, counts)
    np.testing.assert_allclose(found.free_energies, wanted.free_energies, atol=1e-10)
    np.testing.assert_allclose(found.log_shares(2), wanted.log_shares(2), atol=1e-9)


def test_two_windows_of_a_harmonic_free_energy():
    """F = a x^2 / 2 with V = k (x - c)^2 / 2: f = a k c^2 / (2 (a + k)) + ln((a + k) / a) / 2."""
    a, k = 3.0, np.array([5.0, 8.0])
    c = np.array([-0.3, 0.4])
    frames = [
        umbrella_windows.exact_frames(c[i], k[i], 20000, i, lambda x: 0.5 * a * x**2)
        for i in range(2)
    ]
    found = solve(*joined(frames, c, k)).free_energies
    f = a * k * c**2 / (2 * (a + k)) + 0.5 * np.log((a + k) / a)
    assert found[1] == pytest.approx(f[1] - f[0], abs=2e-3)


def test_one_window_has_weights_of_its_bias():
    frames, centers, springs = umbrella_windows.windows(1, 50)
    energies, counts = joined(frames, centers, springs)
    found = solve(energies, counts)
    np.testing.assert_allclose(-found.log_denominators, energies.of_window(0) - np.log(50))
    assert found.free_energies.tolist() == [0.0]
    assert found.errors().tolist() == [0.0]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), shift=st.floats(-50, 50))
def test_permuted_and_shifted_windows(seed, shift):
    frames, centers, springs = umbrella_windows.windows(5, 40, seed=seed)
    wanted = solve(*joined(frames, centers, springs)).free_energies
    order = np.random.default_rng(seed).permutation(5)
    found = solve(*joined([frames[k] for k in order], centers[order], springs[order]))
    np.testing.assert_allclose(
        found.free_energies, wanted[order] - wanted[order[0]], atol=1e-9, rtol=1e-9
    )
    moved = solve(*joined([x + shift for x in frames], centers + shift, springs)).free_energies
    np.testing.assert_allclose(moved, wanted, atol=1e-8)


def test_the_equations_hold_and_overlaps_add_up():
    frames, centers, springs = umbrella_windows.windows()
    energies, counts = joined(frames, centers, springs)
    found = solve(energies, counts)
    np.testing.assert_allclose(energies.shares(found.offsets), counts, rtol=1e-12)
    np.testing.assert_allclose(found.overlap.sum(axis=1), 1, rtol=1e-12)
    assert found.precision < 1e-10


def test_a_frame_that_is_replaced_moves_f_as_the_response_says():
    frames, centers, springs = umbrella_windows.windows(4, 2000)
    energies, counts = joined(frames, centers, springs)
    found = solve(energies, counts)
    one, other = (energies.shares(found.offsets, slice(k, k + 1)) for k in (0, 1))
    replaced = [np.concatenate([frames[0][1:2], frames[0][1:]]), *frames[1:]]
    moved = solve(*joined(replaced, centers, springs)).free_energies - found.free_energies
    told = -found.response @ (other - one)
    np.testing.assert_allclose(moved, told - told[0], rtol=0.02, atol=1e-6)


def test_errors_are_those_of_repeated_runs():
    rng = np.random.default_rng(5)
    runs, told = [], []
    for _ in range(60):
        seeds = rng.integers(1 << 30, size=5)
        centers, springs = np.linspace(-1.2, 1.2, 5), np.full(5, 12.0)
        frames = []
        for c, seed in zip(centers, seeds):
            grid = umbrella_windows.GRID
            density = np.exp(-umbrella_windows.double_well(grid) - 6.0 * (grid - c) ** 2)
            share = np.cumsum(density) / density.sum()
            frames.append(np.interp(np.random.default_rng(seed).random(200), share, grid))
        found = solve(*joined(frames, centers, springs))
        runs.append(found.free_energies)
        told.append(found.errors())
    ratio = np.mean(told, axis=0)[1:] / np.std(runs, axis=0)[1:]
    assert np.all((ratio > 0.75) & (ratio < 1.3))


def test_counts_that_do_not_fit_are_refused():
    energies, counts = joined(*umbrella_windows.windows(3, 20))
    with pytest.raises(InputError, match="3 windows of 60 frames, but 2 numbers"):
        solve(energies, counts[:2])
    with pytest.raises(InputError, match="window 1 has no frames: leave it out"):
        solve(energies, np.array([30, 0, 30]))
    with pytest.raises(InputError, match="finite"):
        Computed.of_array(np.full((2, 3), np.nan))


@pytest.mark.filterwarnings("ignore")  # those of SciPy about what pymbar asks of it
def test_pymbar_agrees():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYMBAR_DISABLE_JAX", "TRUE")
        pymbar = pytest.importorskip("pymbar", reason="pymbar, the judge, is not installed")
    frames, centers, springs = umbrella_windows.windows(7, 150)
    energies, counts = joined(frames, centers, springs)
    u_kn = np.array([energies.of_window(k) for k in range(7)])
    judge = pymbar.MBAR(u_kn, counts, relative_tolerance=1e-12)
    result = judge.compute_free_energy_differences()
    found = solve(energies, counts)
    np.testing.assert_allclose(found.free_energies, result["Delta_f"][0], atol=1e-6)
    np.testing.assert_allclose(found.errors(), result["dDelta_f"][0], rtol=0.1, atol=1e-6)
    np.testing.assert_allclose(found.overlap, judge.compute_overlap()["matrix"], atol=1e-6)
