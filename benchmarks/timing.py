"""Times of several ways to do the same work, taken in turns so that a busy machine slows all."""

import resource
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

#: Seconds after which a call that was timed LEAST times sits out the remaining rounds.
BUDGET = 40.0
LEAST = 3
#: A call that takes fewer seconds runs once more before it is timed, after a pause: the threads of
#: the call before still spin for some milliseconds, and the memory that it freed is gone.
SHORT = 0.5
PAUSE = 0.02


@dataclass
class Times:
    """Seconds of one call by round, None where it sat out: wall clock, and CPU of all threads."""

    wall: list[float | None] = field(default_factory=list)
    cpu: list[float | None] = field(default_factory=list)

    def add(self, wall: float | None, cpu: float | None) -> None:
        """Append one round."""
        self.wall.append(wall)
        self.cpu.append(cpu)

    @property
    def rounds(self) -> int:
        """Rounds that were timed."""
        return len(_known(self.wall))

    @property
    def median(self) -> float:
        """Median wall time."""
        return statistics.median(_known(self.wall))

    @property
    def least(self) -> float:
        """Least wall time."""
        return min(_known(self.wall))

    @property
    def cpu_median(self) -> float:
        """Median CPU time."""
        return statistics.median(_known(self.cpu))

    def scaled(self, factor: float) -> "Times":
        """The times of a work ``factor`` times as large, where time is proportional to it."""
        return Times(
            [None if x is None else x * factor for x in self.wall],
            [None if x is None else x * factor for x in self.cpu],
        )


def ratio(numerator: Times, denominator: Times) -> float:
    """Median over the rounds of the ratio within a round."""
    pairs = zip(numerator.wall, denominator.wall, strict=True)
    return statistics.median(a / b for a, b in pairs if a is not None and b is not None)


def in_turns(
    calls: Mapping[str, Callable[[], Any]], rounds: int, prepare: Callable[[str], None]
) -> dict[str, Times]:
    """Times of every call in each of ``rounds`` rounds; ``prepare(name)`` comes before each."""
    times = {name: Times() for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            known = _known(times[name].wall)
            if len(known) >= LEAST and sum(known) > BUDGET:
                times[name].add(None, None)
            else:
                prepare(name)
                if known and known[-1] < SHORT:
                    time.sleep(PAUSE)
                    call()
                times[name].add(*_seconds(call))
    return times


def _seconds(call: Callable[[], Any]) -> tuple[float, float]:
    """Wall and CPU seconds of a call, with those of the processes it waited for."""
    begin, used = time.perf_counter(), _cpu_seconds()
    call()
    return time.perf_counter() - begin, _cpu_seconds() - used


def _cpu_seconds() -> float:
    usages = [resource.getrusage(x) for x in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _known(values: list[float | None]) -> list[float]:
    return [x for x in values if x is not None]
