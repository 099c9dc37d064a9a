"""The names and flags of CyFES: each against ten lines of NumPy."""

import math

import numpy as np
import pytest

import cyfes
from cyfes import backend, utils, wrapper, wrapper_f32
from cyfes.cli import OLD_FLAGS, main
from cyfes.compat import BOHR_PER_ANGSTROM, KBT
from cyfes.compat.commandline import FLAGS
from cyfes.errors import (
    CyfesWarning,
    FileFormatError,
    FileMissingError,
    InputError,
    LibraryMissingError,
)
from cyfes.grid import Grid
from cyfes.gridfile import read_cube

#: Small inputs: a few frames may have all the weight.
pytestmark = pytest.mark.filterwarnings(
    "ignore:only .* effective samples:cyfes.errors.CyfesWarning"
)

DOUBLE = ["PathFES", "FastPathFES", "StreamPathFES"]
SINGLE = ["PathFES_f32", "FastPathFES_f32"]


def oracle(crd, cv, bias, kbt=KBT):
    """F at the points, logarithms only; the normalisation goes with the minimum."""
    squares = ((crd[:, None, :] - cv[None, :, :]) ** 2).sum(axis=2)
    exponents = bias / kbt - squares / 2
    peak = exponents.max(axis=1)
    values = -kbt * (peak + np.log(np.exp(exponents - peak[:, None]).sum(axis=1)))
    return values - values.min()


def problem(d, n_points=200, n_samples=300, seed=1):
    """Points, samples, bandwidths and biases of a few kBT; coordinates in bandwidths."""
    rng = np.random.default_rng(seed)
    crd, cv = rng.uniform(-6, 6, (n_points, d)), rng.normal(0, 2, (n_samples, d))
    return crd, cv, rng.uniform(0.1, 2, d), rng.uniform(0, 8, n_samples)


# Functions


@pytest.mark.parametrize("name", DOUBLE)
@pytest.mark.parametrize("d", [1, 2, 3, 4])
def test_double(name, d):
    crd, cv, bw, bias = problem(d)
    values = getattr(cyfes, name)(crd, cv, bw, bias)
    assert values.dtype == np.float64
    assert values.min() == 0
    np.testing.assert_allclose(values, oracle(crd, cv, bias), rtol=0, atol=1e-10 * KBT)


@pytest.mark.parametrize("name", SINGLE)
@pytest.mark.parametrize("d", [1, 2, 3, 4])
def test_single(name, d):
    arrays = [a.astype(np.float32) for a in problem(d, n_samples=10_000)]
    crd, cv, _, bias = (a.astype(np.float64) for a in arrays)
    values = getattr(cyfes, name)(*arrays)
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, oracle(crd, cv, bias), rtol=1e-6, atol=1e-5 * KBT)


def test_kbt_is_a_choice():
    crd, cv, bw, bias = problem(2)
    values = cyfes.PathFES(crd, cv, bw, bias, kbt=2.5)
    np.testing.assert_allclose(values, oracle(crd, cv, bias, 2.5), rtol=0, atol=2.5e-10)


@pytest.mark.parametrize("name", DOUBLE + SINGLE)
def test_huge_biases_do_not_overflow(name):
    crd, cv, bw, _ = problem(3)
    bias = np.linspace(-1e4, 1e4, len(cv))
    values = getattr(cyfes, name)(crd, cv, bw, bias)
    rtol, atol = (1e-6, 1e-5) if name in SINGLE else (1e-13, 1e-10)
    np.testing.assert_allclose(values, oracle(crd, cv, bias), rtol=rtol, atol=atol * KBT)


@pytest.mark.parametrize("name", DOUBLE + SINGLE)
def test_far_points_are_finite_and_right(name):
    # On both sides of where Gaussians underflow: 13.2 bandwidths (float32) and 38.6 (float64).
    crd = np.array([0, 10, 12.9, 13.1, 14, 36.9, 37.1, 38, 39, 200.0])[:, None]
    cv, bias = np.array([[0.0], [-0.3], [0.1]]), np.array([0.0, 3.0, -400.0])
    values = getattr(cyfes, name)(crd, cv, [1.0], bias)
    rtol = 1e-6 if name in SINGLE else 1e-13
    np.testing.assert_allclose(values, oracle(crd, cv, bias), rtol=rtol)


