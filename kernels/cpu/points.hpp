// Kernels and points brought into the form that point_loops.hpp sums.
#ifndef CYFES_CPU_POINTS_HPP
#define CYFES_CPU_POINTS_HPP

#include <algorithm>
#include <cmath>
#include <vector>

#include "cpu/cell_sort.hpp"
#include "cpu/jobs/evaluate_job.hpp"
#include "cpu/jobs/point_job.hpp"
#include "gaussian.hpp"

namespace cyfes {

// Owns the arrays behind a point_job.
//
// exp(-r^2 / 2) = 2^-q with q the squared length of the differences times sqrt(log2(e) / 2) /
// bandwidth. Where the bandwidth is shared the coordinates are scaled once, counted from the
// middle of the centers so that little is lost to rounding.
class point_sum {
 public:
  point_sum(const evaluate_job &job, bool gradient, int n_threads)
      : D_(job.n_dims), n_(job.n_points) {
    const cyfes_kernel_list &kernels = *job.kernels;
    const bool shared = kernels.n_bandwidths == 1;
    list_.n_dims = D_;
    list_.n_kernels = kernels.n_kernels;
    list_.n_points = n_;
    list_.stride = kernels.n_kernels + 16;
    list_.reach2 = cyfes_profile_of(*job.options).reach2 * half_log2e;
    centers_.resize(D_ * list_.stride);
    if (!shared) scales_.resize(D_ * list_.stride);
    for (int d = 0; d < D_; ++d) set_centers(job, d, shared);
    set_weights(kernels, cyfes_profile_of(*job.options));
    sort_points(job, n_threads);
    density_.resize(n_);
    if (gradient) derivatives_.resize(D_ * n_);
    list_.centers = centers_.data();
    list_.scales = shared ? nullptr : scales_.data();
    list_.logarithms = logarithms_.data();
    list_.offsets = offsets_.empty() ? nullptr : offsets_.data();
    list_.points = points_.data();
    list_.density = density_.data();
    list_.derivatives = gradient ? derivatives_.data() : nullptr;
  }

  // Whether a sum has this form: separable kernels of positive weight, of which no copy but the
  // nearest counts, and no power of two that leaves the range of doubles.
  static bool fits(const evaluate_job &job) {
    const cyfes_kernel_list &kernels = *job.kernels;
    if (kernels.n_scales != job.n_dims || kernels.n_kernels == 0) return false;
    const cyfes_profile profile = cyfes_profile_of(*job.options);
    for (int d = 0; d < job.n_dims; ++d)
      for (std::int64_t k = 0; k < kernels.n_bandwidths; ++k)
        if (job.options->images == CYFES_ALL_IMAGES && job.period[d] > 0 &&
            std::sqrt(profile.reach2) * kernels.bandwidths[k * job.n_dims + d] >=
                0.5 * job.period[d])
          return false;
    const auto [least, most] =
        std::minmax_element(kernels.weights, kernels.weights + kernels.n_kernels);
    return *least > 0 && std::log2(*least) - profile.reach2 * half_log2e > -1000 &&
           std::log2(*most) < 1000;
  }

  const point_job &list() const { return list_; }

  // Adds what was summed to the caller's arrays.
  void add_to(double *density, double *derivatives) const {
    for (std::int64_t i = 0; i < n_; ++i) density[order_[i]] += density_[i];
    for (int d = 0; derivatives && d < D_; ++d)
      for (std::int64_t i = 0; i < n_; ++i)
        derivatives[d * n_ + order_[i]] += slope_[d] * derivatives_[d * n_ + i];
  }

 private:
  static constexpr double half_log2e = 0.72134752044448170368, ln2 = 0.69314718055994530942;
  // Points of a cell: about as many as are summed at a time.
  static constexpr double points_of_cell = 32;

  int D_;
  std::int64_t n_;
  point_job list_{};
  double origin_[CYFES_MAX_DIMS], factor_[CYFES_MAX_DIMS], slope_[CYFES_MAX_DIMS];
  std::vector<double> centers_, scales_, logarithms_, offsets_, points_, density_, derivatives_;
  std::vector<std::int32_t> order_;

  void set_centers(const evaluate_job &job, int d, bool shared) {
    const cyfes_kernel_list &kernels = *job.kernels;
    double low = kernels.centers[d], high = low;
    for (std::int64_t k = 0; k < kernels.n_kernels; ++k) {
      low = std::min(low, kernels.centers[k * D_ + d]);
      high = std::max(high, kernels.centers[k * D_ + d]);
    }
    const double root = std::sqrt(half_log2e);
    origin_[d] = shared ? 0.5 * low + 0.5 * high : 0;
    factor_[d] = shared ? root / kernels.bandwidths[d] : 1;
    slope_[d] = -2 * ln2 * factor_[d];
    list_.period[d] = job.period[d] * factor_[d];
    list_.inverse_period[d] = job.period[d] > 0 ? 1 / list_.period[d] : 0;
    for (std::int64_t k = 0; k < kernels.n_kernels; ++k) {
      centers_[d * list_.stride + k] = (kernels.centers[k * D_ + d] - origin_[d]) * factor_[d];
      if (!shared) scales_[d * list_.stride + k] = root / kernels.bandwidths[k * D_ + d];
    }
  }

  void set_weights(const cyfes_kernel_list &kernels, const cyfes_profile &profile) {
    for (std::int64_t k = 0; k < kernels.n_kernels; ++k) {
      logarithms_.push_back(std::log2(kernels.weights[k] * profile.height_a));
      if (profile.height_b != 0) offsets_.push_back(kernels.weights[k] * profile.height_b);
    }
  }

  // Points by cell: the fewer kernels reach those that are summed together.
  void sort_points(const evaluate_job &job, int n_threads) {
    double low[CYFES_MAX_DIMS], size[CYFES_MAX_DIMS];
    const double cells =
        std::max(1.0, std::floor(std::pow(static_cast<double>(n_) / points_of_cell, 1.0 / D_)));
    for (int d = 0; d < D_; ++d) {
      double high = low[d] = job.points[d];
      for (std::int64_t i = 0; i < n_; ++i) {
        low[d] = std::min(low[d], job.points[i * D_ + d]);
        high = std::max(high, job.points[i * D_ + d]);
      }
      size[d] = high > low[d] ? cells / (high - low[d]) : 0;
    }
    std::vector<std::int64_t> cell_of(n_);
    for (std::int64_t i = 0; i < n_; ++i) {
      double cell = 0;
      for (int d = 0; d < D_; ++d)
        cell = cell * (cells + 1) + std::floor((job.points[i * D_ + d] - low[d]) * size[d]);
      cell_of[i] = static_cast<std::int64_t>(cell);
    }
    order_ = order_by_cell(cell_of, std::llround(std::pow(cells + 1, D_)), n_threads);
    points_.resize(D_ * n_);
    for (std::int64_t i = 0; i < n_; ++i)
      for (int d = 0; d < D_; ++d)
        points_[d * n_ + i] =
            (job.points[order_[i] * std::int64_t{D_} + d] - origin_[d]) * factor_[d];
  }
};

}  // namespace cyfes
#endif
