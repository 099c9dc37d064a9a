"""Surfaces on grids, in and out: PLUMED's grid format, Gaussian cube and NumPy's npz.

Those of Colvars and OpenMM are read.
"""

from cyfes.gridfile.atomic import atomic_write, check_output
from cyfes.gridfile.colvars import read_colvars
from cyfes.gridfile.cube import read_cube, write_cube
from cyfes.gridfile.dat import read_dat, write_dat
from cyfes.gridfile.data import GridData
from cyfes.gridfile.made import read_provenance
from cyfes.gridfile.npz import read_npz, write_npz
from cyfes.gridfile.openmm import read_openmm

__all__ = [
    "GridData",
    "atomic_write",
    "check_output",
    "read_colvars",
    "read_cube",
    "read_dat",
    "read_npz",
    "read_openmm",
    "read_provenance",
    "write_cube",
    "write_dat",
    "write_npz",
]