def test_devices_share_the_points(monkeypatch, host_library):
    arrays = problem(3)
    want = cyfes.PathFES(*arrays)
    monkeypatch.setattr(backend, "cuda", lambda: LibraryMissingError("a CPU build"))
    values = cyfes.DevicePathFES(*arrays, np.array([0, 1], np.int32))
    np.testing.assert_array_equal(values, want)
    two = backend.load_cuda(host_library)[0], 2
    monkeypatch.setattr(backend, "cuda", lambda: two)
    np.testing.assert_allclose(cyfes.DevicePathFES(*arrays, [0, 1]), want, rtol=0, atol=1e-11)


def test_device_ids_are_checked():
    arrays = problem(3)
    for wrong in ([0.5], ["gpu"], [-1], []):
        with pytest.raises(InputError, match="device_ids must be integers >= 0"):
            cyfes.DevicePathFES(*arrays, wrong)


def test_bias_is_a_sum_of_gaussians():
    crd, cv, bw, bias = problem(3)
    squares = ((crd[:, None, :] - cv[None, :, :]) ** 2).sum(axis=2)
    expected = KBT * np.exp(-squares / 2).sum(axis=1)
    np.testing.assert_allclose(cyfes.FastBias(crd, cv, bw, bias), expected, rtol=1e-12)


def test_no_points_give_no_values():
    crd, cv, bw, bias = problem(3)
    assert cyfes.PathFES(crd[:0], cv, bw, bias).shape == (0,)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"crd": np.zeros((4, 2))}, r"crd has shape \(4, 2\), expected \(4, 3\)"),
        ({"cv": np.zeros((0, 3))}, "cv must be"),
        ({"cv": np.zeros((300, 5))}, "cv must be"),
        ({"bw": [1.0, 1.0]}, r"bw has shape \(2,\), expected \(3,\)"),
        ({"bw": [1.0, 0.0, 1.0]}, "bw and kbt must be positive"),
        ({"bias": np.zeros(2)}, r"bias has shape \(2,\), expected \(300,\)"),
        ({"bias": np.full(300, np.nan)}, "bias must be finite"),
        ({"kbt": 0.0}, "bw and kbt must be positive"),
    ],
)
def test_wrong_arrays(changes, message):
    arrays = dict(zip(("crd", "cv", "bw", "bias"), problem(3)))
    with pytest.raises(InputError, match=message):
        cyfes.PathFES(**{**arrays, **changes})


# Files


def test_read_out(tmp_path):
    file = tmp_path / "cv.txt"
    file.write_text("phi psi\n1 2 3\n4 5 6\n7 8 9\n")
    np.testing.assert_array_equal(cyfes.read_out(file), [1, 4, 7])
    np.testing.assert_array_equal(cyfes.read_out(file, 2, max_size=2), [3, 6])
    np.testing.assert_array_equal(cyfes.read_out(file, [2, 0], 3), [[9, 7]])
    file.write_text("1,2\n3,4\n")
    np.testing.assert_array_equal(cyfes.read_out(file, 1, 0, None, ","), [2, 4])


def test_read_out_errors(tmp_path):
    file = tmp_path / "cv.txt"
    with pytest.raises(FileMissingError, match=r"cannot read .*cv\.txt"):
        cyfes.read_out(file)
    for text, message in [("1 2\n", "no data rows"), ("\nx y\n", "'x'"), ("\n1\n", "column")]:
        file.write_text(text)
        with pytest.raises(FileFormatError, match=message):
            cyfes.read_out(file, 0 if "x" in text else 1)


def test_save_fes(tmp_path):
    cyfes.save_fes(tmp_path / "1", [0.1, 2.0, math.inf])
    assert (tmp_path / "1").read_text() == "0.1\n2.0\ninf\n"
    cyfes.save_fes(tmp_path / "2", [[[0.1, 2.0]], [[1 / 3, 0.0]]])
    assert (tmp_path / "2").read_text() == "0.1,2.0\n0.3333333333333333,0.0\n"


def test_save_dat(tmp_path):
    cyfes.save_dat(tmp_path / "d", [[0.0, 0.1], [-1.0, 2.0]], [3.5, 0.0])
    rows = "#! FIELDS x y fes\n0.0\t0.1\t3.5\n-1.0\t2.0\t0.0\n"
    assert (tmp_path / "d").read_text() == rows
    with pytest.raises(InputError, match="path must be"):
        cyfes.save_dat(tmp_path / "d2", [[0.0, 0.1]], [3.5, 0.0])
    assert not (tmp_path / "d2").exists()


