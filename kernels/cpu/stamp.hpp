// Banded stamping: kernels with a bandwidth each (hills) added row by row to the grid.
//
// A caller owns a band of the first CV and adds to it every kernel that reaches it, in order, so
// each point sums its kernels in the same order however the grid is divided. A row of a kernel
// is a run of the last CV; the kernel's ellipse gives its begin and end, so nothing outside the
// support is touched and no point is tested one by one.
#ifndef CYFES_CPU_STAMP_HPP
#define CYFES_CPU_STAMP_HPP

#include "cpu/isa.hpp"
#include "cpu/ranges.hpp"
#include "cpu/simd.hpp"
#include "gaussian.hpp"

namespace {

using cyfes::stamp_buffers;

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

template <class real, int D, bool covariance>
struct stamper {
  const cyfes_grid &grid;
  const cyfes_kernel_list &kernels;
  const cyfes_options &options;
  const stamp_buffers<real> &buffers;
  const band own;
  real *const density;
  real *const derivatives;
  const cyfes_profile profile = cyfes_profile_of(options);
  std::int64_t size = 1;  // points of the grid: distance of two derivatives

  // Of the kernel at hand:
  const double *center = nullptr;
  const double *scales = nullptr;  // bandwidths or precision matrix
  bool whole_window = false;       // a Gaussian cut by its window alone
  bool fold = false;               // displacements need the minimum image
  double weight = 0;
  double precision[D][D] = {};  // inverse covariance
  index_range range[D] = {};

  static constexpr int last = D - 1;

  void set_precision() {
    for (int i = 0; i < D; ++i)
      for (int j = 0; j < D; ++j)
        precision[i][j] = covariance ? cyfes_symmetric(scales, i, j)
                          : i == j   ? 1.0 / (scales[i] * scales[i])
                                     : 0.0;
  }

  // Calls body(offset, index, run) for the pieces of r that no border of CV d divides: `offset`
  // from the kernel's range, wrapped `index`.
  template <class Body>
  void for_runs(int d, index_range r, const Body &body) const {
    const std::int64_t n = grid.shape[d];
    for (std::int64_t i = r.begin; i < r.end;) {
      const std::int64_t at = wrapped(i, n);
      const std::int64_t run = r.end - i < n - at ? r.end - i : n - at;
      body(i - range[d].begin, at, run);
      i += run;
    }
  }

  // Displacements along CV d; for diagonal kernels also factors and moments.
  void prepare(int d) const {
    const std::int64_t n = range[d].end - range[d].begin;
    double *const x = buffers.displacement[d];
    // From the grid's coordinates, so that no bit depends on where the range begins.
    if (grid.period[d] > 0 && options.images == CYFES_NEAREST_IMAGE) {
      for_runs(d, range[d], [&](std::int64_t offset, std::int64_t at, std::int64_t run) {
        const double *const axis = buffers.axis[d] + at;
        for (std::int64_t i = 0; i < run; ++i)
          x[offset + i] = -cyfes_nearest_image(center[d] - axis[i], grid.period[d]);
      });
    } else {
      for (std::int64_t i = 0; i < n; ++i)
        x[i] =
            grid.lower[d] + static_cast<double>(range[d].begin + i) * grid.spacing[d] - center[d];
    }
    if (!covariance) factors(d, n);
  }

  // factor = exp(-z^2 / 2) and moment = factor * z / sigma, z = x / sigma for x in displacement[d].
  void factors(int d, std::int64_t n) const {
    constexpr int width = simd<real>::width;
    const double sigma = scales[d];
    for (std::int64_t i = 0; i < n; i += width) {
      wide_t<real> x;
      __builtin_memcpy(&x, buffers.displacement[d] + i, sizeof x);
      const wide_t<real> z = x / sigma, q = -0.5 * (z * z);
      const vec_t<real> e = exponential(__builtin_convertvector(q, vec_t<real>));
      store(buffers.factor[d] + i, e);
      store(buffers.moment[d] + i, e * __builtin_convertvector(z / sigma, vec_t<real>));
    }
  }

  // factor = exp(-(q0 + 2 q1 x + q2 x^2) / 2) and moment = factor * x, for x in displacement[d].
  void exponentials(int d, std::int64_t n, double q0, double q1, double q2,
                    std::int64_t from = 0) const {
    constexpr int width = simd<real>::width;
    for (std::int64_t i = from; i < n; i += width) {
      wide_t<real> x;
      __builtin_memcpy(&x, buffers.displacement[d] + i, sizeof x);
      const wide_t<real> q = -0.5 * (q0 + x * (2 * q1 + x * q2));
      const vec_t<real> e = exponential(__builtin_convertvector(q, vec_t<real>));
      store(buffers.factor[d] + i, e);
      store(buffers.moment[d] + i, e * __builtin_convertvector(x, vec_t<real>));
    }
  }

