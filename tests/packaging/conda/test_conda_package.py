"""The built packages: what they hold, what they need, and that they run wherever they are put."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rattler_build", reason="no rattler-build: make conda installs it")

import numpy as np
import prefix as prefixes
import yaml
from build_packages import (
    CONDA_BUILD,
    RECIPE,
    RECIPE_V1,
    ROOT,
    STANDIN_VARIANTS,
    build_one,
    chosen_variants,
)
from conda_package_handling import api
from rattler_tool import PLATFORM, BuildFailed, Variant, alone, build, render
from standin_python import VERSION

FOLDER = ROOT / "build" / "conda"
PACKAGES = sorted(FOLDER.glob(f"{PLATFORM}/cyfes-*.conda"))
CHECK = Path(__file__).with_name("check_package.py")
DATA = ROOT / "tests" / "data" / "gen-2d-per-wt"
MEGABYTE = 1e6

if not (FOLDER / "channel").exists():
    pytest.skip("no packages in build/conda: make conda builds them", allow_module_level=True)
CHANNEL = (FOLDER / "channel").read_text()


def flavour(package: Path) -> str:
    """The variant as the build string names it."""
    return package.name.split("-")[-1].split("_")[0]


@pytest.fixture(scope="module", params=PACKAGES, ids=flavour)
def package(request) -> Path:
    return request.param


@pytest.fixture(scope="module")
def unpacked(package, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    api.extract(str(package), str(folder))
    return folder


def installed(package: Path, folder: Path) -> Path:
    """A new prefix with a package and what it depends on, solver and all."""
    name, version, build_string = package.name.removesuffix(".conda").rsplit("-", 2)
    specs = [f"{name} =={version} {build_string}"]
    return prefixes.create(folder / flavour(package), specs, [FOLDER.as_uri(), CHANNEL])


@pytest.fixture(scope="module")
def prefix(package, tmp_path_factory) -> Path:
    return installed(package, tmp_path_factory.mktemp("prefix"))


def check(prefix: Path, package: Path, **variables: str) -> None:
    """What the recipe's test section asks, asked here of a prefix."""
    done = prefixes.run(prefix, "python", CHECK, flavour(package), **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("no problems\n")


def test_prefix(prefix, package):
    check(prefix, package)


def test_a_stale_search_path_does_not_win(prefix, package, tmp_path):
    for name in ("libgomp.so.1", "libcudart.so.12", "libcudart.so.13"):
        (tmp_path / name).touch()
    # The bait works: a library that is looked up by name alone is found there, and is broken.
    lookup = "import ctypes; ctypes.CDLL('libgomp.so.1')"
    stale = {"LD_LIBRARY_PATH": str(tmp_path)}
    control = subprocess.run([sys.executable, "-c", lookup], check=False, env=stale)
    assert control.returncode != 0
    check(prefix, package, **stale)


def test_prefixes_do_not_see_each_other(prefix, package, tmp_path):
    other_package = next((p for p in PACKAGES if p != package), package)
    other = installed(other_package, tmp_path)
    for ours, built, theirs in ((prefix, package, other), (other, other_package, prefix)):
        paths = {"LD_LIBRARY_PATH": f"{theirs}/lib", "PATH": f"{theirs}/bin:{os.defpath}"}
        check(ours, built, **paths)


def test_a_moved_prefix_runs(package, tmp_path):
    first = installed(package, tmp_path / "first")
    moved = prefixes.move(first, tmp_path / "elsewhere")
    assert not first.exists()
    check(moved, package)


def test_sum_hills(prefix, tmp_path):
    fes = tmp_path / "fes.dat"
    hills = ["--hills", DATA / "HILLS.gz", "--bin", "24,24", "--outfile", fes]
    done = prefixes.run(prefix, "cyfes", "sum_hills", *hills)
    assert done.returncode == 0, done.stderr
    expected = np.loadtxt(DATA / "ref" / "grid.dat")
    assert np.allclose(np.loadtxt(fes), expected, rtol=0, atol=2e-9)


def test_reweight(prefix, tmp_path):
    """The README's example and its numbers."""
    options = "--rbias --kt 1 --units kt --sigma 0.15,0.15 --mintozero --outfile".split()
    done = prefixes.run(
        prefix, "cyfes", "reweight", DATA / "COLVAR.gz", *options, tmp_path / "frames.dat"
    )
    assert done.returncode == 0, done.stderr
    printed = [line.rstrip() for line in done.stdout.splitlines()]
    assert "effective samples  283.5" in printed
    assert "minimum 2          phi=-2.593 psi=2.693  F-Fmin=0.832" in printed
    assert len(np.loadtxt(tmp_path / "frames.dat")) == 15876


def test_a_gpu_that_is_not_there_has_its_error(prefix, package, tmp_path):
    if shutil.which("nvidia-smi"):
        pytest.skip("this machine has a GPU")
    fes = tmp_path / "fes.dat"
    options = ["--hills", DATA / "HILLS.gz", "--backend", "cuda", "--outfile", fes]
    done = prefixes.run(prefix, "cyfes", "sum_hills", *options)
    expected = "build without CUDA" if flavour(package) == "cpu" else "no NVIDIA driver"
    assert done.returncode == 2
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert not fes.exists()


def entries(unpacked: Path) -> list[dict]:
    """What is installed; rattler-build has the tests among it, conda-build not."""
    paths = json.loads((unpacked / "info" / "paths.json").read_text())["paths"]
    return [p for p in paths if not p["_path"].startswith("etc/conda/test-files/")]


def test_contents(package, unpacked):
    files = [entry["_path"] for entry in entries(unpacked)]
    outside = [f for f in files if "site-packages/cyfes" not in f]
    assert outside in (["bin/cyfes"], ["python-scripts/cyfes"])
    assert [f for f in files if "test" in f or "HILLS" in f or f.endswith((".pyx", ".cpp"))] == []
    assert [f for f in files if f.endswith("direct_url.json")] == []
    assert (unpacked / "info" / "licenses" / "LICENSE").read_text() == (
        ROOT / "LICENSE"
    ).read_text()
    assert package.stat().st_size < 10 * MEGABYTE


def test_the_data_of_one_test_only(unpacked):
    data = [path.name for path in unpacked.glob("**/tests/data/**/*") if path.is_file()]
    assert sorted(data) == ["HILLS.gz", "default.dat"]


def variant_of(package: Path) -> Variant:
    """The variant a package was built from."""
    names = [*STANDIN_VARIANTS, "12.9", "11.8"]
    for variant in chosen_variants(names, standin=CHANNEL.startswith("file:")):
        cuda = variant["cuda_compiler_version"]
        if flavour(package) == ("cpu" if cuda == "None" else f"cuda{cuda.replace('.', '')}"):
            return variant
    raise AssertionError(f"no variant makes {package.name}")


def test_metadata(package, unpacked):
    """Nothing is pinned that the recipe does not pin, but by what it was compiled with."""
    [recipe] = [v.recipe for v in render(RECIPE_V1, alone(variant_of(package)))]
    index = json.loads((unpacked / "info" / "index.json").read_text())
    compiled_with = "__glibc _openmp_mutex libgcc libstdcxx"
    exported = f"{compiled_with} cpython python_abi _python_abi3_support".split()
    named = [spec for spec in index["depends"] if spec.split()[0] not in exported]
    assert sorted(named) == sorted(recipe.to_dict()["requirements"]["run"])
    assert index["build_number"] == recipe.build.number
    assert "__cuda" not in " ".join(index["depends"])
    assert f"cpython >={VERSION}" in index["depends"]
    assert not any(spec.startswith("python_abi ") for spec in index["depends"])


def checksums(unpacked: Path) -> dict[str, str]:
    """Of every file, but the script that names the prefix and the list with its checksum."""
    named = [e["_path"] for e in entries(unpacked) if "prefix_placeholder" in e]
    assert [Path(name).name for name in named] in (["cyfes"], [])
    others = [e for e in entries(unpacked) if e["_path"] not in named]
    return {e["_path"]: e["sha256"] for e in others if not e["_path"].endswith("/RECORD")}


def test_two_builds_are_equal(tmp_path):
    """To the byte, in another folder; the CPU's variant, which takes a minute."""
    package = next((p for p in PACKAGES if flavour(p) == "cpu"), None)
    if package is None:
        pytest.skip("no CPU package was built")
    croot = tmp_path / "a folder of another length".replace(" ", "-")
    croot.mkdir()
    (tmp_path / "again").mkdir()
    again = build_one(variant_of(package), CHANNEL, tmp_path / "again", croot, with_tests=False)
    for built, name in ((package, "first"), (again, "second")):
        api.extract(str(built), str(tmp_path / name))
    first, second = checksums(tmp_path / "first"), checksums(tmp_path / "second")
    assert any(path.endswith(".so") for path in first)
    assert second == first


def copied(package: Path, unpacked: Path, *commands: str) -> dict:
    """The recipe with a script that only copies the finished package, and more commands."""
    if flavour(package) != "cpu" and not CHANNEL.startswith("file:"):
        pytest.skip("rattler-build 0.73 takes conda-forge's libcudart for another package's")
    [finished] = unpacked.glob("**/site-packages/cyfes")
    recipe = yaml.safe_load(RECIPE_V1.read_text())
    copy = f'mkdir -p "$SP_DIR" && cp -r "{finished}" "$SP_DIR"'
    recipe["build"]["script"] = {"content": [copy, *commands]}
    recipe["about"].pop("license_file")
    del recipe["source"], recipe["tests"]
    return recipe


def built(recipe: dict, package: Path, target: Path) -> Path:
    """Build from a changed recipe."""
    folder = target / "recipe"
    folder.mkdir(parents=True)
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False))
    croot = target / "croot"
    croot.mkdir()
    return build(
        folder / "recipe.yaml", variant_of(package), CHANNEL, target / "out", croot,
        with_tests=False,
    )[0]  # fmt: skip


