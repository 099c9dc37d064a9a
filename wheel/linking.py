"""Where each library of a package looks for those it needs: a model of the dynamic linker.

Places are those that files have **once installed**, counted from the prefix. A host that loads
them, as conda's python, may have an RPATH of its own, which hides faults: it does not count.
"""

import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass

import elf
import owners
from package import Package
from packaging.utils import canonicalize_name

ORIGIN = re.compile(r"\$(?:ORIGIN|\{ORIGIN\})(/.*)?")
#: Where a library comes from that is nowhere.
NOT_FOUND = "not found"


@dataclass(frozen=True)
class Source:
    """Where a needed library comes from, in words, and what is wrong with that: "" for nothing."""

    words: str
    fault: str = ""
    #: What is not as it should be, but does no harm.
    note: str = ""


class World:
    """A package, and others that are installed beside it."""

    def __init__(self, package: Package, others: Iterable[Package] = ()) -> None:
        self.package = package
        self.owner = {place: other.name for other in others for place in other.files}
        self.owner |= dict.fromkeys(package.files, package.name)
        always = {"lib"} if package.kind == "conda" else set()
        self.folders = parents(self.owner) | always
        #: Those that it had as long as it was packed.
        self.packed_folders = parents(package.packed.values()) | always
        read = {place: elf.read(path) for place, path in package.files.items()}
        #: The libraries and programs of the package.
        self.elves = {place: file for place, file in sorted(read.items()) if file}

    def reached(self, place: str) -> list[str]:
        """Return the folders that the RPATH of a file leads to."""
        folders = (led_to(entry, place) for entry in self.elves[place].search)
        return [folder for folder in folders if folder is not None]

    def folders_of(self, name: str) -> list[str]:
        """Return the folders that have a library of this name."""
        return [posixpath.dirname(p) for p in self.owner if posixpath.basename(p) == name]

    def requires(self, name: str) -> bool:
        return name in self.package.requires or canonicalize_name(name) in self.package.requires

    def bringing(self, name: str) -> list[str]:
        """Return the packages that are required and known to bring a library."""
        return [p for p in owners.known(self.package.kind, name) if self.requires(p)]

    def declares(self, owner: str, name: str) -> bool:
        """Whether the owner of a library is required, or a package that stands for it.

        So libgomp does for _openmp_mutex, and cuda-toolkit for nvidia-cuda-runtime.
        """
        alike = owner in owners.known(self.package.kind, name)
        return self.requires(owner) or (alike and bool(self.bringing(name)))

    def comes_with(self, package: str, folder: str) -> bool:
        """Whether a package is known to have its libraries in a folder."""
        inside = posixpath.relpath(folder, self.package.site or ".")
        return owners.brings(self.package.kind, package, inside)

    def has_folder(self, folder: str) -> bool:
        """Whether a folder is there, or known to come with a package that is required."""
        return folder in self.folders or any(
            self.comes_with(package, folder) for package in self.package.requires
        )


def parents(places: Iterable[str]) -> set[str]:
    """Return the folders of files, and the folders of these."""
    found: set[str] = set()
    for place in places:
        while (place := posixpath.dirname(place)) and place not in found:
            found.add(place)
    return found


def led_to(entry: str, place: str) -> str | None:
    """Return the folder that an entry of a file's RPATH leads to; None if it is not relative to it.

    Outside of the prefix it begins with "..".
    """
    match = ORIGIN.fullmatch(entry)
    if match is None:
        return None
    return posixpath.normpath(posixpath.join(posixpath.dirname(place), (match[1] or "")[1:]))


def source(world: World, place: str, name: str) -> Source:
    """Tell where a library that a file needs comes from."""
    is_system = owners.system(world.package.kind, name)
    for folder in world.reached(place):
        found = posixpath.join(folder, name)
        owner = world.owner.get(found)
        if owner == world.package.name:
            return Source(f"this package, {found}")
        if owner and (is_system or world.declares(owner, name)):
            return Source(f"{owner}, {found}")
        if owner:
            return undeclared(name, owner)
    return Source("the system") if is_system else unreached(world, place, name)


def undeclared(name: str, owner: str) -> Source:
    return Source(owner, f"{name} is of {owner}, which is not declared as required")


def unreached(world: World, place: str, name: str) -> Source:
    """The same for a library that is seen in no folder of the RPATH, and is not the system's."""
    if folders := world.folders_of(name):
        return unled(world, place, name, folders[0])
    for package in world.bringing(name):
        for folder in world.reached(place):
            if world.comes_with(package, folder):
                return Source(f"{package}, which is required, {folder}")
        there = owners.folder(world.package.kind, package)
        return lost(name, f"{package} has it in {there}, where no entry of the RPATH leads")
    if candidates := owners.known(world.package.kind, name):
        return undeclared(name, candidates[0])
    allowed = "conda" if world.package.kind == "conda" else "manylinux"
    return lost(name, "not in the package, not known of a package that is required, "
                f"and not one that {allowed} lets come from the system")  # fmt: skip


def unled(world: World, place: str, name: str, folder: str) -> Source:
    """The same for one that lies where only what loads the file has a path, or nobody."""
    for loader, file in world.elves.items():
        if posixpath.basename(place) in file.needed and folder in world.reached(loader):
            words = f"{name} is found only if {loader} is what loads this file"
            return Source(f"in {folder}, by the RPATH of {loader}", note=words)
    return lost(name, f"it lies in {folder}, where no entry of the RPATH leads")


def lost(name: str, why: str) -> Source:
    return Source(NOT_FOUND, f"{name} is not found: {why}")
