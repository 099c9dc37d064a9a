// Sums of samples of one bandwidth by cell moments, as a plan tells.
#ifndef CYFES_CPU_MOMENT_SUM_HPP
#define CYFES_CPU_MOMENT_SUM_HPP

#include "cyfes_kernels.h"

namespace cyfes {

// The f32 sums are those in double, rounded once: sorting takes most of the time, and the rest
// would hardly gain from single precision.
void spread_moments(const cyfes_grid &grid, const cyfes_kernel_list &samples,
                    const cyfes_options &options, const cyfes_plan &plan, int n_threads,
                    double *density, double *derivatives);
void spread_moments(const cyfes_grid &grid, const cyfes_kernel_list &samples,
                    const cyfes_options &options, const cyfes_plan &plan, int n_threads,
                    float *density, float *derivatives);

}  // namespace cyfes
#endif
