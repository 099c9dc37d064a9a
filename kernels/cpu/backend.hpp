// What the parts of the CPU backend share.
#ifndef CYFES_CPU_BACKEND_HPP
#define CYFES_CPU_BACKEND_HPP

#include "checks.hpp"
#include "status.hpp"

namespace cyfes {

int threads_of(const cyfes_options &options);

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
