"""What atomic_write leaves behind, after success and after every failure."""

import os
import re
import stat
import subprocess
import sys
import threading

import pytest

from cyfes.errors import InputError, OutputError
from cyfes.gridfile import (
    atomic_write,
)


def test_backups_are_numbered_from_zero(tmp_path):
    path = tmp_path / "fes.dat"
    for text in (b"first", b"second", b"third"):
        with atomic_write(path) as file:
            file.write(text)
    content = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    assert content == {"fes.dat": b"third", "bck.0.fes.dat": b"first", "bck.1.fes.dat": b"second"}


def test_backup_takes_the_lowest_free_number(tmp_path):
    for name in ("x", "bck.0.x", "bck.2.x"):
        (tmp_path / name).write_text(name)
    with atomic_write(tmp_path / "x") as file:
        file.write(b"new")
    assert (tmp_path / "bck.1.x").read_text() == "x"


def test_without_backup_the_old_file_is_replaced(tmp_path):
    path = tmp_path / "x"
    path.write_text("old")
    with atomic_write(path, backup=False) as file:
        file.write(b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["x"]
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, InputError])
def test_an_exception_in_the_block_changes_nothing(tmp_path, error):
    path = tmp_path / "x"
    path.write_text("old")
    with pytest.raises(error), atomic_write(path) as file:  # noqa: PT012
        file.write(b"half")
        raise error
    assert [p.name for p in tmp_path.iterdir()] == ["x"]
    assert path.read_text() == "old"


def test_a_failing_rename_brings_the_old_file_back(tmp_path, monkeypatch):
    path = tmp_path / "x"
    path.write_text("old")

    def refuse(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OutputError, match="Input/output error"), atomic_write(path) as file:
        file.write(b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["x"]
    assert path.read_text() == "old"


def test_the_file_is_absent_until_it_is_complete(tmp_path):
    with atomic_write(tmp_path / "x") as file:
        file.write(b"half")
        file.flush()
        assert not (tmp_path / "x").exists()
    assert (tmp_path / "x").exists()


def test_permissions_follow_the_umask(tmp_path):
    old = os.umask(0o027)
    try:
        with atomic_write(tmp_path / "x"):
            pass
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o640


def test_missing_folder_and_folder_as_target(tmp_path):
    path = tmp_path / "none" / "x"
    message = re.escape(f"cannot write {path}: No such file or directory")
    with pytest.raises(OutputError, match=message), atomic_write(path):
        pass
    with pytest.raises(OutputError, match="Is a directory"), atomic_write(tmp_path):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folder_without_write_permission(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OutputError, match="Permission denied"), atomic_write(tmp_path / "x"):
            pass
    finally:
        tmp_path.chmod(0o700)


def test_full_disk_leaves_nothing_behind(tmp_path):
    path = tmp_path / "x"
    path.write_text("old")
    program = (
        "import resource, sys\n"
        "from cyfes.errors import OutputError\n"
        "from cyfes.gridfile import atomic_write\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try:\n"
        "    with atomic_write(sys.argv[1]) as file:\n"
        "        file.write(bytes(4000))\n"
        "        file.write(bytes(1000))\n"  # fits the buffer, not the disk: fails when flushed
        "except OutputError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"cannot write {path}: File too large\n"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]
    assert path.read_text() == "old"


def test_a_pipe_is_written_directly(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    received = []
    reader = threading.Thread(target=lambda: received.append(path.read_bytes()))
    reader.start()
    with atomic_write(path) as file:
        file.write(b"through")
    reader.join()
    assert received == [b"through"]
    assert [p.name for p in tmp_path.iterdir()] == ["pipe"]


def test_standard_output_is_written_directly(tmp_path):
    program = (
        "from cyfes.gridfile import atomic_write\n"
        "with atomic_write('/dev/stdout') as file: file.write(b'through')\n"
    )
    with open(tmp_path / "out", "wb") as out:
        subprocess.run([sys.executable, "-c", program], stdout=out, check=True)
    assert (tmp_path / "out").read_bytes() == b"through"


WRITER = """
import sys
from cyfes.gridfile import atomic_write
for i in range(int(sys.argv[2])):
    with atomic_write("x") as file:
        file.write(f"{sys.argv[1]}:{i}".encode())
"""


def test_concurrent_writers_lose_nothing(tmp_path):
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(n), "40"], cwd=tmp_path)
        for n in range(8)
    ]
    assert [writer.wait(timeout=60) for writer in writers] == [0] * 8
    found = {path.read_text() for path in tmp_path.iterdir()}
    assert found == {f"{n}:{i}" for n in range(8) for i in range(40)}
    assert len(list(tmp_path.iterdir())) == 8 * 40


