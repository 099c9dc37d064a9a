// Decimal text to the nearest double.
//
// Digits are read eight at a time: eight bytes are one 64-bit integer whose digit values are
// combined in pairs by three multiplications. What scale_exactly() cannot scale is rounded by
// round_decimal().
#ifndef CYFES_TEXT_NUMBER_HPP
#define CYFES_TEXT_NUMBER_HPP

#include <cstdint>
#include <limits>

#include "text/decimal.hpp"
#include "text/digits.hpp"

namespace cyfes {

// Index of the lowest byte with its top bit set in `marks`, which has one.
inline int first_mark(std::uint64_t marks) { return __builtin_ctzll(marks) / 8; }

inline bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Appends the digits at `p` to `mantissa` (modulo 2^64) and returns their end.
inline const char *read_digits(const char *p, const char *end, std::uint64_t &mantissa) {
  while (end - p >= 8) {
    const std::uint64_t digits = load8(p) ^ every_byte('0');
    // Marks bytes above 9. A carry only spoils bytes after the first mark.
    const std::uint64_t marks = ((digits + every_byte(0x80 - 10)) | digits) & every_byte(0x80);
    if (marks == 0) {
      mantissa = mantissa * integer_powers[8] + join_digits(digits);
      p += 8;
      continue;
    }
    const int n = first_mark(marks);
    // Shifting the digits up puts zeros in front of them.
    if (n > 0) mantissa = mantissa * integer_powers[n] + join_digits(digits << (64 - 8 * n));
    return p + n;
  }
  for (; p < end && is_digit(*p); ++p) mantissa = mantissa * 10 + static_cast<unsigned>(*p - '0');
  return p;
}

// Adds the exponent at `p` (after the 'e') to `power`; null if there is none.
inline const char *read_exponent(const char *p, const char *end, std::int64_t &power) {
  const bool negative = p < end && *p == '-';
  if (p < end && (*p == '-' || *p == '+')) ++p;
  const char *const digits = p;
  std::int64_t exponent = 0;
  for (; p < end && is_digit(*p); ++p) {
    if (exponent < 1'000'000'000) exponent = exponent * 10 + (*p - '0');
  }
  power += negative ? -exponent : exponent;
  return p == digits ? nullptr : p;
}

// "inf", "infinity" or "nan" in any case; null if it is none of them.
inline const char *read_word(const char *p, const char *end, double &magnitude) {
  const auto starts_with = [&](const char *word, std::ptrdiff_t n) {
    if (end - p < n) return false;
    for (std::ptrdiff_t i = 0; i < n; ++i) {
      if ((p[i] | 0x20) != word[i]) return false;
    }
    return true;
  };
  magnitude = std::numeric_limits<double>::infinity();
  if (starts_with("infinity", 8)) return p + 8;
  if (starts_with("inf", 3)) return p + 3;
  magnitude = std::numeric_limits<double>::quiet_NaN();
  return starts_with("nan", 3) ? p + 3 : nullptr;
}

// Reads the unsigned decimal at `text` and returns its end, or null if there is none.
inline const char *read_decimal(const char *text, const char *end, double &magnitude) {
  std::uint64_t mantissa = 0;
  const char *p = read_digits(text, end, mantissa);
  std::int64_t n_digits = p - text, power = 0;
  if (p < end && *p == '.') {
    const char *const fraction = p + 1;
    p = read_digits(fraction, end, mantissa);
    power = fraction - p;
    n_digits -= power;
  }
  if (n_digits == 0) return nullptr;
  if (p < end && (*p | 0x20) == 'e') p = read_exponent(p + 1, end, power);
  if (p != nullptr && !(n_digits <= 19 && scale_exactly(mantissa, power, magnitude))) {
    magnitude = round_decimal(text, p, n_digits, power);
  }
  return p;
}

// Reads the number at `text` (what Python's float() accepts, but for underscores) and returns its
// end, or null if there is none.
inline const char *read_number(const char *text, const char *end, double &value) {
  const bool negative = text < end && *text == '-';
  text += negative || (text < end && *text == '+');
  double magnitude = 0.0;
  const bool is_decimal = text < end && (is_digit(*text) || *text == '.');
  const char *const after =
      is_decimal ? read_decimal(text, end, magnitude) : read_word(text, end, magnitude);
  value = with_sign(magnitude, negative);
  return after;
}

}  // namespace cyfes
#endif
