// The GPU's blocks run on the host, one thread after another, behind the same contract: the plan,
// the queue and the sums of kernels/cuda are judged by the CPU's tests where no card is.
#include <vector>

#include "cuda/direct.hpp"
#include "cuda/layout.hpp"
#include "cuda/tile.hpp"
#include "status.hpp"

namespace cyfes_cuda {
namespace {

template <class real, int D, bool derivatives, bool stretched>
void run_tiles(const job &j, real *parts) {
  static thread_local queue q;
  static thread_local tile_shared<real, D> s;
  for (int64_t slice = 0; slice < j.n_slices; ++slice)
    for (int64_t tile = 0; tile < tiles_of(j); ++tile)
      sum_tile<real, D, derivatives, stretched>(host_block{}, j, tile, slice, q, s, parts);
}

template <class real, int D>
void run_points(const job &j, int sets, real *parts) {
  static thread_local queue q;
  static thread_local direct_shared<D> s;
  for (int64_t slice = 0; slice < j.n_slices; ++slice)
    for (int64_t first = 0; first < j.n_points; first += block_threads)
      sum_points<real, D>(host_block{}, j, first, slice, sets, q, s, parts);
}

template <class real, int D>
void run(const job &j, int sets, real *parts) {
  if constexpr (D > 1) {
    if (fit_for_tiles(j)) {
      const bool stretched = j.profile.height_b != 0;
      if (sets > 1)
        return stretched ? run_tiles<real, D, true, true>(j, parts)
                         : run_tiles<real, D, true, false>(j, parts);
      return stretched ? run_tiles<real, D, false, true>(j, parts)
                       : run_tiles<real, D, false, false>(j, parts);
    }
  }
  run_points<real, D>(j, sets, parts);
}

template <class real>
void sum(job j, const cyfes_kernel_list &kernels, real *density, real *derivatives) {
  if (kernels.n_kernels == 0) return;
  const int sets = derivatives ? j.n_dims + 1 : 1;
  std::vector<double> reach(kernels.n_bandwidths * j.n_dims);
  find_reaches(j.n_dims, kernels, j.profile.reach2, reach.data());
  j.n_kernels = kernels.n_kernels;
  j.n_bandwidths = kernels.n_bandwidths;
  j.centers = kernels.centers;
  j.bandwidths = kernels.bandwidths;
  j.weights = kernels.weights;
  j.reaches = reach.data();
  j.n_slices = j.n_kernels > 60 ? 3 : 1;  // few kernels must show the adding up, too
  const int64_t size = sets * j.n_points;
  std::vector<real> parts(size * j.n_slices);
  switch (j.n_dims) {
    case 1:
      run<real, 1>(j, sets, parts.data());
      break;
    case 2:
      run<real, 2>(j, sets, parts.data());
      break;
    case 3:
      run<real, 3>(j, sets, parts.data());
      break;
    default:
      run<real, 4>(j, sets, parts.data());
  }
  for (int64_t slice = 0; slice < j.n_slices; ++slice)
    for (int64_t i = 0; i < size; ++i)
      (i < j.n_points ? density[i] : derivatives[i - j.n_points]) += parts[slice * size + i];
}

template <class real>
int spread(const cyfes_grid *grid, const cyfes_kernel_list *kernels, const cyfes_options *options,
           real *density, real *derivatives) {
  return cyfes::guarded(
      [&] { sum(grid_job(*grid, *kernels, *options), *kernels, density, derivatives); });
}

template <class real>
int evaluate(int32_t n_dims, const double *period, const cyfes_kernel_list *kernels,
             int64_t n_points, const double *points, const cyfes_options *options, real *density,
             real *derivatives) {
  return cyfes::guarded([&] {
    job j = points_job(n_dims, period, n_points, points, *kernels, *options);
    j.points = points;
    sum(j, *kernels, density, derivatives);
  });
}

int device_count(int32_t *count) {
  *count = 1;
  return CYFES_OK;
}

const char *error_text() { return cyfes::error_buffer(); }

}  // namespace
}  // namespace cyfes_cuda

extern "C" __attribute__((visibility("default"))) const cyfes_backend *cyfes_cuda_backend(void) {
  using namespace cyfes_cuda;
  static const cyfes_backend backend = {
      CYFES_ABI_VERSION, "cuda-on-host",   device_count,    spread<double>,
      spread<float>,     evaluate<double>, evaluate<float>, error_text,
  };
  return &backend;
}
