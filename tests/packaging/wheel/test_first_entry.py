"""What auditwheel does with the entries of an RPATH: why some put a first one there to be lost.

CyFES 2.7 to 4.5 set paths for each version of Python, with one before them that auditwheel might
rewrite. auditwheel 6 goes by the text of each entry instead: what lies inside the wheel stays,
what leads out of it is dropped wherever it stands, and the folder of grafted libraries comes last.
"""

import subprocess

import archive
import pytest
import rpath
import toy
from check_cuda_library import dynamic_entries

GRAFTED = "$ORIGIN/../cyfes.libs"
INSIDE = "$ORIGIN/../nvidia/cu13/lib"
#: As after an installation of data_files, from <prefix>/cyfes.
OUTSIDE = "$ORIGIN/../../lib/python3.11/site-packages/cyfes.libs"


def repaired_rpath(compiler, tmp_path, *entries: str) -> list[str]:
    """The RPATH of a repaired library that had these entries."""
    runtime = toy.library(compiler, tmp_path / "toolkit" / "libcudart.so.13")
    tree = tmp_path / "tree"
    library = toy.library(compiler, tree / rpath.CUDA_LIBRARY, runtime)
    words = [*entries, str(runtime.parent)]
    patch = ["patchelf", "--force-rpath", "--set-rpath", ":".join(words), library]
    subprocess.run(patch, check=True)
    raw, out = toy.wheel(tree, tmp_path), tmp_path / "out"
    command = ["auditwheel", "repair", "--wheel-dir", out, raw]
    subprocess.run(command, check=True, capture_output=True)
    archive.unpack(next(out.glob("*.whl")), tmp_path / "unpacked")
    [text] = dynamic_entries(tmp_path / "unpacked" / rpath.CUDA_LIBRARY, "RPATH")
    return text.split(":")


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([], [GRAFTED]),
        ([INSIDE], [INSIDE, GRAFTED]),
        # No entry is lost for being the first, and none is saved by one before it.
        ([INSIDE, "$ORIGIN"], [INSIDE, "$ORIGIN", GRAFTED]),
        ([OUTSIDE], [GRAFTED]),
        (["$ORIGIN", OUTSIDE], ["$ORIGIN", GRAFTED]),
    ],
)
def test_first_entry(compiler, tmp_path, entries, expected):
    assert repaired_rpath(compiler, tmp_path, *entries) == expected
