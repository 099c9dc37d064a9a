"""Opens packages of any kind and tells, file by file, what they look for and what is wrong."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import faults
import installed
import package
from commands import WheelError
from linking import World


def world(path: Path, name: str | None, beside: Sequence[Path], folder: Path) -> World:
    """Open a package: a file, or one of a prefix by name, with others beside it.

    ``folder``: for what is unpacked. Raises WheelError for what is no package.
    """
    if path.is_dir():
        if name is None:
            raise WheelError(f"{path} is a folder: name the package to check, PREFIX PACKAGE")
        chosen, others = installed.chosen(path, name)
    elif name is not None:
        raise WheelError(f"{path}: a package's name, {name!r}, belongs to a folder, not to a file")
    else:
        chosen, others = package.read(path, folder / "package"), []
    return World(chosen, [*others, *neighbours(beside, folder)])


def neighbours(paths: Sequence[Path], folder: Path) -> Iterator[package.Package]:
    for number, path in enumerate(paths):
        yield package.read(path, folder / f"beside-{number}")


def lines(world: World) -> list[str]:
    """Return the report: each library with its paths and needs, the findings, and their number."""
    reports = [faults.examine(world, place) for place in world.elves]
    found = [finding for report in reports for finding in report.findings]
    bad = sum(not finding.note for finding in found)
    total = f"{len(reports)} libraries and programs, {bad} faults, {len(found) - bad} notes"
    return [
        *(line for report in reports for line in described(report)),
        *map(str, found),
        f"{world.package.name}: {total}",
    ]


def described(report: faults.Report) -> Iterator[str]:
    """Yield a file's place, its RPATH and what it needs."""
    yield report.place
    kind = "RUNPATH" if report.file.runpath else "RPATH"
    for entry, folder in report.folders.items():
        yield f"    {kind:8}{entry} => {'this machine only' if folder is None else folder}"
    for name, found in report.sources.items():
        yield f"    {'NEEDED':8}{name} => {found.words}"
