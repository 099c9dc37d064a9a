// Chebyshev coefficients of a Gaussian within a cell.
#ifndef CYFES_CPU_CHEBYSHEV_HPP
#define CYFES_CPU_CHEBYSHEV_HPP

#include <cmath>
#include <vector>

namespace cyfes {

// Interpolates functions on [-1, 1] at n_nodes Chebyshev points.
class chebyshev_series {
 public:
  chebyshev_series(int order, int n_nodes) : order_(order), n_(n_nodes), cosine_(order * n_nodes) {
    const double pi = 3.14159265358979323846;
    for (int k = 0; k < order; ++k)
      for (int j = 0; j < n_; ++j)
        cosine_[k * n_ + j] = std::cos(pi * k * (j + 0.5) / n_) * (k == 0 ? 1.0 : 2.0) / n_;
    for (int j = 0; j < n_; ++j) node_.push_back(std::cos(pi * (j + 0.5) / n_));
  }

  // to[k * stride] = coefficient k of exp(-(t - v half)^2 / 2) in v, t and half in bandwidths;
  // with `slope`, of its derivative by t.
  void gaussian(double t, double half, bool slope, double *to, std::ptrdiff_t stride) {
    values_.resize(n_);
    for (int j = 0; j < n_; ++j) {
      const double z = t - node_[j] * half;
      values_[j] = std::exp(-0.5 * z * z) * (slope ? -z : 1.0);
    }
    for (int k = 0; k < order_; ++k) {
      double sum = 0;
      for (int j = 0; j < n_; ++j) sum += cosine_[k * n_ + j] * values_[j];
      to[k * stride] = sum;
    }
  }

 private:
  int order_, n_;
  std::vector<double> cosine_, node_, values_;
};

}  // namespace cyfes
#endif
