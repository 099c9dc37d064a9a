# The only file that sees C. Every function checks shapes, releases the GIL around the call and
# turns a status into the exception that errors.py names.
import os
import warnings
from functools import cache

import numpy as np

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from cyfes.errors import (
    BackendError,
    BackendLibraryError,
    CyfesWarning,
    DeviceFailureError,
    DeviceIndexError,
    DeviceMemoryError,
    DriverError,
    InputError,
    NoDeviceError,
)


cdef extern from "<dlfcn.h>" nogil:
    enum:
        RTLD_NOW
        RTLD_LOCAL
    void *dlopen(const char *path, int flags)
    void *dlsym(void *handle, const char *name)
    char *dlerror()


cdef extern from "cyfes_kernels.h" nogil:
    enum:
        CYFES_OK
        CYFES_INVALID_ARGUMENT
        CYFES_OUT_OF_MEMORY
        CYFES_UNSUPPORTED
        CYFES_NO_DEVICE
        CYFES_DRIVER_TOO_OLD
        CYFES_BAD_DEVICE
        CYFES_DEVICE_FAILURE
        CYFES_DEVICE_MEMORY
        CYFES_ABI_VERSION
        CYFES_MAX_DIMS

    ctypedef struct cyfes_grid:
        int32_t n_dims
        const int64_t *shape
        const double *lower
        const double *spacing
        const double *period

    ctypedef struct cyfes_kernel_list:
        int64_t n_kernels
        int64_t n_bandwidths
        int32_t n_scales
        const double *centers
        const double *bandwidths
        const double *weights
        const int32_t *windows

    ctypedef struct cyfes_plan:
        int32_t method
        int32_t order
        double[4] cell_width
        double reach
        double error
        double tail_error
        double[4] cost
        char[160] reason
        uint64_t seal

    ctypedef struct cyfes_options:
        double cutoff
        int32_t kernel
        int32_t images
        int32_t n_threads
        int32_t isa
        int32_t device
        double tolerance
        double tail
        int32_t method
        const cyfes_plan *plan

    ctypedef struct cyfes_backend:
        int32_t abi_version
        const char *name
        int (*device_count)(int32_t *) noexcept nogil
        int (*spread_f64)(const cyfes_grid *, const cyfes_kernel_list *, const cyfes_options *,
                          double *, double *) noexcept nogil
        int (*spread_f32)(const cyfes_grid *, const cyfes_kernel_list *, const cyfes_options *,
                          float *, float *) noexcept nogil
        int (*evaluate_f64)(int32_t, const double *, const cyfes_kernel_list *, int64_t,
                            const double *, const cyfes_options *, double *, double *) noexcept nogil
        int (*evaluate_f32)(int32_t, const double *, const cyfes_kernel_list *, int64_t,
                            const double *, const cyfes_options *, float *, float *) noexcept nogil
        const char *(*error_text)() noexcept nogil

    ctypedef struct cyfes_bad_row:
        int64_t offset
        int64_t line
        int32_t fault
        int32_t n_columns
        int32_t column

    ctypedef struct cyfes_parsed:
        int64_t n_rows
        int64_t n_bytes
        int64_t n_lines
        int64_t n_faults
        cyfes_bad_row first

    const cyfes_backend *cyfes_cpu_backend()
    const char *cyfes_cpu_isa_name(int32_t index)
    int cyfes_cpu_isa_supported(int32_t index)
    int32_t cyfes_cpu_threads(int32_t)
    int cyfes_cpu_forked()
    int cyfes_cpu_plan(const cyfes_grid *, const cyfes_kernel_list *, const cyfes_options *,
                       cyfes_plan *) nogil
    int cyfes_cpu_weigh(int64_t, const double *, double, const cyfes_options *, double *, double *)
    int cyfes_cpu_sum_weights(int64_t, const double *, const cyfes_options *, double *)
    int cyfes_cpu_basins(const cyfes_grid *, const double *, double, int64_t *, int64_t *, int64_t *,
                         int64_t *, int64_t *)
    int CYFES_NODES
    ctypedef struct cyfes_matrix:
        int64_t n_rows
        int64_t n_points
        int64_t n_columns
        const double *values
        const int64_t *ranges
    int cyfes_cpu_nodes_to_grid(int32_t, const cyfes_matrix *, int64_t, const double *,
                                const cyfes_options *, double *)
    int cyfes_cpu_nodes(const cyfes_grid *, double, int64_t, const int64_t *, const double *,
                        const double *, const cyfes_options *, double *)
    int cyfes_cpu_mbar(int32_t, const double *, int64_t, const double *, const double *,
                       const double *, int64_t, const double *, const cyfes_options *, double *,
                       double *, double *)
    int cyfes_parse_rows(const char *, int64_t, int32_t, int32_t, int32_t, const int32_t *, int32_t,
                         int32_t, int32_t, int64_t, double *const *, uint8_t *, cyfes_parsed *)
    int cyfes_format_grid(const cyfes_grid *, int32_t, const double *const *, int64_t, int64_t,
                          int32_t, int32_t, int32_t, char **, int64_t *)
    void cyfes_free_text(char *)
    const char *cyfes_error_text()


