// Samples sorted into cells: the order in which tiles sum them.
#ifndef CYFES_CPU_CELLS_HPP
#define CYFES_CPU_CELLS_HPP

#include <algorithm>
#include <cmath>
#include <vector>

#include "cpu/isa.hpp"

namespace cyfes {

// Owns the arrays behind a cell_list.
class sorted_cells {
 public:
  sorted_cells(const cyfes_grid &grid, const cyfes_kernel_list &samples, double cutoff,
               int n_threads) {
    choose_width(grid, samples);
    sort(grid, samples, cutoff, n_threads);
  }

  const cell_list &list() const { return list_; }

 private:
  cell_list list_{};
  std::vector<std::int64_t> begin_, corner_;
  std::vector<double> centers_, weights_;

  // Cells as wide as one bandwidth, wider for few samples: a block of samples should be full, but
  // a wide cell's block of the grid is larger. Powers of the factors stay in range up to 4.
  void choose_width(const cyfes_grid &grid, const cyfes_kernel_list &samples) {
    for (double size = 1.0;; size *= 1.5) {
      double n_cells = 1;
      for (int d = 0; d < grid.n_dims; ++d) {
        const double steps = std::floor(size * samples.bandwidths[d] / grid.spacing[d]);
        list_.width[d] = std::max<std::int64_t>(1, static_cast<std::int64_t>(steps));
        n_cells *= std::max(1.0, static_cast<double>(grid.shape[d] / list_.width[d]));
      }
      if (size > 2.5 || n_cells * tile_block / 2 < static_cast<double>(samples.n_kernels)) return;
    }
  }

  // Cell of every sample that reaches the grid (-1: none does), numbered over all cells.
  void sort(const cyfes_grid &grid, const cyfes_kernel_list &samples, double cutoff,
            int n_threads) {
    const int D = grid.n_dims;
    const std::int64_t n = samples.n_kernels;
    std::int64_t first[CYFES_MAX_DIMS], count[CYFES_MAX_DIMS];  // cells along each CV
    for (int d = 0; d < D; ++d) {
      const std::int64_t w = list_.width[d];
      const bool wraps = grid.period[d] > 0;
      const auto reach =
          static_cast<std::int64_t>(cutoff * samples.bandwidths[d] / grid.spacing[d]) + 1;
      first[d] = wraps ? 0 : -((reach + w - 1) / w);
      count[d] = (grid.shape[d] + (wraps ? 0 : reach) + w - 1) / w - first[d];
    }
    std::vector<double> folded(samples.centers, samples.centers + n * D);
    std::vector<std::int64_t> key(n);
#pragma omp parallel for num_threads(n_threads) schedule(static)
    for (std::int64_t k = 0; k < n; ++k) key[k] = cell_of(grid, first, count, &folded[k * D]);
    std::vector<std::int64_t> order;
    order.reserve(n);
    for (std::int64_t k = 0; k < n; ++k)
      if (key[k] >= 0) order.push_back(k);
    sort_by(key, order);
    gather(D, order, key, first, count, folded, samples.weights);
  }

  // Stable radix sort by the samples' keys.
  static void sort_by(const std::vector<std::int64_t> &key, std::vector<std::int64_t> &order) {
    constexpr int bits = 11;
    std::int64_t most = 0;
    for (const std::int64_t k : order) most = std::max(most, key[k]);
    std::vector<std::int64_t> sorted(order.size());
    for (int shift = 0; shift < 63 && most >> shift > 0; shift += bits) {
      const auto digit = [&](std::int64_t k) { return key[k] >> shift & ((1 << bits) - 1); };
      std::int64_t begin[(1 << bits) + 1] = {};
      for (const std::int64_t k : order) ++begin[digit(k) + 1];
      for (int i = 0; i < 1 << bits; ++i) begin[i + 1] += begin[i];
      for (const std::int64_t k : order) sorted[begin[digit(k)]++] = k;
      order.swap(sorted);
    }
  }

  std::int64_t cell_of(const cyfes_grid &grid, const std::int64_t *first, const std::int64_t *count,
                       double *center) const {
    std::int64_t cell = 0;
    for (int d = 0; d < grid.n_dims; ++d) {
      if (grid.period[d] > 0) {
        center[d] -= grid.period[d] * std::floor((center[d] - grid.lower[d]) / grid.period[d]);
        // Rounding may leave a center on the upper bound.
        if (center[d] >= grid.lower[d] + grid.period[d]) center[d] = grid.lower[d];
      }
      const double position = (center[d] - grid.lower[d]) / grid.spacing[d];
      const double index = std::floor(position / static_cast<double>(list_.width[d]));
      const double shifted = index - static_cast<double>(first[d]);
      if (!(shifted >= 0 && shifted < static_cast<double>(count[d]))) return -1;
      cell = cell * count[d] + static_cast<std::int64_t>(shifted);
    }
    return cell;
  }

  void gather(int D, const std::vector<std::int64_t> &order, const std::vector<std::int64_t> &key,
              const std::int64_t *first, const std::int64_t *count,
              const std::vector<double> &folded, const double *weights) {
    centers_.reserve(order.size() * D);
    weights_.reserve(order.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
      const std::int64_t k = order[i];
      if (i == 0 || key[k] != key[order[i - 1]]) {
        begin_.push_back(static_cast<std::int64_t>(i));
        push_corner(D, key[k], first, count);
      }
      centers_.insert(centers_.end(), &folded[k * D], &folded[k * D] + D);
      weights_.push_back(weights[k]);
    }
    list_.n_cells = static_cast<std::int64_t>(begin_.size());
    begin_.push_back(static_cast<std::int64_t>(order.size()));
    list_.begin = begin_.data();
    list_.corner = corner_.data();
    list_.centers = centers_.data();
    list_.weights = weights_.data();
  }

  void push_corner(int D, std::int64_t cell, const std::int64_t *first, const std::int64_t *count) {
    corner_.resize(corner_.size() + D);
    for (int d = D - 1; d >= 0; --d) {
      corner_[corner_.size() - D + d] = (cell % count[d] + first[d]) * list_.width[d];
      cell /= count[d];
    }
  }
};

}  // namespace cyfes
#endif
