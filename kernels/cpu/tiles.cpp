#include "cpu/tiles.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "cpu/backend.hpp"
#include "cpu/cell_sort.hpp"
#include "cpu/grid_points.hpp"
#include "cpu/jobs/tile_job.hpp"
#include "cpu/slabs.hpp"
#include "parallel.hpp"

namespace cyfes {
namespace {

// Owns the arrays behind a cell_list.
class sorted_cells {
 public:
  sorted_cells(const cyfes_grid &grid, const cyfes_kernel_list &samples, double cutoff,
               int n_threads) {
    choose_width(grid, samples);
    sort(grid, samples, cutoff, n_threads);
  }

  const cell_list &list() const { return list_; }

 private:
  cell_list list_{};
  std::vector<std::int64_t> begin_, corner_;
  std::vector<double> centers_, weights_;

  // Cells as wide as one bandwidth, wider for few samples: a block of samples should be full, but
  // a wide cell's block of the grid is larger. Powers of the factors stay in range up to 4.
  void choose_width(const cyfes_grid &grid, const cyfes_kernel_list &samples) {
    for (double size = 1.0;; size *= 1.5) {
      double n_cells = 1;
      for (int d = 0; d < grid.n_dims; ++d) {
        const double steps = std::floor(size * samples.bandwidths[d] / grid.spacing[d]);
        list_.width[d] = std::max<std::int64_t>(1, static_cast<std::int64_t>(steps));
        n_cells *= std::max(1.0, static_cast<double>(grid.shape[d] / list_.width[d]));
      }
      if (size > 2.5 || n_cells * tile_block / 2 < static_cast<double>(samples.n_kernels)) return;
    }
  }

  // Cell of every sample that reaches the grid (-1: none does), numbered over all cells.
  void sort(const cyfes_grid &grid, const cyfes_kernel_list &samples, double cutoff,
            int n_threads) {
    const int D = grid.n_dims;
    const std::int64_t n = samples.n_kernels;
    std::int64_t first[CYFES_MAX_DIMS], count[CYFES_MAX_DIMS];  // cells along each CV
    for (int d = 0; d < D; ++d) {
      const std::int64_t w = list_.width[d];
      const bool wraps = grid.period[d] > 0;
      const auto reach =
          static_cast<std::int64_t>(cutoff * samples.bandwidths[d] / grid.spacing[d]) + 1;
      first[d] = wraps ? 0 : -((reach + w - 1) / w);
      count[d] = (grid.shape[d] + (wraps ? 0 : reach) + w - 1) / w - first[d];
    }
    std::vector<double> folded(samples.centers, samples.centers + n * D);
    std::vector<std::int64_t> key(n);
    for_each_range(n_threads, n, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t k = begin; k < end; ++k)
        key[k] = cell_of(grid, first, count, &folded[k * D]);
    });
    std::int64_t n_cells = 1;
    for (int d = 0; d < D; ++d) n_cells *= count[d];
    gather(D, order_by_cell(key, n_cells, n_threads), key, first, count, folded, samples.weights);
  }

  std::int64_t cell_of(const cyfes_grid &grid, const std::int64_t *first, const std::int64_t *count,
                       double *center) const {
    std::int64_t cell = 0;
    for (int d = 0; d < grid.n_dims; ++d) {
      if (grid.period[d] > 0) {
        center[d] -= grid.period[d] * std::floor((center[d] - grid.lower[d]) / grid.period[d]);
        // Rounding may leave a center on the upper bound.
        if (center[d] >= grid.lower[d] + grid.period[d]) center[d] = grid.lower[d];
      }
      const double position = (center[d] - grid.lower[d]) / grid.spacing[d];
      const double index = std::floor(position / static_cast<double>(list_.width[d]));
      const double shifted = index - static_cast<double>(first[d]);
      if (!(shifted >= 0 && shifted < static_cast<double>(count[d]))) return -1;
      cell = cell * count[d] + static_cast<std::int64_t>(shifted);
    }
    return cell;
  }

