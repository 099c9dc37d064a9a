"""Makes the modules of tools/conda importable, where the checkout has them."""

import sys
from pathlib import Path

TOOLS = Path(__file__).resolve().parents[3] / "tools" / "conda"

if TOOLS.is_dir():
    sys.path[:0] = [str(TOOLS), str(Path(__file__).resolve().parents[1])]
else:  # beside an installed package
    collect_ignore_glob = ["test_*.py"]
