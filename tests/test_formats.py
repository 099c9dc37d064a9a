"""Files of other programs: how they are told, what they give, what is refused."""

import gzip
import math
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from plumed_files import report_of, run

import cyfes
from cyfes.cli import options
from cyfes.errors import CyfesWarning, FileFormatError, InputError
from cyfes.surface import Surface
from cyfes.tables import FORMATS, format_of, read_header, read_table, reading
from cyfes.tables.settings import WIDTHS, Axis

DATA = Path(__file__).resolve().parent / "data" / "formats"
QUIET = settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

FRAMES = {
    "run.xvg": ("xvg", ["time", "phi", "d", "bias"]),
    "run.csv": ("csv", ["time", "phi", "d", "bias"]),
    "semicolons.csv": ("csv-semicolon", ["time", "phi", "d", "bias"]),
    "run.colvars.traj": ("colvars-traj", ["time", "phi", "d", "E_metadynamics1"]),
}
COLVARS = {
    "format": "colvars-hills",
    "axes": ["phi=-180:180:periodic", "d"],
    "units": "kcal/mol",
    "gamma": 10.0,
    "widths": "sigma",
}
OF_COLVARS = (
    "--format colvars-hills --axes phi=-180:180:periodic,d --units kcal/mol --gamma 10 "
    "--widths sigma"
).split()


def test_the_options_name_all_formats_and_widths():
    assert sorted(options.FORMATS) == sorted(FORMATS)
    assert options.WIDTHS == WIDTHS


# How they are told


@pytest.mark.parametrize("name", FRAMES)
def test_frames_are_told_by_content(name, write):
    told, fields = FRAMES[name]
    path = write((DATA / name).read_bytes(), "anything.dat")
    assert format_of(path, "frames").name == told
    assert list(read_header(path).fields) == fields


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("#! FIELDS time d,1\n0 1\n", "plumed"),
        ("0 1 2\n", "plumed"),
        ("# 2\n0 1 2\n", "plumed"),
        ("# by hand\n\n# more\n0,1,2\n", "csv"),
        ("time, x (nm), y\n0, 1, 2\n", "csv"),
        ("a;b\n0,5;1\n", "csv-semicolon"),
        ("# gmx\n@TYPE xy\n0 1\n", "xvg"),
        ("# step  d\n0 1\n", "colvars-traj"),
        ("# 1\n# 0.0 0.5 2 0\n\n0.25 1\n0.75 2\n", "colvars-pmf"),
    ],
)
def test_a_format_is_told_by_content(text, told, write):
    assert format_of(write(text), "frames").name == told


@pytest.mark.parametrize("row", ["0,5 1,5", "0,5;1,5", "1;2,3"])
def test_what_may_be_decimals_is_refused_until_told(row, write):
    path = write(f"# c\n{row}\n{row}\n")
    with pytest.raises(FileFormatError, match=r"COLVAR:2: .*--format csv or csv-semicolon"):
        read_header(path)


def test_a_format_that_is_told(write):
    path = write("a;b,c\n1;2\n")
    with pytest.raises(FileFormatError, match="--format csv or csv-semicolon"):
        read_header(path)
    with reading("csv-semicolon"):
        assert read_header(path).fields == ("a", "b,c")


def test_a_header_of_plumed_counts_more_than_what_is_told(write):
    path = write("#! FIELDS time d\n0 1\n")
    with reading("csv"):
        assert read_table(path, ["d"]).columns["d"].tolist() == [1.0]


def test_what_is_told_ends_with_the_block(write):
    path = write("1,2\n")
    with reading("plumed"), pytest.raises(FileFormatError, match="--format csv"):
        read_header(path)
    assert read_header(path).fields == ("0", "1")


# Frames


NUMBERS = st.floats(-1e6, 1e6).map(lambda x: round(x, 6))
ROWS = st.integers(1, 4).flatmap(
    lambda d: st.lists(st.tuples(*[NUMBERS] * d), min_size=1, max_size=30)
)


