// Weights of samples from their logarithms, and their sums.
#ifndef CYFES_CPU_PER_ISA_WEIGHT_LOOPS_HPP
#define CYFES_CPU_PER_ISA_WEIGHT_LOOPS_HPP

#include "cpu/per_isa/simd.hpp"

namespace {

// 2^n for whole n in [-1022, 1023].
inline vec_t<double> whole_power_of_two(vec_t<double> n) {
  const vec_t<double> shifted = n + (0x1.8p52 + 1023);
  ivec_t<double> bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits <<= 52;
  vec_t<double> power;
  std::memcpy(&power, &bits, sizeof power);
  return power;
}

// exp(x) 2^-exponent for any x, -inf included, for which that is at most 2. The whole exponent
// never meets the fraction: another one gives the same digits.
inline vec_t<double> scaled_exponential(vec_t<double> x, double exponent) {
  using vec = vec_t<double>;
  const vec wanted = x * 1.4426950408889634074;
  const ivec_t<double> has_fraction = (wanted < 0x1p51) & (wanted > -0x1p51);
  const vec n = has_fraction ? (wanted + 0x1.8p52) - 0x1.8p52 : wanted;
  const vec r = (x - n * 0x1.62e42fefa38p-1) - n * 0x1.ef35793c7673p-45;
  vec power = n - exponent;
  power = power < -2000.0 ? vec{} - 2000.0 : power;
  // In two steps, as the result may be subnormal.
  const vec half = (0.5 * power + 0x1.8p52) - 0x1.8p52;
  const vec y = has_fraction ? exponential_series(r) : vec{} + 1.0;
  return y * whole_power_of_two(half) * whole_power_of_two(power - half);
}

struct weight_sums {
  vec_t<double> sum = {}, squares = {};

  void add(vec_t<double> w) {
    sum += w;
    squares += w * w;
  }
  void put(double *to) const {
    to[0] = to[1] = 0;
    for (int l = 0; l < simd<double>::width; ++l) {
      to[0] += sum[l];
      to[1] += squares[l];
    }
  }
};

inline void weigh(const double *log_weights, std::int64_t n, double exponent, double *weights,
                  double *sums) {
  constexpr int width = simd<double>::width;
  weight_sums all;
  std::int64_t i = 0;
  for (; i + width <= n; i += width) {
    const vec_t<double> w = scaled_exponential(load(log_weights + i), exponent);
    store(weights + i, w);
    all.add(w);
  }
  if (i < n) {
    vec_t<double> last = {};
    std::memcpy(&last, log_weights + i, (n - i) * sizeof(double));
    vec_t<double> w = scaled_exponential(last, exponent);
    std::memcpy(weights + i, &w, (n - i) * sizeof(double));
    for (int l = static_cast<int>(n - i); l < width; ++l) w[l] = 0;
    all.add(w);
  }
  all.put(sums);
}

inline void sum_weights(const double *weights, std::int64_t n, double *sums) {
  constexpr int width = simd<double>::width;
  weight_sums all;
  std::int64_t i = 0;
  for (; i + width <= n; i += width) all.add(load(weights + i));
  vec_t<double> last = {};
  std::memcpy(&last, weights + i, (n - i) * sizeof(double));
  all.add(last);
  all.put(sums);
}

}  // namespace
#endif
