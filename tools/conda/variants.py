"""The variants of conda_build_config.yaml: one dictionary each."""

from itertools import product
from pathlib import Path

import yaml


class UnsupportedRecipe(Exception):
    """The recipe uses something that has no translation here."""


def read_variants(path: Path) -> list[dict[str, str]]:
    """Every combination of the values of a configuration; those of zip_keys change together."""
    config = yaml.load(path.read_text(), yaml.BaseLoader)
    if "# [" in path.read_text():
        raise UnsupportedRecipe(f"{path.name}: selectors are not read here")
    groups = config.pop("zip_keys", [])
    for key, values in config.items():
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise UnsupportedRecipe(f"{path.name}: {key} is not a block list of words")
    together = [zip_group(config, keys, path.name) for keys in groups]
    zipped = {key for keys in groups for key in keys}
    alone = [[{key: value} for value in config[key]] for key in config if key not in zipped]
    return [
        {key: value for part in parts for key, value in part.items()}
        for parts in product(*together, *alone)
    ]


def zipped_keys(path: Path) -> list[str]:
    """The keys whose values change together."""
    groups = yaml.load(path.read_text(), yaml.BaseLoader).get("zip_keys", [])
    return [key for keys in groups for key in keys]


def zip_group(config: dict[str, list[str]], keys: list[str], name: str) -> list[dict[str, str]]:
    """The combinations of keys whose values belong together by their place."""
    lengths = {key: len(config[key]) for key in keys}
    if len(set(lengths.values())) != 1:
        raise UnsupportedRecipe(f"{name}: zip_keys of different lengths: {lengths}")
    return [dict(zip(keys, values)) for values in zip(*(config[key] for key in keys))]
