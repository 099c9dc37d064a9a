"""Packages that only some results need: imported when asked for, with a remedy where they lack."""

from importlib import import_module
from typing import Any

from cyfes.errors import BackendError


def required(package: str, what: str, extra: str = "") -> Any:
    """Return a package; ``extra`` of cyfes brings it, that of its own name by default.

    Raises BackendError that names the extra where the package is missing.
    """
    try:
        return import_module(package)
    except ImportError as error:
        if error.name != package:  # it is there, and broken
            raise
        extra = extra or package
        raise BackendError(f"{what} needs {package}: pip install 'cyfes[{extra}]'") from None
