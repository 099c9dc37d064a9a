"""``cyfes`` as a process: pipes that close, full disks, Ctrl-C, what ``--help`` loads."""

import os
import re
import shlex
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
        patch.setenv(
            "PYTHONPATH", os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
        )
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
    # A thread's own arena is 64 MB of address space that the limit has counted already, and where
    # small blocks come from: one arena, and mappings for what is larger, leave nothing in reserve.
    malloc = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TOP_PAD_": "0"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        capture_output=True,
        env={**os.environ, **malloc},
    )
    assert done.returncode == 0, done.stderr


# What the program says, and to whom


def write_odd_names(folder):
    """HILLS of CVs that a Latin-1 terminal lacks and that would colour another."""
    write_hills(
        folder / "HILLS",
        fields="time φ d\x1b[31m sigma_φ sigma_d\x1b[31m height biasf",
        constants="",
    )


def test_standard_output_as_result_has_no_report_in_it(folder):
    plain = cyfes(folder, "sum_hills", "HILLS")
    expected = (folder / "fes.dat").read_text()
    for name in ("-", "/dev/stdout", "/dev/fd/1"):
        done = cyfes(folder, "sum_hills", "HILLS", "--outfile", name)
        assert (done.returncode, done.stdout) == (0, expected)
        assert done.stderr == plain.stdout.replace("fes.dat", name.replace("-", "/dev/stdout"))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_result_does_not_depend_on_stderr(folder):
    cyfes(folder, "sum_hills", "HILLS")
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*CYFES, "sum_hills", "HILLS", "--outfile", "-"],
            check=False, cwd=folder, stdout=subprocess.PIPE, stderr=full, timeout=60,
        )  # fmt: skip
    assert done.stdout == (folder / "fes.dat").read_bytes()


@pytest.mark.parametrize("mode", ["w", "a"])
def test_a_result_goes_after_what_a_redirected_file_holds(folder, mode):
    cyfes(folder, "sum_hills", "HILLS")
    (folder / "log").write_text("yesterday\n")
    with open(folder / "log", mode) as log:
        log.write("before\n")
        log.flush()
        done = subprocess.run(
            [*CYFES, "sum_hills", "HILLS", "--outfile", "/dev/stdout"],
            check=False, cwd=folder, stdout=log, stderr=subprocess.PIPE, timeout=60,
        )  # fmt: skip
    assert done.returncode == 0
    kept = "yesterday\n" if mode == "a" else ""
    assert (folder / "log").read_text() == f"{kept}before\n{(folder / 'fes.dat').read_text()}"


def shell(folder, line, **environment):
    return subprocess.run(
        ["bash", "-c", line.replace("cyfes", f"{shlex.quote(sys.executable)} -m cyfes")],
        check=False,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
    )


def test_a_reader_that_goes_is_answered_quietly(folder):
    line = "cyfes sum_hills HILLS --outfile - --bin 300 300 2>err | head -1; echo ${PIPESTATUS[0]}"
    done = shell(folder, line)
    assert done.stdout == "#! FIELDS phi d file.free der_phi der_d\n141\n"
    assert "error" not in (folder / "err").read_text()


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_the_surface_is_written_whoever_reads_the_report(folder, unbuffered):
    line = "cyfes sum_hills HILLS | true; echo ${PIPESTATUS[0]}"
    done = shell(folder, line, PYTHONUNBUFFERED=unbuffered)
    assert (done.stdout, done.stderr) == ("141\n", "")
    assert files(folder) == ["COLVAR", "HILLS", "fes.dat"]


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&- <&-"])
def test_closed_streams(folder, closed):
    done = shell(folder, f"cyfes sum_hills HILLS {closed}")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("hills read") == (">&-" not in closed.split())
    assert files(folder) == ["COLVAR", "HILLS", "fes.dat"]
    whole = (folder / "fes.dat").read_text()
    cyfes(folder, "sum_hills", "HILLS")
    assert (folder / "fes.dat").read_text() == whole


def test_a_surface_from_a_pipe_is_drawn(folder):
    pytest.importorskip("matplotlib")
    line = "cyfes sum_hills HILLS --outfile - 2>err | cyfes plot /dev/stdin -o x.png"
    assert shell(folder, line).returncode == 0
    assert (folder / "x.png").exists()


