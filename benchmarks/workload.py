"""What is compared: several ways to do the same work, and what the work of cyfes must reach."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import probes
from benchmarks.errors import Errors
from benchmarks.timing import Times, in_turns, ratio

FMA = "multiply-add probe"
COPY = "copy probe"


@dataclass(frozen=True)
class Contender:
    """One way to do the work: ``call`` does it and returns what is judged.

    ``flop`` are the floating-point operations executed, ``n_bytes`` the bytes that must move, both
    in one call. ``share``: the part of the work that the call does; times are divided by it, where
    they are proportional. ``seconds``: a time recorded on another machine, instead of a call.
    ``is_probe``: it does not do the work but tells what the machine can do.
    """

    who: str
    call: Callable[[], Any] | None
    threads: int = 1
    flop: float | None = None
    n_bytes: float | None = None
    share: float = 1.0
    seconds: float | None = None
    note: str = ""
    is_probe: bool = False

    @property
    def key(self) -> str:
        """Its name in targets."""
        return f"{self.who} x{self.threads}"


@dataclass(frozen=True)
class Target:
    """What ``reached`` computes from the measured times and errors must be ``limit`` at least, or
    at most. ``unit`` follows both in the table."""

    what: str
    limit: float
    reached: Callable[["Measured"], float]
    at_least: bool = True
    unit: str = ""

    def met(self, value: float) -> bool:
        """Whether a reached value meets the target."""
        return value >= self.limit if self.at_least else value <= self.limit


@dataclass(frozen=True)
class Workload:
    """One work. ``reference`` is the key of the contender that ratios refer to; ``pairs`` counts
    kernels times points, near or far; ``missing`` says which peers are not at hand and why;
    ``folder`` is removed when all is measured."""

    title: str
    contenders: tuple[Contender, ...]
    reference: str
    targets: tuple[Target, ...] = ()
    pairs: float = 0.0
    judge: Callable[[Any], Errors] | None = None
    missing: tuple[str, ...] = ()
    folder: TemporaryDirectory[str] | None = None


@dataclass
class Measured:
    """Times, errors, results (where nothing judges them) and failures by contender's key; how many
    calls of several threads did not get a core for each."""

    workload: Workload
    times: dict[str, Times] = field(default_factory=dict)
    errors: dict[str, Errors] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    shared: int = 0

    def ratio(self, slow: str, fast: str) -> float:
        """Median over the rounds of the times' ratio; KeyError if one was not measured."""
        return ratio(self.times[slow], self.times[fast])

    def of_fma(self, key: str) -> float:
        """Executed operations a second over those of the probe in the same rounds."""
        flop = self.contender(key).flop
        if flop is None:
            raise KeyError(f"{key}: operations were not counted")
        threads = self.contender(key).threads
        probe = f"{FMA} x{threads}"
        return (
            flop / (self.contender(probe).flop or 1.0) * ratio(self.times[probe], self.times[key])
        )

    def of_copy(self, key: str) -> float:
        """Bytes a second over those of the copy probe in the same rounds."""
        moved, probe = self.contender(key).n_bytes, f"{COPY} x{self.contender(key).threads}"
        if moved is None:
            raise KeyError(key)
        return (
            moved
            / (self.contender(probe).n_bytes or 1.0)
            * ratio(self.times[probe], self.times[key])
        )

    def contender(self, key: str) -> Contender:
        """The contender of a key."""
        for contender in self.workload.contenders:
            if contender.key == key:
                return contender
        raise KeyError(key)


def measure(workload: Workload, rounds: int) -> Measured:
    """Run a workload's contenders once to see what they give, then in turns to time them.

    One that fails is left out; its error is kept.
    """
    measured = Measured(workload)
    for contender in workload.contenders:
        if contender.call is not None:
            try:
                _judge(measured, contender.key, contender.call())
            except Exception as error:
                measured.failures[contender.key] = f"{type(error).__name__}: {error}"
    calls = {
        c.key: c.call
        for c in workload.contenders
        if c.call is not None and c.key not in measured.failures
    }

    def prepare(key: str) -> None:
        measured.shared += not probes.wait_for_cores(measured.contender(key).threads)

    times = in_turns(calls, rounds, prepare)
    for contender in workload.contenders:
        if contender.seconds is not None:
            constant = Times([contender.seconds] * rounds, [contender.seconds] * rounds)
            measured.times[contender.key] = constant
        elif contender.key in times:
            measured.times[contender.key] = times[contender.key].scaled(1.0 / contender.share)
    return measured


def _judge(measured: Measured, key: str, result: Any) -> None:
    """Keep the errors of a result, or the result itself where there is nothing to compare with."""
    judge = measured.workload.judge
    if judge is None:
        measured.results[key] = result
    elif result is not None and not measured.contender(key).is_probe:
        measured.errors[key] = judge(result)


def probe_contenders(threads: tuple[int, ...]) -> tuple[Contender, ...]:
    """The probes as contenders; none without a compiler."""
    if probes.library() is None:
        return ()
    found = []
    for n in threads:
        flop, moved = probes.multiply_add(n), probes.copy(n)
        found.append(Contender(FMA, partial(probes.multiply_add, n), n, flop=flop, is_probe=True))
        found.append(Contender(COPY, partial(probes.copy, n), n, n_bytes=moved, is_probe=True))
    return tuple(found)
