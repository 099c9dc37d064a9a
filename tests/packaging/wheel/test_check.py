"""`python wheel check`: each fault is made to happen in a package, and a good package has none."""

import json
import random
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import archive
import pytest
import toy

pytest.importorskip("elftools", reason="no pyelftools, which auditwheel brings")

import elf
import faults
import inspection
import package as packages
from commands import WheelError

CUDA = "Requires-Dist: nvidia-cuda-runtime<14,>=13\n"
NEIGHBOUR, GRAFTED = "$ORIGIN/../nvidia/cu13/lib", "$ORIGIN/../cyfes.libs"
SITE = "lib/python3.X/site-packages"


@pytest.fixture
def linked(compiler, tmp_path):
    """Makes a library with an RPATH in the tree of a package, that needs libraries by name."""

    def link(place: str, rpath: str = "", *needed: str, options: tuple[str, ...] = ()) -> Path:
        others = [toy.library(compiler, tmp_path / "elsewhere" / name) for name in needed]
        library = toy.library(compiler, tmp_path / "tree" / place, *others, options=options)
        command = ["--set-rpath", rpath] if rpath else ["--remove-rpath"]
        subprocess.run(["patchelf", "--force-rpath", *command, library], check=True)
        return library

    return link


def wheel(tmp_path: Path, requires: str = "") -> Path:
    return toy.wheel(tmp_path / "tree", tmp_path, requires)


def conda(tree: Path, *depends: str, name: str = "cyfes") -> Path:
    """Pack a tree as a conda package."""
    index = {"name": name, "version": "9.9", "depends": list(depends)}
    (tree / "info").mkdir()
    (tree / "info" / "index.json").write_text(json.dumps(index))
    file = tree.parent / f"{name}-9.9-0.tar.bz2"
    with tarfile.open(file, "w:bz2") as opened:
        opened.add(tree, ".")
    return file


def findings(path: Path, tmp_path: Path, name: str | None = None, beside=()) -> list[str]:
    """What the check prints of a package, but for the places in each line."""
    folder = tmp_path / "unpacked"
    shutil.rmtree(folder, ignore_errors=True)
    world = inspection.world(path, name, beside, folder)
    reports = [faults.examine(world, place) for place in world.elves]
    return [
        f"{'note' if found.note else 'fault'}: {found.words}"
        for report in reports
        for found in report.findings
    ]


def test_a_good_wheel(linked, tmp_path):
    linked("cyfes/_kernels.abi3.so", f"$ORIGIN:{GRAFTED}", "libcufes.so", "libgomp-0123.so.1")
    linked("cyfes/libcufes.so", NEIGHBOUR, "libcudart.so.13")
    linked("cyfes.libs/libgomp-0123.so.1")
    world = inspection.world(wheel(tmp_path, CUDA), None, [], tmp_path / "unpacked")
    assert inspection.lines(world)[:3] == [
        f"{SITE}/cyfes.libs/libgomp-0123.so.1",
        "    NEEDED  libc.so.6 => the system",
        f"{SITE}/cyfes/_kernels.abi3.so",
    ]
    assert {
        "    RPATH   $ORIGIN/../nvidia/cu13/lib => lib/python3.X/site-packages/nvidia/cu13/lib",
        "    NEEDED  libcudart.so.13 => nvidia-cuda-runtime, which is required, "
        "lib/python3.X/site-packages/nvidia/cu13/lib",
        f"    NEEDED  libcufes.so => this package, {SITE}/cyfes/libcufes.so",
    } <= set(inspection.lines(world))
    assert inspection.lines(world)[-1] == "cyfes: 3 libraries and programs, 0 faults, 0 notes"


@pytest.mark.parametrize(
    ("rpath", "expected"),
    [
        ("/usr/local/cuda/lib64", "RPATH /usr/local/cuda/lib64 is absolute"),
        ("lib", "RPATH lib does not begin with $ORIGIN"),
        (f"{NEIGHBOUR}::$ORIGIN", "an empty entry in the RPATH"),
        (f"{NEIGHBOUR}:$ORIGIN/../../../..", "leads out of site-packages: lost with pip --target"),
        (f"{NEIGHBOUR}:$ORIGIN/../../../python3.9/site-packages/x", "names python3.9, but"),
    ],
)
def test_entries_that_are_wrong_anywhere(linked, tmp_path, rpath, expected):
    linked("cyfes/libcufes.so", rpath, "libcudart.so.13")
    found = findings(wheel(tmp_path, CUDA), tmp_path)
    assert [line for line in found if line.startswith("fault: ") and expected in line]


