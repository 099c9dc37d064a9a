// What the parts of the CPU backend share.
#ifndef CYFES_CPU_BACKEND_HPP
#define CYFES_CPU_BACKEND_HPP

#include <string>

#include "status.hpp"

namespace cyfes {

// Throws std::invalid_argument that names the first kernel, what was got and what was expected.
void check_kernels(int n_dims, const cyfes_kernel_list &kernels, const cyfes_options &options);

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