def as_text(kind, rows):
    """The same rows as text of a kind; columns a, b, ..."""
    names = "abcd"[: len(rows[0])]
    cells = [[repr(x) for x in row] for row in rows]
    match kind:
        case "csv" | "csv-semicolon":
            separator = "," if kind == "csv" else ";"
            return "\n".join(separator.join(row) for row in [names, *cells]) + "\n"
        case "xvg":
            legends = [f'@ s{i} legend "{name}"' for i, name in enumerate(names[1:])]
            head = ["# gmx", '@ xaxis label "a"', *legends]
        case "colvars-traj":
            head = ["# step " + " ".join(names[1:])]
        case _:
            head = ["#! FIELDS " + " ".join(names)]
    return "\n".join([*head, *map(" ".join, cells)]) + "\n"


@QUIET
@given(rows=ROWS, kind=st.sampled_from(["csv", "csv-semicolon", "xvg", "colvars-traj"]))
@pytest.mark.usefixtures("block_bytes")
def test_rows_are_those_of_plumed_to_the_bit(rows, kind, write):
    names = list("abcd"[: len(rows[0])])
    assume(len(names) > 1 or not kind.startswith("csv"))  # a separator tells it
    wanted = ["time", *names[1:]] if kind == "colvars-traj" else names
    table = read_table(write(as_text(kind, rows)), wanted)
    expected = read_table(write(as_text("plumed", rows), "PLUMED"), names)
    for name, of in zip(wanted, names):
        assert table.columns[name].tobytes() == expected.columns[of].tobytes()


@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_every_format_gives_the_same_surface(name, pack, write, capsys, tmp_path):
    path = write(pack((DATA / name).read_bytes()), "frames")
    bias = FRAMES[name][1][3]
    where = ["--cv", "phi", "--period", "-180:180", "--bias", bias, "--units", "kcal/mol"]
    rest = ["--temp", "300", "--sigma", "8", "--bin", "120", "--outfile", tmp_path / "fes.dat"]
    code, out, err = run(capsys, "reweight", path, *where, *rest)
    assert (code, err) == (0, "")
    assert report_of(out)["samples used"] == "240"
    phi, weight = reference()
    fes = Surface.read(tmp_path / "fes.dat")
    off = (fes.grid.axes[0][:, None] - phi + 180) % 360 - 180
    density = (np.exp(-0.5 * (off / 8) ** 2) * weight).sum(axis=1)
    expected = -kcal(300) * np.log(density / weight.sum() / (8 * math.sqrt(2 * math.pi)))
    near = expected < expected.min() + 5
    np.testing.assert_allclose(fes.values[near], expected[near], atol=1e-6)


def kcal(kelvin):
    return 8.31446261815324e-3 / 4.184 * kelvin


def reference():
    rows = np.loadtxt(DATA / "run.csv", delimiter=",", skiprows=1)
    return rows[:, 1], np.exp(rows[:, 3] / kcal(300))


def test_columns_go_by_number_too(write):
    table = read_table(DATA / "run.xvg", ["1", "2"])
    np.testing.assert_array_equal(
        table.columns["1"], read_table(DATA / "run.csv", ["phi"]).columns["phi"]
    )
    with pytest.raises(InputError, match="no column '4'; the file has time, phi, d, bias"):
        read_table(DATA / "run.xvg", ["4"])


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('# g\n@ xaxis label "Time (ps)"\n@ s0 legend "Dih. angle"\n0 1 2\n', "time Dih._angle 2"),
        ('@ xaxis label "r (nm)"\n@ s1 legend "b#"\n0 1 2\n', "r_(nm) 1 b"),
        ("@TYPE xy\n0 1\n", "0 1"),
        ("time, x (nm),\n0,1,2\n", "time x_(nm) 2"),
        (',phi,"psi"\r\n0,1,2\r\n', "0 phi psi"),
        ("# step d E_m\n0 1 2\n", "time d E_m"),
    ],
)
def test_names_of_columns(text, names, write):
    assert " ".join(read_header(write(text)).fields) == names


