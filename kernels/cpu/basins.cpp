// Minima, basins and passes of a function on a grid.
//
// Every point belongs to the basin that its lowest neighbours lead to. Were the grid flooded
// slowly, basins would run together at passes: points whose lower neighbours belong to several.
// Taken from the lowest on, a pass joins what was apart, and the higher of the two minima is as
// deep as the pass lies above it (its persistence). One that is not deep enough is no minimum, and
// its basin is part of the one it meets at the pass. Only points between basins need sorting.
#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>
#include <vector>

#include "checks.hpp"
#include "cpu/grid_points.hpp"
#include "status.hpp"

namespace cyfes {
namespace {

// Sets of numbers, each known by one of them.
class forest {
 public:
  explicit forest(std::int64_t n) : parent(n) {
    for (std::int64_t i = 0; i < n; ++i) parent[i] = i;
  }
  void join(std::int64_t root, std::int64_t to) { parent[root] = to; }
  std::int64_t root(std::int64_t i) {
    for (; parent[i] != i; i = parent[i]) parent[i] = parent[parent[i]];
    return i;
  }

 private:
  std::vector<std::int64_t> parent;
};

// The up to 3^n_dims - 1 points around one; the ends of a periodic CV are neighbours.
class neighbourhood {
 public:
  explicit neighbourhood(const cyfes_grid &of)
      : grid(of), length(of.shape[of.n_dims - 1]), wraps(of.period[of.n_dims - 1] > 0) {}

  // Calls see(other) for each of them, for some twice, and for the point itself.
  template <class See>
  void look_around(std::int64_t point, const See &see) {
    const std::int64_t at = point / length, i = point % length;
    if (at != row) move_to(at);
    const std::int64_t left = i > 0 || !wraps ? std::max<std::int64_t>(i - 1, 0) : length - 1;
    const std::int64_t right = i < length - 1 || !wraps ? std::min(i + 1, length - 1) : 0;
    for (const std::int64_t start : starts) {
      see(start + left);
      see(start + i);
      see(start + right);
    }
  }

 private:
  // The first points of the row and of the rows around it.
  void move_to(std::int64_t to) {
    row = to;
    starts.assign(1, row * length);
    std::int64_t stride = length, rest = row;
    for (int d = grid.n_dims - 2; d >= 0; --d) {
      const std::int64_t n = grid.shape[d], i = rest % n;
      const std::size_t n_starts = starts.size();
      if (n > 1 && (i > 0 || grid.period[d] > 0))
        extend(n_starts, i > 0 ? -stride : (n - 1) * stride);
      if (n > 1 && (i < n - 1 || grid.period[d] > 0))
        extend(n_starts, i < n - 1 ? stride : (1 - n) * stride);
      rest /= n;
      stride *= n;
    }
  }

  void extend(std::size_t n, std::int64_t step) {
    for (std::size_t k = 0; k < n; ++k) starts.push_back(starts[k] + step);
  }

  const cyfes_grid &grid;
  const std::int64_t length;
  const bool wraps;
  std::int64_t row = -1;
  std::vector<std::int64_t> starts;
};

struct pass {
  std::int64_t point, basin, other;
};

class landscape {
 public:
  landscape(const cyfes_grid &grid, const double *function, std::int64_t *basin_of)
      : n_points(points_of(grid)), near(grid), values(function), labels(basin_of) {}

  // Begins a basin at every point without a lower neighbour; they count from the lowest on.
  void find_basins() {
    for (std::int64_t p = 0; p < n_points; ++p) {
      labels[p] = std::isfinite(values[p]) ? lowest_around(p) : -1;
      if (labels[p] == p) minima.push_back(p);
    }
    sort(minima);
    for (std::size_t b = 0; b < minima.size(); ++b) labels[minima[b]] = numbered(b);
    for (std::int64_t p = 0; p < n_points; ++p) follow(p);
    for (std::int64_t p = 0; p < n_points; ++p)
      if (labels[p] != -1) labels[p] = -2 - labels[p];
  }

  // Joins basins that are not as deep as `least`, and keeps the passes between the others.
  void join_basins(double least) {
    lakes = forest(n_basins());
    joined = forest(n_basins());
    for (const std::int64_t point : between_basins())
      for (const std::int64_t other : others_below(point))
        meet(point, labels[point], labels[other], least);
  }

