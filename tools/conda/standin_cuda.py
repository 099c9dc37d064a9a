"""Stand-ins of the CUDA toolkit, from PyPI's, in the folders where conda-forge has its parts."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from standin import StandIn
from standin_python import SITE_PACKAGES, pip_install
from standin_system import put_activation

TARGET = Path("targets", "x86_64-linux")


def cuda_version(version: str, *cudatoolkit: str) -> StandIn:
    """The package that names a CUDA version: it wants a driver of that major version, if any."""
    major = version.split(".", maxsplit=1)[0]
    constrains = (f"__cuda >={major}", *cudatoolkit)
    return StandIn("cuda-version", version, constrains=constrains)


def cudart_packages(version: str) -> tuple[StandIn, StandIn, StandIn]:
    """The CUDA runtime: its folder of targets, its library, and what a build needs.

    conda-forge's file lies in the folder of targets and lib has the link, which conda-build knows
    for the link's owner; rattler-build 0.73 takes the file's for a package that nobody declared.
    """
    release = ".".join(version.split(".")[:2])
    following = int(version.split(".", maxsplit=1)[0]) + 1
    exact = (
        f"cuda-version >={release},<{release.split('.')[0]}.{int(release.split('.')[1]) + 1}.0a0"
    )
    exports = {"weak": [f"cuda-cudart >={version},<{following}.0a0"]}
    return (
        StandIn("cuda-cudart_linux-64", version, depends=(exact,)),
        StandIn("cuda-cudart", version, depends=(exact, f"cuda-cudart_linux-64 {version}")),
        StandIn(
            "cuda-cudart-dev", version,
            depends=(exact, f"cuda-cudart {version}"), run_exports=exports,
        ),
    )  # fmt: skip


def nvcc_package(version: str) -> StandIn:
    release = ".".join(version.split(".")[:2])
    following = int(version.split(".", maxsplit=1)[0]) + 1
    return StandIn(
        "cuda-nvcc_linux-64", version,
        depends=(f"cuda-version {release}.*", f"cuda-cudart-dev {release}.*"),
        run_exports={"strong": [f"cuda-version >={release},<{following}"]},
    )  # fmt: skip


def pypi_toolkit(root: Path, release: str) -> Path:
    """Install CUDA's compiler and runtime from PyPI and return the toolkit's folder."""
    pip_install(root, f"cuda-toolkit[nvcc,cudart]=={release}.*")
    return root / SITE_PACKAGES / "nvidia" / f"cu{release.split('.', maxsplit=1)[0]}"


def toolkit(
    root: Path, release: str, home: Path, architectures: str
) -> Iterator[tuple[StandIn, Path]]:
    """The packages of one CUDA release from an installed toolkit, which is taken apart."""
    version, major = f"{release}.99", release.split(".", maxsplit=1)[0]
    runtime, target = root / "cudart" / "lib", root / "cudart_linux-64"
    runtime.mkdir(parents=True)
    [library] = (home / "lib").glob(f"libcudart.so.{major}")
    shutil.move(library.resolve(), runtime / f"libcudart.so.{version}")
    (runtime / f"libcudart.so.{major}").symlink_to(f"libcudart.so.{version}")
    link(target / TARGET / "lib" / f"libcudart.so.{major}", f"../../../lib/libcudart.so.{major}")
    link(root / "cudart-dev" / "lib" / "libcudart.so", f"libcudart.so.{major}")
    headers = root / "cudart-dev" / TARGET
    headers.mkdir(parents=True)
    shutil.move(home / "include", headers / "include")
    compiler = root / "nvcc"
    for folder in ("bin", "nvvm"):
        shutil.copytree(home / folder, compiler / folder, symlinks=True)
    put_activation(
        compiler, "nvcc_linux-64", NVCC_PREPEND_FLAGS="-ccbin=${CXX}",
        NVCC_APPEND_FLAGS=f"-I${{PREFIX}}/{TARGET}/include", CUDAARCHS=architectures,
    )  # fmt: skip
    yield from zip(cudart_packages(version), (target, runtime.parent, root / "cudart-dev"))
    yield nvcc_package(version), compiler


def link(path: Path, target: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)
