"""Threads that cannot be had: after a fork, and where the system starts no more."""

import os
import resource
import subprocess
import sys

import pytest

import cyfes as package

#: Every loop of the kernels that runs on threads, and a digest of what comes out.
LOOPS = """
import hashlib, os, sys, warnings
import numpy as np
from cyfes import Density, Grid, _kernels

def line(d, n):
    return Grid.from_bins([f"s{i}" for i in range(d)], [0] * d, [1] * d, [n] * d, [False] * d)

def sums(n_threads):
    rng = np.random.default_rng(0)
    digest = hashlib.sha1()
    for d, method in ((1, "moments"), (2, "moments"), (3, "moments"), (2, "tiles"), (2, "stamps")):
        density = Density(line(d, 60 if d < 3 else 20), method=method, n_threads=n_threads)
        density.add(rng.random((20_000 if method == "moments" else 500, d)), np.full((1, d), 0.05))
        digest.update(density.values)
    weights = np.empty(200_000)
    _kernels.weigh(np.linspace(-1, 0, 200_000), 0, weights, n_threads)
    values = np.zeros(3000)
    points, period = rng.random((3000, 2)), np.zeros(2)
    _kernels.evaluate(
        points, period, points[:99], np.ones((1, 2)), np.ones(99), values, n_threads=n_threads
    )
    shares = _kernels.mbar_sums(
        rng.random((20_000, 1)), np.zeros(1), rng.random((20, 1)), np.ones((20, 1)), np.zeros(20),
        n_threads=n_threads,
    )
    digest.update(shares)
    text = _kernels.format_grid(line(2, 199), [np.ones((200, 200))], 0, 40_000, 14, 9, n_threads)
    rows = _kernels.parse_rows(text, 3, [0, 1, 2], n_threads)[0]
    digest.update(b"".join([weights, values, text, *rows]))
    return digest.hexdigest()
"""

FORK = """
first = sums(4)
pid = os.fork()
if pid == 0:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        same = sums(4) == first
    texts = [str(w.message) for w in found if "forked" in str(w.message)]
    os._exit(0 if same and len(texts) == 1 and _kernels.max_threads() == 1 else 3)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
assert sums(4) == first
"""

POOL = """
import multiprocessing
if __name__ == "__main__":
    warnings.simplefilter("ignore")
    first = sums(0)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert set(pool.map(sums, [0, 1, 3, 4])) == {first}
"""

#: A child of a process that used no threads has all of its own.
FORK_FIRST = """
pid = os.fork()
if pid == 0:
    warnings.simplefilter("error")
    sums(4)
    os._exit(0 if _kernels.max_threads() == int(os.environ["OMP_NUM_THREADS"]) else 3)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
"""

LIMITED = """
import resource
first = sums(1)
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + 500 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
with warnings.catch_warnings(record=True) as found:
    warnings.simplefilter("always")
    assert sums(500) == first
assert found and "threads are used instead of 500" in str(found[0].message), found
print(str(found[0].message).split()[0])
"""


def large_stacks():
    """Threads of the process take 64 MB each."""
    resource.setrlimit(resource.RLIMIT_STACK, (2**26, resource.getrlimit(resource.RLIMIT_STACK)[1]))


def run(code, **options):
    root = os.path.dirname(os.path.dirname(os.path.abspath(package.__file__)))
    environ = os.environ | {"PYTHONPATH": root, "OMP_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", LOOPS + code],
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **options,
    )


@pytest.mark.parametrize("code", [FORK, POOL, FORK_FIRST], ids=["fork", "pool", "fork first"])
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_sums_on_what_threads_it_has(code):
    done = run(code)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="no /proc")
def test_no_more_threads_than_the_system_starts():
    done = run(LIMITED, preexec_fn=large_stacks)
    assert done.returncode == 0, done.stderr
    assert 1 <= int(done.stdout) < 9
