// Numbers to text against printf, and text to numbers against strtod, bit by bit.
//
//   exact_text N_WRITTEN N_READ [SEED]
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>

#include "text/fixed.hpp"
#include "text/number.hpp"
#include "text/per_isa/field.hpp"

namespace {

std::mt19937_64 engine;
int n_failures = 0;

std::int64_t whole(std::int64_t low, std::int64_t high) {
  return low + static_cast<std::int64_t>(engine() % static_cast<std::uint64_t>(high - low + 1));
}

double from_bits(std::uint64_t bits) {
  double value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

std::uint64_t bits_of(double value) {
  std::uint64_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

double neighbour(double value, std::int64_t steps) {
  return from_bits(bits_of(value) + static_cast<std::uint64_t>(steps));
}

// Any bits; the sizes that energies have; middles between two texts and their neighbours; integers;
// powers of ten and two and what surrounds them.
double random_double(int precision) {
  const double power = std::pow(10.0, precision);
  switch (whole(0, 6)) {
    case 0: {
      const double value = from_bits(engine());
      return std::isfinite(value) ? value : 1.0;
    }
    case 1:
    case 2:
      return std::ldexp(static_cast<double>(whole(-1000000000000, 1000000000000)),
                        static_cast<int>(whole(-60, 0)));
    case 3:
      return neighbour((static_cast<double>(whole(0, 1000000000)) + 0.5) / power, whole(-2, 2));
    case 4:
      return static_cast<double>(whole(-1000000, 1000000)) / static_cast<double>(1 << whole(0, 12));
    case 5:
      return neighbour(std::pow(10.0, static_cast<double>(whole(-12, 22))), whole(-2, 2));
    default:
      return neighbour(std::ldexp(1.0, static_cast<int>(whole(-60, 70))), whole(-2, 2));
  }
}

void check_written(std::int64_t n) {
  constexpr int formats[][2] = {{14, 9},  {14, 9}, {14, 9},  {12, 6}, {8, 3},
                                {20, 15}, {1, 0},  {25, 18}, {30, 22}};
  char ours[2000], theirs[2000];
  for (std::int64_t i = 0; i < n; ++i) {
    const auto &[width, precision] = formats[whole(0, std::size(formats) - 1)];
    const cyfes::fixed_format format(width, precision);
    double value = random_double(precision);
    if (whole(0, 1) == 1) value = -value;
    const std::ptrdiff_t length = format.write(ours, value) - ours;
    const int expected = std::snprintf(theirs, sizeof theirs, "%*.*f", width, precision, value);
    if (length != expected || std::memcmp(ours, theirs, static_cast<std::size_t>(length)) != 0) {
      std::printf("%a as %%%d.%df: '%.*s', printf '%s'\n", value, width, precision,
                  static_cast<int>(length), ours, theirs);
      if (++n_failures > 20) std::exit(1);
    }
  }
}

std::string random_digits(std::int64_t n) {
  std::string digits;
  while (n-- > 0) digits += static_cast<char>('0' + whole(0, 9));
  return digits;
}

// The exact decimal of the middle between two neighbouring doubles, and what lies beside it.
std::string halfway(double value) {
  char text[1200];
  const long double middle =
      (static_cast<long double>(value) + static_cast<long double>(neighbour(value, 1))) / 2;
  std::snprintf(text, sizeof text, "%.*Lf", static_cast<int>(whole(20, 60)), middle);
  std::string digits = text;
  if (whole(0, 2) == 0) digits += "0000000000001";
  if (whole(0, 2) == 0) digits.back() = static_cast<char>('0' + whole(0, 9));
  return digits;
}

std::string random_text() {
  char text[1500];
  double any = from_bits(engine() & 0x7fffffffffffffffu);
  if (!std::isfinite(any)) any = 1.0;
  const double usual =
      std::ldexp(static_cast<double>(whole(0, 1000000000000)), static_cast<int>(whole(-60, 0)));
  const std::string sign = whole(0, 2) == 0 ? "-" : whole(0, 5) == 0 ? "+" : "";
  switch (whole(0, 9)) {
    case 0:
      std::snprintf(text, sizeof text, "%.*g", static_cast<int>(whole(15, 18)), any);
      return sign + text;
    case 1:
    case 2:
      std::snprintf(text, sizeof text, "%.*g", static_cast<int>(whole(5, 19)), usual);
      return sign + text;
    case 3:
      std::snprintf(text, sizeof text, "%.*f", static_cast<int>(whole(0, 25)), usual);
      return sign + text;
    case 4:
      return sign + halfway(usual + 1e-3);
    case 5:
      return sign + random_digits(whole(1, 20)) + "." + random_digits(whole(0, 20));
    case 6:
      return sign + random_digits(whole(0, 3)) + "." + random_digits(whole(1, 30));
    case 7:
      return sign + random_digits(whole(17, whole(0, 50) ? 40 : 800)) + "e" +
             std::to_string(whole(-400, 400));
    case 8:  // around the least numbers
      return sign + std::to_string(whole(1, 99999999999)) + "e" + std::to_string(whole(-340, -300));
    default:  // more than 2^53, a point anywhere
      text[0] = 0;
      std::string digits = std::to_string((std::uint64_t{1} << 53) + whole(-3, 1 << 20) * 512);
      return sign + digits.insert(static_cast<std::size_t>(whole(0, 16)), ".");
  }
}

// Returns how many of them read_field() took.
std::int64_t check_read(std::int64_t n) {
  std::int64_t n_quick = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const std::string text = random_text();
    const double expected = std::strtod(text.c_str(), nullptr);
    // What precedes a field must not matter, so let it be digits and points.
    const std::string line = random_digits(cyfes::field_room - 1) + "." + text;
    const char *const end = line.data() + line.size(), *const begin = end - text.size();
    double value = 0.0;
    const bool read = cyfes::read_number(begin, end, value) == end;
    double quick = expected;
    n_quick += cyfes::read_field(begin, end, quick);
    if (!read || bits_of(value) != bits_of(expected) || bits_of(quick) != bits_of(expected)) {
      std::printf("'%s': %a and %a, strtod %a\n", text.c_str(), value, quick, expected);
      if (++n_failures > 20) std::exit(1);
    }
  }
  return n_quick;
}

}  // namespace

int main(int n_arguments, char **arguments) {
  if (n_arguments < 3) return 2;
  engine.seed(n_arguments > 3 ? std::strtoull(arguments[3], nullptr, 10) : 1);
  const std::int64_t n_written = std::atoll(arguments[1]), n_read = std::atoll(arguments[2]);
  check_written(n_written);
  const std::int64_t n_quick = check_read(n_read);
  std::printf(
      "%lld numbers written as printf does, %lld read as strtod does (%lld at once), %d "
      "failures\n",
      static_cast<long long>(n_written), static_cast<long long>(n_read),
      static_cast<long long>(n_quick), n_failures);
  // At least a third is of the usual kind; fewer would mean that the quick way is not taken.
  return n_failures != 0 || n_quick < n_read / 4;
}
