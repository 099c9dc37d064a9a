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
from build_packages import CONDA_BUILD, CONFIG, RECIPE, ROOT
from conda_package_handling import api
from meta import PLATFORM, render
from rattler_tool import BuildFailed, build
from standin_python import VERSION
from translation import translate
from variants import read_variants

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


def test_contents(package, unpacked):
    """rattler-build has the tests in a folder of its own, conda-build not among the files."""
    paths = json.loads((unpacked / "info" / "paths.json").read_text())["paths"]
    files = [p["_path"] for p in paths if not p["_path"].startswith("etc/conda/test-files/")]
    outside = [f for f in files if "site-packages/cyfes" not in f]
    assert outside in (["bin/cyfes"], ["python-scripts/cyfes"])
    assert [f for f in files if "test" in f or "HILLS" in f or f.endswith((".pyx", ".cpp"))] == []
    assert (unpacked / "info" / "licenses" / "LICENSE").read_text() == (
        ROOT / "LICENSE"
    ).read_text()
    assert package.stat().st_size < 10 * MEGABYTE


def recipe_of(package: Path) -> dict:
    """The recipe a package was built from, as rattler-build has it."""
    for variant in read_variants(CONFIG):
        meta = render(RECIPE / "meta.yaml", variant)
        if meta["build"]["string"].split("_")[0] == flavour(package):
            local = variant | {"python": f"{VERSION}.* *_cpython"}
            return translate(meta, RECIPE, local)
    raise AssertionError(f"no variant makes {package.name}")


def test_metadata(package, unpacked):
    """Nothing is pinned that the recipe does not pin, but by what it was compiled with."""
    recipe = recipe_of(package)
    index = json.loads((unpacked / "info" / "index.json").read_text())
    compiled_with = "__glibc _openmp_mutex libgcc libstdcxx"
    exported = f"{compiled_with} cpython python_abi _python_abi3_support".split()
    named = [spec for spec in index["depends"] if spec.split()[0] not in exported]
    assert sorted(named) == sorted(recipe["requirements"]["run"])
    assert index["build_number"] == recipe["build"]["number"]
    assert "__cuda" not in " ".join(index["depends"])


def rebuild(package: Path, unpacked: Path, tmp_path: Path, *, without: str | None = None) -> None:
    """Build from the finished libraries again, quickly, with a requirement left out."""
    if flavour(package) != "cpu" and not CHANNEL.startswith("file:"):
        pytest.skip("rattler-build 0.73 takes conda-forge's libcudart for another package's")
    recipe = recipe_of(package)
    libraries = tmp_path / "libraries"
    libraries.mkdir()
    for path in unpacked.glob("**/cyfes/*.so"):
        shutil.copy2(path, libraries)
    target = f'"$PREFIX/lib/python{VERSION}/site-packages/cyfes"'
    recipe["build"]["script"]["content"] = f'mkdir -p {target} && cp "{libraries}"/*.so {target}'
    recipe["about"].pop("license_file")
    wanted = recipe["requirements"]
    for section in ("host", "run"):
        wanted[section] = [s for s in wanted[section] if not without or not s.startswith(without)]
    build(recipe, CHANNEL, tmp_path / "out", tmp_path, with_tests=False)


def test_the_finished_libraries_can_be_packed_again(package, unpacked, tmp_path):
    rebuild(package, unpacked, tmp_path)


def test_a_missing_requirement_stops_the_build(package, unpacked, tmp_path):
    libraries = {"libgomp": "libgomp"}
    if flavour(package) != "cpu":
        libraries["cuda-"] = "libcudart"
    for requirement, library in libraries.items():
        folder = tmp_path / requirement
        folder.mkdir()
        with pytest.raises(BuildFailed, match=rf"(?s)linking check error.*{library}"):
            rebuild(package, unpacked, folder, without=requirement)


def test_without_nvcc_the_build_stops(tmp_path):
    """Early: before anything is compiled."""
    package = next((p for p in PACKAGES if flavour(p) != "cpu"), None)
    if package is None:
        pytest.skip("no CUDA package was built")
    recipe = recipe_of(package)
    tools = recipe["requirements"]["build"]
    recipe["requirements"]["build"] = [spec for spec in tools if "nvcc" not in spec]
    with pytest.raises(BuildFailed, match=r"no nvcc at .*/bin/nvcc") as failure:
        build(recipe, CHANNEL, tmp_path / "out", tmp_path, with_tests=False)
    assert "pip install" not in str(failure.value)


@pytest.mark.skipif(not CONDA_BUILD, reason="no conda-build on PATH")
def test_conda_build_in_another_folder_is_noticed(tmp_path):
    """There it does not find the configuration."""
    command = [CONDA_BUILD, RECIPE, "-c", CHANNEL, "--override-channels", "--croot", tmp_path]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode != 0
    assert "conda_build_config.yaml-was-not-read" in done.stdout + done.stderr