def without(specs: list, name: str) -> list:
    """Requirements without those of a name; conditional ones are one in `then`."""
    plain = [(spec, spec["then"] if isinstance(spec, dict) else spec) for spec in specs]
    return [spec for spec, then in plain if not str(then).startswith(name)]


def test_the_finished_libraries_can_be_packed_again(package, unpacked, tmp_path):
    built(copied(package, unpacked), package, tmp_path)


def test_a_missing_requirement_stops_the_build(package, unpacked, tmp_path):
    libraries = {"libgomp": "libgomp"}
    if flavour(package) != "cpu":
        libraries["cuda-"] = "libcudart"
    for requirement, library in libraries.items():
        folder = tmp_path / requirement
        folder.mkdir()
        recipe = copied(package, unpacked)
        for section in ("host", "run"):
            wanted = recipe["requirements"]
            wanted[section] = without(wanted[section], requirement)
        with pytest.raises(BuildFailed, match=rf"(?s)linking check error.*{library}"):
            built(recipe, package, folder)


def test_without_nvcc_the_build_stops(tmp_path):
    """Early: before anything is compiled."""
    package = next((p for p in PACKAGES if flavour(p) != "cpu"), None)
    if package is None:
        pytest.skip("no CUDA package was built")
    recipe = yaml.safe_load(RECIPE_V1.read_text())
    recipe["source"]["path"] = str(ROOT)
    recipe["build"]["script"] = {"content": (RECIPE / "build.sh").read_text()}
    tools = recipe["requirements"]["build"]
    recipe["requirements"]["build"] = without(tools, '${{ compiler("cuda")')
    with pytest.raises(BuildFailed, match=r"no nvcc at .*/bin/nvcc") as failure:
        built(recipe, package, tmp_path)
    assert "pip install" not in str(failure.value)


@pytest.mark.skipif(not CONDA_BUILD, reason="no conda-build on PATH")
def test_conda_build_in_another_folder_is_noticed(tmp_path):
    """There it does not find the configuration."""
    command = [CONDA_BUILD, RECIPE, "-c", CHANNEL, "--override-channels", "--croot", tmp_path]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode != 0
    assert "conda_build_config.yaml-was-not-read" in done.stdout + done.stderr