def test_empty_fields_are_no_numbers(write):
    path = write("a,b,c\n1,,3\n,2,3\n1,2,\n1, ,3\n1,2,3\n")
    table = read_table(path, ["a", "b", "c"], allow_nonfinite=True)
    found = np.column_stack([table.columns[name] for name in "abc"])
    nan = math.nan
    expected = [[1, nan, 3], [nan, 2, 3], [1, 2, nan], [1, nan, 3], [1, 2, 3]]
    np.testing.assert_array_equal(found, expected)
    with pytest.raises(FileFormatError, match=r"COLVAR:2: column 2 \(b\) is nan"):
        read_table(path, ["b"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n1,x\n", r"COLVAR:3: column 2 \(b\): 'x' is not a number"),
        ("a,b\n1,2\n1,2,3\n", r"COLVAR:3: 3 columns where 2 are expected \(a b\)"),
        ("a;b\n1;2\n1,5;2\n", r"COLVAR:3: column 1 \(a\): '1,5' is not a number"),
        ("a,2\n1,2\n", r"COLVAR:1: 'a,2' holds names and numbers"),
        ('# c\n@ s0 legend "b"\n0 1\n\n0 y\n', r"COLVAR:5: column 2 \(b\): 'y' is not a number"),
        ('@ s1 legend "b"\n0 1\n', r"COLVAR:2: 2 columns where 3 are expected \(0 1 b\)"),
        ("@TYPE xy\n0 1\n&\n1 2\n", r"COLVAR:4: a second data set"),
        ("# step a b\n0 1 2\n# step a b\n0 1\n", r"COLVAR:4: .*cut off|COLVAR:4: 2 columns"),
        ("a,b\n", "no data rows"),
        ("@TYPE xy\n", "no data rows"),
        (
            "# 1\n# 0 1 2 0\n0.5 1\n1.5 2\n",
            r"this holds a surface on a grid, not frames.*cyfes plot",
        ),
    ],
)
@pytest.mark.usefixtures("block_bytes")
def test_bad_files_name_their_line(text, message, write):
    path = write(text)
    with pytest.raises(FileFormatError, match=message):
        read_table(path, read_header(path).fields)


def test_the_end_of_a_data_set_may_stand_at_the_end(write):
    assert read_table(write("@TYPE xy\n0 1\n1 2\n&\n"), ["1"]).columns["1"].tolist() == [1, 2]


def test_a_restart_of_colvars_is_seen(write, tmp_path):
    label, rows = "# step d\n", ["0 1.0\n", "10 2.0\n", "20 3.0\n"]
    path = write(label + "".join(rows) + label + rows[2] + "30 4.0\n")
    samples = cyfes.read_samples(path, 1.0, cyfes.reweight.Selection(cv=["d"], no_bias=True))
    assert samples.values[:, 0].tolist() == [1, 2, 3, 4]
    assert samples.dropped == {"repeated at a restart": 1}


def test_periods_that_are_not_told_are_noted():
    choice = cyfes.reweight.Selection
    (note,) = cyfes.read_samples(DATA / "run.csv", 1.0, choice(cv=["d"], no_bias=True)).notes
    assert "csv tells no periods; d is taken for not periodic" in note
    told = choice(cv=["d"], no_bias=True, period={"d": None})
    assert cyfes.read_samples(DATA / "run.csv", 1.0, told).notes == ()


def test_energies_of_colvars_need_a_unit(capsys):
    words = ["reweight", DATA / "run.colvars.traj", "--cv", "d", "--temp", "300", "--sigma", "1"]
    code, _, err = run(capsys, *words, "--bias", "E_metadynamics1", "--outfile", "-")
    assert code == 2
    assert "energies of Colvars, E_metadynamics1, are in the energy unit" in err
    assert "--units kcal/mol" in err
    code, *_ = run(capsys, *words, "--no-bias", "--outfile", "-")
    assert code == 0


# Hills


def colvars_oracle(points, widths=1.0):
    """F = -gamma / (gamma - 1) V, V as Colvars' manual defines it, without its cut."""
    rows = np.loadtxt(DATA / "run.hills.traj")
    off = points[:, None, :] - rows[None, :, 1:3]
    off[..., 0] = (off[..., 0] + 180) % 360 - 180
    sigma = widths * rows[:, 3:5]
    return -10 / 9 * (rows[:, 5] * np.exp(-0.5 * ((off / sigma) ** 2).sum(axis=2))).sum(axis=1)


