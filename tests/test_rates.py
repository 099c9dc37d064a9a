"""Transition times of biased runs, and the rate they tell."""

import itertools
import math
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plumed_files import PERIODIC, report_of, run

from cyfes import poisson
from cyfes.errors import BackendError, CyfesWarning, FileFormatError, InputError
from cyfes.poisson import mean_time, mean_time_interval, poisson_test, survival
from cyfes.rates import Rates, read_rates
from cyfes.transitions import Run

pytest.importorskip("scipy")

KBT = 2.5


def write_run(path, times, bias, x=None, fields="time x metad.bias", more=(), constants=""):
    """A COLVAR file of one run; x is 0 until the last frame, where it is 1."""
    x = np.append(np.zeros(len(times) - 1), 1.0) if x is None else x
    rows = zip(times, x, bias, *more)
    text = "".join(" ".join(map(repr, map(float, row))) + "\n" for row in rows)
    path.write_text(f"#! FIELDS {fields}\n{constants}{text}")
    return str(path)


def of_times(times, events=None):
    events = [True] * len(times) if events is None else events
    return Rates.of([Run(f"{k}", t, 1.0, e) for k, (t, e) in enumerate(zip(times, events))])


def write_runs(folder, n, seed=0):
    """Runs with exponential t* of mean 1000, accelerated by a constant bias of 4 kT."""
    rng = np.random.default_rng(seed)
    paths = []
    for k in range(n):
        end = rng.exponential(1000.0) / math.exp(4.0)
        times = np.linspace(0.0, end, 40)
        paths.append(write_run(folder / f"COLVAR.{k}", times, np.full(40, 4.0 * KBT)))
    return paths


# The times of runs.


def test_a_run_without_bias_takes_its_time(tmp_path):
    path = write_run(tmp_path / "COLVAR", [0.0, 1.0, 5.0, 7.0], [0.0] * 4)
    (found,) = read_rates(path, KBT, until="x=1:").runs
    assert (found.time, found.acceleration, found.scaled_time) == (7.0, 1.0, 7.0)
    assert found.event


def test_no_bias_needs_no_column(tmp_path):
    path = write_run(tmp_path / "COLVAR", [0.0, 2.0, 3.0], [0.0] * 3, fields="time x y")
    assert read_rates(path, KBT, committed=True, no_bias=True).tau == pytest.approx(3.0, rel=1e-15)


@pytest.mark.parametrize("bias", [1.0, 20.0, 250.0 * KBT])
def test_a_constant_bias_gains_its_exponential(tmp_path, bias):
    path = write_run(tmp_path / "COLVAR", [0.0, 1.0, 5.0, 7.0], [bias] * 4, x=[0, 0, 0, 0.5])
    (found,) = read_rates(path, KBT, committed=True).runs
    assert math.log(found.scaled_time) == pytest.approx(math.log(7.0) + bias / KBT, rel=1e-14)


@settings(max_examples=25, deadline=None)
@given(
    steps=st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=20),
    heights=st.lists(st.floats(0.0, 60.0), min_size=21, max_size=21),
    begin=st.sampled_from([0.0, 100.0]),
)
def test_each_frame_counts_until_the_next(tmp_path_factory, steps, heights, begin):
    times = begin + np.concatenate(([0.0], np.cumsum(steps)))
    bias = np.array(heights[: len(times)])
    path = write_run(tmp_path_factory.mktemp("run") / "COLVAR", times, bias)
    (found,) = read_rates(path, KBT, until="x=0.5:").runs
    expected = sum(
        (b - a) * math.exp(v / KBT) for (a, b), v in zip(itertools.pairwise(times), bias)
    )
    assert found.scaled_time == pytest.approx(expected, rel=1e-12)
    assert found.begin == begin


def test_what_follows_the_transition_does_not_count(tmp_path):
    times, x = np.arange(6.0), [0, 0, 0, 1.5, 0, 1.5]
    short = write_run(tmp_path / "SHORT", times[:4], [1.0] * 4, x=x[:4])
    long = write_run(tmp_path / "LONG", times, [1.0, 1.0, 1.0, 1.0, 90.0, -90.0], x=x)
    one, other = (read_rates(path, KBT, until="x=1:2").runs[0] for path in (short, long))
    assert (one.scaled_time, one.time) == (other.scaled_time, other.time)
    assert one.time == 3.0


