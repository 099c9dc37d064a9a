"""Makes the modules of wheel/ and tools/conda importable, and finds what `make example` built."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
BUILT = ROOT / "build" / "example"

if (ROOT / "examples").is_dir() and list(BUILT.glob("*.whl")):
    folders = ("wheel", "tools/conda", "tests/packaging/conda")
    sys.path[:0] = [str(ROOT / folder) for folder in folders]
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
else:  # not built, or beside an installed package
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def wheel() -> Path:
    [file] = BUILT.glob("*.whl")
    return file


@pytest.fixture(scope="session")
def package() -> Path:
    """The conda package."""
    found = list(BUILT.glob("*/*.conda"))
    if not found:
        pytest.skip("no conda package: make conda CHANNEL=standin makes the channel to build with")
    return found[0]