  // Counts the basins that are left and returns their number.
  std::int64_t number(std::int64_t *minima_out, std::int64_t *passes_out) {
    std::vector<std::int64_t> numbers(minima.size());
    std::int64_t n = 0;
    for (std::int64_t b = 0; b < n_basins(); ++b) {
      const std::int64_t root = joined.root(b);  // not above b: its number is known
      numbers[b] = root == b ? n : numbers[root];
      if (root == b) minima_out[n++] = minima[b];
    }
    for (std::int64_t p = 0; p < n_points; ++p)
      if (labels[p] >= 0) labels[p] = numbers[labels[p]];
    for (const pass &found : passes) {
      *passes_out++ = found.point;
      *passes_out++ = numbers[found.basin];
      *passes_out++ = numbers[found.other];
    }
    return n;
  }

  std::int64_t n_passes() const { return static_cast<std::int64_t>(passes.size()); }

 private:
  std::int64_t n_basins() const { return static_cast<std::int64_t>(minima.size()); }

  // While labels still hold neighbours, the number of a basin is below -1.
  static std::int64_t numbered(std::size_t basin) { return -2 - static_cast<std::int64_t>(basin); }

  bool before(std::int64_t a, std::int64_t b) const {
    return values[a] < values[b] || (values[a] == values[b] && a < b);
  }

  void sort(std::vector<std::int64_t> &points) const {
    std::vector<std::pair<double, std::int64_t>> places;  // side by side: the sort reads no others
    places.reserve(points.size());
    for (const std::int64_t p : points) places.emplace_back(values[p], p);
    std::sort(places.begin(), places.end());
    std::transform(places.begin(), places.end(), points.begin(),
                   [](const auto &place) { return place.second; });
  }

  std::int64_t lowest_around(std::int64_t point) {
    std::int64_t lowest = point;
    near.look_around(point, [&](std::int64_t other) {
      if (before(other, lowest) && std::isfinite(values[other])) lowest = other;
    });
    return lowest;
  }

  // Gives all points on the way from one to its minimum the number of the basin.
  void follow(std::int64_t point) {
    std::int64_t end = point;
    while (labels[end] >= 0) end = labels[end];
    for (std::int64_t next; labels[point] >= 0; point = next) {
      next = labels[point];
      labels[point] = labels[end];
    }
  }

  // Points with a lower neighbour in another basin, lowest first.
  std::vector<std::int64_t> between_basins() {
    std::vector<std::int64_t> points;
    for (std::int64_t p = 0; p < n_points; ++p) {
      bool apart = false;
      if (labels[p] >= 0)
        near.look_around(p, [&](std::int64_t other) {
          apart |= labels[other] != labels[p] && labels[other] >= 0 && before(other, p);
        });
      if (apart) points.push_back(p);
    }
    sort(points);
    return points;
  }

  // The lowest of the lower neighbours in each lake but the point's own, lowest first.
  const std::vector<std::int64_t> &others_below(std::int64_t point) {
    below.clear();
    const std::int64_t own = lakes.root(labels[point]);
    near.look_around(point, [&](std::int64_t other) {
      if (labels[other] < 0 || labels[other] == labels[point] || !before(other, point)) return;
      const std::int64_t lake = lakes.root(labels[other]);
      if (lake == own) return;
      const auto known = std::find_if(below.begin(), below.end(), [&](std::int64_t one) {
        return lakes.root(labels[one]) == lake;
      });
      if (known == below.end())
        below.push_back(other);
      else if (before(other, *known))
        *known = other;
    });
    std::sort(below.begin(), below.end(),
              [&](std::int64_t a, std::int64_t b) { return before(a, b); });
    return below;
  }

  void meet(std::int64_t point, std::int64_t basin, std::int64_t other, double least) {
    std::int64_t lower = lakes.root(basin), higher = lakes.root(other), side = basin;
    if (lower > higher) {
      std::swap(lower, higher);
      side = other;
    }
    lakes.join(higher, lower);
    const double depth = values[point] - values[minima[higher]];
    if (depth > 0 && depth >= least)
      passes.push_back({point, basin, other});
    else
      joined.join(higher, joined.root(side));
  }

  const std::int64_t n_points;
  neighbourhood near;
  const double *values;
  std::int64_t *labels;
  std::vector<std::int64_t> minima, below;
  std::vector<pass> passes;
  forest lakes{0}, joined{0};  // both known by their lowest minimum
};

}  // namespace
}  // namespace cyfes

int cyfes_cpu_basins(const cyfes_grid *grid, const double *values, double persistence,
                     int64_t *labels, int64_t *minima, int64_t *passes, int64_t *n_minima,
                     int64_t *n_passes) {
  return cyfes::guarded([&] {
    cyfes::check_dims(grid->n_dims);
    if (!(persistence >= 0))
      throw std::invalid_argument("persistence must be at least 0, got " +
                                  cyfes::text_of(persistence));
    cyfes::landscape found(*grid, values, labels);
    found.find_basins();
    found.join_basins(persistence);
    *n_passes = found.n_passes();
    *n_minima = found.number(minima, passes);
  });
}
