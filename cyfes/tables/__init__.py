"""Tables in: HILLS, COLVAR, KERNELS and STATE files, and those of others, as columns of float64."""

from cyfes.tables.formats import FORMATS, Format, format_of, grid_lines, reading
from cyfes.tables.header import Bounds, Header, more_exact, periods_of, same_bounds
from cyfes.tables.kind import expect_kind, kind_of
from cyfes.tables.reader import TableReader
from cyfes.tables.rows import Rows
from cyfes.tables.settings import Axis, Reading, told
from cyfes.tables.table import Table, read_header, read_table, table_of
from cyfes.tables.text import input_paths

__all__ = [
    "FORMATS",
    "Axis",
    "Bounds",
    "Format",
    "Header",
    "Reading",
    "Rows",
    "Table",
    "TableReader",
    "expect_kind",
    "format_of",
    "grid_lines",
    "input_paths",
    "kind_of",
    "more_exact",
    "periods_of",
    "read_header",
    "read_table",
    "reading",
    "same_bounds",
    "table_of",
    "told",
]
