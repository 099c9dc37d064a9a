"""Numbers as people write them, energy units, and temperatures that cannot be meant."""

import math
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plumed_files import report_of, run, write_colvar, write_hills

from cyfes import FreeEnergySurface
from cyfes.errors import CyfesWarning, InputError
from cyfes.units import (
    check_kbt,
    check_temperature,
    conversion,
    parse_integer,
    parse_number,
    thermal_energy,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.5", 1.5), ("-1e-3", -1e-3), (".5", 0.5), ("5.", 5.0), ("1E3", 1e3), (" 2 ", 2.0),
        ("pi", math.pi), ("-PI", -math.pi), ("+pi", math.pi), ("2pi", 2 * math.pi),
        ("0.5pi", math.pi / 2), ("-2Pi", -2 * math.pi), ("1e-2pi", math.pi / 100),
        ("pi/2", math.pi / 2), ("2*PI", 2 * math.pi), ("3*2pi", 6 * math.pi),
        ("-(007.5)", -7.5), ("1e-05*02pi", 2e-5 * math.pi),
        ("1.0 * pi", math.pi), ("2^2", 4.0), ("-(1+pi)", -1 - math.pi), ("sqrt(4)/4", 0.5),
        ("inf", math.inf), ("-inf", -math.inf), ("0." + "3" * 200, 1 / 3),
    ],
)  # fmt: skip
def test_numbers_as_plumed_and_people_write_them(text, value):
    assert parse_number(text, "x") == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize(
    "text",
    [
        "", "minus", "nan", "1_000", "١", "²", "−1", "1 2", "2 pi", "pi2", "0x10", "1j", "1e999",
        "1/0", "(-8)^.5", "exp(1000)", "9**9**9", "-" * 5000 + "1", "(" * 10000, "2(3)", "pi()",
        "1/2pi", "1/ 2pi", "2^2pi", "2**2pi", "abs(1)", "1 if 1 else 2", "[1]", "x" * 10**6,
    ],
)  # fmt: skip
def test_anything_else_is_refused_in_one_short_line(text):
    with pytest.raises(InputError, match=r"^--min: '.* is not a number; expected") as caught:
        parse_number(text, "--min")
    assert len(str(caught.value)) < 200


def test_whole_numbers():
    assert [parse_integer(t, "n") for t in ("0", "+7", "007", "0" * 5000 + "7")] == [0, 7, 7, 7]
    assert parse_integer("-3", "n", least=-3) == -3
    with pytest.raises(InputError, match="at most 5, got 6"):
        parse_integer("6", "n", most=5)


def test_conversions():
    assert conversion("kj/mol", "kcal/mol") == 1 / 4.184
    assert conversion("kj/mol", "kt", 2.5) == 0.4
    assert conversion("kt", "kcal/mol", 0.6) == 0.6
    assert conversion("kt", "kt") == 1.0
    with pytest.raises(InputError, match="kJ/mol to kT needs kBT: give --kt or --temp"):
        conversion("kj/mol", "kt")


@pytest.mark.parametrize("units", ["kj/mol", "kcal/mol"])
def test_temperatures_that_are_meant(units):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for kelvin in (50.01, 300, 1999):
            check_kbt(thermal_energy(kelvin, units), units)
            check_temperature(kelvin, units)
        check_kbt(1.0, "kt")


def test_temperatures_that_are_not(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_colvar(tmp_path / "COLVAR")
    with pytest.warns(CyfesWarning, match="kBT is 1 where energies are in kT, got 2.5"):
        check_kbt(2.5, "kt")
    common = ["reweight", "COLVAR", "--cv", "d", "--sigma", "0.2", "--bin", "5"]
    for option, value, words in (
        ("--kt", "300", ["kBT = 300 kJ/mol is that of 3.608e+04 K", "--temp 300", "--units"]),
        ("--temp", "2.49", ["the temperature is 2.49 K", "--kt 2.49", "kBT in kJ/mol"]),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            code, _, err = run(capsys, *common, option, value)
        assert code == 0
        for word in words:
            assert word in err


@pytest.mark.parametrize(("units", "other"), [("kj/mol", "kcal/mol"), ("kcal/mol", "kj/mol")])
def test_a_kbt_of_the_other_unit_is_pointed_out(units, other):
    with pytest.warns(
        CyfesWarning, match=rf"but of 300 K in .*say --units {other}; else give --temp"
    ):
        check_kbt(thermal_energy(300, other), units)


@pytest.mark.parametrize("units", ["kJ/mol", "KCAL/MOL", "kT"])
def test_units_may_be_written_as_on_an_axis(tmp_path, monkeypatch, capsys, units):
    monkeypatch.chdir(tmp_path)
    write_hills(tmp_path / "HILLS")
    assert run(capsys, "sum_hills", "HILLS", "--to-units", units, "--temp", 300)[0] == 0


def test_a_surface_in_other_units(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_hills(tmp_path / "HILLS")

    def surface(*options):
        code, _, err = run(capsys, "sum_hills", "HILLS", "--fmt", "%.17g", *options)
        assert (code, err) == (0, "")
        return FreeEnergySurface.from_dat("fes.dat")

    plain = surface()
    kcal = surface("--to-units", "kcal/mol")
    assert kcal.values == pytest.approx(plain.values / 4.184, rel=1e-14)
    assert kcal.derivatives == pytest.approx(plain.derivatives / 4.184, rel=1e-14)
    reduced = surface("--temp", "300", "--to-units", "kt")
    assert reduced.values == pytest.approx(plain.values / thermal_energy(300), rel=1e-14)
    grown = surface("--units", "kt", "--temp", "300", "--to-units", "kj/mol")
    assert grown.values == pytest.approx(plain.values * thermal_energy(300), rel=1e-14)
    code, _, err = run(capsys, "sum_hills", "HILLS", "--to-units", "kt")
    assert (code, err) == (
        2,
        "cyfes: error: kJ/mol to kT needs kBT: give --kt or --temp\n",
    )


def test_a_projection_at_a_temperature_is_that_at_its_kt(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_hills(tmp_path / "HILLS")
    common = ["sum_hills", "HILLS", "--idw", "d", "--fmt", "%.17g"]
    assert run(capsys, *common, "--temp", "500", "--units", "kcal/mol")[0] == 0
    by_temperature = FreeEnergySurface.from_dat("fes.dat").values
    assert run(capsys, *common, "--kt", repr(thermal_energy(500, "kcal/mol")))[0] == 0
    assert (by_temperature == FreeEnergySurface.from_dat("fes.dat").values).all()


def test_an_empty_block_has_no_minimum(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_hills(tmp_path / "HILLS")
    code, out, _ = run(capsys, "sum_hills", "HILLS", "--stride", "20", "--nohistory")
    assert code == 0
    assert report_of(out)["minimum"] == "none: the surface is 0 everywhere"


@settings(deadline=None)
@given(st.floats(allow_nan=False))
def test_every_number_reads_back(value):
    assert parse_number(repr(value), "x") == value


@settings(deadline=None)
@given(st.text("0123456789.pie+-*/^() sqrtx", max_size=40))
def test_any_text_is_a_number_or_refused(text):
    try:
        value = parse_number(text, "x")
    except InputError:
        return
    assert math.isfinite(value)
    assert parse_number(f"-({text})", "x") == -value
