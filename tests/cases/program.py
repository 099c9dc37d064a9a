"""The program on command lines: in forks of one warm process, or in a shell where one is needed.

A command without pipes runs in a child of a process that has imported cyfes and never computed:
as isolated as a process of its own, crashes included, and ten times as quick.
"""

import json
import os
import re
import signal
import subprocess
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path

#: Seconds after which a command counts as hanging.
LIMIT = 60
SHELL = re.compile(r"[|<>`$]|^\s*\w+=|^\s*timeout ")


@dataclass(frozen=True)
class Outcome:
    """What one command did."""

    words: list[str]
    code: int
    out: str
    err: str
    #: It ran in a shell, whose code is that of the last program of a pipe.
    piped: bool = False

    @property
    def written(self) -> list[str]:
        """The files that the report names, in its order."""
        return re.findall(r"^written\s+(.+)$", self.out, re.MULTILINE)


class Programs:
    """Runs commands; ``close`` ends the warm process."""

    def __init__(self, scratch: Path) -> None:
        import cyfes

        self.scratch = scratch
        wrapper = scratch / "bin" / "cyfes"
        wrapper.parent.mkdir(parents=True)
        wrapper.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m cyfes "$@"\n')
        wrapper.chmod(0o755)
        paths = [str(Path(cyfes.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
        self.environment = os.environ | {
            "PATH": os.pathsep.join([str(wrapper.parent), os.environ["PATH"]]),
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        }
        self.server = subprocess.Popen(
            [sys.executable, __file__], env=self.environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def close(self) -> None:
        self.server.communicate("")

    def run(self, segment: str, words: list[str], folder: Path) -> Outcome:
        """Run one command of a case in its folder."""
        if SHELL.search(segment):
            return self.in_shell(segment, words, folder)
        names = [str(self.scratch / name) for name in ("out", "err")]
        request = {"words": words[1:], "folder": str(folder), "out": names[0], "err": names[1]}
        self.server.stdin.write(json.dumps(request) + "\n")
        self.server.stdin.flush()
        answer = self.server.stdout.readline()
        if not answer:
            raise RuntimeError("cyfes could not be imported, see above")
        texts = [Path(name).read_text(errors="backslashreplace") for name in names]
        return Outcome(words, int(answer), *texts)

    def in_shell(self, segment: str, words: list[str], folder: Path) -> Outcome:
        done = subprocess.run(
            ["bash", "-c", segment], check=False, cwd=folder, env=self.environment,
            capture_output=True, text=True, errors="backslashreplace", timeout=LIMIT,
        )  # fmt: skip
        return Outcome(words, done.returncode, done.stdout, done.stderr, piped=True)


def serve() -> None:
    """Fork for every request on stdin and answer with the exit code, minus a signal's number."""
    from cyfes.cli import main, reweight, sum_hills  # noqa: F401  imported once for all children

    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            answer(main, request)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(code, flush=True)


def answer(main, request: dict) -> None:
    """In a child: run one command as ``python -m cyfes`` does, and end."""
    code = 1
    try:
        signal.alarm(LIMIT)  # a command that hangs ends by this signal
        os.chdir(request["folder"])
        for number, name in ((0, os.devnull), (1, request["out"]), (2, request["err"])):
            flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            os.dup2(os.open(name, flags), number)
        code = main(request["words"])
    except SystemExit as stop:
        code = stop.code
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    serve()
