// A double as printf's "%<width>.<precision>f", whatever the locale.
//
// |x| 10^precision, 10^precision a double, is one multiplication and so one rounding, which keeps
// order: against the middle between two integers, a double as well, the product lies on the side
// of the exact value or on the middle itself. Off the middle, rounding it is rounding the exact
// value, which is what printf does. Anything else is left to print_fixed(), whose digits are exact.
#ifndef CYFES_TEXT_FIXED_HPP
#define CYFES_TEXT_FIXED_HPP

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <stdexcept>

#include "text/decimal.hpp"
#include "text/digits.hpp"

namespace cyfes {

class fixed_format {
 public:
  fixed_format(std::int32_t width, std::int32_t precision) : width_(width), precision_(precision) {
    if (width < 0 || width > 1000 || precision < 0 || precision > 1000) {
      throw std::invalid_argument("width and precision must be 0 to 1000");
    }
    const std::int32_t n_digits = std::min(width - 2, 15);  // beside a sign and a point
    narrow_ = n_digits > precision ? powers_of_ten[n_digits] : 0.0;
  }

  // Bytes that write() may touch: DBL_MAX has 309 digits before its point.
  std::int64_t room() const { return width_ + precision_ + 320; }

  // Writes `value` at `out` and returns the end.
  char *write(char *out, double value) const {
    std::uint64_t number;
    if (!scale(value, number)) return write_exactly(out, value);
    if (static_cast<double>(number) < narrow_) {
      // It fits for certain: write it in its place, over blanks.
      for (std::int32_t i = 0; i < width_; i += 8) store8(out + i, every_byte(' '));
      write_scaled(out + width_, number, std::signbit(value));
      return out + width_;
    }
    char text[40];  // 16 digits or 1 + 22, a sign and a point
    char *const end = text + sizeof text;
    const char *const start = write_scaled(end, number, std::signbit(value));
    std::memcpy(out, start, static_cast<std::size_t>(end - start));
    return align(out, out + (end - start));
  }

 private:
  // |value| 10^precision rounded to an integer; false if one product cannot tell.
  bool scale(double value, std::uint64_t &number) const {
    if (precision_ > 22) return false;
    const double scaled = std::fabs(value) * powers_of_ten[precision_];
    if (!(scaled < 0x1p52)) return false;  // also nan
    number = static_cast<std::uint64_t>(scaled);
    const double rest = scaled - static_cast<double>(number);
    number += rest > 0.5;
    return rest != 0.5;
  }

  char *write_exactly(char *out, double value) const {
    return align(out, print_fixed(out, room(), value, precision_));
  }

  // Writes `number` / 10^precision to end at `p` and returns the start.
  char *write_scaled(char *p, std::uint64_t number, bool negative) const {
    if (precision_ > 0) {
      p = write_digits(p, number, precision_);
      *--p = '.';
    }
    do {
      *--p = static_cast<char>('0' + number % 10);
      number /= 10;
    } while (number > 0);
    if (negative) *--p = '-';
    return p;
  }

  // Writes the last n digits of `number` to end at `p` and takes them off.
  static char *write_digits(char *p, std::uint64_t &number, int n) {
    for (; n >= 8; n -= 8) {
      p -= 8;
      store8(p, split_digits(static_cast<std::uint32_t>(number % 100000000)));
      number /= 100000000;
    }
    for (; n > 0; --n) {
      *--p = static_cast<char>('0' + number % 10);
      number /= 10;
    }
    return p;
  }

  // Moves the text [out, end) to the right of its field.
  char *align(char *out, char *end) const {
    const std::int64_t length = end - out;
    if (length >= width_) return end;
    std::memmove(out + width_ - length, out, static_cast<std::size_t>(length));
    std::memset(out, ' ', static_cast<std::size_t>(width_ - length));
    return out + width_;
  }

  std::int32_t width_, precision_;
  double narrow_;  // scaled numbers below it fit the width with sign and point
};

}  // namespace cyfes
#endif
