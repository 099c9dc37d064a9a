"""What several test files share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real simulation outputs, beside the repository or in CYFES_SHARED_DATA."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("CYFES_SHARED_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no simulation outputs at {folder}")
    return folder
