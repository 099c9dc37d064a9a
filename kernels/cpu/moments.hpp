// Sums of samples of one bandwidth by cell moments, as a plan tells: memory and threads.
#ifndef CYFES_CPU_MOMENTS_HPP
#define CYFES_CPU_MOMENTS_HPP

#include "cyfes_kernels.h"

namespace cyfes {

// The f32 sums are those in double, rounded once: sorting takes most of the time, and the rest
// would hardly gain from single precision.
template <class real>
void spread_moments(const cyfes_grid &grid, const cyfes_kernel_list &samples,
                    const cyfes_options &options, const cyfes_plan &plan, int n_threads,
                    real *density, real *derivatives);

}  // namespace cyfes
#endif
