/* The contract between cyfes and its kernels: plain C, no Python.
 *
 * Every pointer is followed by its shape. All arrays are C-contiguous; counts
 * are int64; const arrays are never written; outputs accumulate. Functions
 * return a cyfes_status and leave one line of text for cyfes_error_text().
 * All functions are re-entrant.
 */
#ifndef CYFES_KERNELS_H
#define CYFES_KERNELS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { CYFES_ABI_VERSION = 3, CYFES_MAX_DIMS = 4 };

typedef enum cyfes_status {
  CYFES_OK = 0,
  CYFES_INVALID_ARGUMENT = 1,
  CYFES_OUT_OF_MEMORY = 2,
  CYFES_UNSUPPORTED = 3, /* e.g. an instruction set this processor lacks */
  CYFES_INTERNAL_ERROR = 4,
  CYFES_NO_DEVICE = 5,
  CYFES_DRIVER_TOO_OLD = 6,
  CYFES_BAD_DEVICE = 7,     /* no device of that index */
  CYFES_DEVICE_FAILURE = 8, /* a kernel failed; the process has lost the device */
  CYFES_DEVICE_MEMORY = 9
} cyfes_status;

/* Shape of one kernel as a function of its reduced distance r. */
typedef enum cyfes_kernel_shape {
  CYFES_GAUSSIAN = 0,          /* exp(-r^2/2) within options.cutoff */
  CYFES_STRETCHED_GAUSSIAN = 1 /* A exp(-r^2/2) + B for r^2/2 < 6.25, as PLUMED's METAD */
} cyfes_kernel_shape;

/* Which copies of a kernel reach a point of a periodic CV. */
typedef enum cyfes_images {
  CYFES_NEAREST_IMAGE = 0, /* only the nearest, as PLUMED */
  CYFES_ALL_IMAGES = 1     /* every copy within the cutoff: a wrapped, normalised kernel */
} cyfes_images;

/* How a CPU sums kernels on a grid. */
typedef enum cyfes_method {
  CYFES_AUTOMATIC = 0,
  CYFES_STAMPS = 1, /* any kernels, one after another */
  CYFES_TILES = 2,  /* Gaussians of one bandwidth, 2 to 4 CVs: exact products of factors */
  CYFES_MOMENTS = 3 /* Gaussians of one bandwidth, 1 to 3 CVs: expansions within a tolerance */
} cyfes_method;

/* A regular grid. Point (i, j, ...) is lower + index * spacing; the last CV runs fastest. */
typedef struct cyfes_grid {
  int32_t n_dims;
  const int64_t *shape;  /* [n_dims] points along each CV */
  const double *lower;   /* [n_dims] */
  const double *spacing; /* [n_dims] */
  const double *period;  /* [n_dims]; 0 = not periodic, else shape * spacing */
} cyfes_grid;

/* Weighted kernels. n_scales tells the form of a bandwidth row:
 *   n_dims                  one standard deviation per CV
 *   n_dims (n_dims + 1) / 2 inverse covariance, lower triangle row by row (only for n_dims > 1) */
typedef struct cyfes_kernel_list {
  int64_t n_kernels;
  int64_t n_bandwidths; /* 1 (shared) or n_kernels */
  int32_t n_scales;
  const double *centers;    /* [n_kernels][n_dims] */
  const double *bandwidths; /* [n_bandwidths][n_scales] */
  const double *weights;    /* [n_kernels] */
  /* NULL, or [n_kernels][n_dims]: the kernel visits exactly the grid indices
   * floor((center - lower) / spacing) +- window, wrapped, repeats counted, each at the nearest
   * image: the visiting rule of PLUMED, kept for bit-level comparison. */
  const int32_t *windows;
} cyfes_kernel_list;

typedef struct cyfes_options {
  double cutoff;     /* reach of CYFES_GAUSSIAN in bandwidths */
  int32_t kernel;    /* cyfes_kernel_shape */
  int32_t images;    /* cyfes_images */
  int32_t n_threads; /* 0 = all */
  int32_t isa;       /* CPU: 0 = best, else 1 + index into cyfes_cpu_isa_name() */
  int32_t device;    /* GPU index */
  /* Error that CYFES_MOMENTS may make, for weights >= 0: relative to the density's peak, and in
   * F = -ln density by 1e-8 wherever F is less than `tail` above its minimum. They shorten its
   * reach to less than the cutoff where that is enough. GPUs and the other methods ignore them. */
  double tolerance;
  double tail;
  int32_t method; /* cyfes_method; one that cannot sum these kernels is CYFES_UNSUPPORTED */
  /* NULL, or how a CPU's spread sums: a plan of cyfes_cpu_plan for this grid, these options and,
   * unless by stamps, this bandwidth; any other is CYFES_INVALID_ARGUMENT. NULL: spread plans for
   * its own kernels. Calls that share a plan make a sum with the errors that it tells of:
   * errors are linear in the weights, and all calls have the same cells. */
  const struct cyfes_plan *plan;
} cyfes_options;

