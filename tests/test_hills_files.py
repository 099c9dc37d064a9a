"""What a HILLS file means: names, constants, widths, kernels, and what changes in the middle."""

import math

import numpy as np
import pytest

from cyfes import FreeEnergySurface
from cyfes.errors import CyfesWarning, FileFormatError, InputError
from cyfes.hillsfile import cv_names, read_hills
from cyfes.tables import Header

A, B = 1.00193418799744762399, -0.00193418799744762399


def stretched(exponent):
    """PLUMED's kernel: a Gaussian stretched to end at an exponent of 6.25."""
    return np.where(exponent < 6.25, A * np.exp(-exponent) + B, 0.0)


def hills_text(rows, fields="time d sigma_d height biasf", constants=""):
    sets = "".join(f"#! SET {line}\n" for line in constants.split(";") if line)
    return f"#! FIELDS {fields}\n{sets}" + "".join(f"{row}\n" for row in rows)


def surface(path, **options):
    fes = FreeEnergySurface.from_hills(path, lower=[0], upper=[2], bins=[20], **options)
    return fes.grid.axes[0], fes.values


ROWS = ["1 0.5 0.2 1.2 10", "2 1.0 0.3 1.1 10", "3 1.5 0.2 0.9 10"]


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ("time phi psi sigma_phi sigma_psi height biasf", ("phi", "psi")),
        ("time sigma_1 sigma_2 sigma_sigma_1 sigma_sigma_2 height", ("sigma_1", "sigma_2")),
        ("time dmin_1 max_cn sigma_dmin_1 sigma_max_cn height", ("dmin_1", "max_cn")),
        ("time a b sigma_a_a sigma_b_b sigma_b_a height", ("a", "b")),
        ("lifetime d sigma_lifetime sigma_d height", ("lifetime", "d")),
        ("time d height biasf sigma_d", ("d",)),
        ("time phi sigma_phi d sigma_d height", ("phi", "d")),
        ("time d other sigma_d height", ("d", "other")),
        ("time a a_a sigma_a sigma_a_a height", ("a", "a_a")),
        ("time d x y", ("d", "x", "y")),
    ],
)
def test_a_cv_is_what_has_a_sigma(fields, names):
    assert cv_names(Header(tuple(fields.split()), {}, 1, 0)) == names


def test_a_cv_may_be_called_like_a_width(write):
    names = "time sigma_1 sigma_sigma_1 height biasf"
    odd = surface(write(hills_text(ROWS, names)))
    np.testing.assert_array_equal(odd, surface(write(hills_text(ROWS))))


def test_adaptive_hills_of_one_cv_are_plain_hills(write):
    """METAD writes the Cholesky factor of the covariance, which is sigma."""
    adaptive = "time d sigma_d_d height biasf"
    plain = surface(write(hills_text(ROWS)))
    for constants in ("multivariate true", ""):
        path = write(hills_text(ROWS, adaptive, constants))
        np.testing.assert_array_equal(surface(path), plain)
    x, values = plain
    expected = -sum(
        height * stretched(((x - center) / sigma) ** 2 / 2)
        for _, center, sigma, height, _ in (map(float, row.split()) for row in ROWS)
    )
    np.testing.assert_allclose(values, expected, atol=1e-12)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("min_d -pi;max_d pi", "min_d -3.141592653589793;max_d 3.141592653589793"),
        ("min_d -pi;max_d pi", "min_d -3.141593;max_d 3.141593"),
        ("min_d -3.14159;max_d 3.14159", "min_d -pi;max_d pi"),
        ("min_d -pi;max_d pi", "min_d -PI;max_d 0.5pi*2"),
        ("", "kerneltype stretched-gaussian"),
        ("multivariate false", ""),
        ("lower_int 0.5;upper_int 1.5", "lower_int 0.50;upper_int 3/2"),
    ],
)
def test_constants_are_compared_by_value(write, first, second):
    parts = [hills_text(ROWS[:2], constants=first), hills_text(ROWS[2:], constants=second)]
    one = read_hills(write(parts[0] + parts[1]))
    two = read_hills([write(parts[0], "a"), write(parts[1], "b")])
    assert len(one) == len(two) == 3
    assert one.bounds == two.bounds
    if one.bounds[0]:
        assert one.bounds[0][0].lower() in ("-pi", "-3.141592653589793")


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ("min_d -pi;max_d pi", "min_d 0;max_d 2pi", "period of d, 0, 2pi, differs from -pi, pi"),
        ("", "min_d 0;max_d 2pi", "period of d, 0, 2pi, differs from none"),
        ("multivariate false", "multivariate true", "multivariate true differ from false"),
        ("", "lower_int 0;upper_int 1", "bounds of INTERVAL 0.0, 1.0 differ from none"),
    ],
)
def test_constants_that_change_in_the_middle(write, first, second, message):
    fields = "time d sigma_d sigma_d_d height biasf"
    rows = [row.replace("0.2", "0.2 0.2").replace("0.3", "0.3 0.3") for row in ROWS]
    text = hills_text(rows[:2], fields, first) + hills_text(rows[2:], fields, second)
    with pytest.raises(FileFormatError, match=rf"HILLS:\d+: .*{message} in line 1"):
        read_hills(write(text, "HILLS"))


