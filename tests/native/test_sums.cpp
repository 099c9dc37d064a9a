// Sums against loops over all kernels and points.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "problem.hpp"
#include "test_kernels.hpp"

namespace {

struct profile {
  double a, b, reach2;
};

profile profile_of(const problem &p) {
  if (p.options.kernel == CYFES_GAUSSIAN) return {1, 0, p.options.cutoff * p.options.cutoff};
  return {1.00193418799744762399, -0.00193418799744762399, 12.5};
}

// Adds `times` one kernel at displacement x to the value and gradient of one point.
void add_copy(const problem &p, std::int64_t k, const double *x, double times, bool cut,
              double *value, double *gradient) {
  const profile f = profile_of(p);
  const double *s =
      p.kernels.bandwidths + (p.kernels.n_bandwidths == 1 ? 0 : k) * p.kernels.n_scales;
  double slope[CYFES_MAX_DIMS] = {}, q = 0;
  for (int i = 0; i < p.D; ++i) {
    for (int j = 0; j < p.D; ++j) {
      const int row = std::max(i, j), column = std::min(i, j);
      const double element = p.covariance() ? s[row * (row + 1) / 2 + column]
                             : i == j       ? 1 / (s[i] * s[i])
                                            : 0;
      slope[i] += element * x[j];
    }
    q += slope[i] * x[i];
  }
  if (cut && !(q < f.reach2)) return;
  const double e = p.kernels.weights[k] * times * f.a * std::exp(-0.5 * q);
  *value += e + p.kernels.weights[k] * times * f.b;
  for (int i = 0; i < p.D; ++i) gradient[i] -= e * slope[i];
}

// All copies of kernel k that the options ask for, along CV d and those after it.
void add_copies(const problem &p, std::int64_t k, int d, double *x, double times, bool cut,
                double *value, double *gradient) {
  if (d == p.D) return add_copy(p, k, x, times, cut, value, gradient);
  const double period = p.period[d];
  if (period == 0) return add_copies(p, k, d + 1, x, times, cut, value, gradient);
  const double nearest = x[d] - period * std::round(x[d] / period);
  // Seven bandwidths of at most six steps, 1.5 times that for a correlation, reach 63 steps.
  const int n = p.options.images == CYFES_ALL_IMAGES && !p.kernels.windows
                    ? 1 + static_cast<int>(63.0 / p.D / static_cast<double>(p.shape[d]))
                    : 0;
  const double sigma = p.covariance()
                           ? period * (n + 1)
                           : p.kernels.bandwidths[(p.kernels.n_bandwidths == 1 ? 0 : k) * p.D + d];
  for (int i = -n; i <= n; ++i) {
    x[d] = nearest + i * period;
    if (n > 0 && std::fabs(x[d]) > 7 * sigma) continue;
    add_copies(p, k, d + 1, x, times, cut, value, gradient);
  }
}

// How often a window visits index i of CV d.
double visits(const problem &p, std::int64_t k, int d, std::int64_t i) {
  const double position = (p.centers[k * p.D + d] - p.lower[d]) / p.spacing[d];
  const auto middle = static_cast<std::int64_t>(std::floor(position));
  const std::int64_t window = p.windows[k * p.D + d], n = p.shape[d];
  int count = 0;
  for (std::int64_t j = middle - window; j <= middle + window; ++j)
    count += p.period[d] > 0 ? ((j - i) % n == 0) : j == i;
  return count;
}

// Value and gradient at a point by definition; `index` is null where the point is on no grid.
void naive(const problem &p, const double *point, const std::int64_t *index, double *value,
           double *gradient) {
  for (std::int64_t k = 0; k < p.kernels.n_kernels; ++k) {
    double x[CYFES_MAX_DIMS], times = 1;
    for (int d = 0; d < p.D; ++d) {
      x[d] = point[d] - p.centers[k * p.D + d];
      if (p.kernels.windows && index) times *= visits(p, k, d, index[d]);
    }
    if (times == 0) continue;
    const bool whole_window = p.kernels.windows && p.options.kernel == CYFES_GAUSSIAN;
    add_copies(p, k, 0, x, times, !whole_window, value, gradient);
  }
}

// What both sums may differ by: the error of a term, in units of the largest sum.
double tolerance(const problem &p, bool single, bool gradient) {
  double most = 0, steepest = 1;
  for (const double w : p.weights) most += std::fabs(w);
  for (int d = 0; gradient && d < p.D; ++d) steepest = std::max(steepest, 3 / p.spacing[d]);
  // Seven bandwidths: what lies beyond is below exp(-24.5) of a kernel.
  const double cut = p.options.kernel == CYFES_GAUSSIAN ? 8 * std::exp(-24.5) : 0;
  double copies = 1;
  for (int d = 0; d < p.D; ++d)
    if (p.period[d] > 0) copies *= 1 + 63.0 / p.D / static_cast<double>(p.shape[d]);
  return (1 + most) * steepest * copies * ((single ? 4e-6 : 1e-12) + cut);
}

std::string describe(const problem &p, const char *what, int isa, int threads) {
  std::string text = std::string(what) + " D=" + std::to_string(p.D) +
                     " n=" + std::to_string(p.kernels.n_kernels) +
                     (p.covariance() ? " covariance" : "") + (p.kernels.windows ? " windows" : "") +
                     (p.options.kernel == CYFES_GAUSSIAN ? " gaussian" : " stretched") +
                     (p.options.images == CYFES_ALL_IMAGES ? " all" : " nearest") +
                     " isa=" + std::to_string(isa) + " threads=" + std::to_string(threads) +
                     " shape";
  for (int d = 0; d < p.D; ++d)
    text += " " + std::to_string(p.shape[d]) + (p.period[d] > 0 ? "p" : "");
  return text;
}

template <class real>
double distance(const std::vector<real> &got, const std::vector<double> &want, std::size_t first,
                std::size_t last) {
  double largest = 0;
  for (std::size_t i = first; i < last; ++i) {
    const double d = std::fabs(static_cast<double>(got[i]) - want[i]);
    if (!(d <= largest)) largest = d;
  }
  return largest;
}

template <class real>
void compare(const problem &p, const std::string &what, const std::vector<real> &density,
             const std::vector<real> &slopes, const std::vector<double> &want,
             const std::vector<double> &want_slopes) {
  const bool single = sizeof(real) == 4;
  const double off = distance(density, want, 0, want.size());
  check(off <= tolerance(p, single, false), what + " value off by " + std::to_string(off));
  if (slopes.empty()) return;
  const double slope_off = distance(slopes, want_slopes, 0, want_slopes.size());
  check(slope_off <= tolerance(p, single, true),
        what + " slope off by " + std::to_string(slope_off));
}

template <class real>
void run_all_ways(problem p, const char *what, const std::vector<double> *points,
                  const std::vector<double> &want, const std::vector<double> &want_slopes) {
  const std::int64_t n = static_cast<std::int64_t>(want.size());
  for (int isa = 1; cyfes_cpu_isa_name(isa - 1); ++isa) {
    if (!cyfes_cpu_isa_supported(isa - 1)) continue;
    std::vector<real> first, first_slopes;
    for (const int threads : {1, 2, 5}) {
      p.options.isa = isa;
      p.options.n_threads = threads;
      std::vector<real> density(want.size()), slopes(want_slopes.size()), alone(want.size());
      const int status = points ? evaluate(p, n, points->data(), density.data(), slopes.data())
                                : spread(p, density.data(), slopes.data());
      const std::string text = describe(p, what, isa, threads) + (sizeof(real) == 4 ? " f32" : "");
      check(status == CYFES_OK, text + ": " + cyfes_error_text());
      compare(p, text, density, slopes, want, want_slopes);
      points ? evaluate(p, n, points->data(), alone.data(), static_cast<real *>(nullptr))
             : spread(p, alone.data(), static_cast<real *>(nullptr));
      compare(p, text + " without slopes", alone, {}, want, want_slopes);
      if (threads == 1) first = density, first_slopes = slopes;
      check(std::memcmp(first.data(), density.data(), density.size() * sizeof(real)) == 0 &&
                std::memcmp(first_slopes.data(), slopes.data(), slopes.size() * sizeof(real)) == 0,
            text + ": other bits than with one thread");
    }
  }
}

void check_spread(const problem &p) {
  const std::int64_t size = p.size();
  std::vector<double> want(size), slopes(size * p.D);
  for (std::int64_t at = 0; at < size; ++at) {
    std::int64_t index[CYFES_MAX_DIMS], rest = at;
    double point[CYFES_MAX_DIMS], gradient[CYFES_MAX_DIMS] = {};
    for (int d = p.D - 1; d >= 0; --d) {
      index[d] = rest % p.shape[d];
      rest /= p.shape[d];
      point[d] = p.lower[d] + static_cast<double>(index[d]) * p.spacing[d];
    }
    naive(p, point, index, &want[at], gradient);
    for (int d = 0; d < p.D; ++d) slopes[d * size + at] = gradient[d];
  }
  run_all_ways<double>(p, "spread", nullptr, want, slopes);
  run_all_ways<float>(p, "spread", nullptr, want, slopes);
}

void check_evaluate(const problem &p, std::int64_t n) {
  std::vector<double> points(n * p.D), want(n), slopes(n * p.D);
  for (std::int64_t at = 0; at < n; ++at) {
    double gradient[CYFES_MAX_DIMS] = {};
    for (int d = 0; d < p.D; ++d)
      points[at * p.D + d] =
          p.lower[d] + uniform(-0.5, 1.5) * static_cast<double>(p.shape[d]) * p.spacing[d];
    naive(p, &points[at * p.D], nullptr, &want[at], gradient);
    for (int d = 0; d < p.D; ++d) slopes[d * n + at] = gradient[d];
  }
  run_all_ways<double>(p, "evaluate", &points, want, slopes);
  run_all_ways<float>(p, "evaluate", &points, want, slopes);
}

void check_sums() {
  for (int round = 0; round < 4; ++round)
    for (int D = 1; D <= CYFES_MAX_DIMS; ++D)
      for (const int kernel : {CYFES_GAUSSIAN, CYFES_STRETCHED_GAUSSIAN})
        for (const int images : {CYFES_NEAREST_IMAGE, CYFES_ALL_IMAGES})
          for (const bool covariance : {false, true}) {
            if (D == 1 && covariance) continue;
            const std::int64_t n = round == 0 ? whole(0, 2) : whole(1, 60 / (D * D));
            check_spread(random_problem(D, n, round == 1, covariance, false, kernel, images));
            // Windows are PLUMED's rule and always take the nearest image.
            if (images == CYFES_NEAREST_IMAGE)
              check_spread(random_problem(D, n, false, covariance, true, kernel, images));
            check_evaluate(random_problem(D, n, round == 1, covariance, false, kernel, images),
                           whole(1, 70));
          }
}

// Few samples are never summed by moments unless asked for.
void check_moments() {
  int n_checked = 0;
  for (int round = 0; round < 60; ++round) {
    const int D = round % 3 + 1;
    problem p =
        random_problem(D, whole(1, 150 / D), true, false, false, CYFES_GAUSSIAN, CYFES_ALL_IMAGES);
    p.options.method = CYFES_MOMENTS;
    const cyfes_grid grid = p.grid();
    cyfes_plan plan;
    if (cyfes_cpu_plan(&grid, &p.kernels, &p.options, &plan) == CYFES_UNSUPPORTED) continue;
    check(plan.method == CYFES_MOMENTS && plan.error <= 1e-11, "a plan without moments");
    check_spread(p);
    ++n_checked;
  }
  check(n_checked > 20, "hardly any grid is fit for moments");
}

// Kernels as far away as doubles go must be left out, not wrapped into an index.
void check_far_centers() {
  for (const double far : {1e10, -1e19, 1e100, -1e300}) {
    problem p = random_problem(2, 3, false, false, false, CYFES_STRETCHED_GAUSSIAN, 0);
    p.period = {0, 0};
    for (double &c : p.centers) c = far;
    std::vector<double> density(p.size());
    check(spread(p, density.data(), nullptr) == CYFES_OK, "spread of far centers");
    for (const double v : density) check(v == 0, "a far center reached the grid");
  }
}

void check_refusals() {
  problem p = random_problem(2, 3, false, false, false, CYFES_GAUSSIAN, CYFES_ALL_IMAGES);
  std::vector<double> density(p.size());
  p.weights[1] = std::nan("");
  check(spread(p, density.data(), nullptr) == CYFES_INVALID_ARGUMENT, "a weight of nan was taken");
  check(std::strstr(cyfes_error_text(), "kernel 1") != nullptr, "the text names no kernel");
  p.weights[1] = 1;
  p.bandwidths[0] = 0;
  check(spread(p, density.data(), nullptr) == CYFES_INVALID_ARGUMENT, "a bandwidth 0 was taken");
  p.bandwidths[0] = 1;
  p.options.isa = 99;
  check(spread(p, density.data(), nullptr) == CYFES_UNSUPPORTED, "instruction set 99 was taken");
}

}  // namespace

void test_sums() {
  check_sums();
  check_moments();
  check_far_centers();
  check_refusals();
}