@pytest.mark.parametrize(
    ("rpath", "requires", "expected"),
    [
        ("", CUDA, "is not found: nvidia-cuda-runtime has it in"),
        (NEIGHBOUR, "", "is of nvidia-cuda-runtime, which is not declared as required"),
        (NEIGHBOUR, CUDA.replace("<14,", ""), "nvidia-cuda-runtime >=13 permits other major"),
        (NEIGHBOUR, CUDA.replace("<14,>=13", "==13.*"), ""),
        (NEIGHBOUR, CUDA.replace("<14,>=13", "~=13.0"), ""),
        (NEIGHBOUR, CUDA.replace("<14,>=13", ">=12,<14"), "permits other major"),
    ],
)
def test_the_runtime_of_cuda(linked, tmp_path, rpath, requires, expected):
    linked("cyfes/libcufes.so", rpath, "libcudart.so.13")
    found = [line for line in findings(wheel(tmp_path, requires), tmp_path) if line[0] == "f"]
    assert (expected in found[0]) if expected else found == []


def test_a_package_that_stands_for_others(linked, tmp_path):
    """cuda-toolkit[cudart] brings nvidia-cuda-runtime; cuFFT's version is not CUDA's."""
    linked("cyfes/libcufes.so", NEIGHBOUR, "libcudart.so.13", "libcufft.so.12")
    requires = "Requires-Dist: cuda-toolkit[cudart,cufft]==13.*\n"
    assert findings(wheel(tmp_path, requires), tmp_path) == []


def test_an_older_cuda_has_its_version_in_the_name_of_the_package(linked, tmp_path):
    linked("cyfes/libcufes.so", "$ORIGIN/../nvidia/cuda_runtime/lib", "libcudart.so.12")
    requires = "Requires-Dist: nvidia-cuda-runtime-cu12\n"
    assert findings(wheel(tmp_path, requires), tmp_path) == []


def test_a_library_that_nobody_brings(linked, tmp_path):
    linked("cyfes/_kernels.abi3.so", "$ORIGIN", "libgomp.so.1")
    [found] = findings(wheel(tmp_path), tmp_path)
    assert found.startswith("fault: libgomp.so.1 is not found: not in the package")


def test_a_library_where_no_path_leads(linked, tmp_path):
    linked("cyfes/_kernels.abi3.so", "", "libfft.so.3")
    linked("cyfes.libs/libfft.so.3")
    [found] = findings(wheel(tmp_path), tmp_path)
    assert found.endswith(f"it lies in {SITE}/cyfes.libs, where no entry of the RPATH leads")


def test_a_path_that_only_the_loader_has_is_noted(linked, tmp_path):
    linked("cyfes/_kernels.abi3.so", GRAFTED, "libfft.so.3", "libquad.so.0")
    linked("cyfes.libs/libfft.so.3", "", "libquad.so.0")
    linked("cyfes.libs/libquad.so.0")
    [found] = findings(wheel(tmp_path), tmp_path)
    assert found.startswith("note: libquad.so.0 is found only if")


def test_a_dead_entry_is_a_fault_only_if_something_is_missed(linked, tmp_path):
    library = linked("cyfes/libcufes.so", f"$ORIGIN/../gone:{NEIGHBOUR}", "libcudart.so.13")
    dead = f"RPATH $ORIGIN/../gone leads to {SITE}/gone, which does not exist"
    assert findings(wheel(tmp_path, CUDA), tmp_path) == [f"note: {dead}"]
    shutil.rmtree(next((tmp_path / "tree").glob("*.dist-info")))
    subprocess.run(["patchelf", "--set-rpath", "$ORIGIN/../gone", library], check=True)
    assert f"fault: {dead}" in findings(wheel(tmp_path, CUDA), tmp_path)


