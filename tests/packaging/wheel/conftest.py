"""Makes the modules of wheel/ importable, where the checkout has them."""

import os
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
NEEDED = {"auditwheel": "auditwheel", "patchelf": "patchelf", "readelf": "binutils"}

if (ROOT / "wheel").is_dir() and sys.platform == "linux":
    sys.path[:0] = [str(ROOT / "wheel"), str(ROOT / "tests" / "packaging")]
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
else:  # beside an installed package, or where no wheel is made
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def tools() -> None:
    """The programs that patch and read libraries."""
    for program, package in NEEDED.items():
        if shutil.which(program) is None:
            pytest.skip(f"no {program}: install {package}")


@pytest.fixture(scope="session")
def compiler(tools) -> str:
    found = shutil.which(os.environ.get("CC", "gcc"))
    if found is None:
        pytest.skip("no C compiler")
    return found
