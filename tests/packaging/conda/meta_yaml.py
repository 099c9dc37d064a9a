"""recipe/meta.yaml rendered for one variant, as conda-build does, for what this recipe uses."""

import re
from pathlib import Path

import jinja2
import yaml
from variants import UnsupportedRecipe

PLATFORM = "linux-64"
SELECTOR = re.compile(r"^(?P<line>.*?)\s+#\s*\[(?P<condition>[^\[\]]+)\]\s*$")
#: What a selector may ask besides the variant.
MACHINE = {"linux": True, "linux64": True, "x86_64": True, "aarch64": False, "win": False}


def selected(text: str, variant: dict[str, str]) -> str:
    """The lines whose selector holds; `true` and `false` of the variant are Python's."""
    booleans = {"true": True, "false": False}
    names = MACHINE | {key: booleans.get(value, value) for key, value in variant.items()}
    lines = []
    for line in text.splitlines():
        match = SELECTOR.match(line)
        if match is None:
            lines.append(line)
        elif holds(match["condition"], names):
            lines.append(match["line"])
    return "\n".join(lines)


def holds(condition: str, names: dict[str, object]) -> bool:
    try:
        return bool(eval(condition, {"__builtins__": {}}, dict(names)))
    except NameError as error:
        raise UnsupportedRecipe(f"the selector [{condition}]: {error}") from None


def tool(kind: str, variant: dict[str, str]):
    """conda-build's compiler() or stdlib(): the package of a language for this platform."""

    def package(language: str) -> str:
        key = f"{language}_{kind}"
        if key not in variant or f"{key}_version" not in variant:
            raise UnsupportedRecipe(f'{kind}("{language}"): no {key} in conda_build_config.yaml')
        return f"{variant[key]}_{PLATFORM} {variant[f'{key}_version']}.*"

    return package


def render(path: Path, variant: dict[str, str]) -> dict:
    """Return the sections of a meta.yaml; every value is text, as it stands there."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    names = dict(variant, compiler=tool("compiler", variant), stdlib=tool("stdlib", variant))
    try:
        template = environment.from_string(selected(path.read_text(), variant))
        text = template.render(names, PKG_HASH="${{ hash }}")
    except jinja2.UndefinedError as error:
        raise UnsupportedRecipe(f"{path.name}: {error}") from None
    return yaml.load(text, yaml.BaseLoader)
