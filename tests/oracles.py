"""The judge of every kernel: sums of kernels written down as their formula, in NumPy."""

import itertools
import math

import numpy as np

STRETCH_A = 1.00193418799744762399
STRETCH_B = -0.00193418799744762399
CUTOFF = 11.0


def precisions(bandwidths, n_dims):
    """Inverse covariances, [n, d, d], of standard deviations or packed lower triangles."""
    bandwidths = np.atleast_2d(bandwidths)
    if bandwidths.shape[1] == n_dims:
        return np.eye(n_dims) / bandwidths[:, None, :] ** 2
    rows, columns = np.tril_indices(n_dims)
    full = np.empty((len(bandwidths), n_dims, n_dims))
    full[:, rows, columns] = full[:, columns, rows] = bandwidths
    return full


def kernel_sum(
    points, period, centers, bandwidths, weights, kernel="gaussian", images="all", cutoff=np.inf
):
    """(values [m], gradient [d, m]) of sum_k w_k K(points - c_k), K(0) = 1, zero beyond ``cutoff``.

    ``images`` "nearest": only the nearest copy along each periodic CV; "all": every copy within
    CUTOFF bandwidths.
    """
    d = points.shape[1]
    inverse = np.broadcast_to(precisions(bandwidths, d), (len(centers), d, d))
    x = points[:, None, :] - centers
    wraps = period > 0
    x[..., wraps] -= period[wraps] * np.rint(x[..., wraps] / period[wraps])
    copies = np.zeros(d, int)
    if images == "all" and len(centers):
        widest = np.sqrt(np.linalg.inv(inverse)[:, range(d), range(d)].max(axis=0))
        copies[wraps] = np.ceil(CUTOFF * widest[wraps] / period[wraps] + 0.5)
    values, gradient = np.zeros(len(points)), np.zeros((d, len(points)))
    for copy in itertools.product(*(range(-n, n + 1) for n in copies)):
        y = x + np.array(copy) * period
        slope = np.einsum("kij,mkj->mki", inverse, y)
        q = (slope * y).sum(axis=2)
        term, steep = _profile(kernel, q, cutoff)
        values += term @ weights
        gradient -= np.einsum("mk,mki->im", steep * weights, slope)
    return values, gradient


def _profile(kernel, q, cutoff):
    """(K, -dK/d(q/2)) at squared reduced distances q."""
    if kernel == "gaussian":
        value = np.where(q < cutoff**2, np.exp(-q / 2), 0.0)
        return value, value
    inside = q / 2 < 6.25
    steep = np.where(inside, STRETCH_A * np.exp(-q / 2), 0.0)
    return steep + STRETCH_B * inside, steep


def grid_points(grid):
    """All points of a grid, [size, d], in the order of its arrays."""
    return np.stack(np.meshgrid(*grid.axes, indexing="ij"), axis=-1).reshape(-1, grid.n_dims)


def grid_sum(grid, centers, bandwidths, weights, **options):
    """(values [*shape], gradient [d, *shape]) of ``kernel_sum`` on a grid."""
    values, gradient = kernel_sum(
        grid_points(grid), grid.period, centers, bandwidths, weights, **options
    )
    return values.reshape(grid.shape), gradient.reshape(grid.n_dims, *grid.shape)


def free_energy(points, period, samples, bandwidth, log_weights, kbt=1.0):
    """-kBT ln P of weighted samples with normalised kernels of one ``bandwidth`` [d]."""
    peak = log_weights.max()
    weights = np.exp(log_weights - peak)
    values, _ = kernel_sum(points, period, samples, bandwidth, weights)
    volume = np.prod(math.sqrt(2 * math.pi) * np.asarray(bandwidth))
    with np.errstate(divide="ignore"):
        return -kbt * (np.log(values) - np.log(weights.sum()) - np.log(volume))
