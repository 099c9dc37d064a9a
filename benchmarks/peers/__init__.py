"""Small adapters to other packages that do the same work, each optional."""

import importlib
import importlib.metadata
from typing import Any


def module(name: str) -> Any:
    """An installed package, or None."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def version(distribution: str) -> str:
    """The version of an installed distribution, or "not installed"."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
