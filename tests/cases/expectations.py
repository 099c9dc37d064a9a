"""What a command should do: write the right surface, refuse, or draw; each judges an outcome."""

import re
from dataclasses import dataclass
from pathlib import Path

from cases.oracle import (
    Command,
    Disagreement,
    Row,
    accepted,
    bias_names,
    check_frames,
    check_hills,
    check_histogram,
    command,
    cv_names,
    hill_columns,
    read_surface,
    rows_of,
    thermal_energy,
    window,
)
from cases.program import Outcome


def expect(condition: object, complaint: str) -> None:
    if not condition:
        raise Disagreement(complaint)


class Expectation:
    """Judges raise Disagreement, and return in a word what they saw."""

    def judge(self, outcome: Outcome, folder: Path) -> str:
        raise NotImplementedError

    def __or__(self, other: "Expectation") -> "Either":
        return Either(self, other)


@dataclass(frozen=True)
class Either(Expectation):
    """One of two."""

    first: Expectation
    second: Expectation

    def judge(self, outcome: Outcome, folder: Path) -> str:
        try:
            return self.first.judge(outcome, folder)
        except Disagreement as first:
            try:
                return self.second.judge(outcome, folder)
            except Disagreement as second:
                raise Disagreement(f"{first}; or {second}") from None


@dataclass(frozen=True)
class Refuses(Expectation):
    """Exit code 2 and an error that matches; no file is written."""

    text: str = "."

    def judge(self, outcome: Outcome, folder: Path) -> str:
        expect(outcome.code == 2 or outcome.piped, f"exit {outcome.code}, expected 2")
        error = " ".join(line for line in outcome.err.splitlines() if "error:" in line)
        expect(re.search(self.text, error), f"no error /{self.text}/: {error[:200]!r}")
        expect(not outcome.written, f"written: {outcome.written}")
        return "REFUSES"


@dataclass(frozen=True)
class Runs(Expectation):
    """Exit code 0, words that match, and what the report calls written is there."""

    warns: str = ""
    tells: str = ""

    def judge(self, outcome: Outcome, folder: Path) -> str:
        complaint = outcome.err.strip().splitlines()[-1:]
        expect(
            outcome.code in ((0, 141) if outcome.piped else (0,)), f"{outcome.code}, {complaint}"
        )
        said = re.search(self.warns, outcome.err, re.IGNORECASE)
        expect(not self.warns or said, f"no warning /{self.warns}/ in {complaint}")
        heads = [head(folder / name) for name in outcome.written]
        told = re.search(self.tells, "\n".join([outcome.out, outcome.err, *heads]), re.IGNORECASE)
        expect(not self.tells or told, f"does not tell /{self.tells}/")
        expect(all((folder / name).exists() for name in outcome.written), "written is not there")
        return "WARNS" if self.warns else "PASS"


@dataclass(frozen=True)
class Wish(Expectation):
    """An ability that users ask for: there, or refused in words that match."""

    ability: Expectation
    text: str = ""

    def judge(self, outcome: Outcome, folder: Path) -> str:
        try:
            return self.ability.judge(outcome, folder)
        except Disagreement:
            if outcome.code == 2:
                Refuses(self.text).judge(outcome, folder)
            return "NOT OFFERED"


def head(path: Path) -> str:
    """The comments at the top of a text."""
    lines = path.read_text(errors="replace").splitlines() if path.suffix == ".dat" else []
    return "\n".join(line for line in lines[:40] if line.startswith("#"))