  void gather(int D, const std::vector<std::int32_t> &order, const std::vector<std::int64_t> &key,
              const std::int64_t *first, const std::int64_t *count,
              const std::vector<double> &folded, const double *weights) {
    centers_.reserve(order.size() * D);
    weights_.reserve(order.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
      const std::int64_t k = order[i];
      if (i == 0 || key[k] != key[order[i - 1]]) {
        begin_.push_back(static_cast<std::int64_t>(i));
        push_corner(D, key[k], first, count);
      }
      centers_.insert(centers_.end(), &folded[k * D], &folded[k * D] + D);
      weights_.push_back(weights[k]);
    }
    list_.n_cells = static_cast<std::int64_t>(begin_.size());
    begin_.push_back(static_cast<std::int64_t>(order.size()));
    list_.begin = begin_.data();
    list_.corner = corner_.data();
    list_.centers = centers_.data();
    list_.weights = weights_.data();
  }

  void push_corner(int D, std::int64_t cell, const std::int64_t *first, const std::int64_t *count) {
    corner_.resize(corner_.size() + D);
    for (int d = D - 1; d >= 0; --d) {
      corner_[corner_.size() - D + d] = (cell % count[d] + first[d]) * list_.width[d];
      cell /= count[d];
    }
  }
};

// One slab per thread, as each computes the factors of all samples that reach it.
template <class real>
std::vector<index_range> slabs_of(const tile_job<real> &job, int n_threads) {
  const cell_list &cells = *job.cells;
  slab_loads loads(*job.grid, tile_rows);
  for (std::int64_t c = 0; n_threads > 1 && c < cells.n_cells; ++c)
    loads.add(static_cast<double>(cells.corner[c * job.grid->n_dims] + cells.width[0] / 2),
              static_cast<double>(cells.begin[c + 1] - cells.begin[c]));
  return loads.divide(n_threads, tile_reach(job, 0));
}

// density += work, whose rows carry margins: every column is folded onto its wrapped index.
template <class real>
void fold(const tile_job<real> &job, int n_threads, real *density) {
  const std::int64_t n = job.grid->shape[job.grid->n_dims - 1];
  const std::int64_t rows = points_of(*job.grid) / n;
  const bool wraps = job.grid->period[job.grid->n_dims - 1] > 0;
  const auto fold_row = [&](std::int64_t row) {
    const real *const from = job.work + row * job.stride + job.margin;
    real *const to = density + row * n;
    for (std::int64_t i = 0; i < n; ++i) to[i] += from[i];
    if (!wraps) return;
    for (std::int64_t i = -job.margin; i < 0; ++i) to[(i % n + n) % n] += from[i];
    for (std::int64_t i = n; i < job.stride - job.margin; ++i) to[i % n] += from[i];
  };
  for_each_range(n_threads, rows, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) fold_row(row);
  });
}

}  // namespace

template <class real>
void spread_tiles(const cyfes_grid &grid, const cyfes_kernel_list &kernels,
                  const cyfes_options &options, int n_threads, real *density, real *derivatives) {
  const sorted_cells cells(grid, kernels, options.cutoff, n_threads);
  const int last = grid.n_dims - 1;
  tile_job<real> job{};
  job.grid = &grid;
  job.cells = &cells.list();
  job.bandwidth = kernels.bandwidths;
  job.cutoff = options.cutoff;
  job.margin = grid.period[last] > 0 ? tile_reach(job, last) + job.cells->width[last] + 1 : 0;
  job.stride = grid.shape[last] + 2 * job.margin + tile_slack;
  const std::int64_t size = points_of(grid);
  std::vector<real> work(size / grid.shape[last] * job.stride);
  std::vector<std::vector<real>> buffers(n_threads, std::vector<real>(tile_buffer_size(job)));
  job.work = work.data();
  const auto &loops = loops_of<real>(select_isa(options.isa));
  const std::vector<index_range> slabs = slabs_of(job, n_threads);
  for (int d = -1; d < (derivatives ? grid.n_dims : 0); ++d) {
    job.derivative = d;
    if (d >= 0) std::fill(work.begin(), work.end(), real{0});
    for_each_task(n_threads, static_cast<std::int64_t>(slabs.size()),
                  [&](std::int64_t s, int) { loops.tiles(job, slabs[s], buffers[s].data()); });
    fold(job, n_threads, d < 0 ? density : derivatives + d * size);
  }
}

template void spread_tiles(const cyfes_grid &, const cyfes_kernel_list &, const cyfes_options &,
                           int, double *, double *);
template void spread_tiles(const cyfes_grid &, const cyfes_kernel_list &, const cyfes_options &,
                           int, float *, float *);

}  // namespace cyfes
