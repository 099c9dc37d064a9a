"""Builds cyfes' conda packages into a channel of their own, and says how long each took.

    python tools/conda/build_packages.py FOLDER [--channel standin|conda-forge|URL] [--croot FOLDER]
        [--variants CUDA ...]

conda-build does it from meta.yaml where it is on PATH, else rattler-build from recipe.yaml.
`standin` is the channel that channel.py makes beside FOLDER.
"""

import argparse
import asyncio
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from channel import ARCHITECTURES, make_channel, stand_ins
from rattler.index import index_fs
from rattler_tool import PLATFORM, BuildFailed, Variant, build, configuration
from standin_python import VERSION

ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "recipe"
#: The same recipe for rattler-build.
RECIPE_V1 = RECIPE / "v1" / "recipe.yaml"
CONFIG = ROOT / "conda_build_config.yaml"
#: The configuration of the variant that must be asked for.
CONFIG_118 = RECIPE / "cuda118.yaml"
CONDA_BUILD = shutil.which("conda-build")
#: What can be built against stand-ins: PyPI has nvcc from CUDA 13 on.
STANDIN_VARIANTS = ["None", "13.0"]


def check_croot(croot: Path) -> None:
    """conda-build would copy the repository into itself."""
    if croot.resolve().is_relative_to(ROOT):
        raise SystemExit(
            f"the croot {croot} lies in the repository, which is copied into it as the source: "
            "choose a folder outside, e.g. make conda CROOT=../cyfes-croot"
        )


def standin_channel(folder: Path) -> str:
    """The stand-ins' address; they are made again when Python or what makes them has changed."""
    sources = sorted(Path(__file__).parent.glob("standin*.py"))
    key = hashlib.sha256(b"".join(path.read_bytes() for path in sources))
    key.update(f"{sys.version} {ARCHITECTURES}".encode())
    stamp = folder / "made-from"
    if not stamp.exists() or stamp.read_text() != key.hexdigest():
        start = time.monotonic()
        release = STANDIN_VARIANTS[-1]
        make_channel(folder, lambda root: stand_ins(root, release, ARCHITECTURES))
        stamp.write_text(key.hexdigest())
        print(f"TIME {time.monotonic() - start:5.0f} s  stand-in channel", flush=True)
    return folder.as_uri()


def every_variant() -> dict[str, Variant]:
    """Return the variants by their CUDA version, those included that must be asked for."""
    variants = [*configuration(CONFIG).combinations()]
    variants += configuration(CONFIG, CONFIG_118).combinations()
    return {variant["cuda_compiler_version"]: variant for variant in variants}


def chosen_variants(names: list[str] | None, *, standin: bool) -> list[Variant]:
    """The variants with these CUDA versions; stand-ins have the Python that runs here only."""
    every = every_variant()
    usual = configuration(CONFIG).get_values("cuda_compiler_version")
    names = names or (STANDIN_VARIANTS if standin else usual)
    if unknown := set(names) - set(every):
        raise SystemExit(f"no variant {', '.join(unknown)} in {CONFIG.name}: {', '.join(every)}")
    found = [every[name] for name in names]
    return [v | {"python": f"{VERSION}.* *_cpython"} for v in found] if standin else found


def rattler_build(
    variant: Variant, channel: str, target: Path, croot: Path, *, with_tests: bool = True
) -> Path:
    package, log = build(RECIPE_V1, variant, channel, target, croot, with_tests=with_tests)
    package.with_suffix(".log").write_text(log)
    for line in re.findall(r"^(?:.* no problems|=+ .* passed.*)$", log, re.MULTILINE):
        print(line, flush=True)
    return package


def conda_build(
    variant: Variant, channel: str, target: Path, croot: Path, *, with_tests: bool = True
) -> Path:
    """Run conda-build where it finds the configuration by itself: in the root of the repository."""
    chosen = croot / "variant.yaml"
    chosen.write_text(yaml.safe_dump({key: [value] for key, value in variant.items()}))
    options = ["-m", chosen, "-c", channel, "--override-channels", "--croot", croot]
    options += [] if with_tests else ["--no-test"]
    subprocess.run([CONDA_BUILD, "recipe", *options], cwd=ROOT, check=True)
    [package] = (croot / PLATFORM).glob("cyfes-*.conda")
    (target / PLATFORM).mkdir(exist_ok=True)
    return Path(shutil.copy2(package, target / PLATFORM))


#: Builds a variant with the tool that there is.
build_one = conda_build if CONDA_BUILD else rattler_build


def build_all(variants: list[Variant], channel: str, target: Path, croot: Path) -> None:
    """Build each variant in a folder of its own and collect the packages into a new channel."""
    shutil.rmtree(target, ignore_errors=True)
    (target / "noarch").mkdir(parents=True)
    for variant in variants:
        start = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="cyfes-croot-", dir=croot) as folder:
            package = build_one(variant, channel, target, Path(folder))
        size, seconds = package.stat().st_size / 1e6, time.monotonic() - start
        print(f"TIME {seconds:5.0f} s  {package.name}, {size:.1f} MB, built and tested", flush=True)
    asyncio.run(index_fs(target))
    # Where the packages' dependencies are, for the tests.
    (target / "channel").write_text(channel)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--channel", default="conda-forge" if CONDA_BUILD else "standin")
    parser.add_argument("--croot", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--variants", nargs="*", metavar="CUDA")
    arguments = parser.parse_args()
    check_croot(arguments.croot)
    arguments.croot.mkdir(parents=True, exist_ok=True)
    target, channel = arguments.folder.resolve(), arguments.channel
    standin = channel == "standin"
    variants = chosen_variants(arguments.variants, standin=standin)
    if standin:
        channel = standin_channel(target.with_name("conda-channel"))
    try:
        build_all(variants, channel, target, arguments.croot)
    except (BuildFailed, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