def test_a_run_that_does_not_get_there_is_censored_unless_committed(tmp_path):
    path = write_run(tmp_path / "COLVAR", np.arange(6.0), [1.0] * 6)
    assert not read_rates(path, KBT, until="x=2:").runs[0].event
    assert read_rates(path, KBT, until="x=2:", committed=True).runs[0].event


def test_regions_reach_across_periods(tmp_path):
    path = write_run(
        tmp_path / "COLVAR",
        np.arange(4.0),
        [0.0] * 4,
        x=[0.0, 2.9, -3.0, 0.0],
        fields="time phi metad.bias",
        constants=PERIODIC,
    )
    assert read_rates(path, KBT, until="phi=3:-2.5").tau == 2.0


def test_rows_that_a_restart_has_again_count_once(tmp_path):
    times = [0.0, 1.0, 2.0, 3.0, 4.0, 3.0, 4.0, 5.0]
    x = [0, 0, 0, 0, 9, 0, 0.1, 9]  # the older part got there, and was thrown away
    path = write_run(tmp_path / "COLVAR", times, [0.0] * 8, x=x)
    found = read_rates(path, KBT, until="x=5:")
    assert found.runs[0].time == 5.0
    assert any("dropped" in note for note in found.notes)


@pytest.mark.parametrize(
    ("times", "bias", "options", "words"),
    [
        ([0, 1, 2, 0, 1], [0] * 5, {"committed": True}, "a file is one run"),
        ([0, 1, 2, 3, 1, 2], [0] * 6, {"committed": True}, "a file is one run"),
        ([0, 1, 2, 3, 2, 3], [0] * 6, {"committed": True, "on_overlap": "raise"}, "on-overlap"),
        ([0, 1, 2], [0] * 3, {"committed": True, "on_overlap": "keep"}, "count twice"),
        ([1, 1, 1], [0] * 3, {"committed": True}, "0 is no time"),
        ([0, 1, 2], [0] * 3, {"until": "x=:0.5"}, "begins in the region"),
        ([0, 1, 2], [0] * 3, {}, "--until"),
        ([0, 1, 2], [0] * 3, {"until": "y=0:"}, "y"),
        ([0, 1, 2], [5000.0] * 3, {"committed": True}, "to 2000 kT.*--units"),
        ([0, 1, 2], [-5000.0] * 3, {"committed": True}, "-2000 kT.*--units"),
        ([0, 1, 2], [0] * 3, {"committed": True, "bias": ["metad.rbias"]}, "c\\(t\\)"),
        ([0, 1, 2], [0] * 3, {"committed": True, "bias": ["x", "-metad.rct"]}, "c\\(t\\)"),
        ([0, 1, 2], [0, math.nan, 0], {"committed": True}, "metad.bias"),
    ],
)
def test_what_is_refused(tmp_path, times, bias, options, words):
    path = write_run(tmp_path / "COLVAR", times, bias)
    with pytest.raises((InputError, FileFormatError), match=words):
        read_rates(path, KBT, **options)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ("time x y", "no column \\*.bias"),
        ("time a.bias b.bias", "several bias columns, a.bias, b.bias"),
        ("t x metad.bias", "need a column 'time'"),
    ],
)
def test_headers_that_leave_it_open(tmp_path, fields, words):
    path = write_run(tmp_path / "COLVAR", [0, 1, 2], [0.0] * 3, fields=fields)
    with pytest.raises(InputError, match=words):
        read_rates(path, KBT, committed=True)


def test_v_is_taken_where_there_is_rbias_too(tmp_path):
    path = write_run(
        tmp_path / "COLVAR",
        [0.0, 1.0, 2.0],
        [KBT] * 3,
        fields="time x metad.bias metad.rbias metad.rct",
        more=([0.5] * 3, [2.0] * 3),
    )
    assert read_rates(path, KBT, committed=True).tau == pytest.approx(2 * math.e)