KERNELS = {"gaussian": 0, "stretched-gaussian": 1}
IMAGES = {"nearest": 0, "all": 1}
METHODS = ("auto", "stamps", "tiles", "moments")
#: What sums may err by where nothing else is asked for.
TOLERANCE = 1e-11
TAIL = 30.0
#: Nodes of a net that a sample adds to, along each CV.
NODES = CYFES_NODES
ROW_FAULTS = ("good", "wrong number of columns", "not a number", "not finite", "header line in it")


#: Status -> exception; the texts come from C.
_EXCEPTIONS = {
    CYFES_INVALID_ARGUMENT: InputError,
    CYFES_OUT_OF_MEMORY: MemoryError,
    CYFES_UNSUPPORTED: BackendError,
    CYFES_NO_DEVICE: NoDeviceError,
    CYFES_DRIVER_TOO_OLD: DriverError,
    CYFES_BAD_DEVICE: DeviceIndexError,
    CYFES_DEVICE_FAILURE: DeviceFailureError,
    CYFES_DEVICE_MEMORY: DeviceMemoryError,
}


cdef _check(int status, const char *text):
    if status != CYFES_OK:
        raise _EXCEPTIONS.get(status, RuntimeError)(text.decode())


ctypedef const cyfes_backend *(*backend_getter)() noexcept nogil


cdef class Backend:
    """A table of sums: the CPU's own, or that of a plug-in library."""

    cdef const cyfes_backend *table
    cdef readonly str name
    cdef readonly object path

    @staticmethod
    def cpu():
        """Return the CPU backend."""
        cdef Backend backend = Backend.__new__(Backend)
        backend.table = cyfes_cpu_backend()
        backend.name = backend.table.name.decode()
        return backend

    @staticmethod
    def load(path):
        """Return the backend of a library, given by its absolute path.

        Raises BackendLibraryError with the dynamic linker's own words if it cannot be loaded, or
        if it is of another version.
        """
        cdef Backend backend = Backend.__new__(Backend)
        encoded = os.fsencode(path)
        cdef const char *name = encoded
        cdef void *handle
        cdef void *symbol
        with nogil:
            handle = dlopen(name, RTLD_NOW | RTLD_LOCAL)
        if handle == NULL:
            raise BackendLibraryError(dlerror().decode(errors="replace"))
        symbol = dlsym(handle, b"cyfes_cuda_backend")
        if symbol == NULL:
            raise BackendLibraryError(f"{path} is not a library of cyfes")
        backend.table = (<backend_getter>symbol)()
        if backend.table.abi_version != CYFES_ABI_VERSION:
            raise BackendLibraryError(
                f"{path} speaks version {backend.table.abi_version} of the kernels' contract, "
                f"expected {CYFES_ABI_VERSION}")
        backend.name = backend.table.name.decode()
        backend.path = path
        return backend

    def __reduce__(self):
        return (_backend_at, (self.path,))

    def device_count(self):
        """Return the number of devices; raises the BackendError that tells why there is none."""
        cdef int32_t count = 0
        cdef int status
        with nogil:
            status = self.table.device_count(&count)
        _check(status, self.table.error_text())
        return count


CPU = Backend.cpu()


def _backend_at(path):
    """The backend that was pickled: the CPU's, or that of the library at a path."""
    return CPU if path is None else Backend.load(path)


def isas():
    """Return [(name, supported here)] of the instruction sets compiled in, slowest first."""
    found = []
    cdef int32_t index = 0
    while cyfes_cpu_isa_name(index) != NULL:
        found.append((cyfes_cpu_isa_name(index).decode(), bool(cyfes_cpu_isa_supported(index))))
        index += 1
    return found


def max_threads():
    """Return the number of threads that n_threads=0 stands for."""
    return cyfes_cpu_threads(0)


