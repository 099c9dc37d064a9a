"""From the wheel that a compiler left to one that finds its libraries everywhere."""

import os
import re
import sysconfig
import tempfile
from pathlib import Path

import archive
import licensing
import rpath
import sbom
from commands import WheelError, run

#: Where the CUDA runtime comes from: the package of PyPI beside cyfes, or a copy in the wheel.
CUDART = ("package", "bundled")
#: The driver's library is never shipped.
DRIVER = "libcuda.so.*"


def repair(raw: Path, output: Path, cudart: str) -> Path:
    """Graft, patch, describe and pack a wheel; return the path of the result in ``output``."""
    with tempfile.TemporaryDirectory() as folder:
        grafted = graft(raw, Path(folder) / "grafted", cudart)
        tree = Path(folder) / "tree"
        archive.unpack(grafted, tree)
        show("auditwheel left", tree)
        rpath.patch_tree(tree, cudart)
        show("patchelf set", tree)
        if cudart == "package":
            require_runtime(tree)
        licensing.write(tree)
        sbom.write(tree, cudart)
        name = named_apart(tree, grafted.name, cudart)
        archive.write_record(tree)
        archive.pack(tree, output / name)
    return output / name


def named_apart(tree: Path, name: str, cudart: str) -> str:
    """Return the name of a variant's wheel: but for the one of PyPI it has a build tag.

    Two files of one name, but with other contents, would be taken for each other by caches and
    lock files. The tag is also noted in the wheel itself.
    """
    tag = build_tag(tree, cudart)
    if not tag:
        return name
    wheel = archive.dist_info(tree) / "WHEEL"
    wheel.write_text(wheel.read_text(encoding="utf-8").rstrip("\n") + f"\nBuild: {tag}\n")
    distribution, version, *rest = name.split("-")
    tagged = "-".join([distribution, version, tag, *rest])
    for file in archive.dist_info(tree).glob("sboms/*.json"):  # auditwheel's names the file
        file.write_text(file.read_text(encoding="utf-8").replace(name, tagged), encoding="utf-8")
    return tagged


def build_tag(tree: Path, cudart: str) -> str:
    if not (tree / rpath.CUDA_LIBRARY).exists():
        return "0cpu"
    return "" if cudart == "package" else f"1{cudart}"


def graft(raw: Path, output: Path, cudart: str) -> Path:
    """Have auditwheel copy the libraries that manylinux lacks into the wheel; return its wheel."""
    with tempfile.TemporaryDirectory() as folder:
        archive.unpack(raw, Path(folder))
        show("the compiler left", Path(folder))
    print(run(["auditwheel", "show", raw]))
    left_out = [DRIVER, *(["libcudart.so.*"] if cudart == "package" else [])]
    command = ["auditwheel", "repair", "--wheel-dir", output, *(f"--exclude={x}" for x in left_out)]
    # Before what LD_LIBRARY_PATH names, and besides what the system's linker knows.
    packaged = sorted(Path(sysconfig.get_path("purelib"), "nvidia").glob("cu*/lib"))
    environ = os.environ | {"AUDITWHEEL_LD_LIBRARY_PATH": os.pathsep.join(map(str, packaged))}
    print(run([*command, raw], environ=environ))
    wheels = list(output.glob("*.whl"))
    if len(wheels) != 1:
        raise WheelError(f"auditwheel made {len(wheels)} wheels of {raw}, expected one")
    return wheels[0]


def require_runtime(tree: Path) -> None:
    """Have pip bring the CUDA runtime of the version that libcufes.so asks for, if there is one.

    A wheel alone does that: conda's packages and source builds have their runtimes from elsewhere.
    """
    library = tree / rpath.CUDA_LIBRARY
    if not library.exists():
        return
    major = rpath.cuda_major(library)
    metadata = archive.dist_info(tree) / "METADATA"
    headers, blank, text = metadata.read_text(encoding="utf-8").partition("\n\n")
    headers += f"\nRequires-Dist: nvidia-cuda-runtime<{major + 1},>={major}"
    metadata.write_text(headers + blank + text, encoding="utf-8")


def show(title: str, tree: Path) -> None:
    """Print what readelf tells about the search for libraries."""
    print(f"-- {title}:")
    for library in sorted(tree.rglob("*.so*")):
        print(library.relative_to(tree))
        for line in run(["readelf", "-d", library]).splitlines():
            if re.search(r"\((NEEDED|SONAME|RPATH|RUNPATH)\)", line):
                print("   ", " ".join(line.split()[1:]))
