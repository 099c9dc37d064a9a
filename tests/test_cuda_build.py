"""libcufes.so: how nvcc is found, and what comes out where there is one. No GPU is needed."""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
if not (ROOT / "tools").is_dir():
    pytest.skip("builds need the source tree", allow_module_level=True)
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests" / "packaging")]

import build_cuda  # noqa: E402
import check_cuda_library as check  # noqa: E402
from build_cuda import CudaBuildError  # noqa: E402

if sys.platform == "darwin":
    pytest.skip("there is no CUDA for macOS", allow_module_level=True)

#: For each major version the oldest CUDA runtime, as named on PyPI.
OLDEST_RUNTIME = {12: "nvidia-cuda-runtime-cu12==12.0.*", 13: "nvidia-cuda-runtime==13.0.*"}


def make_program(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def places(tmp_path):
    """An nvcc in each place that is searched, best first: (variable, its value, the nvcc)."""
    found = [("NVCC", make_program(tmp_path / "named" / "my-nvcc"), "named/my-nvcc")]
    for name in ("CUDA_HOME", "CUDA_PATH", "BUILD_PREFIX"):
        make_program(tmp_path / name / "bin" / "nvcc")
        found.append((name, str(tmp_path / name), f"{name}/bin/nvcc"))
    make_program(tmp_path / "path" / "nvcc")
    found.append(("PATH", f"/nowhere:{tmp_path / 'path'}", "path/nvcc"))
    return [(name, value, str(tmp_path / nvcc)) for name, value, nvcc in found]


def test_nvcc_is_searched_in_order(places, tmp_path):
    packaged = make_program(tmp_path / "site" / "nvidia" / "cu13" / "bin" / "nvcc")
    import_path = ["", str(tmp_path / "site")]
    while places:
        environ = {name: value for name, value, _ in places}
        assert build_cuda.find_nvcc(environ, import_path) == places[0][2]
        places.pop(0)
    assert build_cuda.find_nvcc({}, import_path) == packaged
    assert build_cuda.find_nvcc({"CUDA_HOME": "/nowhere", "PATH": ""}, []) is None


def test_a_named_nvcc_must_be_there(places):
    environ = {name: value for name, value, _ in places} | {"NVCC": "/nowhere/nvcc"}
    with pytest.raises(CudaBuildError, match="NVCC=/nowhere/nvcc is not a program"):
        build_cuda.find_nvcc(environ, [])


def test_the_nvcc_of_the_package_index_can_be_asked_for(places, tmp_path):
    environ = {name: value for name, value, _ in places} | {"NVCC": "pypi", "CYFES_CUDA": "1"}
    assert build_cuda.find_nvcc(environ, []) is None
    assert build_cuda.requirements(environ, []) == [build_cuda.REQUIREMENT]
    packaged = make_program(tmp_path / "site" / "nvidia" / "cu13" / "bin" / "nvcc")
    assert build_cuda.find_nvcc(environ, [str(tmp_path / "site")]) == packaged


def test_cuda_is_optional_unless_asked_for():
    assert build_cuda.nvcc_to_use({}, []) is None
    assert build_cuda.nvcc_to_use({"CYFES_CUDA": "auto", "PATH": "/nowhere"}, []) is None
    with pytest.raises(CudaBuildError, match=r"CYFES_CUDA=1, but there is no nvcc.*pip install"):
        build_cuda.nvcc_to_use({"CYFES_CUDA": "1"}, [])
    with pytest.raises(CudaBuildError, match="CYFES_CUDA=yes: expected 0, 1 or auto"):
        build_cuda.nvcc_to_use({"CYFES_CUDA": "yes"}, [])


def test_cuda_can_be_declined(places):
    environ = {name: value for name, value, _ in places}
    assert build_cuda.nvcc_to_use(environ, []) == places[0][2]
    assert build_cuda.nvcc_to_use(environ | {"CYFES_CUDA": "0"}, []) is None


def test_only_a_missing_nvcc_that_must_be_there_is_required(places):
    asked = {"CYFES_CUDA": "1"}
    assert build_cuda.requirements(asked, []) == [build_cuda.REQUIREMENT]
    assert build_cuda.requirements({}, []) == []
    assert build_cuda.requirements(asked | {"PATH": places[-1][1]}, []) == []


@pytest.mark.parametrize("kind", ["wheel", "editable"])
@pytest.mark.parametrize("mode", ["0", "1"])
def test_hooks_require_nvcc(kind, mode, tmp_path):
    pytest.importorskip("setuptools", minversion="77", reason="no setuptools from 77 on")
    if build_cuda.find_nvcc({}, sys.path):
        pytest.skip("the PyPI package of nvcc is installed: nothing is missing")
    question = f"import build_hooks; print(build_hooks.get_requires_for_build_{kind}())"
    environ = {"CYFES_CUDA": mode, "PATH": str(tmp_path), "PYTHONPATH": str(ROOT / "tools")}
    # A copy, as setuptools leaves an egg-info folder.
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("tools", "kernels", "cyfes"):
        shutil.copytree(ROOT / name, tmp_path / name)
    answer = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", question],
        cwd=tmp_path, env=environ, capture_output=True, text=True, check=True,
    ).stdout.splitlines()[-1]  # fmt: skip
    assert answer == str([build_cuda.REQUIREMENT] if mode == "1" else [])


