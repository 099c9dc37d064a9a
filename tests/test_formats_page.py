"""The examples of docs/formats.md, each run on the files of tests/data/formats."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cyfes.tables import FORMATS

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "formats.md"
DATA = Path(__file__).resolve().parent / "data" / "formats"

if not PAGE.is_file():
    pytest.skip("no docs beside the tests", allow_module_level=True)
TEXT = PAGE.read_text()
CYFES = f"{shlex.quote(sys.executable)} -m cyfes"


def examples(language):
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for path in DATA.iterdir():
        shutil.copy(path, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("line", "".join(examples("sh")).splitlines())
@pytest.mark.usefixtures("folder")
def test_a_command(line):
    command = re.sub(r"\bcyfes (?=\w)", lambda _: f"{CYFES} ", line)
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "error" not in done.stderr


@pytest.mark.parametrize("code", examples("py"))
@pytest.mark.usefixtures("folder")
def test_a_script(code):
    exec(compile(code, "formats.md", "exec"), {})


def test_every_format_is_in_the_table():
    told = re.findall(r"^\| `(\w[\w-]*)` \| .* \| .* \| .* \|$", TEXT, re.MULTILINE)
    assert sorted(told) == sorted(FORMATS)
