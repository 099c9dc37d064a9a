"""A few inputs of every target; with CYFES_FUZZ_SECONDS other ones, for that time."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
#: In processes of their own, which may fork: they have no threads.
PATHS = [str(HERE), str(HERE.parent), os.environ.get("PYTHONPATH", "")]
#: An empty entry would be the folder at work, with a cyfes that is not compiled.
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, PATHS))}


def test_no_law_is_broken(tmp_path):
    seconds = os.environ.get("CYFES_FUZZ_SECONDS")
    budget = ["--seconds", seconds] if seconds else ["--inputs", "900", "--seed", "0"]
    results = Path("build/fuzz") if seconds else tmp_path
    command = [sys.executable, HERE / "run.py", "--results", results, *budget]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 0, done.stdout + done.stderr


FAULTY = """
import os, signal, time
from pathlib import Path
import workers
from targets import TARGETS, Target
from run import summary

def check(content, folder):
    number = int(content)
    if number == 3:
        os.kill(os.getpid(), signal.SIGSEGV)
    if number == 5:
        time.sleep(60)
    if number == 8:
        raise ValueError("eight")

TARGETS["faulty"] = Target(lambda rng: str(rng.number).encode(), check)
workers.random.Random = lambda text: type("", (), {"number": text.split("/")[-1]})
workers.PATIENCE = 0.5
print(workers.fuzz("faulty", 0, Path("results"), inputs=10, seconds=60, n_workers=2))
print(*summary(Path("results")), sep="\\n")
"""


def test_crashes_hangs_and_exceptions_are_found(tmp_path):
    """The inputs that did it are kept, and the other ones tried."""
    command = [sys.executable, "-c", FAULTY]
    done = subprocess.run(
        command, check=True, cwd=tmp_path, capture_output=True, text=True, env=ENVIRONMENT
    )
    tried, *faults = done.stdout.splitlines()
    assert tried == "8"
    assert [fault.split()[1] for fault in faults] == [
        "faulty-ValueError-_string__check:",
        "faulty-ended_with_-11:",
        "faulty-hangs_for_0_5_s:",
    ]
    kept = {path.name: path.read_text() for path in tmp_path.glob("results/*/*.input")}
    assert kept == {"0-3.input": "3", "0-5.input": "5", "0-8.input": "8"}
