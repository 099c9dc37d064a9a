"""The benchmarks' own logic, where a mistake would mislead: errors, medians, targets, counts."""

import importlib.util
import math
import sys
import types
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
if not (ROOT / "benchmarks" / "run.py").exists():
    pytest.skip("no benchmarks beside the tests", allow_module_level=True)
sys.path.append(str(ROOT))

from benchmarks import callgrind, data, document, errors, instructions, probes, targets  # noqa: E402
from benchmarks.peers import fourier  # noqa: E402
from benchmarks.timing import BUDGET, LEAST, Times, in_turns, ratio  # noqa: E402
from benchmarks.workload import Contender, Measured, Workload, measure  # noqa: E402


def test_errors_are_those_below_a_free_energy():
    exact = np.exp([-0.0, -14.0, -24.0, -39.0, -50.0])
    found = errors.errors_of(exact * [1.0, 1.0 + 1e-6, math.e, 0.0, 5.0], exact)
    assert found.below[15.0] == pytest.approx(1e-6, rel=1e-4)
    assert found.below[25.0] == pytest.approx(1.0)
    assert found.below[40.0] == math.inf
    assert found.of_peak == pytest.approx((math.e - 1) * math.exp(-24))


@pytest.mark.parametrize("wrong", [-1.0, 0.0, math.nan])
def test_a_density_that_is_not_positive_has_no_free_energy(wrong):
    assert errors.errors_of(np.array([1.0, wrong]), np.ones(2)).below[15.0] == math.inf


def test_a_level_without_points_is_not_called_right():
    found = errors.errors_of(np.array([1.0]), np.array([1.0]))
    assert found.below[15.0] == 0.0
    assert math.isnan(errors._highest(np.array([])))


def test_direct_sum_by_hand():
    points, centers = np.array([[3.0, 0.0]]), np.array([[-3.0, 0.0], [3.0, 1.0]])
    near = 2 * math.pi - 6.0
    expected = math.exp(-(near**2) / 0.5) + math.exp(-1 / 0.5)
    found = errors.direct_sum(points, centers, 0.5, data.PERIOD)
    assert found[0] == pytest.approx(expected, rel=1e-14)


def test_judged_points_hold_the_peak_and_every_stretch():
    density = np.exp(-np.linspace(0, 60, 601))[::-1]
    free = 60 - 0.1 * errors.judged_points(density, 30)
    assert free.min() == 0
    for low, high in ((0, 15), (15, 25), (25, 40)):
        assert np.count_nonzero((free >= low) & (free < high)) >= 10
    assert free.max() < 40


def test_ratio_is_the_median_of_the_rounds():
    """A machine that is twice as slow in a round changes no ratio."""
    ours, theirs = Times([1.0, 2.0, 1.0], [1.0] * 3), Times([3.0, 6.0, None], [1.0] * 3)
    assert ratio(theirs, ours) == 3.0
    assert theirs.median == 4.5
    assert theirs.rounds == 2


def test_slow_calls_sit_out_after_their_least_rounds(monkeypatch):
    clock = iter(np.arange(0, 1e4, BUDGET))
    monkeypatch.setattr("benchmarks.timing.time.perf_counter", lambda: next(clock))
    assert in_turns({"slow": lambda: None}, 5, lambda name: None)["slow"].rounds == LEAST


def test_a_share_of_the_work_counts_as_the_whole(monkeypatch):
    def fixed(calls, rounds, prepare):
        return {name: Times([2.0] * rounds, [1.0] * rounds) for name in calls}

    monkeypatch.setattr("benchmarks.workload.in_turns", fixed)
    part = Contender("peer", lambda: None, share=0.01)
    measured = measure(Workload("sum", (part,), "peer x1"), 3)
    assert measured.times["peer x1"].wall == [200.0] * 3
    assert measured.times["peer x1"].cpu == [100.0] * 3


@pytest.mark.parametrize(("together", "free"), [(0.001, True), (0.01, False)])
def test_cores_are_free_where_two_threads_take_as_long_as_one(monkeypatch, together, free):
    seconds = {1: 0.001, 2: together}
    monkeypatch.setattr(probes, "library", lambda: "loaded")
    monkeypatch.setattr(probes, "_time_of_multiply_add", seconds.get)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    assert probes.wait_for_cores(2, 0.1) == free
    assert probes.wait_for_cores(1)
    assert probes.wait_for_cores(3)  # never free


def test_one_that_fails_is_named_and_left_out():
    def fail():
        raise ValueError("too old")

    work = Workload("sum", (Contender("cyfes", lambda: None), Contender("peer", fail)), "cyfes x1")
    measured = measure(work, 1)
    assert measured.failures == {"peer x1": "ValueError: too old"}
    assert "peer x1" not in measured.times


def test_targets_look_the_right_way():
    work = Workload("sum", (Contender("cyfes", None), Contender("peer", None)), "cyfes x1")
    measured = Measured(work, {"cyfes x1": Times([1.0], [1.0]), "peer x1": Times([5.0], [5.0])})
    faster = targets.faster("cyfes x1", "peer x1", 4)
    assert faster.reached(measured) == 5.0
    assert faster.met(5.0)
    assert not faster.met(3.9)
    at_most = targets.at_most("cyfes x1", "peer x1", 0.3)
    assert at_most.reached(measured) == 0.2
    assert at_most.met(0.2)
    assert not at_most.met(0.4)


