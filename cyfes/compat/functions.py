"""The functions of CyFES 2 to 4: energies in kcal/mol, kT that of 300 K."""

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from cyfes import _kernels
from cyfes.backend import Choice, choose
from cyfes.errors import InputError
from cyfes.grid import MAX_DIMS

#: kB T at 300 K in kcal/mol, with the digits that CyFES used.
KBT = 0.596128107

#: Samples a call of the kernel: between two calls Ctrl-C is answered, and single precision is
#: added up in double.
CHUNK = 4096

SINGLE, DOUBLE = np.dtype(np.float32), np.dtype(np.float64)
#: Reach of a Gaussian in bandwidths, and the smallest sum, per sample, that is right with it: what
#: is cut off or underflows is below 2e-37 (5e-298 in double) of the largest weight for each sample.
REACH = {SINGLE: 13.0, DOUBLE: 37.0}
SMALLEST = {SINGLE: 1e-30, DOUBLE: 1e-286}

ON_CPU = Choice(_kernels.CPU, (), "asked for")

Array = npt.NDArray[Any]
Values = npt.ArrayLike
DType = np.dtype[Any]


def PathFES(crd: Values, cv: Values, bw: Values, bias: Values, *, kbt: float = KBT) -> Array:
    """Return the reweighted free energy at points, its minimum at zero: float64[M].

    F(x_i) = -kBT ln( sum_j exp(V_j / kBT) exp(-|x_i - s_j|^2 / 2) / (N prod_k sqrt(2 pi) bw_k) )
    - min F; the divisor, the same everywhere, goes with the minimum. 1 to 4 CVs.

    ``crd`` [M, d] and ``cv`` [N, d]: points and samples, each CV already divided by its bandwidth;
    ``bw`` [d] the bandwidths in CV units; ``bias`` [N] V_j of any size, in the unit of ``kbt``.
    F is finite and right to 1e-10 kBT everywhere; points where double precision underflows, as
    37 bandwidths from every sample, are summed as logarithms, which is slower.
    Raises InputError for shapes that disagree or values that are not finite.
    ``FastPathFES`` and ``StreamPathFES`` are other names of this function. Formula: CyFES 4.5.
    """
    return _free_energy(_checked(crd, cv, bw, bias, kbt), kbt, DOUBLE)


FastPathFES = StreamPathFES = PathFES


def PathFES_f32(crd: Values, cv: Values, bw: Values, bias: Values, *, kbt: float = KBT) -> Array:
    """Return ``PathFES`` as float32[M], Gaussians summed in single precision.

    Right to 1e-5 kBT and the rounding of the result. Points that single precision cannot tell from
    zero, about 60 kBT above the minimum, are summed in double precision. Errors as PathFES.
    ``FastPathFES_f32`` is another name of this function.
    """
    return _free_energy(_checked(crd, cv, bw, bias, kbt), kbt, SINGLE).astype(np.float32)


FastPathFES_f32 = PathFES_f32


def DevicePathFES(
    crd: Values, cv: Values, bw: Values, bias: Values, device_ids: Values, *, kbt: float = KBT
) -> Array:
    """Return ``PathFES`` computed by GPUs that share the points; without a GPU by the CPU.

    ``device_ids`` int[n]: the GPUs to use.
    Raises InputError as PathFES, and unless ``device_ids`` are integers >= 0 of GPUs there are.
    """
    ids = np.atleast_1d(np.asarray(device_ids))
    if ids.ndim != 1 or not ids.size or ids.dtype.kind not in "iu" or (ids < 0).any():
        raise InputError(f"device_ids must be integers >= 0, got {device_ids!r}")
    where = choose("auto", ids.tolist(), pairs=math.inf)
    return _free_energy(_checked(crd, cv, bw, bias, kbt), kbt, DOUBLE, where)


def FastBias(crd: Values, cv: Values, bw: Values, bias: Values, *, kbt: float = KBT) -> Array:
    """Return a sum of equal Gaussians at points, V(x) = w sum_t exp(-|x - mu_t|^2 / 2), w = kBT.

    Arguments and errors as PathFES; V float64[M] in the unit of ``kbt``, not shifted. CyFES read
    past the end of ``bw`` here, so that its values were undefined; this is the formula of its
    documentation, in which ``bw`` (in ``crd`` and ``cv`` already) and ``bias`` do not occur.
    """
    points, centers, _ = _checked(crd, cv, bw, bias, kbt)
    return kbt * _sums(points, centers, np.ones(len(centers)), DOUBLE)


