// What the GPU's blocks work on. Everything here is host+device: a test runs the very same lines
// on a host, where no card is.
#ifndef CYFES_CUDA_JOB_HPP
#define CYFES_CUDA_JOB_HPP

#include "gaussian.hpp"

namespace cyfes_cuda {

constexpr int block_threads = 256;
// Kernels that a block prepares in shared memory at a time.
constexpr int batch = 8;
// Rows and columns of a tile; a thread sums per_thread x per_thread points of it.
constexpr int tile_rows = 64, tile_columns = 64, per_thread = 4;

// A sum of kernels, arrays in device memory.
struct job {
  int n_dims;
  double lower[CYFES_MAX_DIMS], spacing[CYFES_MAX_DIMS], period[CYFES_MAX_DIMS];
  int64_t shape[CYFES_MAX_DIMS];
  int64_t n_points;
  const double *points;  // [n_points][n_dims], or null: the points of the grid
  int64_t n_kernels, n_bandwidths;
  int n_scales;
  const double *centers, *bandwidths, *weights;
  const double *reaches;  // [n_bandwidths][n_dims] half the extent of a kernel
  cyfes_profile profile;
  int images;
  int64_t n_slices;  // parts of the kernel list that are summed by blocks of their own
};

CYFES_HD inline int64_t slice_begin(const job &j, int64_t slice) {
  return j.n_kernels * slice / j.n_slices;
}

CYFES_HD inline const double *scales_of(const job &j, int64_t k) {
  return j.bandwidths + (j.n_bandwidths == 1 ? 0 : k * j.n_scales);
}

CYFES_HD inline const double *reach_of(const job &j, int64_t k) {
  return j.reaches + (j.n_bandwidths == 1 ? 0 : k * j.n_dims);
}

// Fills reaches from bandwidths; on the host.
inline void find_reaches(int n_dims, const cyfes_kernel_list &kernels, double reach2,
                         double *reaches) {
  for (int64_t k = 0; k < kernels.n_bandwidths; ++k) {
    const double *scales = kernels.bandwidths + k * kernels.n_scales;
    double variances[CYFES_MAX_DIMS];
    const bool covariance = kernels.n_scales != n_dims;
    if (covariance) cyfes_variances(scales, n_dims, variances);
    for (int d = 0; d < n_dims; ++d)
      reaches[k * n_dims + d] = sqrt(reach2) * (covariance ? sqrt(variances[d]) : scales[d]);
  }
}

// x folded into half a period (plain rounding: sums on a GPU need not repeat PLUMED's bits).
CYFES_HD inline double folded(double x, double period) {
  return period > 0 ? x - period * floor(x / period + 0.5) : x;
}

// A box of points: what a block owns.
template <int D>
struct box {
  double middle[D], half[D];
};

// Copies of a kernel on each side of its nearest one that its reach calls for along CV d.
CYFES_HD inline int copies_of(const job &j, int d, double reach) {
  if (j.images != CYFES_ALL_IMAGES || j.period[d] == 0) return 0;
  return static_cast<int>(ceil(reach / j.period[d] + 0.5));
}

template <int D>
CYFES_HD inline bool reaches(const job &j, int64_t k, const box<D> &b) {
  const double *reach = reach_of(j, k);
  bool near = true;
  for (int d = 0; d < D; ++d) {
    const double distance = fabs(folded(j.centers[k * D + d] - b.middle[d], j.period[d]));
    near = near && distance <= reach[d] + b.half[d];
  }
  return near;
}

}  // namespace cyfes_cuda
#endif
