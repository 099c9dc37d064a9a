// Sums of Gaussians of one bandwidth by separable tiles: samples sorted into cells, and threads.
#ifndef CYFES_CPU_TILES_HPP
#define CYFES_CPU_TILES_HPP

#include "cyfes_kernels.h"

namespace cyfes {

template <class real>
void spread_tiles(const cyfes_grid &grid, const cyfes_kernel_list &kernels,
                  const cyfes_options &options, int n_threads, real *density, real *derivatives);

}  // namespace cyfes
#endif
