"""Files that are either complete or absent."""

import itertools
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from cyfes.errors import CyfesError, OutputError


@contextmanager
def atomic_write(path: str | os.PathLike[str], *, backup: bool = True) -> Iterator[BinaryIO]:
    """Open a file for writing that appears at ``path`` only when the block ends without exception.

    Yields a binary file. A file already at ``path`` is renamed ``bck.N.NAME`` first, N the lowest
    free number from 0 (PLUMED's rule), or replaced with ``backup=False``. After any exception the
    folder is as it was. A device, pipe or standard stream is written directly.

    Raises OutputError if the folder, the rights or the space are missing.
    """
    target = Path(path)
    try:
        if _is_stream(target):
            with open(target, "wb") as file:
                yield file
        else:
            yield from _write_beside(target, backup)
    except CyfesError:
        raise
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error


def _is_stream(target: Path) -> bool:
    """Whether ``target`` is something other than a regular file that could be replaced."""
    # Redirected to a file, /dev/stdout looks regular; renaming it would damage the system.
    if os.path.abspath(target).startswith(("/dev/std", "/dev/fd/", "/proc/")):
        return True
    return target.exists() and not stat.S_ISREG(target.stat().st_mode)


def _write_beside(target: Path, backup: bool) -> Iterator[BinaryIO]:
    """Yield a temporary file in the target's folder; rename it to the target at the end."""
    temporary = target.with_name(f".{os.urandom(16).hex()}.tmp")
    # Mode "x" gives the permissions of any new file, where tempfile would give 0600.
    file = open(temporary, "xb")  # noqa: SIM115
    try:
        yield file
        file.flush()
        os.fsync(file.fileno())
        file.close()
        _install(temporary, target, backup)
    except BaseException:
        with suppress(OSError):  # closing flushes, which fails again on a full disk
            file.close()
        temporary.unlink(missing_ok=True)
        raise


def _install(temporary: Path, target: Path, backup: bool) -> None:
    """Rename ``temporary`` to ``target``, keeping what was there."""
    kept = _free_backup(target) if backup and os.path.lexists(target) else None
    if kept:
        os.rename(target, kept)
    try:
        os.replace(temporary, target)
    except BaseException:
        if kept:
            os.rename(kept, target)
        raise


def _free_backup(target: Path) -> Path:
    """First of bck.0.NAME, bck.1.NAME, ... that does not exist."""
    names = (target.with_name(f"bck.{n}.{target.name}") for n in itertools.count())
    return next(name for name in names if not os.path.lexists(name))
