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
