"""The data of the benchmarks, drawn from fixed seeds."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

#: CVs are angles.
PERIOD = 2 * np.pi
#: Samples stay this near the origin: ten bandwidths of a fiftieth of the period from its ends, so
#: that peers without periodic CVs have the same sum to judge.
EXTENT = 1.88
_WELLS = np.array([[-0.9, -0.8, 0.6], [0.7, 0.9, -0.5], [0.3, -0.9, -0.7], [-0.4, 0.8, 0.2]])
_PARTS = (0.55, 0.3, 0.1, 0.05)


def samples(n: int, n_dims: int, seed: int = 1) -> np.ndarray:
    """Samples of four wells, float64[n, n_dims], each coordinate within EXTENT."""
    rng = np.random.default_rng([seed, n_dims])
    values = rng.normal(0.0, 0.25, (n, n_dims))
    values += _WELLS[rng.choice(len(_PARTS), n, p=_PARTS), :n_dims]
    beyond = np.abs(values) > EXTENT
    values[beyond] = np.sign(values[beyond]) * (2 * EXTENT - np.abs(values[beyond]))
    return np.ascontiguousarray(np.clip(values, -EXTENT, EXTENT))


def sample_chunks(n: int, n_dims: int, chunk: int = 1_000_000) -> Iterator[np.ndarray]:
    """``n`` samples, a chunk at a time."""
    for number, start in enumerate(range(0, n, chunk)):
        yield samples(min(chunk, n - start), n_dims, seed=100 + number)


def hills(n: int, n_dims: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centers float64[n, d] all over periodic CVs, sigma 0.3 float64[n, d], heights float64[n]."""
    rng = np.random.default_rng(n)
    centers = rng.uniform(-np.pi, np.pi, (n, n_dims))
    return centers, np.full((n, n_dims), 0.3), rng.uniform(0.1, 1.2, n)


def write_hills(path: Path, n: int, n_dims: int) -> None:
    """Write these hills as PLUMED does."""
    names = ["phi", "psi", "omega"][:n_dims]
    centers, sigma, heights = hills(n, n_dims)
    fields = ["time", *names, *(f"sigma_{x}" for x in names), "height", "biasf"]
    lines = [f"#! FIELDS {' '.join(fields)}", "#! SET multivariate false"]
    lines += ["#! SET kerneltype stretched-gaussian", *_periods(names)]
    columns = np.column_stack([np.arange(1, n + 1), centers, sigma, heights, np.full(n, 10.0)])
    _write(path, lines, columns, " %22.16g")


def write_colvar(path: Path, n: int) -> None:
    """Write ``n`` frames of time, phi, psi, an energy and a bias, as PLUMED does."""
    rng = np.random.default_rng([3, n])
    energy, bias = rng.normal(-20.0, 5.0, n), rng.uniform(0.0, 40.0, n)
    columns = np.column_stack([0.5 * np.arange(n), samples(n, 2), energy, bias])
    lines = ["#! FIELDS time phi psi ene metad.bias", *_periods(["phi", "psi"])]
    _write(path, lines, columns, " %.6f")


def _periods(names: list[str]) -> list[str]:
    return [
        f"#! SET {end}_{x} {value}" for x in names for end, value in (("min", "-pi"), ("max", "pi"))
    ]


def _write(path: Path, header: list[str], columns: np.ndarray, number: str) -> None:
    with path.open("w") as file:
        file.write("\n".join(header) + "\n")
        np.savetxt(file, columns, fmt=number * columns.shape[1])
