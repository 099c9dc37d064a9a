"""Files that are either complete or absent."""

import fcntl
import itertools
import os
import re
import shutil
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from cyfes.errors import CyfesError, OutputError

#: Other names of an open descriptor; opened again, the file behind would be truncated.
_DESCRIPTOR = re.compile(r"/(?:dev/fd|proc/self/fd)/([0-9]+)")
_STREAMS = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}


@contextmanager
def atomic_write(path: str | os.PathLike[str], *, backup: bool = True) -> Iterator[BinaryIO]:
    """Open a file for writing that appears at ``path`` only when the block ends without exception.

    Yields a binary file. A file already at ``path`` becomes ``bck.N.NAME``, N the lowest free
    number from 0 (PLUMED's rule), or is lost with ``backup=False``; ``path`` names the old file or
    the new one at any moment. Concurrent writers lose nothing of each other where the file system
    can lock a folder. The new file has the permissions of the old, and a link to it stays one.
    After any exception the folder is as it was. A device or pipe is written directly, a standard
    stream through its descriptor.

    Raises OutputError if the folder, the rights or the space are missing; BrokenPipeError if the
    reader of a pipe has gone.
    """
    if os.fspath(path).endswith("/"):
        raise OutputError(f"cannot write {path}: it ends as the name of a folder does")
    try:
        yield from _opened(Path(path), backup)
    except (CyfesError, BrokenPipeError):
        raise
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error


def check_output(path: str | None, inputs: Sequence[str]) -> None:
    """Raise OutputError if an output, None for none, would take the place of an input."""
    for name in inputs if path and os.path.isfile(path) else ():
        if os.path.isfile(name) and os.path.samefile(str(path), name):
            raise OutputError(f"{path} is read by this command; give another name to write to")


def _opened(path: Path, backup: bool) -> Iterator[BinaryIO]:
    descriptor = _descriptor(os.path.abspath(path))
    if descriptor is not None:
        with suppress(AttributeError, ValueError):  # no such stream, or closed
            sys.stdout.flush()  # what was said before comes first
        with open(os.dup(descriptor), "wb") as file:
            yield file
        return
    old = _status(path)
    if old is not None and not _replaceable(path, old):
        with open(path, "wb") as file:
            yield file
        return
    yield from _written_beside(Path(os.path.realpath(path)), old, backup)


def _descriptor(path: str) -> int | None:
    """The open descriptor that a path stands for, None for any other path."""
    match = _DESCRIPTOR.fullmatch(path)
    return int(match[1]) if match else _STREAMS.get(path)


def _status(path: Path) -> os.stat_result | None:
    """What stands at a path, its links followed; None for nothing."""
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def _replaceable(path: Path, status: os.stat_result) -> bool:
    """Whether a path is that of a file, not of a device, a pipe or what a process has open."""
    return stat.S_ISREG(status.st_mode) and not os.path.abspath(path).startswith("/proc/")


def _written_beside(target: Path, old: os.stat_result | None, backup: bool) -> Iterator[BinaryIO]:
    """Yield a temporary file in the target's folder; rename it to the target at the end."""
    temporary = target.with_name(f".{os.urandom(16).hex()}.tmp")
    try:
        with open(temporary, "xb", opener=_private if old else None) as file:
            yield file
            if old is not None:
                _give_rights(file.fileno(), old)
            file.flush()
            os.fsync(file.fileno())
        with _locked(target.parent):
            _install(temporary, target, backup)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _private(path: str, flags: int) -> int:
    """Open a file that nobody else may read until it has the rights of the one it replaces."""
    return os.open(path, flags, 0o600)


def _give_rights(descriptor: int, old: os.stat_result) -> None:
    with suppress(PermissionError):  # only root may give files away
        os.fchown(descriptor, old.st_uid, old.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other writers of this module out of a folder, where its file system can."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # may be written, not read
        yield
        return
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _install(temporary: Path, target: Path, backup: bool) -> None:
    kept = _keep(target) if backup else None
    try:
        os.replace(temporary, target)
    except BaseException:
        if kept is not None:
            kept.unlink(missing_ok=True)
        raise


def _keep(target: Path) -> Path | None:
    """Give a file the first free name of bck.0.NAME, ... too; return it, None without a file."""
    for n in itertools.count() if os.path.lexists(target) else ():
        name = target.with_name(f"bck.{n}.{target.name}")
        try:
            os.link(target, name)
        except FileExistsError:
            continue
        except OSError:  # no such links on this file system
            if os.path.lexists(name):
                continue
            _copy(target, name)
        return name
    return None


def _copy(target: Path, name: Path) -> None:
    try:
        with open(target, "rb") as source, open(name, "xb") as copy:
            shutil.copyfileobj(source, copy)
        shutil.copystat(target, name)
    except BaseException:
        name.unlink(missing_ok=True)
        raise
