// Discs: what a kernel adds to one plane of the grid, row by row, before it is added.
#ifndef CYFES_CPU_PER_ISA_DISC_HPP
#define CYFES_CPU_PER_ISA_DISC_HPP

#include "cpu/jobs/stamp_job.hpp"
#include "cpu/per_isa/ranges.hpp"
#include "cpu/per_isa/simd.hpp"
#include "gaussian.hpp"

namespace {

using cyfes::disc_list;
using cyfes::stamp_disc;
using cyfes::stamp_job;
using cyfes::stamp_kernel;
using cyfes::stamp_margin;

template <class T>
inline T *row_of(T *array, const std::int64_t *stride, int d, std::int64_t slot) {
  return array + slot * stride[d] + stamp_margin;
}

template <class real, int D, bool covariance>
struct disc_maker {
  using integer = typename disc_list<real>::integer;
  static constexpr int last = D - 1, row_cv = D > 1 ? D - 2 : 0;
  // Row sizes are stored with this offset so that one signed comparison tests begin <= x < end.
  static constexpr integer lowest = simd<real>::lowest;

  const stamp_job<real> &job;
  const disc_list<real> &list;
  const cyfes_grid &grid = *job.grid;
  const cyfes_profile profile = cyfes_profile_of(*job.options);
  // Windowed Gaussians are not truncated; with one CV there are no rows to trim.
  const bool uncut = job.kernels->windows ? job.options->kernel == CYFES_GAUSSIAN : D == 1;
  // The minimum image within windows divides a kernel's support: its points are tested.
  const bool fold = job.kernels->windows && !uncut;

  real *values(std::int64_t i, int k) const {
    return list.values + (i * (1 + D) + k) * list.stride + stamp_margin;
  }
  integer *columns(std::int64_t i, int k) const {
    return list.columns + (i * 2 + k) * list.stride + stamp_margin;
  }
  double *forms(std::int64_t i, int k) const {
    return list.forms + (i * 2 + k) * list.stride + stamp_margin;
  }

  // The squared distance on the plane as c0 + y (2 c1 + c2 y) + 2 (b0 + b1 y) z + q2 z^2, y along
  // the rows' CV and z along the last.
  struct plane_form {
    double c0, c1, c2, b0, b1, q2;
  };

  static plane_form form_of(const stamp_kernel &kernel, const double *x) {
    plane_form f{0,
                 0,
                 kernel.precision[row_cv][row_cv],
                 0,
                 kernel.precision[last][row_cv],
                 kernel.precision[last][last]};
    for (int i = 0; i < row_cv; ++i) {
      for (int j = 0; j < row_cv; ++j) f.c0 += kernel.precision[i][j] * x[i] * x[j];
      f.c1 += kernel.precision[row_cv][i] * x[i];
      f.b0 += kernel.precision[last][i] * x[i];
    }
    return f;
  }

  // Makes disc i of a kernel on the plane at displacements x along the CVs before D-2, where the
  // product of their factors is `outer`; false if no row of it has columns.
  bool make(std::int64_t i, std::int64_t slot, const double *x, double outer) const {
    const stamp_kernel &kernel = job.prepared[slot];
    const plane_form f = form_of(kernel, x);
    const std::int64_t n = D > 1 ? kernel.along[row_cv].length : kernel.along[last].length > 0;
    stamp_disc &disc = list.disc[i];
    disc = {slot,
            0,
            n,
            0,
            0,
            0,
            0,
            kernel.along[row_cv].first,
            kernel.along[last].first,
            kernel.along[last].length};
    // Whole vectors of rows: what lies behind the last one is never added.
    const std::int64_t padded = D > 1 ? (n + 7) / 8 * 8 : n;
    if (uncut || fold)
      set_all_columns(i, padded, kernel.along[last].length);
    else
      set_extents(i, slot, f, padded);
    if (disc.begin >= disc.end) return false;
    set_values(i, slot, f, x, outer, padded);
    return true;
  }

  void set_all_columns(std::int64_t i, std::int64_t n, std::int64_t length) const {
    for (std::int64_t r = 0; r < n; ++r) {
      columns(i, 0)[r] = 0;
      columns(i, 1)[r] = static_cast<integer>(length + lowest);
    }
  }

