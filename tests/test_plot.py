"""Pictures: what is drawn, and what is left alone."""

import math
import os
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib")
from matplotlib.figure import Figure  # noqa: E402

from cyfes.errors import BackendError, InputError, OutputError  # noqa: E402
from cyfes.grid import Grid  # noqa: E402
from cyfes.plot import MAX_KT, plot_surface, save_plot  # noqa: E402


@dataclass
class Surface:
    grid: Grid
    values: np.ndarray
    units: str = "kj/mol"
    kbt: float | None = 2.5


def surface(n_dims, n_points=12, height=10.0):
    """Angles phi, psi and a distance d; the minimum 5 below zero at phi = psi = 0."""
    grid = Grid.from_bins(
        ["phi", "psi", "d", "z"][:n_dims],
        [-math.pi, -math.pi, 0.0, 0.0][:n_dims],
        [math.pi, math.pi, 1.0, 1.0][:n_dims],
        [n_points] * n_dims,
        [True, True, False, False][:n_dims],
    )
    values = sum(height * (1 - np.cos(x)) for x in np.meshgrid(*grid.axes, indexing="ij"))
    return Surface(grid, values - 5.0)


def new_ax():
    return Figure().subplots()


def colour_bars(figure):
    return [ax for ax in figure.axes if ax.get_label() == "<colorbar>"]


def contour_sets(ax):
    """Filled contours and lines drawn on ax."""
    sets = [c for c in ax.collections if hasattr(c, "levels")]
    return [c for c in sets if c.filled], [c for c in sets if not c.filled]


def test_line():
    fes = surface(1)
    fes.values[3] = np.inf
    ax = new_ax()
    assert plot_surface(fes, ax, color="red") is ax
    (line,) = ax.lines
    x, y = line.get_data()
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("phi", "F / kJ/mol")
    assert line.get_color() == "red"
    assert (x[0], x[-1]) == (-math.pi, math.pi)
    assert y[-1] == y[0]
    assert y.min() == 0.0
    assert np.flatnonzero(np.ma.getmaskarray(y)).tolist() == [3]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["-π", "-π/2", "0", "π/2", "π"]


def test_ticks_of_an_angle_from_zero():
    fes = surface(1)
    fes.grid = Grid.from_bins(["phi"], [0.0], [6.28319], [12], [True])
    ax = plot_surface(fes, new_ax())
    assert [t.get_text() for t in ax.get_xticklabels()] == ["0", "π/2", "π", "3π/2", "2π"]


def test_contours():
    ax = new_ax()
    assert plot_surface(surface(2), ax) is ax
    (filled,), (lines,) = contour_sets(ax)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("phi", "psi")
    assert filled.levels[0] == 0.0
    assert filled.levels[-1] >= 40.0
    assert set(lines.levels) <= set(filled.levels)
    assert ax.get_xlim() == ax.get_ylim() == (-math.pi, math.pi)
    (bar,) = colour_bars(ax.figure)
    assert bar.get_ylabel() == "F / kJ/mol"


def test_contours_follow_the_first_cv_along_x():
    fes = surface(2)
    fes.values[:] = np.inf
    fes.values[8:11, 1:4] = np.arange(9.0).reshape(3, 3)
    (filled,), _ = contour_sets(plot_surface(fes, new_ax()))
    box = np.vstack([path.vertices for path in filled.get_paths() if len(path.vertices)])
    np.testing.assert_allclose([box[:, 0].min(), box[:, 0].max()], fes.grid.axes[0][[8, 10]])
    np.testing.assert_allclose([box[:, 1].min(), box[:, 1].max()], fes.grid.axes[1][[1, 3]])


def test_options_of_contours():
    ax = plot_surface(surface(2), new_ax(), levels=[0, 5, 9], cmap="magma", cbar=False, alpha=0.5)
    (filled,), _ = contour_sets(ax)
    assert filled.levels.tolist() == [0, 5, 9]
    assert filled.extend == "max"
    assert (filled.get_cmap().name, filled.get_alpha()) == ("magma", 0.5)
    assert not colour_bars(ax.figure)


@pytest.mark.parametrize(
    ("units", "kbt", "top"),
    [("kj/mol", 2.0, 80.0), ("kj/mol", None, 99.8), ("kcal/mol", None, 23.8), ("kt", None, 40.0)],
)
def test_colours_end_at_the_reach_of_sampling(units, kbt, top):
    fes = surface(2, height=200.0)
    fes.units, fes.kbt = units, kbt
    (filled,), _ = contour_sets(plot_surface(fes, new_ax()))
    step = filled.levels[1]
    assert MAX_KT == 40.0
    assert top - 0.1 <= filled.levels[-1] < top + step
    assert filled.extend == "max"


def test_vmax_is_the_top():
    (filled,), _ = contour_sets(plot_surface(surface(2), new_ax(), vmax=8.0))
    assert filled.levels[-1] == 8.0
    assert plot_surface(surface(1), new_ax(), vmax=8.0).get_ylim()[1] == pytest.approx(8.24)


def test_a_constant_surface_has_no_lines():
    fes = surface(2)
    fes.values[:] = 3.0
    (filled,), lines = contour_sets(plot_surface(fes, new_ax()))
    assert filled.levels[0] == 0.0
    assert not lines


