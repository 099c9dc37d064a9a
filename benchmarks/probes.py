"""Probes of the machine: what its cores multiply and its memory moves, measured beside a kernel."""

import ctypes
import hashlib
import os
import shutil
import subprocess
import time
from functools import cache
from pathlib import Path

import numpy as np

SOURCE = Path(__file__).with_name("probes.cpp")
FOLDER = SOURCE.parents[1] / "build" / "benchmarks"
FLAGS = ["-std=c++17", "-O3", "-march=native", "-fopenmp", "-fPIC", "-shared", "-Wno-psabi"]
#: Bytes of each array that is copied: more than any cache holds.
COPIED = 1 << 28
STEPS = 6_000_000
#: Threads that have a core each do not take this times as long as one does.
SHARED = 1.15


@cache
def library() -> ctypes.CDLL | None:
    """The probes, compiled for this processor; None without a C++ compiler."""
    compiler = shutil.which(os.environ.get("CXX", "g++"))
    if compiler is None:
        return None
    key = hashlib.sha256(SOURCE.read_bytes() + " ".join([compiler, *FLAGS]).encode())
    path = FOLDER / f"probes-{key.hexdigest()[:12]}.so"
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}")
        subprocess.run([compiler, *FLAGS, str(SOURCE), "-o", str(unfinished)], check=True)
        unfinished.rename(path)
    loaded = ctypes.CDLL(str(path))
    loaded.probe_multiply_add.restype = ctypes.c_double
    loaded.probe_read.restype = ctypes.c_double
    loaded.probe_printf.restype = ctypes.c_int64
    loaded.probe_to_chars.restype = ctypes.c_int64
    return loaded


def multiply_add(n_threads: int) -> float:
    """Run the multiply-add probe; return the operations it did."""
    result = ctypes.c_double()
    done = _loaded().probe_multiply_add(
        ctypes.c_int64(STEPS), ctypes.c_int(n_threads), ctypes.byref(result)
    )
    return float(done)


@cache
def _copied() -> tuple[np.ndarray, np.ndarray]:
    return np.ones(COPIED // 8), np.zeros(COPIED // 8)


def wait_for_cores(n_threads: int, seconds: float = 2.0) -> bool:
    """Wait until as many cores as threads are free; False if they are not within ``seconds``.

    They are where the multiply-add probe takes as long on all as on one. Virtual processors may
    share a core for some time, and then two of them do the work of one.
    """
    if library() is None or not 1 < n_threads <= (os.cpu_count() or 1):
        return True
    begin = time.perf_counter()
    alone = min(_time_of_multiply_add(1) for _ in range(2))
    while _time_of_multiply_add(n_threads) > SHARED * alone:
        if time.perf_counter() - begin > seconds:
            return False
        time.sleep(0.05)
    return True


def _time_of_multiply_add(n_threads: int) -> float:
    begin = time.perf_counter()
    multiply_add(n_threads)
    return time.perf_counter() - begin


def copy(n_threads: int) -> float:
    """Run the copy probe; return the bytes it read and wrote."""
    source, target = _copied()
    _loaded().probe_copy(_address(source), _address(target), _size(source), ctypes.c_int(n_threads))
    return 2.0 * source.nbytes


def read(array: np.ndarray, n_threads: int) -> float:
    """Read a float64 array once; return its sum."""
    return float(_loaded().probe_read(_address(array), _size(array), ctypes.c_int(n_threads)))


def print_numbers(numbers: np.ndarray, text: np.ndarray, how: str) -> int:
    """Write " %14.9f" of each number into ``text``, uint8 of 400 bytes a number; ``how`` is
    "printf" or "to_chars". Return the length."""
    return int(
        getattr(_loaded(), f"probe_{how}")(_address(numbers), _size(numbers), _address(text))
    )


def _loaded() -> ctypes.CDLL:
    loaded = library()
    if loaded is None:
        raise RuntimeError("the probes need a C++ compiler: set CXX")
    return loaded


def _address(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def _size(array: np.ndarray) -> ctypes.c_int64:
    return ctypes.c_int64(array.size)
