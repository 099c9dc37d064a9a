from collections.abc import Sequence
from mmap import mmap
from typing import Any

import numpy as np

from cyfes.grid.grid import Grid

KERNELS: dict[str, int]
IMAGES: dict[str, int]
METHODS: tuple[str, ...]
TOLERANCE: float
TAIL: float
NODES: int
ROW_FAULTS: tuple[str, ...]

class Backend:
    name: str
    path: str | None
    @staticmethod
    def cpu() -> Backend: ...
    @staticmethod
    def load(path: str) -> Backend: ...
    def device_count(self) -> int: ...

CPU: Backend

class Plan(dict[str, Any]):
    raw: bytes
    seal: int

def max_threads() -> int: ...
def isas() -> list[tuple[str, bool]]: ...
def selected_isa() -> str: ...
def spread(
    grid: Grid,
    centers: np.ndarray,
    bandwidths: np.ndarray,
    weights: np.ndarray,
    density: np.ndarray,
    derivatives: np.ndarray | None = None,
    windows: np.ndarray | None = None,
    *,
    kernel: str = "gaussian",
    cutoff: float = 10.0,
    images: str = "all",
    n_threads: int = 0,
    backend: Backend = ...,
    device: int = 0,
    tol: float = ...,
    tail: float = ...,
    method: str = "auto",
    plan: Plan | None = None,
) -> None: ...
def plan(
    grid: Grid,
    n_kernels: int,
    bandwidths: np.ndarray,
    *,
    kernel: str = "gaussian",
    cutoff: float = 10.0,
    images: str = "all",
    windows: bool = False,
    tol: float = ...,
    tail: float = ...,
    method: str = "auto",
) -> Plan: ...
def weigh(
    log_weights: np.ndarray, exponent: int, weights: np.ndarray, n_threads: int = 0
) -> tuple[float, float]: ...
def sum_weights(weights: np.ndarray, n_threads: int = 0) -> tuple[float, float]: ...
def basins(
    grid: Grid, values: np.ndarray, persistence: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]: ...
def add_nodes(
    net: Grid,
    width: float,
    ends: np.ndarray,
    centers: np.ndarray,
    weights: np.ndarray,
    nodes: np.ndarray,
    n_threads: int = 0,
) -> None: ...
def nodes_to_grid(
    matrices: Sequence[tuple[int, np.ndarray, np.ndarray]],
    nodes: np.ndarray,
    values: np.ndarray,
    n_threads: int = 0,
) -> None: ...
def mbar_sums(
    samples: np.ndarray,
    period: np.ndarray,
    centers: np.ndarray,
    half_springs: np.ndarray,
    offsets: np.ndarray,
    products: np.ndarray | None = None,
    logs: np.ndarray | None = None,
    n_threads: int = 0,
) -> np.ndarray: ...
def evaluate(
    points: np.ndarray,
    period: np.ndarray,
    centers: np.ndarray,
    bandwidths: np.ndarray,
    weights: np.ndarray,
    density: np.ndarray,
    derivatives: np.ndarray | None = None,
    *,
    kernel: str = "gaussian",
    cutoff: float = 10.0,
    images: str = "nearest",
    n_threads: int = 0,
    backend: Backend = ...,
    device: int = 0,
) -> None: ...
def parse_rows(
    text: bytes | memoryview | mmap,
    n_columns: int,
    wanted: Sequence[int],
    n_threads: int = 0,
    allow_nonfinite: bool = False,
    is_last: bool = True,
    space: Sequence[np.ndarray] | None = None,
) -> tuple[
    list[np.ndarray],
    np.ndarray | None,
    tuple[int, int, int, int, int] | None,
    int,
    int,
    int,
]: ...
def format_grid(
    grid: Grid,
    fields: Sequence[np.ndarray],
    first: int,
    n_points: int,
    width: int,
    precision: int,
    n_threads: int = 0,
) -> bytes: ...
