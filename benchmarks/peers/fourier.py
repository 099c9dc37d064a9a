"""A kernel density by a nonuniform fast Fourier transform (finufft)."""

import math

import numpy as np

from benchmarks.peers import module

#: Modes of the Gaussian below this part of the zeroth are left out.
LEAST_MODE = 1e-13


def finufft_kde(
    samples: np.ndarray, shape: tuple[int, ...], h: float, threads: int, tolerance: float = 1e-12
) -> np.ndarray:
    """Sum of unit Gaussians of width ``h`` on a grid over [-pi, pi)^d, wrapped.

    Type-1 transform of the samples, times the Gaussian's transform, inverse FFT on the grid.
    ``samples`` float64[n, d]; returns float64[shape].
    """
    finufft = module("finufft")
    d = samples.shape[1]
    n_modes = 2 * math.ceil(math.sqrt(-2 * math.log(LEAST_MODE)) / h)
    transform = (finufft.nufft1d1, finufft.nufft2d1, finufft.nufft3d1)[d - 1]
    coordinates = [np.ascontiguousarray(samples[:, i]) for i in range(d)]
    modes = transform(
        *coordinates, np.ones(len(samples), complex), (n_modes,) * d,
        eps=tolerance, isign=-1, modeord=1, nthreads=threads,
    )  # fmt: skip
    k = np.fft.fftfreq(n_modes, 1 / n_modes)
    # The grid begins at -pi: a factor (-1)^k.
    factor = h / math.sqrt(2 * math.pi) * np.exp(-0.5 * (k * h) ** 2) * np.where(k % 2, -1.0, 1.0)
    for axis in range(d):
        modes *= factor.reshape([-1 if i == axis else 1 for i in range(d)])
    for axis, n in enumerate(shape):
        modes = np.fft.ifft(fold(modes, axis, n), axis=axis) * n
    return np.ascontiguousarray(modes.real)


def fold(modes: np.ndarray, axis: int, n: int) -> np.ndarray:
    """Modes in the order of an FFT along ``axis``, brought to length ``n``: on n points, modes that
    differ by n are the same."""
    size = modes.shape[axis]
    modes = np.moveaxis(modes, axis, 0)
    times = -(-size // n)
    padded = np.zeros((times * n, *modes.shape[1:]), complex)
    padded[: size // 2] = modes[: size // 2]
    padded[times * n - (size - size // 2) :] = modes[size // 2 :]
    return np.moveaxis(padded.reshape(times, n, *modes.shape[1:]).sum(axis=0), 0, axis)