def selected_isa():
    """Return the instruction set in use: CYFES_ISA where set, else the best supported.

    Raises BackendError if CYFES_ISA names one that is unknown or not supported here.
    """
    compiled = isas()
    wanted = os.environ.get("CYFES_ISA")
    usable = [name for name, supported in compiled if supported]
    if not wanted:
        return usable[-1]
    if wanted not in usable:
        raise BackendError(
            f"CYFES_ISA={wanted} cannot be used on this processor; expected one of "
            + ", ".join(usable)
        )
    return wanted


cdef int32_t _selected_index() except -1:
    """What cyfes_options.isa says for selected_isa()."""
    return 1 + [name for name, _ in isas()].index(selected_isa())


cdef _input(what, values, n_axes, dtype=np.float64):
    """The C-contiguous array of an input argument."""
    try:
        array = np.ascontiguousarray(values, dtype)
    except (TypeError, ValueError):
        raise InputError(f"{what} must be numbers, got {type(values).__name__}") from None
    if np.ndim(values) != n_axes:
        raise InputError(f"{what} must have {n_axes} axes, got shape {np.shape(values)}")
    return array


cdef class _Kernels:
    """Owns the arrays behind one cyfes_kernel_list."""

    cdef cyfes_kernel_list list
    cdef object _keep

    def __cinit__(self, centers, bandwidths, weights, windows=None):
        centers = _input("centers", centers, 2)
        bandwidths = _input("bandwidths", bandwidths, 2)
        weights = _input("weights", weights, 1)
        cdef const double[:, ::1] c = centers
        cdef const double[:, ::1] b = bandwidths
        cdef const double[::1] w = weights
        cdef const int32_t[:, ::1] v
        if w.shape[0] != c.shape[0]:
            raise InputError(f"weights has {w.shape[0]} entries for {c.shape[0]} kernels")
        if b.shape[0] != 1 and b.shape[0] != c.shape[0]:
            raise InputError(f"bandwidths has {b.shape[0]} rows for {c.shape[0]} kernels")
        self.list.n_kernels = c.shape[0]
        self.list.n_bandwidths = b.shape[0]
        self.list.n_scales = <int32_t>b.shape[1]
        self.list.windows = NULL
        if c.shape[0]:
            self.list.centers = &c[0, 0]
            self.list.bandwidths = &b[0, 0]
            self.list.weights = &w[0]
            if windows is not None:
                windows = _input("windows", windows, 2, np.int32)
                v = windows
                if v.shape[0] != c.shape[0] or v.shape[1] != c.shape[1]:
                    raise InputError(f"windows must have the shape of centers, {centers.shape}, "
                                     f"got {windows.shape}")
                self.list.windows = &v[0, 0]
        self._keep = (centers, bandwidths, weights, windows)


cdef class _Grid:
    """Owns the arrays behind one cyfes_grid."""

    cdef cyfes_grid grid
    cdef int64_t[CYFES_MAX_DIMS] shape
    cdef double[CYFES_MAX_DIMS] lower, spacing, period
    cdef readonly int64_t size

    def __cinit__(self, grid):
        self.size = grid.size
        for i in range(grid.n_dims):
            self.shape[i] = grid.shape[i]
            self.lower[i] = grid.lower[i]
            self.spacing[i] = grid.spacing[i]
            self.period[i] = grid.period[i]
        self.grid.n_dims = grid.n_dims
        self.grid.shape = self.shape
        self.grid.lower = self.lower
        self.grid.spacing = self.spacing
        self.grid.period = self.period


cdef int32_t _n_threads(n_threads) except -1:
    """What cyfes_options.n_threads says. Warns once where there are fewer than asked for."""
    if n_threads < 0:
        raise InputError(f"n_threads must be at least 0, got {n_threads}")
    if n_threads != 1 and cyfes_cpu_forked():
        _warn_once(
            "this process was forked from one whose sums ran on threads, so that its own run on one; "
            "start processes by multiprocessing's \"spawn\" or \"forkserver\" to use more"
        )
    elif n_threads > 1:
        _warn_of_fewer(n_threads)
    return min(n_threads, 2**31 - 1)


@cache
def _warn_of_fewer(n_threads):
    found = cyfes_cpu_threads(min(n_threads, 2**31 - 1))
    if found < n_threads:
        _warn_once(
            f"{found} threads are used instead of {n_threads}: more would only take memory, or are "
            "more than the system starts (ulimit -v, -u)"
        )


@cache
def _warn_once(text):
    warnings.warn(text, CyfesWarning, stacklevel=3)