@pytest.mark.parametrize(("widths", "factor"), [("sigma", 1.0), ("2sigma", 0.5)])
def test_hills_of_colvars(widths, factor):
    with reading(**{**COLVARS, "widths": widths}):
        hills = cyfes.read_hills(DATA / "run.hills.traj")
    assert hills.names == ("phi", "d")
    assert hills.bounds == (("-180", "180"), None)
    assert hills.gaussian.all()
    points = np.random.default_rng(0).uniform([-180, 0.2], [180, 0.5], (100, 2))
    np.testing.assert_allclose(
        hills.free_energy(points), colvars_oracle(points, factor), rtol=1e-9, atol=1e-12
    )
    np.testing.assert_allclose(  # the bias itself
        hills.bias_heights(), np.loadtxt(DATA / "run.hills.traj")[:, 5], rtol=1e-12
    )


def test_ordinary_metadynamics_of_colvars_keeps_its_heights():
    with reading(**{**COLVARS, "gamma": -1}):
        hills = cyfes.read_hills(DATA / "run.hills.traj")
    np.testing.assert_array_equal(hills.heights, np.loadtxt(DATA / "run.hills.traj")[:, 5])


def test_widths_of_colvars_that_are_not_told_are_warned_of():
    with reading(**{**COLVARS, "widths": ""}), pytest.warns(CyfesWarning, match="--widths 2sigma"):
        cyfes.read_hills(DATA / "run.hills.traj")


