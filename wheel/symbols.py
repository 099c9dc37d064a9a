"""Which symbols decide a wheel's platform tag: those too new for manylinux_2_28, and who asks."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import archive
from elftools.elf.elffile import ELFFile

#: The newest version of each library's symbols in AlmaLinux 8, the system of manylinux_2_28.
NEWEST = {"GLIBC": (2, 28), "GLIBCXX": (3, 4, 24), "CXXABI": (1, 3, 11)}


def versioned(library: Path) -> Iterator[tuple[str, str]]:
    """Yield the symbols that a library asks of others, each with its version."""
    with library.open("rb") as file:
        elf = ELFFile(file)
        names = elf.get_section_by_name(".dynsym")
        indices = elf.get_section_by_name(".gnu.version")
        needs = elf.get_section_by_name(".gnu.version_r")
        if names is None or indices is None or needs is None:
            return
        versions = {
            version["vna_other"]: version.name
            for _, entries in needs.iter_versions()
            for version in entries
        }
        for index, symbol in enumerate(names.iter_symbols()):
            if symbol["st_shndx"] == "SHN_UNDEF":
                version = indices.get_symbol(index)["ndx"]
                if version in versions:
                    yield symbol.name, versions[version]


def too_new(version: str) -> bool:
    """Whether a version such as "GLIBC_2.34" is newer than manylinux_2_28 has."""
    family, _, number = version.rpartition("_")
    if family not in NEWEST or not number.replace(".", "").isdigit():
        return False
    return tuple(map(int, number.split("."))) > NEWEST[family]


def forcing(tree: Path) -> list[tuple[str, str, str]]:
    """Return (version, library, symbol) of what manylinux_2_28 lacks."""
    return sorted(
        (version, library.relative_to(tree).as_posix(), symbol)
        for library in tree.rglob("*.so*")
        for symbol, version in versioned(library)
        if too_new(version)
    )


def table(wheel: Path) -> str:
    """Return the symbols that keep a wheel from manylinux_2_28, a version and library a line."""
    with tempfile.TemporaryDirectory() as folder:
        archive.unpack(wheel, Path(folder))
        rows = forcing(Path(folder))
    grouped: dict[tuple[str, str], list[str]] = {}
    for version, library, symbol in rows:
        grouped.setdefault((version, library), []).append(symbol)
    lines = [f"{version:16}{library}: {' '.join(names)}" for (version, library), names in
             grouped.items()]  # fmt: skip
    return "\n".join(["-- symbols newer than manylinux_2_28 has:", *(lines or ["none"])])
