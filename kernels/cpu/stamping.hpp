// Stamps' memory and threads: batches of kernels prepared and then added to the parts of a grid.
#ifndef CYFES_CPU_STAMPING_HPP
#define CYFES_CPU_STAMPING_HPP

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "cpu/isa.hpp"
#include "gaussian.hpp"

namespace cyfes {

inline std::int64_t points_of(const cyfes_grid &grid) {
  std::int64_t size = 1;
  for (int d = 0; d < grid.n_dims; ++d) size *= grid.shape[d];
  return size;
}

// Most grid indices that one kernel can visit along CV d.
inline std::int64_t longest_range(const cyfes_grid &grid, const cyfes_kernel_list &kernels,
                                  const cyfes_options &options, int d) {
  const int D = grid.n_dims;
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
  const std::int64_t length = 2 * static_cast<std::int64_t>(std::min(longest, 0x1p60)) + 4;
  const bool once =
      grid.period[d] == 0 || (!kernels.windows && options.images == CYFES_NEAREST_IMAGE);
  return once ? std::min(length, grid.shape[d]) : length;
}

// Coordinates of the grid's points along CV d; those of a periodic CV folded as PLUMED does.
inline std::vector<double> axis_of(const cyfes_grid &grid, int d) {
  std::vector<double> axis(grid.shape[d]);
  for (std::int64_t i = 0; i < grid.shape[d]; ++i) {
    double &x = axis[i] = grid.lower[d] + static_cast<double>(i) * grid.spacing[d];
    if (grid.period[d] == 0) continue;
    x = grid.lower[d] + cyfes_nearest_image(x - grid.lower[d], grid.period[d]);
    if (x < grid.lower[d]) x += grid.period[d];
  }
  return axis;
}

// A disc_list and the memory behind it.
template <class real>
struct disc_memory {
  disc_list<real> list{};
  std::vector<stamp_disc> disc;
  std::vector<real> values;
  std::vector<typename disc_list<real>::integer> columns;
  std::vector<double> forms;

  disc_memory(std::int64_t n, int n_dims, std::int64_t stride, bool with_forms)
      : disc(n),
        values(n * (1 + n_dims) * stride),
        columns(n * 2 * stride),
        forms(with_forms ? n * 2 * stride : 0) {
    list = {stride, disc.data(), values.data(), columns.data(), forms.data()};
  }
};

// A stamp_job and the memory behind it.
template <class real>
class stamping {
 public:
  stamping(const isa_loops<real> &loops, const cyfes_grid &grid, const cyfes_kernel_list &kernels,
           const cyfes_options &options, int n_threads, real *density, real *derivatives)
      : loops_(loops), n_threads_(n_threads), density_(density), derivatives_(derivatives) {
    job_.grid = &grid;
    job_.kernels = &kernels;
    job_.options = &options;
    job_.gradient = derivatives != nullptr;
    job_.width = loops.width;
    allocate_batch();
    // Aligned for the widest vectors.
    const std::int64_t n_blocks = points_of(grid) / plane_size() * stamp_blocks(grid);
    work_.resize(n_blocks * stamp_block_size(job_) + 64 / sizeof(real));
    const auto address = reinterpret_cast<std::uintptr_t>(work_.data());
    job_.work = work_.data() + (64 - address % 64) % 64 / sizeof(real);
    make_tasks();
  }

  void run() {
    const std::int64_t n = job_.kernels->n_kernels;
    const auto n_tasks = static_cast<std::int64_t>(tasks_.size());
    const bool several = discs_.size() > 1;
    constexpr std::int64_t some = 16;  // kernels prepared at a time
#pragma omp parallel num_threads(n_threads_)
    {
      copy<true>();
      for (std::int64_t first = 0; first < n; first += batch_) {
        stamp_job<real> job = job_;
        job.first = first;
        const std::int64_t here = std::min(batch_, n - first);
#pragma omp for schedule(dynamic, 1)
        for (std::int64_t slot = 0; slot < here; slot += some)
          loops_.prepare(job, slot, std::min(some, here - slot));
#pragma omp for schedule(dynamic, 1)
        for (std::int64_t t = 0; t < n_tasks; ++t)
          loops_.stamp(job, here, tasks_[t], discs_[several ? omp_get_thread_num() : 0].list);
      }
      copy<false>();
    }
  }

