"""Seconds before anything happens."""

import sys
from functools import partial
from pathlib import Path

from benchmarks.peers.programs import cyfes, run
from benchmarks.targets import at_most, seconds
from benchmarks.workload import Contender, Workload


def imports() -> Workload:
    """``import cyfes`` and ``cyfes --help`` beside ``import numpy``."""
    here = Path.cwd()

    def python(code: str) -> partial[None]:
        return partial(run, [sys.executable, "-c", code], here)

    found = (
        Contender("python alone", python("pass")),
        Contender("import numpy", python("import numpy")),
        Contender("import cyfes", python("import cyfes")),
        Contender("import cyfes.fes", python("import cyfes.fes")),
        Contender("cyfes --help", partial(run, cyfes(["--help"]), here)),
    )
    return Workload(
        "start",
        found,
        "import numpy x1",
        (at_most("import cyfes x1", "import numpy x1", 1.3), seconds("cyfes --help x1", 0.15)),
    )
