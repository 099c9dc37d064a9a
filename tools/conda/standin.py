"""A conda package made by hand: what its folder holds and what its metadata says."""

import hashlib
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from conda_package_handling import api

#: What a package's text files call the prefix they will be installed in.
PLACEHOLDER = "/opt/placeholder_of_the_prefix_that_every_installation_replaces_by_its_own"
SUBDIR = "linux-64"


@dataclass(frozen=True)
class StandIn:
    """The metadata of one package; `run_exports` has the keys weak, strong, noarch."""

    name: str
    version: str
    build: str = "0"
    number: int = 0
    depends: tuple[str, ...] = ()
    constrains: tuple[str, ...] = ()
    run_exports: dict[str, list[str]] = field(default_factory=dict)

    @property
    def file_name(self) -> str:
        return f"{self.name}-{self.version}-{self.build}.conda"

    def index(self) -> dict:
        return {
            "name": self.name,
            "version": self.version,
            "build": self.build,
            "build_number": self.number,
            "depends": list(self.depends),
            "constrains": list(self.constrains),
            "subdir": SUBDIR,
            "arch": "x86_64",
            "platform": "linux",
            "license": "LicenseRef-stand-in",
        }


def path_entry(root: Path, path: Path) -> dict:
    """What paths.json says of one file."""
    name = path.relative_to(root).as_posix()
    if path.is_symlink():
        return {"_path": name, "path_type": "softlink"}
    content = path.read_bytes()
    entry = {
        "_path": name,
        "path_type": "hardlink",
        "sha256": hashlib.sha256(content).hexdigest(),
        "size_in_bytes": len(content),
    }
    if PLACEHOLDER.encode() in content:
        entry |= {"prefix_placeholder": PLACEHOLDER, "file_mode": "text"}
    return entry


def write_metadata(package: StandIn, root: Path) -> None:
    """Write the info folder of a package over the files it will hold."""
    shutil.rmtree(root / "info", ignore_errors=True)
    paths = sorted(p for p in root.rglob("*") if p.is_symlink() or p.is_file())
    entries = [path_entry(root, path) for path in paths]
    info = root / "info"
    info.mkdir(parents=True)
    for name, content in {
        "index.json": package.index(),
        "paths.json": {"paths": entries, "paths_version": 1},
        "run_exports.json": package.run_exports,
        "about.json": {"summary": "a stand-in, for tests of the recipe only"},
    }.items():
        (info / name).write_text(json.dumps(content, indent=1))
    (info / "files").write_text("".join(f"{entry['_path']}\n" for entry in entries))
    prefixed = [entry["_path"] for entry in entries if "prefix_placeholder" in entry]
    if prefixed:
        lines = [f'"{PLACEHOLDER}" "text" "{name}"\n' for name in prefixed]
        (info / "has_prefix").write_text("".join(lines))


def write_package(package: StandIn, root: Path, channel: Path) -> Path:
    """Pack a folder into a channel; quickly, not small."""
    target = channel / SUBDIR / package.file_name
    target.parent.mkdir(parents=True, exist_ok=True)
    write_metadata(package, root)
    api.create(str(root), None, str(target), compression_level=1)
    return target
