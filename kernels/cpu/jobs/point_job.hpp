// What sums of separable kernels at arbitrary points work on.
#ifndef CYFES_CPU_JOBS_POINT_JOB_HPP
#define CYFES_CPU_JOBS_POINT_JOB_HPP

#include <cstdint>

#include "cyfes_kernels.h"

namespace cyfes {

// Separable kernels of one copy each at points, in coordinates that make a kernel
// 2^(logarithm - q) + offset where q, the sum of its squared differences, is below reach2.
struct point_job {
  int n_dims;
  double period[CYFES_MAX_DIMS], inverse_period[CYFES_MAX_DIMS];  // 0 = not periodic
  double reach2;
  std::int64_t n_kernels, stride, n_points;
  const double *centers;     // [n_dims][stride], padded for whole vectors
  const double *scales;      // NULL, or [n_dims][stride]: of the differences
  const double *logarithms;  // [n_kernels]
  const double *offsets;     // NULL, or [n_kernels]
  const double *points;      // [n_dims][n_points]
  double *density;           // [n_points]
  double *derivatives;       // NULL, or [n_dims][n_points]: sums of value * difference * scale
};

}  // namespace cyfes
#endif
