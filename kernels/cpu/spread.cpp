// Sums of kernels on a grid: checks, and the choice of the method and of threads.
#include "checks.hpp"
#include "cpu/backend.hpp"
#include "cpu/grid_points.hpp"
#include "cpu/moments.hpp"
#include "cpu/plan.hpp"
#include "cpu/stamps.hpp"
#include "cpu/tiles.hpp"
#include "parallel.hpp"
#include "status.hpp"

namespace cyfes {
namespace {

// Maximum number of pairs of kernel and point.
double max_pairs(const cyfes_grid &grid, const cyfes_kernel_list &kernels,
                 const cyfes_options &options) {
  double pairs = static_cast<double>(kernels.n_kernels);
  for (int d = 0; d < grid.n_dims; ++d)
    pairs *= static_cast<double>(longest_range(grid, kernels, options, d));
  return pairs;
}

template <class real>
void spread(const cyfes_grid &grid, const cyfes_kernel_list &kernels, const cyfes_options &options,
            real *density, real *derivatives) {
  check_problem(grid, kernels, options);
  if (kernels.n_kernels == 0) return;
  const cyfes_plan plan = plan_of(grid, kernels, options);
  if (plan.method != CYFES_MOMENTS) check_samples(grid, kernels);  // moments do while sorting
  // For sums this short, synchronising threads costs more than it saves.
  const bool short_sum = plan.method == CYFES_MOMENTS ? plan.cost[CYFES_MOMENTS] < 2e-3
                                                      : max_pairs(grid, kernels, options) < 3e7;
  const int n_threads = options.n_threads == 0 && short_sum ? 1 : usable_threads(options.n_threads);
  if (plan.method == CYFES_MOMENTS)
    return spread_moments(grid, kernels, options, plan, n_threads, density, derivatives);
  const auto run = plan.method == CYFES_TILES ? spread_tiles<real> : spread_stamps<real>;
  run(grid, kernels, options, n_threads, density, derivatives);
}

}  // namespace

int spread_f64(const cyfes_grid *grid, const cyfes_kernel_list *kernels,
               const cyfes_options *options, double *density, double *derivatives) {
  return guarded([&] { spread(*grid, *kernels, *options, density, derivatives); });
}

int spread_f32(const cyfes_grid *grid, const cyfes_kernel_list *kernels,
               const cyfes_options *options, float *density, float *derivatives) {
  return guarded([&] { spread(*grid, *kernels, *options, density, derivatives); });
}

}  // namespace cyfes
