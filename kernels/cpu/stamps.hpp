// Sums of any kernels by stamps: batches of kernels are prepared and then added to slabs of the
// grid.
#ifndef CYFES_CPU_STAMPS_HPP
#define CYFES_CPU_STAMPS_HPP

#include "cyfes_kernels.h"

namespace cyfes {

template <class real>
void spread_stamps(const cyfes_grid &grid, const cyfes_kernel_list &kernels,
                   const cyfes_options &options, int n_threads, real *density, real *derivatives);

}  // namespace cyfes
#endif