def test_a_run_is_not_read_twice(tmp_path):
    times, bias = np.arange(30.0), np.linspace(0.0, 3.0, 30)
    one = write_run(tmp_path / "A", times, bias)
    older = write_run(tmp_path / "B", times[:20], bias[:20], x=np.zeros(20))
    with pytest.raises(InputError, match=r"B begins with the same frames as .*A"):
        read_rates([one, older], KBT, until="x=0.5:")


def test_runs_that_stand_still_are_no_copies(tmp_path):
    paths = [write_run(tmp_path / name, [0, 1, 2], [0.0] * 3, x=[0.0] * 3) for name in "AB"]
    assert read_rates(paths, KBT, committed=True).tau == 2.0


def test_the_acceleration_of_plumed_is_compared(tmp_path):
    times, bias = np.arange(10.0), [KBT] * 10
    fields = "time x metad.bias metad.acc"
    same = write_run(tmp_path / "A", times, bias, fields=fields, more=([math.e] * 10,))
    assert read_rates(same, KBT, committed=True).runs[0].told == math.e
    other = write_run(tmp_path / "B", times, bias, fields=fields, more=([math.e**2] * 10,))
    with pytest.warns(CyfesWarning, match=r"acc, of every step, differs.*1 of 1 runs"):
        read_rates(other, KBT, committed=True)


def test_a_negative_bias_is_warned_of(tmp_path):
    path = write_run(tmp_path / "COLVAR", [0, 1, 2], [0.0, -1.0, 0.0])
    with pytest.warns(CyfesWarning, match="negative, down to -0.4 kT"):
        read_rates(path, KBT, committed=True)


def test_what_is_remarked_on(tmp_path):
    path = write_run(tmp_path / "COLVAR", [5, 6, 7, 8], [0.0, 20.0, 0.0, 10.0])
    notes = " ".join(read_rates(path, KBT, committed=True).notes)
    for words in ("other than 0, 5", "up to 100% of t*", "4 kT at the transition"):
        assert words in notes
    quiet = write_run(tmp_path / "QUIET", np.arange(50.0), np.full(50, 0.1))
    assert read_rates(quiet, KBT, committed=True).notes == ()


def biased_runs(n, seed, step=1e-3, stride=20):
    """Langevin runs in a double well of 8 kT with D = 1, from -1 to beyond 0.5, (times, x, V / kBT)
    each: the bias grows in time, and is 0 at the transition state."""
    rng = np.random.default_rng(seed)
    x, runs, alive = np.full(n, -1.0), [[] for _ in range(n)], np.ones(n, bool)
    for k in itertools.count():
        height = 4.5 * min(1.0, k * step / 2.0)
        u = np.clip((x + 1) / 0.7, -1, 1)
        if k % stride == 0:
            for i in np.flatnonzero(alive):
                runs[i].append((k * step, x[i], height * (1 - u[i] ** 2) ** 2))
            alive &= x < 0.5
            if not alive.any():
                return [np.array(rows).T for rows in runs]
        force = -32 * x * (x**2 - 1) + height * 4 * u * (1 - u**2) / 0.7
        x = x + step * force + math.sqrt(2 * step) * rng.normal(size=n)


def test_the_time_without_bias_is_found(tmp_path):
    """T = int_-1^0.5 dx e^U(x) int_-inf^x dy e^-U(y) / D, the mean time without bias."""
    grid = np.linspace(-3.0, 0.5, 35001)
    energy = 8 * (grid**2 - 1) ** 2
    inner = np.cumsum(np.exp(-energy)) * 1e-4
    exact = float(np.sum((np.exp(energy) * inner)[grid >= -1.0]) * 1e-4)
    paths = [
        write_run(tmp_path / f"{k}", times, bias * KBT, x=x)
        for k, (times, x, bias) in enumerate(biased_runs(60, seed=3))
    ]
    found = read_rates(paths, KBT, until="x=0.5:")
    low, high = found.interval
    assert low < exact < high
    assert found.test.p > 0.05
    assert np.mean([run.time for run in found.runs]) < exact / 10


# What times tell.


def test_tau_counts_the_time_of_censored_runs():
    found = of_times([1.0, 2.0, 3.0, 10.0], [True, True, False, False])
    assert (found.tau, found.rate, found.n_events) == (8.0, 1 / 8.0, 2)
    assert found.moments() is None


