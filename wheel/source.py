"""The source distribution, and the wheel that is built from it in isolation."""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from commands import WheelError, run

CONSTRAINTS = Path(__file__).with_name("constraints.txt")
#: The first day that a zip archive can name.
EPOCH = 315532800


def source_date(root: Path) -> int:
    """Return SOURCE_DATE_EPOCH, else the time of the last commit, else 1980: seconds."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        if not given.isdecimal():
            raise WheelError(f"SOURCE_DATE_EPOCH={given}: expected seconds since 1970")
        return max(int(given), EPOCH)
    command = ["git", "-C", str(root), "log", "-1", "--format=%ct"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return EPOCH
    return max(int(done.stdout or 0), EPOCH)


def make_sdist(root: Path, output: Path) -> Path:
    """Make the source distribution of a checkout and return its path."""
    os.environ["SOURCE_DATE_EPOCH"] = str(source_date(root))
    return _build("--sdist", root, output, ".tar.gz", os.environ | {"CYFES_CUDA": "0"})


def make_wheel(sdist: Path, output: Path) -> Path:
    """Build a wheel from a source distribution alone and return its path.

    ``build`` makes an environment with the requirements of pyproject.toml, in the versions of
    constraints.txt. CYFES_CUDA=0 leaves CUDA out; else nvcc comes from PyPI, whatever the machine
    has, unless NVCC names another one.
    """
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environ["PIP_CONSTRAINT"] = CONSTRAINTS.as_uri()
    environ.setdefault("CYFES_CUDA", "1")
    environ.setdefault("NVCC", "pypi")
    # Symbols for debuggers are most of the extension, and name the folder it was built in.
    environ["LDFLAGS"] = f"{environ.get('LDFLAGS', '')} -Wl,--strip-all".strip()
    with tempfile.TemporaryDirectory() as folder:
        return _build("--wheel", unpack(sdist, Path(folder)), output, ".whl", environ)


def built_again(sdist: Path, first: Path) -> Iterator[str]:
    """Build once more, in another folder, and yield each library with its digest.

    Raises WheelError for one that is not the same, bit for bit.
    """
    with tempfile.TemporaryDirectory() as folder:
        second = make_wheel(sdist, Path(folder))
        digests = [_digests(wheel) for wheel in (first, second)]
    for name, digest in digests[0].items():
        if digests[1].get(name) != digest:
            raise WheelError(f"{name}: {digest}, but {digests[1].get(name)} when built again")
        yield f"{name} {digest}"


def _digests(wheel: Path) -> dict[str, str]:
    with zipfile.ZipFile(wheel) as opened:
        return {
            name: hashlib.sha256(opened.read(name)).hexdigest()
            for name in opened.namelist()
            if ".so" in name
        }


def unpack(sdist: Path, folder: Path) -> Path:
    """Unpack a source distribution into a folder and return its top folder there."""
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (top,) = folder.iterdir()
    return top


def _build(kind: str, tree: Path, output: Path, suffix: str, environ: dict[str, str]) -> Path:
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output) as temporary:
        command = [sys.executable, "-m", "build", kind, "--outdir", temporary, tree]
        words = run(command, environ=environ)
        made = [path for path in Path(temporary).iterdir() if path.name.endswith(suffix)]
        if len(made) != 1:
            raise WheelError(f"no {suffix} came out of {tree}:\n{words}")
        return Path(shutil.move(made[0], output / made[0].name))
