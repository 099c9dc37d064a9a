"""Which variant the solver takes, by driver and by what the user pins."""

import json

import pytest

pytest.importorskip("rattler_build", reason="no rattler-build: make conda installs it")

from build_packages import CONFIG, RECIPE_V1
from prefix import solved
from rattler.exceptions import SolverError
from rattler_tool import configuration, render
from standin import StandIn
from standin_cuda import cuda_version, cudart_packages

RELEASES = ["11.8", "12.0", "12.4", "12.9", "13.0", "13.1"]


def recipe_packages() -> list[StandIn]:
    """cyfes as its recipe has it, one package a variant."""
    recipes = [v.recipe for v in render(RECIPE_V1, configuration(CONFIG))]
    return [
        StandIn(
            "cyfes", recipe.package.version, recipe.build.string.split("_")[0],
            recipe.build.number, tuple(recipe.to_dict()["requirements"]["run"]),
        )
        for recipe in recipes
    ]  # fmt: skip


@pytest.fixture(scope="module")
def channel(tmp_path_factory) -> str:
    packages = [*recipe_packages(), StandIn("python", "3.12.1"), StandIn("numpy", "2.3.0")]
    packages.append(StandIn("libgomp", "14.3.0"))
    for release in RELEASES:
        packages.append(cuda_version(release))
        packages += cudart_packages(f"{release}.99")
    folder = tmp_path_factory.mktemp("channel")
    for subdir, chosen in (("linux-64", packages), ("noarch", [])):
        records = {package.file_name: package.index() for package in chosen}
        content = {"info": {"subdir": subdir}, "packages": {}, "packages.conda": records}
        (folder / subdir).mkdir()
        (folder / subdir / "repodata.json").write_text(json.dumps(content))
    return folder.as_uri()


@pytest.mark.parametrize(
    ("driver", "pins", "variant"),
    [
        (None, [], "cuda129"),  # a login node, a container: it runs on the CPU there
        ("11.8", [], "cpu"),
        ("12.0", [], "cuda129"),
        ("12.2", [], "cuda129"),
        ("13.0", [], "cuda129"),
        ("13.1", [], "cuda129"),
        ("13.0", ["cuda-version 13.*"], "cuda130"),
        ("13.1", ["cuda-version 13.1.*"], "cuda130"),
        ("13.0", ["cuda-version 12.4.*"], "cuda129"),
        ("12.2", ["cuda-version 12.4.*"], "cuda129"),
        ("12.2", ["cuda-version 12.0.*"], "cuda129"),
        ("12.2", ["cuda-version 11.8.*"], "cpu"),
        ("12.2", ["cyfes * cpu*"], "cpu"),
        ("13.0", ["cyfes * cuda130*"], "cuda130"),
        (None, ["cyfes * cuda130*"], "cuda130"),
        (None, ["cuda-version 13.*"], "cuda130"),
    ],
)
def test_solver(channel, driver, pins, variant):
    records = solved(["cyfes", *pins], [channel], driver)
    [cyfes] = [record for record in records if record.name.source == "cyfes"]
    assert str(cyfes.build) == variant
    runtimes = [r.version for r in records if r.name.source == "cuda-cudart"]
    assert len(runtimes) == (variant != "cpu")
    for pin in pins:
        if pin.startswith("cuda-version 12"):
            assert str(runtimes[0]).startswith(pin.split()[1].removesuffix("*"))


@pytest.mark.parametrize("pin", ["cuda-version 13.*", "cyfes * cuda130*"])
def test_a_driver_that_is_too_old_is_an_error(channel, pin):
    with pytest.raises(SolverError, match="__cuda"):
        solved(["cyfes", pin], [channel], "12.2")
