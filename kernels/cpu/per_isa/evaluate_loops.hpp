// Sums of any kernels at arbitrary points: a vector of points at a time, kernels in their order.
#ifndef CYFES_CPU_PER_ISA_EVALUATE_LOOPS_HPP
#define CYFES_CPU_PER_ISA_EVALUATE_LOOPS_HPP

#include "cpu/jobs/evaluate_job.hpp"
#include "cpu/per_isa/simd.hpp"
#include "gaussian.hpp"

namespace {

using cyfes::evaluate_job;

template <class real, int D, bool covariance>
struct evaluator {
  const evaluate_job &job;
  static constexpr int width = simd<real>::width;
  using wide = wide_t<real>;
  using vec = vec_t<real>;

  const cyfes_profile profile = cyfes_profile_of(*job.options);
  wide point[D] = {};
  vec value = {};
  vec gradient[D] = {};

  // The copies of a periodic kernel beside its nearest one that the cutoff reaches.
  std::int64_t copies(int d, double sigma) const {
    if (job.options->images != CYFES_ALL_IMAGES || job.period[d] == 0) return 0;
    return static_cast<std::int64_t>(
        __builtin_floor(__builtin_sqrt(profile.reach2) * sigma / job.period[d] + 0.5));
  }

  // x - center, folded to the nearest image.
  wide displacement(int d, double center) const {
    wide x = point[d] - center;
    const double period = job.period[d];
    if (period == 0) return x;
    const wide magic = wide{} + 0x1.8p52;  // adding it rounds to the nearest integer
    return x - period * ((x / period + magic) - magic);
  }

  // One copy of a kernel at displacements x.
  void add(const wide *x, const double (&precision)[D][D], double weight) {
    wide slope[D], q = {};
    for (int i = 0; i < D; ++i) {
      slope[i] = precision[i][i] * x[i];
      if (covariance)
        for (int j = 0; j < D; ++j)
          if (j != i) slope[i] += precision[i][j] * x[j];
      q += slope[i] * x[i];
    }
    const wide within = q < profile.reach2 ? wide{} + 1.0 : wide{};
    bool any = false;
    for (int i = 0; i < width; ++i) any |= within[i] > 0;
    if (!any) return;
    const vec e = exponential(__builtin_convertvector(-0.5 * q, vec));
    const vec inside = __builtin_convertvector(within, vec);
    const vec a = inside * static_cast<real>(weight * profile.height_a) * e;
    value += a + inside * static_cast<real>(weight * profile.height_b);
    for (int d = 0; d < D; ++d) gradient[d] -= a * __builtin_convertvector(slope[d], vec);
  }

  // All copies along CV d and the CVs after it.
  template <int d>
  void add_copies(wide *x, const std::int64_t *n, const double (&precision)[D][D], double weight) {
    if constexpr (d == D) {
      add(x, precision, weight);
    } else {
      const wide nearest = x[d];
      for (std::int64_t i = -n[d]; i <= n[d]; ++i) {
        x[d] = nearest + static_cast<double>(i) * job.period[d];
        add_copies<d + 1>(x, n, precision, weight);
      }
      x[d] = nearest;
    }
  }

  void add_kernel(std::int64_t k) {
    const cyfes_kernel_list &kernels = *job.kernels;
    const double *const scales =
        kernels.bandwidths + (kernels.n_bandwidths == 1 ? 0 : k * kernels.n_scales);
    double precision[D][D], variance[D];
    for (int i = 0; i < D; ++i)
      for (int j = 0; j < D; ++j)
        precision[i][j] = covariance ? cyfes_symmetric(scales, i, j)
                          : i == j   ? 1.0 / (scales[i] * scales[i])
                                     : 0.0;
    if (covariance) cyfes_variances(scales, D, variance);
    wide x[D];
    std::int64_t n[D];
    for (int d = 0; d < D; ++d) {
      x[d] = displacement(d, kernels.centers[k * D + d]);
      n[d] = copies(d, covariance ? __builtin_sqrt(variance[d]) : scales[d]);
    }
    add_copies<0>(x, n, precision, kernels.weights[k]);
  }

  void run(std::int64_t first, std::int64_t count, real *density, real *derivatives) {
    for (int d = 0; d < D; ++d)
      for (std::int64_t i = 0; i < width; ++i)
        point[d][i] = job.points[(first + (i < count ? i : 0)) * D + d];
    for (std::int64_t k = 0; k < job.kernels->n_kernels; ++k) add_kernel(k);
    for (std::int64_t i = 0; i < count; ++i) {
      density[first + i] += value[i];
      if (derivatives)
        for (int d = 0; d < D; ++d) derivatives[d * job.n_points + first + i] += gradient[d][i];
    }
  }
};

template <class real, int D, bool covariance>
void evaluate_all(const evaluate_job &job, std::int64_t first, std::int64_t last, real *density,
                  real *derivatives) {
  constexpr int width = simd<real>::width;
  for (std::int64_t i = first; i < last; i += width)
    evaluator<real, D, covariance>{job}.run(i, last - i < width ? last - i : width, density,
                                            derivatives);
}

template <class real>
void evaluate(const evaluate_job &job, std::int64_t first, std::int64_t last, real *density,
              real *derivatives) {
  using all = void (*)(const evaluate_job &, std::int64_t, std::int64_t, real *, real *);
  static constexpr all diagonal[] = {evaluate_all<real, 1, false>, evaluate_all<real, 2, false>,
                                     evaluate_all<real, 3, false>, evaluate_all<real, 4, false>};
  static constexpr all full[] = {nullptr, evaluate_all<real, 2, true>, evaluate_all<real, 3, true>,
                                 evaluate_all<real, 4, true>};
  const bool covariance = job.kernels->n_scales != job.n_dims;
  (covariance ? full : diagonal)[job.n_dims - 1](job, first, last, density, derivatives);
}

}  // namespace
#endif
