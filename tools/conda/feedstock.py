"""Writes the recipes as conda-forge takes them: from a released archive, without a checkout.

    python tools/conda/feedstock.py FOLDER --sdist FILE --url URL --home URL --docs URL
        --repository URL --maintainers NAME ...

FOLDER gets recipe/ (recipe.yaml, what conda-forge asks of new recipes) and recipe-v0/ (meta.yaml),
which may not lie in one folder, and conda-forge.yml.
"""

import argparse
import hashlib
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

RECIPE = Path(__file__).resolve().parents[2] / "recipe"
#: Names that are reserved for examples, and a machine's own.
PLACEHOLDER = re.compile(r"(^|\.)(example(\.(com|net|org))?|invalid|test|localhost)$")
#: One build for the oldest Python serves all: conda-forge's other versions are skipped.
CONFIG = """\
python_min:
  - "3.11"
python:
  - 3.11.* *_cpython
is_python_min:
  - true
# What the kernels call is there from this macOS on.
c_stdlib_version:  # [osx and x86_64]
  - "11.0"  # [osx and x86_64]
"""
CONDA_FORGE = """\
conda_build_tool: rattler-build
conda_install_tool: pixi
build_platform:
  linux_aarch64: linux_64
  osx_arm64: osx_64
github:
  branch_name: main
  tooling_branch_name: main
provider:
  linux_aarch64: default
test: native_and_emulated
"""


class FeedstockError(Exception):
    """What was given cannot be submitted; the text says why."""


@dataclass(frozen=True)
class Release:
    """What a checkout does not know."""

    sdist: Path
    url: str
    home: str
    docs: str
    repository: str
    maintainers: tuple[str, ...]

    def check(self, version: str) -> None:
        for name in ("url", "home", "docs", "repository"):
            address = urlsplit(getattr(self, name))
            if address.scheme != "https" or not address.hostname:
                raise FeedstockError(f"{name}: {getattr(self, name)!r} is not an https address")
            if PLACEHOLDER.search(address.hostname):
                raise FeedstockError(f"{name}: {address.hostname} is a placeholder")
        expected = f"cyfes-{version}.tar.gz"
        for what, found in (("sdist", self.sdist.name), ("url", self.url.rpartition("/")[2])):
            if found != expected:
                raise FeedstockError(f"{what}: {found}, but the recipe is of {expected}")
        for name in self.maintainers:
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]*", name) or name == "to-be-named":
                raise FeedstockError(f"maintainers: {name!r} is not the name of an account")
        if not self.maintainers:
            raise FeedstockError("maintainers: conda-forge wants at least one")


def replaced(text: str, pattern: str, new: str) -> str:
    """Replace what must be there once."""
    result, count = re.subn(pattern, lambda match: match.expand(new), text, flags=re.MULTILINE)
    if count != 1:
        raise FeedstockError(f"{pattern!r} is in the recipe {count} times, expected once")
    return result


def without_checkout(text: str) -> str:
    """Return build.sh without what only a checkout needs."""
    text = replaced(text, r'^: "\$\{cuda_compiler_version:\?.*\n\n', "")
    return replaced(text, r"^# What an earlier build left in the checkout.*\nrm -rf build .*\n", "")


def released(text: str, release: Release, version: str, jinja: str) -> str:
    """Return a recipe of either format with its source, addresses and maintainers."""
    url = release.url.replace(version, f"{jinja} version }}}}").replace("\\", r"\\")
    digest = hashlib.sha256(release.sdist.read_bytes()).hexdigest()
    names = "".join(f"\n    - {name}" for name in release.maintainers)
    source = rf"source:\n  url: {url}\n  sha256: {digest}\n\n"
    text = replaced(text, r"^source:\n(  .*\n)+\n", source)
    text = replaced(text, r"^  # Reserved names: .*\n", "")
    text = replaced(text, r"^  (home|homepage): .*", rf"  \1: {release.home}")
    text = replaced(text, r"^  (doc_url|documentation): .*", rf"  \1: {release.docs}")
    text = replaced(text, r"^  (dev_url|repository): .*", rf"  \1: {release.repository}")
    return replaced(text, r"^(  recipe-maintainers:)\n    - to-be-named$", rf"\1{names}")


def recipe_v1(text: str, release: Release, version: str) -> str:
    text = replaced(text, r"\A(#.*\n)+", "")
    text = replaced(text, r"^  script:\n    file: \.\./build\.sh\n", "")
    return released(text, release, version, "${{")


def recipe_v0(text: str, release: Release, version: str) -> str:
    text = replaced(text, r"^    # Unknown names are false.*\n.*was-not-read.*\n", "")
    text = replaced(text, r'(stdlib\("c"\) \}\})  # \[c_stdlib\]', r"\1")
    return released(text, release, version, "{{")


def write(folder: Path, release: Release) -> None:
    """Write the feedstock's files into a new folder; nothing if they cannot be submitted."""
    v1, v0 = (RECIPE / "v1" / "recipe.yaml").read_text(), (RECIPE / "meta.yaml").read_text()
    version = re.search(r'^\{% set version = "(.*)" %\}', v0)[1]
    release.check(version)
    recipes = {
        Path("recipe", "recipe.yaml"): recipe_v1(v1, release, version),
        Path("recipe-v0", "meta.yaml"): recipe_v0(v0, release, version),
    }
    script = without_checkout((RECIPE / "build.sh").read_text())
    for path in list(recipes):
        recipes[path.with_name("build.sh")] = script
        recipes[path.with_name("conda_build_config.yaml")] = CONFIG
    shutil.rmtree(folder, ignore_errors=True)
    for path, text in recipes.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    (folder / "conda-forge.yml").write_text(CONDA_FORGE)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sdist", type=Path, required=True, help="the released archive")
    parser.add_argument("--url", required=True, help="where the archive can be downloaded")
    parser.add_argument("--home", required=True)
    parser.add_argument("--docs", required=True)
    parser.add_argument("--repository", required=True)
    parser.add_argument("--maintainers", nargs="+", required=True, metavar="NAME")
    given = vars(parser.parse_args())
    folder = given.pop("folder")
    try:
        write(folder, Release(**given | {"maintainers": tuple(given["maintainers"])}))
    except (FeedstockError, OSError) as error:
        print(f"feedstock: {error}", file=sys.stderr)
        return 2
    print(f"{folder}: recipe/ to submit, recipe-v0/ for conda-build, conda-forge.yml")
    return 0


if __name__ == "__main__":
    sys.exit(main())
