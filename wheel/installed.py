"""The packages of a prefix: a conda environment, a virtual one, or a folder of pip's --target."""

import csv
import json
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from commands import WheelError
from package import Package, conda_requires, metadata
from packaging.utils import canonicalize_name


def packages(root: Path) -> dict[str, Package]:
    """Return all packages of a prefix by name; raises WheelError for a folder that is none.

    What conda installed and pip also knows is conda's.
    """
    try:
        found = {package.name: package for package in pip_packages(root)}
        found |= {package.name: package for package in conda_packages(root)}
    except (OSError, LookupError, ValueError, TypeError) as error:
        raise WheelError(f"{root}: cannot be read as a prefix: {error!r}") from error
    if not found:
        raise WheelError(
            f"{root}: no packages: expected a folder with conda-meta/, with "
            "lib/pythonX.Y/site-packages, or one that pip --target filled"
        )
    return found


def chosen(root: Path, name: str) -> tuple[Package, list[Package]]:
    """Return a package of a prefix and the others."""
    found = packages(root)
    wanted = name if name in found else canonicalize_name(name)
    if wanted not in found:
        raise WheelError(f"{root}: no package {name}; there are {', '.join(sorted(found))}")
    package = found.pop(wanted)
    return package, list(found.values())


def conda_packages(root: Path) -> Iterator[Package]:
    """Yield what conda noted of each package."""
    for path in sorted((root / "conda-meta").glob("*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        python = re.search(r"lib/python(3\.\d+)/", " ".join(record["files"]))
        yield Package(
            record["name"], "conda", python[1] if python else "",
            {name: root / name for name in record["files"]},
            requires=conda_requires(record["depends"]),
        )  # fmt: skip


def pip_packages(root: Path) -> Iterator[Package]:
    """Yield what pip noted of each package."""
    sites = [*root.glob("lib/python3.*/site-packages"), root]
    for info in sorted(path.parent for site in sites for path in site.glob("*.dist-info/METADATA")):
        site = info.parent.relative_to(root).as_posix()
        python = re.search(r"python(3\.\d+)", site)
        name, requires = metadata(info)
        places = [posixpath.normpath(posixpath.join(site, file)) for file in recorded(info)]
        yield Package(
            name, "wheel", python[1] if python else "",
            {place: root / place for place in places}, requires=requires, site=site,
        )  # fmt: skip


def recorded(info: Path) -> list[str]:
    """Return the files that a .dist-info folder records, counted from site-packages."""
    if not (info / "RECORD").exists():
        return []
    with (info / "RECORD").open(encoding="utf-8", newline="") as lines:
        return [row[0] for row in csv.reader(lines) if row]
