"""The build backend: setuptools', which also asks for nvcc where it is wanted and missing."""

import os
import sys

from build_cuda import requirements
from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403


def get_requires_for_build_wheel(config_settings=None):
    """Return what building a wheel needs besides pyproject.toml's list."""
    needed = build_meta.get_requires_for_build_wheel(config_settings)
    return needed + requirements(os.environ, sys.path)


def get_requires_for_build_editable(config_settings=None):
    """Return what an editable build needs besides pyproject.toml's list."""
    needed = build_meta.get_requires_for_build_editable(config_settings)
    return needed + requirements(os.environ, sys.path)
