"""A channel of stand-ins in a folder: what conda-build needs, where no conda channel is reached.

python tools/conda/channel.py FOLDER [--cuda RELEASE] [--architectures LIST] [--only-python]
"""

import argparse
import asyncio
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import standin_cuda
import standin_python
import standin_system
from rattler.index import index_fs
from standin import StandIn, write_package

#: One GPU architecture is enough where there is no GPU.
ARCHITECTURES = "90"


def stand_ins(root: Path, release: str, architectures: str) -> Iterator[tuple[StandIn, Path]]:
    """Every package of the channel and the folder of its files."""
    yield from standin_system.compilers(root / "compilers")
    yield from standin_system.runtime_libraries(root / "libraries")
    yield from standin_system.sysroots(root / "sysroots")
    yield from standin_system.binutils(root / "binutils")
    yield from standin_python.interpreter(root / "python")
    yield from standin_python.wheels(root / "wheels", standin_python.REQUIREMENTS)
    (root / "version").mkdir()
    yield standin_cuda.cuda_version(release), root / "version"
    home = standin_cuda.pypi_toolkit(root / "toolkit", release)
    yield from standin_cuda.toolkit(root / "cuda", release, home, architectures)


def python_stand_ins(root: Path) -> Iterator[tuple[StandIn, Path]]:
    """The running Python and what cyfes needs to run, for an environment of another version."""
    yield from standin_python.interpreter(root / "python")
    yield from standin_python.wheels(root / "wheels", ["numpy>=1.25"])


def make_channel(folder: Path, make: Callable[[Path], Iterable[tuple[StandIn, Path]]]) -> None:
    """Make the channel anew; it appears when it is complete."""
    if platform.machine() != "x86_64":
        raise SystemExit(f"the stand-in channel is made on x86_64, this is {platform.machine()}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        channel = Path(name, "channel")
        (channel / "noarch").mkdir(parents=True)
        for package, root in make(Path(name)):
            write_package(package, root, channel)
        asyncio.run(index_fs(channel))
        shutil.rmtree(folder, ignore_errors=True)
        channel.rename(folder)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cuda", default="13.0", metavar="RELEASE")
    parser.add_argument("--only-python", action="store_true", help="no compilers, no CUDA")
    parser.add_argument("--architectures", default=ARCHITECTURES, metavar="LIST")
    arguments = parser.parse_args()
    start = time.monotonic()
    everything = partial(stand_ins, release=arguments.cuda, architectures=arguments.architectures)
    make_channel(arguments.folder, python_stand_ins if arguments.only_python else everything)
    packages = len(list(arguments.folder.glob("*/*.conda")))
    print(f"{packages} stand-ins in {arguments.folder}: {time.monotonic() - start:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