def test_a_file_stands_under_the_name_at_any_moment(tmp_path, monkeypatch):
    (tmp_path / "x").write_text("old")
    seen = []

    def looking(action):
        def look_and_act(*arguments):
            seen.append((tmp_path / "x").read_text())
            action(*arguments)
            seen.append((tmp_path / "x").read_text())

        return look_and_act

    for name in ("link", "rename", "replace", "unlink", "remove"):
        monkeypatch.setattr(os, name, looking(getattr(os, name)))
    with atomic_write(tmp_path / "x") as file:
        file.write(b"new")
    assert seen == ["old", "old", "old", "new"]
    assert (tmp_path / "x").read_text() == "new"
    assert (tmp_path / "bck.0.x").read_text() == "old"


def test_a_file_system_without_links(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    for text in ("first", "second", "third"):
        with atomic_write(tmp_path / "x") as file:
            file.write(text.encode())
    content = {p.name: p.read_text() for p in tmp_path.iterdir()}
    assert content == {"x": "third", "bck.0.x": "first", "bck.1.x": "second"}


def test_a_folder_that_cannot_be_locked(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", refuse)
    with atomic_write(tmp_path / "x") as file:
        file.write(b"new")
    assert (tmp_path / "x").read_text() == "new"


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_and_its_target_is_written(tmp_path, there):
    data, here = tmp_path / "data", tmp_path / "here"
    data.mkdir()
    here.mkdir()
    if there:
        (data / "f").write_text("old")
    (here / "x").symlink_to("../data/f")
    with atomic_write(here / "x") as file:
        file.write(b"new")
    assert os.readlink(here / "x") == "../data/f"
    content = {p.name: p.read_text() for p in data.iterdir()}
    assert content == {"f": "new", **({"bck.0.f": "old"} if there else {})}
    assert [p.name for p in here.iterdir()] == ["x"]


def test_a_circle_of_links_is_an_error(tmp_path):
    (tmp_path / "x").symlink_to("x")
    with pytest.raises(OutputError, match="Too many levels"), atomic_write(tmp_path / "x"):
        pass
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize("mode", [0o600, 0o664, 0o444])
def test_permissions_of_the_old_file_stay(tmp_path, mode):
    path = tmp_path / "x"
    path.write_text("old")
    path.chmod(mode)
    with atomic_write(path) as file:
        file.write(b"new")
        (beside,) = (p for p in tmp_path.iterdir() if p.name != "x")
        assert stat.S_IMODE(beside.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert stat.S_IMODE((tmp_path / "bck.0.x").stat().st_mode) == mode


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "/dev//stdout"])
def test_what_is_written_to_standard_output_is_appended(tmp_path, name):
    program = (
        "import sys\n"
        "from cyfes.gridfile import atomic_write\n"
        "print('before')\n"
        "with atomic_write(sys.argv[1]) as file: file.write(b'through\\n')\n"
        "print('after')\n"
    )
    (tmp_path / "log").write_text("yesterday\n")
    with open(tmp_path / "log", "ab") as out:
        subprocess.run([sys.executable, "-c", program, name], stdout=out, check=True)
    assert (tmp_path / "log").read_text() == "yesterday\nbefore\nthrough\nafter\n"


def test_the_reader_of_a_pipe_that_goes_is_no_error_of_ours(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    with pytest.raises(BrokenPipeError), atomic_write(f"/dev/fd/{writer}") as file:
        file.write(b"text")
    os.close(writer)