cdef cyfes_options _options(kernel, cutoff, images, n_threads, device, tol=TOLERANCE, tail=TAIL,
                            method="auto"):
    cdef cyfes_options options
    if kernel not in KERNELS:
        raise InputError(f"unknown kernel {kernel!r}; expected one of {', '.join(KERNELS)}")
    options.cutoff = cutoff
    if images not in IMAGES:
        raise InputError(f"unknown images {images!r}; expected one of {', '.join(IMAGES)}")
    options.kernel = KERNELS[kernel]
    options.images = IMAGES[images]
    options.n_threads = _n_threads(n_threads)
    options.isa = _selected_index()
    options.device = device
    if method not in METHODS:
        raise InputError(f"unknown method {method!r}; expected one of {', '.join(METHODS)}")
    options.tolerance = tol
    options.tail = tail
    options.method = <int32_t>METHODS.index(method)
    options.plan = NULL
    return options


def spread(grid, centers, bandwidths, weights, density, derivatives=None, windows=None, *,
           kernel="gaussian", cutoff=10.0, images="all", n_threads=0, Backend backend=CPU,
           device=0, tol=TOLERANCE, tail=TAIL, method="auto", plan=None):
    """Add a sum of kernels to ``density`` (and its gradient to ``derivatives``) on ``grid``.

    density += sum_k weights[k] K(x - centers[k]), K(0) = 1 (not normalised).

    centers float64[n, d]; bandwidths float64[1 or n, d] standard deviations or, for d > 1,
    float64[1 or n, d (d + 1) / 2] inverse covariances (lower triangle, row by row); weights
    float64[n]; density float64 or float32[grid.shape], C-contiguous; derivatives the same dtype,
    [d, *grid.shape]; windows int32[n, d] or None (see cyfes_kernels.h). ``backend`` and
    ``device`` choose where to compute; ``n_threads`` concerns the CPU only, as do ``method`` (one of
    METHODS), ``tol`` (the error, relative to the density's peak, that "moments" may make) and
    ``tail`` (the height above the minimum of F = -ln density up to which F is right to 1e-8).
    ``plan``: a Plan made for this grid, bandwidth and options, or None to plan for these kernels.
    Raises InputError for a bad shape or value or another plan, BackendError if CYFES_ISA, a device
    or the method cannot be used.
    """
    cdef _Grid g = _Grid(grid)
    cdef _Kernels k = _Kernels(centers, bandwidths, weights, windows)
    cdef cyfes_options options = _options(kernel, cutoff, images, n_threads, device, tol, tail,
                                          method)
    cdef const cyfes_backend *table = backend.table
    cdef bint single = _is_single(density)
    cdef void *values
    cdef void *gradient
    cdef cyfes_plan planned
    cdef int status
    if plan is not None:
        _read_plan(plan, &planned)
        options.plan = &planned
    if k._keep[0].shape[1] != grid.n_dims:
        raise InputError(f"centers has {k._keep[0].shape[1]} columns for {grid.n_dims} CVs")
    values = _data("density", density, density.dtype, grid.shape)
    gradient = _data("derivatives", derivatives, density.dtype, (grid.n_dims, *grid.shape))
    with nogil:
        if single:
            status = table.spread_f32(&g.grid, &k.list, &options, <float *>values,
                                        <float *>gradient)
        else:
            status = table.spread_f64(&g.grid, &k.list, &options, <double *>values,
                                        <double *>gradient)
    _check(status, table.error_text())


class Plan(dict):
    """How ``spread`` sums, by name (see ``plan``). What it reads is ``raw``; plans of one ``seal``
    sum alike.
    """

    raw = b""
    seal = 0


cdef int _read_plan(plan, cyfes_plan *to) except -1:
    cdef bytes raw = getattr(plan, "raw", b"")
    if len(raw) != sizeof(cyfes_plan):
        raise InputError(f"plan must be a Plan, got {type(plan).__name__}")
    memcpy(to, <const char *>raw, sizeof(cyfes_plan))
    return 0


