"""The recipes: what their variants are, that both say the same, and that mistakes are noticed."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytest.importorskip("rattler_build", reason="no rattler-build: make conda installs it")

import yaml
from build_packages import CONFIG, RECIPE, RECIPE_V1, ROOT, check_croot, every_variant
from meta_yaml import UnsupportedRecipe, render
from rattler_build import Stage0Recipe
from rattler_tool import PLATFORM, alone, configuration
from rattler_tool import render as render_v1

sys.path.append(str(ROOT / "tools"))
import check_release

VARIANTS = every_variant()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
MACS = ["osx-64", "osx-arm64"]
#: Every variant of every platform: CUDA and the platform.
EVERYWHERE = [(cuda, "linux-64") for cuda in VARIANTS]
EVERYWHERE += [(cuda, "linux-aarch64") for cuda in VARIANTS]
EVERYWHERE += [("None", platform) for platform in MACS]


def variant_of(cuda: str, platform: str) -> dict:
    """What conda_build_config.yaml says for a platform, with one of its CUDA versions."""
    if platform.startswith("linux"):
        return VARIANTS[cuda]
    [only] = configuration(CONFIG, platform=platform).combinations()
    assert only["cuda_compiler_version"] == cuda
    return only


def rendered(cuda: str, platform: str = PLATFORM) -> dict:
    """recipe.yaml for one variant."""
    [variant] = render_v1(RECIPE_V1, alone(variant_of(cuda, platform)), platform)
    return variant.recipe.to_dict()


def skipped(variant: dict, system: str = "linux") -> list[bool]:
    """What both recipes say of a variant: rattler-build's Python interface does not tell."""
    names = {name: name == system for name in ("linux", "osx", "win")}
    [expression] = re.findall(r"skip: true  # \[(.*)\]", (RECIPE / "meta.yaml").read_text())
    v0 = bool(eval(expression, dict(names), variant))
    conditions = yaml.safe_load(RECIPE_V1.read_text())["build"]["skip"]
    words = " or ".join(f"({condition})" for condition in conditions)
    context = names | {"cuda": variant["cuda_compiler_version"], "skip": f"${{{{ {words} }}}}"}
    recipe = {"context": context, "package": {"name": "x", "version": "1"}}
    [v1] = Stage0Recipe.from_dict(recipe | {"schema_version": 1}).render(alone(variant))
    return [v0, v1.recipe.context["skip"] == "true"]


@pytest.mark.parametrize(
    ("cuda", "number", "build", "run"),
    [
        ("None", 0, "cpu", []),
        ("12.9", 200, "cuda129", ["cuda-version 12.*", "cuda-cudart 12.*"]),
        ("13.0", 100, "cuda130", ["cuda-version 13.*", "cuda-cudart 13.*"]),
        ("11.8", 50, "cuda118", ["cuda-version 11.*", "cudatoolkit 11.*"]),
    ],
)
def test_variants(cuda, number, build, run):
    recipe = rendered(cuda)
    assert recipe["build"].get("number", 0) == number
    assert re.fullmatch(rf"{build}_h[0-9a-f]{{7}}_{number}", recipe["build"]["string"])
    assert recipe["requirements"]["run"] == ["python", "numpy >=1.25", "libgomp", *run]
    has_nvcc = [spec for spec in recipe["requirements"]["build"] if "nvcc" in spec]
    compiler = "nvcc" if cuda == "11.8" else "cuda-nvcc"
    assert has_nvcc == ([] if cuda == "None" else [f"{compiler}_{PLATFORM} {cuda}.*"])


def test_the_old_toolkit_must_be_asked_for():
    assert configuration(CONFIG).get_values("cuda_compiler_version") == ["None", "12.9", "13.0"]
    assert VARIANTS["11.8"]["c_compiler_version"] == "11"


@pytest.mark.parametrize(("cuda", "platform"), EVERYWHERE)
def test_both_recipes_say_the_same(cuda, platform):
    v0 = render(RECIPE / "meta.yaml", variant_of(cuda, platform), platform)
    v1 = rendered(cuda, platform)
    assert v1["package"] == v0["package"]
    assert str(v1["build"].get("number", 0)) == v0["build"]["number"]
    assert re.sub(r"_h\w{7}_", "_hHASH_", v1["build"]["string"]) == v0["build"]["string"]
    needed, wanted = v0["requirements"], v1["requirements"]
    for section in ("build", "host", "run"):
        assert wanted[section] == needed[section]
    assert wanted["run_constraints"] == needed["run_constrained"]
    assert wanted["ignore_run_exports"] == {"by_name": v0["build"]["ignore_run_exports"]}
    assert v1["build"]["python"]["version_independent"]
    assert v0["build"]["python_version_independent"] == "true"
    assert v1["build"]["dynamic_linking"]["overlinking_behavior"] == "error"
    assert v0["build"]["error_overlinking"] == "true"


