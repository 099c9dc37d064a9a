"""Other temperatures, energy and entropy: formulas in NumPy, known truths, bad input."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import kernel_sum
from plumed_files import report_of, run

from cyfes import FreeEnergySurface
from cyfes.arrays import frames_of_arrays
from cyfes.entropy import energy_and_entropy
from cyfes.errors import CyfesWarning, InputError
from cyfes.gridfile import read_dat, read_npz
from cyfes.hillweights import read_weighted
from cyfes.reweight import read_samples
from cyfes.selection import Selection
from cyfes.temperatures import effective_frames, mean_energy, reweighted_to, warn_of_support
from cyfes.units import thermal_energy
from cyfes.walkers import samples_in_order

OWN, KBT, H = 300.0, thermal_energy(300.0), 0.3


def model(n=400, seed=0):
    """(x, E, V): E = kT0 (x^2 + (1 + x^2) y^2) / 2 - 1000 and frames of E + V, V = kT0 x^2 / 4.

    At every T, F(x) = kT0 x^2 / 2 + kT ln(1 + x^2) / 2, of which the second term is -TS.
    """
    rng = np.random.default_rng(seed)
    x = rng.normal(0, np.sqrt(2 / 3), 3 * n)
    x = x[rng.random(3 * n) < (1 + x**2) ** -0.5][:n]
    y = rng.normal(size=len(x)) / np.sqrt(1 + x**2)
    return x, KBT * (x**2 + (1 + x**2) * y**2) / 2 - 1000, KBT * x**2 / 4


def frames(n=400, seed=0):
    x, energies, bias = model(n, seed)
    return frames_of_arrays(
        x, names=["x"], log_weights=bias / KBT, energies=energies, times=np.arange(len(x))
    )


def surface(samples, kelvin, n_bins=40, **options):
    return FreeEnergySurface.from_colvar(
        samples, kbt=thermal_energy(kelvin), bandwidth=[H], lower=[-2], upper=[2], bins=[n_bins],
        derivatives=False, **options,
    )  # fmt: skip


def sums(fes, samples, weights, h=H):
    points = fes.grid.axes[0][:, None]
    return kernel_sum(points, np.zeros(1), samples.values, np.array([[h]]), weights)[0]


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 99), st.floats(200, 500), st.floats(-1e5, 1e5))
def test_surface_energy_and_counts_are_their_formulas(seed, kelvin, constant):
    samples = frames(60, seed)
    hot = reweighted_to(samples, kelvin, own=OWN)
    fes = surface(hot, kelvin)
    kbt, energies = thermal_energy(kelvin), np.asarray(samples.energies)
    exponent = samples.log_weights + (1 / KBT - 1 / kbt) * (energies - energies.mean())
    w = np.exp(exponent - exponent.max())
    density = sums(fes, samples, w)
    expected = -kbt * np.log(density / w.sum() / (H * np.sqrt(2 * np.pi)))
    np.testing.assert_allclose(fes.values, expected, rtol=0, atol=1e-7)
    counts = density**2 / sums(fes, samples, w**2, H / np.sqrt(2))
    np.testing.assert_allclose(effective_frames(fes, hot, [H]), counts, rtol=1e-6)
    mean = (w * energies).sum() / w.sum()
    assert mean_energy(hot) == pytest.approx(mean, rel=1e-12)
    found = energy_and_entropy(fes, hot, [H])
    np.testing.assert_allclose(
        found.energy, sums(fes, samples, w * (energies - mean)) / density, atol=1e-6
    )
    np.testing.assert_allclose(found.energy + found.entropy, fes.values, rtol=0, atol=1e-12)
    # A constant in the energy changes nothing but its mean.
    moved = reweighted_to(replace(samples, energies=energies + constant), kelvin, own=OWN)
    np.testing.assert_allclose(surface(moved, kelvin).values, fes.values, atol=1e-5)


def test_energies_keep_to_their_frames_when_walkers_are_merged():
    samples = replace(frames(20), ends=(10, 20), times=np.tile(np.arange(10.0), 2))
    merged, _ = samples_in_order(samples)
    order = [np.flatnonzero(samples.values[:, 0] == x)[0] for x in merged.values[:, 0]]
    assert order != list(range(20))
    np.testing.assert_array_equal(merged.energies, np.asarray(samples.energies)[order])


def test_own_temperature_changes_no_weight():
    samples = frames()
    same = reweighted_to(samples, OWN, own=OWN)
    np.testing.assert_array_equal(same.log_weights, samples.log_weights)
    assert mean_energy(same) == mean_energy(samples)


@given(st.floats(100, 900), st.floats(100, 900))
def test_two_steps_are_one(first, second):
    samples = frames(50)
    two = reweighted_to(reweighted_to(samples, first, own=OWN), second, own=first)
    one = reweighted_to(samples, second, own=OWN)
    # Which constant was left out differs.
    apart = two.log_weights - one.log_weights
    np.testing.assert_allclose(apart, apart[0], atol=1e-9)


@given(st.floats(100, 900))
def test_energies_in_kt_are_those_of_the_temperature(kelvin):
    samples = frames(50)
    other = replace(samples, energies=np.asarray(samples.energies) / KBT)
    hot = reweighted_to(other, kelvin, own=OWN, units="kt")
    expected = reweighted_to(samples, kelvin, own=OWN)
    np.testing.assert_allclose(hot.log_weights, expected.log_weights, atol=1e-9)
    np.testing.assert_allclose(
        np.asarray(hot.energies) * thermal_energy(kelvin), expected.energies, rtol=1e-12
    )


@pytest.mark.parametrize("kelvin", [270.0, 300.0, 340.0])
def test_known_truth_within_errors(kelvin):
    x, energies, bias = model(40000)
    samples = frames_of_arrays(x, names=["x"], log_weights=bias / KBT, energies=energies)
    fes = surface(reweighted_to(samples, kelvin, own=OWN), kelvin, error=True)
    at = fes.place_of([0.0])
    found = energy_and_entropy(
        fes, reweighted_to(samples, kelvin, own=OWN), [H], reference=at
    ).relative_to(at)
    s, kbt = fes.grid.axes[0], thermal_energy(kelvin)
    # What the kernel does to the truth is no error of the frames: both are blurred alike.
    near, step = np.linspace(-5, 5, 2001), s[:, None] - np.linspace(-5, 5, 2001)
    p = np.exp(-KBT / kbt * near**2 / 2) / np.sqrt(1 + near**2)
    kernel = np.exp(-(step**2) / (2 * H**2))
    energy = (kernel @ (p * KBT * near**2 / 2)) / (kernel @ p)
    free = -kbt * np.log(kernel @ p)
    for values, errors, truth in (
        (found.energy, found.energy_error, energy),
        (found.entropy, found.entropy_error, free - energy),
        (fes.relative_to([0.0]).values, fes.error_of_difference([0.0]), free),
    ):
        apart = np.abs(values - (truth - truth[at]))
        assert np.all(apart <= 4.5 * errors + 1e-9)
        assert np.all(errors < 0.5)


def test_errors_are_those_of_leaving_blocks_out():
    """The influence of a block is what its weight changes, to first order."""
    samples = frames(2000)
    fes = surface(samples, OWN, error=True, blocks=8)
    found = energy_and_entropy(fes, samples, [H])
    blocks = fes.uncertainty.blocks
    ends = np.cumsum(blocks.counts)
    step, changes = 1e-5, []
    for start, stop in zip(ends - blocks.counts, ends):
        log_w = samples.log_weights.copy()
        log_w[start:stop] += step
        heavier = frames_of_arrays(
            samples.values, names=["x"], log_weights=log_w, energies=samples.energies
        )
        other = energy_and_entropy(surface(heavier, OWN), heavier, [H])
        changes.append([other.energy - found.energy, other.entropy - found.entropy])
    spread = fes.uncertainty.error_of(np.array(changes) / step)
    np.testing.assert_allclose(spread[0], found.energy_error, rtol=2e-3)
    np.testing.assert_allclose(spread[1], found.entropy_error, rtol=2e-3)


def test_too_few_frames_are_warned_of():
    samples = frames(2000)
    cold = reweighted_to(samples, 3000.0, own=OWN)
    fes = surface(cold, 3000.0)
    with pytest.warns(CyfesWarning, match="3000 K only .* effective samples of 2000 frames"):
        warn_of_support(fes, replace(cold, sums=type(cold.sums).of(np.array([0.0]))),
                        effective_frames(fes, cold, [H]), 3000.0)  # fmt: skip
    with pytest.warns(CyfesWarning, match="fewer than 10 effective frames make 41 of the 41"):
        warn_of_support(fes, samples, np.ones(41), 3000.0)
    warn_of_support(fes, samples, np.full(41, 11.0), 3000.0)


# The command line


def write_frames(folder, n=500):
    x, energies, bias = model(n)
    rows = "".join(
        f"{i} {a:.9f} {v:.9f} {e:.9f} 5\n" for i, (a, v, e) in enumerate(zip(x, bias, energies))
    )
    path = folder / "COLVAR"
    path.write_text(f"#! FIELDS time x r.bias ene flat\n{rows}")
    return path


@pytest.fixture
def colvar(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write_frames(tmp_path)


GIVEN = ("--cv", "x", "--sigma", "0.3", "--min", "-2", "--max", "2", "--bin", "40")


def test_a_file_for_each_temperature(colvar, capsys):
    code, out, err = run(
        capsys, "reweight", colvar, *GIVEN, "--temp", 300, "--temperatures", "310", "290.5",
        "--energy", "ene", "--entropy", "--error", "--blocks", 8, "--mintozero",
    )  # fmt: skip
    assert (code, err) == (0, "")
    assert sorted(os.listdir()) == ["COLVAR", "fes_290.5K.dat", "fes_310K.dat"]
    assert "fes_310K.dat, at 310 K" in out
    assert "fes_290.5K.dat, at 290.5 K" in out
    chosen = Selection(cv=["x"], energy="ene")
    samples = read_samples(str(colvar), KBT, chosen)
    hot = reweighted_to(samples, 310.0, own=OWN)
    fes = surface(hot, 310.0, error=True, blocks=8)
    expected = energy_and_entropy(fes, hot, [H]).relative_to(fes.place_of())
    header = (colvar.parent / "fes_310K.dat").read_text().splitlines()[0]
    names = "x file.free der_x n_eff energy minus_ts energy_error minus_ts_error error"
    assert header == f"#! FIELDS {names}"
    table = np.loadtxt("fes_310K.dat")
    columns = dict(zip(names.split(), table.T))
    free = fes.shifted().values
    np.testing.assert_allclose(columns["file.free"], free, atol=1e-8)
    np.testing.assert_allclose(columns["n_eff"], effective_frames(fes, hot, [H]), atol=1e-8)
    for name, column in expected.columns().items():
        np.testing.assert_allclose(columns[name], column, atol=1e-8)
    np.testing.assert_allclose(columns["energy"] + columns["minus_ts"], free, atol=1e-8)
    read = read_dat("fes_310K.dat")
    assert read.kbt == pytest.approx(thermal_energy(310.0))
    np.testing.assert_allclose(read.values, free, atol=1e-8)


def test_units_of_the_output(colvar, capsys):
    common = ("reweight", colvar, *GIVEN, "--energy", "ene", "--entropy", "--temp", 300)
    assert run(capsys, *common, "--temperatures", 330, "--outfile", "a.npz")[0] == 0
    in_kt = ("--outfile", "b.npz", "--to-units", "kt")
    assert run(capsys, *common, "--temperatures", 330, *in_kt)[0] == 0
    a, b = read_npz("a_330K.npz"), read_npz("b_330K.npz")
    kbt = thermal_energy(330.0)
    np.testing.assert_allclose(b.values * kbt, a.values, rtol=1e-12)
    np.testing.assert_allclose(b.extra["minus_ts"] * kbt, a.extra["minus_ts"], rtol=1e-12)
    np.testing.assert_array_equal(b.extra["n_eff"], a.extra["n_eff"])
    # The same frames with energies in kT of the run.
    rows = np.loadtxt(colvar)
    rows[:, 2:4] /= KBT
    np.savetxt("KT", rows, fmt="%.12g", comments="#", header="! FIELDS time x r.bias ene flat")
    done = run(
        capsys, "reweight", "KT", *GIVEN, "--energy", "ene", "--entropy", "--temp", 300,
        "--units", "kt", "--temperatures", 330, "--outfile", "c.npz",
    )  # fmt: skip
    assert done[0] == 0
    c = read_npz("c_330K.npz")
    np.testing.assert_allclose(c.values, b.values, atol=1e-6)
    np.testing.assert_allclose(c.extra["energy"], b.extra["energy"], atol=1e-6)


def test_entropy_at_the_temperature_of_the_run(colvar, capsys):
    common = ("reweight", colvar, *GIVEN, "--kt", KBT)
    code, out, _ = run(capsys, *common, "--energy", "ene", "--entropy", "--outfile", "with.npz")
    assert code == 0
    assert report_of(out)["written"] == "with.npz, at the temperature of the run"
    assert run(capsys, *common, "--outfile", "without.npz")[0] == 0
    found, plain = read_npz("with.npz"), read_npz("without.npz")
    np.testing.assert_array_equal(found.values, plain.values)
    np.testing.assert_allclose(found.extra["energy"] + found.extra["minus_ts"], plain.values)


def test_other_weights_go_with_energies(colvar, capsys):
    np.savetxt(
        "LOGW", np.column_stack([np.loadtxt(colvar), np.loadtxt(colvar)[:, 2] / KBT]),
        fmt="%.12g", comments="#",
        header="! FIELDS time x r.bias ene flat logw",
    )  # fmt: skip
    common = (*GIVEN, "--temp", 300, "--energy", "ene", "--temperatures", 320)
    assert run(capsys, "reweight", colvar, *common, "--outfile", "a.dat")[0] == 0
    given = (*common, "--logweights", "logw", "--outfile", "b.dat")
    assert run(capsys, "reweight", "LOGW", *given)[0] == 0
    a, b = read_dat("a_320K.dat").values, read_dat("b_320K.dat").values
    np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--temperatures", "310"], "--temperatures needs --energy NAME"),
        (["--entropy"], "--entropy needs --energy NAME"),
        (["--energy", "ene"], "--energy is for --temperatures and --entropy"),
        (["--energy", "no", "--temperatures", "310"], "no column 'no'"),
        (["--energy", "flat", "--temperatures", "310"], "is 5 in all frames"),
        (["--energy", "flat", "--entropy"], "is 5 in all frames"),
        (["--energy", "ene", "--temperatures", "310,0"], "--temperatures must be positive, got 0"),
        (["--energy", "ene", "--temperatures", "310,x"], "'x' is not a number"),
        (["--energy", "ene", "--temperatures", "310,310.0"], "names one twice"),
        (["--energy", "ene", "--entropy", "--stream"], "leave --stream out"),
        (["--energy", "ene", "--entropy", "--radial", "d"], "--radial does not go with --entropy"),
        (["--energy", "ene", "--entropy", "--plot", "a.png"], "--plot does not go with --entropy"),
        (["--energy", "ene", "--entropy", "--outfile", "a.cube"], "give a .dat or .npz file"),
        (["--energy", "ene", "--temperatures", "310", "--outfile", "-"], "give --outfile a name"),
        (["--energy", "ene", "--temperatures", "310", "--units", "kt", "--kt", "1"],
         "energies in kT do not tell the temperature"),
        (["--energy", "ene", "--temperatures", "310", "--reference", "9"], "lies off the grid"),
        (["--energy", "ene", "--entropy", "--weights", "mbar"], "COLVAR"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_one_line_and_writes_nothing(colvar, capsys, options, says):
    temperature = [] if "--kt" in options else ["--temp", "300"]
    code, _, err = run(capsys, "reweight", colvar, *GIVEN, *temperature, *options)
    assert code == 2
    assert says in err
    assert len(err.splitlines()) == 1
    assert os.listdir() == ["COLVAR"]


def test_frames_without_energies_are_refused():
    samples = frames(20)
    for other, says in (
        (replace(samples, energies=None), "no potential energies"),
        (replace(samples, energies=np.full(len(samples), np.inf)), "finite"),
        (replace(samples, mixture=object()), "windows that MBAR joined"),
    ):
        with pytest.raises(InputError, match=says):
            reweighted_to(other, 310.0, own=OWN)
    with pytest.raises(InputError, match="temperature must be positive"):
        reweighted_to(samples, -1.0, own=OWN)
    with pytest.raises(InputError, match=r"energies must be \[2\]"):
        frames_of_arrays([1.0, 2.0], energies=np.zeros(3))


def test_weights_from_hills_leave_the_energies_alone():
    folder = Path(__file__).parent / "data" / "gen-2d-per-wt"
    weights = ([str(folder / "COLVAR.gz")], 1.0, "final", str(folder / "HILLS.gz"))
    plain = read_weighted(*weights, Selection(every=8))
    found = read_weighted(*weights, Selection(every=8, energy="m.rct"))
    np.testing.assert_array_equal(found.log_weights, plain.log_weights)
    rct = read_samples(str(folder / "COLVAR.gz"), 1.0, Selection(every=8, bias=["m.rct"]))
    np.testing.assert_array_equal(found.energies, rct.log_weights)
