"""Refuses to release what its tag or its name on PyPI does not describe.

    python tools/check_release.py --tag v5.0.0 [--distribution NAME dist/*]

Exits with 1 and one line. The files are wheels and source distributions.
"""

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "cyfes" / "__init__.py"


def version() -> str:
    """Return the version of this checkout."""
    found = re.search(r'^__version__ = "(\S+)"$', SOURCE.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise SystemExit(f"no __version__ in {SOURCE}")
    return found[1]


def normalized(name: str) -> str:
    """Return the name of a distribution as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def problems(tag: str, distribution: str | None, files: Sequence[Path]) -> Iterator[str]:
    """Yield what of a release contradicts its tag or its name."""
    expected = version()
    if tag != f"v{expected}":
        yield f"the tag is {tag}, the version {expected}: expected the tag v{expected}"
    for file in files:
        name, told = [*file.name.removesuffix(".tar.gz").split("-"), ""][:2]
        if told != expected:
            yield f"{file.name} has the version {told or 'of none'}, expected {expected}"
        if distribution and normalized(name) != normalized(distribution):
            yield (
                f"{file.name} is a distribution named {name}, not {distribution}: "
                "set name in pyproject.toml, or the repository variable PYPI_DISTRIBUTION"
            )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tag", required=True)
    parser.add_argument("--distribution", help="the name on PyPI to publish as")
    parser.add_argument("files", nargs="*", type=Path)
    given = parser.parse_args()
    if given.distribution is not None and not given.files:
        parser.error("--distribution needs the files that would be published")
    found = list(problems(given.tag, given.distribution, given.files))
    print("\n".join(found), file=sys.stderr, end="\n" if found else "")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
