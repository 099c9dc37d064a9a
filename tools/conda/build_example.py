"""Builds examples/minimal: its wheel, and its conda package where there are stand-ins.

    python tools/conda/build_example.py FOLDER

nvcc is looked for as in cyfes' own build. Without one, the wheel is for CPUs only.
"""

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from build_packages import ROOT, standin_channel
from rattler.index import index_fs
from rattler_tool import BuildFailed, Variant, build, configuration
from standin_python import VERSION

sys.path.append(str(ROOT / "tools"))
from build_cuda import CudaBuildError, find_nvcc

EXAMPLE = ROOT / "examples" / "minimal"
#: Made by `make conda CHANNEL=standin`.
CHANNEL = ROOT / "build" / "conda-channel"
#: The stand-ins' nvcc needs no GPU, and one architecture is enough to see that it works.
ARCHITECTURE = "sm_90"


def variants() -> dict[str, Variant]:
    """Return the variants of the example's recipes by their CUDA version."""
    config = configuration(EXAMPLE / "recipe" / "conda_build_config.yaml")
    return {variant["cuda_compiler_version"]: variant for variant in config.combinations()}


def build_wheel(tree: Path, nvcc: str | None) -> Path:
    """Run the example's own script with the programs of this environment."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environ = os.environ | {"PATH": path, "NVCC": nvcc or "", "AXPY_ARCH": ARCHITECTURE}
    done = subprocess.run(
        [tree / "make_wheel.sh"], check=False, env=environ, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    if done.returncode != 0:
        raise BuildFailed(done.stdout)
    [wheel] = (tree / "dist").glob("*.whl")
    return wheel


def build_package(tree: Path, folder: Path) -> Path:
    """Build the conda package of the last variant, which has CUDA, and run its tests."""
    variant = list(variants().values())[-1] | {"python": f"{VERSION}.* *_cpython"}
    # The tests of the package are those of the recipe.
    recipe, channel = tree / "recipe" / "recipe.yaml", standin_channel(CHANNEL)
    # Beside the copy: nvcc takes no path with a blank, which that of the folder may have.
    package, _ = build(recipe, variant, channel, folder, tree.parent)
    (folder / "noarch").mkdir()
    asyncio.run(index_fs(folder))
    return package


def build_all(folder: Path) -> None:
    """Build from a copy of the example into a folder, which is made anew."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    nvcc = find_nvcc(os.environ, sys.path)
    if nvcc is None:
        print("no nvcc (NVCC, CUDA_HOME, PATH, PyPI's cuda-toolkit[nvcc]): a wheel for CPUs only")
    with tempfile.TemporaryDirectory() as temporary:
        tree = Path(shutil.copytree(EXAMPLE, Path(temporary, "minimal")))
        started = time.monotonic()
        wheel = shutil.copy2(build_wheel(tree, nvcc), folder)
        print(f"TIME {time.monotonic() - started:5.0f} s  {Path(wheel).name}", flush=True)
        if not CHANNEL.exists():
            print("no conda package: make conda CHANNEL=standin makes the channel to build with")
            return
        started = time.monotonic()
        package = build_package(tree, folder)
        print(f"TIME {time.monotonic() - started:5.0f} s  {package.name}, built and tested")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    try:
        build_all(parser.parse_args().folder.resolve())
    except (BuildFailed, CudaBuildError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
