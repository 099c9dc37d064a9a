// The kernels through their C contract, against loops that anyone can read.
//
// A build of this program under a sanitizer looks for what a Python test cannot see: reads and
// writes beyond an array, undefined arithmetic, data races. Every array is allocated to its exact
// size for that reason, and every instruction set that this processor has is run.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "cyfes_kernels.h"

namespace {

int n_checks = 0, n_failures = 0;

void check(bool good, const std::string &what) {
  ++n_checks;
  if (good || ++n_failures > 20) return;
  std::printf("FAILED: %s\n", what.c_str());
}

std::mt19937_64 generator(20240607);

double uniform(double low, double high) {
  return std::uniform_real_distribution<double>(low, high)(generator);
}

std::int64_t whole(std::int64_t low, std::int64_t high) {
  return std::uniform_int_distribution<std::int64_t>(low, high)(generator);
}

// Kernels and a grid, with the memory behind the structs of the contract.
struct problem {
  int D;
  std::vector<std::int64_t> shape;
  std::vector<double> lower, spacing, period, centers, bandwidths, weights;
  std::vector<std::int32_t> windows;
  cyfes_kernel_list kernels{};
  cyfes_options options{};

  cyfes_grid grid() const { return {D, shape.data(), lower.data(), spacing.data(), period.data()}; }
  std::int64_t size() const {
    std::int64_t n = 1;
    for (const std::int64_t s : shape) n *= s;
    return n;
  }
  bool covariance() const { return kernels.n_scales != D; }
};

// Rows of an inverse covariance whose standard deviations are near `sigma`.
void push_precision(problem &p, const double *sigma) {
  double l[CYFES_MAX_DIMS][CYFES_MAX_DIMS] = {};
  for (int i = 0; i < p.D; ++i)
    for (int j = 0; j <= i; ++j) l[i][j] = (i == j ? 1.0 : uniform(-0.3, 0.3)) / sigma[i];
  for (int i = 0; i < p.D; ++i)
    for (int j = 0; j <= i; ++j) {
      double sum = 0;
      for (int k = 0; k < p.D; ++k) sum += l[i][k] * l[j][k];
      p.bandwidths.push_back(sum);
    }
}

problem random_problem(int D, std::int64_t n_kernels, bool shared, bool covariance, bool windowed,
                       int kernel, int images) {
  static const std::int64_t longest[] = {0, 67, 23, 11, 7};
  problem p;
  p.D = D;
  for (int d = 0; d < D; ++d) {
    p.shape.push_back(whole(1, longest[D]));
    p.lower.push_back(uniform(-5, 5));
    p.spacing.push_back(uniform(0.05, 0.4));
    // Copies along many CVs would take the loops below hours.
    const bool many = covariance && images == CYFES_ALL_IMAGES && d > 1;
    p.period.push_back(!many && whole(0, 1) ? static_cast<double>(p.shape[d]) * p.spacing[d] : 0.0);
  }
  for (std::int64_t k = 0; k < n_kernels; ++k) {
    for (int d = 0; d < D; ++d) {
      const double length = static_cast<double>(p.shape[d]) * p.spacing[d];
      p.centers.push_back(p.lower[d] + uniform(-0.7, 1.7) * length);
      if (windowed) p.windows.push_back(static_cast<std::int32_t>(whole(0, 2 * p.shape[d])));
    }
    p.weights.push_back(uniform(-1, 2));
  }
  for (std::int64_t k = 0; k < (shared ? 1 : n_kernels); ++k) {
    double sigma[CYFES_MAX_DIMS];
    for (int d = 0; d < D; ++d) sigma[d] = p.spacing[d] * uniform(0.4, 6.0 / D);
    if (covariance)
      push_precision(p, sigma);
    else
      p.bandwidths.insert(p.bandwidths.end(), sigma, sigma + D);
  }
  p.kernels = {n_kernels,
               shared ? 1 : n_kernels,
               covariance ? D * (D + 1) / 2 : D,
               p.centers.data(),
               p.bandwidths.data(),
               p.weights.data(),
               windowed ? p.windows.data() : nullptr};
  p.options = {7.0, kernel, images, 1, 0, 0, 1e-11, 0.0, CYFES_AUTOMATIC};
  return p;
}

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

const cyfes_backend *const backend = cyfes_cpu_backend();

int spread(const problem &p, double *density, double *derivatives) {
  const cyfes_grid grid = p.grid();
  return backend->spread_f64(&grid, &p.kernels, &p.options, density, derivatives);
}
int spread(const problem &p, float *density, float *derivatives) {
  const cyfes_grid grid = p.grid();
  return backend->spread_f32(&grid, &p.kernels, &p.options, density, derivatives);
}
int evaluate(const problem &p, std::int64_t n, const double *points, double *density,
             double *derivatives) {
  return backend->evaluate_f64(p.D, p.period.data(), &p.kernels, n, points, &p.options, density,
                               derivatives);
}
int evaluate(const problem &p, std::int64_t n, const double *points, float *density,
             float *derivatives) {
  return backend->evaluate_f32(p.D, p.period.data(), &p.kernels, n, points, &p.options, density,
                               derivatives);
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

// Text without a terminating zero in memory of exactly its size.
std::vector<char> exact(const std::string &text) { return {text.begin(), text.end()}; }

std::string random_number() {
  char number[400];
  const double value =
      whole(0, 9) ? uniform(-1e4, 1e4) : std::ldexp(uniform(-1, 1), whole(-1070, 1020));
  const char *const formats[] = {"%.6f", "%14.9f", "%.17g", "%.16e", "%+.3e", "%.0f.", "%.25f"};
  std::snprintf(number, sizeof number, formats[whole(0, 6)], value);
  return number;
}

std::string blanks(int least) {
  return std::string(static_cast<std::size_t>(whole(least, 12)), whole(0, 5) ? ' ' : '\t');
}

// What options.isa says for one of the instruction sets that this processor has.
std::int32_t any_isa() {
  std::int32_t isa;
  do {
    isa = static_cast<std::int32_t>(whole(1, CYFES_N_ISAS));
  } while (!cyfes_cpu_isa_supported(isa - 1));
  return isa;
}

void check_parse(std::int64_t n_lines, std::int32_t n_columns) {
  std::string text;
  std::vector<std::vector<double>> rows;
  for (std::int64_t i = 0; i < n_lines; ++i) {
    if (whole(0, 9) == 0) text += blanks(0) + (whole(0, 1) ? "# 1 2 3" : "") + "\n";
    rows.emplace_back();
    text += blanks(0);
    for (std::int32_t c = 0; c < n_columns; ++c) {
      const std::string number = random_number();
      text += (c ? blanks(1) : "") + number;
      rows.back().push_back(std::strtod(number.c_str(), nullptr));
    }
    if (whole(0, 9) == 0) text += " # note";
    if (i + 1 < n_lines || whole(0, 1)) text += whole(0, 3) ? "\n" : "\r\n";
  }
  const std::vector<char> bytes = exact(text);
  const auto size = static_cast<std::int64_t>(bytes.size());
  std::vector<std::int32_t> wanted;
  for (std::int32_t c = 0; c < n_columns; ++c)
    if (whole(0, 2)) wanted.push_back(c);
  for (const int threads : {1, 2, 5}) {
    std::vector<std::vector<double>> columns(wanted.size(), std::vector<double>(n_lines));
    std::vector<double *> pointers;
    for (auto &column : columns) pointers.push_back(column.data());
    std::vector<std::uint8_t> faults(n_lines);
    cyfes_parsed parsed;
    const int status = cyfes_parse_rows(
        bytes.data(), size, 1, n_columns, static_cast<std::int32_t>(wanted.size()), wanted.data(),
        0, threads, any_isa(), n_lines, pointers.data(), faults.data(), &parsed);
    check(status == CYFES_OK && parsed.n_faults == 0, "parse_rows refused good rows");
    check(parsed.n_rows == n_lines && parsed.n_bytes == size, "parse_rows left rows");
    if (parsed.n_rows != n_lines) return;
    for (std::size_t w = 0; w < wanted.size(); ++w)
      for (std::int64_t r = 0; r < n_lines; ++r)
        check(columns[w][r] == rows[r][wanted[w]], "parse_rows: not the nearest double");
  }
}

// Damaged text: whatever it holds, no byte beyond it is read and both passes agree on the rows.
void check_damaged_text() {
  const char alphabet[] = "0123456789.+-eE #\n\r\tnaif\0\x80\xff/:!";
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    const std::int64_t length = whole(0, 90);
    for (std::int64_t i = 0; i < length; ++i) text += alphabet[whole(0, sizeof alphabet - 2)];
    const std::vector<char> bytes = exact(text);
    const std::int64_t room = length / 2 + 1;
    std::vector<double> first(room), second(room);
    double *const columns[] = {first.data(), second.data()};
    std::vector<std::uint8_t> faults(room);
    const std::int32_t wanted[] = {0, 2};
    cyfes_parsed parsed;
    check(cyfes_parse_rows(bytes.data(), length, whole(0, 1), 3, 2, wanted, 0, 1, any_isa(), room,
                           columns, faults.data(), &parsed) == CYFES_OK,
          std::string("parse_rows failed: ") + cyfes_error_text());
  }
}

std::string naive_format(const problem &p, const std::vector<std::vector<double>> &fields,
                         std::int64_t first, std::int64_t n, int width, int precision) {
  std::string text;
  char number[500];
  const auto print = [&](double x) {
    std::snprintf(number, sizeof number, " %*.*f", width, precision, x);
    text += number;
  };
  for (std::int64_t at = first; at < first + n; ++at) {
    std::int64_t index[CYFES_MAX_DIMS], rest = at, offset = 0;
    for (int d = 0; d < p.D; ++d) {
      index[d] = rest % p.shape[d];
      rest /= p.shape[d];
    }
    for (int d = 0; d < p.D; ++d) offset = offset * p.shape[d] + index[d];
    if (p.D > 1 && at > 0 && index[p.D - 2] == 0) text += "\n";
    for (int d = 0; d < p.D; ++d) print(p.lower[d] + static_cast<double>(index[d]) * p.spacing[d]);
    for (const auto &field : fields) print(field[offset]);
    text += "\n";
  }
  return text;
}

void check_format(int D, int width, int precision) {
  problem p = random_problem(D, 0, true, false, false, CYFES_GAUSSIAN, 0);
  const std::int64_t size = p.size(), first = whole(0, size), n = whole(0, size - first);
  std::vector<std::vector<double>> fields(whole(0, 3), std::vector<double>(size));
  std::vector<const double *> pointers;
  for (auto &field : fields) {
    for (double &x : field) {
      static const double odd[] = {0.0, -0.0, 0.5, -1e-300, 1e300, 5e-10, 123456789.9999999995};
      x = whole(0, 4) ? uniform(-1000, 1000) : odd[whole(0, 6)];
    }
    pointers.push_back(field.data());
  }
  const std::string want = naive_format(p, fields, first, n, width, precision);
  for (const int threads : {1, 3}) {
    const cyfes_grid grid = p.grid();
    char *text = nullptr;
    std::int64_t n_bytes = 0;
    const int status =
        cyfes_format_grid(&grid, static_cast<std::int32_t>(fields.size()), pointers.data(), first,
                          n, width, precision, threads, &text, &n_bytes);
    check(status == CYFES_OK, std::string("format_grid: ") + cyfes_error_text());
    if (status != CYFES_OK) return;
    check(std::string(text, static_cast<std::size_t>(n_bytes)) == want,
          "format_grid " + std::to_string(width) + "." + std::to_string(precision));
    cyfes_free_text(text);
  }
}

void check_text() {
  for (int round = 0; round < 60; ++round) check_parse(whole(1, 30), static_cast<int>(whole(1, 7)));
  check_parse(9000, 5);  // several chunks
  check_damaged_text();
  for (int D = 1; D <= CYFES_MAX_DIMS; ++D)
    for (int round = 0; round < 40; ++round)
      check_format(D, static_cast<int>(whole(0, 30)), static_cast<int>(whole(0, 20)));
}

// Re-entrant: threads that share their inputs, and fail in between, get what one thread gets.
void check_threads() {
  problem p = random_problem(3, 40, true, false, false, CYFES_GAUSSIAN, CYFES_ALL_IMAGES);
  problem bad = p;
  bad.kernels.n_scales = 77;
  std::vector<double> want(p.size());
  spread(p, want.data(), nullptr);
  const std::vector<char> text = exact("1 2 3\n4 5 6\n# 7\n8 9 10");
  std::vector<int> good(4, 0);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < good.size(); ++t)
    threads.emplace_back([&, t] {
      bool same = true;
      for (int round = 0; round < 20; ++round) {
        std::vector<double> density(want.size()), points(6, 0.5), at(2);
        same &= spread(p, density.data(), nullptr) == CYFES_OK && density == want;
        same &= spread(bad, density.data(), nullptr) == CYFES_INVALID_ARGUMENT &&
                std::strstr(cyfes_error_text(), "77") != nullptr;
        same &= evaluate(p, 2, points.data(), at.data(), nullptr) == CYFES_OK;
        std::uint8_t faults[64];
        cyfes_parsed parsed;
        same &= cyfes_parse_rows(text.data(), static_cast<std::int64_t>(text.size()), 1, 1, 0,
                                 nullptr, 0, 1, 0, 64, nullptr, faults, &parsed) == CYFES_OK &&
                parsed.n_rows == 3;
      }
      good[t] = same;
    });
  for (std::thread &thread : threads) thread.join();
  for (const int same : good) check(same == 1, "a thread among others got another result");
}

}  // namespace

// With the argument "threads" only what several threads of the caller do: see the Makefile.
int main(int n_arguments, char **arguments) {
  if (n_arguments < 2 || std::strcmp(arguments[1], "threads") != 0) {
    check_sums();
    check_moments();
    check_far_centers();
    check_refusals();
    check_text();
  }
  check_threads();
  std::string names;
  for (int i = 0; cyfes_cpu_isa_name(i); ++i)
    if (cyfes_cpu_isa_supported(i)) names += std::string(" ") + cyfes_cpu_isa_name(i);
  std::printf("%d checks, %d failed; instruction sets run:%s\n", n_checks, n_failures,
              names.c_str());
  return n_failures != 0;
}
