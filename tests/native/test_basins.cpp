// Basins of random functions with walls, on arrays of exactly their size.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "check.hpp"
#include "cyfes_kernels.h"
#include "test_kernels.hpp"

namespace {

void check_basins(int D, double persistence) {
  static const std::int64_t longest[] = {0, 40, 12, 6, 4};
  const double lower[4] = {}, spacing[4] = {1, 1, 1, 1};
  std::int64_t shape[4], size = 1, room = 1;
  double period[4];
  for (int d = 0; d < D; ++d) {
    shape[d] = whole(1, longest[D]);
    period[d] = whole(0, 1) ? static_cast<double>(shape[d]) : 0.0;
    size *= shape[d];
    room *= (shape[d] + 1) / 2;
  }
  std::vector<double> values(size);
  for (double &v : values)
    v = whole(0, 4) ? static_cast<double>(whole(0, 9)) : std::numeric_limits<double>::infinity();
  std::vector<std::int64_t> labels(size), minima(room), passes(3 * room);
  std::int64_t n = -1, n_passes = -1;
  const cyfes_grid grid{D, shape, lower, spacing, period};
  check(cyfes_cpu_basins(&grid, values.data(), persistence, labels.data(), minima.data(),
                         passes.data(), &n, &n_passes) == CYFES_OK,
        "basins");
  check(n_passes >= 0 && n_passes <= std::max<std::int64_t>(n - 1, 0), "passes are no tree");
  for (std::int64_t i = 0; i < size; ++i)
    check(std::isfinite(values[i]) ? labels[i] >= 0 && labels[i] < n : labels[i] == -1, "a label");
  for (std::int64_t b = 0; b < n; ++b) check(labels[minima[b]] == b, "a minimum elsewhere");
  for (std::int64_t i = 0; i < n_passes; ++i)
    check(passes[3 * i + 1] != passes[3 * i + 2], "a pass from a basin to itself");
}

}  // namespace

void test_basins() {
  for (int D = 1; D <= CYFES_MAX_DIMS; ++D)
    for (int round = 0; round < 50; ++round) check_basins(D, whole(0, 1) ? 0.0 : 2.5);
}