def test_save_cube(tmp_path):
    values = np.arange(28.0).reshape(2, 2, 7)
    values[0, 0, 0], values[0, 0, 1], values[1, 1, 6] = -1e9, 451, math.inf
    with pytest.warns(CyfesWarning, match="2 grid points lie beyond"):
        cyfes.save_cube(tmp_path / "f.cub", [1, 2, -3], 2, 1.0, 2, 0.5, 7, 2.0, values)
    lines = (tmp_path / "f.cub").read_text().splitlines()
    assert lines[0] == "free energy in kcal/mol over x y z"
    assert lines[2:7] == [
        "    1  1.889716164632e+00  3.779432329264e+00 -5.669148493896e+00",
        "    2  1.889716164632e+00  0.000000000000e+00  0.000000000000e+00",
        "    2  0.000000000000e+00  9.448580823160e-01  0.000000000000e+00",
        "    7  0.000000000000e+00  0.000000000000e+00  3.779432329264e+00",
        "    0  0.000000000000e+00  1.889716164632e+00  3.779432329264e+00 -5.669148493896e+00",
    ]
    assert lines[7] == (
        " -4.5000000000000000e+02  4.5000000000000000e+02  2.0000000000000000e+00"
        "  3.0000000000000000e+00  4.0000000000000000e+00  5.0000000000000000e+00"
    )
    # The last CV runs fastest, six values a line, a new line where the second one moves on.
    assert [len(line.split()) for line in lines[7:]] == [6, 1] * 4
    assert [float(line.split()[0]) for line in lines[9::2]] == [7, 14, 21]
    assert float(lines[-1]) == 450


def test_save_cube_without_bohr(tmp_path):
    cyfes.save_cube(tmp_path / "f", [0, 0, 0], 2, 1, 2, 1, 2, 1, np.zeros(8), use_bohr=False)
    assert "    2  1.000000000000e+00" in (tmp_path / "f").read_text()
    with pytest.raises(InputError, match="expected an origin of 3 numbers and 2 x 2 x 3 values"):
        cyfes.save_cube(tmp_path / "g", [0, 0, 0], 2, 1, 2, 1, 3, 1, np.zeros(8))


def test_cube2xyz_and_save2dat(tmp_path):
    values = np.arange(24.0).reshape(2, 3, 4)
    cyfes.save_cube(tmp_path / "f.cub", [1, 2, -3], 2, 1.0, 3, 0.5, 4, 2.0, values)
    origin, numbers, axes = utils.cube2xyz(tmp_path / "f.cub")
    np.testing.assert_allclose(origin, BOHR_PER_ANGSTROM * np.array([1, 2, -3]), rtol=1e-12)
    assert numbers == list(range(24))
    assert [int(axis[0]) for axis in axes] == [2, 3, 4]
    assert float(axes[1][2]) == pytest.approx(0.5 * BOHR_PER_ANGSTROM, rel=1e-12)
    assert utils.save2dat(tmp_path / "f.dat", axes, origin, numbers) == 1
    assert (tmp_path / "f.dat").read_text().startswith("#! \tX\tY\tZ\tFES\n")
    rows = np.loadtxt(tmp_path / "f.dat")
    points = np.stack(np.meshgrid([1, 2], [2, 2.5, 3], [-3, -1, 1, 3], indexing="ij"), axis=-1)
    np.testing.assert_allclose(rows[:, :3], points.reshape(-1, 3), rtol=0, atol=1e-11)
    assert rows[:, 3].tolist() == numbers


def test_cube2xyz_and_save2dat_errors(tmp_path):
    with pytest.raises(FileMissingError):
        utils.cube2xyz(tmp_path / "none.cub")
    (tmp_path / "bad.cub").write_text("title\nwords\n1 0 0\n")
    with pytest.raises(FileFormatError, match=r"bad\.cub:3"):
        utils.cube2xyz(tmp_path / "bad.cub")
    axes = [["2", "1", "0", "0"], ["1", "0", "1", "0"], ["1", "0", "0", "1"]]
    with pytest.raises(InputError, match="3 values for a grid of 2 points"):
        utils.save2dat(tmp_path / "f.dat", axes, [0, 0, 0], [1, 2, 3])
    assert not (tmp_path / "f.dat").exists()


