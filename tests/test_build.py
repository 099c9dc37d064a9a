"""What the compiled kernels are made of, and what is compiled again."""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
KERNELS = ROOT / "kernels"
if not (ROOT / "tools").is_dir() or not KERNELS.is_dir():
    pytest.skip("builds need the source tree", allow_module_level=True)
sys.path.insert(0, str(ROOT / "tools"))

from build_kernels import (  # noqa: E402
    X86_64_ISAS,
    IncrementalCompiler,
    cxx_flags,
    instruction_sets,
    kernel_objects,
)

CXX = os.environ.get("CXX", "g++")
needs_compiler = pytest.mark.skipif(not shutil.which(CXX), reason=f"no {CXX}")


PER_ISA = sorted(path for path in KERNELS.rglob("*.cpp") if path.parent.name == "per_isa")


def included(path):
    """A source or header of the kernels and all headers of theirs that it includes."""
    found, waiting = set(), [path]
    while waiting:
        file = waiting.pop()
        if file not in found and file.is_file():
            found.add(file)
            names = re.findall(r'^#include "(.+)"$', file.read_text(), re.MULTILINE)
            waiting += [KERNELS / name for name in names]
    return found


def test_the_version_has_one_source():
    import cyfes

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" not in project["project"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "cyfes.__version__"}
    for recipe in (ROOT / "recipe").rglob("*.yaml"):
        # set version = "1" of Jinja; version: "1" of a v1 recipe's context
        told = re.findall(r'^(?:{% set version =|  version:) "([^"]+)"', recipe.read_text(), re.M)
        assert set(told) <= {cyfes.__version__}, recipe
        assert told or recipe.name != "meta.yaml"
    # An upgrade from the last CyFES of this name must be one.
    assert int(cyfes.__version__.split(".")[0]) >= 5


def test_per_isa_holds_what_is_compiled_per_instruction_set():
    objects = kernel_objects(X86_64_ISAS)
    repeated = {ROOT / source for folder, source, _ in objects if folder != "plain"}
    once = {ROOT / source for folder, source, _ in objects if folder == "plain"}
    assert repeated == set(PER_ISA)
    assert repeated | once == set(KERNELS.rglob("*.cpp"))
    per_isa = set().union(*(included(path) for path in repeated))
    plain = set().union(*(included(path) for path in once))
    in_folders = {path for path in KERNELS.rglob("per_isa/*") if path.suffix in (".hpp", ".cpp")}
    assert in_folders == per_isa & in_folders  # nothing lies there unused
    assert not plain & in_folders
    # What both see are structs, declarations and what has no state and nothing weak.
    assert {path.relative_to(KERNELS).as_posix() for path in per_isa - in_folders} == {
        "cyfes_kernels.h",
        "gaussian.hpp",
        "text/digits.hpp",
        "text/row_job.hpp",
        *(path.relative_to(KERNELS).as_posix() for path in (KERNELS / "cpu" / "jobs").iterdir()),
    }


@pytest.mark.parametrize(("x86_64", "environ"), [(False, {}), (True, {"CYFES_PORTABLE": "1"})])
def test_other_processors_get_no_flag_of_x86(x86_64, environ):
    isas = instruction_sets(x86_64, environ)
    objects = kernel_objects(isas)
    assert list(isas) == ["portable"]
    assert "-march" not in repr([cxx_flags(["-fopenmp"], {}), *objects])
    assert sorted(source for _, source, _ in objects) == sorted(
        str(path.relative_to(ROOT)) for path in KERNELS.rglob("*.cpp")
    )
    assert list(instruction_sets(True, {})) == ["x86-64", "x86-64-v3", "x86-64-v4"]


def test_folders_of_kernels_do_not_know_each_other():
    for folder, others in {"cpu": "text|cuda", "text": "cpu|cuda", "cuda": "cpu|text"}.items():
        for path in (KERNELS / folder).rglob("*.[ch]*"):
            assert not re.findall(rf'^#include "({others})/.*"', path.read_text(), re.MULTILINE), (
                path
            )


def test_a_header_beside_a_source_is_its_own():
    for source in KERNELS.rglob("*.cpp"):
        header = source.with_suffix(".hpp")
        if header.exists():
            first = re.findall(r'^#include "(.+)"$', source.read_text(), re.MULTILINE)[0]
            assert KERNELS / first == header, source


