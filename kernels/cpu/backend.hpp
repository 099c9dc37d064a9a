// What the parts of the CPU backend share.
#ifndef CYFES_CPU_BACKEND_HPP
#define CYFES_CPU_BACKEND_HPP

#include "cpu/jobs/isa_table.hpp"
#include "cyfes_kernels.h"

namespace cyfes {

// The loops that options.isa asks for; throws unsupported.
const isa_table &select_isa(std::int32_t isa);

int spread_f64(const cyfes_grid *, const cyfes_kernel_list *, const cyfes_options *, double *,
               double *);
int spread_f32(const cyfes_grid *, const cyfes_kernel_list *, const cyfes_options *, float *,
               float *);
int evaluate_f64(int32_t, const double *, const cyfes_kernel_list *, int64_t, const double *,
                 const cyfes_options *, double *, double *);
int evaluate_f32(int32_t, const double *, const cyfes_kernel_list *, int64_t, const double *,
                 const cyfes_options *, float *, float *);

}  // namespace cyfes
#endif
