"""docs/walkers.md: its commands say what the page says."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from cyfes.cli import main

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "walkers.md"


def commands(page):
    """(words of a command, the lines that the page shows of its output)."""
    for block in re.findall(r"^```console\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, *shown = part.splitlines()
            yield shlex.split(line), shown


@pytest.mark.filterwarnings("default::cyfes.errors.CyfesWarning")
def test_the_commands_of_the_page(tmp_path, capsys, monkeypatch):
    if not PAGE.is_file():
        pytest.skip("no docs beside the tests, as in an installed package")
    data = Path("tests") / "data" / "gen-walkers"
    shutil.copytree(ROOT / data, tmp_path / data)
    monkeypatch.chdir(tmp_path)
    found = list(commands(PAGE.read_text()))
    assert len(found) == 5
    for words, shown in found:
        if words[0] == "tail":
            said = Path(words[2]).read_text().splitlines()[int(words[1]) :]
        else:
            assert words[0] == "cyfes"
            assert main(words[1:]) == 0
            out, err = capsys.readouterr()
            said = [*err.splitlines(), *out.splitlines()]
        missing = [line for line in shown if line not in said]
        assert missing == [], f"{shlex.join(words)} said {said}"
