"""Energies, temperatures and the numbers people write in PLUMED files."""

import ast
import math
import operator
from collections.abc import Callable
from typing import Any

from cyfes.errors import InputError

#: Molar gas constant, exact since the 2019 SI: J/(mol K).
GAS_CONSTANT = 8.31446261815324

#: Energy units by the name used on the command line: value of one unit in kJ/mol.
ENERGY_UNITS = {"kj/mol": 1.0, "kcal/mol": 4.184}

#: How a unit is written on an axis.
UNIT_LABELS = {"kj/mol": "kJ/mol", "kcal/mol": "kcal/mol", "kt": "kT"}

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


def parse_number(text: str, what: str) -> float:
    """Return the value of a number as PLUMED accepts it: ``1.5``, ``-pi``, ``2*pi``, ``sqrt(2)/3``.

    ``what`` names the argument in the InputError raised for anything else.
    """
    try:
        return float(text)
    except ValueError:
        pass
    try:
        value = _evaluate(ast.parse(text.strip().replace("^", "**"), mode="eval").body)
    except (ValueError, SyntaxError, ArithmeticError, TypeError, RecursionError):
        raise InputError(
            f"{what}: {text!r} is not a number; expected e.g. 1.5, -pi or 2*pi"
        ) from None
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
