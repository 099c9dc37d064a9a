// Samples in harmonic windows, whose sums the multistate Bennett acceptance ratio needs.
#ifndef CYFES_CPU_JOBS_MBAR_JOB_HPP
#define CYFES_CPU_JOBS_MBAR_JOB_HPP

#include <cstdint>

namespace cyfes {

// Samples whose shares in all windows are in the cache at once: whole vectors of any width.
constexpr std::int64_t mbar_rows = 128;

// The samples [first, last) of samples[n][n_dims], and the sums that take them (see
// cyfes_cpu_mbar). products is NULL or [n_windows][n_windows], of which the lower triangle is
// written; logs is NULL or [n]. Room for the shares: [n_windows + 4][mbar_rows] and one index per
// window.
struct mbar_job {
  int n_dims;
  const double *period;
  std::int64_t n_windows;
  const double *centers, *half_springs, *offsets;
  const double *samples;
  std::int64_t first, last;
  double *sums, *products, *logs;
  double *shares;
  std::int64_t *active;
};

}  // namespace cyfes
#endif
