// The planner: what each method would cost, and what order, cells and reach moments need.
#include "cpu/plan.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>

#include "checks.hpp"
#include "cpu/moment_axes.hpp"
#include "cpu/moment_error.hpp"
#include "status.hpp"

namespace cyfes {
namespace {

// Seconds on one thread, medians of sums on an AVX-512 processor (Zen 5, 2.6 GHz); other
// processors shift all of them, and only ratios matter.
constexpr double second_per_pair_stamp = 0.35e-9;
constexpr double second_per_kernel_stamp = 60e-9;
constexpr double second_per_pair_tile = 0.03e-9;
constexpr double second_per_kernel_tile = 150e-9;
constexpr double second_per_sample_sort = 11e-9;
constexpr double second_per_sample_batch = 5e-9;  // sorted in a core's cache
constexpr double second_per_sample_line = 2.2e-9;
constexpr double second_per_moment = 0.035e-9;     // and sample
constexpr double second_per_cell_moment = 0.5e-9;  // sums of vectors, and store
constexpr double second_per_product = 0.035e-9;    // of an expansion
constexpr double second_per_table_entry = 20e-9;
constexpr double second_per_plan = 0.5e-3;
// Part of the cells along a CV that have samples: empty ones are skipped.
constexpr double occupied = 0.6;

// Below this many samples every method takes less than a millisecond or so: exact ones serve.
constexpr std::int64_t fewest_for_moments = 4096;
constexpr int max_order = 24;
constexpr double max_tail = 200;

struct candidate {
  double cell[CYFES_MAX_DIMS] = {}, reach = 0, error = 0, tail_error = 0, cost = -1;
  int order = 0;
};

// Grid points along CV d that one kernel reaches, copies counted.
double points_within(const cyfes_grid &grid, int d, double reach) {
  const double all = 2 * reach / grid.spacing[d] + 1;
  return grid.period[d] > 0 ? all : std::min(all, static_cast<double>(grid.shape[d]));
}

double pairs(const cyfes_grid &grid, const cyfes_kernel_list &kernels, double cutoff) {
  double product = static_cast<double>(kernels.n_kernels);
  for (int d = 0; d < grid.n_dims; ++d)
    product *= points_within(grid, d, cutoff * kernels.bandwidths[d]);
  return product;
}

// What moments cost with given cells, order and reach.
double moment_cost(const cyfes_grid &grid, const cyfes_kernel_list &samples, const candidate &c) {
  const int D = grid.n_dims;
  double cells[3], window[3], points[3], n_cells = 1, tables = 0;
  const double n = static_cast<double>(samples.n_kernels);
  for (int d = 0; d < D; ++d) {
    const moment_axis axis = cells_along(grid, d, samples.bandwidths[d], c.cell[d], c.reach);
    cells[d] = static_cast<double>(axis.n_cells);
    points[d] = static_cast<double>(grid.shape[d]);
    window[d] = (2 * c.reach + c.cell[d]) / c.cell[d];
    if (!axis.wraps) window[d] = std::min(window[d], cells[d]);
    n_cells *= cells[d];
    tables += static_cast<double>((axis.step + 2 * axis.reach + 1) * axis.split) * c.order;
  }
  double expansions = tables * second_per_table_entry + second_per_plan;
  if (n_cells > 0x1p28) return -1;
  if (D == 1)
    // A table that the fastest cache does not hold makes adding to it slower.
    return expansions + n * second_per_sample_line * (n_cells > 1024 ? 1.2 : 1.0) +
           points[0] * window[0] * line_order * moment_rows * second_per_product +
           n_cells * 32 * line_order * 2e-10 + (n_cells > 16384 ? n * second_per_sample_sort : 0.0);
  const moment_rows_list rows(D, c.order);
  const double size = static_cast<double>(rows.get().size);
  const double filled = std::min(n, n_cells * std::pow(occupied, D));
  double products = std::min(n, n_cells / cells[D - 1] * std::pow(occupied, D - 1)) *
                    points[D - 1] * size * window[D - 1] * occupied;
  if (D == 3)
    products += cells[0] * points[1] * points[2] * c.order * (c.order + 1) / 2 * window[1] *
                occupied * occupied;
  double all = c.order * window[0] * occupied;
  for (int d = 0; d < D; ++d) all *= points[d];
  products += all;
  expansions +=
      products * second_per_product + filled * size * second_per_cell_moment + n_cells * 8 * 1e-9;
  if (has_table(static_cast<std::int64_t>(n_cells), rows.get().size))
    return n * (second_per_sample_batch + size * second_per_moment) + expansions;
  const double batches = std::clamp(n / 0x1p20, 1.0, 4.0);
  // Cells that the samples' lines no longer fit into the cache make sorting slower.
  const double sort = second_per_sample_sort * (n_cells > 2e4 ? 2.0 : 1.0);
  return n * (sort + size * second_per_moment) + batches * expansions;
}

// |dF| <= tail_accuracy down to exp(-tail) of the peak, as an error relative to the peak.
double tail_budget(const cyfes_options &options) {
  return options.tail > 0 ? tail_accuracy * std::exp(-options.tail) : 1.0;
}

// Sets cells of about `wanted` bandwidths, a whole number or a whole fraction of grid steps, and
// returns the widest of them.
double set_cells(const cyfes_grid &grid, const double *bandwidths, double wanted, candidate &c) {
  double widest = 0;
  for (int d = 0; d < grid.n_dims; ++d) {
    const double delta = grid.spacing[d] / bandwidths[d];
    c.cell[d] = delta <= wanted * 1.001 ? std::floor(wanted * 1.001 / delta) * delta
                                        : delta / std::ceil(delta / wanted * 0.999);
    widest = std::max(widest, c.cell[d]);
  }
  return widest;
}

// Truncation may use a quarter of the error budget; the reach never exceeds the requested cutoff.
double reach_of(int n_dims, double widest, double spacing, const cyfes_options &options) {
  const double budget = 0.25 * std::min(options.tolerance, tail_budget(options)) /
                        moment_error::crowd(n_dims, widest, spacing);
  double reach = 3;
  while (reach < options.cutoff && moment_error::neglected(n_dims, widest, reach) > budget)
    reach += 0.25;
  return std::min(reach, options.cutoff);
}

// Sets the lowest order, at most `highest`, that holds the tolerance, and its bounds; false if none
// does.
bool set_order(int n_dims, int highest, const moment_error &error, const cyfes_options &options,
               candidate &c) {
  const double reach = c.reach < options.cutoff ? c.reach : 37;
  for (c.order = n_dims == 1 ? line_order : 4; c.order <= highest; ++c.order) {
    c.error = error.bound(c.order, reach, 0);
    c.tail_error = options.tail > 0 ? error.bound(c.order, reach, options.tail) : 0;
    // Sums of positive terms stay positive while each keeps its sign. With three CVs the far
    // corners of the reach would ask for twice the work; such sums take the absolute value
    // instead (see moments.cpp).
    if (c.error <= options.tolerance && c.tail_error <= tail_accuracy &&
        (n_dims == 3 || error.worst(c.order) < 0.5))
      return true;
  }
  return false;
}

// The cheapest moments that hold the tolerance; order 0 if there are none.
candidate best_moments(const cyfes_grid &grid, const cyfes_kernel_list &samples,
                       const cyfes_options &options) {
  candidate best;
  const int D = grid.n_dims, last = D == 1 ? line_order : max_order;
  chebyshev_series series(last + 8, last + 16);
  double spacing = 0, seen = 0, lowest = std::numeric_limits<double>::infinity();
  for (int d = 0; d < D; ++d) spacing = std::max(spacing, grid.spacing[d] / samples.bandwidths[d]);
  for (const double wanted : {1.0, 0.75, 0.5, 0.375, 0.25, 0.1875, 0.125, 0.1, 0.08, 0.06, 0.04}) {
    if (D > 1 && wanted < 0.2) break;
    candidate c;
    const double widest = set_cells(grid, samples.bandwidths, wanted, c);
    if (widest == seen) continue;  // rounds to the same cells as the previous width
    seen = widest;
    c.reach = reach_of(D, widest, spacing, options);
    const moment_error error(series, D, widest, spacing, std::sqrt(D) * (c.reach + widest));
    if (!set_order(D, last, error, options, c)) continue;
    c.cost = moment_cost(grid, samples, c);
    if (c.cost < 0) continue;
    // With one CV narrower cells cost next to nothing, and their error is far smaller.
    const bool better = c.cost < (D == 1 ? 1.05 : 1.0) * lowest;
    lowest = std::min(lowest, c.cost);
    if (better) best = c;
  }
  return best;
}

bool share_a_bandwidth(const cyfes_grid &grid, const cyfes_kernel_list &kernels,
                       const cyfes_options &options) {
  return options.kernel == CYFES_GAUSSIAN && options.images == CYFES_ALL_IMAGES &&
         !kernels.windows && kernels.n_bandwidths == 1 && kernels.n_scales == grid.n_dims;
}

// Why neither tiles nor moments can be had, or an empty text. Powers of tiles' factors overflow
// on grids coarser than a few bandwidths, and a cell's block is not clipped to the grid before its
// factors are.
std::string unfit(const cyfes_grid &grid, const cyfes_kernel_list &kernels,
                  const cyfes_options &options) {
  if (!share_a_bandwidth(grid, kernels, options)) return "not Gaussians of one bandwidth";
  for (int d = 0; d < grid.n_dims; ++d) {
    const std::string cv = " along CV " + std::to_string(d);
    if (grid.spacing[d] > 4 * kernels.bandwidths[d])
      return "a grid step of more than 4 bandwidths" + cv;
    if (kernels.bandwidths[d] > 16 * grid.spacing[d] * static_cast<double>(grid.shape[d]))
      return "a bandwidth of more than 16 grids" + cv;
  }
  return "";
}

std::string why_no_moments(const cyfes_grid &grid, const cyfes_kernel_list &kernels,
                           const cyfes_options &options) {
  if (grid.n_dims > 3) return "moments serve up to 3 CVs";
  if (kernels.n_kernels < fewest_for_moments && options.method != CYFES_MOMENTS)
    return "fewer than " + std::to_string(fewest_for_moments) + " samples";
  if (options.tail > max_tail) return "a tail above " + text_of(max_tail);
  return "";
}

void settle(cyfes_plan &plan, int method, const std::string &reason) {
  plan.method = method;
  std::snprintf(plan.reason, sizeof plan.reason, "%s", reason.c_str());
}

void use_moments(cyfes_plan &plan, const candidate &moments, int n_dims, const std::string &why) {
  settle(plan, CYFES_MOMENTS, why);
  plan.order = moments.order;
  std::copy(moments.cell, moments.cell + n_dims, plan.cell_width);
  plan.reach = moments.reach;
  plan.error = moments.error;
  plan.tail_error = moments.tail_error;
}

// FNV-1a over the bytes of values.
class digest {
 public:
  template <class value>
  void add(const value *values, int n) {
    unsigned char bytes[sizeof(value)];
    for (int i = 0; i < n; ++i) {
      std::memcpy(bytes, values + i, sizeof bytes);
      for (const unsigned char byte : bytes) state_ = (state_ ^ byte) * 0x100000001b3u;
    }
  }
  std::uint64_t get() const { return state_; }

