"""The sums of CyFES 2 to 4, by the name of their old module."""

from cyfes.compat import DevicePathFES, FastBias, FastPathFES, PathFES, StreamPathFES

__all__ = ["DevicePathFES", "FastBias", "FastPathFES", "PathFES", "StreamPathFES"]
