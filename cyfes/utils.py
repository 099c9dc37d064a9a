"""The files of CyFES 2 to 4, by the name of their old module."""

from cyfes.compat import cube2xyz, read_out, save2dat, save_cube, save_dat, save_fes

__all__ = ["cube2xyz", "read_out", "save2dat", "save_cube", "save_dat", "save_fes"]
