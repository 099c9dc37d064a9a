// How a sum is laid out on a card: what the job is, and into how many slices it is cut.
#ifndef CYFES_CUDA_LAYOUT_HPP
#define CYFES_CUDA_LAYOUT_HPP

#include <algorithm>

#include "checks.hpp"
#include "cuda/tile.hpp"
#include "status.hpp"

namespace cyfes_cuda {

inline job common_job(int n_dims, const double *period, const cyfes_kernel_list &kernels,
                      const cyfes_options &options) {
  if (kernels.windows)
    throw cyfes::unsupported("windows (PLUMED's visiting rule) are summed on the CPU only");
  job j{};
  j.n_dims = n_dims;
  for (int d = 0; d < n_dims; ++d) j.period[d] = period[d];
  j.n_scales = kernels.n_scales;
  j.profile = cyfes_profile_of(options);
  j.images = options.images;
  return j;
}

inline job grid_job(const cyfes_grid &grid, const cyfes_kernel_list &kernels,
                    const cyfes_options &options) {
  cyfes::check_spread(grid, kernels, options);
  job j = common_job(grid.n_dims, grid.period, kernels, options);
  j.n_points = 1;
  for (int d = 0; d < j.n_dims; ++d) {
    j.lower[d] = grid.lower[d];
    j.spacing[d] = grid.spacing[d];
    j.shape[d] = grid.shape[d];
    j.n_points *= grid.shape[d];
  }
  return j;
}

inline job points_job(int n_dims, const double *period, int64_t n_points, const double *points,
                      const cyfes_kernel_list &kernels, const cyfes_options &options) {
  cyfes::check_evaluate(n_dims, period, kernels, n_points, points, options);
  job j = common_job(n_dims, period, kernels, options);
  j.n_points = n_points;
  return j;
}

// Tiles serve a bandwidth a CV on a grid. With all images only pure Gaussians: the cut of a
// stretched kernel is no product of factors.
inline bool fit_for_tiles(const job &j) {
  if (j.points || j.n_dims < 2 || j.n_scales != j.n_dims) return false;
  return j.images == CYFES_NEAREST_IMAGE || j.profile.height_b == 0;
}

// Blocks a sum should offer a card, whatever its size: the slices, and with them the bits, must
// not depend on the card.
constexpr int64_t wanted_blocks = 1024;
// Kernels in a slice, at least: shorter ones would spend their time adding up.
constexpr int64_t min_slice = 2048;
constexpr int64_t max_slices = 256;
// Memory for the slices' parts.
constexpr int64_t max_part_bytes = int64_t{1} << 30;
// Kernels uploaded at a time; halved while memory does not suffice.
constexpr int64_t max_kernels = int64_t{1} << 24;

inline int64_t slices_of(const job &j, int64_t n_blocks, int64_t part_bytes) {
  int64_t n = (wanted_blocks + n_blocks - 1) / n_blocks;
  n = std::min({n, j.n_kernels / min_slice, max_slices, max_part_bytes / part_bytes});
  return std::max<int64_t>(n, 1);
}

}  // namespace cyfes_cuda
#endif
