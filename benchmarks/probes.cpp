// What the machine can do, measured beside the kernels: multiply-adds, copies, reads, printf.
// Compiled when the benchmarks start, for the processor at hand.
#include <omp.h>

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstring>

namespace {

#if defined(__AVX512F__)
constexpr int width = 8;
#elif defined(__AVX__)
constexpr int width = 4;
#else
constexpr int width = 2;
#endif
typedef double vec __attribute__((vector_size(width * sizeof(double)), aligned(8)));

// Enough independent sums to hide the latency of a fused multiply-add, few enough for registers.
constexpr int n_sums = 12;

double chains(std::int64_t steps) {
  vec sums[n_sums];
  for (int i = 0; i < n_sums; ++i) sums[i] = vec{} + (1.0 + i);
  const vec factor = vec{} + 0.999999, addend = vec{} + 1e-6;
  for (std::int64_t step = 0; step < steps; ++step)
#pragma GCC unroll 12
    for (int i = 0; i < n_sums; ++i) sums[i] = sums[i] * factor + addend;
  vec total = {};
  for (const vec &sum : sums) total += sum;
  double result = 0;
  for (int i = 0; i < width; ++i) result += total[i];
  return result;
}

// Thread t of n works on [begin(t), begin(t + 1)).
std::int64_t begin(std::int64_t size, int t, int n) { return size * t / n; }

}  // namespace

extern "C" {

// Returns the floating-point operations done, two a multiply-add; *result keeps them alive.
double probe_multiply_add(std::int64_t steps, int n_threads, double *result) {
  double total = 0;
#pragma omp parallel num_threads(n_threads) reduction(+ : total)
  total += chains(steps);
  *result = total;
  return 2.0 * n_sums * width * static_cast<double>(steps) * n_threads;
}

void probe_copy(const double *from, double *to, std::int64_t n, int n_threads) {
#pragma omp parallel num_threads(n_threads)
  {
    const int t = omp_get_thread_num(), all = omp_get_num_threads();
    const std::int64_t first = begin(n, t, all);
    std::memcpy(to + first, from + first, (begin(n, t + 1, all) - first) * sizeof(double));
  }
}

double probe_read(const double *from, std::int64_t n, int n_threads) {
  double total = 0;
#pragma omp parallel num_threads(n_threads) reduction(+ : total)
  {
    const int t = omp_get_thread_num(), all = omp_get_num_threads();
    const std::int64_t last = begin(n, t + 1, all);
    vec sums[4] = {};
    std::int64_t i = begin(n, t, all);
    for (; i + 4 * width <= last; i += 4 * width)
      for (int j = 0; j < 4; ++j) sums[j] += *reinterpret_cast<const vec *>(from + i + j * width);
    const vec sum = sums[0] + sums[1] + sums[2] + sums[3];
    for (int j = 0; j < width; ++j) total += sum[j];
    for (; i < last; ++i) total += from[i];
  }
  return total;
}

// Writes n numbers as " %14.9f"; `text` holds at least 400 bytes a number. Returns the length.
std::int64_t probe_printf(const double *numbers, std::int64_t n, char *text) {
  char *end = text;
  for (std::int64_t i = 0; i < n; ++i) end += std::sprintf(end, " %14.9f", numbers[i]);
  return end - text;
}

// The same digits by std::to_chars, which does not pad.
std::int64_t probe_to_chars(const double *numbers, std::int64_t n, char *text) {
  char *end = text;
  for (std::int64_t i = 0; i < n; ++i) {
    *end++ = ' ';
    end = std::to_chars(end, end + 400, numbers[i], std::chars_format::fixed, 9).ptr;
  }
  return end - text;
}

}  // extern "C"
