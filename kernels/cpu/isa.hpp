// The inner loops, one table per instruction set. isa.cpp is compiled once for each; everything
// around the loops (checks, sorting, threads, memory) is compiled once, in spread.cpp and
// evaluate.cpp.
#ifndef CYFES_CPU_ISA_HPP
#define CYFES_CPU_ISA_HPP

#include <cstdint>
#include <type_traits>

#include "cpu/moment_job.hpp"
#include "cyfes_kernels.h"
#include "text/row_job.hpp"

namespace cyfes {

// Indices [begin, end) that one call owns.
struct band {
  std::int64_t begin, end;
};

// Grid indices that a kernel visits along one CV: `length` of them from `begin`, which wraps to
// `first`.
struct visit {
  std::int64_t begin, first, length;
};

// What the stamps need to know of one kernel.
struct stamp_kernel {
  visit along[CYFES_MAX_DIMS];
  double precision[CYFES_MAX_DIMS][CYFES_MAX_DIMS];  // inverse covariance
};

// A kernel on one plane of the grid, the last two CVs.
struct stamp_disc {
  std::int64_t slot;             // of the batch
  std::int64_t begin, end;       // its rows that have columns, counted from the first visited
  std::int64_t lowest, highest;  // rows that reach the first and the last column
  std::int64_t first_column, end_column;
  std::int64_t row, column;  // the first it visits, wrapped into the grid
  std::int64_t length;       // columns it visits
};

// Discs and what their rows need, [discs][...][rows, with margins].
template <class real>
struct disc_list {
  using integer = std::conditional_t<sizeof(real) == 8, std::int64_t, std::int32_t>;
  std::int64_t stride;  // rows
  stamp_disc *disc;
  real *values;  // [discs][1 + n_dims]: coefficients of the factor: of the value, of derivatives
  integer *columns;  // [discs][2]: begin, and size less the range of the type
  double *forms;     // [discs][2]: q0 and q1 of the squared distance q0 + x (2 q1 + q2 x)
};

// A batch of kernels, prepared once, and the work array that they are stamped on.
//
// The grid's rows (runs of the last CV) are cut into blocks of stamp_rows(n_dims) rows of a plane,
// the last one filled up. work is [planes][blocks][vectors of columns][rows of a block][fields]
// [width of a vector], the fields being the value and its derivatives: what a kernel adds to a
// block lies together and aligned.
template <class real>
struct stamp_job {
  const cyfes_grid *grid;
  const cyfes_kernel_list *kernels;
  const cyfes_options *options;
  const double *axis[CYFES_MAX_DIMS];  // [shape[d]] coordinates of the grid's points
  bool gradient;
  std::int64_t stride[CYFES_MAX_DIMS];  // values a kernel's row in the arrays below
  band own;                             // of the first CV; kernels that miss it are left out
  std::int64_t first;                   // kernel of the batch
  stamp_kernel *prepared;               // [batch]
  // [batch][stride[d]], each row from stamp_margin on:
  double *displacement[CYFES_MAX_DIMS];  // x - center
  real *factor[CYFES_MAX_DIMS];          // exp(-z^2/2), z = displacement / bandwidth
  real *moment;                          // factor * z / bandwidth along the last CV
  disc_list<real> discs;                 // of the batch; unused for more than two CVs
  std::int64_t width;                    // isa_loops::width
  real *work;
};

// Part of a work array that one thread owns for a while.
struct stamp_task {
  std::int64_t plane;
  band blocks;   // of the plane's rows
  band columns;  // of the last CV; multiples of a vector, except for its end
};

constexpr std::int64_t stamp_rows(int n_dims) { return n_dims > 1 ? 16 : 1; }
// Discs of a plane that are collected before they are added, for more than two CVs.
constexpr std::int64_t stamp_discs = 64;
// Values before and behind a row of factors that whole vectors and blocks may read.
constexpr std::int64_t stamp_margin = 16;

// Values of one block in a work array.
template <class real>
static inline std::int64_t stamp_block_size(const stamp_job<real> &job) {
  const int D = job.grid->n_dims;
  const std::int64_t vectors = (job.grid->shape[D - 1] + job.width - 1) / job.width;
  return vectors * job.width * stamp_rows(D) * (job.gradient ? D + 1 : 1);
}

// Blocks of one plane.
static inline std::int64_t stamp_blocks(const cyfes_grid &grid) {
  if (grid.n_dims == 1) return 1;
  const std::int64_t rows = stamp_rows(grid.n_dims);
  return (grid.shape[grid.n_dims - 2] + rows - 1) / rows;
}

// Samples of one bandwidth sorted into cells.
struct cell_list {
  std::int64_t n_cells;
  const std::int64_t *begin;   // [n_cells + 1] into the sorted samples
  const std::int64_t *corner;  // [n_cells][n_dims] first grid index of the cell
  std::int64_t width[CYFES_MAX_DIMS];
  const double *centers;  // [n][n_dims] sorted, periodic CVs wrapped into the grid
  const double *weights;  // [n] sorted
};

// What the tile kernel sums: a density on a work array whose last CV carries margins, so that a
// row of a tile never wraps.
template <class real>
struct tile_job {
  const cyfes_grid *grid;
  const cell_list *cells;
  const double *bandwidth;  // [n_dims]
  double cutoff;
  int derivative;       // CV to differentiate by, -1 for the density itself
  std::int64_t margin;  // columns before index 0 in a work row
  std::int64_t stride;  // values a work row
  real *work;           // [rows][stride]
};

struct evaluate_job {
  int n_dims;
  const double *period;
  const cyfes_kernel_list *kernels;
  const cyfes_options *options;
  std::int64_t n_points;
  const double *points;
};

// Separable kernels of one copy each at points, in coordinates that make a kernel
// 2^(logarithm - q) + offset where q, the sum of its squared differences, is below reach2.
struct points_job {
  int n_dims;
  double period[CYFES_MAX_DIMS], inverse_period[CYFES_MAX_DIMS];  // 0 = not periodic
  double reach2;
  std::int64_t n_kernels, stride, n_points;
  const double *centers;     // [n_dims][stride], padded for whole vectors
  const double *scales;      // NULL, or [n_dims][stride]: of the differences
  const double *logarithms;  // [n_kernels]
  const double *offsets;     // NULL, or [n_kernels]
  const double *points;      // [n_dims][n_points]
  double *density;           // [n_points]
  double *derivatives;       // NULL, or [n_dims][n_points]: sums of value * difference * scale
};

template <class real>
struct isa_loops {
  std::int64_t width;  // values a vector
  void (*prepare)(const stamp_job<real> &, std::int64_t slot, std::int64_t n);
  void (*stamp)(const stamp_job<real> &, std::int64_t n, stamp_task, const disc_list<real> &);
  void (*tiles)(const tile_job<real> &, band, real *buffer);
  void (*evaluate)(const evaluate_job &, std::int64_t first, std::int64_t last, real *density,
                   real *derivatives);
};

struct isa_table {
  const char *name;
  void (*points)(const points_job &, std::int64_t first, std::int64_t last);
  isa_loops<double> f64;
  isa_loops<float> f32;
  moment_loops moments;
  text_loops text;
  // weights[n] = exp(log_weights) 2^-exponent, and sums[2] of them and of their squares.
  void (*weigh)(const double *log_weights, std::int64_t n, double exponent, double *weights,
                double *sums);
  void (*sum_weights)(const double *weights, std::int64_t n, double *sums);
};

// One per instruction set, defined by isa.cpp and isa_stamp.cpp under the index they are compiled
// with; text/isa_text.cpp defines the loops over text.
template <int index>
const isa_table &isa_of();
template <class real, int index>
void prepare(const stamp_job<real> &, std::int64_t slot, std::int64_t n);
template <class real, int index>
void stamp(const stamp_job<real> &, std::int64_t n, stamp_task, const disc_list<real> &);

// The table that options.isa asks for; throws unsupported.
const isa_table &select_isa(std::int32_t isa);

template <class real>
const isa_loops<real> &loops_of(const isa_table &table);
template <>
inline const isa_loops<double> &loops_of(const isa_table &table) {
  return table.f64;
}
template <>
inline const isa_loops<float> &loops_of(const isa_table &table) {
  return table.f32;
}

// Samples of a tile are summed in blocks of this many; a tile buffer holds a block's factors.
constexpr std::int64_t tile_block = 32;
// Bands of the first of two CVs are cut at multiples of this many rows.
constexpr std::int64_t tile_rows = 4;
// Values that a row of factors or of the work array offers behind its last column: a vector group
// may overshoot by less than the widest vector.
constexpr std::int64_t tile_slack = 32;

// Grid steps from a cell to the farthest point it reaches along CV d.
template <class real>
static inline std::int64_t tile_reach(const tile_job<real> &job, int d) {
  return static_cast<std::int64_t>(job.cutoff * job.bandwidth[d] / job.grid->spacing[d]) + 1;
}

// Values in a row of factors along CV d.
template <class real>
static inline std::int64_t tile_stride(const tile_job<real> &job, int d) {
  return 2 * tile_reach(job, d) + job.cells->width[d] + 1 + tile_slack;
}

// Values in one thread's tile buffer.
template <class real>
static inline std::int64_t tile_buffer_size(const tile_job<real> &job) {
  std::int64_t size = 0;
  for (int d = 0; d < job.grid->n_dims; ++d) {
    size += tile_block * tile_stride(job, d);
    size += 2 * (tile_reach(job, d) + job.cells->width[d] + tile_slack) + 1;
  }
  return size + tile_block * tile_stride(job, job.grid->n_dims - 2);
}

}  // namespace cyfes
#endif
