// What tiles work on: samples sorted into cells, and the work array of a density.
#ifndef CYFES_CPU_JOBS_TILE_JOB_HPP
#define CYFES_CPU_JOBS_TILE_JOB_HPP

#include <cstdint>

#include "cyfes_kernels.h"

namespace cyfes {

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
  std::int64_t stride;  // values per work row
  real *work;           // [rows][stride]
};

// Samples of a tile are summed in blocks of this many; a tile buffer holds a block's factors.
constexpr std::int64_t tile_block = 32;
// Slabs of the first of two CVs are cut at multiples of this many rows.
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
