"""Peak memory of a process, without the files it has mapped."""

import re
import subprocess
import time
from pathlib import Path

_ANONYMOUS = re.compile(r"^RssAnon:\s+(\d+) kB$", re.MULTILINE)


def peak_memory(command: list[str], folder: Path) -> float | None:
    """Most bytes of anonymous memory a program holds, looked at each millisecond; None where the
    system does not tell."""
    if not Path("/proc/self/status").exists():
        return None
    most = 0
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        while process.poll() is None:
            most = max(most, _anonymous(process.pid))
            time.sleep(0.001)
        words = process.stderr.read().decode() if process.stderr else ""
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {words}")
    return float(most)


def _anonymous(pid: int) -> int:
    try:
        found = _ANONYMOUS.search(Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0
