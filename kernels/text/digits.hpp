// Digits to numbers and back, eight or sixteen at a time, and the decimals that scale exactly.
//
// Like cpu/per_isa/simd.hpp, this and the headers built on it in per_isa define nothing weak: all
// of it is in an anonymous namespace and calls no std:: template.
#ifndef CYFES_TEXT_DIGITS_HPP
#define CYFES_TEXT_DIGITS_HPP

// With CYFES_PORTABLE, what other processors run is compiled here, too, to be tested.
#if defined(__SSE2__) && !defined(CYFES_PORTABLE)
#define CYFES_SSE2
#include <immintrin.h>
#endif

#include <cfloat>
#include <cstdint>
#include <cstring>

namespace cyfes {
namespace {

static_assert(FLT_EVAL_METHOD == 0, "exact scaling needs doubles that round as doubles");

constexpr double powers_of_ten[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

constexpr std::uint64_t integer_powers[] = {1,
                                            10,
                                            100,
                                            1000,
                                            10000,
                                            100000,
                                            1000000,
                                            10000000,
                                            100000000,
                                            1000000000,
                                            10000000000,
                                            100000000000,
                                            1000000000000,
                                            10000000000000,
                                            100000000000000,
                                            1000000000000000,
                                            10000000000000000,
                                            100000000000000000,
                                            1000000000000000000,
                                            10000000000000000000u};

constexpr std::uint64_t every_byte(std::uint64_t byte) { return byte * 0x0101010101010101u; }

// Eight bytes of text, the first one lowest.
inline std::uint64_t load8(const char *text) {
  std::uint64_t word;
  std::memcpy(&word, text, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  word = __builtin_bswap64(word);
#endif
  return word;
}

inline void store8(char *text, std::uint64_t word) {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  word = __builtin_bswap64(word);
#endif
  std::memcpy(text, &word, sizeof word);
}

// The top bit of each byte of `word` that is below n <= 128; no carry leaves a byte.
constexpr std::uint64_t mark_below(std::uint64_t word, std::uint64_t n) {
  const std::uint64_t top = every_byte(0x80);
  return ~(((word & ~top) + every_byte(0x80 - n)) | word) & top;
}

constexpr std::uint64_t mark_equal(std::uint64_t word, char c) {
  return mark_below(word ^ every_byte(static_cast<unsigned char>(c)), 1);
}

// Bit i is the top bit of byte i of eight.
constexpr std::uint64_t gather_marks(std::uint64_t marks) {
  return ((marks >> 7 & every_byte(1)) * 0x0102040810204080u) >> 56;
}

// Value of eight digits (bytes 0..9, most significant lowest): pairs, then fours, then all eight.
inline std::uint64_t join_digits(std::uint64_t digits) {
  digits = (digits * 10 + (digits >> 8)) & 0x00ff00ff00ff00ffu;
  digits = (digits * 100 + (digits >> 16)) & 0x0000ffff0000ffffu;
  return (digits * 10000 + (digits >> 32)) & 0xffffffffu;
}

// The inverse: eight digits of text from a number below 10^8. The products are exact quotients by
// 100 and 10 for operands below 10^4 and 10^2.
inline std::uint64_t split_digits(std::uint32_t number) {
  std::uint64_t digits = number / 10000 | std::uint64_t{number % 10000} << 32;
  const std::uint64_t hundreds = (digits * 5243 >> 19) & 0x0000007f0000007fu;
  digits = hundreds | (digits - hundreds * 100) << 16;
  const std::uint64_t tens = (digits * 103 >> 10) & 0x000f000f000f000fu;
  digits = tens | (digits - tens * 10) << 8;
  return digits | every_byte('0');
}

// mantissa / 10^n, n <= 19, correctly rounded: the quotient of integers has 63 or 64 bits, the
// last of which also stands for the remainder, and is rounded once, by its conversion.
inline double round_quotient(std::uint64_t mantissa, int n) {
  if (mantissa == 0) return 0.0;
  const int up = __builtin_clzll(mantissa), down = __builtin_clzll(integer_powers[n]);
  const std::uint64_t divisor = integer_powers[n] << down;
  __extension__ typedef unsigned __int128 wide;
  const wide dividend = wide{mantissa << up} << 63;
  const std::uint64_t quotient = static_cast<std::uint64_t>(dividend / divisor);
  const std::uint64_t rest = static_cast<std::uint64_t>(dividend) - quotient * divisor;
  const std::uint64_t scale = static_cast<std::uint64_t>(1023 + down - up - 63) << 52;
  double power_of_two;
  std::memcpy(&power_of_two, &scale, sizeof scale);
  return static_cast<double>(quotient | (rest != 0)) * power_of_two;
}

// A sign is a coin toss, on which a branch would be mispredicted.
inline double with_sign(double magnitude, bool negative) {
  std::uint64_t bits;
  std::memcpy(&bits, &magnitude, sizeof bits);
  bits |= std::uint64_t{negative} << 63;
  std::memcpy(&magnitude, &bits, sizeof bits);
  return magnitude;
}

// mantissa 10^power, correctly rounded; false where there is no exact way. With both operands
// doubles, one multiplication or division rounds once (W. D. Clinger, PLDI 1990).
inline bool scale_exactly(std::uint64_t mantissa, std::int64_t power, double &magnitude) {
  constexpr std::uint64_t largest = std::uint64_t{1} << 53;
  if (mantissa <= largest && power >= -22 && power <= 22) {
    const double digits = static_cast<double>(static_cast<std::int64_t>(mantissa));
    magnitude = power < 0 ? digits / powers_of_ten[-power] : digits * powers_of_ten[power];
    return true;
  }
  if (power > 0 || power < -19) return false;
  magnitude = round_quotient(mantissa, static_cast<int>(-power));
  return true;
}

}  // namespace
}  // namespace cyfes
#endif
