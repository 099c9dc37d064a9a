"""Hides the machine's own CUDA and libgomp, so that nothing but the wheel's can be found."""

import os
import re
import subprocess
from functools import cache
from pathlib import Path

import commands

#: Binds what $1 names over the paths up to "--", an empty file or folder, and runs the rest.
BIND = """
empty=$1; shift
while [ "$1" != -- ]; do
  if [ -d "$1" ]; then from=$empty/folder; else from=$empty/file; fi
  mount --bind "$from" "$1" || exit
  shift
done
shift
exec "$@"
"""


def paths_of(libraries: str) -> list[Path]:
    """Return the machine's own files of the libraries, a regular expression of their names.

    With libcudart go the toolkits' folders.
    """
    known = commands.run(["/sbin/ldconfig", "-p"])
    found = {
        Path(path).resolve() for path in re.findall(rf"=> (\S*/(?:{libraries})\.so\S*)", known)
    }
    if "libcudart" in libraries:
        found |= {path.resolve() for path in Path("/usr/local").glob("cuda*")}
        found |= {
            Path(os.environ[home]) for home in ("CUDA_HOME", "CUDA_PATH") if home in os.environ
        }
    # What lies in a hidden folder is hidden with it.
    return sorted(p for p in found if p.exists() and found.isdisjoint(p.parents))


@cache
def unshare() -> tuple[str, ...]:
    """Return the command that gives a process mounts of its own; nothing where none is allowed."""
    for options in (("--mount",), ("--user", "--map-root-user", "--mount")):
        command = ("unshare", *options)
        try:
            if subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0:
                return command
        except OSError:
            break
    return ()


def prefix(libraries: str, folder: Path) -> list[str | Path]:
    """Return words to put before a command that shall not see the libraries; [] if impossible.

    ``folder``: for an empty file and an empty folder.
    """
    hidden = [path for path in paths_of(libraries) if not path.is_relative_to(folder)]
    if not unshare() or not hidden:
        return []
    (folder / "folder").mkdir(parents=True, exist_ok=True)
    (folder / "file").touch()
    return [*unshare(), "sh", "-c", BIND, "sh", folder, *hidden, "--"]