def plan(grid, n_kernels, bandwidths, *, kernel="gaussian", cutoff=10.0, images="all", windows=False,
         tol=TOLERANCE, tail=TAIL, method="auto"):
    """Return the Plan of a CPU's ``spread`` of ``n_kernels`` with these bandwidths, a dict.

    "method" (one of METHODS), "reason", "order", "cell_width" (in bandwidths, one a CV; "order" 0
    unless "moments"), "reach" (bandwidths), "error" and "tail_error" (bounds, relative to the peak
    and of F up to ``tail``), "cost" (method -> the model's seconds on one thread).
    Raises as ``spread``.
    """
    cdef _Grid g = _Grid(grid)
    bandwidths = _input("bandwidths", bandwidths, 2)
    cdef const double[:, ::1] b = bandwidths
    cdef cyfes_kernel_list kernels
    cdef cyfes_options options = _options(kernel, cutoff, images, 0, 0, tol, tail, method)
    cdef cyfes_plan found
    cdef int32_t any_window = 0
    kernels.n_kernels = n_kernels if b.shape[0] else 0
    kernels.n_bandwidths = b.shape[0]
    kernels.n_scales = <int32_t>b.shape[1]
    kernels.bandwidths = &b[0, 0] if b.shape[0] else NULL
    kernels.centers = NULL
    kernels.weights = NULL
    kernels.windows = &any_window if windows else NULL
    _check(cyfes_cpu_plan(&g.grid, &kernels, &options, &found), cyfes_error_text())
    told = Plan({
        "method": METHODS[found.method],
        "reason": found.reason.decode(),
        "order": found.order,
        "cell_width": [found.cell_width[i] for i in range(grid.n_dims)],
        "reach": found.reach,
        "error": found.error,
        "tail_error": found.tail_error,
        "cost": {METHODS[i]: found.cost[i] for i in range(1, 4) if found.cost[i] >= 0},
    })
    told.seal = found.seal
    told.raw = (<const char *>&found)[:sizeof(cyfes_plan)]
    return told


def weigh(log_weights, exponent, weights, n_threads=0):
    """Write exp(log_weights) 2^-exponent to ``weights``; return (their sum, that of their squares).

    log_weights float64[n], -inf for a weight of 0; ``exponent`` a whole number that leaves the
    weights at most 2; weights float64[n], C-contiguous. Raises InputError for a bad shape.
    """
    log_weights = _input("log_weights", log_weights, 1)
    cdef const double[::1] x = log_weights
    cdef double *w
    cdef cyfes_options options = _options("gaussian", 1.0, "all", n_threads, 0)
    cdef double[2] sums
    cdef double e = exponent
    cdef int64_t n = x.shape[0]
    cdef int status
    if n == 0:
        return 0.0, 0.0
    w = <double *>_data("weights", weights, np.dtype(np.float64), log_weights.shape)
    with nogil:
        status = cyfes_cpu_weigh(n, &x[0], e, &options, w, sums)
    _check(status, cyfes_error_text())
    return sums[0], sums[1]


def sum_weights(weights, n_threads=0):
    """Return (sum of weights, sum of their squares), float64[n]. Raises InputError for a bad shape."""
    cdef const double[::1] w = _input("weights", weights, 1)
    cdef cyfes_options options = _options("gaussian", 1.0, "all", n_threads, 0)
    cdef double[2] sums
    cdef int64_t n = w.shape[0]
    cdef int status
    if n == 0:
        return 0.0, 0.0
    with nogil:
        status = cyfes_cpu_sum_weights(n, &w[0], &options, sums)
    _check(status, cyfes_error_text())
    return sums[0], sums[1]


def basins(grid, values, persistence):
    """Return (labels, minima, passes) of a function on a grid (see cyfes_kernels.h).

    values float64[grid.shape], walls where not finite; ``persistence`` in their unit. labels
    int64[grid.shape], -1 in walls; minima int64[n] and passes int64[m, 3], of which the first is a
    point, the others basins: points count along the flattened grid. Raises InputError for a bad
    shape or a negative persistence.
    """
    values = _input("values", values, grid.n_dims)
    if values.shape != grid.shape:
        raise InputError(f"values have shape {values.shape}, expected {grid.shape}")
    cdef _Grid g = _Grid(grid)
    cdef const double[::1] v = values.reshape(-1)
    labels = np.empty(grid.shape, np.int64)
    room = 1  # neighbours are not both minima
    for n in grid.shape:
        room *= (n + 1) // 2
    minima = np.empty(room, np.int64)
    passes = np.empty((room, 3), np.int64)
    cdef int64_t[::1] l = labels.reshape(-1)
    cdef int64_t[::1] m = minima
    cdef int64_t[:, ::1] p = passes
    cdef double least = persistence
    cdef int64_t n_minima = 0, n_passes = 0
    cdef int status
    with nogil:
        status = cyfes_cpu_basins(&g.grid, &v[0], least, &l[0], &m[0], &p[0, 0], &n_minima,
                                  &n_passes)
    _check(status, cyfes_error_text())
    return labels, minima[:n_minima].copy(), passes[:n_passes].copy()


