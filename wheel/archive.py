"""Wheels as archives: unpacked, the RECORD rewritten, and packed to the same bits every time."""

import base64
import csv
import hashlib
import io
import os
import tempfile
import time
import zipfile
from pathlib import Path

from commands import WheelError


def unpack(wheel: Path, folder: Path) -> None:
    """Unpack a wheel into a folder; programs stay programs."""
    with zipfile.ZipFile(wheel) as archive:
        for item in archive.infolist():
            path = Path(archive.extract(item, folder))
            if not item.is_dir():
                path.chmod(item.external_attr >> 16 & 0o777 or 0o644)


def dist_info(tree: Path) -> Path:
    """Return the metadata folder of an unpacked wheel."""
    found = list(tree.glob("*.dist-info"))
    if len(found) != 1:
        raise WheelError(f"{len(found)} dist-info folders in the wheel, expected one")
    return found[0]


def files(tree: Path) -> list[Path]:
    """Return the files of an unpacked wheel, the metadata last as the standard asks."""
    info = dist_info(tree)
    found = [path for path in tree.rglob("*") if path.is_file()]
    return sorted(found, key=lambda path: (path.is_relative_to(info), path.name == "RECORD", path))


def digest(path: Path) -> str:
    """Return a file's sha256 as RECORD writes it."""
    value = base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest())
    return "sha256=" + value.decode().rstrip("=")


def write_record(tree: Path) -> None:
    """Write RECORD: path, digest and size of every file but itself."""
    record = dist_info(tree) / "RECORD"
    record.touch()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for path in files(tree):
        own = path == record
        name = path.relative_to(tree).as_posix()
        writer.writerow([name, "" if own else digest(path), "" if own else path.stat().st_size])
    record.write_text(text.getvalue(), encoding="utf-8")


def record_problems(wheel: Path) -> list[str]:
    """Return what in a wheel contradicts its RECORD."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        unpack(wheel, tree)
        with (dist_info(tree) / "RECORD").open(encoding="utf-8", newline="") as lines:
            told = {name: (value, size) for name, value, size in csv.reader(lines)}
        found = {
            path.relative_to(tree).as_posix(): (digest(path), str(path.stat().st_size))
            for path in files(tree)
            if path.name != "RECORD"
        }
    told = {name: row for name, row in told.items() if not name.endswith(".dist-info/RECORD")}
    return [
        f"RECORD tells {told.get(name)} of {name}, the wheel has {found.get(name)}"
        for name in sorted(told.keys() | found.keys())
        if told.get(name) != found.get(name)
    ]


def pack(tree: Path, wheel: Path) -> None:
    """Pack a folder into a wheel: sorted, dated SOURCE_DATE_EPOCH, whole or not at all."""
    date = time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", "315532800")))[:6]
    wheel.parent.mkdir(parents=True, exist_ok=True)
    temporary = wheel.with_suffix(".part")
    try:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for path in files(tree):
                item = zipfile.ZipInfo(path.relative_to(tree).as_posix(), date)
                item.compress_type = zipfile.ZIP_DEFLATED
                item.external_attr = (0o100755 if os.access(path, os.X_OK) else 0o100644) << 16
                item.create_system = 3
                archive.writestr(item, path.read_bytes())
        temporary.replace(wheel)
    finally:
        temporary.unlink(missing_ok=True)
