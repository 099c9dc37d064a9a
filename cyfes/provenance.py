"""Where a result comes from: version, command, input files with checksums, settings.

Every file that tells its provenance tells it in the lines made here.
"""

import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from cyfes import __version__
from cyfes.errors import printable, shortened

#: Begins each line of provenance in a text file; PLUMED takes such a line for a comment.
MARK = "#! CYFES "

#: GROMACS reads lines of an index file into 4096 bytes, and would take the rest for another line.
MAX_LINE = 1000

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Source:
    """A file that was read, ``path``, as it was then: ``size`` in bytes and ``modified`` in ns.

    A pipe has neither: -1. ``checksum``: as a file tells it that was made from this one.
    """

    path: str
    size: int = -1
    modified: int = -1
    checksum: str = ""

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> "Source":
        """Return what a file is now; one that cannot be looked at counts as a pipe."""
        name = os.fspath(path)
        try:
            status = os.stat(name) if name != "-" else None
        except (OSError, ValueError):
            status = None
        if status is None or not stat.S_ISREG(status.st_mode):
            return cls(name)
        return cls(name, status.st_size, status.st_mtime_ns)

    def digest(self) -> str:
        """Return "sha256:..." of the file, or why there is none."""
        if self.checksum:
            return self.checksum
        if self.size < 0:
            return "stream"
        if replace(Source.of(self.path), checksum="") != self:
            return "changed since it was read"
        return _sha256(self.path, self.size, self.modified)


@dataclass(frozen=True)
class Provenance:
    """How a result was made.

    ``command``: the command line, or the call in Python. ``inputs``: the files it read.
    ``settings``: (name, value) of what the program decided or was told. ``version`` of cyfes.
    """

    command: str
    inputs: tuple[Source, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
    version: str = __version__

    @classmethod
    def of(
        cls,
        command: str,
        paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] = (),
        settings: Iterable[tuple[str, object]] = (),
    ) -> "Provenance":
        """Return the provenance of a result made from one file or more, as these are now."""
        named = tuple((name, str(value)) for name, value in settings)
        several = [paths] if isinstance(paths, str | os.PathLike) else paths
        return cls(command, tuple(map(Source.of, several)), named)

    def then(self, *settings: tuple[str, object]) -> "Provenance":
        """Return this with further settings."""
        named = tuple((name, str(value)) for name, value in settings)
        return replace(self, settings=self.settings + named)

    def lines(self) -> list[tuple[str, str]]:
        """Return (name, value) of all there is to tell; reads the inputs for their checksums."""
        inputs = [("input", f"{source.digest()} {source.path}") for source in self.inputs]
        return [("version", self.version), ("command", self.command), *inputs, *self.settings]

    def text(self, mark: str = MARK, most: int | None = None) -> str:
        """Return the lines as comments of a file: ``mark``, a name without blanks, the value.

        Of at most ``most`` characters each, if that is given.
        """
        texts = (
            f"{mark}{name.replace(' ', '_')} {printable(value)}" for name, value in self.lines()
        )
        return "".join(f"{shortened(text, most) if most else text}\n" for text in texts)

    @classmethod
    def parse(cls, lines: Sequence[str]) -> "Provenance | None":
        """Return what the lines of ``text`` tell, without their marks; None for no lines."""
        pairs = [line.strip().partition(" ")[::2] for line in lines if line.strip()]
        if not pairs:
            return None
        one = dict(pairs)
        inputs = [value.partition(" ")[::2] for name, value in pairs if name == "input"]
        return cls(
            one.get("command", "unknown"),
            tuple(Source(path, checksum=checksum) for checksum, path in inputs),
            tuple(pair for pair in pairs if pair[0] not in ("version", "command", "input")),
            one.get("version", "unknown"),
        )


@lru_cache
def _sha256(path: str, size: int, modified: int) -> str:
    """The checksum of a file in the state that size and time tell; computed once."""
    del size, modified
    import hashlib  # loads OpenSSL

    try:
        with open(path, "rb") as file:
            return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    except OSError as error:
        return f"unreadable ({error.strerror})"
