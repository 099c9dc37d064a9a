// Direct sums on a GPU: any kernel at any points, one thread a point. Serves arbitrary points,
// grids of one CV and kernels with a covariance.
#ifndef CYFES_CUDA_DIRECT_HPP
#define CYFES_CUDA_DIRECT_HPP

#include "cuda/block.hpp"

namespace cyfes_cuda {

// Coordinates of point i: given, or of the grid.
template <int D>
CYFES_HD inline void point_at(const job &j, int64_t i, double *x) {
  for (int d = D - 1; d >= 0; --d) {
    if (j.points) {
      x[d] = j.points[i * D + d];
    } else {
      x[d] = j.lower[d] + static_cast<double>(i % j.shape[d]) * j.spacing[d];
      i /= j.shape[d];
    }
  }
}

// A batch of kernels in shared memory.
template <int D>
struct direct_shared {
  double center[batch][D];
  double precision[batch][D * (D + 1) / 2];
  double weight[batch];
  int copies[batch][D];
  double point[block_threads][D];
  box<D> around;  // of the points
};

// The box of a block's n points, all written to s.point.
template <int D>
CYFES_HD inline box<D> direct_box(int n, const direct_shared<D> &s) {
  box<D> b;
  for (int d = 0; d < D; ++d) {
    double low = s.point[0][d], high = low;
    for (int i = 1; i < n; ++i) {
      low = s.point[i][d] < low ? s.point[i][d] : low;
      high = s.point[i][d] > high ? s.point[i][d] : high;
    }
    b.middle[d] = 0.5 * (low + high);
    b.half[d] = 0.5 * (high - low);
  }
  return b;
}

// Phase 1: load a batch.
template <int D>
CYFES_HD inline void direct_load(const job &j, const int64_t *entry, int n, int thread,
                                 direct_shared<D> &s) {
  if (thread >= n) return;
  const int64_t k = entry[thread];
  const double *scales = scales_of(j, k);
  s.weight[thread] = j.weights[k];
  for (int d = 0; d < D; ++d) {
    s.center[thread][d] = j.centers[k * D + d];
    s.copies[thread][d] = copies_of(j, d, reach_of(j, k)[d]);
    for (int e = 0; e <= d; ++e)
      s.precision[thread][cyfes_packed(d, e)] = j.n_scales != D ? scales[cyfes_packed(d, e)]
                                                : d == e        ? 1 / (scales[d] * scales[d])
                                                                : 0.0;
  }
}

template <class real, int D>
struct direct_sums {
  real value[1 + D];
};

// One copy of a kernel at displacement x.
template <class real, int D>
CYFES_HD inline void direct_copy(const job &j, const double *precision, double weight,
                                 const double *x, direct_sums<real, D> &sums) {
  double slope[D], q = 0;
  for (int i = 0; i < D; ++i) {
    slope[i] = 0;
    for (int e = 0; e < D; ++e) slope[i] += cyfes_symmetric(precision, i, e) * x[e];
    q += slope[i] * x[i];
  }
  if (!(q < j.profile.reach2)) return;
  const real a = static_cast<real>(weight * j.profile.height_a) * exp(static_cast<real>(-0.5 * q));
  sums.value[0] += a + static_cast<real>(weight * j.profile.height_b);
  for (int d = 0; d < D; ++d) sums.value[1 + d] -= a * static_cast<real>(slope[d]);
}

template <class real, int D, int d>
CYFES_HD inline void direct_copies(const job &j, const double *precision, double weight,
                                   const int *copies, double *x, direct_sums<real, D> &sums) {
  if constexpr (d == D) {
    direct_copy<real, D>(j, precision, weight, x, sums);
  } else {
    const double nearest = x[d];
    for (int i = -copies[d]; i <= copies[d]; ++i) {
      x[d] = nearest + i * j.period[d];
      direct_copies<real, D, d + 1>(j, precision, weight, copies, x, sums);
    }
    x[d] = nearest;
  }
}

// Phase 2: add the batch to this thread's point.
template <class real, int D>
CYFES_HD inline void direct_add(const job &j, int n, const double *point, const direct_shared<D> &s,
                                direct_sums<real, D> &sums) {
  for (int k = 0; k < n; ++k) {
    double x[D];
    for (int d = 0; d < D; ++d) x[d] = folded(point[d] - s.center[k][d], j.period[d]);
    direct_copies<real, D, 0>(j, s.precision[k], s.weight[k], s.copies[k], x, sums);
  }
}

// What one block does: points [first, first + block_threads), slice `slice`, `sets` of sums.
template <class real, int D, class Block>
CYFES_HD void sum_points(const Block &block, const job &j, int64_t first, int64_t slice, int sets,
                         queue &q, direct_shared<D> &s, real *output) {
  const int64_t left = j.n_points - first;
  const int n = left < block_threads ? static_cast<int>(left) : block_threads;
  typename Block::template local<direct_sums<real, D>> sums = {};
  block.each([&](int thread) {
    if (thread < n) point_at<D>(j, first + thread, s.point[thread]);
  });
  block.each([&](int thread) {
    if (thread == 0) s.around = direct_box(n, s);
  });
  for_batches(block, j, s.around, slice, q, [&](const int64_t *entry, int count) {
    block.each([&](int thread) { direct_load<D>(j, entry, count, thread, s); });
    block.each([&](int thread) {
      if (thread < n) direct_add<real, D>(j, count, s.point[thread], s, sums[thread]);
    });
  });
  output += slice * sets * j.n_points + first;
  block.each([&](int thread) {
    if (thread >= n) return;
    for (int set = 0; set <= D; ++set)
      if (set < sets) output[set * j.n_points + thread] = sums[thread].value[set];
  });
}

}  // namespace cyfes_cuda
#endif
