// Sums of kernels at arbitrary points: checks and threads.
#include "checks.hpp"
#include "cpu/backend.hpp"
#include "cpu/points.hpp"
#include "parallel.hpp"
#include "status.hpp"

namespace cyfes {
namespace {

// Separable kernels of double precision, one copy each: the common case.
void evaluate_points(const evaluate_job &job, double *density, double *derivatives) {
  const isa_table &isa = select_isa(job.options->isa);
  const int n_threads = usable_threads(job.options->n_threads);
  point_sum sum(job, derivatives != nullptr, n_threads);
  constexpr std::int64_t block = 128;  // whole vectors of any width
  const std::int64_t n_blocks = (job.n_points + block - 1) / block;
  for_each_task(n_threads, n_blocks, [&](std::int64_t b, int) {
    isa.points(sum.list(), b * block, std::min(job.n_points, (b + 1) * block));
  });
  sum.add_to(density, derivatives);
}

template <class real>
void evaluate(const evaluate_job &job, real *density, real *derivatives) {
  check_evaluate(job.n_dims, job.period, *job.kernels, job.n_points, job.points, *job.options);
  if constexpr (sizeof(real) == sizeof(double))
    if (point_sum::fits(job)) return evaluate_points(job, density, derivatives);
  const auto &loops = loops_of<real>(select_isa(job.options->isa));
  // A block is a whole number of vectors of any width, so the bits do not depend on the threads.
  constexpr std::int64_t block = 64;
  const std::int64_t n_blocks = (job.n_points + block - 1) / block;
  for_each_task(usable_threads(job.options->n_threads), n_blocks, [&](std::int64_t b, int) {
    loops.evaluate(job, b * block, std::min(job.n_points, (b + 1) * block), density, derivatives);
  });
}

}  // namespace

int evaluate_f64(int32_t n_dims, const double *period, const cyfes_kernel_list *kernels,
                 int64_t n_points, const double *points, const cyfes_options *options,
                 double *density, double *derivatives) {
  return guarded([&] {
    evaluate<double>({n_dims, period, kernels, options, n_points, points}, density, derivatives);
  });
}

int evaluate_f32(int32_t n_dims, const double *period, const cyfes_kernel_list *kernels,
                 int64_t n_points, const double *points, const cyfes_options *options,
                 float *density, float *derivatives) {
  return guarded([&] {
    evaluate<float>({n_dims, period, kernels, options, n_points, points}, density, derivatives);
  });
}

}  // namespace cyfes