/* What a CPU's spread does, and why. */
typedef struct cyfes_plan {
  int32_t method;                    /* cyfes_method, not automatic */
  int32_t order;                     /* moments: total degree of the polynomials below it */
  double cell_width[CYFES_MAX_DIMS]; /* moments: in bandwidths */
  double reach;                      /* bandwidths; moments: beyond, rounded up to whole cells */
  double error;                      /* bound, relative to the density's peak */
  double tail_error;                 /* bound of |dF| where F < tail */
  double cost[4];                    /* [cyfes_method] model's seconds on a thread; < 0: cannot */
  char reason[160];                  /* why the method, or why not moments */
  uint64_t seal;                     /* of the plan and what it was made for */
} cyfes_plan;

/* density[points] += sum_k weights[k] K(point - centers[k]);
 * derivatives, NULL or [n_dims][points], += its gradient. The f32 functions compute reduced
 * coordinates in double and sums in single precision. */
typedef struct cyfes_backend {
  int32_t abi_version;
  const char *name;
  int (*device_count)(int32_t *count);
  int (*spread_f64)(const cyfes_grid *grid, const cyfes_kernel_list *kernels,
                    const cyfes_options *options, double *density, double *derivatives);
  int (*spread_f32)(const cyfes_grid *grid, const cyfes_kernel_list *kernels,
                    const cyfes_options *options, float *density, float *derivatives);
  int (*evaluate_f64)(int32_t n_dims, const double *period /* [n_dims] */,
                      const cyfes_kernel_list *kernels, int64_t n_points,
                      const double *points /* [n_points][n_dims] */, const cyfes_options *options,
                      double *density /* [n_points] */,
                      double *derivatives /* NULL or [n_dims][n_points] */);
  int (*evaluate_f32)(int32_t n_dims, const double *period, const cyfes_kernel_list *kernels,
                      int64_t n_points, const double *points, const cyfes_options *options,
                      float *density, float *derivatives);
  const char *(*error_text)(void); /* of the calling thread's last failure */
} cyfes_backend;

const cyfes_backend *cyfes_cpu_backend(void);

/* Instruction sets compiled in, slowest first; NULL past the end. */
const char *cyfes_cpu_isa_name(int32_t index);
int cyfes_cpu_isa_supported(int32_t index); /* 1 if this processor runs it */
/* Threads that n_threads stands for, 0 being all: at most 16 or 4 per processor, no more than the
 * system starts, and one where cyfes_cpu_forked. */
int32_t cyfes_cpu_threads(int32_t n_threads);
/* 1 in a process that was forked from one whose kernels had used threads: it lacks them. */
int cyfes_cpu_forked(void);

/* The plan of a spread of these kernels; their centers and weights are not looked at, nor is
 * options->plan. */
int cyfes_cpu_plan(const cyfes_grid *grid, const cyfes_kernel_list *kernels,
                   const cyfes_options *options, cyfes_plan *plan);

/* weights = exp(log_weights) 2^-exponent, for a whole exponent that leaves them at most 2; -inf is
 * a weight of 0. Sums: of the weights, of their squares; the same bits for any n_threads. Only
 * n_threads and isa of the options count. */
int cyfes_cpu_weigh(int64_t n, const double *log_weights /* [n] */, double exponent,
                    const cyfes_options *options, double *weights /* [n] */,
                    double *sums /* [2] */);
int cyfes_cpu_sum_weights(int64_t n, const double *weights /* [n] */, const cyfes_options *options,
                          double *sums /* [2] */);

/* Minima of a function on a grid, their basins, and the passes between these: the lowest ways from
 * one to another, over neighbours along all CVs at once. Values that are not finite are walls.
 * labels: the basin of each point, -1 for a wall; minima: the lowest point of each basin, lowest
 * first; passes, lowest first: a point and the two basins that meet there, which had no lower way.
 * A minimum whose pass to a lower one is less than persistence above it, or not above it at all, is
 * none; its basin is part of the one behind that pass. Room for the product of (shape + 1) / 2 is
 * enough: neighbours are not both minima. */
int cyfes_cpu_basins(const cyfes_grid *grid, const double *values /* [points] */,
                     double persistence, int64_t *labels /* [points] */,
                     int64_t *minima /* [room] */, int64_t *passes /* [room][3] */,
                     int64_t *n_minima, int64_t *n_passes);

/* Blocks of samples on a net of nodes, from which a matrix along each CV makes their density: block
 * b is samples [ends[b - 1], ends[b]), ends[-1] = 0. The net's shape counts cells, one or two CVs;
 * a sample in cell c adds its weight times exp(-(distance / width)^2 / 2), in steps, to the
 * CYFES_NODES nodes c ... c + CYFES_NODES - 1, of which node c + CYFES_NODES / 2 - 1 is the cell's
 * lower end. Periodic CVs wrap cells, not nodes; samples outside the cells count nothing. Only
 * n_threads and isa of the options count; the bits are the same for any n_threads. */
enum { CYFES_NODES = 12 };
int cyfes_cpu_nodes(const cyfes_grid *net, double width, int64_t n_blocks,
                    const int64_t *ends /* [n_blocks] */, const double *centers /* [n][n_dims] */,
                    const double *weights /* [n] */, const cyfes_options *options,
                    double *nodes /* [n_blocks][n_cells + CYFES_NODES - 1]... += */);

