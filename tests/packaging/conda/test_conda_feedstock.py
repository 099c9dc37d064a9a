"""The feedstock: nothing of a checkout or of an example in it, and conda-forge's variants."""

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rattler_build", reason="no rattler-build: make conda installs it")

import feedstock
import yaml
from build_packages import RECIPE, ROOT
from meta_yaml import render
from rattler_tool import alone, configuration
from rattler_tool import render as render_v1

PINNING = Path(__file__).with_name("pinning")
VERSION = re.search(r'set version = "(.*)"', (RECIPE / "meta.yaml").read_text())[1]
HOST = "https://files.cyfes-project.org"
GIVEN = {
    "url": f"{HOST}/v{VERSION}/cyfes-{VERSION}.tar.gz",
    "home": HOST,
    "docs": f"{HOST}/docs",
    "repository": f"{HOST}/source",
    "maintainers": ("octocat",),
}


@pytest.fixture(scope="module")
def sdist(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("sdist") / f"cyfes-{VERSION}.tar.gz"
    path.write_bytes(b"an archive")
    return path


@pytest.fixture(scope="module")
def folder(sdist, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("feedstock") / "cyfes"
    feedstock.write(path, feedstock.Release(sdist=sdist, **GIVEN))
    return path


def test_files(folder):
    files = (path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))
    both = [
        f"{name}/{file}"
        for name, recipe in (("recipe", "recipe.yaml"), ("recipe-v0", "meta.yaml"))
        for file in sorted(["build.sh", "conda_build_config.yaml", recipe])
    ]
    assert sorted(files) == sorted(["conda-forge.yml", *both])


def test_nothing_of_the_checkout_is_left(folder):
    for path in folder.rglob("*.*"):
        text = path.read_text()
        for word in ("path: ", "was-not-read", "was not read", "rm -rf", "example", "to-be-named"):
            assert word not in text, f"{path.name}: {word}"
    script = (folder / "recipe" / "build.sh").read_text()
    assert "-Wl,--build-id=none" in script
    subprocess.run(["bash", "-n", folder / "recipe" / "build.sh"], check=True)


def test_source(folder):
    recipe = yaml.safe_load((folder / "recipe" / "recipe.yaml").read_text())
    assert recipe["source"]["url"] == GIVEN["url"].replace(VERSION, "${{ version }}")
    meta = render(folder / "recipe-v0" / "meta.yaml", variants(folder, "False")[0])
    assert meta["source"]["url"] == GIVEN["url"]
    digest = hashlib.sha256(b"an archive").hexdigest()
    assert meta["source"]["sha256"] == recipe["source"]["sha256"] == digest
    assert recipe["extra"]["recipe-maintainers"] == ["octocat"]
    assert recipe["about"]["homepage"] == HOST


def variants(folder: Path, cuda: str, *more: Path) -> list[dict]:
    """What conda-forge's pinning makes of the feedstock, CUDA enabled or not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CF_CUDA_ENABLED", cuda)
        own = folder / "recipe" / "conda_build_config.yaml"
        pinned = PINNING / "conda_build_config.yaml"
        return list(configuration(pinned, *more, own).combinations())


def needs_a_python(variant: dict) -> bool:
    return variant["python"].startswith("3.11.") and variant["is_python_min"]


@pytest.mark.parametrize(
    ("cuda", "more", "expected"),
    [
        ("False", [], [("None", "15", 0)]),
        ("True", [], [("12.9", "14", 200), ("None", "15", 0)]),
        ("True", [PINNING / "cuda130" / "conda_build_config.yaml"], [("13.0", "15", 100)]),
    ],
)
def test_one_build_for_each_cuda_version(folder, cuda, more, expected):
    found = variants(folder, cuda, *more)
    assert all(map(needs_a_python, found))
    rows = set()
    for variant in found:
        [v1] = render_v1(folder / "recipe" / "recipe.yaml", alone(variant))
        v0 = render(folder / "recipe-v0" / "meta.yaml", variant)
        recipe = v1.recipe.to_dict()
        for section in ("build", "host", "run"):
            assert recipe["requirements"][section] == v0["requirements"][section]
        assert v0["build"]["number"] == str(v1.recipe.build.number)
        gcc = variant["c_compiler_version"]
        assert f"gcc_linux-64 {gcc}.*" in recipe["requirements"]["build"]
        rows.add((variant["cuda_compiler_version"], gcc, v1.recipe.build.number))
    assert rows == set(expected)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"home": "https://cyfes.example"}, "home: cyfes.example is a placeholder"),
        ({"docs": "https://docs.example.org/x"}, "docs: docs.example.org is a placeholder"),
        ({"repository": "git@host:cyfes"}, "repository: .* is not an https address"),
        ({"url": f"{HOST}/cyfes-0.0.tar.gz"}, "url: cyfes-0.0.tar.gz, but the recipe is of"),
        ({"maintainers": ("to-be-named",)}, "'to-be-named' is not the name of an account"),
        ({"maintainers": ()}, "at least one"),
    ],
)
def test_placeholders_are_refused(sdist, tmp_path, changes, message):
    release = feedstock.Release(sdist=sdist, **GIVEN | changes)
    with pytest.raises(feedstock.FeedstockError, match=message):
        feedstock.write(tmp_path / "out", release)
    assert not (tmp_path / "out").exists()


def test_the_command(sdist, tmp_path):
    options = [f"--{key}={value}" for key, value in GIVEN.items() if key != "maintainers"]
    command = [sys.executable, ROOT / "tools" / "conda" / "feedstock.py", tmp_path / "out"]
    done = subprocess.run(
        [*command, "--sdist", sdist, *options, "--maintainers", "to-be-named"],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert line.startswith("feedstock: maintainers: ")


@pytest.mark.parametrize("name", ["recipe", "recipe-v0"])
def test_lint(folder, name):
    linter = shutil.which("conda-smithy")
    if linter is None:
        pytest.skip("no conda-smithy on PATH; PyPI has only a placeholder of that name")
    done = subprocess.run(
        [linter, "recipe-lint", folder / name], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "is in fine form" in done.stdout
