"""Runs the programs that do the work, and tells in one line when one of them fails."""

import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


class WheelError(Exception):
    """The wheel cannot be made or does not work; the text gives the cause."""


def run(
    command: Sequence[str | Path],
    folder: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> str:
    """Run a command and return what it printed; raises WheelError with it on failure."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words, cwd=folder, env=environ, stdin=subprocess.DEVNULL, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        )  # fmt: skip
    except OSError as error:
        raise WheelError(f"{words[0]}: {error.strerror}") from error
    if done.returncode != 0:
        raise WheelError(f"{shlex.join(words)} failed ({done.returncode}):\n{done.stdout}")
    return done.stdout
