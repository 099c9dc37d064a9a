// The mathematics of one kernel, shared by every backend (host and device).
// All functions are static: each object keeps its own copy, compiled for its own processor.
#ifndef CYFES_GAUSSIAN_HPP
#define CYFES_GAUSSIAN_HPP

#include <math.h>
#include <stdint.h>

#include "cyfes_kernels.h"

#if defined(__CUDACC__)
#define CYFES_HD __host__ __device__
#else
#define CYFES_HD
#endif

// PLUMED's stretched Gaussian: A exp(-dp) + B, zero from dp = 6.25 on. A and B make it continuous
// there and keep its height at 1.
static constexpr double cyfes_stretch_dp = 6.25;
static constexpr double cyfes_stretch_a = 1.00193418799744762399;
static constexpr double cyfes_stretch_b = -0.00193418799744762399;

// A kernel as height_a * exp(-r^2 / 2) + height_b for r^2 < reach2.
struct cyfes_profile {
  double height_a, height_b, reach2;
};

CYFES_HD static inline cyfes_profile cyfes_profile_of(const cyfes_options &options) {
  if (options.kernel == CYFES_STRETCHED_GAUSSIAN)
    return {cyfes_stretch_a, cyfes_stretch_b, 2 * cyfes_stretch_dp};
  return {1.0, 0.0, options.cutoff * options.cutoff};
}

// A difference folded into half a period, rounded as PLUMED rounds it: adding 100 periods cuts
// the fraction to 2^-46. Without that, sums of many hills would differ from its own in the twelfth
// decimal.
CYFES_HD static inline double cyfes_nearest_image(double difference, double period) {
  const double inverse = 1 / period;
  const double fraction = difference * inverse + 100;
  return (fraction - floor(fraction + 0.5)) * period;
}

// Position of element (row, column), column <= row, of a packed lower triangle.
CYFES_HD static inline int cyfes_packed(int row, int column) {
  return row * (row + 1) / 2 + column;
}

CYFES_HD static inline double cyfes_symmetric(const double *packed, int i, int j) {
  return i > j ? packed[cyfes_packed(i, j)] : packed[cyfes_packed(j, i)];
}

// Variances, the diagonal of the inverse of a packed precision matrix P = L L^T:
// (P^-1)_jj = sum_i (L^-1)_ij^2. Returns false unless P is positive definite.
CYFES_HD static inline bool cyfes_variances(const double *precision, int n_dims,
                                            double *variances) {
  double l[CYFES_MAX_DIMS][CYFES_MAX_DIMS], inverse[CYFES_MAX_DIMS][CYFES_MAX_DIMS];
  for (int i = 0; i < n_dims; ++i) {
    for (int j = 0; j <= i; ++j) {
      double sum = precision[cyfes_packed(i, j)];
      for (int k = 0; k < j; ++k) sum -= l[i][k] * l[j][k];
      if (i == j && !(sum > 0)) return false;
      l[i][j] = i == j ? sqrt(sum) : sum / l[j][j];
    }
  }
  for (int j = 0; j < n_dims; ++j) {
    variances[j] = 0;
    for (int i = j; i < n_dims; ++i) {
      double sum = i == j ? 1.0 : 0.0;
      for (int k = j; k < i; ++k) sum -= l[i][k] * inverse[k][j];
      inverse[i][j] = sum / l[i][i];
      variances[j] += inverse[i][j] * inverse[i][j];
    }
  }
  return true;
}

#endif