@pytest.mark.parametrize("missing", ["format", "axes", "units", "gamma"])
def test_what_hills_of_colvars_do_not_tell_is_asked(missing, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    at = OF_COLVARS.index(f"--{missing}")
    words = [*OF_COLVARS[:at], *OF_COLVARS[at + 2 :]]
    code, _, err = run(capsys, "sum_hills", DATA / "run.hills.traj", *words)
    assert code == 2
    assert f"--{missing}" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--heights", "unscaled"], "scaled by --gamma: leave --heights out"),
        (["--gamma", "0.5"], "--gamma is above 1, or -1"),
        (["--axes", "phi"], "columns where 4 are expected (time phi sigma_phi height)"),
        (["--axes", "phi=1:2,d"], "is not periodic; of hills only periods are told"),
        (["--axes", "phi=2:1:periodic,d"], "must be MIN < MAX"),
        (["--axes", "phi=1,d"], "is not a number"),
        (["--axes", "phi:1,d"], "is no CV"),
        (["--axes", "d,d"], "names a CV twice"),
    ],
)
def test_wrong_words_about_hills(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = [*OF_COLVARS, *words] if words[0] == "--heights" else [*OF_COLVARS]
    if words[0] != "--heights":
        given[given.index(words[0]) + 1] = words[1]
    code, _, err = run(capsys, "sum_hills", DATA / "run.hills.traj", *given)
    assert code == 2
    assert message in err
    assert list(tmp_path.iterdir()) == []


def test_the_surface_of_colvars_own_run(shared_data):
    """Colvars' tests: well-tempered with T = 0, so that its .pmf is minus the bias."""
    folder = shared_data / "truth-colvars" / "000_distance-grid_metadynamics-wt" / "AutoDiff"
    with reading("colvars-hills", axes=["one"], units="kcal/mol", gamma=-1, widths="sigma"):
        hills = cyfes.read_hills(folder / "test.colvars.metadynamics1.hills.traj")
        pmf = Surface.read(folder / "test.pmf", "kcal/mol")
    found = hills.free_energy(pmf.grid.axes[0][:, None])
    np.testing.assert_allclose(found - found.min(), pmf.values, atol=1e-5)  # Colvars' cut


@pytest.mark.parametrize("option", [["--gamma", "10"], ["--widths", "sigma"]])
def test_what_would_change_nothing_is_refused(option, capsys, tmp_path):
    hills = next((DATA.parent / "gen-2d-mixed-per-wt").glob("HILLS*"))
    code, _, err = run(capsys, "sum_hills", hills, *option, "--outfile", tmp_path / "out")
    assert code == 2
    assert f"{option[0]} is for --format colvars-hills" in err


def test_a_period_that_the_header_denies_is_refused(write):
    hills = write("#! FIELDS time d sigma_d height biasf\n1 0 1 1 10\n", "HILLS")
    frames = write("#! FIELDS time d\n1 0\n")
    choice = cyfes.reweight.Selection
    with reading(axes=["d=-pi:pi:periodic"]):
        with pytest.raises(InputError, match="--axes says that d is periodic, and the header"):
            cyfes.read_hills(hills)
        with pytest.raises(InputError, match="--axes says that d is periodic, and the header"):
            cyfes.read_samples(frames, 1.0, choice(cv=["d"], no_bias=True))
        given = choice(cv=["d"], no_bias=True, period={"d": ("-pi", "pi")})
        assert cyfes.read_samples(frames, 1.0, given).bounds == (("-pi", "pi"),)


def test_axes_tell_periods_of_frames_too():
    choice = cyfes.reweight.Selection(cv=["phi"], no_bias=True)
    with reading(axes=["phi=-180:180:periodic"]):
        for name in FRAMES:
            samples = cyfes.read_samples(DATA / name, 1.0, choice)
            assert samples.bounds == (("-180", "180"),)
            assert samples.notes == ()


def test_axes_of_another_surface_are_refused(tmp_path):
    with reading(axes=["phi"]):
        Surface.read(DATA / "run.pmf", "kj/mol").to_dat(tmp_path / "fes.dat")
        assert Surface.read(tmp_path / "fes.dat").grid.names == ("phi",)
    with reading(axes=["psi"]), pytest.raises(InputError, match="of phi, and --axes names psi"):
        Surface.read(tmp_path / "fes.dat")


def test_hills_as_csv_need_their_periods(write):
    text = "time,phi,sigma_phi,height,biasf\n1,3.0,0.3,1.2,10\n2,-3.0,0.3,1.2,10\n"
    path = write(text, "hills.csv")
    with pytest.raises(InputError, match=r"does not tell which CVs are periodic.*--axes phi"):
        cyfes.read_hills(path)
    with reading(axes=["phi=-pi:pi:periodic"]):
        hills = cyfes.read_hills(path)
    assert hills.bounds == (("-pi", "pi"),)
    same = cyfes.read_hills(write("#! FIELDS " + text.replace(",", " "), "HILLS"))
    np.testing.assert_array_equal(hills.centers, same.centers)
    np.testing.assert_array_equal(hills.heights, same.heights)


@pytest.mark.parametrize("name", ["run.xvg", "run.colvars.traj", "run.pmf"])
def test_other_files_are_no_hills(name):
    with pytest.raises(FileFormatError, match=r"not hills .*; use 'cyfes (reweight|plot)"):
        cyfes.read_hills(DATA / name)


# Surfaces


def test_a_pmf_of_colvars():
    with reading(axes=["phi"]):
        fes = Surface.read(DATA / "run.pmf", "kcal/mol")
    assert (fes.grid.names, fes.grid.shape, fes.grid.periodic) == (("phi",), (36,), (True,))
    assert (fes.grid.lower, fes.grid.upper) == ((-175.0,), (185.0,))
    expected = 2 * (1 - np.cos(np.radians(fes.grid.axes[0] + 75)))
    np.testing.assert_allclose(fes.values, expected, atol=1e-13)


@pytest.mark.parametrize("periodic", [0, 1])
def test_a_pmf_of_two_cvs_has_the_last_fastest(write, periodic):
    x, y = 0.5 + np.arange(3), -1 + 0.5 * (np.arange(4) + 0.5)
    rows = "".join(f"{a} {b} {10 * a + b}\n" for a in x for b in y)
    path = write(f"# 2\n# 0 1 3 0\n# -1 0.5 4 {periodic}\n\n{rows}", "x.pmf")
    fes = Surface.read(path, "kj/mol")
    assert fes.grid.names == ("s1", "s2")
    np.testing.assert_allclose(fes.values, 10 * x[:, None] + y)
    np.testing.assert_allclose(fes.grid.axes[1], y)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# 1\n# 0 1 3 0\n0.5 1\n1.5 2\n", "2 rows, expected 3 = 3"),
        ("# 1\n# 0 1 2 0\n0.5 1\n1.9 2\n", "does not follow the header's grid"),
        ("# 1\n# 0 0 2 0\n0.5 1\n1.5 2\n", "x.pmf:2: WIDTH must be positive"),
        ("# 1\n# 0 x 2 0\n0.5 1\n1.5 2\n", "x.pmf:2: .*'x' is not a number"),
        ("# 1\n# 0 1 2 0\n0.5 1 2\n1.5 2 3\n", "3 columns where 2 are expected"),
        ("# 1\n# 0 1 2 0\n0.5 1\n1.5 z\n", r"x.pmf:4: column 2 .*'z' is not a number"),
        ("# 5\n" + "# 0 1 2 0\n" * 5 + "1 2 3 4 5 6\n", "a grid of 5 CVs; expected 1 to 4"),
    ],
)
def test_bad_pmfs(text, message, write):
    with pytest.raises(FileFormatError, match=message):
        Surface.read(write(text, "x.pmf"), "kj/mol")


