"""Prefixes: packages solved for and installed as conda does it, and programs run in them."""

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from rattler import (
    BuildString,
    GenericVirtualPackage,
    PackageName,
    Version,
    VirtualPackage,
    install,
    solve,
)
from rattler.repo_data.record import RepoDataRecord


def virtual_packages(driver: str | None = None) -> list[GenericVirtualPackage]:
    """What the solver knows of this machine, with the CUDA version a driver would serve."""
    found = [package.into_generic() for package in VirtualPackage.detect()]
    found = [package for package in found if package.name.source != "__cuda"]
    if driver is not None:
        cuda = PackageName("__cuda"), Version(driver), BuildString("0")
        found.append(GenericVirtualPackage(*cuda))
    return found


def solved(
    specs: list[str], channels: Iterable[str], driver: str | None = None
) -> list[RepoDataRecord]:
    """The packages that the solver chooses."""
    machine = virtual_packages(driver)
    return asyncio.run(solve(list(channels), specs, virtual_packages=machine))


def create(prefix: Path, specs: list[str], channels: Iterable[str]) -> Path:
    records = solved(specs, channels)
    asyncio.run(install(records, prefix, show_progress=False))
    return prefix


def move(prefix: Path, target: Path) -> Path:
    """Move a prefix; the texts that name it follow, as conda-pack has it done."""
    shutil.move(prefix, target)
    for record in (target / "conda-meta").glob("*.json"):
        for entry in json.loads(record.read_text())["paths_data"]["paths"]:
            path = target / entry["_path"]
            if entry.get("file_mode") == "text" or path.parent == target / "bin":
                replace(path, str(prefix), str(target))
    return target


def replace(path: Path, old: str, new: str) -> None:
    content = path.read_bytes()
    if not path.is_symlink() and not content.startswith(b"\x7fELF"):
        path.write_bytes(content.replace(old.encode(), new.encode()))


def run(
    prefix: Path, program: str, *arguments: str | Path, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a program of a prefix by its path, without activation, in a bare environment."""
    environment = {"PATH": os.defpath, "HOME": os.environ.get("HOME", "/"), **variables}
    return subprocess.run(
        [prefix / "bin" / program, *arguments],
        check=False, capture_output=True, text=True, env=environment, timeout=300,
    )  # fmt: skip
