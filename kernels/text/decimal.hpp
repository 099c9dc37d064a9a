// Doubles from decimal text and to it, exactly and whatever the locale, by the standard library.
//
// libc++ reads no doubles before LLVM 20, and writes them on macOS from 13.3 on only. There the C
// library does it, in the locale "C".
#ifndef CYFES_TEXT_DECIMAL_HPP
#define CYFES_TEXT_DECIMAL_HPP

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>

#ifdef _LIBCPP_VERSION
#include <locale.h>
#endif
#ifdef __APPLE__
#include <xlocale.h>
#endif

namespace cyfes {

#ifdef _LIBCPP_VERSION
inline locale_t plain_locale() {
  static const locale_t plain = newlocale(LC_ALL_MASK, "C", nullptr);
  return plain;
}
#endif

// Any unsigned decimal of n_digits digits, the last of which counts 10^power.
inline double round_decimal(const char *p, const char *end, [[maybe_unused]] std::int64_t n_digits,
                            [[maybe_unused]] std::int64_t power) {
#ifdef _LIBCPP_VERSION
  return strtod_l(std::string(p, end).c_str(), nullptr, plain_locale());
#else
  double magnitude = 0.0;
  if (std::from_chars(p, end, magnitude).ec != std::errc::result_out_of_range) return magnitude;
  for (; *p == '0' || *p == '.'; ++p) n_digits -= *p == '0';
  return n_digits + power > 0 ? std::numeric_limits<double>::infinity() : 0.0;
#endif
}

// Writes printf's "%.<precision>f" at `out`, which has `room` bytes, enough, and returns the end.
inline char *print_fixed(char *out, std::int64_t room, double value, std::int32_t precision) {
#ifdef __APPLE__
  return out +
         snprintf_l(out, static_cast<std::size_t>(room), plain_locale(), "%.*f", precision, value);
#else
  return std::to_chars(out, out + room, value, std::chars_format::fixed, precision).ptr;
#endif
}

}  // namespace cyfes
#endif
