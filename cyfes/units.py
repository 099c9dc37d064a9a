"""Energies, temperatures and the numbers people write in PLUMED files."""

import ast
import math
import operator
import re
import warnings
from collections.abc import Callable
from typing import Any

from cyfes.errors import CyfesWarning, InputError, quoted, shortened

#: Molar gas constant, exact since the 2019 SI: J/(mol K).
GAS_CONSTANT = 8.31446261815324

#: Energy units by the name used on the command line: value of one unit in kJ/mol.
ENERGY_UNITS = {"kj/mol": 1.0, "kcal/mol": 4.184}

#: How a unit is written on an axis.
UNIT_LABELS = {"kj/mol": "kJ/mol", "kcal/mol": "kcal/mol", "kt": "kT"}

#: Temperatures at which matter is simulated, kelvin.
USUAL_KELVIN = (50.0, 2000.0)

#: What kBT is most often that of: in another unit it may still be that of a usual temperature.
ROOM_KELVIN = (280.0, 345.0)

#: No file has more rows, no grid more bins.
MAX_COUNT = 10**15

#: Longer expressions are refused: what is shorter cannot nest too deeply for Python's parser.
_MAX_LENGTH = 100
_UNSIGNED = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[-+]?[0-9]+)?"
_PLAIN = re.compile(rf"[-+]?(?:{_UNSIGNED}|inf|infinity|nan)")
_CHARACTERS = re.compile(r"[0-9a-z.()*/^+ -]*")
_AROUND = re.compile(r" *([()*/^+-]) *")
# Python takes 01 for an octal number misspelt.
_LEADING_ZEROS = re.compile(r"(?<![0-9.a-z])0+(?=[0-9])")
# In 1/2pi and 2^2pi it is not plain what belongs together: they stay what nobody can read.
_TIMES_PI = re.compile(rf"(?<![/^0-9.a-z])(?<!\*\*)({_UNSIGNED})pi\b")
_HEX_AND_THE_LIKE = re.compile(r"[0-9][a-df-z]")
_INTEGER = re.compile(r"([-+]?)0*([0-9]+)")