def test_cvs_that_change_in_the_middle(write):
    """Hills of three CVs are no hills of two."""
    two = hills_text(["1 0 0 1 1 2 10"], "time a b sigma_a sigma_b height biasf")
    three = hills_text(["2 0 0 0 1 1 1 2 10"], "time a b c sigma_a sigma_b sigma_c height biasf")
    with pytest.raises(FileFormatError, match=r"HILLS:3: the CVs a, b, c differ from a, b in"):
        read_hills(write(two + three, "HILLS"))


def test_each_hill_keeps_its_kernel(write):
    """PLUMED 2.8 began to stretch its Gaussians."""
    parts = [hills_text(ROWS[:2], constants="kerneltype gaussian"), hills_text(ROWS[2:])]
    apart = [write(part, name) for part, name in zip(parts, "ab")]
    with pytest.warns(CyfesWarning, match="PLUMED cuts Gaussian hills"):
        x, both = surface(write(parts[0] + parts[1]))
    with pytest.warns(CyfesWarning, match="PLUMED cuts Gaussian hills"):
        np.testing.assert_array_equal(surface(apart)[1], both)
    expected = (
        -1.2 * np.exp(-(((x - 0.5) / 0.2) ** 2) / 2)
        - 1.1 * np.exp(-(((x - 1.0) / 0.3) ** 2) / 2)
        - 0.9 * stretched(((x - 1.5) / 0.2) ** 2 / 2)
    )
    np.testing.assert_allclose(both, expected, atol=1e-12)


def test_a_bad_width_is_a_bad_row(write):
    path = write(hills_text(["0 1 0 1 10", *ROWS, "4 1 -0.1 1 10"]))
    with pytest.raises(
        FileFormatError,
        match=r"COLVAR:2: column sigma_d must be positive, got 0; --on-bad skip leaves such",
    ):
        read_hills(path)
    hills = read_hills(path, on_bad="skip")
    assert hills.dropped == {"sigma_d not positive": 2}
    assert hills.times.tolist() == [1, 2, 3]


def test_all_widths_bad(write):
    with pytest.raises(FileFormatError, match=r"no good data rows \(1 sigma_d not positive\)"):
        read_hills(write(hills_text(["0 1 0 1 10"])), on_bad="skip")


def test_the_bias_of_hills_without_a_biasfactor(write):
    rows = [row.rsplit(maxsplit=1)[0] for row in ROWS]
    path = write(hills_text(rows, "time d sigma_d height"))
    with pytest.raises(InputError, match="--negbias needs the column biasf, which 3 of 3 hills"):
        surface(path, negbias=True)
    mixed = [write(hills_text([row.replace(" ", "0 ", 1) for row in ROWS]), "a"), path]
    with pytest.raises(InputError, match="--negbias needs the column biasf, which 3 of 6 hills"):
        surface(mixed, negbias=True)
    np.testing.assert_array_equal(surface(path), surface(write(hills_text(ROWS))))


def test_the_bias_of_hills_whose_biasfactor_is_one(write):
    rows = [row.replace(" 10", " 1") for row in ROWS]
    with pytest.warns(CyfesWarning, match="3 of 3 hills have biasf 1 and count nothing"):
        assert not surface(write(hills_text(rows)), negbias=True)[1].any()


@pytest.mark.parametrize("factor", ["0.5", "0"])
def test_no_biasfactor_at_all(write, factor):
    path = write(hills_text([row.replace(" 10", f" {factor}") for row in ROWS]))
    with pytest.raises(InputError, match=rf"biasf is {factor} in 3 of 3 hills; expected at least"):
        surface(path, negbias=True)
    with pytest.raises(InputError, match="unscaled heights: biasf is"):
        read_hills(path).unscaled()


def test_heights_without_the_factor_of_the_biasfactor(write):
    hills = read_hills(write(hills_text(ROWS)))
    scaled = hills.unscaled()
    np.testing.assert_allclose(scaled.heights, hills.heights * 10 / 9)
    np.testing.assert_allclose(scaled.bias_heights(), hills.heights)


