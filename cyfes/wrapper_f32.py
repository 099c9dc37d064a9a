"""The sums of CyFES 2 to 4 in single precision, by the name of their old module."""

from cyfes.compat import FastPathFES_f32 as FastPathFES
from cyfes.compat import PathFES_f32 as PathFES

__all__ = ["FastPathFES", "PathFES"]
