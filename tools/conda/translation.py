"""A rendered meta.yaml in the words of rattler-build's recipe format, version 1.

It covers what cyfes' recipe uses and stops at anything else: conda-build is the reference.
"""

from pathlib import Path
from typing import Any

from variants import UnsupportedRecipe

#: Sections and their keys; a key that is not here has no translation.
KNOWN = {
    "package": {"name", "version"},
    "source": {"path"},
    "build": {
        "number", "string", "skip", "python_version_independent", "error_overlinking",
        "ignore_run_exports",
    },
    "requirements": {"build", "host", "run", "run_constrained"},
    "test": {"source_files", "imports", "requires", "commands"},
    "about": {"home", "summary", "description", "license", "license_family", "license_file"},
    "extra": {"recipe-maintainers"},
}  # fmt: skip


def translate(meta: dict[str, dict], recipe: Path, variant: dict[str, str]) -> dict[str, Any]:
    """Return the recipe for rattler-build; build.sh gets the variant's variables.

    It builds for one version of Python: rattler-build 0.73 relocates the libraries of a package
    for several to $ORIGIN/../../lib, which is right inside the package and wrong once installed.
    """
    refuse_unknown(meta)
    build, about = meta["build"], meta["about"]
    if build.get("skip") == "true":
        raise UnsupportedRecipe("this variant is skipped")
    return {
        "schema_version": 1,
        "package": meta["package"],
        "source": {"path": str((recipe / meta["source"]["path"]).resolve()), "use_gitignore": True},
        "build": {
            "number": int(build["number"]),
            "string": build["string"],
            "script": {"content": (recipe / "build.sh").read_text(), "env": variant},
            "dynamic_linking": {
                "rpaths": ["lib/"],
                "overlinking_behavior": (
                    "error" if build.get("error_overlinking") == "true" else "ignore"
                ),
                "overdepending_behavior": "ignore",
            },
        },
        "requirements": requirements(meta["requirements"], build, variant),
        "tests": tests(meta["test"]),
        "about": {
            "homepage": about["home"],
            **{key: about[key] for key in ("summary", "description", "license", "license_file")},
        },
        "extra": meta["extra"],
    }


def refuse_unknown(meta: dict[str, dict]) -> None:
    for section, content in meta.items():
        if section not in KNOWN or not isinstance(content, dict):
            raise UnsupportedRecipe(f"the section {section} of meta.yaml has no translation")
        if unknown := set(content) - KNOWN[section]:
            raise UnsupportedRecipe(f"{section}: {', '.join(sorted(unknown))}: no translation")


def requirements(
    wanted: dict[str, list[str]], build: dict[str, Any], variant: dict[str, str]
) -> dict[str, Any]:
    """A name alone in host takes the version that the variant gives it."""
    host = [f"{spec} {variant[spec]}" if spec in variant else spec for spec in wanted["host"]]
    return {
        "build": wanted["build"],
        "host": host,
        "run": wanted["run"],
        "run_constraints": wanted["run_constrained"],
        "ignore_run_exports": {"by_name": build["ignore_run_exports"]},
    }


def tests(wanted: dict[str, list[str]]) -> list[dict[str, Any]]:
    """Imports and commands in one environment, with the files of the source beside them."""
    imports = [f'python -c "import {name}"' for name in wanted["imports"]]
    return [
        {
            "script": [*imports, *wanted["commands"]],
            "files": {"source": wanted["source_files"]},
            "requirements": {"run": wanted["requires"]},
        }
    ]
