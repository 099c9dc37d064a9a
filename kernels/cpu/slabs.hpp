// Splits the first CV into one range per thread, a slab of the grid, balanced by load.
#ifndef CYFES_CPU_SLABS_HPP
#define CYFES_CPU_SLABS_HPP

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "cpu/jobs/index_range.hpp"
#include "cyfes_kernels.h"

namespace cyfes {

// Kernels by where along the first CV their centers are, in units of a few grid points that no slab
// divides.
class slab_loads {
 public:
  slab_loads(const cyfes_grid &grid, std::int64_t unit)
      : n_points_(grid.shape[0]),
        unit_(unit),
        n_units_((n_points_ + unit - 1) / unit),
        wraps_(grid.period[0] > 0),
        counts_(n_units_, 1e-9) {}

  // Counts n kernels at a place in grid steps from the lower bound.
  void add(double place, double n) {
    const auto size = static_cast<double>(n_points_);
    if (wraps_) place -= size * std::floor(place / size);
    counts_[static_cast<std::int64_t>(std::clamp(place, 0.0, size - 1)) / unit_] += n;
  }

  // Slabs that kernels within `reach` grid steps add to about equally often.
  std::vector<index_range> divide(int n_slabs, std::int64_t reach) const {
    const std::vector<double> load = loads(reach / unit_);
    double total = 0, sum = 0;
    for (const double x : load) total += x;
    std::vector<index_range> slabs;
    std::int64_t begin = 0;
    for (std::int64_t u = 0; u < n_units_; ++u) {
      sum += load[u];
      // Cut where adding the next unit would miss the target by more than stopping here.
      const double want = total * static_cast<double>(slabs.size() + 1) / n_slabs;
      const double next = u + 1 < n_units_ ? load[u + 1] : 0;
      if (u + 1 < n_units_ && sum + 0.5 * next < want) continue;
      if (u + 1 < n_units_ && static_cast<int>(slabs.size()) + 1 == n_slabs) continue;
      slabs.push_back({begin * unit_, std::min(n_points_, (u + 1) * unit_)});
      begin = u + 1;
    }
    return slabs;
  }

 private:
  std::int64_t n_points_, unit_, n_units_;
  bool wraps_;
  std::vector<double> counts_;

  // Kernels within reach of each unit.
  std::vector<double> loads(std::int64_t reach) const {
    std::vector<double> sums(3 * n_units_ + 1), load(n_units_);
    for (std::int64_t i = 0; i < 3 * n_units_; ++i)
      sums[i + 1] = sums[i] + (wraps_ || i / n_units_ == 1 ? counts_[i % n_units_] : 0.0);
    for (std::int64_t u = 0; u < n_units_; ++u) {
      const std::int64_t begin = std::max<std::int64_t>(0, u + n_units_ - reach),
                         end = std::min(3 * n_units_, u + n_units_ + reach + 1);
      load[u] = sums[end] - sums[begin];
    }
    return load;
  }
};

}  // namespace cyfes
#endif
