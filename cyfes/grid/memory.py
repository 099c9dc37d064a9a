"""How much memory a new array can have: of the machine, of the control group, of the process."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path

#: Where the kernel tells.
PROC, CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")

#: Files of a control group: limit, use, and the names of what its caches would give back.
_V2 = ("memory.max", "memory.current", "inactive_file")
_V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def free_memory(proc: Path = PROC, cgroups: Path = CGROUPS) -> int:
    """Return the bytes a new allocation can use without swapping or crossing a limit."""
    return max(0, min(_available(proc), *_group_limits(proc, cgroups), _address_space(proc)))


def _available(proc: Path) -> int:
    for line in _lines(proc / "meminfo"):
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _group_limits(proc: Path, cgroups: Path) -> Iterator[int]:
    """What each control group around this process has left."""
    for line in _lines(proc / "self" / "cgroup"):
        _, controllers, path = line.split(":", 2)
        if not controllers:
            root, names = cgroups, _V2
        elif "memory" in controllers.split(","):
            root, names = cgroups / "memory", _V1
        else:
            continue
        # Inside a container the path may be that of the host, and the root the group itself.
        group = root / path.strip().lstrip("/")
        for folder in {root, group, *group.parents}:
            if folder.is_relative_to(root):
                yield from _left(folder, *names)


def _left(folder: Path, limit: str, use: str, cache: str) -> Iterator[int]:
    limits, used = _lines(folder / limit), _lines(folder / use)
    if not (limits and used and limits[0].strip().isdigit()):
        return
    reclaimable = [line.split()[1] for line in _lines(folder / "memory.stat") if cache in line]
    yield int(limits[0]) - int(used[0]) + int(reclaimable[0] if reclaimable else 0)


def _address_space(proc: Path) -> int:
    """What ``ulimit -v`` leaves."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return 1 << 62
    pages = _lines(proc / "self" / "statm")
    return limit - (int(pages[0].split()[0]) * resource.getpagesize() if pages else 0)


def _lines(path: Path) -> list[str]:
    """The lines of a file; none where it cannot be read."""
    try:
        return path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []
