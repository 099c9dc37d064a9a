"""The licences of what is in the wheel: their texts, and the expression that METADATA tells.

setuptools knows the licence of cyfes alone. What auditwheel grafts and what compilers put in comes
with licences of its own (PEP 639).
"""

import re
import shutil
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import archive
import rpath
from commands import WheelError

TEXTS = Path(__file__).with_name("licenses")
OWN = "MIT"
GCC = "GPL-3.0-or-later WITH GCC-exception-3.1"
NVIDIA = "LicenseRef-NVIDIA-EULA"
#: A library or a package of a distribution -> its licence.
LICENSES = {
    r"cyfes": OWN,
    r"lib(gomp|stdc\+\+|gcc)": GCC,
    r"libcudart|(nvidia-)?cuda-": NVIDIA,
}
#: Licence -> its texts under .dist-info/licenses.
FILES = {
    OWN: ["LICENSE"],
    GCC: ["gcc/GPL-3.0.txt", "gcc/GCC-exception-3.1.txt", "gcc/SOURCES.txt"],
    NVIDIA: ["nvidia/EULA.txt"],
}


def license_of(name: str) -> str:
    """Return the licence of a library or package; raises WheelError for one nobody thought of."""
    for pattern, known in LICENSES.items():
        if re.match(pattern, name):
            return known
    raise WheelError(f"no licence is known for {name}: add it to wheel/licensing.py")


def licenses(tree: Path) -> list[str]:
    """Return the licences of what is in an unpacked, grafted wheel, its own first."""
    grafted = [license_of(path.name) for path in sorted((tree / rpath.GRAFTED).glob("*"))]
    # Whatever is grafted: templates of libstdc++ are in the extension.
    return list(dict.fromkeys([OWN, GCC, *grafted]))


def write(tree: Path) -> None:
    """Put the texts into an unpacked wheel and have METADATA name them and their licences."""
    found = licenses(tree)
    folder = archive.dist_info(tree) / "licenses"
    for name in [name for license in found for name in FILES[license] if license != OWN]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(text_of(name), folder / name)
    told = archive.dist_info(tree) / "METADATA"
    headers, blank, text = told.read_text(encoding="utf-8").partition("\n\n")
    headers = re.sub(r"^License(-Expression|-File):.*\n?", "", headers + "\n", flags=re.MULTILINE)
    headers += f"License-Expression: {' AND '.join(found)}\n"
    headers += "".join(f"License-File: {name}\n" for license in found for name in FILES[license])
    told.write_text(headers.rstrip("\n") + blank + text, encoding="utf-8")


def text_of(name: str) -> Path:
    """Return where a text is: NVIDIA's comes with the runtime that is bundled."""
    if not name.startswith("nvidia/"):
        return TEXTS / name
    try:
        files = metadata.files("nvidia-cuda-runtime") or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "License.txt":
            return Path(str(file.locate()))
    raise WheelError("no licence of nvidia-cuda-runtime here: install wheel/requirements.txt")


def problems(wheel: Path) -> Iterator[str]:
    """Yield each licence that METADATA does not tell, and each text that it lacks."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        archive.unpack(wheel, tree)
        info = archive.dist_info(tree)
        headers = (info / "METADATA").read_text(encoding="utf-8").partition("\n\n")[0]
        told = re.findall(r"^License-Expression: (.*)$", headers, re.MULTILINE)
        named = re.findall(r"^License-File: (.*)$", headers, re.MULTILINE)
        needed = licenses(tree)
        if told != [" AND ".join(needed)]:
            yield f"License-Expression {told}, but in the wheel are {needed}"
        for name in {*named, *(name for license in needed for name in FILES[license])}:
            if name not in named:
                yield f"METADATA does not name licenses/{name}"
            if not (info / "licenses" / name).is_file():
                yield f"licenses/{name} is missing"
