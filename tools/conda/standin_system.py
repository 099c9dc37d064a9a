"""Stand-ins from the machine's own gcc: compilers, their libraries, the C library, binutils."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from standin import PLACEHOLDER, StandIn

TRIPLE = "x86_64-conda-linux-gnu"
#: The versions conda_build_config.yaml asks for; the files are those of the machine's gcc.
GCC_VERSION = "15.2.0"
SYSROOTS = ("2.17", "2.28")
#: What the C library is made of.
LIBC = "ld-linux-x86-64.so.2 libc.so.6 libdl.so.2 libm.so.6 libpthread.so.0 librt.so.1".split()
#: conda-forge's linker flags, of which the RPATH matters most.
LDFLAGS = "-Wl,-O2 -Wl,--sort-common -Wl,--as-needed -Wl,-z,relro -Wl,-z,now \
-Wl,--disable-new-dtags -Wl,-rpath,${PREFIX}/lib -Wl,-rpath-link,${PREFIX}/lib -L${PREFIX}/lib"
CFLAGS = "-march=nocona -mtune=haswell -ftree-vectorize -fPIC -fstack-protector-strong -O2 -pipe \
-isystem ${PREFIX}/include"


def library(name: str) -> Path:
    """The file that gcc links for a library."""
    found = subprocess.run(
        ["g++", f"-print-file-name={name}"], check=True, capture_output=True, text=True
    ).stdout.strip()
    if not Path(found).is_absolute():
        raise SystemExit(f"gcc has no {name}, which the stand-in channel needs")
    return Path(found).resolve()


def put_library(root: Path, name: str, versioned: str, *links: str) -> None:
    (root / "lib").mkdir(parents=True, exist_ok=True)
    shutil.copy2(library(name), root / "lib" / versioned)
    for link in links:
        (root / "lib" / link).symlink_to(versioned)


def put_program(root: Path, name: str, program: str) -> None:
    """A script that runs a program of the machine."""
    found = shutil.which(program)
    if found is None:
        raise SystemExit(f"there is no {program} on PATH, which the stand-in channel needs")
    put_text(root / "bin" / name, f'#!/bin/sh\nexec "{found}" "$@"\n', mode=0o755)


def put_text(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def put_activation(root: Path, name: str, **variables: str) -> None:
    """Scripts that set variables when the environment is activated and unset them after."""
    lines = "".join(f'export {key}="{value}"\n' for key, value in variables.items())
    put_text(root / "etc" / "conda" / "activate.d" / f"activate-{name}.sh", lines)
    undo = "".join(f"unset {key}\n" for key in variables)
    put_text(root / "etc" / "conda" / "deactivate.d" / f"deactivate-{name}.sh", undo)


def compilers(root: Path) -> Iterator[tuple[StandIn, Path]]:
    gcc, gxx = root / "gcc", root / "gxx"
    for tool in ("ar", "nm", "ranlib", "strip", "readelf", "objdump", "ld"):
        put_program(gcc, f"{TRIPLE}-{tool}", tool)
    for name in ("gcc", "cc"):
        put_program(gcc, f"{TRIPLE}-{name}", "gcc")
    put_activation(
        gcc, "gcc_linux-64",
        CC=f"{PLACEHOLDER}/bin/{TRIPLE}-cc", AR=f"{PLACEHOLDER}/bin/{TRIPLE}-ar",
        CFLAGS=CFLAGS, LDFLAGS=LDFLAGS,
    )  # fmt: skip
    yield StandIn(
        "gcc_linux-64", GCC_VERSION, depends=("libgcc >=15", "libgomp >=15"),
        run_exports={"strong": ["libgcc >=15"]},
    ), gcc  # fmt: skip
    for name in ("g++", "c++"):
        put_program(gxx, f"{TRIPLE}-{name}", "g++")
    put_activation(gxx, "gxx_linux-64", CXX=f"{PLACEHOLDER}/bin/{TRIPLE}-c++", CXXFLAGS=CFLAGS)
    yield StandIn(
        "gxx_linux-64", GCC_VERSION, depends=(f"gcc_linux-64 {GCC_VERSION}.*", "libstdcxx >=15"),
        run_exports={"strong": ["libstdcxx >=15", "libgcc >=15"]},
    ), gxx  # fmt: skip


def runtime_libraries(root: Path) -> Iterator[tuple[StandIn, Path]]:
    put_library(root / "gomp", "libgomp.so.1", "libgomp.so.1.0.0", "libgomp.so")
    yield StandIn(
        "libgomp", GCC_VERSION, depends=("__glibc >=2.17,<3.0.a0",),
        run_exports={"strong": ["_openmp_mutex >=4.5"]},
    ), root / "gomp"  # fmt: skip
    mutex = root / "mutex" / "lib"
    mutex.mkdir(parents=True)
    (mutex / "libgomp.so.1").symlink_to("libgomp.so.1.0.0")
    yield StandIn("_openmp_mutex", "4.5", "0_gnu", depends=("libgomp >=7.5.0",)), root / "mutex"
    put_library(root / "libgcc", "libgcc_s.so.1", "libgcc_s.so.1")
    yield StandIn("libgcc", GCC_VERSION, depends=("_openmp_mutex >=4.5",)), root / "libgcc"
    put_library(root / "stdcxx", "libstdc++.so.6", "libstdc++.so.6.0.33", "libstdc++.so.6")
    depends = (f"libgcc {GCC_VERSION}",)
    yield StandIn("libstdcxx", GCC_VERSION, depends=depends), root / "stdcxx"


def sysroots(root: Path) -> Iterator[tuple[StandIn, Path]]:
    for version in SYSROOTS:
        folder = root / f"sysroot-{version}"
        libraries = folder / TRIPLE / "sysroot" / "lib64"
        libraries.mkdir(parents=True)
        for name in LIBC:
            shutil.copy2(library(name), libraries / name)
        exports = {"strong": [f"__glibc >={version},<3.0.a0"]}
        yield StandIn("sysroot_linux-64", version, run_exports=exports), folder


def binutils(root: Path) -> Iterator[tuple[StandIn, Path]]:
    for tool in ("readelf", "nm", "objdump", "strip"):
        put_program(root, tool, tool)
    yield StandIn("binutils", "2.45"), root
