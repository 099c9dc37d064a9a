"""What the program says: the report on stdout, remarks and errors on stderr, all printable."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TextIO

from cyfes.errors import CyfesWarning, OutputError, printable, shortened

#: What an output file is called that is none.
STDOUT = ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")

#: Longest text of a line, in characters.
MAX_LINE = 480


def shown(text: object, stream: TextIO) -> str:
    """Return text as ``stream`` can show it, shortened to a line that can be read."""
    return shortened(printable(str(text), stream.encoding or "utf-8"), MAX_LINE)


def say(kind: str, text: object) -> None:
    """Print one remark on stderr; whether it can be read changes nothing else."""
    line = f"cyfes: {kind}{shown(text, sys.stderr)}\n"
    with suppress(OSError):
        sys.stderr.write(line)
        sys.stderr.flush()


def notes(lines: Sequence[str]) -> None:
    """Print remarks about the input on stderr."""
    for line in lines:
        say("note: ", line)


def show_warning(message: Warning | str, category: type[Warning], *_: object) -> None:
    """Print a warning of ours; those of libraries are for programmers."""
    if issubclass(category, CyfesWarning):
        say("warning: ", message)


class Report:
    """The report: aligned ``name  value`` lines, on stdout unless a result goes there.

    A report that cannot be written does not stop the work, whose results are worth more; ``end``
    raises what went wrong, unless the report goes to stderr.
    """

    def __init__(self) -> None:
        self.begin()

    def begin(self, *, on_stderr: bool = False) -> None:
        """Start a report anew."""
        self._on_stderr = on_stderr
        self._failure: OSError | None = None

    def __call__(self, lines: Mapping[str, object] | Sequence[tuple[str, object]]) -> None:
        """Print lines."""
        stream = sys.stderr if self._on_stderr else sys.stdout
        for name, value in dict(lines).items():
            self._try(stream.write, f"{shown(name, stream):<18} {shown(value, stream)}\n")

    def table(self, lines: Sequence[str]) -> None:
        """Print lines as they are."""
        stream = sys.stderr if self._on_stderr else sys.stdout
        for line in lines:
            self._try(stream.write, f"{shown(line, stream)}\n")

    def end(self) -> None:
        """Flush the report; raise OutputError, or BrokenPipeError, if any of it was lost."""
        self._try(sys.stdout.flush)
        if isinstance(self._failure, BrokenPipeError):
            raise self._failure
        if self._failure is not None:
            raise OutputError(f"cannot write the report: {self._failure.strerror}")

    def abandon(self) -> None:
        """Flush the report after an error; whether that succeeds changes nothing."""
        self._try(sys.stdout.flush)

    def _try(self, action: Callable[..., object], *arguments: str) -> None:
        if self._failure is not None:
            return
        try:
            action(*arguments)
        except OSError as error:
            if not self._on_stderr:  # stdout is the report's, not a result's
                self._failure = error
                discard_stdout()


report = Report()


def discard_stdout() -> None:
    """Let what is left of the report vanish, or Python complains when it flushes at exit."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def open_streams() -> None:
    """Give the process the standard streams it was started without (``>&-``).

    Else the next file opened would take their place. Descriptors 1 and 2 stay unwritable, so that
    a result sent there is an error.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDONLY)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115


class Ended(BaseException):
    """A signal asks the program to end; no Exception, so that nothing else catches it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def signals_end_the_program() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into ``Ended``, so that half-written files are removed."""

    def end(number: int, _: object) -> None:
        for other in caught:
            signal.signal(other, signal.SIG_IGN)
        raise Ended(number)

    wanted = (signal.SIGTERM, signal.SIGHUP)
    # nohup has SIGHUP ignored, and only the main thread may change handlers.
    try:
        caught = [n for n in wanted if signal.getsignal(n) == signal.SIG_DFL]
        for number in caught:
            signal.signal(number, end)
    except ValueError:
        caught = []
    try:
        yield
    finally:
        for number in caught:
            signal.signal(number, signal.SIG_DFL)


class ProgressBar:
    """A bar on stderr for work that takes over a second, if stderr is a terminal."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._start = time.monotonic()
        self._shown = False

    def __call__(self, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` are done."""
        if not sys.stderr.isatty() or time.monotonic() - self._start < 1:
            return
        self._shown = True
        filled = 30 * done // max(total, 1)
        bar = "#" * filled + "." * (30 - filled)
        end = "\n" if done == total else ""
        with suppress(OSError):
            print(f"\r{self._what} [{bar}] {done}/{total}", end=end, file=sys.stderr, flush=True)