def test_data_files_that_auditwheel_repaired(linked, tmp_path):
    """The first fault of CyFES 2 to 4: right in the unpacked wheel, wrong once installed."""
    placed = f"cyfes-{toy.VERSION}.data/data/cyfes/libcufes.so"
    linked(placed, "$ORIGIN/../../../cyfes.libs", "libcudart-0123.so.13")
    linked("cyfes.libs/libcudart-0123.so.13")
    assert findings(wheel(tmp_path), tmp_path) == [
        f"fault: libcudart-0123.so.13 is not found: it lies in {SITE}/cyfes.libs, "
        "where no entry of the RPATH leads",
        "fault: RPATH $ORIGIN/../../../cyfes.libs leads to cyfes.libs in the package, but once "
        f"installed out of the prefix: {placed} is moved",
        "fault: is installed outside of site-packages, as data_files are: lost with pip --target",
    ]


def test_what_the_compiler_left(linked, tmp_path, compiler):
    linked("cyfes/a.so", options=("-Wl,-z,execstack",))
    subprocess.run(["patchelf", "--set-rpath", "$ORIGIN", linked("cyfes/b.so")], check=True)
    source = tmp_path / "c.c"
    source.write_text('const char *c(void) { return "/home/me/project/kernels/plan.cpp"; }\n')
    subprocess.run([compiler, "-shared", source, "-o", tmp_path / "tree/cyfes/c.so"], check=True)
    found = findings(wheel(tmp_path), tmp_path)
    assert [line for line in found if "has a RUNPATH" not in line] == [
        "fault: asks for an executable stack, which glibc 2.41 refuses: link with -z noexecstack",
        "note: names a file of the build: /home/me/project/kernels/plan.cpp",
    ]
    assert (
        "note: has a RUNPATH, which LD_LIBRARY_PATH overrides: link with --disable-new-dtags"
        in found
    )


def test_a_c_library_that_the_tag_does_not_promise(linked, tmp_path, monkeypatch):
    linked("cyfes/a.so")
    tag = toy.TAG.replace("linux", "manylinux_2_1")
    monkeypatch.setattr(toy, "TAG", tag)
    [found] = findings(wheel(tmp_path), tmp_path)
    assert found.startswith("fault: asks for GLIBC_2.")
    assert found.endswith("but the package promises to run with 2.1")


def test_a_file_that_is_cut_off(linked, tmp_path):
    library = linked("cyfes/a.so")
    library.write_bytes(library.read_bytes()[:100])
    [found] = findings(wheel(tmp_path), tmp_path)
    assert found.startswith("fault: cannot be read as ELF")


def test_no_damage_is_a_crash(linked, tmp_path):
    """Bytes of the headers and of the dynamic section, each changed for itself."""
    library = linked("cyfes/a.so", GRAFTED, "libfft.so.3")
    content = library.read_bytes()
    generator = random.Random(1)
    damaged = tmp_path / "damaged.so"
    for _ in range(300):
        at = generator.randrange(4, len(content) if generator.random() < 0.3 else 1200)
        damaged.write_bytes(content[:at] + bytes([generator.randrange(256)]) + content[at + 1 :])
        found = elf.read(damaged)
        assert found is None or isinstance(found, elf.Elf)


def test_texts_and_objects_have_no_libraries(compiler, tmp_path):
    tree = tmp_path / "tree"
    (tree / "cyfes").mkdir(parents=True)
    (tree / "cyfes" / "a.so").write_text("INPUT(b.so)\n")
    (tmp_path / "o.c").write_text("int x;\n")
    command = [compiler, "-c", tmp_path / "o.c", "-o", tree / "cyfes" / "o.o"]
    subprocess.run(command, check=True)
    assert findings(wheel(tmp_path), tmp_path) == []


def test_a_wheel_beside_another(linked, tmp_path):
    linked("cyfes/libcufes.so", "$ORIGIN/../other", "libother.so.1")
    file = wheel(tmp_path, "Requires-Dist: other\n")
    assert "is not found" in findings(file, tmp_path)[0]
    tree = tmp_path / "beside"
    shutil.move(tmp_path / "elsewhere", tree / "other")
    info = tree / "other-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: Other\nVersion: 1\n\n")
    (info / "WHEEL").write_text(f"Tag: {toy.TAG}\n")
    archive.write_record(tree)
    archive.pack(tree, other := tmp_path / "other-1-py3-none-any.whl")
    assert findings(file, tmp_path, beside=[other]) == []


