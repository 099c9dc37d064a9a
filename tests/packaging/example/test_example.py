"""examples/minimal: its recipes say the same, and its packages find their libraries."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rattler_build", reason="no rattler-build: make example installs it")

import hiding
import inspection
from build_example import CHANNEL, EXAMPLE, variants
from meta_yaml import render
from prefix import create
from prefix import run as run_in
from rattler_tool import alone
from rattler_tool import render as render_v1

CHECK = EXAMPLE / "check_paths.py"


@pytest.mark.parametrize("cuda", variants())
def test_both_recipes_say_the_same(cuda):
    variant = variants()[cuda]
    v0 = render(EXAMPLE / "recipe" / "meta.yaml", variant)
    [rendered] = render_v1(EXAMPLE / "recipe" / "recipe.yaml", alone(variant))
    v1 = rendered.recipe.to_dict()
    assert v1["package"] == v0["package"]
    assert str(v1["build"].get("number", 0)) == v0["build"]["number"]
    assert v1["build"]["string"].split("_h")[0] == v0["build"]["string"].split("_h")[0]
    for section in ("build", "host", "run"):
        assert v1["requirements"][section] == v0["requirements"][section]
    ignored = v1["requirements"]["ignore_run_exports"]["by_name"]
    assert ignored == v0["build"]["ignore_run_exports"]
    assert v1["tests"][0]["script"] == v0["test"]["commands"][0]
    assert v0["build"]["error_overlinking"] == "true"
    assert v1["build"]["dynamic_linking"]["overlinking_behavior"] == "error"


@pytest.mark.parametrize("name", ["wheel", "package"])
def test_no_fault_is_found(request, tmp_path, name):
    world = inspection.world(request.getfixturevalue(name), None, [], tmp_path)
    lines = inspection.lines(world)
    assert [line for line in lines if line.startswith("fault: ")] == []
    assert any("libaxpy.so => this package" in line for line in lines)


def test_the_wheel_runs(wheel, tmp_path):
    """Where the machine's own libraries are hidden; the runtime comes from PyPI."""
    prefix = tmp_path / "an environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", prefix], check=True)
    python = prefix / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", wheel]
    subprocess.run(pip, check=True)
    assert_right(wheel, tmp_path, python)


def assert_right(wheel: Path, folder: Path, python: Path) -> None:
    hidden = hiding.prefix("libcudart|libgomp", folder / "empty")
    done = subprocess.run(
        [*hidden, python, "-P", CHECK], check=False, capture_output=True, text=True, env={}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("no problems\n")
    assert "libgomp" in done.stdout
    with_cuda = "nvidia/cu" in done.stdout
    assert with_cuda == ("libcudart" in done.stdout)
    assert with_cuda or "CUDA: no sum on a GPU: a build without CUDA" in done.stdout


def test_the_conda_package_runs(package, tmp_path):
    channels = [package.parents[1].as_uri(), CHANNEL.as_uri()]
    prefix = create(tmp_path / "prefix", ["axpy", "binutils"], channels)
    done = run_in(prefix, "python", "-P", CHECK)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"loaded {prefix}/lib/libcudart.so.13" in done.stdout
    assert inspection.lines(inspection.world(prefix, "axpy", [], tmp_path))[-1].startswith(
        "axpy: 2 libraries and programs, 0 faults"
    )
