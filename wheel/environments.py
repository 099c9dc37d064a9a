"""Fresh environments with the wheel in them, one for each way that users install."""

import os
import shutil
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import source
from commands import WheelError, run

#: What the tests need besides the package.
TEST_REQUIREMENTS = ("pytest>=8", "hypothesis>=6", "matplotlib>=3.7")
#: Where the tests of a checkout look for simulation outputs.
SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
#: An editable build is there to find libraries, not for every GPU.
ONE_ARCHITECTURE = "90"


@dataclass(frozen=True)
class Environment:
    """An interpreter that has the wheel, and where."""

    name: str
    python: Path
    #: All that was installed lies below.
    root: Path
    site: Path
    scripts: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    #: The machine's own libraries that it uses by intention: none but for an editable build.
    own: str = ""

    @property
    def environ(self) -> dict[str, str]:
        """The variables of its processes: no path of the machine's libraries is among them."""
        # CI: the same examples in every run.
        kept = ("CI", "LANG", "LC_ALL", "TMPDIR", "OMP_NUM_THREADS", "CYFES_SHARED_DATA")
        plain = {name: os.environ[name] for name in kept if name in os.environ}
        plain.setdefault("CYFES_SHARED_DATA", str(SHARED_DATA))
        path = os.pathsep.join([str(self.scripts), os.environ["PATH"]])
        return plain | {
            "PATH": path,
            "HOME": str(self.root),
            "PYTHONSAFEPATH": "1",
            **self.variables,
        }


def base_python() -> Path:
    """Return the interpreter that this environment was made from."""
    return Path(getattr(sys, "_base_executable", sys.executable)).resolve()


def version_of(python: Path) -> tuple[int, ...]:
    """Return (3, 12, 1) of a CPython that runs, () of anything else."""
    question = "import sys; print(sys.implementation.name, *sys.version_info[:3])"
    try:
        name, *numbers = run([python, "-I", "-c", question]).split()
    except (WheelError, ValueError):
        return ()
    return tuple(map(int, numbers)) if name == "cpython" else ()


@cache
def other_pythons() -> dict[str, Path]:
    """Return CPythons newer than this one by "3.12": those on PATH and installed beside this."""
    home = Path(sys.base_prefix)
    found: dict[str, Path] = {}
    for minor in range(sys.version_info.minor + 1, 30):
        name = f"python3.{minor}"
        candidates = [path for path in (shutil.which(name),) if path]
        candidates += sorted(home.parent.glob(f"*/bin/{name}")) + sorted(
            home.parent.parent.glob(f"*/{home.name}/bin/{name}")
        )
        for candidate in map(Path, candidates):
            if version_of(candidate)[:2] == (3, minor):
                found[f"3.{minor}"] = candidate
                break
    return found


def pip(python: Path, *words: str | Path, **variables: str) -> None:
    """Install into the environment of an interpreter, which needs no pip itself."""
    command = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", *words]
    run(command, environ=os.environ | variables)


def site_of(python: Path) -> Path:
    """Return the site-packages of an interpreter."""
    return Path(
        run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip()
    )


def venv(
    name: str, folder: Path, packages: Sequence[str | Path], python: Path | None = None
) -> Environment:
    """Make a virtual environment with packages."""
    run([python or base_python(), "-m", "venv", "--without-pip", folder])
    inside = folder / "bin" / "python"
    pip(inside, *packages)
    return Environment(name, inside, folder, site_of(inside), folder / "bin")


def user(name: str, home: Path, packages: Sequence[str | Path]) -> Environment:
    """Install with --user into a temporary home."""
    python, base = base_python(), home / ".local"
    # Where a distribution forbids it: the home is no one's.
    options = ["--user", "--no-warn-script-location", "--break-system-packages"]
    pip(python, *options, *packages, PYTHONUSERBASE=str(base))
    site = Path(sysconfig.get_path("purelib", "posix_user", {"userbase": str(base)}))
    return Environment(name, python, home, site, base / "bin")


def target(name: str, folder: Path, packages: Sequence[str | Path]) -> Environment:
    """Install with --target into a folder that PYTHONPATH names."""
    python = base_python()
    pip(python, "--target", folder, *packages)
    variables = {"PYTHONPATH": str(folder), "PYTHONNOUSERSITE": "1"}
    return Environment(name, python, folder, folder, folder / "bin", variables)


def editable(name: str, folder: Path, sdist: Path, with_cuda: bool) -> Environment:
    """Build the source distribution in place; its libgomp is the compiler's."""
    folder.mkdir()
    tree = source.unpack(sdist, folder)
    variables = {
        "CYFES_CUDA": "1" if with_cuda else "0",
        "CYFES_CUDA_ARCHS": ONE_ARCHITECTURE,
        "NVCC": "pypi",
        "PIP_CONSTRAINT": source.CONSTRAINTS.as_uri(),
    }
    run([base_python(), "-m", "venv", "--without-pip", folder / "env"])
    python = folder / "env" / "bin" / "python"
    pip(python, "--editable", tree, **variables)
    pip(python, *TEST_REQUIREMENTS, *(["nvidia-cuda-runtime==13.*"] if with_cuda else []))
    return Environment(name, python, folder, tree, folder / "env" / "bin", own="libgomp")


def makers(wheel: Path, sdist: Path, with_cuda: bool, beside: str) -> Iterator[tuple[str, object]]:
    """Yield the name of each environment and the function of a folder that makes it."""
    packages = (wheel, *TEST_REQUIREMENTS)
    yield "venv", lambda folder: venv("venv", folder, packages)
    for version, python in other_pythons().items():
        yield version, lambda folder, v=version, p=python: venv(v, folder, packages, p)
    yield "user", lambda folder: user("user", folder, packages)
    yield "target", lambda folder: target("target", folder, packages)
    yield "space", lambda folder: venv("space", folder.with_name("a path with spaces"), packages)
    yield "beside", lambda folder: venv("beside", folder, (*packages, beside))
    yield "editable", lambda folder: editable("editable", folder, sdist, with_cuda)
