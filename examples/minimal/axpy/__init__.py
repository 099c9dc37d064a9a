"""y += a x: the smallest package with an extension, OpenMP and a private CUDA library."""

from axpy._axpy import axpy

__all__ = ["axpy"]