@pytest.mark.parametrize(
    ("tags", "python"),
    [
        (["cp310-cp310-manylinux_2_17_x86_64", "cp310-cp310-manylinux2014_x86_64"], "3.10"),
        (["cp311-abi3-linux_x86_64"], "3.X"),
        (["py3-none-any"], "3.X"),
        (["cp310-cp310-linux_x86_64", "cp311-cp311-linux_x86_64"], "3.X"),
    ],
)
def test_the_python_of_a_wheel(tags, python):
    assert packages.python_of(tags) == python


def test_the_promise_of_a_wheel():
    tags = ["cp311-abi3-manylinux2014_x86_64.manylinux_2_28_x86_64"]
    assert packages.promised_by_tags(tags) == (2, 17)
    assert packages.promised_by_tags(["cp311-abi3-linux_x86_64"]) is None


RIGHT, MOVED = "$ORIGIN/../../..", "$ORIGIN/../../lib"


@pytest.mark.parametrize(
    ("rpath", "depends", "expected"),
    [
        (RIGHT, ["python", "libgomp", "cuda-cudart 13.*"], []),
        (f"{RIGHT}:{MOVED}", ["libgomp", "cuda-cudart 13.*"], ["note: RPATH $ORIGIN/../../lib le"]),
        (RIGHT, ["cuda-cudart 13.*"], ["fault: libgomp.so.1 is of libgomp, which is not declared"]),
        (
            RIGHT,
            ["libgomp", "cuda-cudart"],
            ["fault: libcudart.so.13 is of CUDA 13 alone, but cuda-c"],
        ),
        (RIGHT, ["libgomp", "cuda-cudart", "cuda-version >=13,<14"], []),
        (
            MOVED,
            ["libgomp", "cuda-version 13.*", "cuda-cudart"],
            [
                "fault: libgomp.so.1 is not found: libgomp has it in lib, where no",
                "fault: libcudart.so.13 is not found: cuda-cudart has it in lib, where no",
                "fault: RPATH $ORIGIN/../../lib leads to lib in the package, but once installed to "
                "lib/python3.X/lib: site-packages/cyfes/_kernels.so is moved",
            ],
        ),
    ],
)
def test_a_conda_package_for_every_python(linked, tmp_path, rpath, depends, expected):
    """rattler-build counts RPATHs from the place in the package; the installer moves the file."""
    linked("site-packages/cyfes/_kernels.so", rpath, "libgomp.so.1", "libcudart.so.13")
    (tmp_path / "tree" / "lib").mkdir()
    (tmp_path / "tree" / "lib" / "a.txt").touch()
    found = findings(conda(tmp_path / "tree", *depends), tmp_path)
    assert len(found) == len(expected)
    assert [line for line, words in zip(found, expected) if not line.startswith(words)] == []


def test_conda_has_its_own_libraries_of_the_compiler(linked, tmp_path):
    linked("lib/libx.so.1", "$ORIGIN", "libstdc++.so.6", "libc.so.6")
    [found] = findings(conda(tmp_path / "tree", "__glibc >=2.28,<3.0.a0"), tmp_path)
    assert found == "fault: libstdc++.so.6 is of libstdcxx, which is not declared as required"


def test_conda_packages_of_both_formats(linked, tmp_path):
    try:
        from compression import zstd
    except ImportError:
        zstd = pytest.importorskip("backports.zstd", reason="no zstd before Python 3.14")
    linked("lib/libx.so.1", "/opt/build/lib")
    old = conda(tmp_path / "tree", "__glibc >=2.17")
    tar = tmp_path / "pkg-cyfes.tar"
    with tarfile.open(tar, "w") as opened:
        opened.add(tmp_path / "tree", ".")
    new = tmp_path / "cyfes-9.9-0.conda"
    with zipfile.ZipFile(new, "w") as opened:
        opened.writestr("pkg-cyfes.tar.zst", zstd.compress(tar.read_bytes()))
    assert findings(new, tmp_path) == findings(old, tmp_path)
    assert findings(new, tmp_path) == [
        "fault: RPATH /opt/build/lib is absolute: right on the machine of the build alone"
    ]