def test_a_pmf_needs_its_unit_and_is_no_count(write, capsys):
    code, _, err = run(capsys, "minima", DATA / "run.pmf", "--temp", "300")
    assert code == 2
    assert "--units kcal/mol" in err
    with pytest.raises(FileFormatError, match=r"\.count holds numbers of samples"):
        Surface.read(write((DATA / "run.pmf").read_text(), "x.count"), "kj/mol")


def test_the_last_of_several_pmfs_is_read(write):
    grid = "# 1\n# 0 1 2 0\n\n0.5 {}\n1.5 {}\n"
    path = write(grid.format(1, 2) + "\n" + grid.format(3, 4), "x.hist.pmf")
    with pytest.warns(CyfesWarning, match="2 grids in one file"):
        assert Surface.read(path, "kj/mol").values.tolist() == [3, 4]


AXES = ["phi=-pi:pi:periodic", "psi=-pi:pi:periodic"]


def test_the_bias_of_openmm():
    with reading("openmm", axes=AXES, gamma=10):
        fes = Surface.read(DATA / "bias_17_4.npy")
    bias = np.load(DATA / "bias_17_4.npy")
    assert fes.units == "kj/mol"
    assert fes.grid.shape == (24, 24)
    # The last variable is the first axis, and both ends of a period are one point.
    np.testing.assert_array_equal(fes.values, -10 / 9 * bias[:-1, :-1].T)
    phi, psi = (axis[i] for axis, i in zip(fes.grid.axes, np.unravel_index(0, (24, 24))))
    assert (phi, psi) == (-math.pi, -math.pi)
    lowest = np.unravel_index(fes.values.argmin(), fes.values.shape)
    assert fes.grid.axes[0][lowest[0]] == pytest.approx(-1.3, abs=0.14)
    assert fes.grid.axes[1][lowest[1]] == pytest.approx(1.2, abs=0.14)


def test_the_last_biases_of_all_processes_are_added(tmp_path):
    for name, value in (("bias_1_9", 1.0), ("bias_1_10", 2.0), ("bias_2_3", 4.0), ("temp_2_4", 9)):
        np.save(tmp_path / f"{name}.npy", np.full(3, float(value)))
    with reading("openmm", axes=["a=0:1"], gamma=2):
        assert Surface.read(tmp_path).values.tolist() == [-12.0] * 3
        np.save(tmp_path / "bias_3_1.npy", np.zeros(4))
        with pytest.raises(FileFormatError, match=r"different shapes, .*bias_1_10.npy \[3\]"):
            Surface.read(tmp_path)
        (tmp_path / "empty").mkdir()
        with pytest.raises(FileFormatError, match=r"no bias_ID_N\.npy in this"):
            Surface.read(tmp_path / "empty")


def saved(path, array):
    np.save(path, array)
    return path


def test_a_bias_of_openmm_without_period(tmp_path):
    bias = np.arange(6.0).reshape(3, 2)
    with reading("openmm", axes=["a=0:1", "b=0:4"], gamma=2):
        fes = Surface.read(saved(tmp_path / "b.npy", bias))
    np.testing.assert_array_equal(fes.values, -2 * bias.T)
    assert [axis.tolist() for axis in fes.grid.axes] == [[0, 1], [0, 2, 4]]


