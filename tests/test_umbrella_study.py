"""docs/umbrella.md does what it shows."""

import re
import subprocess
from pathlib import Path

import pytest
from plumed_files import run

PAGE = Path(__file__).resolve().parents[1] / "docs" / "umbrella.md"
#: Lines whose numbers are rounding noise.
NOISE = ("converged", "computed on")

if not PAGE.is_file():
    pytest.skip("no documentation beside the tests", allow_module_level=True)
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE.read_text(), re.DOTALL)


def same(found, shown):
    """Whether two words are equal, or numbers that differ by what another machine may round."""
    try:
        return float(found) == pytest.approx(float(shown), rel=0.01, abs=2e-3)
    except ValueError:
        return found == shown


@pytest.mark.filterwarnings("always::cyfes.errors.CyfesWarning")
def test_the_commands_print_what_is_shown(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert {language for language, _ in BLOCKS} == {"python", "console"}
    for language, text in BLOCKS:
        if language == "python":
            exec(compile(text, str(PAGE), "exec"), {})
            continue
        shown, found = [], ""
        for line in text.splitlines():
            if line.startswith("$ cyfes "):
                _, out, err = run(capsys, *line.split()[2:])
                found += out + err
            elif line.startswith("$ "):
                subprocess.run(["/bin/sh", "-c", line[2:]], check=True)
            else:
                shown.append(line)
        lines = found.splitlines()
        assert len(lines) == len(shown)
        for one, other in zip(lines, shown):
            if other.startswith(NOISE):
                continue
            assert len(one.split()) == len(other.split()), one
            assert all(map(same, one.split(), other.split())), one