  // Adds value_a factor + value_b, and slope[d][0] factor + slope[d][1] moment to derivative d,
  // over the indices [r.begin, r.end) of the row that starts at `row`.
  void add_row(std::int64_t row, index_range r, real value_a, real value_b,
               const real (&slope)[D][2]) const {
    for_runs(last, r, [&](std::int64_t offset, std::int64_t at, std::int64_t run) {
      std::int64_t skip = 0;
      if (D == 1) {  // the row itself is divided among the bands
        skip = own.begin > at ? own.begin - at : 0;
        run = own.end - at < run ? own.end - at : run;
      }
      add_run(row + at, skip, run, buffers.factor[last] + offset, buffers.moment[last] + offset,
              value_a, value_b, slope);
    });
  }

  // Value and slopes in one pass over the row's points.
  void add_run(std::int64_t to, std::int64_t begin, std::int64_t end, const real *factor,
               const real *moment, real value_a, real value_b, const real (&slope)[D][2]) const {
    real *const v = density + to;
    if (!derivatives) {
#pragma omp simd
      for (std::int64_t i = begin; i < end; ++i) v[i] += value_a * factor[i] + value_b;
      return;
    }
    real *g[D];
    for (int d = 0; d < D; ++d) g[d] = derivatives + d * size + to;
#pragma omp simd
    for (std::int64_t i = begin; i < end; ++i) {
      v[i] += value_a * factor[i] + value_b;
      for (int d = 0; d < D; ++d) {
        if (covariance)
          g[d][i] += slope[d][0] * factor[i] + slope[d][1] * moment[i];
        else
          g[d][i] += d < last ? slope[d][0] * factor[i] : slope[d][1] * moment[i];
      }
    }
  }

  // One row: x holds the displacements along the other CVs, outer their factors' product.
  void stamp_row(std::int64_t row, index_range r, const double *x, double q0, double q1,
                 double outer) const {
    r = clipped(r, range[last].begin, range[last].end);
    if (r.begin >= r.end) return;
    if (covariance)
      exponentials(last, r.end - range[last].begin, q0, q1, precision[last][last],
                   r.begin - range[last].begin);
    const double a = weight * profile.height_a * outer;
    real slope[D][2];
    for (int d = 0; d < D; ++d) {
      double along = covariance || d == last ? 0 : precision[d][d] * x[d];
      for (int e = 0; covariance && e < last; ++e) along += precision[d][e] * x[e];
      slope[d][0] = static_cast<real>(-a * along);
      slope[d][1] = static_cast<real>(covariance ? -a * precision[d][last] : -a);
    }
    add_row(row, r, static_cast<real>(a), static_cast<real>(weight * profile.height_b), slope);
  }

  // Begin and end of every row along CV D-2: where q0 + 2 q1 x + q2 x^2 < reach2, in grid steps.
  // q0 and q1 are quadratic and linear in the row's own displacement y:
  // q0 = c0 + 2 c1 y + c2 y^2, q1 = b0 + b1 y.
  void extents(double c0, double c1, double c2, double b0, double b1) const {
    constexpr int d = D > 1 ? D - 2 : 0;
    const double *const y = buffers.displacement[d];
    double *const begin = buffers.row_begin, *const end = buffers.row_end;
    const double q2 = precision[last][last], reach2 = profile.reach2,
                 scale = 1 / grid.spacing[last];
    const double middle = (center[last] - grid.lower[last]) * scale;
    const std::int64_t n = range[d].end - range[d].begin;
    for (std::int64_t i = 0; i < n; ++i) {
      const double q1 = b0 + b1 * y[i];
      const double rest = reach2 - (c0 + y[i] * (2 * c1 + c2 * y[i])) + q1 * q1 / q2;
      const double half = rest > 0 ? __builtin_sqrt(rest / q2) : -1e300;
      begin[i] = __builtin_ceil(middle + scale * (-q1 / q2 - half));
      end[i] = __builtin_floor(middle + scale * (-q1 / q2 + half)) + 1;
    }
  }

  // All rows along CV D-2, at displacements x[0 .. D-3] along the CVs before it.
  void stamp_plane(std::int64_t plane, double *x, double outer) const {
    constexpr int d = D > 1 ? D - 2 : 0;
    double c0 = 0, c1 = 0, b0 = 0;
    for (int i = 0; i < d; ++i) {
      for (int j = 0; j < d; ++j) c0 += precision[i][j] * x[i] * x[j];
      c1 += precision[d][i] * x[i];
      b0 += precision[last][i] * x[i];
    }
    const double c2 = precision[d][d], b1 = precision[last][d];
    if (!whole_window) extents(c0, c1, c2, b0, b1);
    const std::int64_t n = grid.shape[d];
    for (std::int64_t i = range[d].begin; i < range[d].end; ++i) {
      const std::int64_t at = wrapped(i, n), k = i - range[d].begin;
      if (d == 0 && (at < own.begin || at >= own.end)) continue;
      index_range r = range[last];
      if (!whole_window && !fold) {
        if (!(buffers.row_begin[k] < buffers.row_end[k])) continue;
        r = {static_cast<std::int64_t>(buffers.row_begin[k]),
             static_cast<std::int64_t>(buffers.row_end[k])};
      }
      const double y = x[d] = buffers.displacement[d][k];
      const double q0 = c0 + y * (2 * c1 + c2 * y), q1 = b0 + b1 * y;
      const double factor = covariance ? 1.0 : outer * static_cast<double>(buffers.factor[d][k]);
      const std::int64_t row = (plane * n + at) * grid.shape[last];
      if (fold && !whole_window)
        stamp_folded_row(row, x, q0, q1, factor);
      else
        stamp_row(row, r, x, q0, q1, factor);
    }
  }