@pytest.mark.parametrize(
    ("array", "told", "message"),
    [
        (np.zeros((3, 3)), {"axes": ["a=0:1"]}, "an array of 2 axes, and --axes names 1"),
        (np.zeros(3), {"axes": ["a"]}, "a needs its bounds"),
        (np.zeros(3), {}, "does not tell its CVs"),
        (np.zeros(3), {"axes": ["a=0:1"], "gamma": None}, "does not tell the bias factor"),
        (np.zeros(3), {"axes": ["a=0:1"], "gamma": -1}, "is well-tempered: --gamma is above 1"),
        (np.arange(3.0), {"axes": ["a=0:1:periodic"]}, "differs at both ends of a"),
        (np.array([1.0, np.nan]), {"axes": ["a=0:1"]}, "expected a finite bias"),
        (np.arange(3), {"axes": ["a=0:1"]}, "expected an array of floats"),
        (np.array([1.0, None]), {"axes": ["a=0:1"]}, "not an array of NumPy"),
    ],
)
def test_what_is_no_bias_of_openmm(array, told, message, tmp_path):
    path = saved(tmp_path / "b.npy", array)
    with reading("openmm", **{"gamma": 2.0, **told}), pytest.raises(InputError, match=message):
        Surface.read(path)


def test_frames_beside_a_surface_that_is_told(tmp_path, capsys):
    told = "--format openmm --axes phi=-180:180:periodic --gamma 10 --temp 300".split()
    bias = saved(tmp_path / "b.npy", 5 * np.cos(np.radians(np.linspace(-360, 360, 37))))
    words = [DATA / "run.csv", "--fes", bias, *told, "--no-bias", "--a", "basin:0"]
    code, out, err = run(capsys, "deltag", *words)
    assert (code, err) == (0, "")
    assert report_of(out)["samples used"] == "240"


def test_a_lone_cr_is_no_line(write):
    with pytest.raises(FileFormatError, match=r"COLVAR:4: column 2 \(1\): 'x' is not a number"):
        read_table(write(b"# a\rb\n@TYPE xy\n0 1\n0 x\n"), ["1"])


def test_an_array_must_be_told(tmp_path, capsys):
    path = saved(tmp_path / "b.npy", np.zeros(3))
    for command in ("minima", "reweight"):
        code, _, err = run(capsys, command, path, "--temp", "300")
        assert code == 2
        assert "an array of NumPy, which does not tell what it holds: say --format openmm" in err


def test_biases_of_other_processes_are_warned_of(tmp_path):
    path = saved(tmp_path / "bias_1_4.npy", np.zeros(3))
    saved(tmp_path / "bias_22_9.npy", np.zeros(3))
    with (
        reading("openmm", axes=["a=0:1"], gamma=2),
        pytest.warns(CyfesWarning, match="of 1 other.*give the folder"),
    ):
        Surface.read(path)


# Convert


def test_hills_are_converted_to_the_bit(tmp_path, capsys):
    code, _, err = run(
        capsys, "convert", DATA / "run.hills.traj", *OF_COLVARS, "-o", tmp_path / "HILLS"
    )
    assert (code, err) == (0, "")
    with reading(**COLVARS):
        before = cyfes.read_hills(DATA / "run.hills.traj")
    same_hills(before, cyfes.read_hills(tmp_path / "HILLS"))
    assert "#! CYFES units kcal/mol" in (tmp_path / "HILLS").read_text()