def test_the_order_of_runs_does_not_matter():
    times, events = [3.0, 1.0, 7.0, 2.0, 9.0, 4.0], [True, True, False, True, True, True]
    one, other = of_times(times, events), of_times(times[::-1], events[::-1])
    assert one.tau == pytest.approx(other.tau, rel=1e-15)
    assert one.interval == pytest.approx(other.interval, rel=1e-15)
    assert one.test == other.test


def test_the_interval_is_that_of_chi_squared():
    chi2 = pytest.importorskip("scipy.stats").chi2
    times, events = np.array([1.0, 2.0, 5.0]), np.array([True] * 3)
    expected = 16.0 / chi2.ppf([0.975, 0.025], 6)
    assert mean_time_interval(times, events) == pytest.approx(tuple(expected), rel=1e-9)
    events[1] = False
    expected = 16.0 / np.array([chi2.ppf(0.975, 6), chi2.ppf(0.025, 4)])
    assert mean_time_interval(times, events) == pytest.approx(tuple(expected), rel=1e-9)


def test_without_a_transition_there_is_a_lower_bound():
    found = of_times([3.0, 4.0], [False, False])
    assert (found.tau, found.rate) == (math.inf, 0.0)
    assert found.interval == (pytest.approx(7.0 / math.log(40.0)), math.inf)


def samples_of(n, censored, seed):
    rng = np.random.default_rng(seed)
    times = rng.exponential(3.0, size=n)
    ends = rng.uniform(3.0, 12.0, size=n) if censored else np.full(n, np.inf)
    return np.minimum(times, ends), times <= ends


@pytest.mark.parametrize("censored", [False, True])
def test_the_interval_holds_tau_as_often_as_it_says(censored):
    n = 1000
    intervals = [mean_time_interval(*samples_of(10, censored, k)) for k in range(n)]
    share = np.mean([low <= 3.0 <= high for low, high in intervals])
    # At least 95 % where it is conservative; three standard errors of the share.
    margin = 3 * math.sqrt(0.05 * 0.95 / n)
    assert 0.95 - margin < share < 0.95 + margin + 0.02 * censored


@pytest.mark.parametrize("censored", [False, True])
def test_p_values_of_exponential_times_are_uniform(censored, monkeypatch):
    monkeypatch.setattr(poisson, "N_DRAWS", 1999)
    n = 400
    tests = [poisson_test(*samples_of(20, censored, k)) for k in range(n)]
    p = np.array([test.p for test in tests if test is not None])
    assert len(p) > 0.9 * n
    for q in (0.05, 0.1, 0.3, 0.5, 0.8):
        # Four standard errors, of the samples and of the draws that all share.
        margin = 4 * math.sqrt(q * (1 - q) * (1 / len(p) + 1 / 1999))
        assert abs(np.mean(p <= q) - q) < margin


def test_the_statistic_is_that_of_kolmogorov_and_smirnov():
    stats = pytest.importorskip("scipy.stats")
    times, events = samples_of(25, False, 7)
    found = poisson_test(times, events)
    expected = stats.kstest(times, "expon", args=(0.0, mean_time(times, events)))
    assert found.statistic == pytest.approx(expected.statistic, rel=1e-12)
    assert found.p < expected.pvalue  # of a tau that was known before


def test_p_is_that_of_lilliefors_table():
    # Lilliefors 1969, table 1: n = 20, D of 0.234 at 5 %, 0.212 at 10 %.
    for distance, p in ((0.234, 0.05), (0.212, 0.10)):
        assert poisson._p_value(distance, 20, math.inf) == pytest.approx(p, abs=0.008)


def test_censored_times_are_tested_up_to_the_shortest():
    times = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 20.0, 30.0])
    events = np.array([True] * 6 + [False, True])
    found = poisson_test(times, events)
    assert (found.limit, found.n_events, found.n_runs) == (20.0, 6, 8)
    tau = (21.0 + 40.0) / 6
    fitted = 1 - np.exp(-np.append(times[:6], 20.0) / tau)
    expected = max(
        np.max(np.arange(1, 7) / 8 - fitted[:6]),
        np.max(fitted[:6] - np.arange(6) / 8),
        abs(fitted[6] - 6 / 8),
    )
    assert found.statistic == pytest.approx(expected, rel=1e-12)