@pytest.mark.parametrize("platform", ["linux-64", "osx-arm64"])
def test_both_recipes_test_the_same(platform):
    v0 = render(RECIPE / "meta.yaml", variant_of("None", platform), platform)["test"]
    v1 = rendered("None", platform)["tests"]
    imports, commands = v1
    assert imports["python"]["imports"] == v0["imports"]
    # In recipe.yaml, pip check belongs to the imports.
    assert [c.replace("${{ flavour }}", "cpu") for c in commands["script"]] == v0["commands"][1:]
    assert commands["files"]["source"] == v0["source_files"]
    assert ["pip", *commands["requirements"]["run"]] == v0["requires"]


def test_shipped_tests_have_what_they_read():
    shipped = render(RECIPE / "meta.yaml", VARIANTS["None"], "linux-64")["test"]["source_files"]
    files = {path for pattern in shipped for path in ROOT.glob(pattern)}
    tests = ROOT / "tests"
    helpers = {path.stem: path for path in tests.glob("*.py")}
    for path in files & set(tests.glob("*.py")):
        text = path.read_text()
        imported = set(re.findall(r"^(?:from|import) (\w+)", text, re.MULTILINE)) & set(helpers)
        assert {helpers[name] for name in imported} <= files, path
        # Their data are not shipped, but for those of check_package.py.
        assert not re.search(r'(\(__file__\)\.parent|TESTS) / "data"', text), path


def test_both_recipes_are_about_the_same():
    v0, v1 = (yaml.safe_load(_about(path)) for path in (RECIPE / "meta.yaml", RECIPE_V1))
    names = {"homepage": "home", "documentation": "doc_url", "repository": "dev_url"}
    assert {names.get(key, key): value for key, value in v1["about"].items()} == v0["about"]
    assert v1["extra"] == v0["extra"]


def _about(path: Path) -> str:
    return path.read_text()[path.read_text().index("\nabout:") :]


def test_one_python_is_built_for():
    variant = VARIANTS["None"]
    assert skipped(variant) == [False, False]
    assert skipped(variant | {"is_python_min": False}) == [True, True]


def test_what_is_built_where():
    for cuda in VARIANTS:
        assert skipped(VARIANTS[cuda]) == [False, False]
        assert skipped(VARIANTS[cuda], "osx") == [cuda != "None"] * 2
        assert skipped(VARIANTS[cuda], "win") == [True, True]


@pytest.mark.parametrize("platform", MACS)
def test_macs(platform):
    recipe = rendered("None", platform)
    compilers = [f"clang_{platform} 19.*", f"clangxx_{platform} 19.*"]
    assert recipe["requirements"]["build"][:3] == [
        *compilers, f"macosx_deployment_target_{platform} 11.0.*",
    ]  # fmt: skip
    assert recipe["requirements"]["run"] == ["python", "numpy >=1.25", "llvm-openmp"]
    assert "llvm-openmp" in recipe["requirements"]["host"]
    assert not [spec for section in recipe["requirements"].values() for spec in section
                if "gomp" in spec or "cuda_" in spec or spec.startswith("gxx")]  # fmt: skip


def test_cross_compilers_have_what_runs_on_the_building_machine():
    platforms = (PLATFORM, "linux-aarch64")
    here, elsewhere = (rendered("None", platform)["requirements"] for platform in platforms)
    more = ["python", "cross-python_linux-aarch64", "cython >=3.1"]
    assert elsewhere["build"] == [
        *(spec.replace("linux-64", "linux-aarch64") for spec in here["build"]),
        *more,
    ]
    assert elsewhere["host"] == here["host"]


def test_the_recipe_says_what_the_project_says():
    recipe, project = rendered("None"), PROJECT["project"]
    assert recipe["package"] == {"name": project["name"], "version": check_release.version()}
    run, host = (
        {spec.replace(" ", "") for spec in recipe["requirements"][section]}
        for section in ("run", "host")
    )
    assert set(project["dependencies"]) <= run
    assert set(PROJECT["build-system"]["requires"]) <= host
    minimum = project["requires-python"].removeprefix(">=")
    assert VARIANTS["None"]["python"].startswith(f"{minimum}.")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("- numpy >=1.25", "- numpy >=1.25  # [vc < 14]", r"selector \[vc < 14\]: name 'vc'"),
        ('{{ stdlib("c") }}', '{{ cdt("mesa") }}', "'cdt' is undefined"),
        ('{{ stdlib("c") }}', '{{ stdlib("m2w64_c") }}', "no m2w64_c_stdlib"),
    ],
)
def test_what_is_not_read_is_an_error(old, new, message, tmp_path):
    text = (RECIPE / "meta.yaml").read_text()
    assert old in text
    path = tmp_path / "meta.yaml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(UnsupportedRecipe, match=message):
        render(path, VARIANTS["None"])


def test_block_lists_only():
    """conda-build takes "[gcc]" for a selector."""
    for path in (CONFIG, RECIPE / "cuda118.yaml", RECIPE / "meta.yaml"):
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
