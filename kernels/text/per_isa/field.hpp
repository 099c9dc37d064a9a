// The commonest fields to doubles without a branch on their length or on where their point is.
//
// Two windows of text are loaded, one that ends with the field and one that ends a byte before.
// Taking what follows the point from the first and the rest from the second closes the gap where
// the point was. As digits end where a window does, clearing what is before them is all that
// their number asks for.
#ifndef CYFES_TEXT_PER_ISA_FIELD_HPP
#define CYFES_TEXT_PER_ISA_FIELD_HPP

#include "text/digits.hpp"

namespace cyfes {
namespace {

typedef unsigned char window __attribute__((vector_size(16)));

// Bytes before the end of a field that read_field may look at.
constexpr std::int64_t field_room = 33;

inline window load_window(const void *p) {
  window bytes;
  std::memcpy(&bytes, p, sizeof bytes);
  return bytes;
}

constexpr unsigned char zeros_and_ones[32] = {
    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

// Ones in the last n of 16 bytes.
inline window last_bytes(std::int64_t n) { return load_window(zeros_and_ones + n); }

// Value of 16 digits (bytes 0..9, the first most significant).
inline std::uint64_t join_window(window digits) {
#if defined(CYFES_SSE2)
  const __m128i bytes = reinterpret_cast<__m128i>(digits);
#if defined(__SSSE3__)
  const __m128i pairs = _mm_maddubs_epi16(bytes, _mm_set1_epi16(1 << 8 | 10));
#else
  const __m128i tens = _mm_and_si128(bytes, _mm_set1_epi16(0xff));
  const __m128i pairs =
      _mm_add_epi16(_mm_mullo_epi16(tens, _mm_set1_epi16(10)), _mm_srli_epi16(bytes, 8));
#endif
  const __m128i fours = _mm_madd_epi16(pairs, _mm_set1_epi32(1 << 16 | 100));
  const __m128i packed = _mm_packs_epi32(fours, fours);
  const __m128i eights = _mm_madd_epi16(packed, _mm_set1_epi32(1 << 16 | 10000));
  const std::uint64_t both = static_cast<std::uint64_t>(_mm_cvtsi128_si64(eights));
  return (both & 0xffffffffu) * 100000000u + (both >> 32);
#else
  char text[16];
  std::memcpy(text, &digits, sizeof text);
  return join_digits(load8(text)) * 100000000u + join_digits(load8(text + 8));
#endif
}

// Bit i tells whether byte i of 16 is a point.
inline std::uint32_t find_points(window bytes) {
#if defined(CYFES_SSE2)
  const __m128i points = _mm_cmpeq_epi8(reinterpret_cast<__m128i>(bytes), _mm_set1_epi8('.'));
  return static_cast<std::uint32_t>(_mm_movemask_epi8(points));
#else
  char text[16];
  std::memcpy(text, &bytes, sizeof text);
  const std::uint64_t low = gather_marks(mark_equal(load8(text), '.'));
  const std::uint64_t high = gather_marks(mark_equal(load8(text + 8), '.'));
  return static_cast<std::uint32_t>(low | high << 8);
#endif
}

inline bool all_digits(window digits) {
  const auto excess = reinterpret_cast<window>(digits > 9);
  std::uint64_t words[2];
  std::memcpy(words, &excess, sizeof words);
  return (words[0] | words[1]) == 0;
}

// The digits in one window: n_after from behind the point, n in all.
inline window gather_digits(const char *end, std::int64_t n_after, std::int64_t n) {
  const window after = last_bytes(n_after);
  const window text = (load_window(end - 16) & after) | (load_window(end - 17) & ~after);
  return (text ^ '0') & last_bytes(n);
}

// Reads [+-]digits[.digits] of at most 32 characters behind the sign, which is all of
// [begin, end); false for anything else, and for what only a longer way rounds correctly.
// field_room bytes before `end` can be read.
inline bool read_field(const char *begin, const char *end, double &value) {
  const bool negative = *begin == '-';
  std::int64_t n = end - begin - (negative | (*begin == '+'));
  double magnitude;
  if (n < 16) {
    const std::uint32_t points = find_points(load_window(end - 16)) << 16 & ~(0xffffffffu >> n);
    const std::int64_t n_after = points ? __builtin_clz(points) : 0;
    n -= points != 0;
    const window digits = gather_digits(end, points ? n_after : 16, n);
    if (n == 0 || !all_digits(digits)) return false;
    magnitude = static_cast<double>(static_cast<std::int64_t>(join_window(digits)));
    magnitude /= powers_of_ten[n_after];
  } else {
    if (n > 32) return false;
    const std::uint64_t points = (std::uint64_t{find_points(load_window(end - 16))} << 48 |
                                  std::uint64_t{find_points(load_window(end - 32))} << 32) &
                                 ~(0xffffffffffffffffu >> n);
    const std::int64_t n_after = points ? __builtin_clzll(points) : 0;
    n -= points != 0;
    const std::int64_t from_after = points ? n_after : 32;
    const std::int64_t low_after = from_after < 16 ? from_after : 16, low_n = n < 16 ? n : 16;
    const window low = gather_digits(end, low_after, low_n);
    const window high = gather_digits(end - 16, from_after - low_after, n - low_n);
    const std::uint64_t leading = join_window(high);
    if (!all_digits(low) || !all_digits(high) || leading >= 1844) return false;
    const std::uint64_t mantissa = leading * 10000000000000000u + join_window(low);
    if (!scale_exactly(mantissa, -n_after, magnitude)) return false;
  }
  value = with_sign(magnitude, negative);
  return true;
}

}  // namespace
}  // namespace cyfes
#endif
