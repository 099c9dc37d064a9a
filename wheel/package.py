"""A wheel or a conda package: its files, where they are once installed, and what it requires."""

import contextlib
import json
import posixpath
import re
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.parser import HeaderParser
from pathlib import Path
from typing import BinaryIO

import archive
from commands import WheelError
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

#: Stands for the version in the path of a package that serves every Python.
ANY = "3.X"
#: Folders of a wheel's NAME.data, and where pip puts what they hold.
DATA = {"data": "", "scripts": "bin", "headers": "include", "purelib": None, "platlib": None}
LEGACY = {"manylinux2014": (2, 17), "manylinux2010": (2, 12), "manylinux1": (2, 5)}


@dataclass(frozen=True)
class Package:
    """What is in a package. Places are counted from the prefix that it is installed in."""

    name: str
    #: "wheel" or "conda".
    kind: str
    #: Version of Python in the path of site-packages.
    python: str
    #: Each place after installation, and the file as it lies here now.
    files: Mapping[str, Path]
    #: Each place after installation, and the place in the package.
    packed: Mapping[str, str] = field(default_factory=dict)
    #: Names of packages, and the versions that are permitted.
    requires: Mapping[str, str] = field(default_factory=dict)
    #: The C library that it promises to run with; None if it promises nothing.
    glibc: tuple[int, ...] | None = None
    #: From the prefix; "." where the whole is a folder of pip's --target.
    site: str = ""


def site_packages(python: str) -> str:
    return f"lib/python{python}/site-packages"


def read(path: Path, folder: Path) -> Package:
    """Unpack a wheel or conda package into a folder and read it; raises WheelError."""
    try:
        if path.suffix == ".whl":
            archive.unpack(path, folder)
            return wheel(folder)
        if path.name.endswith((".conda", ".tar.bz2")):
            unpack_conda(path, folder)
            return conda(folder)
    except (OSError, zipfile.BadZipFile, tarfile.TarError, LookupError, ValueError) as error:
        raise WheelError(f"{path}: cannot be read as a package: {error}") from error
    raise WheelError(f"{path}: expected a .whl, a .conda, a .tar.bz2 or the folder of a prefix")


def wheel(tree: Path) -> Package:
    """Read an unpacked wheel."""
    info = archive.dist_info(tree)
    tags = HeaderParser().parsestr((info / "WHEEL").read_text(encoding="utf-8"))
    python = python_of(tags.get_all("Tag", []))
    places = {
        wheel_place(path.relative_to(tree).as_posix(), site_packages(python)): path
        for path in archive.files(tree)
    }
    name, requires = metadata(info)
    return Package(
        name, "wheel", python, places, packed_places(places, tree), requires,
        promised_by_tags(tags.get_all("Tag", [])), site_packages(python),
    )  # fmt: skip


def wheel_place(name: str, site: str) -> str:
    """Return where pip puts a file of a wheel."""
    match = re.match(r"[^/]+\.data/(\w+)/(.*)", name)
    if match is None or DATA.get(match[1]) is None:
        return f"{site}/{match[2] if match else name}"
    return posixpath.join(DATA[match[1]] or "", match[2])


def python_of(tags: Iterable[str]) -> str:
    """Return the one version of Python that a wheel is for, or ANY."""
    versions = {tag.split("-")[0] for tag in tags if not tag.split("-")[1].startswith("abi")}
    match = re.fullmatch(r"cp(\d)(\d+)", "".join(versions))
    return f"{match[1]}.{match[2]}" if match else ANY


def promised_by_tags(tags: Iterable[str]) -> tuple[int, ...] | None:
    """Return the C library of a wheel's platform tag, the oldest one of several."""
    found = [
        (int(match[1]), int(match[2])) if match[1] else LEGACY[match[0]]
        for tag in tags
        for match in re.finditer(r"manylinux(?:_(\d+)_(\d+)|2014|2010|1)", tag)
    ]
    return min(found, default=None)


def metadata(info: Path) -> tuple[str, dict[str, str]]:
    """Return name and requirements of a .dist-info folder, extras and other systems left out."""
    told = HeaderParser().parsestr((info / "METADATA").read_text(encoding="utf-8"))
    requires = {}
    for line in told.get_all("Requires-Dist", []):
        with contextlib.suppress(InvalidRequirement):
            need = Requirement(line)
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                requires[canonicalize_name(need.name)] = str(need.specifier)
    return canonicalize_name(told["Name"]), requires


def conda(tree: Path) -> Package:
    """Read an unpacked conda package."""
    index = json.loads((tree / "info" / "index.json").read_text(encoding="utf-8"))
    requires = conda_requires(index["depends"])
    # Of a package for every Python, site-packages is moved to where each version has it.
    pinned = re.search(r"(?:^|[=, >]|py)3\.(\d+)(?:\.\*| |$)", requires.get("python_abi", ""))
    python = f"3.{pinned[1]}" if pinned else ANY
    everything = {
        path.relative_to(tree).as_posix(): path
        for path in tree.rglob("*")
        if path.is_symlink() or path.is_file()
    }
    places = {
        re.sub(r"^site-packages/", f"{site_packages(python)}/", name): path
        for name, path in everything.items()
        if not name.startswith("info/")
    }
    promised = re.search(r">=(\d+)\.(\d+)", requires.get("__glibc", ""))
    return Package(
        index["name"], "conda", python, places, packed_places(places, tree), requires,
        (int(promised[1]), int(promised[2])) if promised else None,
    )  # fmt: skip


def conda_requires(depends: Iterable[str]) -> dict[str, str]:
    """Return names and versions of what a conda package depends on."""
    return {spec.split()[0]: " ".join(spec.split()[1:2]) for spec in depends}


def packed_places(places: Mapping[str, Path], tree: Path) -> dict[str, str]:
    return {place: path.relative_to(tree).as_posix() for place, path in places.items()}


def unpack_conda(path: Path, folder: Path) -> None:
    """Unpack a conda package of either format."""
    if path.suffix == ".bz2":
        with tarfile.open(path) as opened:
            opened.extractall(folder, filter="data")
        return
    with zipfile.ZipFile(path) as opened:
        for name in opened.namelist():
            if name.endswith(".tar.zst"):
                with (
                    opened.open(name) as packed,
                    decompressed(packed) as plain,
                    tarfile.open(fileobj=plain, mode="r|") as files,
                ):
                    files.extractall(folder, filter="data")


def decompressed(packed: BinaryIO) -> BinaryIO:
    """Open a zstd stream, with Python's own module from 3.14 on or its backport."""
    try:
        from compression import zstd
    except ImportError:
        try:
            from backports import zstd
        except ImportError:
            words = "a .conda file is compressed with zstd: pip install backports.zstd"
            raise WheelError(words) from None
    return zstd.open(packed)