def test_times_of_another_process_are_found(tmp_path):
    paths = [
        write_run(tmp_path / f"{k}", np.linspace(0.0, 100.0 + k, 20), [0.0] * 20) for k in range(20)
    ]
    with pytest.warns(CyfesWarning, match="not those of a Poisson process, so that 1/tau"):
        found = read_rates(paths, KBT, until="x=1:")
    assert "are not those of a Poisson process" in found.verdict()


def test_few_transitions_are_not_tested():
    assert "fewer than 5 transitions" in of_times([1.0, 2.0, 3.0, 4.0]).verdict()
    found = of_times([1.0] + [9.0] * 6, [False] + [True] * 6)
    assert found.test is None
    assert "before the shortest censored run ends" in found.verdict()


def test_survival_without_censored_times_is_that_of_the_times():
    at, longer = survival(np.array([3.0, 1.0, 2.0]), np.array([True] * 3))
    np.testing.assert_array_equal(at, [1, 2, 3])
    np.testing.assert_allclose(longer, [2 / 3, 1 / 3, 0], atol=1e-15)


def test_survival_with_censored_times():
    at, longer = survival(np.array([1.0, 2.0, 2.0, 3.0]), np.array([True, False, True, True]))
    np.testing.assert_array_equal(at, [1, 2, 3])
    np.testing.assert_allclose(longer, [3 / 4, 3 / 4 * 2 / 3, 0], atol=1e-15)


# The command.


def test_the_command_tells_tau_and_each_run(capsys, tmp_path):
    paths = write_runs(tmp_path, 12)
    code, out, err = run(capsys, "rates", *paths, "--kt", KBT, "--until", "x=0.5:")
    assert code == 0
    found = read_rates(paths, KBT, until="x=0.5:")
    told = report_of(out)
    assert told["runs"] == "12, 12 with a transition"
    assert told["tau"] == f"{found.tau:.6g}"
    assert told["Poisson process"].startswith(f"p = {found.test.p:.2g}")
    assert out.splitlines()[:13] == found.table().splitlines()
    low, high = found.interval
    assert low < 1000.0 < high
    assert "4 kT at the transition" in err


def test_equal_times_have_no_spread(capsys, tmp_path):
    paths = [write_run(tmp_path / name, [0, 1, 2], [0.0] * 3, x=[0.0] * 3) for name in "AB"]
    code, out, _ = run(capsys, "rates", *paths, "--kt", KBT, "--committed")
    assert code == 0
    assert report_of(out)["mean, deviation"] == "2, 0; ratio -"


def test_bad_rows_are_counted(capsys, tmp_path):
    path = write_run(tmp_path / "COLVAR", [0, 1, 2, 3], [0.0, math.nan, 0.0, 0.0])
    options = ["--kt", KBT, "--committed", "--on-bad", "skip"]
    code, out, _ = run(capsys, "rates", path, *options)
    told = report_of(out)
    assert (code, told["tau"]) == (0, "3")
    assert told["rows dropped"].startswith("1 (")


def test_the_table_and_the_picture(capsys, tmp_path):
    pytest.importorskip("matplotlib")
    paths = write_runs(tmp_path, 6)
    table, picture = tmp_path / "times.dat", tmp_path / "times.svg"
    options = ["--kt", KBT, "--committed", "-o", table, "--plot", picture]
    code, _, err = run(capsys, "rates", *paths, *options)
    assert code == 0, err
    lines = table.read_text().splitlines()
    assert lines[0] == "#! FIELDS time alpha tstar end file"
    rows = [line.split(maxsplit=4) for line in lines if not line.startswith("#")]
    assert [row[3:] for row in rows] == [["transition", path] for path in paths]
    scaled = [float(row[2]) for row in rows]
    np.testing.assert_allclose(scaled, read_rates(paths, KBT, committed=True).times, rtol=1e-9)
    tau = next(float(line.split()[3]) for line in lines if line.startswith("#! CYFES tau"))
    assert tau == pytest.approx(np.mean(scaled), rel=1e-8)
    assert "cyfes rates" in picture.read_text()