 private:
  const isa_loops<real> &loops_;
  int n_threads_;
  real *density_, *derivatives_;
  stamp_job<real> job_{};
  std::int64_t batch_ = 0;
  std::vector<std::vector<double>> axes_, displacements_;
  std::vector<std::vector<real>> factors_;
  std::vector<real> work_;
  std::vector<stamp_kernel> prepared_;
  std::vector<stamp_task> tasks_;
  std::vector<disc_memory<real>> discs_;  // one of the batch, or one a thread

  // Points of a plane, the last two CVs.
  std::int64_t plane_size() const {
    const cyfes_grid &grid = *job_.grid;
    return grid.shape[grid.n_dims - 1] * (grid.n_dims > 1 ? grid.shape[grid.n_dims - 2] : 1);
  }

  // Few enough kernels at a time to stay in a cache, enough to make threads wait rarely.
  void allocate_batch() {
    const int D = job_.grid->n_dims;
    std::int64_t size = 0;
    for (int d = 0; d < D; ++d) {
      const std::int64_t longest = longest_range(*job_.grid, *job_.kernels, *job_.options, d);
      job_.stride[d] = (longest + 2 * stamp_margin + 15) / 16 * 16;
      size += job_.stride[d] * static_cast<std::int64_t>(sizeof(double) + 2 * sizeof(real));
    }
    batch_ = std::clamp<std::int64_t>((1 << 22) / size, 1, stamp_batch);
    batch_ = std::min(batch_, job_.kernels->n_kernels);
    prepared_.resize(batch_);
    job_.prepared = prepared_.data();
    for (int d = 0; d < D; ++d) {
      axes_.push_back(axis_of(*job_.grid, d));
      job_.axis[d] = axes_.back().data();
      displacements_.emplace_back(batch_ * job_.stride[d]);
      job_.displacement[d] = displacements_.back().data();
      factors_.emplace_back(batch_ * job_.stride[d]);
      job_.factor[d] = factors_.back().data();
    }
    factors_.emplace_back(batch_ * job_.stride[D - 1]);
    job_.moment = factors_.back().data();
    const bool forms = job_.kernels->n_scales != D || job_.kernels->windows;
    const std::int64_t rows = job_.stride[D > 1 ? D - 2 : 0];
    for (int t = 0; t < (D > 2 ? n_threads_ : 1); ++t)
      discs_.emplace_back(D > 2 ? stamp_discs : batch_, D, rows, forms);
    job_.discs = discs_[0].list;
  }

  // Planes, or the blocks of one plane, or parts of the only row.
  void make_tasks() {
    const cyfes_grid &grid = *job_.grid;
    const std::int64_t planes = points_of(grid) / plane_size(), blocks = stamp_blocks(grid),
                       columns = grid.shape[grid.n_dims - 1];
    if (grid.n_dims > 2)
      for (std::int64_t p = 0; p < planes; ++p) tasks_.push_back({p, {0, blocks}, {0, columns}});
    if (grid.n_dims == 2)
      for (std::int64_t b = 0; b < blocks; ++b) tasks_.push_back({0, {b, b + 1}, {0, columns}});
    constexpr std::int64_t part = 512;
    for (std::int64_t i = 0; grid.n_dims == 1 && i < columns; i += part)
      tasks_.push_back({0, {0, 1}, {i, std::min(i + part, columns)}});
  }

  // Copies the grid's values into the work array, or back.
  template <bool in>
  void copy() {
    const cyfes_grid &grid = *job_.grid;
    const std::int64_t n = grid.shape[grid.n_dims - 1], size = points_of(grid), n_rows = size / n,
                       plane_rows = plane_size() / n, block = stamp_block_size(job_);
    const std::int64_t rows = stamp_rows(grid.n_dims), width = job_.width;
    const int fields = job_.gradient ? grid.n_dims + 1 : 1;
#pragma omp for schedule(static)
    for (std::int64_t row = 0; row < n_rows; ++row) {
      const std::int64_t in_plane = row % plane_rows;
      real *const work = job_.work +
                         (row / plane_rows * stamp_blocks(grid) + in_plane / rows) * block +
                         in_plane % rows * fields * width;
      for (int f = 0; f < fields; ++f) {
        real *const values = (f == 0 ? density_ : derivatives_ + (f - 1) * size) + row * n;
        for (std::int64_t i = 0; i < n; i += width) {
          real *const part = work + i / width * rows * fields * width + f * width;
          const std::int64_t end = std::min(i + width, n);
          if (in)
            std::copy(values + i, values + end, part);
          else
            std::copy(part, part + (end - i), values + i);
        }
      }
    }
  }
};

}  // namespace cyfes
#endif
