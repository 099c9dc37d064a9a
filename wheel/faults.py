"""What is wrong with the libraries and programs of a package."""

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import owners
from elf import Elf
from linking import NOT_FOUND, Source, World, led_to, source
from package import ANY
from packaging.specifiers import InvalidSpecifier, SpecifierSet


@dataclass(frozen=True)
class Finding:
    """One line on one file. A note does no harm today."""

    place: str
    words: str
    note: bool = False

    def __str__(self) -> str:
        return f"{'note' if self.note else 'fault'}: {self.place}: {self.words}"


@dataclass(frozen=True)
class Report:
    """What a file looks for, where that comes from, and what is wrong."""

    place: str
    file: Elf
    #: Each entry of the RPATH, and the folder that it leads to if it is relative to the file.
    folders: Mapping[str, str | None]
    sources: Mapping[str, Source]
    findings: list[Finding]


def examine(world: World, place: str) -> Report:
    """Examine a library or program of a package."""
    file = world.elves[place]
    folders = {entry: led_to(entry, place) for entry in file.search}
    sources = {name: source(world, place, name) for name in file.needed}
    faults = [file.problem, *(found.fault for found in sources.values())]
    # An entry that leads nowhere harms nobody if all is found through the others.
    dead = dead_entries(world, folders, place)
    faults += dead if any(found.words == NOT_FOUND for found in sources.values()) else []
    faults += [words for name in file.needed for words in unbound(world, name)]
    faults += [words for entry in file.search for words in misled(world, entry, place)]
    faults += [*misplaced(world, place), *refused(world, file)]
    notes = [found.note for found in sources.values()]
    notes += [words for words in [*dead, *blemishes(file)] if words not in faults]
    findings = [Finding(place, words, note) for note in (False, True)
                for words in (notes if note else faults) if words]  # fmt: skip
    return Report(place, file, folders, sources, findings)


def unbound(world: World, name: str) -> Iterator[str]:
    """Yield what is wrong with the version that is required of a CUDA runtime."""
    major = owners.cuda_major(name)
    if major is None or any(posixpath.basename(p) == name for p in world.package.files):
        return
    requires = {key: spec for key, spec in world.package.requires.items()
                if key.startswith(owners.RUNTIMES)}  # fmt: skip
    if requires and not any(
        key.endswith(f"-cu{major}") or permits_only(spec, major) for key, spec in requires.items()
    ):
        told = ", ".join(f"{key} {spec}".strip() for key, spec in requires.items())
        yield f"{name} is of CUDA {major} alone, but {told} permits other major versions"


def permits_only(spec: str, major: int) -> bool:
    """Whether versions, as pip or conda writes them, are all of one major version."""
    words = [word for word in spec.split(",") if word]
    written = [w if re.match(r"[<>!~]|==", w) else f"=={w.lstrip('=')}" for w in words]
    try:
        permitted = SpecifierSet(",".join(written))
    except InvalidSpecifier:
        return False
    return not any(
        permitted.contains(f"{other}.{minor}")
        for other in (major - 1, major + 1, major + 2)
        for minor in (0, 9)
    )


def misled(world: World, entry: str, place: str) -> Iterator[str]:
    """Yield what is wrong with an entry of the RPATH, whether anything is found there or not."""
    folder, package = led_to(entry, place), world.package
    if not entry:
        yield "an empty entry in the RPATH: libraries are loaded from the current folder"
    elif folder is None and entry.startswith("/"):
        yield f"RPATH {entry} is absolute: right on the machine of the build alone"
    elif folder is None:
        yield f"RPATH {entry} does not begin with $ORIGIN: it depends on the current folder"
    elif package.python == ANY and (named := re.search(r"python3\.\d+", entry)):
        yield f"RPATH {entry} names {named[0]}, but the package is for other Pythons too"
    elif within(place, package.site) and not within(folder, package.site):
        where = "site-packages: lost with pip --target" if package.site else "the prefix"
        yield f"RPATH {entry} leads out of {where}"


def within(place: str, folder: str) -> bool:
    """Whether a place lies in a folder of the prefix; "" and "." are the prefix itself."""
    if folder in ("", "."):
        return place.partition("/")[0] != ".."
    return f"{place}/".startswith(f"{folder}/")


def dead_entries(world: World, folders: Mapping[str, str | None], place: str) -> list[str]:
    """Tell of the entries of an RPATH that lead to no folder."""
    packed = world.package.packed.get(place, place)
    lines = []
    for entry, folder in folders.items():
        if folder is None or world.has_folder(folder):
            continue
        before = led_to(entry, packed)
        after = "out of the prefix" if folder.startswith("..") else f"to {folder}"
        if packed != place and before in world.packed_folders:
            there = f"to {before} in the package, but once installed {after}: {packed} is moved"
            lines.append(f"RPATH {entry} leads {there}")
        else:
            lines.append(f"RPATH {entry} leads {after}, which does not exist")
    return lines


def misplaced(world: World, place: str) -> Iterator[str]:
    """Yield that a library of a wheel is put where the package is not."""
    package = world.package
    if package.kind == "wheel" and not within(place, package.site) and place[:4] != "bin/":
        yield "is installed outside of site-packages, as data_files are: lost with pip --target"


def refused(world: World, file: Elf) -> Iterator[str]:
    """Yield why other machines may refuse to load a file."""
    if file.executable_stack:
        yield "asks for an executable stack, which glibc 2.41 refuses: link with -z noexecstack"
    promised = world.package.glibc
    if promised and file.glibc > promised:
        asked, tagged = (".".join(map(str, version)) for version in (file.glibc, promised))
        yield f"asks for GLIBC_{asked}, but the package promises to run with {tagged}"


def blemishes(file: Elf) -> Iterator[str]:
    """Yield what the compiler and the linker left that does no harm where all else is right."""
    if paths := file.build_paths:
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        yield f"names a file of the build: {paths[0]}{more}"
    if file.runpath:
        yield "has a RUNPATH, which LD_LIBRARY_PATH overrides: link with --disable-new-dtags"
