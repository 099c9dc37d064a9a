"""``cyfes`` as a process: pipes that close, full disks, Ctrl-C, what ``--help`` loads."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest
from plumed_files import write_colvar, write_hills

import cyfes as package

CYFES = [sys.executable, "-m", "cyfes"]


@pytest.fixture
def folder(tmp_path):
    """A folder with a good HILLS and a good COLVAR."""
    write_hills(tmp_path / "HILLS")
    write_colvar(tmp_path / "COLVAR")
    return tmp_path


def cyfes(folder, *arguments, **options):
    return subprocess.run(
        [*CYFES, *arguments],
        check=False,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        **options,
    )


def files(folder):
    return sorted(p.name for p in folder.iterdir())


@pytest.fixture(scope="module", autouse=True)
def importable():
    """Processes in other folders find this package."""
    root = os.path.dirname(os.path.dirname(os.path.abspath(package.__file__)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([root, os.environ.get("PYTHONPATH", "")]))
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sum_hills", "--hills", "none"], "cannot read none: No such file or directory"),
        (["sum_hills", "--hills", "HILLS", "--min", "-pi,0"], "--min without --max"),
        (["reweight", "COLVAR", "--cv", "psi", "--kt", "1"], "no column 'psi'"),
    ],
)
def test_a_refusal_is_one_line_and_exit_code_2(folder, arguments, message):
    done = cyfes(folder, *arguments)
    assert done.returncode == 2
    assert re.fullmatch(rf"cyfes: error: .*{message}.*\n", done.stderr)
    assert done.stdout == ""
    assert files(folder) == ["COLVAR", "HILLS"]


def test_a_pipe_sees_a_report_and_no_progress(folder):
    done = cyfes(folder, "sum_hills", "--hills", "HILLS")
    assert (done.returncode, done.stderr) == (0, "")
    assert "hills read         20 from HILLS\n" in done.stdout
    assert files(folder) == ["COLVAR", "HILLS", "fes.dat"]


def limit_file_size():
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))


def test_a_full_disk_leaves_the_old_file(folder):
    (folder / "fes.dat").write_text("old")
    for command in (
        ["sum_hills", "--hills", "HILLS"],
        ["reweight", "COLVAR", "--cv", "phi,d", "--kt", "2.5"],
    ):
        done = cyfes(folder, *command, preexec_fn=limit_file_size)
        assert done.returncode == 2
        assert done.stderr == "cyfes: error: cannot write fes.dat: File too large\n"
        assert files(folder) == ["COLVAR", "HILLS", "fes.dat"]
        assert (folder / "fes.dat").read_text() == "old"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_report_that_cannot_be_written_is_an_error(folder):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*CYFES, "info"],
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    assert done.returncode == 2
    assert re.fullmatch("cyfes: error: .*No space left on device\n", done.stderr)


@pytest.mark.parametrize(
    "arguments",
    [["info"], ["--help"], ["sum_hills", "--help"], ["sum_hills", "--hills", "HILLS"]],
)
def test_a_closed_pipe_is_no_error_worth_a_traceback(folder, arguments):
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [*CYFES, *arguments],
            check=False,
            cwd=folder,
            stdout=writer,
            stderr=subprocess.PIPE,
            timeout=60,
        )
    finally:
        os.close(writer)
    assert done.stderr == b""
    # argparse itself forgives a closed pipe.
    # argparse swallows the error of an unbuffered stdout (PYTHONUNBUFFERED).
    assert done.returncode in {128 + signal.SIGPIPE, *([0] if "--help" in arguments else [])}


def test_ctrl_c_stops_a_long_sum(folder):
    write_hills(folder / "HILLS", n=300000, sigma="3.0")
    # A background job of a shell ignores SIGINT, and so would the processes it starts.
    program = (
        "import signal, sys; from cyfes.cli import main\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, "sum_hills", "--hills", "HILLS", "--bin", "400,400"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("hills read")
    time.sleep(0.5)  # most likely the sum has begun; any moment must do
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGINT
    assert re.fullmatch("(cyfes: warning: .*\n)*cyfes: interrupted.*\n", err)
    assert files(folder) == ["COLVAR", "HILLS"]


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["reweight", "--help"], []])
def test_help_loads_neither_numpy_nor_the_extension(arguments):
    program = (
        "import sys\n"
        "from cyfes.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'cyfes._kernels', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], check=False, capture_output=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", ["sum_hills", "reweight"])
def test_a_command_loads_little_beside_numpy(command):
    program = (
        "import sys\n"
        "import numpy\n"
        "before = set(sys.modules)\n"
        f"import cyfes.cli.{command}\n"
        "rare = {'concurrent.futures', 'gzip', 'json', 'logging', 'numpy.typing', 'zipfile'}\n"
        "rare |= {'uuid', 'cyfes.compat', 'cyfes.plot', 'matplotlib', 'scipy'}\n"
        "sys.exit(', '.join(rare & (set(sys.modules) - before)) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_importing_cyfes_is_lazy_until_a_name_is_used():
    program = (
        "import sys, cyfes\n"
        "assert 'numpy' not in sys.modules\n"
        "assert {'Grid', 'Density', 'read_hills'} <= set(dir(cyfes))\n"
        "cyfes.Grid\n"
        "assert 'numpy' in sys.modules\n"
        "assert not hasattr(cyfes, 'Nonsense')\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, timeout=60)


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="no /proc")
def test_memory_that_runs_out_among_threads_is_an_exception():
    program = (
        "import resource\n"
        "import numpy as np\n"
        "from cyfes import _kernels\n"
        "from cyfes.grid import Grid\n"
        "grid = Grid.from_bins(['a', 'b'], [0, 0], [1, 1], [64, 64], [True, True])\n"
        "def spread(n):\n"
        "    centers, density = np.random.default_rng(0).random((n, 2)), np.zeros(grid.shape)\n"
        "    kernels = centers, np.full((1, 2), 0.01), np.ones(n)\n"
        "    _kernels.spread(grid, *kernels, density, n_threads=2, method='stamps')\n"
        "spread(1)  # starts the threads\n"
        "pages = int(open('/proc/self/statm').read().split()[0])\n"
        "size, most = pages * resource.getpagesize(), resource.RLIM_INFINITY\n"
        "resource.setrlimit(resource.RLIMIT_AS, (size + 2**20, most))\n"
        "try: spread(5000)\n"
        "except MemoryError as error: message = str(error)\n"
        "resource.setrlimit(resource.RLIMIT_AS, (most, most))\n"
        "spread(5000)\n"
        "assert message == 'not enough memory for this computation'\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True)
    assert done.returncode == 0, done.stderr
