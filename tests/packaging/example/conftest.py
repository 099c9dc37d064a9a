"""Makes the modules of wheel/ and tools/conda importable, and finds what `make example` built."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
BUILT = ROOT / "build" / "example"
FOLDERS = ("wheel", "tools/conda", "tests/packaging/conda")

if (ROOT / "examples").is_dir():
    sys.path[:0] = [str(ROOT / folder) for folder in FOLDERS]
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
else:  # beside an installed package
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def wheel() -> Path:
    found = list(BUILT.glob("*.whl"))
    if not found:
        pytest.skip("no wheel in build/example: make example builds it")
    return found[0]


@pytest.fixture(scope="session")
def package() -> Path:
    """The conda package."""
    found = list(BUILT.glob("*/*.conda"))
    if not found:
        pytest.skip("no conda package: make conda CHANNEL=standin makes the channel to build with")
    return found[0]
