"""The program on the cases of public reports: laws for all, and an oracle for what was written.

``python tests/test_cases.py [NAME ...]`` prints case -> result. The cases in tests/data/cases are
always there; the others lie in ../shared/cases or where CYFES_SHARED_CASES says.
"""

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from cases.expectations import Expectation, Surface
from cases.oracle import Disagreement, read_surface, words_of
from cases.program import Outcome, Programs
from cases.table import OWN, SHARED, WITHOUT_INPUT

TESTS = Path(__file__).resolve().parent
OWN_FOLDER = TESTS / "data" / "cases"
SHARED_FOLDER = Path(os.environ.get("CYFES_SHARED_CASES", TESTS.parents[1] / "shared" / "cases"))
LONGEST_LINE = 500


def every_case() -> dict[str, tuple[Path, list[Expectation] | None]]:
    """Name -> (folder, expectations); None: only the laws are known."""
    found = {name: (OWN_FOLDER / name, expected) for name, expected in OWN.items()}
    if SHARED_FOLDER.is_dir():
        names = {path.name for path in SHARED_FOLDER.iterdir()} - WITHOUT_INPUT
        found |= {name: (SHARED_FOLDER / name, SHARED.get(name)) for name in sorted(names)}
    return found


CASES = every_case()


def laws(outcome: Outcome, folder: Path, before: set[Path]) -> None:
    """What holds for every command on any input, in a folder that held these files before."""
    said = outcome.out + outcome.err
    if "Traceback" in said:
        raise Disagreement(f"traceback: {said.strip().splitlines()[-1]}")
    if outcome.code < 0 or (outcome.code not in (0, 2) and not outcome.piped):
        raise Disagreement(f"exit {outcome.code}")
    longest = max(map(len, outcome.err.splitlines()), default=0)
    if longest > LONGEST_LINE:
        raise Disagreement(f"a line of {longest} characters on stderr")
    after = set(folder.iterdir())
    if (outcome.code == 2 and after != before) or not after >= before:
        raise Disagreement(f"files changed: {sorted(path.name for path in after ^ before)}")
    if any("tmp" in path.name for path in after):
        raise Disagreement("a temporary file is left")
    for name in outcome.written:
        if name.endswith(".dat") and np.isnan(read_surface(folder / name).values).any():
            raise Disagreement(f"{name} holds nan")


def judged(segment: str, folder: Path, programs: Programs, expected: Expectation | None) -> str:
    """Run one command of a case: what it did, in a word."""
    before = set(folder.iterdir())
    outcome = programs.run(segment, words_of(segment), folder)
    laws(outcome, folder, before)
    return "LAWS" if expected is None else expected.judge(outcome, folder)


def results(name: str, scratch: Path, programs: Programs) -> list[str]:
    """A word, or ``FAIL: why``, for each command of a case."""
    origin, expected = CASES[name]
    folder = scratch / name
    shutil.copytree(origin, folder, copy_function=shutil.copyfile)
    for path in (folder, *folder.rglob("*/")):
        path.chmod(0o755)
    segments = [
        s for s in (folder / "cmd").read_text().split(";") if re.search(r"\bcyfes( |$)", s.strip())
    ]
    if expected is not None and len(expected) != len(segments):
        return [f"FAIL: {len(segments)} commands, {len(expected)} expectations"]
    words = []
    for segment, wanted in zip(segments, expected or [None] * len(segments)):
        try:
            words.append(judged(segment.strip(), folder, programs, wanted))
        except Disagreement as why:
            words.append(f"FAIL: {segment.strip()[:60]}: {why}")
    return words


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    running = Programs(tmp_path_factory.mktemp("programs"))
    yield running
    running.close()


def test_shared_cases_are_there():
    if not SHARED_FOLDER.is_dir():
        pytest.skip(f"no shared cases at {SHARED_FOLDER}")
    assert set(SHARED) <= set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_case(name, programs, tmp_path):
    assert [word for word in results(name, tmp_path, programs) if word.startswith("FAIL")] == []


@pytest.mark.parametrize(("column", "shift"), [(0, 1e-6), (1, 1e-6), (1, float("nan")), (2, 1e-3)])
def test_the_oracle_sees_a_change(column, shift, programs, tmp_path):
    """Of a coordinate, of F, of the derivatives."""
    folder = tmp_path / "case"
    shutil.copytree(OWN_FOLDER / "hills-periodic", folder)
    segment = "cyfes sum_hills --hills HILLS --bin 24"
    outcome = programs.run(segment, words_of(segment), folder)
    expected = OWN["hills-periodic"][0]
    assert expected.judge(outcome, folder) == "PASS"
    path = folder / "fes.dat"
    header = [line for line in path.read_text().splitlines() if line.startswith("#")]
    data = np.loadtxt(path)
    data[:, column] += shift
    rows = [" ".join(f"{value:.9f}" for value in row) for row in data]
    path.write_text("\n".join([*header, *rows]))
    with pytest.raises(Disagreement):
        expected.judge(outcome, folder)


def test_the_oracle_misses_a_row(programs, tmp_path):
    """A hill that was not summed, and a frame that was left out."""
    for name, file in (("hills-periodic", "HILLS"), ("frames-without-header", "COLVAR")):
        folder = tmp_path / name
        shutil.copytree(OWN_FOLDER / name, folder)
        segment = (folder / "cmd").read_text().split(";")[0].strip()
        outcome = programs.run(segment, words_of(segment), folder)
        line = (folder / file).read_text().splitlines()[-1]
        with (folder / file).open("a") as stream:
            stream.write(line + "\n")
        with pytest.raises(Disagreement):
            Surface().judge(outcome, folder)


def main(names: list[str]) -> int:
    """Print the table of the cases."""
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        programs = Programs(Path(folder) / "programs")
        for name in names or CASES:
            words = results(name, Path(folder), programs)
            failed += any(word.startswith("FAIL") for word in words)
            print(f"{name:32} {' | '.join(words)}", flush=True)
        programs.close()
    print(f"{failed} cases fail")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
