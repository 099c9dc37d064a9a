"""The bandwidth that is best for F: chosen where it is known, and what is refused."""

import numpy as np
import pytest
from plumed_files import report_of, run

from cyfes.bandwidth import automatic_bandwidth
from cyfes.crossvalidation import LADDER, free_energy_bandwidth
from cyfes.errors import InputError
from cyfes.fes import FreeEnergySurface
from cyfes.grid import Grid

GRID = Grid.from_bins(["x"], [-1.9], [1.9], [380], [False])
NONE = np.zeros(1)


def double_well(x):
    return 9 * (x * x - 1) ** 2


def flat(n, seed):
    """Samples spread evenly, weighed as the double well has them."""
    x = np.random.default_rng(seed).uniform(-1.5, 1.5, (n, 1))
    return x, -double_well(x[:, 0])


def error(x, log_w, h):
    values = FreeEnergySurface.from_samples(
        x, log_weights=log_w, bandwidth=h, grid=GRID, derivatives=False
    ).values
    truth = double_well(GRID.axes[0])
    return (values - truth)[truth < 9].std()


def test_flat_samples_are_seen_better_than_by_the_rule_for_p():
    ratios = []
    for seed in range(5):
        x, log_w = flat(5000, seed)
        start = automatic_bandwidth(x, log_w, NONE).widths
        found = free_energy_bandwidth(x, log_w, NONE).widths
        errors = [error(x, log_w, factor * start) for factor in LADDER]
        assert error(x, log_w, found) < 1.15 * min(errors)
        ratios.append(error(x, log_w, start) / error(x, log_w, found))
    assert np.mean(ratios) > 1.2


def test_repeated_frames_do_not_draw_it_to_zero():
    x, log_w = flat(500, 0)
    single = free_energy_bandwidth(x, log_w, NONE).widths
    # In a row, so that a block that is left out takes the copies with it.
    found = free_energy_bandwidth(np.repeat(x, 4, axis=0), np.repeat(log_w, 4), NONE).widths
    assert found > 0.5 * single


@pytest.mark.parametrize("period", [0.0, 2 * np.pi])
def test_the_unit_of_weights_and_of_a_cv_change_nothing_else(period):
    x, log_w = flat(3000, 1)
    one = free_energy_bandwidth(x, log_w, np.array([period]))
    other = free_energy_bandwidth(10 * x, log_w + 2000, np.array([10 * period]))
    assert other.widths == pytest.approx(10 * one.widths, rel=1e-6)
    assert other.rule == one.rule
    assert "least error of F below 10 kBT, blocks left out" in one.rule


def test_three_cvs_are_refused():
    with pytest.raises(InputError, match="serves 1 or 2 CVs, got 3"):
        free_energy_bandwidth(np.zeros((9, 3)), np.zeros(9), np.zeros(3))


def test_frames_over_too_many_widths_are_refused():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(0, 1e-3, (500, 2)), rng.normal(0, 1e-3, (500, 2)) + 20])
    with pytest.raises(InputError, match="more than can be compared"):
        free_energy_bandwidth(x, np.zeros(1000), np.zeros(2))


def test_the_report_names_the_rule(tmp_path, capsys):
    x, log_w = flat(2000, 2)
    rows = "".join(f"{k} {a:.9f} {-w:.9f}\n" for k, (a, w) in enumerate(zip(x[:, 0], log_w)))
    path = tmp_path / "COLVAR"
    path.write_text(f"#! FIELDS time x lw.bias\n{rows}")
    code, out, _ = run(
        capsys, "reweight", path, "--units", "kt", "--bias=-lw.bias", "--sigma", "auto-f",
        "--outfile", tmp_path / "fes.dat",
    )  # fmt: skip
    assert code == 0
    assert "least error of F" in report_of(out)["bandwidth"]