def test_censored_runs_are_told_and_drawn(capsys, tmp_path):
    pytest.importorskip("matplotlib")
    paths = write_runs(tmp_path, 3)
    options = ["--kt", KBT, "--until", "x=5:", "--plot", tmp_path / "times.png"]
    code, out, err = run(capsys, "rates", *paths, *options)
    assert code == 0, err
    told = report_of(out)
    assert told["runs"] == "3, 0 with a transition, 3 censored, whose times count"
    assert told["tau"].startswith("not known")
    assert (tmp_path / "times.png").stat().st_size > 0


def test_the_axes_are_those_given(tmp_path):
    figure = pytest.importorskip("matplotlib.figure").Figure()
    ax = figure.subplots()
    found = of_times([1.0, 2.0, 4.0], [True, True, False])
    assert found.plot(ax) is ax
    steps, smooth, ends = ax.lines
    np.testing.assert_allclose(steps.get_ydata(), [0, 1 / 3, 2 / 3, 2 / 3])
    at = smooth.get_xdata()
    np.testing.assert_allclose(smooth.get_ydata(), 1 - np.exp(-at / found.tau), atol=1e-12)
    np.testing.assert_array_equal(ends.get_xdata(), [4.0])


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--kt", "2.5"],
        ["--kt", "2.5", "--until", "x"],
        ["--kt", "2.5", "--until", "x=:1"],
        ["--kt", "2.5", "--committed", "--bias", "other"],
        ["--kt", "2.5", "--committed", "--period", "0:1"],
        ["--kt", "2.5", "--committed", "--plot", "times.txt"],
    ],
)
def test_bad_input_is_one_line(capsys, tmp_path, monkeypatch, options):
    monkeypatch.chdir(tmp_path)
    path = write_run(tmp_path / "COLVAR", [0, 1, 2], [0.0] * 3)
    code, out, err = run(capsys, "rates", path, *options, "-o", "table.dat")
    assert (code, out) == (2, "")
    assert err.startswith("cyfes: error: ")
    assert err.count("\n") == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["COLVAR"]


def test_runs_are_no_outputs(capsys, tmp_path):
    path = write_run(tmp_path / "COLVAR", [0, 1, 2], [0.0] * 3)
    code, _, err = run(capsys, "rates", path, "--kt", "2.5", "--committed", "-o", path)
    assert code == 2
    assert "is read by this command" in err


def test_what_is_written_from_python_tells_how_it_was_made(tmp_path):
    path = write_run(tmp_path / "COLVAR", [0, 1, 2], [0.0] * 3)
    read_rates(path, KBT, until="x=1:").write(tmp_path / "table.dat")
    text = (tmp_path / "table.dat").read_text()
    for line in (f"kbt {KBT}", "transition 1 <= x < inf", "command read_rates", "tau 2"):
        assert f"#! CYFES {line}\n" in text


def test_other_programs_files_tell_no_period_of_time(tmp_path):
    path = tmp_path / "run.csv"
    path.write_text("time,x,metad.bias\n" + "".join(f"{k},0,0\n" for k in range(20)))
    assert read_rates(path, KBT, committed=True).notes == ()


def test_a_run_in_a_pipe_is_refused():
    with pytest.raises(InputError, match="can be read once only"):
        read_rates("-", KBT, committed=True)


def test_without_scipy_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(BackendError, match=r"cyfes\[scipy\]"):
        of_times([1.0, 2.0])


def test_runs_of_a_tutorial(shared_data):
    """Infrequent metadynamics with a bias of VES: PLUMED's tutorial of Lugano 2017."""
    folder = shared_data / "truth-ves-lugano-kinetics"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    paths = [folder / f"COLVAR-{k}" for k in range(1, 31)]
    found = read_rates(paths, 0.6, committed=True, bias=["metad.bias", "variational.bias"])
    for path, run_found in zip(paths, found.runs):
        rows = np.loadtxt(path)
        gained = np.exp((rows[:-1, 4] + rows[:-1, 6]) / 0.6)
        assert run_found.scaled_time == pytest.approx(np.sum(np.diff(rows[:, 0]) * gained))
    assert found.test.p > 0.05
