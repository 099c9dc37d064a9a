"""PLUMED tables in: HILLS, COLVAR, KERNELS and STATE files as columns of float64."""

from cyfes.tables.header import Bounds, Header, more_exact, periods_of, same_bounds
from cyfes.tables.kind import expect_kind, kind_of
from cyfes.tables.reader import TableReader
from cyfes.tables.rows import Rows
from cyfes.tables.table import Table, read_header, read_table, table_of
from cyfes.tables.text import input_paths

__all__ = [
    "Bounds",
    "Header",
    "Rows",
    "Table",
    "TableReader",
    "expect_kind",
    "input_paths",
    "kind_of",
    "more_exact",
    "periods_of",
    "read_header",
    "read_table",
    "same_bounds",
    "table_of",
]