def test_two_runs_stand_side_by_side():
    old = [{"targets": [["sum", "peer / ours", ">= 3x", "2.5x", "NO"]]}]
    now = document.Report("sum", [], [["sum", "peer / ours", ">= 3x", "3.1x", "yes"]], (), {})
    assert document.targets_of([now], old) == [
        ["sum", "peer / ours", ">= 3x", "2.5x, 3.1x", "not always"]
    ]
    assert document.targets_of([now], []) == now.targets


def test_tables_go_between_their_marks(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- begin x -->\nold\n<!-- end x -->\nb\n")
    document.insert("x", "new", page)
    document.insert("x", "newer", page)
    assert page.read_text() == "a\n<!-- begin x -->\n\nnewer\n\n<!-- end x -->\nb\n"
    with pytest.raises(ValueError, match="no <!-- begin y -->"):
        document.insert("y", "new", page)


def test_different_bits_are_seen():
    work = Workload("bits", (), "a")
    same = targets.equal_bits(("a", "b"))
    assert same.reached(Measured(work, results={"a": b"1", "b": b"1"})) == 1.0
    assert not same.met(same.reached(Measured(work, results={"a": b"1", "b": b"2"})))


def direct_modes(*arguments, eps, isign, modeord, nthreads):
    """finufft's type-1 transform by its definition."""
    *x, strengths, sizes = arguments
    assert (isign, modeord) == (-1, 1)
    k = [np.fft.fftfreq(n, 1 / n) for n in sizes]
    factors = [np.exp(-1j * np.outer(k[d], x[d])) for d in range(len(x))]
    if len(x) == 1:
        return factors[0] @ strengths
    return np.einsum("ak,bk,k->ab", *factors, strengths)


@pytest.mark.parametrize("shape", [(64,), (20,), (48, 24)])
def test_fourier_density_is_the_direct_sum(shape, monkeypatch):
    """Also where the grid has fewer points than the Gaussian has modes."""
    peer = types.SimpleNamespace(nufft1d1=direct_modes, nufft2d1=direct_modes, nufft3d1=None)
    monkeypatch.setattr(fourier, "module", lambda name: peer)
    samples = data.samples(40, len(shape))
    axes = [-np.pi + 2 * np.pi / n * np.arange(n) for n in shape]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(shape))
    expected = errors.direct_sum(points, samples, 0.35, data.PERIOD)
    found = fourier.finufft_kde(samples, shape, 0.35, 1).ravel()
    assert np.abs(found - expected).max() < 1e-11 * expected.max()


@pytest.mark.skipif(not importlib.util.find_spec("finufft"), reason="finufft is not installed")
def test_finufft_itself():
    samples = data.samples(1000, 2)
    points = np.array([[-np.pi, -np.pi], [0.0, 0.0]])
    found = fourier.finufft_kde(samples, (50, 50), 0.3, 1)[[0, 25], [0, 25]]
    expected = errors.direct_sum(points, samples, 0.3, data.PERIOD)
    assert np.abs(found - expected).max() < 1e-9 * expected.max()


def test_regressions_are_told_from_noise():
    table = {"instructions": {"kde": {"kernel": 100.0}, "parse": {"row": 100.0}}}
    found = {"instructions": {"kde": {"kernel": 102.9}, "parse": {"row": 97.1}}}
    assert instructions.compare(found, table) == ([], [])
    found["instructions"]["kde"]["kernel"] = 103.1
    found["instructions"]["parse"]["row"] = 96.0
    worse, other = instructions.compare(found, table)
    assert [line.split(":")[0] for line in worse] == ["kde"]
    assert [line.split(":")[0] for line in other] == ["parse"]
    worse, other = instructions.compare({"instructions": {"new": {"row": 1.0}}}, table)
    assert (len(worse), len(other)) == (0, 1)


def test_callgrind_counts_what_ran_in_the_program():
    lines = """\
ob=/build/program
fn=measured
0x1000 10 5
0x1004 11 7
calls=3 0x2000
0x1008 12 999
ob=/lib/libm.so
0x9000 0 2""".splitlines()
    assert callgrind.read_counts(lines, "/build/program") == [(0x1000, 5), (0x1004, 7), (-1, 2)]


@pytest.mark.parametrize(
    ("instruction", "flop"),
    [
        ("vfmadd231pd %ymm1,%ymm2,%ymm3", 8),
        ("vfnmadd213sd %xmm1,%xmm2,%xmm3", 2),
        ("vmulpd (%rax),%zmm1,%zmm2", 8),
        ("addsd %xmm0,%xmm1", 1),
        ("vdivpd %xmm0,%xmm1,%xmm2", 2),
        ("vaddps %ymm0,%ymm1,%ymm2", 0),
        ("vmovapd %ymm0,%ymm1", 0),
        ("add $0x20,%rax", 0),
    ],
)
def test_operations_of_an_instruction(instruction, flop):
    assert callgrind.flop_of(instruction) == flop