def test_threads_start_in_one_place():
    texts = {path: path.read_text() for path in KERNELS.rglob("*.[ch]*")}
    assert [p.name for p, text in texts.items() if "#pragma omp" in text or "omp_" in text] == [
        "parallel.cpp"
    ]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="one instruction set on this machine")
@pytest.mark.skipif(sys.platform != "linux", reason="nm tells weak symbols of ELF files")
@pytest.mark.skipif(not shutil.which("nm"), reason="no nm")
@needs_compiler
@pytest.mark.parametrize("source", PER_ISA, ids=lambda path: str(path.relative_to(KERNELS)))
def test_no_weak_symbols_per_instruction_set(source, tmp_path):
    """The linker keeps one copy of a weak symbol: it could be the one made for AVX-512."""
    target = tmp_path / f"{source.stem}.o"
    flags = ["-std=c++17", "-O1", "-fvisibility=hidden", "-Wno-psabi", "-march=x86-64-v3"]
    defines = ["-DCYFES_N_ISAS=3", "-DCYFES_ISA_INDEX=1", '-DCYFES_ISA_NAME="x86-64-v3"']
    command = [CXX, *flags, *defines, f"-I{KERNELS}", "-c", str(source), "-o", str(target)]
    subprocess.run(command, check=True)
    names = subprocess.run(["nm", "-C", target], check=True, capture_output=True, text=True).stdout
    assert "cyfes::" in names
    assert re.findall(r"^\S+ [VWuw] (.*)$", names, re.MULTILINE) == []


class SetuptoolsCompiler:
    """As much of setuptools' compiler as IncrementalCompiler knows; counts what is compiled."""

    def __init__(self):
        self.compiler_so_cxx = [CXX]
        self.compiled = []

    def _compile(self, target, source, ext, cc, extra, pp):
        subprocess.run([*self.compiler_so_cxx, *cc, source, "-o", target, *extra], check=True)
        self.compiled.append(Path(source).name)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Two sources, one of which includes a header whose name holds a space."""
    monkeypatch.chdir(tmp_path)
    Path("a.cpp").write_text('#include "a b.hpp"\nint f() { return one; }\n')
    Path("a b.hpp").write_text("constexpr int one = 1;\n")
    Path("c.cpp").write_text("int g() { return 2; }\n")
    return tmp_path


def compile_all(*flags):
    """Compile both sources as a new process would; return those that were compiled."""
    compiler = SetuptoolsCompiler()
    incremental = IncrementalCompiler(compiler)
    for source in ("a.cpp", "c.cpp"):
        target = source.replace(".cpp", ".o")
        compiler._compile(target, source, ".cpp", ["-c"], list(flags), [])
    incremental.write_commands(Path("build", "compile_commands.json"))
    return compiler.compiled


def touch_later(name):
    """Make a file newer than all objects, whatever the clock's steps."""
    later = max(p.stat().st_mtime_ns for p in Path().glob("*.o")) + 1_000_000_000
    os.utime(name, ns=(later, later))


@needs_compiler
@pytest.mark.usefixtures("project")
def test_only_stale_objects_are_compiled_again():
    assert compile_all() == ["a.cpp", "c.cpp"]
    assert compile_all() == []
    for changed, stale in (("a b.hpp", ["a.cpp"]), ("a.cpp", ["a.cpp"]), ("c.cpp", ["c.cpp"])):
        touch_later(changed)
        assert compile_all() == stale
        os.utime(changed, (0, 0))
    assert compile_all("-O1") == ["a.cpp", "c.cpp"]
    assert compile_all("-O1") == []
    Path("c.o").unlink()
    assert compile_all("-O1") == ["c.cpp"]
    Path("a b.hpp").rename("d.hpp")
    with pytest.raises(subprocess.CalledProcessError):
        compile_all("-O1")
    Path("d.hpp").rename("a b.hpp")
    assert compile_all("-O1") == ["a.cpp"]  # what failed did not leave a fresh object


@needs_compiler
def test_commands_are_written_for_editors(project):
    compile_all("-O1")
    compile_all("-O1")
    entries = json.loads(Path("build", "compile_commands.json").read_text())
    assert [(e["directory"], e["file"]) for e in entries] == [
        (str(project), "a.cpp"),
        (str(project), "c.cpp"),
    ]
    for entry in entries:
        subprocess.run(entry["arguments"], cwd=entry["directory"], check=True)
