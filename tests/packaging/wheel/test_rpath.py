"""The one step of our own between auditwheel and the installed library."""

import pytest
import rpath
import toy
from check_cuda_library import dynamic_entries
from commands import WheelError


@pytest.fixture
def trees(compiler, tmp_path):
    """An unpacked wheel with an extension, and a runtime of a major version to link with."""

    def make(major):
        runtime = toy.library(compiler, tmp_path / f"libcudart.so.{major}")
        tree = tmp_path / f"tree-{major}"
        toy.library(compiler, tree / rpath.EXTENSION)
        toy.library(compiler, tree / rpath.CUDA_LIBRARY, runtime)
        return tree

    return make


def test_paths_by_variant(trees):
    tree = trees(13)
    extension, library = tree / rpath.EXTENSION, tree / rpath.CUDA_LIBRARY
    beside = "$ORIGIN/../nvidia/cu13/lib:$ORIGIN/../cyfes.libs"
    assert rpath.wanted(tree, "package") == {extension: "$ORIGIN/../cyfes.libs", library: beside}
    assert set(rpath.wanted(tree, "bundled").values()) == {"$ORIGIN/../cyfes.libs"}
    library.unlink()
    assert rpath.wanted(tree, "package") == {extension: "$ORIGIN/../cyfes.libs"}


def test_the_patch_leaves_a_whole_library_with_an_rpath(trees):
    tree = trees(13)
    library = tree / rpath.CUDA_LIBRARY
    assert dynamic_entries(library, "RPATH") != ["$ORIGIN/../cyfes.libs"]
    rpath.patch_tree(tree, "bundled")
    assert dynamic_entries(library, "RPATH") == ["$ORIGIN/../cyfes.libs"]
    # LD_LIBRARY_PATH goes before a RUNPATH.
    assert dynamic_entries(library, "RUNPATH") == []
    assert dynamic_entries(library, "SONAME") == ["libcufes.so"]


def test_a_renamed_runtime_keeps_its_version(trees, tmp_path, compiler):
    grafted = toy.library(compiler, tmp_path / "libcudart-0123abcd.so.13.0.96")
    library = toy.library(compiler, tmp_path / "libcufes.so", grafted)
    assert rpath.cuda_major(library) == 13


def test_an_older_cuda_is_refused(trees):
    with pytest.raises(WheelError, match="compiled with CUDA 12; the wheel needs 13"):
        rpath.wanted(trees(12), "package")


def test_a_library_without_the_runtime_is_refused(trees, compiler):
    tree = trees(13)
    toy.library(compiler, tree / rpath.CUDA_LIBRARY)
    with pytest.raises(WheelError, match=r"libcufes\.so does not ask for libcudart"):
        rpath.wanted(tree, "package")


def test_a_file_that_is_no_library_is_refused(tmp_path, tools):
    file = tmp_path / "text.so"
    file.write_text("not a library\n")
    with pytest.raises(WheelError, match=r"patchelf .*failed"):
        rpath.patch(file, "$ORIGIN")
    assert file.read_text() == "not a library\n"
