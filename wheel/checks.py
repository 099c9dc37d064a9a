"""What must be true in every environment. Each check returns problems; none means passed."""

import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import hiding
import rpath
from commands import WheelError, run
from environments import Environment

#: What manylinux allows to come from the system.
SYSTEM = re.compile(
    r"(lib(c|m|dl|rt|pthread|stdc\+\+|gcc_s)\.so\.\d+|ld-linux\S*\.so\.\d+|linux-vdso\.so\.1)$"
)
#: Where the reference surface lies in the tests, and how near cyfes has to come: its last digits.
DATA = Path("tests/data/gen-2d-per-wt")
TOLERANCE = 1e-6
HIDDEN = ("libcudart", "libgomp")
#: What meets the libraries, the console script and other processes.
SUBSET = ("tests/test_cuda_failures.py", "tests/test_cli.py", "tests/test_processes.py")


class Room:
    """An environment whose processes do not see the machine's own libraries."""

    def __init__(self, environment: Environment, suite: Path, with_cuda: bool) -> None:
        self.environment = environment
        self.suite = suite
        self.with_cuda = with_cuda
        names = "|".join(name for name in HIDDEN if name != environment.own)
        self.prefix = hiding.prefix(names, environment.root.parent / "empty")
        self.found: dict = {}

    def run(self, *command: str | Path) -> str:
        environ = self.environment.environ
        return run([*self.prefix, *command], folder=self.suite, environ=environ)

    def probe(self, *words: str) -> dict:
        script = Path(__file__).with_name("probe.py")
        answer = self.run(self.environment.python, script, self.suite / DATA, *words)
        return json.loads(answer.splitlines()[-1])

    def inside(self, path: str) -> bool:
        return Path(path).resolve().is_relative_to(self.environment.root.resolve())


def libraries(room: Room) -> list[Path]:
    """Return the libraries that the wheel brought."""
    site = room.environment.site
    names = [rpath.EXTENSION, *([rpath.CUDA_LIBRARY] if room.with_cuda else [])]
    return [site / name for name in names] + sorted((site / rpath.GRAFTED).glob("*.so*"))


def resolved(words: str) -> Iterator[tuple[str, str]]:
    """Yield (name, path or "") from what ldd printed: the dynamic linker's own account."""
    for line in words.splitlines():
        name, arrow, rest = line.strip().partition(" => ")
        path = rest.partition(" (")[0] if arrow else name.partition(" (")[0]
        yield os.path.basename(name.partition(" (")[0]), "" if path == "not found" else path


def linker(room: Room) -> Iterator[str]:
    """Every library that is needed comes from the environment, or is one that manylinux allows."""
    for library in libraries(room):
        if not library.exists():
            yield f"{library} is missing"
            continue
        for name, path in resolved(room.run("ldd", library)):
            if not path:
                yield f"{library.name}: {name} => not found"
            elif not SYSTEM.match(name) and not room.inside(path) and not own(room, name):
                yield f"{library.name}: {name} => {path}, outside the environment"


def own(room: Room, name: str) -> bool:
    """Whether a library of the machine is used by intention."""
    return bool(room.environment.own) and name.startswith(room.environment.own)


def surface(room: Room) -> Iterator[str]:
    """The surface of a known simulation is PLUMED's, and the package is that of the environment."""
    room.found = room.probe()
    if not room.inside(room.found["package"]):
        yield f"imported {room.found['package']}, outside the environment"
    if not room.found["points"] or not room.found["error"] <= TOLERANCE:
        yield f"{room.found['points']} points, {room.found['error']:.2g} from PLUMED's"


def maps(room: Room) -> Iterator[str]:
    """One libgomp and one libcudart are mapped, those of the environment."""
    for name in HIDDEN:
        paths = [p for p in room.found["mapped"] if os.path.basename(p).startswith(name)]
        wanted = 1 if name == "libgomp" or room.with_cuda else 0
        if len(paths) != wanted:
            yield f"{len(paths)} of {name} mapped, expected {wanted}: {', '.join(paths)}"
        for path in paths:
            if not room.inside(path) and not own(room, name):
                yield f"{path} mapped, outside the environment"


def info(room: Room) -> Iterator[str]:
    """``cyfes info`` tells the same."""
    told = room.run(room.environment.scripts / "cyfes", "info")
    extension = re.search(r"^extension +(.*)$", told, re.MULTILINE)
    if extension is None or not room.inside(extension[1]):
        yield f"info tells another extension:\n{told}"
    listed = set(re.findall(r"^library +(.*)$", told, re.MULTILINE))
    for path in room.found["mapped"]:
        if os.path.basename(path).startswith((*HIDDEN, "libcufes")) and path not in listed:
            yield f"info does not list {path}"
    cuda = re.search(r"^CUDA +(.*)$", told, re.MULTILINE)
    good = r"\d+ devices? through|cannot be used: no NVIDIA" if room.with_cuda else "not in this"
    if cuda is None or not re.match(good, cuda[1]):
        yield f"info tells of CUDA: {cuda and cuda[1]}"


def beside(room: Room, module: str) -> Iterator[str]:
    """Another user of OpenMP in the process changes no bit, whichever comes first."""
    for when in ("before", "after"):
        found = room.probe(module, when)
        if found["digest"] != room.found["digest"]:
            yield f"{module} {when} cyfes changes the surface"


def suite(room: Room, files: Sequence[str]) -> str:
    """Run tests against the installed package; returns pytest's last line, raises on failure."""
    command = [room.environment.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files]
    words = room.run(*command)
    print(re.sub(r"^(?!SKIPPED).*\n", "", words, flags=re.MULTILINE).rstrip(), flush=True)
    last = words.strip().splitlines()[-1]
    if " passed" not in last:
        raise WheelError(f"pytest ran no test: {last}")
    return last.strip("= ")