def test_old_names_of_modules():
    assert wrapper.FastBias is cyfes.FastBias
    assert wrapper_f32.PathFES is cyfes.PathFES_f32
    assert utils.read_out is cyfes.read_out


# Command line

SAMPLES = np.random.default_rng(7).normal([0, 1, -2], [1, 0.5, 2], (60, 3))
BIAS, RBIAS = np.random.default_rng(8).uniform(0, 9, (2, 60))
ROWS = np.column_stack([SAMPLES, BIAS, RBIAS])


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run the old command line in a folder that holds the samples."""
    monkeypatch.chdir(tmp_path)
    np.savetxt("in.txt", ROWS, "%.17g")
    np.savetxt("in.csv", ROWS, "%.17g", ",")
    times = np.arange(60.0)[:, None]
    header = " FIELDS time a b c bias rbias"
    np.savetxt("COLVAR", np.hstack([times, ROWS]), "%.17g", header=header, comments="#!")
    return lambda line: main(line.split())


def grid_points(grid):
    return np.stack(np.meshgrid(*grid.axes, indexing="ij"), axis=-1).reshape(-1, grid.n_dims)


def expected_fes(grid, bias, sigma=1.0, samples=SAMPLES):
    return oracle(grid_points(grid) / sigma, samples / sigma, bias).reshape(grid.shape)


def gaussians(grid, heights, sigma=1.0):
    squares = ((grid_points(grid)[:, None, :] - SAMPLES[None]) ** 2).sum(axis=2)
    return (np.exp(-squares / 2 / sigma**2) @ heights).reshape(grid.shape)


BOX = "-cmin -3,-1,-pi -cmax 3.5,3,2*pi -g 5,3,8 -sigma 0.8"


@pytest.mark.parametrize("source", ["in.txt", "in.csv", "COLVAR -ic 1,2,3 -ib 4"])
def test_cube_of_unequal_axes(run, source):
    assert run(f"-i {source} -o out.cub {BOX}") == 0
    data = read_cube("out.cub")
    assert data.units == "kcal/mol"
    assert data.grid.shape == (6, 4, 9)
    assert data.grid.names == (("a", "b", "c") if "COLVAR" in source else ("s1", "s2", "s3"))
    assert data.grid.lower == (-3, -1, -math.pi)
    assert data.grid.upper == (3.5, 3, 2 * math.pi)
    expected = expected_fes(data.grid, BIAS, 0.8)
    np.testing.assert_allclose(data.values, expected, rtol=0, atol=1e-9)
    with open("out.cub") as lines:
        counts = [line.split() for line in lines][2:6]
    assert float(counts[0][1]) == pytest.approx(-3 * BOHR_PER_ANGSTROM, rel=1e-12)
    assert float(counts[1][1]) == pytest.approx(6.5 / 5 * BOHR_PER_ANGSTROM, rel=1e-12)


def read_rows(file):
    """Grid and values of rows in the order of CyFES: the first CV slowest."""
    with open(file) as lines:
        header = lines.readline()
    rows = np.loadtxt(file)
    d = rows.shape[1] - 1
    assert header == "#! \t" + "\t".join(["X", "Y", "Z", "W"][:d]) + "\tFES\n"
    axes = [np.unique(column) for column in rows.T[:d]]
    shape = tuple(map(len, axes))
    lower, upper = zip(*((float(axis[0]), float(axis[-1])) for axis in axes))
    grid = Grid(tuple("xyzw"[:d]), lower, upper, shape, (False,) * d)
    np.testing.assert_allclose(rows[:, :d], grid_points(grid), rtol=0, atol=1e-12)
    return grid, rows[:, d].reshape(shape)


def test_dat_has_all_its_digits(run):
    assert run(f"-i in.txt -odat fes.dat -oV v.dat -oF f.dat {BOX}") == 0
    grid, fes = read_rows("fes.dat")
    np.testing.assert_allclose(fes, expected_fes(grid, BIAS, 0.8), atol=1e-8, rtol=0)
    expected = gaussians(grid, np.full(60, KBT), 0.8)
    np.testing.assert_allclose(read_rows("v.dat")[1], expected, rtol=0, atol=1e-9)
    negative = expected.max() - expected
    np.testing.assert_allclose(read_rows("f.dat")[1], negative, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("flags", "bias"),
    [
        ("-no_bias true", 0 * BIAS),
        ("-no_bias true -no_rbias false", RBIAS),
        ("-no_rbias false", RBIAS),
        ("-no_bias false -no_rbias false", RBIAS),
        ("-ib 4", RBIAS),
        ("-no_rbias false -ir 3", BIAS),
        ("-device 0,1", BIAS),
    ],
)
def test_choice_of_bias(run, flags, bias):
    assert run(f"-i in.txt -odat out.dat {flags}") == 0
    grid, values = read_rows("out.dat")
    assert grid.shape == (11, 11, 11)
    np.testing.assert_allclose(values, expected_fes(grid, bias), rtol=0, atol=1e-8)


def test_the_bias_is_not_read_beside_the_rbias(run):
    np.savetxt("three.csv", ROWS[:, [0, 1, 2, 4]], "%.17g", ",")
    assert run("-i three.csv -odat out.dat -no_rbias false -ir 3 -ib 9") == 0
    grid, values = read_rows("out.dat")
    np.testing.assert_allclose(values, expected_fes(grid, RBIAS), rtol=0, atol=1e-8)


@pytest.mark.parametrize(("a", "b"), [(4.184, 0), (1, 3), (-2, -7.5)])
def test_factor_and_shift_act_on_the_free_energy_and_nowhere_else(run, a, b):
    assert run("-i in.txt -oV v.dat -oF f.dat -g 3,4,5") == 0
    line = f"-i in.txt -o out.cub -odat out.dat -oV v2.dat -oF f2.dat -g 3,4,5 -a {a} -b {b}"
    assert run(line) == 0
    cube = read_cube("out.cub")
    expected = np.clip(a * expected_fes(cube.grid, BIAS) + b, -450, 450)
    np.testing.assert_allclose(cube.values, expected, rtol=0, atol=1e-8)
    np.testing.assert_array_equal(read_rows("out.dat")[1], cube.values)
    assert cube.units == ("kj/mol" if a == 4.184 else "kcal/mol")
    for first, second in (("v.dat", "v2.dat"), ("f.dat", "f2.dat")):
        np.testing.assert_array_equal(read_rows(first)[1], read_rows(second)[1])


def test_points_that_no_sample_reaches_are_450(run):
    assert run("-i in.txt -o out.cub -odat out.dat -e 90 -g 4,4,4") == 0
    values = read_rows("out.dat")[1]
    np.testing.assert_array_equal(values, read_cube("out.cub").values)
    assert values.max() == 450
    assert run("-i in.txt -odat out2.dat -e 90 -g 4,4,4 -a -1") == 0
    assert read_rows("out2.dat")[1].min() == -450


@pytest.mark.filterwarnings("default::cyfes.errors.CyfesWarning")
def test_finite_values_that_are_cut_are_told(run, capsys):
    assert run("-i in.txt -odat out.dat -g 2,2,2 -a 1000") == 0
    assert "grid points lie beyond +-450" in capsys.readouterr().err


@pytest.mark.filterwarnings("default::cyfes.errors.CyfesWarning")
def test_sink(run, capsys):
    assert run("-i in.txt -oV v.dat -oF f.dat -sink true -g 3,4,5") == 0
    assert "CyFES 4.5 took the flag and wrote the sum of equal" in capsys.readouterr().err
    grid, potential = read_rows("v.dat")
    expected = gaussians(grid, BIAS / math.sqrt(60))
    np.testing.assert_allclose(potential, expected, rtol=0, atol=1e-8)
    free = read_rows("f.dat")[1]
    np.testing.assert_allclose(free, expected.max() - expected, rtol=0, atol=1e-8)
    assert run("-i in.txt -odat x.dat -sink true -g 3,4,5") == 0
    assert capsys.readouterr().err == ""


def test_bounds(run):
    assert run("-i in.txt -odat out.dat -s 20 -e 0.25 -intg true -cmax 4.5,2,8") == 0
    grid, values = read_rows("out.dat")
    assert grid.lower == tuple(np.floor(SAMPLES[:20].min(axis=0) - 0.25))
    assert grid.upper == (5, 3, 9)
    expected = expected_fes(grid, BIAS[:20], samples=SAMPLES[:20])
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize("columns", ["1", "0,2", "0,1,2,4"])
def test_other_numbers_of_cvs(run, columns):
    assert run(f"-i in.txt -ic {columns} -odat out.dat -e 0.5") == 0
    grid, values = read_rows("out.dat")
    samples = ROWS[:, [int(c) for c in columns.split(",")]]
    expected = expected_fes(grid, BIAS, samples=samples)
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-8)


def test_single_precision_and_clipping(run):
    line = "-i in.txt -f32 true -no_bias true -g 4,4,4 -sigma 0.5 -e"
    assert run(f"{line} 0.1 -odat out.dat") == 0
    grid, values = read_rows("out.dat")
    reached = values < 450
    expected = expected_fes(grid, 0 * BIAS, 0.5)
    assert reached.any()
    np.testing.assert_allclose(values[reached], expected[reached], rtol=0, atol=1e-5)
    assert run(f"{line} 30 -o out.cub") == 0
    assert read_cube("out.cub").values.max() == 450


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("-i none.txt -o out", "cannot read none.txt"),
        ("-i none.csv -o out", "cannot read none.csv"),
        ("-i in.txt -o out -ib 9", "no column 9; the file has 0 to 4"),
        ("-i in.csv -o out -ib 9", "column"),
        ("-i in.txt -o out -ic 0,0,1", "different columns"),
        ("-i in.txt -o out -ic 0,1", "needs 3 CVs, got 2"),
        ("-i in.txt -o out -ic a,b,c", "expected whole numbers, got 'a,b,c'"),
        ("-i in.txt -o out -f32 yes", "expected true or false, got 'yes'"),
        ("-i in.txt -o out -g 10,10", "-g: expected 3 values, one a CV, got 2"),
        ("-i in.txt -o out -g 10,0,10", "at least 1"),
        ("-i in.txt -o out -cmin -1,-1", "-cmin: expected 3 values"),
        ("-i in.txt -o out -cmin 9,9,9", "min must be less than max"),
        ("-i in.txt -o out -cmin 50,50,50 -cmax 60,60,60", "no sample reaches the grid"),
        ("-i in.txt -o out -sigma 0", "-sigma must be positive"),
        ("-i in.txt -o out -e nan", "expected a number, got 'nan'"),
        ("-i in.txt -o out -device gpu", "-device: expected whole numbers"),
        ("-i in.txt -o out -a 0", "-a must not be 0"),
        ("-i in.txt -o out -sink true -no_bias true", "-sink needs a bias"),
        ("-i in.txt -o out -sigm 1", "unknown flag '-sigm'"),
        ("-i in.txt -o", "-o needs a value"),
        ("-i in.txt", "a file to write"),
        ("-i in.txt -o no/out", "cannot write no/out"),
        ("-i in.txt -odat ./in.txt", "./in.txt is read by this command"),
    ],
)
def test_one_line_for_a_mistake(run, capsys, line, message):
    assert run(line) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("cyfes: error: ")
    assert error.count("\n") == 1


@pytest.mark.filterwarnings("default")
def test_a_period_that_these_flags_do_not_know_is_told(run, tmp_path, capsys):
    text = (tmp_path / "COLVAR").read_text()
    period = "#! SET min_b -pi\n#! SET max_b pi\n"
    (tmp_path / "COLVAR").write_text(text.replace("\n", f"\n{period}", 1))
    assert run("-i COLVAR -ic 1,2,3 -ib 4 -odat out.dat") == 0
    assert "b has a period, which these flags know nothing of" in capsys.readouterr().err


def test_nothing_is_written_after_a_bad_row(run, tmp_path, capsys):
    for name, separator in (("bad.txt", " "), ("bad.csv", ",")):
        (tmp_path / name).write_text(
            "\n".join(separator.join(row) for row in ("1234", "123x")) + "\n"
        )
        assert run(f"-i {name} -o out.cub -odat out.dat") == 2
        assert name in capsys.readouterr().err
    assert not list(tmp_path.glob("out*"))


def test_help(run, capsys):
    with pytest.raises(SystemExit, match="0"):
        run("-i in.txt -h")
    text = capsys.readouterr().out
    assert "-no_rbias BOOL" in text
    assert "(default: 0,1,2)" in text
    assert OLD_FLAGS.split() == list(FLAGS)
    with pytest.raises(SystemExit, match="0"):
        run("-h")
    assert OLD_FLAGS in " ".join(capsys.readouterr().out.split())


def test_a_flag_given_twice_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code = main(["-i", "a", "-o", "x.cub", "-i", "b"])
    assert code == 2
    assert capsys.readouterr().err == "cyfes: error: -i is given twice; it takes one value\n"
