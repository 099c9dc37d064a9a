// Sums of kernels on a grid: checks, choice of the loop, memory and threads.
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "cpu/backend.hpp"
#include "cpu/bands.hpp"
#include "cpu/cells.hpp"
#include "cpu/isa.hpp"
#include "cpu/moment_sum.hpp"
#include "cpu/plan.hpp"
#include "cpu/stamping.hpp"
#include "gaussian.hpp"

namespace cyfes {
namespace {

// One part of the first CV a thread, as each computes the factors of all samples that reach it.
template <class real>
std::vector<band> parts_of(const tile_job<real> &job, int n_threads) {
  const cell_list &cells = *job.cells;
  kernel_counts counts(*job.grid, tile_rows);
  for (std::int64_t c = 0; n_threads > 1 && c < cells.n_cells; ++c)
    counts.add(static_cast<double>(cells.corner[c * job.grid->n_dims] + cells.width[0] / 2),
               static_cast<double>(cells.begin[c + 1] - cells.begin[c]));
  return counts.divide(n_threads, tile_reach(job, 0));
}

// density += work, whose rows carry margins: every column is folded onto its wrapped index.
template <class real>
void fold(const tile_job<real> &job, int n_threads, real *density) {
  const std::int64_t n = job.grid->shape[job.grid->n_dims - 1];
  const std::int64_t rows = points_of(*job.grid) / n;
  const bool wraps = job.grid->period[job.grid->n_dims - 1] > 0;
#pragma omp parallel for num_threads(n_threads)
  for (std::int64_t row = 0; row < rows; ++row) {
    const real *const from = job.work + row * job.stride + job.margin;
    real *const to = density + row * n;
    for (std::int64_t i = 0; i < n; ++i) to[i] += from[i];
    if (!wraps) continue;
    for (std::int64_t i = -job.margin; i < 0; ++i) to[(i % n + n) % n] += from[i];
    for (std::int64_t i = n; i < job.stride - job.margin; ++i) to[i % n] += from[i];
  }
}

template <class real>
void spread_stamps(const cyfes_grid &grid, const cyfes_kernel_list &kernels,
                   const cyfes_options &options, int n_threads, real *density, real *derivatives) {
  const auto &loops = loops_of<real>(select_isa(options.isa));
  stamping<real>(loops, grid, kernels, options, density, derivatives).run(n_threads);
}

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
  const std::vector<band> parts = parts_of(job, n_threads);
  const auto n_parts = static_cast<std::int64_t>(parts.size());
  for (int d = -1; d < (derivatives ? grid.n_dims : 0); ++d) {
    job.derivative = d;
    if (d >= 0) std::fill(work.begin(), work.end(), real{0});
#pragma omp parallel for num_threads(n_threads) schedule(static, 1)
    for (std::int64_t p = 0; p < n_parts; ++p) loops.tiles(job, parts[p], buffers[p].data());
    fold(job, n_threads, d < 0 ? density : derivatives + d * size);
  }
}

// Pairs of kernel and point, at most.
double most_pairs(const cyfes_grid &grid, const cyfes_kernel_list &kernels,
                  const cyfes_options &options) {
  double pairs = static_cast<double>(kernels.n_kernels);
  for (int d = 0; d < grid.n_dims; ++d)
    pairs *= static_cast<double>(longest_range(grid, kernels, options, d));
  return pairs;
}

template <class real>
void spread(const cyfes_grid &grid, const cyfes_kernel_list &kernels, const cyfes_options &options,
            real *density, real *derivatives) {
  check_problem(grid, kernels, options);
  if (kernels.n_kernels == 0) return;
  const cyfes_plan plan = plan_of(grid, kernels, options);
  if (plan.method != CYFES_MOMENTS) check_samples(grid, kernels);  // moments look while they sort
  // Threads that wait for each other's few microseconds cost more than they bring.
  const bool short_sum = plan.method == CYFES_MOMENTS ? plan.cost[CYFES_MOMENTS] < 2e-3
                                                      : most_pairs(grid, kernels, options) < 3e7;
  const int n_threads = options.n_threads == 0 && short_sum ? 1 : threads_of(options);
  if (plan.method == CYFES_MOMENTS)
    return spread_moments(grid, kernels, options, plan, n_threads, density, derivatives);
  const auto run = plan.method == CYFES_TILES ? spread_tiles<real> : spread_stamps<real>;
  run(grid, kernels, options, n_threads, density, derivatives);
}

}  // namespace

int spread_f64(const cyfes_grid *grid, const cyfes_kernel_list *kernels,
               const cyfes_options *options, double *density, double *derivatives) {
  return guarded([&] { spread(*grid, *kernels, *options, density, derivatives); });
}

int spread_f32(const cyfes_grid *grid, const cyfes_kernel_list *kernels,
               const cyfes_options *options, float *density, float *derivatives) {
  return guarded([&] { spread(*grid, *kernels, *options, density, derivatives); });
}

}  // namespace cyfes
