"""The recipe: what its variants are, and that mistakes in using it are noticed."""

import os
import subprocess
import tomllib
from pathlib import Path

import pytest

pytest.importorskip("rattler_build", reason="no rattler-build: make conda installs it")

from build_packages import CONFIG, RECIPE, ROOT, check_croot
from meta import render
from translation import translate
from variants import UnsupportedRecipe, read_variants

VARIANTS = {variant["cuda_compiler_version"]: variant for variant in read_variants(CONFIG)}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def rendered(cuda: str) -> dict:
    return render(RECIPE / "meta.yaml", VARIANTS[cuda])


@pytest.mark.parametrize(
    ("cuda", "number", "build", "run"),
    [
        ("None", 0, "cpu", []),
        ("12.9", 200, "cuda129", ["cuda-version 12.*", "cuda-cudart 12.*"]),
        ("13.0", 100, "cuda130", ["cuda-version 13.*", "cuda-cudart 13.*"]),
    ],
)
def test_variants(cuda, number, build, run):
    meta = rendered(cuda)
    assert meta["build"]["number"] == str(number)
    assert meta["build"]["string"] == f"{build}_h${{{{ hash }}}}_{number}"
    assert meta["requirements"]["run"] == ["python", "numpy >=1.25", "libgomp", *run]
    has_nvcc = [spec for spec in meta["requirements"]["build"] if "nvcc" in spec]
    assert has_nvcc == ([] if cuda == "None" else [f"cuda-nvcc_linux-64 {cuda}.*"])


def test_the_old_toolkit_has_its_own_name():
    """The opt-in: one more value in each zipped list."""
    variant = VARIANTS["None"] | {"cuda_compiler_version": "11.8", "cuda_compiler": "nvcc"}
    meta = render(RECIPE / "meta.yaml", variant)
    assert meta["requirements"]["run"][-2:] == ["cuda-version 11.*", "cudatoolkit 11.*"]
    assert meta["build"]["number"] == "50"


def test_the_recipe_says_what_the_project_says():
    meta, project = rendered("None"), PROJECT["project"]
    assert meta["package"] == {"name": project["name"], "version": project["version"]}
    squeezed = [spec.replace(" ", "") for spec in meta["requirements"]["run"]]
    assert set(project["dependencies"]) <= set(squeezed)
    host = [spec.replace(" ", "") for spec in meta["requirements"]["host"]]
    assert set(PROJECT["build-system"]["requires"]) <= set(host)
    minimum = project["requires-python"].removeprefix(">=")
    assert VARIANTS["None"]["python"].startswith(f"{minimum}.")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  error_overlinking: true", "  no_link: [bin/cyfes]", "build: no_link: no translation"),
        ("about:", "outputs:\n  - name: x\nabout:", "the section outputs"),
        ("- libgomp", "- libgomp  # [vc < 14]", r"selector \[vc < 14\]: name 'vc'"),
        ('{{ stdlib("c") }}', '{{ cdt("mesa") }}', "'cdt' is undefined"),
        ('{{ stdlib("c") }}', '{{ stdlib("m2w64_c") }}', "no m2w64_c_stdlib"),
    ],
)
def test_the_translation_stops_at_what_it_does_not_know(old, new, message, tmp_path):
    text = (RECIPE / "meta.yaml").read_text()
    assert old in text
    path = tmp_path / "meta.yaml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(UnsupportedRecipe, match=message):
        translate(render(path, VARIANTS["None"]), RECIPE, VARIANTS["None"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("c_compiler: [gcc]  # [linux]\n", "selectors are not read"),
        ("c_compiler: gcc\n", "c_compiler is not a block list"),
        ("a:\n  - 1\nb:\n  - 1\n  - 2\nzip_keys:\n  -\n    - a\n    - b\n", "different lengths"),
    ],
)
def test_the_configuration_is_checked(text, message, tmp_path):
    path = tmp_path / "conda_build_config.yaml"
    path.write_text(text)
    with pytest.raises(UnsupportedRecipe, match=message):
        read_variants(path)


def test_block_lists_only():
    """conda-build takes "[gcc]" for a selector."""
    for path in (CONFIG, RECIPE / "meta.yaml"):
        lines = [line.partition("#")[0] for line in path.read_text().splitlines()]
        plain = [line for line in lines if "{" not in line]
        assert [line for line in plain if "[" in line] == []


def run_build_script(tmp_path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """build.sh, in an empty folder with a Python that only fails."""
    environment = {
        "PATH": os.defpath,
        "PYTHON": "false",
        "BUILD_PREFIX": str(tmp_path),
        **variables,
    }
    return subprocess.run(
        ["bash", RECIPE / "build.sh"],
        check=False, capture_output=True, text=True, env=environment, cwd=tmp_path,
    )  # fmt: skip


def test_a_configuration_that_was_not_read_is_noticed(tmp_path):
    done = run_build_script(tmp_path)
    assert done.returncode != 0
    assert "conda_build_config.yaml was not read" in done.stderr
    assert "-m conda_build_config.yaml" in done.stderr


def test_a_cuda_build_needs_nvcc(tmp_path):
    done = run_build_script(tmp_path, cuda_compiler_version="13.0", CUDA_HOME="/usr/local/cuda")
    assert done.returncode != 0
    assert f"no nvcc at {tmp_path}/bin/nvcc" in done.stderr


@pytest.mark.parametrize("croot", [".", "build/croot", "recipe/../croot"])
def test_a_croot_in_the_repository_is_refused(croot):
    with pytest.raises(SystemExit, match="choose a folder outside"):
        check_croot(ROOT / croot)


def test_a_croot_elsewhere_is_not(tmp_path):
    check_croot(tmp_path)
