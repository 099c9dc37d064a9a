// libcufes.so: the contract of cyfes_kernels.h on NVIDIA GPUs.
//
// A block owns points and a slice of the kernels; it looks through its slice 256 kernels at a
// time, queues those that reach its points and sums them in batches. Slices are added up in their
// order by a second kernel. Nothing depends on timing, so the bits are the same on every run.
#include <cuda_runtime.h>

#include <algorithm>
#include <string>
#include <vector>

#include "cuda/device.hpp"
#include "cuda/direct.hpp"
#include "cuda/layout.hpp"
#include "cuda/tile.hpp"
#include "status.hpp"

// No anonymous namespace: nvcc would name it after the folder of the build, and no two builds
// would give the same library. exports.map hides what is in here.
namespace cyfes_cuda {

// Blocks that a multiprocessor should hold: as many as leave a thread's sums in registers.
template <class real, int D, bool derivatives>
constexpr int min_blocks() {
  return sizeof(tile_sums<real, D, derivatives>) < 256 ? 2 : 1;
}

template <class real, int D, bool derivatives, bool stretched>
__global__ void __launch_bounds__(block_threads, min_blocks<real, D, derivatives>())
    tiles_kernel(job j, real *output) {
  __shared__ queue q;
  __shared__ tile_shared<real, D> s;
  sum_tile<real, D, derivatives, stretched>(device_block{}, j, blockIdx.x, blockIdx.y, q, s,
                                            output);
}

template <class real, int D>
__global__ void __launch_bounds__(block_threads, 2) points_kernel(job j, int sets, real *output) {
  __shared__ queue q;
  __shared__ direct_shared<D> s;
  sum_points<real, D>(device_block{}, j, static_cast<int64_t>(blockIdx.x) * block_threads,
                      blockIdx.y, sets, q, s, output);
}

// total[i] += the slices' parts, in their order.
template <class real>
__global__ void add_slices(int64_t n, int64_t n_slices, const real *parts, real *total) {
  const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < n;
       i += stride) {
    real sum = total[i];
    for (int64_t slice = 0; slice < n_slices; ++slice) sum += parts[slice * n + i];
    total[i] = sum;
  }
}

template <class real, int D, bool derivatives>
void launch_tiles(const job &j, bool stretched, dim3 blocks, cudaStream_t stream, real *parts) {
  if (stretched)
    tiles_kernel<real, D, derivatives, true><<<blocks, block_threads, 0, stream>>>(j, parts);
  else
    tiles_kernel<real, D, derivatives, false><<<blocks, block_threads, 0, stream>>>(j, parts);
}

template <class real, int D>
void launch(const job &j, int sets, bool tiles, dim3 blocks, cudaStream_t stream, real *parts) {
  const bool stretched = j.profile.height_b != 0;
  if constexpr (D > 1) {
    if (tiles && sets > 1) return launch_tiles<real, D, true>(j, stretched, blocks, stream, parts);
    if (tiles) return launch_tiles<real, D, false>(j, stretched, blocks, stream, parts);
  }
  points_kernel<real, D><<<blocks, block_threads, 0, stream>>>(j, sets, parts);
}

template <class real>
void launch_any(const job &j, int sets, bool tiles, dim3 blocks, cudaStream_t stream, real *parts) {
  switch (j.n_dims) {
    case 1:
      return launch<real, 1>(j, sets, tiles, blocks, stream, parts);
    case 2:
      return launch<real, 2>(j, sets, tiles, blocks, stream, parts);
    case 3:
      return launch<real, 3>(j, sets, tiles, blocks, stream, parts);
    default:
      return launch<real, 4>(j, sets, tiles, blocks, stream, parts);
  }
}

