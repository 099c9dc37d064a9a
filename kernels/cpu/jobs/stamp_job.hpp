// What stamps work on: a batch of kernels, and the work array that they are added to.
#ifndef CYFES_CPU_JOBS_STAMP_JOB_HPP
#define CYFES_CPU_JOBS_STAMP_JOB_HPP

#include <cstdint>
#include <type_traits>

#include "cpu/jobs/index_range.hpp"
#include "cyfes_kernels.h"

namespace cyfes {

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
  integer *columns;  // [discs][2]: begin, and size plus the type's minimum (see disc_maker::lowest)
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
  std::int64_t stride[CYFES_MAX_DIMS];  // values per kernel in the arrays below
  index_range own;                      // of the first CV; kernels that miss it are left out
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
  index_range blocks;   // of the plane's rows
  index_range columns;  // of the last CV; multiples of a vector, except for its end
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

}  // namespace cyfes
#endif
