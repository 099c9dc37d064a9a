// Sums of kernels on a grid: checks, choice of the loop, memory and threads.
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "cpu/backend.hpp"
#include "cpu/cells.hpp"
#include "cpu/isa.hpp"
#include "cpu/moment_sum.hpp"
#include "cpu/plan.hpp"
#include "gaussian.hpp"

namespace cyfes {
namespace {

// Divides n points of the first CV into bands whose borders are multiples of `unit`.
std::vector<band> bands_of(std::int64_t n, std::int64_t wanted, std::int64_t unit) {
  const std::int64_t units = (n + unit - 1) / unit;
  const std::int64_t n_bands = std::max<std::int64_t>(1, std::min(units, wanted));
  std::vector<band> bands;
  for (std::int64_t b = 0; b < n_bands; ++b)
    bands.push_back({b * units / n_bands * unit, std::min(n, (b + 1) * units / n_bands * unit)});
  return bands;
}

// Runs body(band) for every band; a band goes to the first free thread.
template <class Body>
void for_each_band(const std::vector<band> &bands, int n_threads, const Body &body) {
  const auto n = static_cast<std::int64_t>(bands.size());
#pragma omp parallel for num_threads(n_threads) schedule(dynamic, 1)
  for (std::int64_t b = 0; b < n; ++b) body(bands[b], omp_get_thread_num());
}

std::int64_t points_of(const cyfes_grid &grid) {
  std::int64_t size = 1;
  for (int d = 0; d < grid.n_dims; ++d) size *= grid.shape[d];
  return size;
}

// Most grid indices that one kernel can visit along CV d.
std::int64_t longest_range(const cyfes_grid &grid, const cyfes_kernel_list &kernels,
                           const cyfes_options &options, int d) {
  const int D = grid.n_dims;
  if (grid.period[d] == 0 || (!kernels.windows && options.images == CYFES_NEAREST_IMAGE))
    return grid.shape[d];
  double longest = 0;
  for (std::int64_t k = 0; kernels.windows && k < kernels.n_kernels; ++k)
    longest = std::max(longest, static_cast<double>(kernels.windows[k * D + d]));
  const double reach = std::sqrt(cyfes_profile_of(options).reach2) / grid.spacing[d];
  for (std::int64_t k = 0; !kernels.windows && k < kernels.n_bandwidths; ++k) {
    double variances[CYFES_MAX_DIMS];
    const double *row = kernels.bandwidths + k * kernels.n_scales;
    if (kernels.n_scales != D) cyfes_variances(row, D, variances);
    longest = std::max(longest, reach * (kernels.n_scales == D ? row[d] : std::sqrt(variances[d])));
  }
  return 2 * static_cast<std::int64_t>(std::min(longest, 0x1p60)) + 4;
}

using axis_list = std::vector<std::vector<double>>;

// Coordinates of the grid's points along each CV; those of periodic CVs folded as PLUMED does.
axis_list axes_of(const cyfes_grid &grid) {
  axis_list axes;
  for (int d = 0; d < grid.n_dims; ++d) {
    axes.emplace_back(grid.shape[d]);
    for (std::int64_t i = 0; i < grid.shape[d]; ++i) {
      double &x = axes[d][i] = grid.lower[d] + static_cast<double>(i) * grid.spacing[d];
      if (grid.period[d] == 0) continue;
      x = grid.lower[d] + cyfes_nearest_image(x - grid.lower[d], grid.period[d]);
      if (x < grid.lower[d]) x += grid.period[d];
    }
  }
  return axes;
}

// One thread's stamp_buffers and their memory.
template <class real>
class stamp_memory {
 public:
  stamp_memory(const axis_list &axes, const std::vector<std::int64_t> &lengths) {
    for (std::size_t d = 0; d < lengths.size(); ++d) {
      buffers_.axis[d] = axes[d].data();
      const std::size_t n = lengths[d] + 64;  // whole vectors may overshoot
      doubles_.emplace_back(n);
      buffers_.displacement[d] = doubles_.back().data();
      reals_.emplace_back(n);
      buffers_.factor[d] = reals_.back().data();
      reals_.emplace_back(n);
      buffers_.moment[d] = reals_.back().data();
    }
    const std::size_t n = *std::max_element(lengths.begin(), lengths.end()) + 64;
    doubles_.emplace_back(n);
    buffers_.row_begin = doubles_.back().data();
    doubles_.emplace_back(n);
    buffers_.row_end = doubles_.back().data();
  }
  const stamp_buffers<real> &get() const { return buffers_; }

 private:
  std::vector<std::vector<double>> doubles_;
  std::vector<std::vector<real>> reals_;
  stamp_buffers<real> buffers_{};
};

template <class real>
void spread_stamps(const cyfes_grid &grid, const cyfes_kernel_list &kernels,
                   const cyfes_options &options, int n_threads, real *density, real *derivatives) {
  std::vector<std::int64_t> lengths;
  for (int d = 0; d < grid.n_dims; ++d) lengths.push_back(longest_range(grid, kernels, options, d));
  const axis_list axes = axes_of(grid);
  std::vector<stamp_memory<real>> memory;
  for (int t = 0; t < n_threads; ++t) memory.emplace_back(axes, lengths);
  const auto &loops = loops_of<real>(select_isa(options));
  // Four bands a thread even out crowded regions; more would prepare each kernel too often.
  const auto bands = bands_of(grid.shape[0], n_threads == 1 ? 1 : 4 * n_threads, 1);
  for_each_band(bands, n_threads, [&](band own, int thread) {
    loops.stamp(grid, kernels, options, own, memory[thread].get(), density, derivatives);
  });
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
void spread_tiles(const cyfes_grid &grid, const cyfes_kernel_list &kernels,
                  const cyfes_options &options, int n_threads, real *density, real *derivatives) {
  const sorted_cells cells(grid, kernels, options.cutoff);
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
  const auto &loops = loops_of<real>(select_isa(options));
  const auto bands = bands_of(grid.shape[0], n_threads == 1 ? 1 : 4 * n_threads, tile_rows);
  for (int d = -1; d < (derivatives ? grid.n_dims : 0); ++d) {
    job.derivative = d;
    if (d >= 0) std::fill(work.begin(), work.end(), real{0});
    for_each_band(bands, n_threads,
                  [&](band own, int thread) { loops.tiles(job, own, buffers[thread].data()); });
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
