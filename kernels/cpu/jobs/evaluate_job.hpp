// What sums of any kernels at arbitrary points work on.
#ifndef CYFES_CPU_JOBS_EVALUATE_JOB_HPP
#define CYFES_CPU_JOBS_EVALUATE_JOB_HPP

#include <cstdint>

#include "cyfes_kernels.h"

namespace cyfes {

struct evaluate_job {
  int n_dims;
  const double *period;
  const cyfes_kernel_list *kernels;
  const cyfes_options *options;
  std::int64_t n_points;
  const double *points;
};

}  // namespace cyfes
#endif