def test_a_result_for_a_closed_stream_is_an_error(folder):
    done = shell(folder, "cyfes sum_hills HILLS --outfile - >&-")
    assert done.returncode == 2
    assert "cyfes: error: cannot write /dev/stdout: Bad file descriptor\n" in done.stderr


@pytest.mark.parametrize(
    ("encoding", "phi"), [("ascii", r"\u03c6"), ("latin-1", r"\u03c6"), ("utf-8", "φ")]
)
def test_names_that_a_terminal_lacks_or_obeys(folder, encoding, phi):
    write_odd_names(folder)
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = cyfes(folder, "sum_hills", "HILLS", env=environment, encoding=encoding)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"CVs                {phi} [" in done.stdout
    assert r"d\x1b[31m" in done.stdout
    assert "\x1b" not in done.stdout
    done = cyfes(
        folder, "sum_hills", "HILLS", "--idw", "\x1b[2J", "--kt", "2",
        env=environment, encoding=encoding,
    )  # fmt: skip
    assert done.returncode == 2
    text = f"--idw takes some, not all, of {phi},d\\x1b[31m; got \\x1b[2J"
    assert done.stderr == f"cyfes: error: {text}\n"


def test_names_of_files_that_are_no_text_or_too_long(folder):
    for name in (b"none\xe4\x1b[31m\n", b"x" * 3000):
        done = subprocess.run(
            [*CYFES, "sum_hills", name], check=False, cwd=folder, capture_output=True, timeout=60
        )
        assert done.returncode == 2
        assert done.stderr.startswith(b"cyfes: error: cannot read ")
        assert done.stderr.count(b"\n") == 1
        assert b"\x1b" not in done.stderr
        assert len(done.stderr) < 500


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
@pytest.mark.parametrize("moment", ["sum", "write"])
def test_a_signal_leaves_no_file_behind(folder, number, moment):
    (folder / "fes.dat").write_text("old")
    hold = {
        "sum": "import cyfes.density as m\nname = 'Density.add'",
        "write": "import cyfes._kernels as m\nname = 'format_grid'",
    }[moment]
    program = (
        "import functools, signal, sys, time\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        # What runs the tests may have it ignored, as nohup does.
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"
        f"{hold}\n"
        "*owner, last = name.split('.')\n"
        "owner = functools.reduce(getattr, owner, m)\n"
        "def wait(*_, **__):\n"
        "    print('waiting', flush=True)\n"
        "    time.sleep(60)\n"
        "setattr(owner, last, wait)\n"
        "from cyfes.cli import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, "sum_hills", "HILLS"],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    while "waiting" not in process.stdout.readline():
        pass
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    how = "interrupted" if number == signal.SIGINT else f"ended by {number.name}"
    assert err == f"cyfes: {how}; no file was left half written\n"
    assert files(folder) == ["COLVAR", "HILLS", "fes.dat"]
    assert (folder / "fes.dat").read_text() == "old"


def test_a_signal_that_is_ignored_stays_ignored(folder):
    program = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "import cyfes.cli.info\n"
        "cyfes.cli.info.run = lambda _: os.kill(os.getpid(), signal.SIGHUP)\n"
        "from cyfes.cli import main\n"
        "code = main(['info'])\n"
        "assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL\n"
        "sys.exit(code)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_warnings_of_libraries_are_not_for_users(capsys, monkeypatch):
    import warnings

    from cyfes.cli import console
    from cyfes.errors import CyfesWarning

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        monkeypatch.setattr(warnings, "showwarning", console.show_warning)
        warnings.warn("invalid value encountered in subtract", RuntimeWarning, stacklevel=1)
        warnings.warn("of ours\nin two lines", CyfesWarning, stacklevel=1)
    assert capsys.readouterr().err == "cyfes: warning: of ours\\nin two lines\n"


@pytest.mark.parametrize("command", [["sum_hills"], ["plot"]])
def test_a_wrong_word_shows_a_short_usage(folder, command):
    done = cyfes(folder, *command, "--units")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 2
    done = cyfes(folder, *command, "--nonsense\x1b", "x")
    assert done.returncode == 2
    assert done.stderr.count("\n") <= 3
    assert "unrecognized arguments: --nonsense\\x1b" in done.stderr