_OPERATORS: dict[type, Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
_FUNCTIONS = {name: getattr(math, name) for name in ("sqrt", "exp", "log", "sin", "cos", "tan")}


def thermal_energy(temperature: float, units: str = "kj/mol") -> float:
    """Return kB T = R T for a temperature in kelvin, in ``units`` ("kj/mol", "kcal/mol", "kt").

    Raises InputError for an unknown unit or a temperature that is not positive.
    """
    if not temperature > 0:
        raise InputError(f"temperature must be positive, got {temperature} K")
    if units == "kt":
        return 1.0
    if units not in ENERGY_UNITS:
        raise InputError(f"unknown energy unit {units!r}; expected one of {', '.join(UNIT_LABELS)}")
    return GAS_CONSTANT * temperature / 1000.0 / ENERGY_UNITS[units]


def conversion(units: str, to_units: str, kbt: float | None = None) -> float:
    """Return the factor that turns an energy in ``units`` into one in ``to_units``.

    ``kbt`` in the one of the two that is not "kt"; it is needed where either is.
    Raises InputError without it.
    """
    if units == to_units:
        return 1.0
    if "kt" not in (units, to_units):
        return ENERGY_UNITS[units] / ENERGY_UNITS[to_units]
    if kbt is None:
        option = "--temp" if units == "kt" else "--kt or --temp"
        raise InputError(
            f"{UNIT_LABELS[units]} to {UNIT_LABELS[to_units]} needs kBT: give {option}"
        )
    return kbt if units == "kt" else 1.0 / kbt


def check_kbt(kbt: float, units: str) -> None:
    """Warn if ``kbt`` in ``units`` is that of no usual temperature: most often it is one itself."""
    label = UNIT_LABELS[units]
    if units == "kt":
        if kbt != 1.0:
            _warn(f"kBT is 1 where energies are in kT, got {kbt:g}: --units names another unit")
        return
    kelvin = kbt / thermal_energy(1.0, units)
    if not USUAL_KELVIN[0] <= kelvin <= USUAL_KELVIN[1]:
        _warn(
            f"kBT = {kbt:g} {label} is that of {kelvin:.4g} K: if {kbt:g} is a temperature in "
            f"kelvin, give --temp {kbt:g}; if it is kBT in another unit, name it with --units"
        )
        return
    other = next(name for name in ENERGY_UNITS if name != units)
    likely = kbt / thermal_energy(1.0, other)
    if ROOM_KELVIN[0] <= likely <= ROOM_KELVIN[1]:
        _warn(
            f"kBT = {kbt:g} {label} is that of {kelvin:.4g} K, but of {likely:.4g} K in "
            f"{UNIT_LABELS[other]}: if that is its unit, say --units {other}; else give --temp"
        )


def check_temperature(kelvin: float, units: str) -> None:
    """Warn if a temperature is no usual one: most often it is kBT, in ``units`` perhaps."""
    if not USUAL_KELVIN[0] <= kelvin <= USUAL_KELVIN[1]:
        _warn(
            f"the temperature is {kelvin:g} K: if {kelvin:g} is kBT in {UNIT_LABELS[units]}, "
            f"give --kt {kelvin:g}"
        )


def _warn(text: str) -> None:
    warnings.warn(text, CyfesWarning, stacklevel=3)


def parse_number(text: str, what: str) -> float:
    """Return the value of a number as PLUMED accepts it: ``1.5``, ``-pi``, ``2pi``, ``sqrt(2)/3``.

    ``what`` names the argument or the header line in the InputError raised for anything else. The
    number may be infinite only where it is spelled so; it is never nan.
    """
    try:
        value = _value(text.strip().lower())
    except (ValueError, SyntaxError, ArithmeticError, TypeError):
        raise InputError(
            f"{what}: {quoted(text)} is not a number; expected e.g. 1.5, -pi or 2*pi"
        ) from None
    return value


def parse_integer(text: str, what: str, least: int = 0, most: int = MAX_COUNT) -> int:
    """Return a whole number in decimal digits; InputError unless ``least <= value <= most``."""
    match = _INTEGER.fullmatch(text.strip())
    if not match:
        raise InputError(f"{what}: {quoted(text)} is not a whole number")
    sign, digits = match.groups()
    # Python reads no more than 4300 digits.
    value = int(f"{sign}{digits}") if len(digits) < 20 else int(f"{sign}1{'0' * 20}")
    if value < least:
        raise InputError(f"{what} must be at least {least}, got {shortened(text)}")
    if value > most:
        raise InputError(f"{what} must be at most {most}, got {shortened(text)}")
    return value


def _value(text: str) -> float:
    """Value of a number or an expression in lower case; ValueError, SyntaxError, ... if neither."""
    if _PLAIN.fullmatch(text):
        value = float(text)
    elif len(text) > _MAX_LENGTH or not _CHARACTERS.fullmatch(text):
        raise ValueError
    else:
        text = _LEADING_ZEROS.sub("", _AROUND.sub(r"\1", text))
        tree = _TIMES_PI.sub(r"(\1*pi)", text).replace("^", "**")
        if _HEX_AND_THE_LIKE.search(tree):
            raise ValueError
        value = _evaluate(ast.parse(tree, mode="eval").body)
    if math.isnan(value) or (math.isinf(value) and "inf" not in text):
        raise ValueError
    return value


def _evaluate(node: ast.expr) -> float:
    """Value of an arithmetic expression tree; ValueError for any other kind of node."""
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id="pi"):
            return math.pi
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _OPERATORS:
            return float(_OPERATORS[type(op)](_evaluate(operand)))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return float(_OPERATORS[type(op)](_evaluate(left), _evaluate(right)))
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in _FUNCTIONS:
            return float(_FUNCTIONS[name](_evaluate(argument)))
    raise ValueError
