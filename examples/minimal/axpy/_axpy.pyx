# cython: language_level=3, boundscheck=False
"""The extension: on CPUs with OpenMP, which needs libgomp; on GPUs through libaxpy.so."""

from cython.parallel import prange

cdef extern from *:
    "extern const char *axpy_cuda(long n, double a, const double *x, double *y);"
    const char *axpy_cuda(long n, double a, const double *x, double *y) nogil


def axpy(double a, const double[::1] x, double[::1] y, backend="cpu"):
    """Add a * x to y, on the "cpu" or with "cuda".

    Raises ValueError for lengths that differ, RuntimeError where a GPU is asked for in vain.
    """
    cdef Py_ssize_t i, n = x.shape[0]
    cdef const char *problem = NULL
    if y.shape[0] != n:
        raise ValueError(f"x has {n} values, y has {y.shape[0]}")
    if backend == "cuda":
        if n > 0:
            with nogil:
                problem = axpy_cuda(n, a, &x[0], &y[0])
        if problem is not NULL:
            raise RuntimeError(f"no sum on a GPU: {problem.decode()}")
    elif backend == "cpu":
        for i in prange(n, nogil=True):
            y[i] += a * x[i]
    else:
        raise ValueError(f"backend {backend!r}: expected cpu or cuda")
