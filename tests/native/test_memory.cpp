// Memory that runs out anywhere in a call, in whichever thread, is a status and no crash: calls are
// repeated with every one of their allocations failing in turn.
//
// The linker gives the kernels the allocators of this file: --wrap for the C library's, and
// operator new, which calls them.
#include <sys/mman.h>

#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <limits>
#include <new>
#include <string>
#include <vector>

#include "check.hpp"
#include "cyfes_kernels.h"

namespace {

constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();
// Allocations until the one that fails; more fail then, or no other.
std::atomic<std::int64_t> n_left{never};
std::atomic<bool> only_one{false};

bool fails() {
  if (n_left == never) return false;
  const std::int64_t left = n_left--;
  return only_one ? left == 0 : left <= 0;
}

}  // namespace

extern "C" {
void *__real_malloc(std::size_t size);
void *__wrap_malloc(std::size_t size) { return fails() ? nullptr : __real_malloc(size); }
void *__real_realloc(void *old, std::size_t size);
void *__wrap_realloc(void *old, std::size_t size) {
  return fails() ? nullptr : __real_realloc(old, size);
}
void *__real_aligned_alloc(std::size_t alignment, std::size_t size);
void *__wrap_aligned_alloc(std::size_t alignment, std::size_t size) {
  return fails() ? nullptr : __real_aligned_alloc(alignment, size);
}
void *__real_mmap(void *at, std::size_t size, int access, int flags, int file, off_t offset);
void *__wrap_mmap(void *at, std::size_t size, int access, int flags, int file, off_t offset) {
  return fails() ? MAP_FAILED : __real_mmap(at, size, access, flags, file, offset);
}
}

void *operator new(std::size_t size) {
  if (void *const memory = std::malloc(size > 0 ? size : 1)) return memory;
  throw std::bad_alloc();
}
void operator delete(void *memory) noexcept { std::free(memory); }
void operator delete(void *memory, std::size_t) noexcept { std::free(memory); }

namespace {

using status_call = std::function<int()>;

std::int64_t allocations_of(const status_call &call) {
  n_left = never - 1;
  call();
  return never - 1 - n_left.exchange(never);
}

void check_call(const std::string &what, const status_call &call) {
  const std::int64_t n_allocations = allocations_of(call);
  // A planner's allocations are thousands of the same kind, before the others.
  for (std::int64_t n = 0; n <= n_allocations; n += n < n_allocations - 300 ? 16 : 1)
    for (const bool one : {true, false}) {
      only_one = one;
      n_left = n;
      const int status = call();
      const bool failed = n_left.exchange(never) < 0;
      check(status == (failed ? CYFES_OUT_OF_MEMORY : CYFES_OK),
            what + ": status " + std::to_string(status) + ", allocation " + std::to_string(n));
    }
}

// Kernels all over a grid of `steps` points along each CV, and of width `sigma` steps.
struct problem {
  int D;
  std::vector<std::int64_t> shape;
  std::vector<double> lower, spacing, period, centers, bandwidths, weights, density, slopes;
  cyfes_grid grid{};
  cyfes_kernel_list kernels{};
  cyfes_options options{};

