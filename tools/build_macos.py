"""What setuptools has to be told on a Mac: one architecture, and a macOS that is new enough."""

from collections.abc import MutableMapping, Sequence

#: The oldest macOS that has all that the kernels call; the first one for arm64.
OLDEST = "11.0"


def prepare(environ: MutableMapping[str, str], host: str, machine: str) -> None:
    """Set the variables that setuptools reads, from its name of the platform and the machine's.

    A Python for two architectures, "macosx-10.13-universal2", would compile for both at once:
    each has instruction sets of its own, and libomp is of one. The wheel's tag then names that one.
    Ends the build where ARCHFLAGS names several.
    """
    _, version, built_for = host.split("-")
    target = environ.setdefault("MACOSX_DEPLOYMENT_TARGET", max(version, OLDEST, key=_number))
    if built_for == "universal2" or environ.get("ARCHFLAGS"):
        architecture = _architecture(environ.get("ARCHFLAGS", ""), machine)
        environ["ARCHFLAGS"] = f"-arch {architecture}"
        environ["_PYTHON_HOST_PLATFORM"] = f"macosx-{target}-{architecture}"


def _number(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def _architecture(flags: str, machine: str) -> str:
    named = sorted({word for word in flags.split() if word != "-arch"})
    if len(named) > 1:
        raise SystemExit(
            f"error: ARCHFLAGS={flags!r} names {len(named)} architectures, but cyfes is compiled "
            f"for one at a time: set ARCHFLAGS='-arch {machine}'"
        )
    return named[0] if named else machine


def one_architecture(command: Sequence[str], flags: str) -> list[str]:
    """Return a compiler's command with ARCHFLAGS in place of each -arch of its own."""
    if not flags:
        return list(command)
    words, kept = iter(command), []
    for word in words:
        if word == "-arch":
            next(words, None)
        else:
            kept.append(word)
    return [*kept, *flags.split()]
