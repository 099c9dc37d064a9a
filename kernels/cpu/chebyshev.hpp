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
        cosine_[j * order + k] = std::cos(pi * k * (j + 0.5) / n_) * (k == 0 ? 1.0 : 2.0) / n_;
    for (int j = 0; j < n_; ++j) node_.push_back(std::cos(pi * (j + 0.5) / n_));
  }

  int order() const { return order_; }

  // to[k * stride] = coefficient k of exp(-(t - v half)^2 / 2) in v, t and half in bandwidths;
  // with `slope`, of its derivative by t.
  void gaussian(double t, double half, bool slope, double *to, std::ptrdiff_t stride) {
    sums_.assign(order_, 0.0);
    for (int j = 0; j < n_; ++j) {
      const double z = t - node_[j] * half;
      const double value = std::exp(-0.5 * z * z) * (slope ? -z : 1.0);
      for (int k = 0; k < order_; ++k) sums_[k] += cosine_[j * order_ + k] * value;
    }
    for (int k = 0; k < order_; ++k) to[k * stride] = sums_[k];
  }

 private:
  int order_, n_;
  std::vector<double> cosine_, node_, sums_;
};

}  // namespace cyfes
#endif
