// Random sums, and the calls that compute them.
#ifndef CYFES_TESTS_PROBLEM_HPP
#define CYFES_TESTS_PROBLEM_HPP

#include <cstdint>
#include <vector>

#include "check.hpp"
#include "cyfes_kernels.h"

// Kernels and a grid, with the memory behind the structs of the contract.
struct problem {
  int D;
  std::vector<std::int64_t> shape;
  std::vector<double> lower, spacing, period, centers, bandwidths, weights;
  std::vector<std::int32_t> windows;
  cyfes_kernel_list kernels{};
  cyfes_options options{};

  cyfes_grid grid() const { return {D, shape.data(), lower.data(), spacing.data(), period.data()}; }
  std::int64_t size() const {
    std::int64_t n = 1;
    for (const std::int64_t s : shape) n *= s;
    return n;
  }
  bool covariance() const { return kernels.n_scales != D; }
};

// Rows of an inverse covariance whose standard deviations are near `sigma`.
inline void push_precision(problem &p, const double *sigma) {
  double l[CYFES_MAX_DIMS][CYFES_MAX_DIMS] = {};
  for (int i = 0; i < p.D; ++i)
    for (int j = 0; j <= i; ++j) l[i][j] = (i == j ? 1.0 : uniform(-0.3, 0.3)) / sigma[i];
  for (int i = 0; i < p.D; ++i)
    for (int j = 0; j <= i; ++j) {
      double sum = 0;
      for (int k = 0; k < p.D; ++k) sum += l[i][k] * l[j][k];
      p.bandwidths.push_back(sum);
    }
}

inline problem random_problem(int D, std::int64_t n_kernels, bool shared, bool covariance,
                              bool windowed, int kernel, int images) {
  static const std::int64_t longest[] = {0, 67, 23, 11, 7};
  problem p;
  p.D = D;
  for (int d = 0; d < D; ++d) {
    p.shape.push_back(whole(1, longest[D]));
    p.lower.push_back(uniform(-5, 5));
    p.spacing.push_back(uniform(0.05, 0.4));
    // Copies along many CVs would take the loops below hours.
    const bool many = covariance && images == CYFES_ALL_IMAGES && d > 1;
    p.period.push_back(!many && whole(0, 1) ? static_cast<double>(p.shape[d]) * p.spacing[d] : 0.0);
  }
  for (std::int64_t k = 0; k < n_kernels; ++k) {
    for (int d = 0; d < D; ++d) {
      const double length = static_cast<double>(p.shape[d]) * p.spacing[d];
      p.centers.push_back(p.lower[d] + uniform(-0.7, 1.7) * length);
      if (windowed) p.windows.push_back(static_cast<std::int32_t>(whole(0, 2 * p.shape[d])));
    }
    p.weights.push_back(uniform(-1, 2));
  }
  for (std::int64_t k = 0; k < (shared ? 1 : n_kernels); ++k) {
    double sigma[CYFES_MAX_DIMS];
    for (int d = 0; d < D; ++d) sigma[d] = p.spacing[d] * uniform(0.4, 6.0 / D);
    if (covariance)
      push_precision(p, sigma);
    else
      p.bandwidths.insert(p.bandwidths.end(), sigma, sigma + D);
  }
  p.kernels = {n_kernels,
               shared ? 1 : n_kernels,
               covariance ? D * (D + 1) / 2 : D,
               p.centers.data(),
               p.bandwidths.data(),
               p.weights.data(),
               windowed ? p.windows.data() : nullptr};
  p.options = {7.0, kernel, images, 1, 0, 0, 1e-11, 0.0, CYFES_AUTOMATIC, nullptr};
  return p;
}

inline const cyfes_backend *const backend = cyfes_cpu_backend();

inline int spread(const problem &p, double *density, double *derivatives) {
  const cyfes_grid grid = p.grid();
  return backend->spread_f64(&grid, &p.kernels, &p.options, density, derivatives);
}
inline int spread(const problem &p, float *density, float *derivatives) {
  const cyfes_grid grid = p.grid();
  return backend->spread_f32(&grid, &p.kernels, &p.options, density, derivatives);
}
inline int evaluate(const problem &p, std::int64_t n, const double *points, double *density,
                    double *derivatives) {
  return backend->evaluate_f64(p.D, p.period.data(), &p.kernels, n, points, &p.options, density,
                               derivatives);
}
inline int evaluate(const problem &p, std::int64_t n, const double *points, float *density,
                    float *derivatives) {
  return backend->evaluate_f32(p.D, p.period.data(), &p.kernels, n, points, &p.options, density,
                               derivatives);
}

#endif
