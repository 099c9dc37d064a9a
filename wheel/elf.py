"""What a library or program says of itself to the dynamic linker."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import symbols
from elftools.elf.elffile import ELFFile

#: Folders of a build that compilers leave in error texts, asserts and debug information.
BUILD_PATH = re.compile(
    rb"/(?:home|root|tmp|var/tmp|builds?|croot|Users|__w)(?:/[\w.+@-]+)+"
    rb"\.(?:c|cc|cpp|cxx|cu|h|hpp|hxx|pyx|pxd|f|f90|o|a|so)\b"
)
#: What conda puts in the place of the build's prefix, and replaces when it installs.
PLACEHOLDER = b"_placehold"


@dataclass(frozen=True)
class Elf:
    """The dynamic section of a file and what else matters where it is loaded."""

    needed: tuple[str, ...] = ()
    rpath: tuple[str, ...] = ()
    runpath: tuple[str, ...] = ()
    executable_stack: bool = False
    #: The newest GLIBC that its symbols ask for.
    glibc: tuple[int, ...] = (0,)
    build_paths: tuple[str, ...] = ()
    #: Why the file could not be read.
    problem: str = ""

    @property
    def search(self) -> tuple[str, ...]:
        """The entries that the linker follows: a RUNPATH puts the RPATH out of force."""
        return self.runpath or self.rpath


def is_elf(path: Path) -> bool:
    """Whether a file begins as ELF."""
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def read(path: Path) -> Elf | None:
    """Read a file's dynamic section; None for what has none: texts, objects, static programs."""
    if not is_elf(path):
        return None
    try:
        with path.open("rb") as file:
            elf = ELFFile(file)
            dynamic = next((s for s in elf.iter_segments() if s["p_type"] == "PT_DYNAMIC"), None)
            if dynamic is None:
                return None
            tags = list(dynamic.iter_tags())
            stack = any(s["p_type"] == "PT_GNU_STACK" and s["p_flags"] & 1
                        for s in elf.iter_segments())  # fmt: skip
        return Elf(
            needed=tuple(tag.needed for tag in tags if tag.entry.d_tag == "DT_NEEDED"),
            rpath=entries(tag.rpath for tag in tags if tag.entry.d_tag == "DT_RPATH"),
            runpath=entries(tag.runpath for tag in tags if tag.entry.d_tag == "DT_RUNPATH"),
            executable_stack=stack,
            glibc=newest_glibc(path),
            build_paths=build_paths(path.read_bytes()),
        )
    except Exception as error:  # pyelftools raises all kinds of them at damaged files
        return Elf(problem=f"cannot be read as ELF: {error!r}")


def entries(values: Iterable[str]) -> tuple[str, ...]:
    """Split the values of a tag; an empty entry between two colons stays, it has a meaning."""
    return tuple(entry for value in values if value for entry in value.split(":"))


def newest_glibc(path: Path) -> tuple[int, ...]:
    """Return the newest version of the C library that symbols ask for."""
    numbers = [version[6:] for _, version in symbols.versioned(path) if version[:6] == "GLIBC_"]
    plain = [number for number in numbers if re.fullmatch(r"[\d.]+", number)]
    return max((tuple(map(int, number.split("."))) for number in plain), default=(0,))


def build_paths(content: bytes) -> tuple[str, ...]:
    """Return the source files and objects that a library names by their absolute paths."""
    found = {match[0] for match in BUILD_PATH.finditer(content) if PLACEHOLDER not in match[0]}
    return tuple(sorted(path.decode() for path in found))
