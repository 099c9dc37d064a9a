"""RECORD and the archive itself."""

import csv
import os
import zipfile

import archive
import pytest
import sizes
import toy
from commands import WheelError


@pytest.fixture
def tree(tmp_path):
    tree = tmp_path / "tree"
    (tree / "cyfes").mkdir(parents=True)
    (tree / "cyfes" / "a, b.py").write_text("x = 1\n")
    (tree / "cyfes" / "program").write_text("#!/bin/sh\n")
    (tree / "cyfes" / "program").chmod(0o755)
    return tree


def test_record_names_every_file(tree, tmp_path):
    wheel = toy.wheel(tree, tmp_path)
    assert archive.record_problems(wheel) == []
    with zipfile.ZipFile(wheel) as opened:
        names = opened.namelist()
        rows = list(csv.reader(opened.read(names[-1]).decode().splitlines()))
    assert names[-1] == f"cyfes-{toy.VERSION}.dist-info/RECORD"
    assert sorted(row[0] for row in rows) == sorted(names)
    assert rows[-1] == [names[-1], "", ""]


def test_a_changed_a_lost_and_a_new_file_are_found(tree, tmp_path):
    toy.wheel(tree, tmp_path)
    (tree / "cyfes" / "a, b.py").write_text("x = 2\n")
    (tree / "cyfes" / "program").unlink()
    (tree / "cyfes" / "new.py").touch()
    changed = tmp_path / "changed.whl"
    archive.pack(tree, changed)
    problems = archive.record_problems(changed)
    assert [problem.split(" of ")[1].split(", the wheel")[0] for problem in problems] == [
        "cyfes/a, b.py",
        "cyfes/new.py",
        "cyfes/program",
    ]


def test_the_same_files_give_the_same_bits(tree, tmp_path):
    first = toy.wheel(tree, tmp_path).read_bytes()
    for path in tree.rglob("*"):
        os.utime(path, (1, 1))
    archive.pack(tree, tmp_path / "again.whl")
    assert (tmp_path / "again.whl").read_bytes() == first


def test_programs_stay_programs(tree, tmp_path):
    archive.unpack(toy.wheel(tree, tmp_path), tmp_path / "unpacked")
    assert os.access(tmp_path / "unpacked" / "cyfes" / "program", os.X_OK)
    assert not os.access(tmp_path / "unpacked" / "cyfes" / "a, b.py", os.X_OK)


def test_a_failure_leaves_nothing(tree, tmp_path, monkeypatch):
    toy.wheel(tree, tmp_path / "first")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")  # before zip's first day
    with pytest.raises(ValueError, match="1980"):
        archive.pack(tree, tmp_path / "out" / "x.whl")
    assert list((tmp_path / "out").iterdir()) == []


def test_two_packages_are_no_wheel(tree):
    (tree / "a.dist-info").mkdir()
    (tree / "b.dist-info").mkdir()
    with pytest.raises(WheelError, match="2 dist-info folders"):
        archive.dist_info(tree)


def test_generated_c_and_tests_are_strays(tree, tmp_path):
    (tree / "cyfes" / "_pyx.cpp").touch()
    (tree / "tests").mkdir()
    (tree / "tests" / "test_x.py").touch()
    problems = sizes.problems(toy.wheel(tree, tmp_path))
    strays = {problem.split(" does not")[0] for problem in problems}
    assert strays == {"cyfes/_pyx.cpp", "cyfes/program", "tests/test_x.py"}
