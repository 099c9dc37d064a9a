"""Small libraries and wheels with the names and the needs of cyfes' own."""

import platform
import subprocess
import sys
import sysconfig
from pathlib import Path

import archive

TAG = f"py3-none-linux_{platform.machine()}"
VERSION = "9.9"


def library(compiler: str, path: Path, *needed: Path, options: tuple[str, ...] = ()) -> Path:
    """A shared library that needs others, and finds them by their folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    source = path.with_suffix(".c")
    source.write_text("int answer(void) { return 42; }\n")
    words = [compiler, "-shared", "-fPIC", "-Wl,--no-as-needed", f"-Wl,-soname,{path.name}"]
    words += [f"-Wl,-rpath,{file.parent}" for file in needed]
    subprocess.run([*words, *options, source, *needed, "-o", path], check=True)
    source.unlink()
    return path


def wheel(tree: Path, folder: Path, requires: str = "") -> Path:
    """Pack a tree as a wheel of a package named cyfes."""
    info = tree / f"cyfes-{VERSION}.dist-info"
    info.mkdir()
    head = f"Metadata-Version: 2.1\nName: cyfes\nVersion: {VERSION}\n{requires}"
    (info / "METADATA").write_text(f"{head}\nA toy.\n")
    words = f"Wheel-Version: 1.0\nGenerator: toy\nRoot-Is-Purelib: false\nTag: {TAG}\n"
    (info / "WHEEL").write_text(words)
    archive.write_record(tree)
    archive.pack(tree, folder / f"cyfes-{VERSION}-{TAG}.whl")
    return folder / f"cyfes-{VERSION}-{TAG}.whl"


def installed(file: Path, prefix: Path) -> Path:
    """Install a wheel alone into a new virtual environment and return its site-packages."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", prefix], check=True)
    command = [sys.executable, "-m", "pip", "--python", prefix / "bin" / "python", "install"]
    subprocess.run([*command, "--quiet", "--no-deps", "--no-index", file], check=True)
    return Path(sysconfig.get_path("purelib", "posix_prefix", {"base": str(prefix)}))


def ldd(path: Path) -> str:
    """The dynamic linker's own account of what a library needs."""
    return subprocess.run(["ldd", path], check=True, capture_output=True, text=True).stdout
