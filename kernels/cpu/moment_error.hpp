// Bounds of the error of cell moments.
#ifndef CYFES_CPU_MOMENT_ERROR_HPP
#define CYFES_CPU_MOMENT_ERROR_HPP

#include <algorithm>
#include <cmath>
#include <vector>

#include "cpu/chebyshev.hpp"

namespace cyfes {

// |dF| that must hold in the tail.
constexpr double tail_accuracy = 1e-8;

// Cells of one width in bandwidths, the same along all CVs, seen from grid points t away from a
// cell's middle.
//
// Let R(t) be the error of an expansion relative to the least value that the Gaussian takes in the
// cell, and E(t) the error itself. All terms of the sum P(x) are positive, so cells nearer than T
// err by at most max R(t <= T) P(x); cells beyond by sum E(t) W, with W the weight in a cell. A
// cell makes P at the grid point nearest to its middle at least W exp(-D (a + s)^2 / 8), s the
// grid's spacing, so that W <= peak exp(D (a + s)^2 / 8). Hence for every T
//   |error| / P(x) <= max R(t <= T) + peak / P(x) exp(D (a + s)^2 / 8) sum over cells beyond of E,
// and the bound is the least of these. A neglected cell has E(t) = exp(-t^2 / 2).
class moment_error {
 public:
  // `series` has to have all terms that matter; `farthest` is the farthest point's distance.
  moment_error(chebyshev_series &series, int n_dims, double cell, double spacing, double farthest)
      : n_dims_(n_dims),
        n_terms_(series.order()),
        cell_(cell),
        crowd_(crowd(n_dims, cell, spacing)),
        n_steps_(static_cast<int>(std::ceil(farthest / step)) + 1) {
    for (int i = 0; i < n_steps_; ++i) {
      diagonal_.push_back(tails(series, step * i / std::sqrt(n_dims), n_dims));
      along_.push_back(n_dims == 1 ? diagonal_.back() : tails(series, step * i, 1));
    }
  }

  // Bound of the error relative to a density exp(-depth) of its peak.
  double bound(int order, double reach, double depth) const {
    double beyond = std::exp(depth) * crowd_ * neglected(n_dims_, cell_, reach);
    double best = 1e300;
    for (int i = n_steps_ - 1; i >= 0; --i) {
      best = std::min(best, relative(i, order) + beyond);
      if (i > 0)
        beyond += std::exp(depth) * crowd_ * cells(i - 1) *
                  std::max(absolute(i - 1, order), absolute(i, order));
    }
    return best;
  }

  // Error of the farthest point of all, in a corner, relative to the sample's own term.
  double worst(int order) const { return relative(n_steps_ - 1, order); }

  // The weight in a cell is at most this times the density's peak.
  static double crowd(int n_dims, double cell, double spacing) {
    return std::exp(n_dims * (cell + spacing) * (cell + spacing) / 8);
  }

  // Sum of exp(-t^2 / 2), t the distance to the nearest edge, over the cells farther than `reach`
  // along any CV: at most one CV is beyond it for each term of a product of sums.
  static double neglected(int n_dims, double cell, double reach) {
    return n_dims * 2 * edges(cell, reach) * std::pow(1 + 2 * edges(cell, 0), n_dims - 1);
  }

 private:
  static constexpr double step = 0.5;
  struct tail {
    std::vector<double> relative;  // of the terms with total degree k and above
    double lowest;                 // the Gaussian at the cell's far corner
  };
  int n_dims_, n_terms_;
  double cell_, crowd_;
  int n_steps_;
  std::vector<tail> diagonal_, along_;

  // Sum over the cells to one side, the first of which begins at t.
  static double edges(double cell, double t) {
    double sum = 0;
    for (double term = 1; term > 1e-3 * sum * cell; t += cell) sum += term = std::exp(-0.5 * t * t);
    return 1.01 * sum;  // and the rest
  }

  static double shell(int n_dims, double cell, double t) {  // cells in a shell of one step
    const double surface[] = {2.0, 6.283185307179586 * t, 12.566370614359172 * t * t};
    return surface[n_dims - 1] * step / std::pow(cell, n_dims);
  }
  double cells(int i) const { return shell(n_dims_, cell_, step * (i + 1)); }

  double relative(int i, int order) const {
    return std::max(diagonal_[i].relative[order], along_[i].relative[order]);
  }
  double absolute(int i, int order) const {
    return std::max(diagonal_[i].relative[order] * diagonal_[i].lowest,
                    along_[i].relative[order] * along_[i].lowest);
  }

  // A point t away along each of n CVs: products of n series.
  tail tails(chebyshev_series &series, double t, int n) const {
    std::vector<double> one(n_terms_), product(1, 1.0);
    series.gaussian(t, 0.5 * cell_, false, one.data(), 1);
    const double least = std::exp(-0.5 * (t + 0.5 * cell_) * (t + 0.5 * cell_));
    double all = 1, sum = 0;
    for (double &c : one) sum += c = std::abs(c) / least;
    for (int d = 0; d < n; ++d) {
      std::vector<double> next(product.size() + n_terms_);
      for (std::size_t i = 0; i < product.size(); ++i)
        for (int k = 0; k < n_terms_; ++k) next[i + k] += product[i] * one[k];
      product = next;
      all *= sum;
    }
    // Sums of such terms also round.
    double rest = 4 * 0x1p-53 * all;
    for (std::size_t k = product.size(); k-- > 0;) product[k] = rest += product[k];
    product.resize(n_terms_);
    return {product, std::pow(least, n)};
  }
};

}  // namespace cyfes
#endif