  // A row whose displacements are folded to the minimum image has its support in several pieces.
  void stamp_folded_row(std::int64_t row, const double *x, double q0, double q1,
                        double outer) const {
    const double q2 = precision[last][last];
    const double *const z = buffers.displacement[last];
    for (std::int64_t i = range[last].begin; i < range[last].end;) {
      std::int64_t j = i;
      for (; j < range[last].end; ++j) {
        const double d = z[j - range[last].begin];
        if (!(q0 + d * (2 * q1 + q2 * d) < profile.reach2)) break;
      }
      if (j > i) stamp_row(row, {i, j}, x, q0, q1, outer);
      i = j + 1;
    }
  }

  // The CVs before D-2, one after another.
  template <int d>
  void stamp_outer(std::int64_t plane, double *x, double outer) const {
    if constexpr (d >= D - 2) {
      stamp_plane(plane, x, outer);
    } else {
      const std::int64_t n = grid.shape[d];
      for (std::int64_t i = range[d].begin; i < range[d].end; ++i) {
        const std::int64_t at = wrapped(i, n), k = i - range[d].begin;
        if (d == 0 && (at < own.begin || at >= own.end)) continue;
        x[d] = buffers.displacement[d][k];
        stamp_outer<d + 1>(plane * n + at, x,
                           covariance ? 1.0 : outer * static_cast<double>(buffers.factor[d][k]));
      }
    }
  }

  bool reaches_band() const {
    for (int d = 1; d < D; ++d)
      if (range[d].begin >= range[d].end) return false;
    return meets(range[0], own, grid.shape[0]);
  }

  void stamp(std::int64_t k) {
    const int n_scales = covariance ? D * (D + 1) / 2 : D;
    center = kernels.centers + k * D;
    scales = kernels.bandwidths + (kernels.n_bandwidths == 1 ? 0 : k * n_scales);
    weight = kernels.weights[k];
    set_precision();
    const std::int32_t *window = kernels.windows ? kernels.windows + k * D : nullptr;
    fold = window != nullptr;
    whole_window = fold && options.kernel == CYFES_GAUSSIAN;
    double spread[D];
    if (covariance) cyfes_variances(scales, D, spread);
    for (int d = 0; d < D; ++d) {
      const double sigma = covariance ? __builtin_sqrt(spread[d]) : scales[d];
      range[d] =
          visited(grid, options, d, center[d], sigma * __builtin_sqrt(profile.reach2), window);
    }
    if (!reaches_band()) return;
    if (D == 1 && grid.period[0] == 0) range[0] = clipped(range[0], own.begin, own.end);
    for (int d = 0; d < D; ++d) prepare(d);
    double x[CYFES_MAX_DIMS] = {};
    if constexpr (D == 1) {
      if (fold && !whole_window)
        stamp_folded_row(0, x, 0, 0, 1);
      else
        stamp_row(0, range[0], x, 0, 0, 1);
    } else {
      stamp_outer<0>(0, x, 1);
    }
  }
};

template <class real, int D, bool covariance>
void stamp_all(const cyfes_grid &grid, const cyfes_kernel_list &kernels,
               const cyfes_options &options, band own, const stamp_buffers<real> &buffers,
               real *density, real *derivatives) {
  stamper<real, D, covariance> s{grid, kernels, options, buffers, own, density, derivatives};
  for (int d = 0; d < D; ++d) s.size *= grid.shape[d];
  for (std::int64_t k = 0; k < kernels.n_kernels; ++k) s.stamp(k);
}

template <class real>
void stamp_any(const cyfes_grid &grid, const cyfes_kernel_list &kernels,
               const cyfes_options &options, band own, const stamp_buffers<real> &buffers,
               real *density, real *derivatives) {
  using all = void (*)(const cyfes_grid &, const cyfes_kernel_list &, const cyfes_options &, band,
                       const stamp_buffers<real> &, real *, real *);
  static constexpr all diagonal[] = {stamp_all<real, 1, false>, stamp_all<real, 2, false>,
                                     stamp_all<real, 3, false>, stamp_all<real, 4, false>};
  static constexpr all full[] = {nullptr, stamp_all<real, 2, true>, stamp_all<real, 3, true>,
                                 stamp_all<real, 4, true>};
  const bool covariance = kernels.n_scales != grid.n_dims;
  (covariance ? full : diagonal)[grid.n_dims - 1](grid, kernels, options, own, buffers, density,
                                                  derivatives);
}

}  // namespace
#endif
