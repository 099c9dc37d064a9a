"""Everything in the wheel has its licence: text, expression, and field in the SBOMs."""

import email
import json

import archive
import grafting
import licensing
import pytest
import rpath
import sbom
import toy
from commands import WheelError

#: What auditwheel writes for a library of a package of the system.
AUDITWHEEL = {
    "bomFormat": "CycloneDX",
    "metadata": {"component": {"type": "library", "name": "cyfes"}},
    "components": [{"type": "library", "name": "cyfes"}, {"type": "library", "name": "libgomp1"}],
}
EXPRESSION = "MIT AND GPL-3.0-or-later WITH GCC-exception-3.1"


@pytest.fixture
def make(compiler, tmp_path, monkeypatch):
    """Make an unpacked wheel as auditwheel leaves it, with grafted libraries of these names."""
    eula = tmp_path / "License.txt"
    eula.write_text("the terms of NVIDIA\n")
    own = licensing.text_of
    monkeypatch.setattr(
        licensing, "text_of", lambda name: eula if name.startswith("nvidia/") else own(name)
    )

    def made(*grafted):
        tree = tmp_path / "tree"
        toy.library(compiler, tree / rpath.EXTENSION)
        for name in grafted:
            toy.library(compiler, tree / rpath.GRAFTED / name)
        toy.wheel(tree, tmp_path, "License-Expression: MIT\nLicense-File: LICENSE\n")
        info = archive.dist_info(tree)
        (info / "licenses").mkdir()
        (info / "licenses" / "LICENSE").write_text("MIT\n")
        (info / "sboms").mkdir()
        (info / "sboms" / "auditwheel.cdx.json").write_text(json.dumps(AUDITWHEEL))
        return tree

    return made


def packed(tree, tmp_path):
    archive.write_record(tree)
    archive.pack(tree, tmp_path / "made.whl")
    return tmp_path / "made.whl"


@pytest.mark.parametrize(
    ("libraries", "expression", "files"),
    [
        (["libgomp-0123.so.1"], EXPRESSION, 4),
        (
            ["libcudart-0123.so.13", "libgomp-0123.so.1"],
            f"MIT AND {licensing.NVIDIA} AND {licensing.GCC}",
            5,
        ),
    ],
)
def test_every_grafted_library_has_its_licence(make, tmp_path, libraries, expression, files):
    tree = make(*libraries)
    licensing.write(tree)
    info = archive.dist_info(tree)
    told = email.message_from_string((info / "METADATA").read_text())
    assert set(told["License-Expression"].split(" AND ")) == set(expression.split(" AND "))
    assert len(told.get_all("License-Expression")) == 1
    named = told.get_all("License-File")
    assert sorted(named) == sorted(set(named))
    assert len(named) == files
    assert told.get_payload() == "A toy.\n"
    assert all((info / "licenses" / name).read_text() for name in named)
    assert list(licensing.problems(packed(tree, tmp_path))) == []


def test_what_is_missing_is_found(make, tmp_path):
    tree = make("libgomp-0123.so.1")
    problems = list(licensing.problems(packed(tree, tmp_path)))
    assert problems[0].startswith("License-Expression ['MIT'], but")
    assert "licenses/gcc/GPL-3.0.txt is missing" in problems
    licensing.write(tree)
    (archive.dist_info(tree) / "licenses" / "gcc" / "GPL-3.0.txt").unlink()
    problems = list(licensing.problems(packed(tree, tmp_path)))
    assert problems == ["licenses/gcc/GPL-3.0.txt is missing"]


def test_a_library_that_nobody_thought_of_is_refused(make):
    tree = make("libquadmath-0123.so.0")
    with pytest.raises(WheelError, match="no licence is known for libquadmath-0123"):
        licensing.write(tree)


def test_the_texts_are_whole():
    texts = {name: (licensing.TEXTS / name).read_text() for name in licensing.FILES[licensing.GCC]}
    gpl, exception, sources = texts.values()
    assert "GNU GENERAL PUBLIC LICENSE\n                       Version 3, 29 June 2007" in gpl
    assert "END OF TERMS AND CONDITIONS" in gpl
    assert "Version 3.1, 31 March 2009" in exception
    assert exception.endswith("requirements of the license of GCC.\n")
    assert "https://gcc.gnu.org" in sources
    assert set(licensing.FILES) == set(licensing.LICENSES.values())


def test_every_component_of_every_sbom_has_a_licence(make):
    tree = make("libgomp-0123.so.1")
    sbom.write(tree, "package")
    files = sorted(archive.dist_info(tree).glob("sboms/*.json"))
    assert [file.name for file in files] == ["auditwheel.cdx.json", sbom.NAME]
    for file in files:
        document = json.loads(file.read_text())
        for part in (document["metadata"]["component"], *document["components"]):
            own = part["name"] == "cyfes"
            expected = {"license": {"id": "MIT"}} if own else {"expression": licensing.GCC}
            assert part["licenses"] == [expected]


@pytest.mark.parametrize(
    ("with_cuda", "cudart", "tag"),
    [(True, "package", ""), (True, "bundled", "1bundled"), (False, "package", "0cpu")],
)
def test_files_that_differ_have_names_that_differ(make, with_cuda, cudart, tag):
    tree = make("libgomp-0123.so.1")
    if with_cuda:
        (tree / rpath.CUDA_LIBRARY).touch()
    old = "cyfes-5.0-cp311-abi3-manylinux_2_28_x86_64.whl"
    (file,) = archive.dist_info(tree).glob("sboms/*.json")
    file.write_text(json.dumps(AUDITWHEEL | {"purl": f"pkg:pypi/cyfes@5.0?file_name={old}"}))
    name = grafting.named_apart(tree, old, cudart)
    assert json.loads(file.read_text())["purl"].endswith(f"={name}")
    middle = f"-{tag}-" if tag else "-"
    assert name == f"cyfes-5.0{middle}cp311-abi3-manylinux_2_28_x86_64.whl"
    told = email.message_from_string((archive.dist_info(tree) / "WHEEL").read_text())
    assert told.get_all("Build", []) == ([tag] if tag else [])
