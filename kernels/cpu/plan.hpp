// Which method sums kernels on a grid, and how.
#ifndef CYFES_CPU_PLAN_HPP
#define CYFES_CPU_PLAN_HPP

#include "cyfes_kernels.h"

namespace cyfes {

// Makes a plan; throws unsupported if the method that the options ask for cannot do it.
cyfes_plan make_plan(const cyfes_grid &grid, const cyfes_kernel_list &kernels,
                     const cyfes_options &options);

// The plan to execute: that of the options, or one made here. Throws std::invalid_argument if that
// of the options was made for something else.
cyfes_plan plan_of(const cyfes_grid &grid, const cyfes_kernel_list &kernels,
                   const cyfes_options &options);

}  // namespace cyfes
#endif
