// What a batch of kernels needs before it is stamped: the grid indices that each visits along each
// CV, and along them the displacements and the factors of the kernel.
#ifndef CYFES_CPU_PER_ISA_PREPARE_LOOPS_HPP
#define CYFES_CPU_PER_ISA_PREPARE_LOOPS_HPP

#include "cpu/jobs/stamp_job.hpp"
#include "cpu/per_isa/disc.hpp"
#include "cpu/per_isa/ranges.hpp"
#include "cpu/per_isa/simd.hpp"
#include "gaussian.hpp"

namespace {

inline index_range visited(const cyfes_grid &grid, const cyfes_options &options, int d,
                           double center, double reach, const std::int32_t *window) {
  const std::int64_t n = grid.shape[d];
  const double position = (center - grid.lower[d]) / grid.spacing[d];
  index_range r = indices_within(position, reach / grid.spacing[d]);
  if (window) {
    const std::int64_t middle = static_cast<std::int64_t>(__builtin_floor(position));
    r = {middle - window[d], middle + window[d] + 1};
  }
  if (grid.period[d] == 0) return clipped(r, 0, n);
  if (window || options.images == CYFES_ALL_IMAGES) return r;
  const std::int64_t first = static_cast<std::int64_t>(__builtin_ceil(position - 0.5 * n));
  return clipped(r, first, first + n);
}

// The part of a range along a CV of n points that lies in another once wrapped; all of it where
// that would be two parts.
inline index_range within(index_range r, index_range own, std::int64_t n, bool wraps) {
  if (!wraps) return clipped(r, own.begin, own.end);
  const std::int64_t shift = r.begin - wrapped(r.begin, n);
  const index_range first = clipped(r, own.begin + shift, own.end + shift),
                    second = clipped(r, own.begin + shift + n, own.end + shift + n);
  if (r.end - r.begin > n || (first.begin < first.end && second.begin < second.end)) return r;
  return first.begin < first.end ? first : second;
}

template <class real, int D, bool covariance>
struct preparer {
  const stamp_job<real> &job;
  const std::int64_t slot, k;  // of the batch and of the list
  const cyfes_grid &grid = *job.grid;
  const double *const center = job.kernels->centers + k * D;
  const double *const scales =
      job.kernels->bandwidths + (job.kernels->n_bandwidths == 1 ? 0 : k * job.kernels->n_scales);
  stamp_kernel &kernel = job.prepared[slot];

  void set_precision() const {
    for (int i = 0; i < D; ++i)
      for (int j = 0; j < D; ++j)
        kernel.precision[i][j] = covariance ? cyfes_symmetric(scales, i, j)
                                 : i == j   ? 1.0 / (scales[i] * scales[i])
                                            : 0.0;
  }

  // False where the kernel visits no point.
  bool set_visits() const {
    const double reach = __builtin_sqrt(cyfes_profile_of(*job.options).reach2);
    const std::int32_t *const window =
        job.kernels->windows ? job.kernels->windows + k * D : nullptr;
    double variance[D];
    if (covariance) cyfes_variances(scales, D, variance);
    bool any = true;
    for (int d = 0; d < D; ++d) {
      const double sigma = covariance ? __builtin_sqrt(variance[d]) : scales[d];
      index_range r = visited(grid, *job.options, d, center[d], sigma * reach, window);
      any &= r.begin < r.end && (d > 0 || meets(r, job.own, grid.shape[0]));
      if (any && d == 0 && D > 1) r = within(r, job.own, grid.shape[0], grid.period[0] > 0);
      kernel.along[d] = {r.begin, wrapped(r.begin, grid.shape[d]), r.end - r.begin};
    }
    for (int d = 0; !any && d < D; ++d) kernel.along[d].length = 0;
    return any;
  }

  // From the grid's coordinates, so that no bit depends on where the range begins.
  void displacements(int d, double *x) const {
    const cyfes::visit v = kernel.along[d];
    if (grid.period[d] == 0 || job.options->images != CYFES_NEAREST_IMAGE) {
      for (std::int64_t i = 0; i < v.length; ++i)
        x[i] = grid.lower[d] + static_cast<double>(v.begin + i) * grid.spacing[d] - center[d];
      return;
    }
    std::int64_t at = v.first;
    for (std::int64_t i = 0; i < v.length; at = 0) {
      const std::int64_t left = v.length - i, rest = grid.shape[d] - at;
      const std::int64_t run = left < rest ? left : rest;
      for (std::int64_t j = 0; j < run; ++j)
        x[i + j] = -cyfes_nearest_image(center[d] - job.axis[d][at + j], grid.period[d]);
      i += run;
    }
  }

  void factors(int d, const double *displacement, real *factor) const {
    constexpr int width = simd<real>::width;
    const double inverse = 1 / scales[d];
    real *const moment = job.moment + slot * job.stride[D - 1] + stamp_margin;
    for (std::int64_t i = 0; i < kernel.along[d].length; i += width) {
      wide_t<real> x;
      __builtin_memcpy(&x, displacement + i, sizeof x);
      const wide_t<real> z = x * inverse, q = -0.5 * (z * z);
      const vec_t<real> e = exponential(__builtin_convertvector(q, vec_t<real>));
      store(factor + i, e);
      if (d == D - 1) store(moment + i, e * __builtin_convertvector(z * inverse, vec_t<real>));
    }
  }

  void run() const {
    set_precision();
    if (!set_visits()) {
      if (D <= 2) job.discs.disc[slot].begin = job.discs.disc[slot].end = 0;
      return;
    }
    for (int d = 0; d < D; ++d) {
      const std::int64_t row = slot * job.stride[d] + stamp_margin;
      displacements(d, job.displacement[d] + row);
      if (!covariance) factors(d, job.displacement[d] + row, job.factor[d] + row);
    }
    if (D <= 2) disc_maker<real, D, covariance>{job, job.discs}.make(slot, slot, nullptr, 1.0);
  }
};

template <class real, int D, bool covariance>
void prepare_all(const stamp_job<real> &job, std::int64_t slot, std::int64_t n) {
  for (std::int64_t i = slot; i < slot + n; ++i)
    preparer<real, D, covariance>{job, i, job.first + i}.run();
}

// Prepares kernels [slot, slot + n) of the batch.
template <class real>
void prepare_any(const stamp_job<real> &job, std::int64_t slot, std::int64_t n) {
  using all = void (*)(const stamp_job<real> &, std::int64_t, std::int64_t);
  static constexpr all diagonal[] = {prepare_all<real, 1, false>, prepare_all<real, 2, false>,
                                     prepare_all<real, 3, false>, prepare_all<real, 4, false>};
  static constexpr all full[] = {nullptr, prepare_all<real, 2, true>, prepare_all<real, 3, true>,
                                 prepare_all<real, 4, true>};
  const int D = job.grid->n_dims;
  (job.kernels->n_scales != D ? full : diagonal)[D - 1](job, slot, n);
}

}  // namespace
#endif
