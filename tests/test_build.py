"""What the compiled kernels are made of."""

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

import pytest

KERNELS = Path(__file__).parents[1] / "kernels"


@pytest.mark.skipif(platform.machine() != "x86_64", reason="one instruction set on this machine")
@pytest.mark.skipif(not shutil.which("nm"), reason="no nm")
@pytest.mark.skipif(not KERNELS.is_dir(), reason="no kernel sources beside the tests")
@pytest.mark.parametrize("name", ["cpu/isa.cpp", "cpu/isa_stamp.cpp", "text/isa_text.cpp"])
def test_no_weak_symbols_per_instruction_set(name, tmp_path):
    """The linker keeps one copy of a weak symbol: it could be the one made for AVX-512."""
    compiler = os.environ.get("CXX", "g++")
    if not shutil.which(compiler):
        pytest.skip(f"no {compiler}")
    source = KERNELS / name
    target = tmp_path / f"{source.stem}.o"
    flags = ["-std=c++17", "-O1", "-fvisibility=hidden", "-Wno-psabi", "-march=x86-64-v3"]
    defines = ["-DCYFES_N_ISAS=3", "-DCYFES_ISA_INDEX=1", '-DCYFES_ISA_NAME="x86-64-v3"']
    command = [compiler, *flags, *defines, f"-I{KERNELS}", "-c", str(source), "-o", str(target)]
    subprocess.run(command, check=True)
    names = subprocess.run(["nm", "-C", target], check=True, capture_output=True, text=True).stdout
    assert "cyfes::" in names
    assert re.findall(r"^\S+ [VWuw] (.*)$", names, re.MULTILINE) == []
