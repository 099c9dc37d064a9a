"""PLUMED tables in: HILLS, COLVAR, KERNELS and STATE files as columns of float64."""

from cyfes.tables.header import Header
from cyfes.tables.reader import Rows, TableReader
from cyfes.tables.table import Table, read_header, read_table

__all__ = ["Header", "Rows", "Table", "TableReader", "read_header", "read_table"]
