// Compiled once per instruction set, with CYFES_ISA_INDEX, and without contraction to fused
// multiply-adds: sums of hills then round like PLUMED's own, to the last printed digit.
#include "cpu/stamp.hpp"

namespace cyfes {

template <>
void stamp<double, CYFES_ISA_INDEX>(const cyfes_grid &grid, const cyfes_kernel_list &kernels,
                                    const cyfes_options &options, band own,
                                    const stamp_buffers<double> &buffers, double *density,
                                    double *derivatives) {
  stamp_any(grid, kernels, options, own, buffers, density, derivatives);
}

template <>
void stamp<float, CYFES_ISA_INDEX>(const cyfes_grid &grid, const cyfes_kernel_list &kernels,
                                   const cyfes_options &options, band own,
                                   const stamp_buffers<float> &buffers, float *density,
                                   float *derivatives) {
  stamp_any(grid, kernels, options, own, buffers, density, derivatives);
}

}  // namespace cyfes
