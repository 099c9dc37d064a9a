// What every backend demands of its arguments; std::invalid_argument names what was got.
#ifndef CYFES_CHECKS_HPP
#define CYFES_CHECKS_HPP

#include <cmath>
#include <cstdio>
#include <stdexcept>
#include <string>

#include "gaussian.hpp"

namespace cyfes {

// Copies of a kernel within one CV's reach, at most; more is a bandwidth in the wrong unit.
constexpr double max_copies = 256;
// Periods between a center and the grid, at most: beyond, its fraction of a period is lost.
constexpr double max_periods = 0x1p30;

inline std::string text_of(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

inline std::string of_kernel(int64_t k) { return " of kernel " + std::to_string(k); }

inline void check_bandwidth(int n_dims, const double *row, int n_scales, int64_t k) {
  double variances[CYFES_MAX_DIMS];
  if (n_scales != n_dims && !cyfes_variances(row, n_dims, variances))
    throw std::invalid_argument("covariance" + of_kernel(k) + " is not positive definite");
  for (int d = 0; n_scales == n_dims && d < n_dims; ++d)
    if (!(row[d] > 0) || !std::isfinite(row[d]) || !std::isnormal(1 / (row[d] * row[d])))
      throw std::invalid_argument("bandwidth" + of_kernel(k) +
                                  " must be positive and finite, got " + text_of(row[d]));
}

inline void check_dims(int n_dims) {
  if (n_dims < 1 || n_dims > CYFES_MAX_DIMS)
    throw std::invalid_argument("there must be 1 to 4 CVs, got " + std::to_string(n_dims));
}

// Everything but the samples: their number may be large.
inline void check_form(int n_dims, const cyfes_kernel_list &kernels) {
  if (kernels.n_scales != n_dims && kernels.n_scales != n_dims * (n_dims + 1) / 2)
    throw std::invalid_argument("bandwidths have " + std::to_string(kernels.n_scales) +
                                " columns for " + std::to_string(n_dims) + " CVs");
  for (int64_t k = 0; kernels.n_kernels > 0 && k < kernels.n_bandwidths; ++k)
    check_bandwidth(n_dims, kernels.bandwidths + k * kernels.n_scales, kernels.n_scales, k);
}

inline void check_finite(int n_dims, const cyfes_kernel_list &kernels) {
  for (int64_t k = 0; k < kernels.n_kernels; ++k) {
    if (!std::isfinite(kernels.weights[k]))
      throw std::invalid_argument("weight" + of_kernel(k) + " is not finite");
    for (int d = 0; d < n_dims; ++d)
      if (!std::isfinite(kernels.centers[k * n_dims + d]))
        throw std::invalid_argument("center" + of_kernel(k) + " is not finite");
  }
}

inline void check_turns(int n_dims, int d, double period, double lower,
                        const cyfes_kernel_list &kernels) {
  for (int64_t k = 0; period > 0 && k < kernels.n_kernels; ++k)
    if (!(std::abs(kernels.centers[k * n_dims + d] - lower) < max_periods * period))
      throw std::invalid_argument("center" + of_kernel(k) +
                                  " is too many periods away from the grid");
}

// That sums over periodic images stay short and exact.
inline void check_period(int n_dims, int d, double period, const cyfes_kernel_list &kernels,
                         const cyfes_options &options) {
  if (!(period >= 0) || !std::isfinite(period))
    throw std::invalid_argument("period of CV " + std::to_string(d) +
                                " must be finite and at least 0");
  if (period == 0 || kernels.n_kernels == 0) return;
  const double reach = std::sqrt(cyfes_profile_of(options).reach2);
  for (int64_t k = 0; options.images == CYFES_ALL_IMAGES && k < kernels.n_bandwidths; ++k) {
    const double *row = kernels.bandwidths + k * kernels.n_scales;
    double variances[CYFES_MAX_DIMS];
    if (kernels.n_scales != n_dims) cyfes_variances(row, n_dims, variances);
    const double sigma = kernels.n_scales == n_dims ? row[d] : std::sqrt(variances[d]);
    if (reach * sigma > max_copies * period)
      throw std::invalid_argument("a bandwidth is over 20 times wider than the period of CV " +
                                  std::to_string(d));
  }
}

inline void check_windows(const cyfes_grid &grid, const cyfes_kernel_list &kernels) {
  for (int64_t i = 0; kernels.windows && i < kernels.n_kernels * grid.n_dims; ++i)
    if (kernels.windows[i] < 0 ||
        kernels.windows[i] > max_copies * (grid.shape[i % grid.n_dims] + 4))
      throw std::invalid_argument("window" + of_kernel(i / grid.n_dims) +
                                  " must be between 0 and " +
                                  std::to_string(static_cast<int64_t>(max_copies)) +
                                  " periods, got " + std::to_string(kernels.windows[i]) + " steps");
}

inline void check_cutoff(const cyfes_options &options) {
  if (options.kernel == CYFES_GAUSSIAN && !(options.cutoff > 0 && options.cutoff <= 37))
    throw std::invalid_argument("cutoff must be between 0 and 37 bandwidths, got " +
                                text_of(options.cutoff));
  if (!(options.tolerance >= 0) || !(options.tail >= 0) || !std::isfinite(options.tail))
    throw std::invalid_argument("tolerance and tail must be at least 0, got " +
                                text_of(options.tolerance) + " and " + text_of(options.tail));
  if (options.method < CYFES_AUTOMATIC || options.method > CYFES_MOMENTS)
    throw std::invalid_argument("unknown method " + std::to_string(options.method));
}

// Everything a spread needs but its samples.
inline void check_problem(const cyfes_grid &grid, const cyfes_kernel_list &kernels,
                          const cyfes_options &options) {
  check_dims(grid.n_dims);
  for (int d = 0; d < grid.n_dims; ++d)
    if (grid.shape[d] < 1 || !(grid.spacing[d] > 0) || !std::isfinite(grid.lower[d]))
      throw std::invalid_argument("CV " + std::to_string(d) + " of the grid has no points");
  check_cutoff(options);
  check_form(grid.n_dims, kernels);
  for (int d = 0; d < grid.n_dims; ++d)
    check_period(grid.n_dims, d, grid.period[d], kernels, options);
}

inline void check_samples(const cyfes_grid &grid, const cyfes_kernel_list &kernels) {
  check_finite(grid.n_dims, kernels);
  for (int d = 0; d < grid.n_dims; ++d)
    check_turns(grid.n_dims, d, grid.period[d], grid.lower[d], kernels);
  check_windows(grid, kernels);
}

// Everything a spread needs.
inline void check_spread(const cyfes_grid &grid, const cyfes_kernel_list &kernels,
                         const cyfes_options &options) {
  check_problem(grid, kernels, options);
  check_samples(grid, kernels);
}

// Everything an evaluate needs.
inline void check_evaluate(int n_dims, const double *period, const cyfes_kernel_list &kernels,
                           int64_t n_points, const double *points, const cyfes_options &options) {
  check_dims(n_dims);
  check_cutoff(options);
  check_form(n_dims, kernels);
  check_finite(n_dims, kernels);
  for (int d = 0; d < n_dims; ++d) {
    check_period(n_dims, d, period[d], kernels, options);
    check_turns(n_dims, d, period[d], 0.0, kernels);
  }
  for (int64_t i = 0; i < n_points * n_dims; ++i)
    if (!std::isfinite(points[i]))
      throw std::invalid_argument("point " + std::to_string(i / n_dims) + " is not finite");
}

}  // namespace cyfes
#endif
