"""Forked workers: a crash or a hang ends a worker, not the run, and its input is known.

Input ``index`` of a target follows from the seed alone. A worker notes the index it is at in
shared memory, so that the parent can make the input again.
"""

import mmap
import os
import random
import signal
import struct
import sys
import tempfile
import time
import traceback
import warnings
from dataclasses import dataclass, field
from pathlib import Path

from targets import TARGETS

from cyfes.errors import CyfesError, CyfesWarning

#: Seconds for one input.
PATIENCE = 20.0
#: Inputs of one kind of fault that are kept.
KEPT = 3


def input_of(target: str, seed: int, index: int) -> bytes:
    return TARGETS[target].make(random.Random(f"{seed}/{target}/{index}"))


@dataclass
class Worker:
    """One process that tries every ``step``-th input from ``first`` on."""

    target: str
    seed: int
    first: int
    step: int
    stop: int
    deadline: float
    results: Path
    scratch: Path
    pid: int = 0
    shared: mmap.mmap = field(default_factory=lambda: mmap.mmap(-1, 16))
    seen: int = -1
    since: float = 0.0

    def start(self) -> None:
        self.shared[:8] = struct.pack("q", self.first)
        self.seen, self.since = self.first, time.monotonic()
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                self.work()
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)

    @property
    def index(self) -> int:
        return struct.unpack("q", self.shared[:8])[0]

    @property
    def done(self) -> int:
        """Inputs tried, over all restarts."""
        return struct.unpack("q", self.shared[8:])[0]

    def work(self) -> None:
        self.scratch.mkdir(exist_ok=True)
        os.chdir(self.scratch)
        for number, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(name, os.O_RDWR | os.O_CREAT | os.O_APPEND), number)
        for index in range(self.first, self.stop, self.step):
            if time.monotonic() > self.deadline:
                break
            self.shared[:8] = struct.pack("q", index)
            fault = self.fault(index)
            if fault:
                report(self.results, self.target, self.seed, index, *fault)
            self.shared[8:] = struct.pack("q", self.done + 1)
            os.truncate(1, 0)
            os.truncate(2, 0)

    def fault(self, index: int) -> tuple[str, str] | None:
        """(kind, text) of what is wrong; None if the law holds."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                warnings.simplefilter("ignore", CyfesWarning)
                TARGETS[self.target].check(input_of(self.target, self.seed, index), self.scratch)
        except CyfesError:
            return None
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(last.filename).name}:{last.name}"
            return f"{type(error).__name__}-{where}", traceback.format_exc()
        return None

    def look(self) -> str | None:
        """What became of the process: None while it works, "" at its end, else its fault."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid:
            code = os.waitstatus_to_exitcode(status)
            return "" if code == 0 else f"ended with {code}"
        if self.index != self.seen:
            self.seen, self.since = self.index, time.monotonic()
        if time.monotonic() - self.since > PATIENCE:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            return f"hangs for {PATIENCE:g} s"
        return None


def report(results: Path, target: str, seed: int, index: int, kind: str, text: str) -> None:
    """Keep the first inputs of each kind of fault, and count all."""
    folder = results / f"{target}-{''.join(c if c.isalnum() or c in '-_' else '_' for c in kind)}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "count").open("a") as stream:
        stream.write("x")
    if len(list(folder.glob("*.input"))) < KEPT:
        (folder / f"{seed}-{index}.input").write_bytes(input_of(target, seed, index))
        (folder / f"{seed}-{index}.txt").write_text(text)


def fuzz(
    target: str, seed: int, results: Path, *, inputs: int, seconds: float, n_workers: int
) -> int:
    """Try inputs of a target until there are enough, or time is up; return how many."""
    deadline, results = time.monotonic() + seconds, results.absolute()
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="cyfes-fuzz-", dir=memory) as folder:
        workers = [
            Worker(target, seed, i, n_workers, inputs, deadline, results, Path(folder, str(i)))
            for i in range(n_workers)
        ]
        for worker in workers:
            worker.start()
        at_work = list(workers)
        while at_work:
            time.sleep(0.02)
            for worker in list(at_work):
                end = worker.look()
                if end is None:
                    continue
                if end:
                    report(results, target, seed, worker.index, end, f"the process {end}\n")
                    worker.first = worker.index + n_workers
                    worker.start()
                else:
                    at_work.remove(worker)
        return sum(worker.done for worker in workers)