@pytest.mark.parametrize(
    ("text", "machine", "ptx"),
    [
        ("90", ["90"], ["90"]),
        ("80;90", ["80", "90"], ["90"]),
        ("75-real, 120 90-real", ["75", "90", "120"], ["120"]),
        ("80-virtual;90a-real", ["90a"], ["80", "90a"]),
        ("80-real;90-virtual", ["80"], ["90"]),
    ],
)
def test_architectures(text, machine, ptx):
    assert build_cuda.architecture_flags(text) == [
        *(f"-gencode=arch=compute_{number},code=sm_{number}" for number in machine),
        *(f"-gencode=arch=compute_{number},code=compute_{number}" for number in ptx),
    ]


def test_architectures_that_nvcc_lists_itself():
    assert build_cuda.architecture_flags("all-major") == ["-arch=all-major"]
    with pytest.raises(CudaBuildError, match=r"'sm_90' is not a CUDA architecture in '80;sm_90'"):
        build_cuda.architecture_flags("80;sm_90")


def make_toolkit(folder, major, *files):
    folder.mkdir()
    for name in files:
        (folder / name).touch()
    return build_cuda.Toolkit("nvcc", major, (folder,), seeds=True)


def test_the_runtime_is_linked_by_number_where_nothing_else_is(tmp_path):
    full = make_toolkit(tmp_path / "a", 13, "libcudart.so", "libcudart.so.13")
    assert build_cuda.find_cudart(full) == (tmp_path / "a", "-lcudart")
    packaged = make_toolkit(tmp_path / "b", 13, "libcudart.so.13")
    assert build_cuda.find_cudart(packaged) == (tmp_path / "b", "-l:libcudart.so.13")
    compiler_only = make_toolkit(tmp_path / "c", 13)
    assert build_cuda.find_cudart(compiler_only) == (None, "-lcudart")


def test_runtime_paths(tmp_path, monkeypatch):
    local = tmp_path / "nvidia"
    toolkit = make_toolkit(local, 13, "libcudart.so")
    wheel = "$ORIGIN/../nvidia/cu13/lib"
    find = build_cuda.runtime_paths
    assert find(toolkit, local, {}, in_place=False) == [wheel, str(local)]
    assert find(toolkit, local, {"CONDA_BUILD": "1"}, in_place=False) == []
    in_place = find(toolkit, None, {}, in_place=True)
    assert in_place[0] == wheel
    assert in_place[1].endswith("/site-packages/nvidia/cu13/lib")
    older = make_toolkit(tmp_path / "older", 12)
    assert find(older, None, {}, in_place=False) == ["$ORIGIN/../nvidia/cuda_runtime/lib"]
    # What a build environment brought is gone after the build.
    monkeypatch.syspath_prepend(tmp_path)
    assert find(toolkit, local, {}, in_place=False) == [wheel]


def an_nvcc():
    nvcc = build_cuda.find_nvcc(os.environ, sys.path)
    if nvcc is None:
        pytest.skip("no nvcc: neither NVCC, CUDA_HOME, CUDA_PATH, PATH nor the PyPI package")
    return nvcc