  problem(int n_dims, std::int64_t steps, std::int64_t n_kernels, bool covariance, double sigma,
          int method)
      : D(n_dims),
        shape(D, steps),
        lower(D, 0.0),
        spacing(D, 1.0),
        period(D, 0.0),
        weights(n_kernels, 1.0) {
    for (std::int64_t i = 0; i < n_kernels * D; ++i)
      centers.push_back(std::fmod(static_cast<double>(i) * 0.754877666246693, 1.0) *
                        static_cast<double>(steps));
    const int n_scales = covariance ? D * (D + 1) / 2 : D;
    for (int i = 0; i < D; ++i)
      if (covariance)
        for (int j = 0; j <= i; ++j) bandwidths.push_back(i == j ? 1 / (sigma * sigma) : 0.0);
      else
        bandwidths.push_back(sigma);
    std::size_t size = 1;
    for (int d = 0; d < D; ++d) size *= static_cast<std::size_t>(steps);
    density.resize(size);
    slopes.resize(size * D);
    grid = {D, shape.data(), lower.data(), spacing.data(), period.data()};
    kernels = {n_kernels, 1, n_scales, centers.data(), bandwidths.data(), weights.data(), nullptr};
    options = {7.0, CYFES_GAUSSIAN, CYFES_ALL_IMAGES, 1, 0, 0, 1e-9, 0.0, method, nullptr};
  }
  problem(const problem &) = delete;
};

constexpr int thread_counts[] = {1, 2, 5};

void check_spread(const char *what, problem &&p) {
  for (const int threads : thread_counts) {
    p.options.n_threads = threads;
    check_call(
        std::string(what) + " D=" + std::to_string(p.D) + " threads=" + std::to_string(threads),
        [&] {
          return cyfes_cpu_backend()->spread_f64(&p.grid, &p.kernels, &p.options, p.density.data(),
                                                 p.slopes.data());
        });
  }
}

void check_evaluate(const char *what, problem &&p) {
  for (const int threads : thread_counts) {
    p.options.n_threads = threads;
    check_call(std::string(what) + " threads=" + std::to_string(threads), [&] {
      return cyfes_cpu_backend()->evaluate_f64(p.D, p.period.data(), &p.kernels,
                                               p.kernels.n_kernels, p.centers.data(), &p.options,
                                               p.density.data(), nullptr);
    });
  }
}

void check_sums() {
  for (int D = 1; D <= CYFES_MAX_DIMS; ++D) {
    const std::int64_t steps = D == 1 ? 640 : D == 2 ? 80 : 8;  // a part for every thread
    check_spread("stamps", {D, steps, 20, false, 1.0, CYFES_STAMPS});
    if (D > 1) check_spread("stamps of covariances", {D, steps, 20, true, 1.0, CYFES_STAMPS});
    if (D > 1) check_spread("tiles", {D, steps, 20, false, 1.0, CYFES_TILES});
    if (D < 4) check_spread("moments", {D, steps, 100, false, 2.0, CYFES_MOMENTS});
  }
  // Several tables, more cells than a table has, and blocks of whole pages.
  check_spread("tables of moments", {2, 16, 300000, false, 2.0, CYFES_MOMENTS});
  check_spread("sorted samples", {2, 300, 100000, false, 1.0, CYFES_MOMENTS});
  check_spread("sorted samples", {3, 48, 100000, false, 1.0, CYFES_MOMENTS});
  check_evaluate("points", {2, 32, 300, false, 1.0, CYFES_AUTOMATIC});
  check_evaluate("points and covariances", {2, 32, 300, true, 1.0, CYFES_AUTOMATIC});
}

void check_weights() {
  const std::vector<double> logarithms(300000, -1.0);
  const auto n = static_cast<std::int64_t>(logarithms.size());
  std::vector<double> weights(logarithms.size());
  cyfes_options options{};
  double sums[2];
  for (const int threads : thread_counts) {
    options.n_threads = threads;
    check_call("weights", [&] {
      return cyfes_cpu_weigh(n, logarithms.data(), 0.0, &options, weights.data(), sums);
    });
  }
}

void check_nodes() {
  const std::int64_t n = 5000, cells[] = {9, 13}, ends[] = {1000, 1000, n};
  const double lower[] = {0, 0}, step[] = {1, 1}, period[] = {0, 13};
  const cyfes_grid net = {2, cells, lower, step, period};
  std::vector<double> centers(2 * n), weights(n, 1.0);
  for (double &x : centers) x = uniform(-3, 16);
  const std::int64_t rows[] = {cells[0] + CYFES_NODES - 1, cells[1] + CYFES_NODES - 1};
  std::vector<double> nodes(3 * rows[0] * rows[1]), values(3 * 10 * 16);
  std::vector<double> first(rows[0] * 16, 1.0), second(rows[1] * 16, 1.0);
  const std::int64_t ranges[] = {0, rows[0], 3, rows[0]}, others[] = {0, rows[1], 0, 7};
  const cyfes_matrix matrices[] = {{rows[0], 10, 16, first.data(), ranges},
                                   {rows[1], 16, 16, second.data(), others}};
  cyfes_options options{};
  for (const int threads : thread_counts) {
    options.n_threads = threads;
    check_call("nodes", [&] {
      return cyfes_cpu_nodes(&net, 0.9, 3, ends, centers.data(), weights.data(), &options,
                             nodes.data());
    });
    check_call("nodes to grid", [&] {
      return cyfes_cpu_nodes_to_grid(2, matrices, 3, nodes.data(), &options, values.data());
    });
    check_call("nodes to a line", [&] {
      return cyfes_cpu_nodes_to_grid(1, matrices, 3, nodes.data(), &options, values.data());
    });
  }
}

void check_text() {
  std::string text;
  while (text.size() < 600000) text += " 1.25 -3.5e-2\n";
  const auto size = static_cast<std::int64_t>(text.size()), room = size / 2 + 1;
  std::vector<double> first(room), second(room);
  std::vector<std::uint8_t> faults(room);
  double *const columns[] = {first.data(), second.data()};
  const std::int32_t wanted[] = {0, 1};
  problem p(2, 100, 0, false, 1.0, CYFES_AUTOMATIC);
  const double *const fields[] = {p.density.data()};
  for (const int threads : thread_counts) {
    check_call("parse_rows", [&] {
      cyfes_parsed parsed;
      return cyfes_parse_rows(text.data(), size, 1, 2, 2, wanted, 0, threads, 0, room, columns,
                              faults.data(), &parsed);
    });
    check_call("format_grid", [&] {
      char *printed = nullptr;
      std::int64_t n_bytes = 0;
      const int status =
          cyfes_format_grid(&p.grid, 1, fields, 0, 10000, 14, 9, threads, &printed, &n_bytes);
      cyfes_free_text(printed);
      return status;
    });
  }
}

}  // namespace

int main() {
  check_sums();
  check_weights();
  check_nodes();
  check_text();
  std::printf("%d calls short of memory, or just not; %d failed\n", n_checks, n_failures);
  return n_failures != 0;
}