def add_nodes(net, width, ends, centers, weights, nodes, n_threads=0):
    """Add blocks of samples to the ``nodes`` of a net, each as a Gaussian of ``width`` steps.

    ``net`` has the n_dims (1 or 2), shape (cells), lower, spacing and period of a Grid; block b is
    samples [ends[b - 1], ends[b]), ends int64[B]; centers float64[n, d], weights float64[n]; nodes
    float64[B, shape + NODES - 1], C-contiguous. A sample in cell c counts at the nodes
    c ... c + NODES - 1, of which node c + NODES / 2 - 1 is the cell's lower end; one outside the
    cells, or not finite, counts nothing. Raises InputError for a bad shape.
    """
    cdef _Grid g = _Grid(net)
    centers = _input("centers", centers, 2)
    cdef const double[:, ::1] x = centers
    cdef const double[::1] w = _input("weights", weights, 1)
    cdef const int64_t[::1] e = np.ascontiguousarray(ends, np.int64)
    cdef cyfes_options options = _options("gaussian", 1.0, "all", n_threads, 0)
    cdef double s = width
    cdef int64_t n_blocks = e.shape[0], n = x.shape[0]
    cdef double *to
    cdef int status
    if x.shape[1] != net.n_dims or w.shape[0] != n:
        raise InputError(f"centers has shape {centers.shape} and weights {w.shape[0]} entries for "
                         f"{net.n_dims} CVs")
    if n == 0 or n_blocks == 0:
        return
    if e[n_blocks - 1] > n:
        raise InputError(f"blocks end at {e[n_blocks - 1]}, after the last of {n} samples")
    shape = (n_blocks, *(count + NODES - 1 for count in net.shape))
    to = <double *>_data("nodes", nodes, np.dtype(np.float64), shape)
    with nogil:
        status = cyfes_cpu_nodes(&g.grid, s, n_blocks, &e[0], &x[0, 0], &w[0], &options, to)
    _check(status, cyfes_error_text())


def nodes_to_grid(matrices, nodes, values, n_threads=0):
    """Write what blocks of ``nodes`` float64[B, ...] of a net make on a grid, nodes times matrices.

    ``matrices``: for each of 1 or 2 CVs (n_points, float64[nodes, columns], int64[columns / 8, 2]):
    points, padded with zeros to 8 columns, and the rows of each 8 that are not zero. The nodes of
    the last of two CVs are a multiple of 4. values float64[B, *points]. All C-contiguous.
    Raises InputError for a bad shape.
    """
    cdef cyfes_matrix[2] all
    cdef const double[:, ::1] m
    cdef const int64_t[:, ::1] r
    cdef cyfes_options options = _options("gaussian", 1.0, "all", n_threads, 0)
    cdef int32_t n_dims = <int32_t>len(matrices)
    cdef int64_t n_blocks = len(nodes)
    cdef double *given
    cdef double *found
    cdef int status
    if not 1 <= n_dims <= 2:
        raise InputError(f"matrices must be of 1 or 2 CVs, got {n_dims}")
    if n_blocks == 0:
        return
    keep = []
    for i, (n_points, matrix, ranges) in enumerate(matrices):
        m = matrix
        r = ranges
        if m.shape[0] < 1 or m.shape[1] < 8 or 8 * r.shape[0] != m.shape[1] or r.shape[1] != 2:
            raise InputError(f"a matrix has shape {matrix.shape} and ranges {ranges.shape}")
        all[i].n_rows, all[i].n_points, all[i].n_columns = m.shape[0], n_points, m.shape[1]
        all[i].values = &m[0, 0]
        all[i].ranges = &r[0, 0]
        keep.append((matrix, ranges))
    dtype = np.dtype(np.float64)
    given = <double *>_data("nodes", nodes, dtype, (n_blocks, *(len(a) for a, _ in keep)))
    shape = (n_blocks, *(matrix[0] for matrix in matrices))
    found = <double *>_data("values", values, dtype, shape)
    with nogil:
        status = cyfes_cpu_nodes_to_grid(n_dims, all, n_blocks, given, &options, found)
    _check(status, cyfes_error_text())