def build_library(nvcc, folder, architectures):
    """Build libcufes.so from a copy of the kernels; return it and nvcc's words."""
    shutil.copytree(ROOT / "kernels", folder / "kernels")
    environ = os.environ | {"CYFES_WERROR": "1", "CYFES_CUDA_ARCHS": architectures}
    with contextlib.chdir(folder):
        words = build_cuda.build(nvcc, folder / "libcufes.so", folder / "o", environ, False)
    return folder / "libcufes.so", words


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    return build_library(an_nvcc(), tmp_path_factory.mktemp("cufes"), "90")


def cuobjdump():
    beside = [
        str(Path(folder)) for path in sys.path for folder in Path(path).glob("nvidia/cu*/bin")
    ]
    nvcc = build_cuda.find_nvcc(os.environ, sys.path)
    if nvcc:
        beside.append(str(Path(nvcc).resolve().parent))
    found = shutil.which("cuobjdump", path=os.pathsep.join([*beside, os.environ["PATH"]]))
    if found is None:
        pytest.skip("no cuobjdump: neither beside nvcc, on PATH nor nvidia-cuda-cuobjdump")
    return found


def oldest_runtime(major, folder):
    """libcudart of the oldest release of a major version, fetched from PyPI."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    done = subprocess.run(
        [*command, "--dest", folder, OLDEST_RUNTIME[major]],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        pytest.skip(f"{OLDEST_RUNTIME[major]} cannot be fetched: {done.stderr.strip()[-200:]}")
    (wheel,) = folder.glob("*.whl")
    shutil.unpack_archive(wheel, folder, format="zip")
    return next(folder.rglob(f"libcudart.so.{major}"))


def test_library_shows_one_symbol_and_needs_little(built):
    library, _ = built
    assert [*check.link_problems(library), *check.search_problems(library)] == []


def test_library_loads_with_the_oldest_runtime(built, tmp_path):
    library, _ = built
    assert "cudaMalloc" in check.runtime_symbols(library)
    runtime = oldest_runtime(check.cuda_major(library), tmp_path)
    assert [*check.runtime_problems(library, runtime)] == []


def test_kernels_stay_in_registers(built):
    _, words = built
    table = check.ptxas_table(words)
    assert len(table) == words.count("Compiling entry function") > 0
    assert {row.architecture for row in table} == {"sm_90"}
    assert [row for row in table if row.stack or row.spills] == []


def test_products_are_fused(built):
    library, _ = built
    assert [*check.code_problems(check.plain_loops(cuobjdump(), library))] == []


def test_same_sources_give_the_same_library(built, tmp_path):
    nvcc = an_nvcc()
    if not build_cuda.inspect_toolkit(nvcc).seeds:
        pytest.skip("this nvcc has no --frandom-seed: it draws names from the clock")
    again, _ = build_library(nvcc, tmp_path, "90")
    assert again.read_bytes() == built[0].read_bytes()


def test_words_of_a_failing_nvcc_are_kept(tmp_path):
    (tmp_path / "kernels" / "cuda").mkdir(parents=True)
    (tmp_path / "kernels" / "cuda" / "cufes.cu").write_text("this is not C++\n")
    nvcc = an_nvcc()
    with contextlib.chdir(tmp_path), pytest.raises(CudaBuildError, match=r"failed:\n.*error"):
        build_cuda.build(nvcc, tmp_path / "x.so", tmp_path, {"PATH": os.environ["PATH"]}, False)


@pytest.mark.skipif(
    "CYFES_CUDA_MATRIX" not in os.environ,
    reason="minutes long: CYFES_CUDA_MATRIX is a ':'-separated list of nvccs to try",
)
def test_every_toolkit_compiles_for_all_majors(tmp_path):
    for index, nvcc in enumerate(os.environ["CYFES_CUDA_MATRIX"].split(":")):
        folder = tmp_path / str(index)
        folder.mkdir()
        (folder / "runtime").mkdir()
        library, _ = build_library(nvcc, folder, "all-major")
        runtime = oldest_runtime(check.cuda_major(library), folder / "runtime")
        problems = [check.link_problems(library), check.search_problems(library)]
        problems.append(check.runtime_problems(library, runtime))
        assert [problem for found in problems for problem in found] == [], nvcc
