"""The options of other temperatures, of energy and entropy: names and help texts, nothing else."""

import argparse

from cyfes.cli.words import List


def add_temperatures(parser: argparse.ArgumentParser) -> None:
    """Add --temperatures, --energy and --entropy."""
    group = parser.add_argument_group("other temperatures, energy and entropy")
    group.add_argument(
        "--temperatures",
        action=List,
        metavar="T,...",
        help="in kelvin: one surface for each, fes_310K.dat, from frames at --temp and their "
        "potential energies; with a column n_eff of the effective frames at each point",
    )
    group.add_argument(
        "--energy",
        metavar="NAME",
        help="column of the potential energy E in --units, without the bias; at constant pressure "
        "that of E + pV",
    )
    group.add_argument(
        "--entropy",
        action="store_true",
        help="also the columns energy, U(s) = <E>_s - <E>, and minus_ts, -TS(s) = F(s) - U(s)",
    )
