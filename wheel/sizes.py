"""Bytes of a wheel by part, and what must not be in it."""

import re
import zipfile
from pathlib import Path

#: The first pattern that fits names the part.
PARTS = {
    "extension": r"cyfes/_kernels\.",
    "libcufes.so": r"cyfes/libcufes\.so",
    "grafted libraries": r"cyfes\.libs/",
    "Python": r"cyfes/.*(\.pyi?|py\.typed)$",
    "metadata": r".*\.dist-info/",
}
#: Compressed, with every GPU architecture.
LIMIT = 10_000_000


def part_of(name: str) -> str:
    """Return the part that a file belongs to; "stray" for one that has no place in the wheel."""
    return next((part for part, pattern in PARTS.items() if re.match(pattern, name)), "stray")


def bytes_of(wheel: Path) -> dict[str, tuple[int, int]]:
    """Return the bytes of each part: installed, and compressed."""
    totals: dict[str, tuple[int, int]] = {}
    with zipfile.ZipFile(wheel) as archive:
        for item in archive.infolist():
            part = part_of(item.filename)
            plain, packed = totals.get(part, (0, 0))
            totals[part] = plain + item.file_size, packed + item.compress_size
    return totals


def table(wheel: Path) -> str:
    """Return the parts and the whole as lines of text."""
    rows = [f"-- bytes of {wheel.name}:", f"{'':20}{'installed':>12}{'compressed':>12}"]
    rows += [f"{part:20}{plain:12}{packed:12}" for part, (plain, packed) in bytes_of(wheel).items()]
    return "\n".join([*rows, f"{'file':20}{'':12}{wheel.stat().st_size:12}"])


def problems(wheel: Path) -> list[str]:
    """Return what should not be in a wheel, and a size that it should not have."""
    with zipfile.ZipFile(wheel) as archive:
        strays = [name for name in archive.namelist() if part_of(name) == "stray"]
    found = [f"{name} does not belong into the wheel" for name in strays]
    if (size := wheel.stat().st_size) >= LIMIT:
        found.append(f"{size} bytes, expected less than {LIMIT}")
    return found