def test_slices_of_three_cvs():
    fes = surface(3)
    fes.values[4, 5, 2] = -100.0
    fes.values[:, :, 5] = np.inf
    axes = Figure().subplots(1, 4)
    assert plot_surface(fes, axes) is axes
    titles = [ax.get_title() for ax in axes]
    assert titles == ["d = 0.17", "d = 0.42", "d = 0.67", "d = 0.92"]
    assert [len(contour_sets(ax)[0]) for ax in axes] == [1, 0, 1, 1]
    levels = [contour_sets(ax)[0][0].levels.tolist() for ax in axes[[0, 2, 3]]]
    assert levels[0] == levels[1] == levels[2]
    assert len(colour_bars(axes[0].figure)) == 1


def test_one_ax_gets_the_slice_through_the_minimum():
    fes = surface(3)
    fes.values[4, 5, 9] = -100.0
    assert plot_surface(fes, new_ax()).get_title() == "d = 0.75"


def test_refusals(tmp_path):
    with pytest.raises(InputError, match=r"marginal\(\)"):
        plot_surface(surface(4, n_points=2))
    fes = surface(2)
    fes.values[:] = np.inf
    with pytest.raises(InputError, match="no finite value"):
        save_plot(fes, tmp_path / "x.png")
    with pytest.raises(InputError, match=r"\.png, \.pdf, \.svg"):
        save_plot(surface(2), tmp_path / "x.gif")
    with pytest.raises(OutputError, match="cannot write"):
        save_plot(surface(2), tmp_path / "none" / "x.png")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("suffix", "magic"), [("png", b"\x89PNG"), ("PDF", b"%PDF"), ("svg", b"<?xml")]
)
@pytest.mark.parametrize("n_dims", [1, 2, 3])
def test_save_plot_formats(tmp_path, suffix, magic, n_dims):
    path = tmp_path / f"x.{suffix}"
    path.write_text("old")
    save_plot(surface(n_dims, n_points=6), path, vmax=5.0)
    assert path.read_bytes().startswith(magic)
    assert {p.name for p in tmp_path.iterdir()} == {path.name, f"bck.0.{path.name}"}


def test_png_has_pixels_of_its_dpi(tmp_path):
    save_plot(surface(2), tmp_path / "x.png", dpi=100)
    height, width, _ = matplotlib.image.imread(tmp_path / "x.png").shape
    assert (width, height) == (400, 300)


@pytest.mark.parametrize("name", ["$\\frac$", "a_b^ $", "\x1b[31m\n\0", "x" * 10**5])
@pytest.mark.parametrize("n_dims", [1, 3])
def test_names_are_no_formulas(tmp_path, name, n_dims):
    fes = surface(n_dims, n_points=6)
    fes.grid = Grid(
        (name, "b", "c")[:n_dims], *(getattr(fes.grid, what) for what in
        ("lower", "upper", "shape", "periodic")),
    )  # fmt: skip
    with matplotlib.rc_context({"text.usetex": True}):
        save_plot(fes, tmp_path / "x.svg")
        assert matplotlib.rcParams["text.usetex"]
    assert "\x1b" not in (tmp_path / "x.svg").read_text()
    label = plot_surface(fes, new_ax() if n_dims < 3 else Figure().subplots(1, 4))
    text = np.atleast_1d(label)[0].xaxis.label
    assert not text.get_parse_math()
    assert text.get_text().isprintable()
    assert len(text.get_text()) <= 80
    if name.isprintable() and len(name) < 80:
        assert text.get_text() == name


def test_a_backend_that_matplotlib_lacks(tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "MPLBACKEND": "foo"}
    program = (
        "import sys\n"
        "from cyfes.cli import main\n"
        "from cyfes.grid import Grid\n"
        "from cyfes.gridfile import write_dat\n"
        "write_dat(sys.argv[1], Grid.from_bins(['x'], [0], [1], [1], [False]), [0.0, 1.0])\n"
        "sys.exit(main(['plot', sys.argv[1]]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "f.dat")],
        check=False, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("cyfes: error: matplotlib does not start: ")
    assert "MPLBACKEND" in done.stderr
    assert done.stderr.count("\n") == 1


PROGRAM = """
import sys
import cyfes.plot
assert "matplotlib" not in sys.modules
import matplotlib, test_plot
def settings():  # looking at the backend would choose one and import pyplot
    return {key: matplotlib.rcParams[key] for key in matplotlib.rcParams if key != "backend"}
before = settings()
test_plot.save_plot(test_plot.surface(2), sys.argv[1])
assert settings() == before
assert "matplotlib.pyplot" not in sys.modules
"""


def test_saving_leaves_pyplot_and_settings_alone(tmp_path):
    path = tmp_path / "x.png"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", PROGRAM, str(path)], check=True, env=environment)
    assert path.exists()


def test_without_ax_pyplot_shows_it():
    from matplotlib import pyplot

    matplotlib.use("Agg")
    try:
        ax = plot_surface(surface(2))
        assert pyplot.gcf() is ax.figure
        assert plot_surface(surface(3)).shape == (4,)
    finally:
        pyplot.close("all")


def test_without_matplotlib(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(BackendError, match=r"pip install 'cyfes\[plot\]'"):
        save_plot(surface(2), tmp_path / "x.png")
