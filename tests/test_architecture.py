"""docs/architecture.md names what is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "architecture.md"
#: Made by a build.
BUILT = {"build/compile_commands.json"}

if not (ROOT / "recipe").is_dir():
    pytest.skip("no source tree beside the tests", allow_module_level=True)
TEXT = PAGE.read_text()
NAMED = set(re.findall(r"`([\w.]+/[\w./]*|\w+\.(?:py|yaml|toml))`", TEXT)) - BUILT


@pytest.mark.parametrize("name", sorted(NAMED))
def test_what_is_named_is_there(name):
    assert (ROOT / name).is_dir() if name.endswith("/") else (ROOT / name).is_file()


def test_every_folder_of_code_is_named():
    tops = [ROOT / "cyfes", ROOT / "kernels", ROOT / "tools"]
    found = [path for top in tops for path in (top, *top.rglob("*/")) if path.name != "__pycache__"]
    assert {f"{path.relative_to(ROOT)}/" for path in found} - NAMED == set()


def test_every_module_is_named():
    found = {f"{path.relative_to(ROOT)}" for path in (ROOT / "cyfes").glob("*.py")}
    assert {name for name in found if "/__" not in name} - NAMED == set()