def same_hills(one, other):
    assert (one.names, one.bounds, one.interval) == (other.names, other.bounds, other.interval)
    for name in ("centers", "heights", "biasfactors", "sigmas", "gaussian", "times"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


REAL_HILLS = ["gen-2d-mixed-per-wt", "gen-1d-interval", "gen-restart", "1d-per-nowt-phi"]


@pytest.mark.parametrize("name", [*REAL_HILLS, "gen-2d-np-adaptive-diff"])
def test_hills_of_plumed_are_converted(name, tmp_path, capsys):
    source = next((DATA.parent / name).glob("HILLS*"))
    code, *_ = run(capsys, "convert", source, "-o", tmp_path / "H")
    assert code == 0
    before, after = cyfes.read_hills(source), cyfes.read_hills(tmp_path / "H")
    if before.covariances is None:
        same_hills(before, after)
    else:
        np.testing.assert_allclose(before.covariances, after.covariances, rtol=1e-12)


@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.parametrize("target", ["colvar", "csv"])
def test_frames_are_converted_to_the_bit(name, target, tmp_path, capsys):
    path = tmp_path / "frames"
    code, out, err = run(capsys, "convert", DATA / name, "--to", target, "-o", path)
    assert (code, err) == (0, "")
    assert report_of(out)["rows written"] == "240"
    fields = FRAMES[name][1]
    assert format_of(str(path), "frames").name == {"colvar": "plumed"}.get(target, target)
    before, after = read_table(DATA / name, fields), read_table(path, fields)
    for field in fields:
        assert before.columns[field].tobytes() == after.columns[field].tobytes()


def test_a_restart_is_converted_too(tmp_path):
    source = next((DATA.parent / "gen-restart").glob("COLVAR*"))
    cyfes.convert.write_frames(tmp_path / "COLVAR", str(source))
    choice = cyfes.reweight.Selection(cv=["p.x"], bias=["m.bias"])
    before, after = (cyfes.read_samples(p, 1.0, choice) for p in (source, tmp_path / "COLVAR"))
    assert before.values.tobytes() == after.values.tobytes()
    assert before.log_weights.tobytes() == after.log_weights.tobytes()
    assert before.dropped == after.dropped


def test_surfaces_are_converted(tmp_path, capsys):
    told = "--format openmm --axes phi=-pi:pi:periodic,psi=-pi:pi:periodic --gamma 10".split()
    code, *_ = run(capsys, "convert", DATA / "bias_17_4.npy", *told, "-o", tmp_path / "fes.dat")
    assert code == 0
    with reading("openmm", axes=AXES, gamma=10):
        before = Surface.read(DATA / "bias_17_4.npy")
    after = Surface.read(tmp_path / "fes.dat")
    assert after.grid == before.grid
    np.testing.assert_array_equal(after.values, before.values)
    code, out, _ = run(capsys, "minima", tmp_path / "fes.dat", "--temp", "300")
    assert code == 0
    assert out.splitlines()[-1] == minima_of_openmm(capsys, told)


def minima_of_openmm(capsys, told):
    _, out, _ = run(capsys, "minima", DATA / "bias_17_4.npy", *told, "--temp", "300")
    return out.splitlines()[-1]


@pytest.mark.filterwarnings("always:.*CSV does not tell periods:cyfes.errors.CyfesWarning")
@pytest.mark.parametrize(
    ("name", "words", "message"),
    [
        ("run.csv", ["--to", "hills"], "holds frames, of which --to can be colvar or csv"),
        ("run.csv", ["--columns", "nothing"], "no column 'nothing'"),
        ("run.pmf", ["--units", "kj/mol", "--columns", "a"], "--columns is for frames"),
        ("run.hills.traj", [*OF_COLVARS, "--to", "csv"], "CSV tells no kerneltype"),
    ],
)
def test_what_cannot_be_converted(name, words, message, tmp_path, capsys):
    code, _, err = run(capsys, "convert", DATA / name, *words, "-o", tmp_path / "out")
    assert code == 2
    assert message in err
    assert not (tmp_path / "out").exists()


@pytest.mark.filterwarnings("always:.*CSV does not tell periods:cyfes.errors.CyfesWarning")
def test_periods_that_csv_does_not_tell_are_warned_of(write, tmp_path, capsys):
    source = write("#! FIELDS time phi\n#! SET min_phi -pi\n#! SET max_phi pi\n0 1\n")
    code, _, err = run(capsys, "convert", source, "--to", "csv", "-o", tmp_path / "a.csv")
    assert code == 0
    assert "CSV does not tell periods" in err


def test_columns_that_appear_later_are_not_lost(write, tmp_path, capsys):
    source = write("#! FIELDS time d\n0 1\n#! FIELDS time d e\n1 2 3\n")
    code, _, err = run(capsys, "convert", source, "-o", tmp_path / "out")
    assert code == 2
    assert re.search(r"COLVAR:3: columns e are new from here on", err)


# What is told


@pytest.mark.parametrize(
    ("text", "axis"),
    [
        ("d", Axis("d")),
        (" d=0:3", Axis("d", ("0", "3"))),
        ("phi=-pi:pi:periodic", Axis("phi", ("-pi", "pi"), True)),
    ],
)
def test_axes(text, axis):
    assert Axis.parse(text) == axis


@pytest.mark.parametrize(
    "told", [{"format": "pdb"}, {"units": "eV"}, {"widths": "fwhm"}, {"gamma": 1.0}]
)
def test_wrong_things_that_are_told(told):
    with pytest.raises(InputError), reading(**told):
        pass
