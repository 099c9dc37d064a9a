// How many points a grid has, and how many of them a kernel can reach.
#ifndef CYFES_CPU_GRID_POINTS_HPP
#define CYFES_CPU_GRID_POINTS_HPP

#include <algorithm>
#include <cmath>

#include "gaussian.hpp"

namespace cyfes {

inline std::int64_t points_of(const cyfes_grid &grid) {
  std::int64_t size = 1;
  for (int d = 0; d < grid.n_dims; ++d) size *= grid.shape[d];
  return size;
}

// Maximum number of grid indices that one kernel can visit along CV d.
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

}  // namespace cyfes
#endif