@pytest.mark.parametrize(("height", "noted"), [(1e5, True), (5e3, False), (-1e5, True)])
def test_a_hill_that_towers_above_the_others(write, height, noted):
    notes = read_hills(write(hills_text([*ROWS, f"4 1 0.2 {height} 10"]))).notes
    assert bool(notes) == noted
    if noted:
        assert notes[0].startswith(f"hill 4 at time 4 is {abs(height):g} high, ")


def test_time_that_goes_back_is_noted(write):
    notes = read_hills(write(hills_text([*ROWS, "2 1.1 0.2 1 10"]))).notes
    assert notes[0].endswith("time goes back from 3 to 2 at line 5; all rows are kept")


def test_too_many_cvs(write):
    cvs = [f"c{i}" for i in range(10)]
    fields = " ".join(["time", *cvs, *(f"sigma_{cv}" for cv in cvs), "height"])
    with pytest.raises(FileFormatError, match=r"10 CVs .* expected 1 to 4; 'cyfes reweight' gives"):
        read_hills(write(hills_text([" ".join(["1"] * 22)], fields)))


@pytest.mark.filterwarnings("ignore:the grid's steps of:cyfes.errors.CyfesWarning")
def test_hills_of_periodic_cvs_fold(write):
    constants = "min_d -pi;max_d 2pi/2"
    rows = [f"1 {3.1 + turn * 2 * math.pi} 0.3 1 10" for turn in (-1, 0, 2)]
    values = [
        FreeEnergySurface.from_hills(write(hills_text([row], constants=constants))).values
        for row in rows
    ]
    np.testing.assert_allclose(values[1:], [values[0]] * 2, atol=1e-12)


@pytest.mark.parametrize("factor", ["inf", "nan"])
def test_a_biasfactor_that_is_not_finite_matters_only_where_it_is_used(write, factor):
    path = write(hills_text([row.replace(" 10", f" {factor}") for row in ROWS]))
    plain = surface(write(hills_text(ROWS), "plain"))[1]
    np.testing.assert_array_equal(surface(path)[1], plain)
    if factor == "inf":  # ordinary metadynamics, whose bias is the sum of the hills
        np.testing.assert_array_equal(surface(path, negbias=True)[1], plain)
        np.testing.assert_array_equal(read_hills(path).unscaled().heights, [1.2, 1.1, 0.9])
        return
    with pytest.raises(InputError, match="needs the column biasf, which 3 of 3 hills lack"):
        surface(path, negbias=True)


def many(n, first=1, seed=0):
    rng = np.random.default_rng(seed)
    return [f"{first + i} {rng.uniform(0, 2):.9f} 0.2 {1 - 0.01 * i:.6f} 10" for i in range(n)]


def test_copies_of_walkers_in_one_file_are_warned_of(write):
    with pytest.warns(CyfesWarning, match="20 of 40 hills are there twice"):
        assert len(read_hills(write(hills_text(many(20) * 2)))) == 40
    with pytest.warns(CyfesWarning, match="40 of 60 hills are there twice"):
        read_hills(write(hills_text(many(20) * 3)))


def test_hills_that_two_files_share_are_warned_of(write):
    rows = many(30)
    with pytest.warns(CyfesWarning, match="5 of 35 hills are there twice"):
        read_hills([write(hills_text(rows[:20]), "a"), write(hills_text(rows[15:]), "b")])
    shuffled = np.random.default_rng(1).permutation(rows).tolist()
    with pytest.warns(CyfesWarning, match="30 of 60 hills are there twice"):
        read_hills([write(hills_text(rows), "a"), write(hills_text(shuffled), "b")])


def test_a_copy_with_fewer_digits_is_a_copy(write):
    short = [" ".join(word[:8] for word in row.split()) for row in many(20)]
    with pytest.raises(InputError, match="holds the same hills"):
        read_hills([write(hills_text(many(20)), "a"), write(hills_text(short), "b")])


def test_walkers_and_states_are_no_copies(write):
    files = [write(hills_text(many(20, seed=seed)), str(seed)) for seed in (1, 2)]
    assert len(read_hills(files)) == 40
    states = [f"{i + 1} {i * k % 3} 0.2 1.2 1" for k in (1, 2) for i in range(30)]
    assert len(read_hills(write(hills_text(states)))) == 60


def test_a_period_without_end_is_none(write):
    path = write(hills_text(ROWS, constants="min_d -inf;max_d inf"))
    with pytest.raises(FileFormatError, match="must be finite; a CV without a period has no such"):
        read_hills(path)
