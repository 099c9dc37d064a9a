// The cells along each CV and their tables, and the list of moments, from a plan.
#ifndef CYFES_CPU_MOMENT_AXES_HPP
#define CYFES_CPU_MOMENT_AXES_HPP

#include <cmath>
#include <vector>

#include "cpu/chebyshev.hpp"
#include "cpu/jobs/moment_job.hpp"
#include "cyfes_kernels.h"

namespace cyfes {

static inline std::int64_t floor_quotient(std::int64_t a, std::int64_t b) {
  return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

// Cells along one CV, without tables. `cell` is their width in bandwidths, a whole number or a
// whole fraction of grid steps.
static inline moment_axis cells_along(const cyfes_grid &grid, int d, double bandwidth, double cell,
                                      double reach) {
  moment_axis axis{};
  const double steps = cell * bandwidth / grid.spacing[d];
  axis.n_points = grid.shape[d];
  axis.wraps = grid.period[d] > 0;
  axis.step = steps < 0.75 ? 1 : std::llround(steps);
  axis.split = steps < 0.75 ? std::llround(1 / steps) : 1;
  axis.reach = static_cast<std::int64_t>(reach * bandwidth / grid.spacing[d]);
  axis.lower = grid.lower[d];
  axis.period = grid.period[d];
  axis.width = grid.spacing[d] * static_cast<double>(axis.step) / static_cast<double>(axis.split);
  if (axis.wraps) {
    axis.n_cells = (axis.n_points * axis.split + axis.step - 1) / axis.step;
  } else {
    axis.first = floor_quotient(-(axis.step + axis.reach) * axis.split, axis.step);
    axis.n_cells =
        floor_quotient((axis.n_points + axis.reach) * axis.split, axis.step) + 1 - axis.first;
  }
  return axis;
}

class moment_axes {
 public:
  moment_axes(const cyfes_grid &grid, const double *bandwidths, const cyfes_plan &plan,
              bool derivatives) {
    const int n_terms = static_cast<int>(whole_columns(plan.order));
    chebyshev_series series(n_terms, n_terms + 16);
    for (int d = 0; d < grid.n_dims; ++d) {
      axes_[d] = cells_along(grid, d, bandwidths[d], plan.cell_width[d], plan.reach);
      for (int slope = 0; slope <= (derivatives ? 1 : 0); ++slope)
        fill(series, n_terms, grid.spacing[d] / bandwidths[d], plan.reach, bandwidths[d], d, slope);
    }
  }
  const moment_axis *list() const { return axes_; }

 private:
  moment_axis axes_[CYFES_MAX_DIMS];
  std::vector<double> tables_[CYFES_MAX_DIMS][2];

  void fill(chebyshev_series &series, int order, double delta, double reach, double bandwidth,
            int d, int slope) {
    moment_axis &axis = axes_[d];
    axis.margin = axis.reach + expansion_slack;
    axis.stride = axis.margin + axis.step + axis.reach + 1 + expansion_slack;
    std::vector<double> &table = tables_[d][slope];
    table.assign(axis.split * order * axis.stride, 0.0);
    const double cells = static_cast<double>(axis.split), width = axis.width / bandwidth;
    for (std::int64_t c = 0; c < axis.split; ++c)
      for (std::int64_t i = -axis.reach; i <= axis.step + axis.reach; ++i) {
        // Distances to the cell's near and far edge, in bandwidths.
        const double at = static_cast<double>(i) * delta;
        const double low = static_cast<double>(c) / cells * delta, high = low + width;
        if (at < low - reach || at > high + reach) continue;
        double *const to = &table[c * order * axis.stride + i + axis.margin];
        series.gaussian(at - 0.5 * (low + high), 0.5 * width, slope != 0, to, axis.stride);
        for (int k = 0; slope && k < order; ++k) to[k * axis.stride] /= bandwidth;
      }
    axis.table[slope] = table.data();
  }
};

// Degrees along all CVs but the last, by their sum, in panels of moment_rows.
class moment_rows_list {
 public:
  moment_rows_list(int n_dims, int order) : order_(order), row_(order * order, -1) {
    std::vector<int> total;
    for (int sum = 0; sum < (n_dims == 1 ? 1 : order); ++sum)
      for (int m = 0; m <= (n_dims == 3 ? sum : 0); ++m) {
        row_[(sum - m) * order + m] = static_cast<std::int64_t>(total.size());
        total.push_back(sum);
        degrees_.insert(degrees_.end(), {sum - m, m});
      }
    std::int32_t size = 0;
    for (std::size_t r = 0; r < total.size(); r += moment_rows) {
      columns_.push_back(static_cast<std::int32_t>(whole_columns(order - total[r])));
      begin_.push_back(size);
      size += columns_.back() * static_cast<std::int32_t>(moment_rows);
    }
    degrees_.resize(columns_.size() * moment_rows * 2, -1);
    shape_ = {n_dims,
              order,
              whole_columns(order),
              static_cast<std::int64_t>(degrees_.size() / 2),
              degrees_.data(),
              columns_.data(),
              begin_.data(),
              size};
  }
  moment_rows_list(const moment_rows_list &) = delete;

  const moment_shape &get() const { return shape_; }
  std::int64_t row_of(std::int64_t k, std::int64_t m) const { return row_[k * order_ + m]; }

 private:
  std::int64_t order_;
  std::vector<std::int64_t> row_;
  std::vector<std::int32_t> degrees_, columns_, begin_;
  moment_shape shape_{};
};

}  // namespace cyfes
#endif
