"""A meta.yaml rendered for one variant, as conda-build does, for what cyfes' recipe uses.

It stands in for conda-build, which is not on PyPI, in comparisons with recipe.yaml.
"""

import re
from pathlib import Path

import jinja2
import yaml
from rattler_tool import PLATFORM, Variant

SELECTOR = re.compile(r"^(?P<line>.*?)\s+#\s*\[(?P<condition>[^\[\]]+)\]\s*$")
#: What a selector may ask besides the variant.
MACHINE = {"build_platform": PLATFORM}


class UnsupportedRecipe(Exception):
    """The recipe uses something that is not read here."""


def selected(text: str, names: Variant) -> str:
    """The lines whose selector holds."""
    lines = []
    for line in text.splitlines():
        match = SELECTOR.match(line)
        if match is None:
            lines.append(line)
        elif holds(match["condition"], names):
            lines.append(match["line"])
    return "\n".join(lines)


def holds(condition: str, names: Variant) -> bool:
    try:
        return bool(eval(condition, {"__builtins__": {}}, dict(names)))
    except NameError as error:
        raise UnsupportedRecipe(f"the selector [{condition}]: {error}") from None


def tool(kind: str, names: Variant):
    """conda-build's compiler() or stdlib(): the package of a language for the target."""

    def package(language: str) -> str:
        key = f"{language}_{kind}"
        if key not in names or f"{key}_version" not in names:
            raise UnsupportedRecipe(f'{kind}("{language}"): no {key} in the configuration')
        return f"{names[key]}_{names['target_platform']} {names[f'{key}_version']}.*"

    return package


def render(path: Path, variant: Variant, platform: str = PLATFORM) -> dict:
    """Return the sections of a meta.yaml; every value is text, as it stands there."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    system = {name: platform.startswith(name) for name in ("linux", "osx")}
    names = MACHINE | system | variant | {"target_platform": platform}
    tools = {kind: tool(kind, names) for kind in ("compiler", "stdlib")}
    try:
        template = environment.from_string(selected(path.read_text(), names))
        text = template.render(names | tools, PKG_HASH="HASH")
    except jinja2.UndefinedError as error:
        raise UnsupportedRecipe(f"{path.name}: {error}") from None
    return yaml.load(text, yaml.BaseLoader)
