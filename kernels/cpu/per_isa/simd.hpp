// SIMD vocabulary: GCC vector extensions, which gcc and clang compile for any instruction set
// without a header or a library, one width per instruction set.
//
// What was weighed: std::experimental::simd says the same things, but is complete only in
// libstdc++, and its templates are std:: code that each instruction set would leave weak copies
// of. Google Highway knows more instructions and has its own dispatch at run time, but is a
// dependency for every packager, and the hot loops need no more than arithmetic, comparisons,
// selections and conversions, which these extensions compile to the instructions one would write
// by hand.
//
// Everything here and in the headers built on it lives in an anonymous namespace and calls no
// std:: template: a weak symbol compiled for AVX-512 could otherwise be linked into code that
// runs on a processor without it.
#ifndef CYFES_CPU_PER_ISA_SIMD_HPP
#define CYFES_CPU_PER_ISA_SIMD_HPP

#include <cstdint>
#include <cstring>

namespace {

#if defined(__AVX512F__)
constexpr int simd_bytes = 64;
#elif defined(__AVX__)
constexpr int simd_bytes = 32;
#else
constexpr int simd_bytes = 16;
#endif

template <class real>
struct simd;

template <>
struct simd<double> {
  typedef double vec __attribute__((vector_size(simd_bytes)));
  typedef std::int64_t integer;
  typedef integer ivec __attribute__((vector_size(simd_bytes)));
  typedef std::uint64_t whole;
  typedef whole uvec __attribute__((vector_size(simd_bytes)));
  static constexpr integer lowest = static_cast<integer>(~(~whole{0} >> 1));
  typedef double wide __attribute__((vector_size(simd_bytes)));
  static constexpr int width = simd_bytes / 8;
};

template <>
struct simd<float> {
  typedef float vec __attribute__((vector_size(simd_bytes)));
  typedef std::int32_t integer;
  typedef integer ivec __attribute__((vector_size(simd_bytes)));
  typedef std::uint32_t whole;
  typedef whole uvec __attribute__((vector_size(simd_bytes)));
  static constexpr integer lowest = static_cast<integer>(~(~whole{0} >> 1));
  typedef double wide __attribute__((vector_size(2 * simd_bytes)));
  static constexpr int width = simd_bytes / 4;
};

template <class real>
using vec_t = typename simd<real>::vec;
template <class real>
using ivec_t = typename simd<real>::ivec;
template <class real>
using uvec_t = typename simd<real>::uvec;
// As many doubles as a vector of `real` has elements.
template <class real>
using wide_t = typename simd<real>::wide;

template <class real>
inline vec_t<real> load(const real *from) {
  vec_t<real> v;
  std::memcpy(&v, from, sizeof v);
  return v;
}

template <class real>
inline void store(real *to, vec_t<real> v) {
  std::memcpy(to, &v, sizeof v);
}

template <class real>
inline vec_t<real> broadcast(real x) {
  return x - vec_t<real>{};  // which costs nothing; an addition would, to turn -0.0 into 0.0
}

// exp(r) for |r| <= ln 2 / 2.
inline vec_t<double> exponential_series(vec_t<double> r) {
  vec_t<double> p = broadcast(1.0 / 6227020800.0);
  p = p * r + 1.0 / 479001600.0;
  p = p * r + 1.0 / 39916800.0;
  p = p * r + 1.0 / 3628800.0;
  p = p * r + 1.0 / 362880.0;
  p = p * r + 1.0 / 40320.0;
  p = p * r + 1.0 / 5040.0;
  p = p * r + 1.0 / 720.0;
  p = p * r + 1.0 / 120.0;
  p = p * r + 1.0 / 24.0;
  p = p * r + 1.0 / 6.0;
  p = p * r + 0.5;
  p = p * r + 1.0;
  p = p * r + 1.0;
  return p;
}

// exp(x), relative error below 2 ulp; 0 where the result would be subnormal; not for x above
// the logarithm of the largest number.
// x = n ln 2 + r, |r| <= ln 2 / 2; exp(r) by its Taylor polynomial (degree 13: remainder 4e-18,
// degree 7 in single precision: 7e-9); 2^n by writing the exponent bits.
inline vec_t<double> exponential(vec_t<double> x) {
  using vec = vec_t<double>;
  using ivec = ivec_t<double>;
  const vec magic = broadcast(0x1.8p52);  // adding it rounds to an integer in the low bits
  const vec shifted = x * 1.4426950408889634074 + magic;
  const vec n = shifted - magic;
  const vec r = (x - n * 0x1.62e42fefa38p-1) - n * 0x1.ef35793c7673p-45;
  const vec p = exponential_series(r);
  ivec bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  const ivec exponent = (bits + 1023) << 52;
  vec scale;
  std::memcpy(&scale, &exponent, sizeof scale);
  const ivec too_small = x < -708.0;
  const vec y = p * scale;
  ivec result;
  std::memcpy(&result, &y, sizeof result);
  result &= ~too_small;
  vec out;
  std::memcpy(&out, &result, sizeof out);
  return out;
}

inline vec_t<float> exponential(vec_t<float> x) {
  using vec = vec_t<float>;
  using ivec = ivec_t<float>;
  const vec magic = broadcast(0x1.8p23f);
  const vec shifted = x * 1.44269504088896341f + magic;
  const vec n = shifted - magic;
  const vec r = (x - n * 0x1.62e4p-1f) - n * 0x1.7f7d1cp-20f;
  vec p = broadcast(1.0f / 5040.0f);
  p = p * r + 1.0f / 720.0f;
  p = p * r + 1.0f / 120.0f;
  p = p * r + 1.0f / 24.0f;
  p = p * r + 1.0f / 6.0f;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  ivec bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  const ivec exponent = (bits + 127) << 23;
  vec scale;
  std::memcpy(&scale, &exponent, sizeof scale);
  const ivec too_small = x < -87.0f;
  const vec y = p * scale;
  ivec result;
  std::memcpy(&result, &y, sizeof result);
  result &= ~too_small;
  vec out;
  std::memcpy(&out, &result, sizeof out);
  return out;
}

}  // namespace
#endif
