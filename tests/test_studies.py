"""The studies in docs/study-*.md: every command is run, and says what the page shows."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs").glob("study-*.md"))
BASH = shutil.which("bash")

if not PAGES or BASH is None:
    pytest.skip("no studies beside the tests, or no bash", allow_module_level=True)


def commands_of(page):
    """(command, what it prints) of the console blocks, in order."""
    blocks = re.findall(r"```console\n(.*?)```", page.read_text(), flags=re.DOTALL)
    parts = (part for block in blocks for part in re.split(r"^\$ ", block, flags=re.MULTILINE))
    return [part.partition("\n")[::2] for part in parts if part]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_say_what_the_page_shows(page, tmp_path):
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    program = f'python() {{ "{sys.executable}" "$@"; }}\ncyfes() {{ python -m cyfes "$@"; }}\n'
    commands = commands_of(page)
    assert commands
    for command, expected in commands:
        done = subprocess.run(
            [BASH, "-c", program + command],
            check=False,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env=os.environ | {"PYTHONWARNINGS": ""},
        )
        assert (done.returncode, done.stderr) == (0, ""), command
        assert done.stdout == expected, command