// Sums the kernels [first, first + n) into total[sets][n_points] on the device.
template <class real>
void sum_some(job j, const cyfes_kernel_list &kernels, int64_t first, int64_t n, int sets,
              cudaStream_t stream, real *total) {
  const int D = j.n_dims;
  const bool shared = kernels.n_bandwidths == 1;
  const device_array<double> centers(stream, kernels.centers + first * D, n * D);
  const device_array<double> weights(stream, kernels.weights + first, n);
  cyfes_kernel_list some = kernels;
  some.n_bandwidths = shared ? 1 : n;
  some.bandwidths += shared ? 0 : first * kernels.n_scales;
  std::vector<double> reach(some.n_bandwidths * D);
  find_reaches(D, some, j.profile.reach2, reach.data());
  const device_array<double> reaches(stream, reach.data(), some.n_bandwidths * D);
  const device_array<double> bandwidths(stream, some.bandwidths, some.n_bandwidths * some.n_scales);
  j.n_kernels = n;
  j.n_bandwidths = some.n_bandwidths;
  j.reaches = reaches.data();
  j.centers = centers.data();
  j.weights = weights.data();
  j.bandwidths = bandwidths.data();
  const bool tiles = fit_for_tiles(j);
  const int64_t n_blocks = tiles ? tiles_of(j) : (j.n_points + block_threads - 1) / block_threads;
  const int64_t size = sets * j.n_points;
  j.n_slices = slices_of(j, n_blocks, size * static_cast<int64_t>(sizeof(real)));
  const device_array<real> parts(stream, size * j.n_slices);
  const dim3 blocks(static_cast<unsigned>(n_blocks), static_cast<unsigned>(j.n_slices));
  launch_any<real>(j, sets, tiles, blocks, stream, parts.data());
  check(cudaGetLastError(), "starting the sum");
  const auto add_blocks = static_cast<unsigned>(std::min<int64_t>((size + 255) / 256, 65535));
  add_slices<real><<<add_blocks, 256, 0, stream>>>(size, j.n_slices, parts.data(), total);
  check(cudaGetLastError(), "starting the addition");
  check(cudaStreamSynchronize(stream), "summing");
}

template <class real>
void sum_on_device(const job &j, const cyfes_kernel_list &kernels, const cyfes_options &options,
                   real *density, real *derivatives) {
  if (kernels.n_kernels == 0) return;
  const device_guard device(options.device);
  const stream_guard stream;
  const int sets = derivatives ? j.n_dims + 1 : 1;
  const device_array<real> total(stream.get(), sets * j.n_points);
  total.upload(density, 0, j.n_points);
  if (derivatives) total.upload(derivatives, j.n_points, j.n_dims * j.n_points);
  int64_t chunk = std::min(kernels.n_kernels, max_kernels);
  for (int64_t first = 0; first < kernels.n_kernels;) {
    const int64_t n = std::min(chunk, kernels.n_kernels - first);
    try {
      sum_some<real>(j, kernels, first, n, sets, stream.get(), total.data());
      first += n;
    } catch (const cyfes::device_error &error) {
      if (error.status != CYFES_DEVICE_MEMORY || chunk <= min_slice) throw;
      chunk /= 2;
    }
  }
  total.download(density, 0, j.n_points);
  if (derivatives) total.download(derivatives, j.n_points, j.n_dims * j.n_points);
  check(cudaStreamSynchronize(stream.get()), "copying the result");
}

template <class real>
int spread(const cyfes_grid *grid, const cyfes_kernel_list *kernels, const cyfes_options *options,
           real *density, real *derivatives) {
  return cyfes::guarded([&] {
    sum_on_device(grid_job(*grid, *kernels, *options), *kernels, *options, density, derivatives);
  });
}

template <class real>
int evaluate(int32_t n_dims, const double *period, const cyfes_kernel_list *kernels,
             int64_t n_points, const double *points, const cyfes_options *options, real *density,
             real *derivatives) {
  return cyfes::guarded([&] {
    job j = points_job(n_dims, period, n_points, points, *kernels, *options);
    const device_guard device(options->device);
    const stream_guard stream;
    const device_array<double> on_device(stream.get(), points, n_points * n_dims);
    check(cudaStreamSynchronize(stream.get()), "uploading the points");
    j.points = on_device.data();
    sum_on_device(j, *kernels, *options, density, derivatives);
  });
}

int device_count(int32_t *count) {
  return cyfes::guarded([&] {
    int n = 0;
    check(cudaGetDeviceCount(&n), "looking for devices");
    *count = n;
  });
}

const char *error_text() { return cyfes::error_buffer(); }

}  // namespace cyfes_cuda

extern "C" __attribute__((visibility("default"))) const cyfes_backend *cyfes_cuda_backend(void) {
  using namespace cyfes_cuda;
  static const cyfes_backend backend = {
      CYFES_ABI_VERSION, "cuda",           device_count,    spread<double>,
      spread<float>,     evaluate<double>, evaluate<float>, error_text,
  };
  return &backend;
}
