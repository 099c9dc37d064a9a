"""The kinds of targets; each names what it compares as the printed table shows it."""

from benchmarks.workload import Measured, Target


def faster(ours: str, than: str, factor: float) -> Target:
    """``ours`` takes at most the ``factor``-th part of the time of ``than``."""
    return Target(f"{than} / {ours}", factor, lambda m: m.ratio(than, ours), unit="x")


def at_most(ours: str, of: str, factor: float) -> Target:
    """``ours`` takes at most ``factor`` times as long as ``of``."""
    return Target(f"{ours} / {of}", factor, lambda m: m.ratio(ours, of), False, "x")


def seconds(ours: str, limit: float) -> Target:
    """``ours`` takes at most so many seconds."""
    return Target(f"{ours}: seconds", limit, lambda m: m.times[ours].median, False, " s")


def per_number(ours: str, n: int, limit: float) -> Target:
    """``ours`` takes at most so many nanoseconds a number."""
    what = f"{ours}: ns a number"
    return Target(what, limit, lambda m: m.times[ours].median / n * 1e9, False, " ns")


def of_fma(ours: str, part: float) -> Target:
    """``ours`` executes this part of the operations a second of the multiply-add probe."""
    return Target(f"{ours}: FLOP / multiply-add probe", part, lambda m: m.of_fma(ours))


def surface_error(ours: str, level: float, bound: float) -> Target:
    """|dF| of ``ours`` is at most ``bound`` kBT where F < ``level``."""
    what = f"{ours}: |dF| at F < {level:g}"
    return Target(what, bound, lambda m: m.errors[ours].below[level], False, " kBT")


def peak_error(ours: str, bound: float) -> Target:
    """The error of the density of ``ours`` is at most ``bound`` of its peak."""
    return Target(f"{ours}: error of the peak", bound, lambda m: m.errors[ours].of_peak, False)


def counted(what: str, limit: float, value: float | None, *, at_least: bool = False) -> Target:
    """Something counted, not timed."""

    def reached(measured: Measured) -> float:
        if value is None:
            raise KeyError(f"{what}: not counted for this compiler")
        return value

    return Target(what, limit, reached, at_least)


def equal_bits(keys: tuple[str, ...]) -> Target:
    """The results of all ``keys`` have the same bits (1) or not (0)."""

    def reached(measured: Measured) -> float:
        first, *others = (measured.results[key] for key in keys)
        return float(all(other == first for other in others))

    return Target(f"equal bits of {', '.join(keys)}", 1.0, reached)