  // Begin and end of every row's columns, counted from the kernel's first.
  void set_extents(std::int64_t i, std::int64_t slot, const plane_form &f, std::int64_t n) const {
    const stamp_kernel &kernel = job.prepared[slot];
    const double *const y = row_of(job.displacement[row_cv], job.stride, row_cv, slot);
    const double center = job.kernels->centers[(job.first + slot) * D + last],
                 scale = 1 / grid.spacing[last], middle = (center - grid.lower[last]) * scale,
                 first = static_cast<double>(kernel.along[last].begin),
                 end = first + static_cast<double>(kernel.along[last].length),
                 reach2 = profile.reach2;
    integer *const begin = columns(i, 0), *const size = columns(i, 1);
    for (std::int64_t r = 0; r < n; ++r) {
      const double q1 = covariance ? f.b0 + f.b1 * y[r] : 0;
      double rest = reach2 - (f.c0 + y[r] * (2 * f.c1 + f.c2 * y[r]));
      if (covariance) rest += q1 * q1 / f.q2;
      const double half = rest > 0 ? __builtin_sqrt(rest / f.q2) : -1e300;
      const double shift = covariance ? -q1 / f.q2 : 0;
      double low = __builtin_ceil(middle + scale * (shift - half));
      double high = __builtin_floor(middle + scale * (shift + half)) + 1;
      low = low < first ? first : low > end ? end : low;
      high = high < low ? low : high > end ? end : high;
      begin[r] = static_cast<std::int32_t>(low - first);
      size[r] = static_cast<integer>(static_cast<std::int32_t>(high - low)) + lowest;
    }
    bound(list.disc[i], kernel, begin, size);
  }

  // Rows with columns, and the outermost columns. Rounding may move a border by one.
  void bound(stamp_disc &disc, const stamp_kernel &kernel, const integer *begin,
             const integer *size) const {
    while (disc.begin < disc.end && size[disc.begin] == lowest) ++disc.begin;
    while (disc.begin < disc.end && size[disc.end - 1] == lowest) --disc.end;
    if (disc.begin == disc.end) return;
    if (covariance) {
      disc.lowest = disc.highest = disc.begin;
      for (std::int64_t r = disc.begin; r < disc.end; ++r) {
        if (begin[r] < begin[disc.lowest]) disc.lowest = r;
        if (begin[r] + size[r] > begin[disc.highest] + size[disc.highest]) disc.highest = r;
      }
    } else {
      const cyfes::visit v = kernel.along[row_cv];
      const double center = job.kernels->centers[(job.first + disc.slot) * D + row_cv];
      const double row = (center - grid.lower[row_cv]) / grid.spacing[row_cv];
      const auto nearest =
          static_cast<std::int64_t>(__builtin_floor(row + 0.5) - static_cast<double>(v.begin));
      disc.lowest = disc.highest = nearest < disc.begin  ? disc.begin
                                   : nearest >= disc.end ? disc.end - 1
                                                         : nearest;
    }
    disc.first_column = begin[disc.lowest] - 1;
    disc.end_column = begin[disc.highest] + (size[disc.highest] - lowest) + 1;
  }

  void set_values(std::int64_t i, std::int64_t slot, const plane_form &f, const double *x,
                  double outer, std::int64_t n) const {
    const stamp_kernel &kernel = job.prepared[slot];
    const double *const y = row_of(job.displacement[row_cv], job.stride, row_cv, slot);
    const real *const factor = row_of(job.factor[row_cv], job.stride, row_cv, slot);
    const double weight = job.kernels->weights[job.first + slot] * profile.height_a;
    real *const value = values(i, 0);
    for (std::int64_t r = 0; r < n; ++r)
      value[r] = static_cast<real>(
          weight * (covariance || D == 1 ? 1.0 : outer * static_cast<double>(factor[r])));
    for (int d = 0; job.gradient && d < (covariance ? D : last); ++d) {
      real *const slope = values(i, 1 + d);
      for (std::int64_t r = 0; r < n; ++r) {
        const double a =
            weight * (covariance || D == 1 ? 1.0 : outer * static_cast<double>(factor[r]));
        double along = covariance ? 0 : kernel.precision[d][d] * (d < row_cv ? x[d] : y[r]);
        for (int e = 0; covariance && e < last; ++e)
          along += kernel.precision[d][e] * (e < row_cv ? x[e] : y[r]);
        slope[r] = static_cast<real>(-a * along);
      }
    }
    for (std::int64_t r = 0; (covariance || fold) && r < n; ++r) {
      forms(i, 0)[r] = D == 1 ? 0 : f.c0 + y[r] * (2 * f.c1 + f.c2 * y[r]);
      forms(i, 1)[r] = D == 1 ? 0 : f.b0 + f.b1 * y[r];
    }
  }
};

}  // namespace
#endif