def test_a_virtual_environment(linked, tmp_path):
    linked("cyfes/libcufes.so", NEIGHBOUR, "libcudart.so.13")
    site = toy.installed(wheel(tmp_path, CUDA), tmp_path / "an environment")
    prefix = tmp_path / "an environment"
    # Nothing else is installed: the requirement is taken at its word.
    assert findings(prefix, tmp_path, "CyFES") == []
    (site / "nvidia" / "cu13" / "lib").mkdir(parents=True)
    shutil.copy(tmp_path / "elsewhere" / "libcudart.so.13", site / "nvidia" / "cu13" / "lib")
    info = site / "other-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: other\n\n")
    (info / "RECORD").write_text("nvidia/cu13/lib/libcudart.so.13,,\n")
    assert findings(prefix, tmp_path, "cyfes") == [
        "fault: libcudart.so.13 is of other, which is not declared as required"
    ]
    # As after pip --target.
    assert findings(site, tmp_path, "cyfes") == findings(prefix, tmp_path, "cyfes")


def test_a_conda_environment(linked, tmp_path):
    linked("lib/python3.11/site-packages/cyfes/a.so", RIGHT, "libgomp.so.1", "libz.so.1")
    prefix = tmp_path / "tree"
    for name, files, depends in (
        ("cyfes", ["lib/python3.11/site-packages/cyfes/a.so"], ["libgomp"]),
        ("_openmp_mutex", ["lib/libgomp.so.1"], []),
        ("libzlib", ["lib/libz.so.1"], []),
    ):
        (prefix / "conda-meta").mkdir(exist_ok=True)
        record = {"name": name, "files": files, "depends": depends}
        (prefix / "conda-meta" / f"{name}.json").write_text(json.dumps(record))
    assert findings(prefix, tmp_path, "cyfes") == [
        "fault: libz.so.1 is of libzlib, which is not declared as required"
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.whl"], "none.whl: cannot be read as a package"),
        (["text.whl"], "text.whl: cannot be read as a package: File is not a zip file"),
        (
            ["text.txt"],
            r"text.txt: expected a .whl, a .conda, a .tar.bz2 or the folder of a prefix",
        ),
        (["."], "name the package to check, PREFIX PACKAGE"),
        ([".", "cyfes"], "no packages: expected a folder with conda-meta/"),
        (["text.whl", "cyfes"], "a package's name, 'cyfes', belongs to a folder, not to a file"),
    ],
)
def test_what_cannot_be_read(tmp_path, tools, arguments, message):
    for name in ("text.whl", "text.txt"):
        (tmp_path / name).write_text("no package\n")
    done = command(tmp_path, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_package_that_is_not_there(linked, tmp_path):
    linked("cyfes/a.so")
    toy.installed(wheel(tmp_path), tmp_path / "environment")
    with pytest.raises(WheelError, match="no package cufes; there are cyfes"):
        inspection.world(tmp_path / "environment", "cufes", [], tmp_path)


def command(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command line in a folder."""
    program = Path(inspection.__file__).parent
    return subprocess.run(
        [sys.executable, program, "check", *arguments],
        check=False, capture_output=True, text=True, cwd=folder,
    )  # fmt: skip


def test_the_command(linked, tmp_path):
    library = linked("cyfes/a.so")
    good = command(tmp_path, wheel(tmp_path))
    assert (good.returncode, good.stderr) == (0, "")
    assert good.stdout.endswith("cyfes: 1 libraries and programs, 0 faults, 0 notes\n")
    shutil.rmtree(next((tmp_path / "tree").glob("*.dist-info")))
    subprocess.run(["patchelf", "--force-rpath", "--set-rpath", "/opt", library], check=True)
    bad = command(tmp_path, wheel(tmp_path))
    assert (bad.returncode, bad.stderr) == (1, "")
    assert f"fault: {SITE}/cyfes/a.so: RPATH /opt is absolute" in bad.stdout
