// One call of a kernel for callgrind: instructions CASE SIZE POINTS; see instructions.py.
//
// Only what runs inside measured() is counted. One thread; the instruction set is the best that
// valgrind runs, whatever the processor.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "cyfes_kernels.h"

extern "C" __attribute__((noinline)) int measured(const std::function<int()> &call) {
  return call();
}

namespace {

constexpr double pi = 3.14159265358979323846;
std::mt19937_64 generator(20240607);

// The same on every standard library, unlike its distributions.
double uniform(double low, double high) {
  return low + (high - low) * static_cast<double>(generator() >> 11) * 0x1p-53;
}

// Four wells, as broad as those of data.py, none beyond `extent`.
double coordinate(int well, int d) {
  static const double wells[4][3] = {
      {-0.9, -0.8, 0.6}, {0.7, 0.9, -0.5}, {0.3, -0.9, -0.7}, {-0.4, 0.8, 0.2}};
  double sum = -6;  // a sum of 12 uniform numbers: nearly normal
  for (int i = 0; i < 12; ++i) sum += uniform(0, 1);
  return wells[well][d] + 0.25 * sum;
}

std::vector<double> samples(std::int64_t n, int D) {
  std::vector<double> values;
  for (std::int64_t k = 0; k < n; ++k) {
    const double part = uniform(0, 1);
    const int well = part < 0.55 ? 0 : part < 0.85 ? 1 : part < 0.95 ? 2 : 3;
    for (int d = 0; d < D; ++d) values.push_back(coordinate(well, d));
  }
  return values;
}

std::int32_t isa_index(const char *wanted) {
  for (std::int32_t i = 0; cyfes_cpu_isa_name(i); ++i)
    if (!std::strcmp(cyfes_cpu_isa_name(i), wanted)) return i;
  return 0;
}

cyfes_options options_of(int kernel, int images, double cutoff) {
  cyfes_options options{};
  options.cutoff = cutoff;
  options.kernel = kernel;
  options.images = images;
  options.n_threads = 1;
  options.isa = 1 + isa_index("x86-64-v3");
  return options;
}

// What users get by default.
void set_plan(cyfes_options &options, int method) {
  options.tolerance = 1e-11;
  options.tail = 30.0;
  options.method = method;
}

struct grid_memory {
  std::vector<std::int64_t> shape;
  std::vector<double> lower, spacing, period;
  std::int64_t size = 1;
  grid_memory(int D, std::int64_t points)
      : shape(D, points),
        lower(D, -pi),
        spacing(D, 2 * pi / static_cast<double>(points)),
        period(D, 2 * pi) {
    for (int d = 0; d < D; ++d) size *= points;
  }
  cyfes_grid get() const {
    return {static_cast<std::int32_t>(shape.size()), shape.data(), lower.data(), spacing.data(),
            period.data()};
  }
};

int kde(int D, std::int64_t n, std::int64_t points, int method) {
  const grid_memory memory(D, points);
  const cyfes_grid grid = memory.get();
  const std::vector<double> centers = samples(n, D), h(D, 2 * pi / 50), weights(n, 1.0);
  std::vector<double> density(memory.size);
  const cyfes_kernel_list list{n, 1, D, centers.data(), h.data(), weights.data(), nullptr};
  cyfes_options options = options_of(CYFES_GAUSSIAN, CYFES_ALL_IMAGES, 11.0);
  set_plan(options, method);
  return measured([&] {
    return cyfes_cpu_backend()->spread_f64(&grid, &list, &options, density.data(), nullptr);
  });
}

int hills(int D, std::int64_t n, std::int64_t points) {
  const grid_memory memory(D, points);
  const cyfes_grid grid = memory.get();
  std::vector<double> centers, sigma(n * D, 0.3), heights;
  for (std::int64_t i = 0; i < n * D; ++i) centers.push_back(uniform(-pi, pi));
  for (std::int64_t i = 0; i < n; ++i) heights.push_back(uniform(0.1, 1.2));
  std::vector<double> values(memory.size), slopes(memory.size * D);
  const cyfes_kernel_list list{n, n, D, centers.data(), sigma.data(), heights.data(), nullptr};
  cyfes_options options = options_of(CYFES_STRETCHED_GAUSSIAN, CYFES_NEAREST_IMAGE, 10.0);
  set_plan(options, 0);
  return measured([&] {
    return cyfes_cpu_backend()->spread_f64(&grid, &list, &options, values.data(), slopes.data());
  });
}

int evaluate(int D, std::int64_t n, std::int64_t n_points) {
  const std::vector<double> centers = samples(n, D), points = samples(n_points, D), weights(n, 1.0);
  const std::vector<double> period(D, 0.0), h(D, 2 * pi / 8);
  std::vector<double> density(n_points);
  const cyfes_kernel_list list{n, 1, D, centers.data(), h.data(), weights.data(), nullptr};
  cyfes_options options = options_of(CYFES_GAUSSIAN, CYFES_NEAREST_IMAGE, 11.0);
  set_plan(options, 0);
  return measured([&] {
    return cyfes_cpu_backend()->evaluate_f64(D, period.data(), &list, n_points, points.data(),
                                             &options, density.data(), nullptr);
  });
}

int parse(std::int64_t n_rows) {
  std::string text;
  char line[200];
  for (std::int64_t i = 0; i < n_rows; ++i) {
    std::snprintf(line, sizeof line, " %.6f %.6f %.6f %.6f %.6f\n", 0.5 * static_cast<double>(i),
                  uniform(-pi, pi), uniform(-pi, pi), uniform(-40, 0), uniform(0, 40));
    text += line;
  }
  const std::int32_t wanted[] = {1, 2, 4};
  std::vector<double> values(3 * n_rows);
  double *const columns[] = {&values[0], &values[n_rows], &values[2 * n_rows]};
  std::vector<std::uint8_t> faults(n_rows);
  cyfes_parsed parsed;
  const std::int32_t isa = 1 + isa_index("x86-64-v3");
  const auto n_bytes = static_cast<std::int64_t>(text.size());
  std::printf("%lld\n", static_cast<long long>(n_bytes));
  return measured([&] {
    return cyfes_parse_rows(text.data(), n_bytes, 1, 5, 3, wanted, 0, 1, isa, n_rows, columns,
                            faults.data(), &parsed);
  });
}

int format(std::int64_t points) {
  const grid_memory memory(2, points);
  const cyfes_grid grid = memory.get();
  std::vector<double> fields[3];
  const double *pointers[3];
  for (int i = 0; i < 3; ++i) {
    for (std::int64_t k = 0; k < memory.size; ++k) fields[i].push_back(uniform(-90, 90));
    pointers[i] = fields[i].data();
  }
  return measured([&] {
    char *text = nullptr;
    std::int64_t n_bytes = 0;
    const int status =
        cyfes_format_grid(&grid, 3, pointers, 0, memory.size, 14, 9, 1, &text, &n_bytes);
    cyfes_free_text(text);
    return status;
  });
}

int run(const std::string &name, std::int64_t size, std::int64_t points) {
  const int D = name.back() == 'd' ? name[name.size() - 2] - '0' : 0;
  // The choice of the planner, which for three CVs makes it for more samples than fit here.
  if (name.rfind("kde", 0) == 0) return kde(D, size, points, CYFES_MOMENTS);
  if (name.rfind("tiles", 0) == 0) return kde(D, size, points, 2);
  if (name.rfind("hills", 0) == 0) return hills(D, size, points);
  if (name.rfind("evaluate", 0) == 0) return evaluate(D, size, points);
  if (name == "parse") return parse(size);
  if (name == "format") return format(size);
  std::fprintf(stderr, "no case %s\n", name.c_str());
  return 2;
}

}  // namespace

int main(int argc, char **argv) {
  if (argc != 4) return std::fprintf(stderr, "usage: instructions CASE SIZE POINTS\n"), 2;
  const int status = run(argv[1], std::atoll(argv[2]), std::atoll(argv[3]));
  if (status) std::fprintf(stderr, "%s: %s\n", argv[1], cyfes_error_text());
  return status;
}
