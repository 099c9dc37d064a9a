"""Installs a wheel in every way that users do and shows, as a table, that it works in each."""

import os
import re
import shutil
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import archive
import checks
import environments
import hiding
import licensing
import rpath
import sizes
import source
from commands import WheelError, run

CHECKS = ("install", "linker", "surface", "maps", "info", "beside", "tests")
MODULES = {"scikit-learn": "sklearn"}
#: Environments that are made and tested at a time: most of it is pip and a single thread.
AT_ONCE = 2
#: From the source distribution: the tests and what they compile; not the package, not the build.
SUITE = ("tests", "kernels", "pyproject.toml")


class Row:
    """What was found in one environment: a word and a time for each check."""

    def __init__(self, name: str, files: Sequence[str]) -> None:
        self.name = name
        #: The tests to run, and pytest's last line on them.
        self.files = files
        self.told: object = ""
        self.cells: dict[str, str] = {}
        self.problems: list[str] = []

    def check(self, name: str, work: Callable[[], object]) -> object:
        """Do a check and note how it ended and how long it took; its result, None if it failed."""
        started, result = time.monotonic(), None
        try:
            result = work()
            problems = [] if isinstance(result, str | environments.Environment) else list(result)
        except (WheelError, OSError, ValueError, LookupError) as error:
            problems, result = [f"{type(error).__name__}: {error}"], None
        seconds = time.monotonic() - started
        self.cells[name] = f"{'FAILED' if problems else 'ok'} {seconds:.0f} s"
        self.problems += [f"{self.name}, {name}: {problem}" for problem in problems]
        return None if problems else result


def names() -> list[str]:
    """Return the names of the environments on this machine."""
    return [name for name, _ in environments.makers(Path(), Path(), False, "")]


def verify(wheel: Path, sdist: Path, arguments: Namespace) -> None:
    """Check a wheel as a file and in every environment; raises WheelError with all problems."""
    with_cuda = has_cuda(wheel)
    chosen = set(arguments.environments or names()) - set(arguments.without)
    if unknown := (chosen | set(arguments.without)) - set(names()):
        raise WheelError(f"no environment {', '.join(sorted(unknown))}; expected {names()}")
    problems = [*sizes.problems(wheel), *archive.record_problems(wheel)]
    problems += licensing.problems(wheel)
    problems += [*abi3_problems(wheel), *artifact_problems(wheel, sdist)]
    made = environments.makers(wheel.resolve(), sdist.resolve(), with_cuda, arguments.beside)
    makers = {name: make for name, make in made if name in chosen}
    rows = [Row(name, checks.SUBSET) for name in makers]
    if rows and not arguments.quick:  # all tests once; in the others those that meet the libraries
        rows[0].files = ("tests",)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(AT_ONCE) as pool:
        suite = unpack_suite(sdist, Path(folder))

        def examined(row: Row) -> None:
            place = Path(folder, row.name)
            examine(row, makers[row.name], place, suite, with_cuda, arguments.beside)

        list(pool.map(examined, rows))
    print(report(rows))
    print(blind_spots(chosen), flush=True)
    problems += [problem for row in rows for problem in row.problems]
    if problems:
        raise WheelError("\n".join([f"{wheel.name} does not work:", *problems]))


def examine(
    row: Row,
    make: Callable[[Path], environments.Environment],
    folder: Path,
    suite: Path,
    with_cuda: bool,
    neighbour: str,
) -> None:
    """Make an environment, check everything in it, and remove it."""
    folder.mkdir()
    environment = row.check("install", lambda: make(folder / "here"))
    if isinstance(environment, environments.Environment):
        room = checks.Room(environment, suite, with_cuda)
        for check in (checks.linker, checks.surface, checks.maps, checks.info):
            row.check(check.__name__, lambda check=check: check(room))
        if row.name == "beside":
            name = re.split(r"[^\w-]", neighbour)[0]
            module = MODULES.get(name, name)
            row.check("beside", lambda: checks.beside(room, module))
        row.told = row.check("tests", lambda: checks.suite(room, row.files)) or ""
    shutil.rmtree(folder)
    print(f"-- {row.name}: {row.cells} {row.told}", *row.problems, sep="\n", flush=True)


def has_cuda(wheel: Path) -> bool:
    """Whether libcufes.so is in a wheel."""
    with tempfile.TemporaryDirectory() as folder:
        archive.unpack(wheel, Path(folder))
        return Path(folder, rpath.CUDA_LIBRARY).exists()


def unpack_suite(sdist: Path, folder: Path) -> Path:
    """Put the tests of a source distribution where no package and no build folder is near."""
    suite = folder / "suite"
    suite.mkdir()
    (folder / "sdist").mkdir()
    tree = source.unpack(sdist, folder / "sdist")
    for name in SUITE:
        shutil.move(tree / name, suite / name)
    return suite


def abi3_problems(wheel: Path) -> Iterable[str]:
    """Return what the extension uses outside the stable interface of Python 3.11."""
    return printed(["abi3audit", "--strict", "--verbose", wheel], os.environ)


def printed(command: Sequence[str | Path], environ: Mapping[str, str]) -> Iterable[str]:
    """Print what a command prints; return that as a problem if it fails."""
    try:
        print(run(command, environ=environ).rstrip(), flush=True)
    except WheelError as error:
        return [str(error)]
    return []


def artifact_problems(wheel: Path, sdist: Path) -> Iterable[str]:
    """Return what the tests of the packaging say against a wheel."""
    folder = Path(__file__).resolve().parents[1] / "tests" / "packaging"
    environ = os.environ | {
        "CYFES_WHEEL": str(wheel.resolve()),
        "CYFES_SDIST": str(sdist.resolve()),
    }
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider"]
    # Not the package's own conftest.py: the package is not installed here.
    command += [f"--confcutdir={folder}", f"--rootdir={folder}", folder / "wheel"]
    return printed(command, environ)


def report(rows: list[Row]) -> str:
    """Return the table of environments and checks."""
    lines = [f"{'environment':14}" + "".join(f"{name:>13}" for name in CHECKS)]
    for row in rows:
        cells = (row.cells.get(name, "-") for name in CHECKS)
        lines.append(f"{row.name:14}" + "".join(f"{cell:>13}" for cell in cells) + f"   {row.told}")
    return "\n".join(lines)


def blind_spots(chosen: set[str]) -> str:
    """Return what was not shown here, and why."""
    lines = []
    if not hiding.unshare():
        lines.append("not hidden: the machine's CUDA and libgomp, as mounts are not allowed here")
    else:
        paths = hiding.paths_of("|".join(checks.HIDDEN))
        lines.append(f"hidden: {', '.join(map(str, paths)) or 'nothing, the machine has none'}")
    if not environments.other_pythons():
        lines.append("skipped: a newer CPython, as none was found on PATH or beside this one")
    if left_out := [name for name in names() if name not in chosen]:
        lines.append(f"skipped, not asked for: {', '.join(left_out)}")
    return "\n".join(lines)