/* What blocks of nodes [n_blocks][nodes 0]([nodes 1]) make on a grid, [n_blocks][points 0]
 * ([points 1]), both contiguous: nodes times a matrix along each CV. The nodes of the last CV are a
 * multiple of 4. Columns of the matrices, [nodes][columns], are points and then zeros, to a
 * multiple of 8; the rows [begin, end) alone of each 8 columns are not zero. */
typedef struct cyfes_matrix {
  int64_t n_rows, n_points, n_columns;
  const double *values;  /* [n_rows][n_columns] */
  const int64_t *ranges; /* [n_columns / 8][2] */
} cyfes_matrix;
int cyfes_cpu_nodes_to_grid(int32_t n_dims, const cyfes_matrix *matrices /* [n_dims] */,
                            int64_t n_blocks, const double *nodes, const cyfes_options *options,
                            double *values);

/* Sums of the multistate Bennett acceptance ratio over samples in harmonic windows. With the
 * exponents e_k(x) = offsets[k] - sum_d half_springs[k][d] (x_d - centers[k][d])^2, differences at
 * the nearest image, and shares p_k(x) = exp(e_k) / sum_l exp(e_l): sums[k] += sum p_k;
 * products[k][l] += sum p_k p_l; logs[n] = ln sum_l exp(e_l(x_n)). A share below exp(-50) may count
 * as nothing. Samples must be finite. Only n_threads and isa of the options count; the bits are the
 * same for any n_threads. */
int cyfes_cpu_mbar(int32_t n_dims, const double *period /* [n_dims] 0 = none */, int64_t n_windows,
                   const double *centers /* [n_windows][n_dims] */,
                   const double *half_springs /* [n_windows][n_dims] */,
                   const double *offsets /* [n_windows] */, int64_t n_samples,
                   const double *samples /* [n_samples][n_dims] */, const cyfes_options *options,
                   double *sums /* [n_windows] */,
                   double *products /* NULL or [n_windows][n_windows] */,
                   double *logs /* NULL or [n_samples] */);

/* Text tables: whitespace-separated columns, '#' starts a comment. */
typedef enum cyfes_row_fault {
  CYFES_ROW_GOOD = 0,
  CYFES_ROW_WRONG_COLUMNS = 1, /* the line has not n_columns fields */
  CYFES_ROW_NOT_A_NUMBER = 2,  /* a wanted field is no decimal number */
  CYFES_ROW_NOT_FINITE = 3,    /* a wanted field is nan or inf */
  CYFES_ROW_HEADER = 4         /* a header line ("#!") follows on the same line */
} cyfes_row_fault;

typedef struct cyfes_bad_row {
  int64_t offset;    /* of the line's first byte in text */
  int64_t line;      /* newlines before it */
  int32_t fault;     /* cyfes_row_fault */
  int32_t n_columns; /* fields on the line */
  int32_t column;    /* 0-based faulty field (CYFES_ROW_NOT_A_NUMBER, _NOT_FINITE), else -1 */
} cyfes_bad_row;

typedef struct cyfes_parsed {
  int64_t n_rows;      /* rows parsed, good and bad */
  int64_t n_bytes;     /* of text that was read: whole lines */
  int64_t n_lines;     /* newlines among them */
  int64_t n_faults;    /* bad rows */
  cyfes_bad_row first; /* the first of these */
} cyfes_parsed;

/* Parse the rows of a text that begins with a line: the lines that are neither blank nor comments.
 * Stops at a header line, which begins with "#!", or where room may not be enough; n_bytes tells
 * where. Room for n_bytes / 2 + 1 rows always is. A line without newline is left unless the text is
 * the last of its file. Every number is the correctly rounded double of its decimal text. Rows with
 * a fault get it in faults and nan in every column. */
int cyfes_parse_rows(const char *text, int64_t n_bytes, int32_t is_last, int32_t n_columns,
                     int32_t n_wanted, const int32_t *wanted /* [n_wanted] 0-based, ascending */,
                     int32_t allow_nonfinite /* 1: nan and inf are no fault */, int32_t n_threads,
                     int32_t isa /* as in cyfes_options */, int64_t room,
                     double *const *columns /* [n_wanted][room] */, uint8_t *faults /* [room] */,
                     cyfes_parsed *parsed);

/* A grid as PLUMED prints it: for each point, first CV fastest, coordinates then fields, every
 * number as one space and printf's "%<width>.<precision>f", correctly rounded; a blank line
 * before every point but the first whose index along CV n_dims-2 is 0 (n_dims > 1).
 * format_grid formats points [first, first + n_points) of that order into *text, which
 * cyfes_free_text releases. */
int cyfes_format_grid(const cyfes_grid *grid, int32_t n_fields,
                      const double *const *fields /* [n_fields][points], last CV fastest */,
                      int64_t first, int64_t n_points, int32_t width, int32_t precision,
                      int32_t n_threads, char **text, int64_t *n_bytes);
void cyfes_free_text(char *text);

const char *cyfes_error_text(void);

#ifdef __cplusplus
}
#endif
#endif