@dataclass(frozen=True)
class Surface(Runs):
    """Runs, and what was written is the sum of the rows that should be accepted."""

    #: How many rows should be accepted.
    rows: int | None = None
    #: The files to read, where the command line does not name them.
    inputs: tuple[str, ...] = ()
    #: The columns, where the header does not name them.
    columns: tuple[str, ...] = ()
    #: Walkers one after another, or merged by time.
    order: str = "files"
    #: A unit that is not the file's.
    scale: float = 1.0
    #: Bounds of the automatic bandwidth.
    sigma: tuple[float, float] = (0.0, 1e300)
    #: (a, b, F(b) - F(a) in kT, tolerance) of a surface of one CV.
    difference: tuple[float, float, float, float] | None = None

    def judge(self, outcome: Outcome, folder: Path) -> str:
        seen = super().judge(outcome, folder)
        asked = command(outcome.words)
        if "--histo" in asked.options:
            self.judge_histogram(outcome, folder, asked)
        elif asked.name == "sum_hills":
            self.judge_hills(outcome, folder, asked)
        else:
            self.judge_frames(outcome, folder, asked)
        return seen

    def read(self, folder: Path, names: list[str], columns_of, asked: Command) -> list[list[Row]]:
        """The accepted rows of each file."""
        skip = asked.one("--on-bad") == "skip"
        every = [rows_of(folder / n, list(self.columns) or None) for n in self.inputs or names]
        files = [accepted(rows, columns_of, skip=skip) for rows in every]
        expect(any(files), "no row is good: should be refused")
        return files

    def count(self, outcome: Outcome, rows: list[Row], label: str) -> None:
        expect(self.rows in (None, len(rows)), f"the oracle has {len(rows)} rows")
        reported = re.search(rf"^{label}\s+(\d+)", outcome.out, re.MULTILINE)
        if reported:
            expect(int(reported[1]) == len(rows), f"{reported[1]} rows, expected {len(rows)}")

    def judge_hills(self, outcome: Outcome, folder: Path, asked: Command) -> None:
        files = self.read(folder, asked.names("--hills"), hill_columns, asked)
        rows = [row for file in files for row in file]
        if self.order == "time":
            rows.sort(key=lambda row: row["time"])
        self.count(outcome, rows, "hills read")
        default = "negativebias.dat" if "--negbias" in asked.options else "fes.dat"
        written = surfaces(outcome) or [asked.one("--outfile", default)]
        check_hills(folder, asked, written, rows, self.scale)

    def judge_histogram(self, outcome: Outcome, folder: Path, asked: Command) -> None:
        names = asked.names("--idw")
        files = self.read(folder, asked.names("--histo"), lambda row: names, asked)
        rows = [row for file in files for row in file]
        check_histogram(folder / surfaces(outcome)[-1], asked, rows)

    def judge_frames(self, outcome: Outcome, folder: Path, asked: Command) -> None:
        def used(row: Row) -> list[str]:
            return [*cv_names(row, asked), *bias_names(row, asked)]

        files = self.read(folder, asked.files, used, asked)
        rows = [r for f in files if f for r in window(f, cv_names(f[0], asked), asked)]
        self.count(outcome, rows, "samples used")
        line = re.search(r"^bandwidth\s+([^(]+)", outcome.out, re.MULTILINE)
        reported = [float(text) for text in re.split(r"[,\s]+", line[1].strip())] if line else []
        low, high = self.sigma
        expect(all(low <= s <= high for s in reported), f"bandwidth {reported}: {low} to {high}")
        path = folder / (surfaces(outcome) or [asked.one("--outfile", "fes.dat")])[-1]
        check_frames(path, asked, rows, reported, self.scale)
        if self.difference is not None:
            self.check_difference(path, thermal_energy(asked))

    def check_difference(self, path: Path, kbt: float) -> None:
        a, b, expected, tolerance = self.difference
        surface = read_surface(path)
        at = [abs(surface.axes[0] - x).argmin() for x in (a, b)]
        found = (surface.values[at[1]] - surface.values[at[0]]) / kbt
        expect(abs(found - expected) <= tolerance, f"F({b}) - F({a}) = {found:.3f} kT")


def surfaces(outcome: Outcome) -> list[str]:
    return [name for name in outcome.written if name.endswith(".dat")]