def mbar_sums(samples, period, centers, half_springs, offsets, products=None, logs=None, n_threads=0):
    """Return sum_n p_k(x_n), float64[K], over samples in K harmonic windows (see cyfes_kernels.h).

    p_k = exp(e_k) / sum_l exp(e_l), e_k = offsets[k] - sum_d half_springs[k, d] (x_d - centers[k, d])^2.
    samples float64[n, d], finite; period float64[d] (0 = not periodic); centers and half_springs
    float64[K, d]; offsets float64[K]. ``products`` None or float64[K, K], to which sum_n p_k p_l is
    added; ``logs`` None or float64[n], to which ln sum_l exp(e_l) is written. Raises InputError for
    a bad shape or value.
    """
    samples = _input("samples", samples, 2)
    centers = _input("centers", centers, 2)
    half_springs = _input("half_springs", half_springs, 2)
    period = _input("period", period, 1)
    offsets = _input("offsets", offsets, 1)
    cdef const double[:, ::1] x = samples
    cdef const double[:, ::1] c = centers
    cdef const double[:, ::1] h = half_springs
    cdef const double[::1] p = period
    cdef const double[::1] o = offsets
    cdef cyfes_options options = _options("gaussian", 1.0, "all", n_threads, 0)
    cdef int64_t n = x.shape[0], k = c.shape[0]
    cdef int32_t d = <int32_t>c.shape[1]
    cdef double *to_products
    cdef double *to_logs
    cdef int status
    shapes = (samples.shape[1], period.shape[0], *half_springs.shape, offsets.shape[0])
    if shapes != (d, d, k, d, k):
        raise InputError(f"samples {samples.shape}, period {period.shape}, half_springs "
                         f"{half_springs.shape} and offsets {offsets.shape} do not fit the centers "
                         f"{centers.shape}")
    sums = np.zeros(k)
    if n == 0 or k == 0 or d == 0:
        return sums
    cdef double[::1] s = sums
    to_products = <double *>_data("products", products, np.dtype(np.float64), (k, k))
    to_logs = <double *>_data("logs", logs, np.dtype(np.float64), (n,))
    with nogil:
        status = cyfes_cpu_mbar(d, &p[0], k, &c[0, 0], &h[0, 0], &o[0], n, &x[0, 0], &options,
                                &s[0], to_products, to_logs)
    _check(status, cyfes_error_text())
    return sums


def evaluate(points, period, centers, bandwidths, weights, density, derivatives=None, *,
             kernel="gaussian", cutoff=10.0, images="nearest", n_threads=0, Backend backend=CPU,
             device=0):
    """Add a sum of kernels at arbitrary points: the sum of ``spread`` without a grid.

    points float64[m, d]; period float64[d] (0 = not periodic); density float64 or float32[m];
    derivatives the same dtype, [d, m]; the rest as in ``spread``.
    """
    points = _input("points", points, 2)
    period = _input("period", period, 1)
    cdef const double[:, ::1] x = points
    cdef const double[::1] p = period
    cdef _Kernels k = _Kernels(centers, bandwidths, weights)
    cdef cyfes_options options = _options(kernel, cutoff, images, n_threads, device)
    cdef const cyfes_backend *table = backend.table
    cdef int32_t n_dims = <int32_t>x.shape[1]
    cdef int64_t n_points = x.shape[0]
    cdef bint single = _is_single(density)
    cdef void *values
    cdef void *gradient
    cdef int status
    if k._keep[0].shape[1] != n_dims or p.shape[0] != n_dims:
        raise InputError(f"points has {n_dims} columns, centers {k._keep[0].shape[1]}, "
                         f"period {p.shape[0]} entries: they must agree")
    if n_points == 0:
        return
    values = _data("density", density, density.dtype, (n_points,))
    gradient = _data("derivatives", derivatives, density.dtype, (n_dims, n_points))
    with nogil:
        if single:
            status = table.evaluate_f32(n_dims, &p[0], &k.list, n_points, &x[0, 0], &options,
                                          <float *>values, <float *>gradient)
        else:
            status = table.evaluate_f64(n_dims, &p[0], &k.list, n_points, &x[0, 0], &options,
                                          <double *>values, <double *>gradient)
    _check(status, table.error_text())


cdef bint _is_single(density) except -1:
    if not isinstance(density, np.ndarray):
        raise InputError(f"density must be an array, got {type(density).__name__}")
    if density.dtype not in (np.float64, np.float32):
        raise InputError(f"density must be float64 or float32, got {density.dtype}")
    return density.dtype == np.float32