def _free_energy(
    problem: tuple[Array, Array, Array], kbt: float, dtype: DType, where: Choice = ON_CPU
) -> Array:
    """F at the points, its minimum at zero, of what ``_checked`` returns."""
    points, samples, bias = problem
    values = -kbt * _log_sums(points, samples, (bias - bias.max()) / kbt, dtype, where)
    return np.asarray(values - values.min(initial=math.inf))


def _checked(
    crd: Values, cv: Values, bw: Values, bias: Values, kbt: float
) -> tuple[Array, Array, Array]:
    """``crd``, ``cv`` and ``bias`` as finite float64 arrays of shapes that agree."""
    given = {"crd": crd, "cv": cv, "bw": bw, "bias": bias}
    arrays = {name: np.asarray(values, np.float64) for name, values in given.items()}
    samples = arrays["cv"]
    if samples.ndim != 2 or not len(samples) or not 1 <= samples.shape[1] <= MAX_DIMS:
        raise InputError(f"cv must be [N, 1 to {MAX_DIMS}] with N > 0, got {samples.shape}")
    n, d = samples.shape
    expected = {"crd": (*arrays["crd"].shape[:1], d), "bw": (d,), "bias": (n,)}
    for name, shape in expected.items():
        if arrays[name].shape != shape:
            raise InputError(f"{name} has shape {arrays[name].shape}, expected {shape}")
    for name, values in arrays.items():
        if not np.isfinite(values).all():
            raise InputError(f"{name} must be finite")
    if not (arrays["bw"] > 0).all() or not 0 < kbt < math.inf:
        raise InputError(f"bw and kbt must be positive, got {arrays['bw'].tolist()} and {kbt}")
    return arrays["crd"], samples, arrays["bias"]


def _log_sums(
    points: Array, samples: Array, log_weights: Array, dtype: DType, where: Choice = ON_CPU
) -> Array:
    """ln sum_j exp(log_weights_j - |x_i - s_j|^2 / 2), for log-weights of at most 0.

    Each precision sums what it can represent and leaves the rest to the next.
    """
    sums = _sums(points, samples, np.exp(log_weights), dtype, where)
    small = sums < SMALLEST[dtype] * len(samples)
    result = np.log(np.where(small, 1.0, sums))
    if small.any() and dtype == np.float32:
        result[small] = _log_sums(points[small], samples, log_weights, DOUBLE, where)
    elif small.any():
        result[small] = _exact_log_sums(points[small], samples, log_weights)
    return result


def _sums(
    points: Array, samples: Array, weights: Array, dtype: DType, where: Choice = ON_CPU
) -> Array:
    """sum_j weights_j exp(-|x_i - s_j|^2 / 2)."""
    if where.devices:
        return _sums_on_devices(points, samples, weights, dtype, where)
    total, d, reach = np.zeros(len(points)), samples.shape[1], REACH[dtype]
    unit, no_period = np.ones((1, d)), np.zeros(d)
    for first in range(0, len(samples), CHUNK):
        part, rows = np.zeros(len(points), dtype), slice(first, first + CHUNK)
        chunk = samples[rows], unit, weights[rows]
        _kernels.evaluate(points, no_period, *chunk, part, cutoff=reach)
        total += part
    return total


def _sums_on_devices(
    points: Array, samples: Array, weights: Array, dtype: DType, where: Choice
) -> Array:
    """The same by GPUs, each for its part of the points with a host thread of its own."""
    parts, d = np.array_split(points, len(where.devices)), samples.shape[1]
    sums = [np.zeros(len(part), dtype) for part in parts]

    def run(part: Array, total: Array, device: int) -> None:
        _kernels.evaluate(
            part,
            np.zeros(d),
            samples,
            np.ones((1, d)),
            weights,
            total,
            cutoff=REACH[dtype],
            backend=where.backend,
            device=device,
        )

    with ThreadPoolExecutor(len(parts)) as pool:
        list(pool.map(run, parts, sums, where.devices))
    return np.concatenate(sums).astype(np.float64)


def _exact_log_sums(points: Array, samples: Array, log_weights: Array) -> Array:
    """The same without leaving logarithms, which nothing can underflow."""
    result = np.empty(len(points))
    for i, point in enumerate(points):
        exponents = log_weights - 0.5 * ((point - samples) ** 2).sum(axis=1)
        peak = exponents.max()
        result[i] = peak + np.log(np.exp(exponents - peak).sum())
    return result