 private:
  std::uint64_t state_ = 0xcbf29ce484222325u;
};

// Ties a plan to all that its loops rely on. Stamps rely on no bandwidth.
std::uint64_t seal_of(const cyfes_plan &plan, const cyfes_grid &grid,
                      const cyfes_kernel_list &kernels, const cyfes_options &options) {
  digest all;
  const int D = grid.n_dims;
  const std::int32_t whole[] = {plan.method, plan.order, D, options.kernel, options.images};
  const double real[] = {plan.reach,     plan.error,        plan.tail_error,
                         options.cutoff, options.tolerance, options.tail};
  all.add(whole, 5);
  all.add(real, 6);
  all.add(plan.cell_width, CYFES_MAX_DIMS);
  all.add(grid.shape, D);
  for (const double *values : {grid.lower, grid.spacing, grid.period}) all.add(values, D);
  if (plan.method != CYFES_STAMPS) all.add(kernels.bandwidths, D);
  return all.get();
}

bool fits(const cyfes_plan &plan, const cyfes_grid &grid, const cyfes_kernel_list &kernels,
          const cyfes_options &options) {
  return (options.method == CYFES_AUTOMATIC || options.method == plan.method) &&
         (plan.method == CYFES_STAMPS || share_a_bandwidth(grid, kernels, options)) &&
         plan.seal == seal_of(plan, grid, kernels, options);
}

// The plan without its seal.
cyfes_plan choose(const cyfes_grid &grid, const cyfes_kernel_list &kernels,
                  const cyfes_options &options) {
  cyfes_plan plan{};
  plan.reach = options.kernel == CYFES_GAUSSIAN ? options.cutoff
                                                : std::sqrt(cyfes_profile_of(options).reach2);
  std::fill(plan.cost, plan.cost + 4, -1.0);
  const std::string refusal = unfit(grid, kernels, options);
  const int wanted = options.method;
  if (!refusal.empty()) {
    if (wanted > CYFES_STAMPS) throw unsupported("stamps alone can sum this: " + refusal);
    settle(plan, CYFES_STAMPS, wanted ? "asked for" : refusal);
    return plan;
  }
  const double n = static_cast<double>(kernels.n_kernels);
  const double all = pairs(grid, kernels, options.cutoff);
  plan.cost[CYFES_STAMPS] = n * second_per_kernel_stamp + all * second_per_pair_stamp;
  if (grid.n_dims > 1 && kernels.n_kernels > 1)
    plan.cost[CYFES_TILES] = n * second_per_kernel_tile + all * second_per_pair_tile;
  std::string missing = why_no_moments(grid, kernels, options);
  candidate moments;
  if (missing.empty() && wanted != CYFES_STAMPS && wanted != CYFES_TILES) {
    moments = best_moments(grid, kernels, options);
    plan.cost[CYFES_MOMENTS] = moments.cost;
    if (moments.order == 0) missing = "no order of moments holds the tolerance";
  }
  // The bits must not depend on how many samples a call has where tiles will do.
  const int exact = plan.cost[CYFES_TILES] >= 0 ? CYFES_TILES : CYFES_STAMPS;
  if (wanted == CYFES_MOMENTS && moments.order == 0) throw unsupported(missing);
  if (wanted == CYFES_TILES && exact != CYFES_TILES)
    throw unsupported("tiles need 2 to 4 CVs and 2 or more samples");
  if (wanted == CYFES_MOMENTS)
    use_moments(plan, moments, grid.n_dims, "asked for");
  else if (wanted != CYFES_AUTOMATIC)
    settle(plan, wanted, "asked for");
  else if (moments.order > 0 && moments.cost < plan.cost[exact])
    use_moments(plan, moments, grid.n_dims, "least cost");
  else
    settle(plan, exact, missing.empty() ? "least cost" : missing);
  return plan;
}

}  // namespace

cyfes_plan make_plan(const cyfes_grid &grid, const cyfes_kernel_list &kernels,
                     const cyfes_options &options) {
  cyfes_plan plan = choose(grid, kernels, options);
  plan.seal = seal_of(plan, grid, kernels, options);
  return plan;
}

cyfes_plan plan_of(const cyfes_grid &grid, const cyfes_kernel_list &kernels,
                   const cyfes_options &options) {
  if (!options.plan) return make_plan(grid, kernels, options);
  if (!fits(*options.plan, grid, kernels, options))
    throw std::invalid_argument(
        "the plan was made for another grid or bandwidth, or for other options");
  return *options.plan;
}

}  // namespace cyfes

int cyfes_cpu_plan(const cyfes_grid *grid, const cyfes_kernel_list *kernels,
                   const cyfes_options *options, cyfes_plan *plan) {
  return cyfes::guarded([&] {
    cyfes::check_problem(*grid, *kernels, *options);
    *plan = cyfes::make_plan(*grid, *kernels, *options);
  });
}