cdef void *_data(what, array, dtype, shape) except? NULL:
    """Address of a writable output array (NULL for None) after checking its type and shape."""
    cdef uint8_t[::1] view
    if array is None:
        return NULL
    if not isinstance(array, np.ndarray):
        raise InputError(f"{what} must be an array, got {type(array).__name__}")
    if array.shape != tuple(shape) or array.dtype != dtype or not array.flags.carray:
        layout = "" if array.flags.carray else " that is strided or read-only"
        raise InputError(f"{what} must be C-contiguous, writable {dtype}{tuple(shape)}, "
                         f"got {array.dtype}{array.shape}{layout}")
    view = array.reshape(-1).view(np.uint8)
    return &view[0]


def parse_rows(text, n_columns, wanted, n_threads=0, allow_nonfinite=False, is_last=True,
               space=None):
    """Parse the data rows of a bytes-like object up to a header line ("#!") or while there is room.

    wanted: ascending 0-based columns; nan and inf are a fault unless allow_nonfinite. ``space`` is
    None or where to put the result: float64[room] a column, and uint8[room]; room for half as many
    rows as bytes, and one more, is enough. Returns (columns float64[n_rows] each, faults None
    or uint8[n_rows] (index into ROW_FAULTS), first, n_rows, n_bytes, n_lines): first is None or the first bad
    row as (offset of its line, newlines before it, fault, columns found, faulty column or -1);
    n_bytes of the text were read, n_lines newlines among them. A line without newline is left
    unless the text is the last of its file.
    """
    cdef const uint8_t[::1] t = text
    cdef const int32_t[::1] w = np.ascontiguousarray(wanted, np.int32)
    cdef int32_t width = n_columns
    cdef int32_t threads = _n_threads(n_threads)
    cdef int32_t nonfinite = bool(allow_nonfinite), last = bool(is_last), isa = _selected_index()
    cdef int64_t room
    cdef double **pointers = <double **>malloc((len(wanted) + 1) * sizeof(void *))
    cdef cyfes_parsed parsed
    cdef uint8_t *f
    cdef int status
    if pointers == NULL:
        raise MemoryError
    try:
        if space is None:
            room = t.shape[0] // 2 + 1
            space = [*np.empty((len(wanted), room)), np.empty(room, np.uint8)]
        *columns, faults = space
        room = len(faults)
        for i, column in enumerate(columns):
            pointers[i] = <double *>_data("column", column, np.dtype(np.float64), (room,))
        f = <uint8_t *>_data("faults", faults, np.dtype(np.uint8), (room,))
        with nogil:
            status = cyfes_parse_rows(<const char *>&t[0] if t.shape[0] else NULL, t.shape[0],
                                      last, width, <int32_t>w.shape[0],
                                      &w[0] if w.shape[0] else NULL, nonfinite, threads, isa,
                                      room, pointers, f, &parsed)
        _check(status, cyfes_error_text())
    finally:
        free(pointers)
    columns = [column[:parsed.n_rows] for column in columns]
    if parsed.n_faults == 0:
        return columns, None, None, parsed.n_rows, parsed.n_bytes, parsed.n_lines
    first = (parsed.first.offset, parsed.first.line, parsed.first.fault, parsed.first.n_columns,
             parsed.first.column)
    return (columns, faults[:parsed.n_rows], first, parsed.n_rows, parsed.n_bytes,
            parsed.n_lines)


def format_grid(grid, fields, first, n_points, width, precision, n_threads=0):
    """Return points [first, first + n_points) of a grid as the text PLUMED prints, bytes.

    fields: list of float64[grid.shape]; numbers as "%<width>.<precision>f".
    """
    cdef _Grid g = _Grid(grid)
    cdef Py_ssize_t n_fields = len(fields)
    cdef const double **pointers = <const double **>malloc((n_fields + 1) * sizeof(void *))
    cdef const double[::1] view
    cdef char *text = NULL
    cdef int64_t n_bytes = 0
    cdef int64_t start = first, count = n_points
    cdef int32_t w = width, p = precision, threads = _n_threads(n_threads)
    cdef int status
    if pointers == NULL:
        raise MemoryError
    try:
        fields = [np.ascontiguousarray(values, np.float64) for values in fields]
        for i, values in enumerate(fields):
            if values.shape != grid.shape:
                raise InputError(f"field {i} has shape {values.shape}, expected {grid.shape}")
            view = values.reshape(-1)
            pointers[i] = &view[0]
        with nogil:
            status = cyfes_format_grid(&g.grid, <int32_t>n_fields, pointers, start, count, w, p,
                                       threads, &text, &n_bytes)
        _check(status, cyfes_error_text())
        return text[:n_bytes]
    finally:
        free(pointers)
        cyfes_free_text(text)
