// Text against the C library's strtod and printf.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "problem.hpp"
#include "test_kernels.hpp"

namespace {

std::string random_number() {
  char number[400];
  const double value =
      whole(0, 9) ? uniform(-1e4, 1e4) : std::ldexp(uniform(-1, 1), whole(-1070, 1020));
  const char *const formats[] = {"%.6f", "%14.9f", "%.17g", "%.16e", "%+.3e", "%.0f.", "%.25f"};
  std::snprintf(number, sizeof number, formats[whole(0, 6)], value);
  return number;
}

std::string blanks(int least) {
  return std::string(static_cast<std::size_t>(whole(least, 12)), whole(0, 5) ? ' ' : '\t');
}

// What options.isa says for one of the instruction sets that this processor has.
std::int32_t any_isa() {
  std::int32_t isa;
  do {
    isa = static_cast<std::int32_t>(whole(1, CYFES_N_ISAS));
  } while (!cyfes_cpu_isa_supported(isa - 1));
  return isa;
}

void check_parse(std::int64_t n_lines, std::int32_t n_columns) {
  std::string text;
  std::vector<std::vector<double>> rows;
  for (std::int64_t i = 0; i < n_lines; ++i) {
    if (whole(0, 9) == 0) text += blanks(0) + (whole(0, 1) ? "# 1 2 3" : "") + "\n";
    rows.emplace_back();
    text += blanks(0);
    for (std::int32_t c = 0; c < n_columns; ++c) {
      const std::string number = random_number();
      text += (c ? blanks(1) : "") + number;
      rows.back().push_back(std::strtod(number.c_str(), nullptr));
    }
    if (whole(0, 9) == 0) text += " # note";
    if (i + 1 < n_lines || whole(0, 1)) text += whole(0, 3) ? "\n" : "\r\n";
  }
  const std::vector<char> bytes = exact(text);
  const auto size = static_cast<std::int64_t>(bytes.size());
  std::vector<std::int32_t> wanted;
  for (std::int32_t c = 0; c < n_columns; ++c)
    if (whole(0, 2)) wanted.push_back(c);
  for (const int threads : {1, 2, 5}) {
    std::vector<std::vector<double>> columns(wanted.size(), std::vector<double>(n_lines));
    std::vector<double *> pointers;
    for (auto &column : columns) pointers.push_back(column.data());
    std::vector<std::uint8_t> faults(n_lines);
    cyfes_parsed parsed;
    const int status = cyfes_parse_rows(
        bytes.data(), size, 1, n_columns, static_cast<std::int32_t>(wanted.size()), wanted.data(),
        0, threads, any_isa(), n_lines, pointers.data(), faults.data(), &parsed);
    check(status == CYFES_OK && parsed.n_faults == 0, "parse_rows refused good rows");
    check(parsed.n_rows == n_lines && parsed.n_bytes == size, "parse_rows left rows");
    if (parsed.n_rows != n_lines) return;
    for (std::size_t w = 0; w < wanted.size(); ++w)
      for (std::int64_t r = 0; r < n_lines; ++r)
        check(columns[w][r] == rows[r][wanted[w]], "parse_rows: not the nearest double");
  }
}

// Damaged text: whatever it holds, no byte beyond it is read and both passes agree on the rows.
void check_damaged_text() {
  const char alphabet[] = "0123456789.+-eE #\n\r\tnaif\0\x80\xff/:!";
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    const std::int64_t length = whole(0, 90);
    for (std::int64_t i = 0; i < length; ++i) text += alphabet[whole(0, sizeof alphabet - 2)];
    const std::vector<char> bytes = exact(text);
    const std::int64_t room = length / 2 + 1;
    std::vector<double> first(room), second(room);
    double *const columns[] = {first.data(), second.data()};
    std::vector<std::uint8_t> faults(room);
    const std::int32_t wanted[] = {0, 2};
    cyfes_parsed parsed;
    check(cyfes_parse_rows(bytes.data(), length, whole(0, 1), 3, 2, wanted, 0, 1, any_isa(), room,
                           columns, faults.data(), &parsed) == CYFES_OK,
          std::string("parse_rows failed: ") + cyfes_error_text());
  }
}

std::string naive_format(const problem &p, const std::vector<std::vector<double>> &fields,
                         std::int64_t first, std::int64_t n, int width, int precision) {
  std::string text;
  char number[500];
  const auto print = [&](double x) {
    std::snprintf(number, sizeof number, " %*.*f", width, precision, x);
    text += number;
  };
  for (std::int64_t at = first; at < first + n; ++at) {
    std::int64_t index[CYFES_MAX_DIMS], rest = at, offset = 0;
    for (int d = 0; d < p.D; ++d) {
      index[d] = rest % p.shape[d];
      rest /= p.shape[d];
    }
    for (int d = 0; d < p.D; ++d) offset = offset * p.shape[d] + index[d];
    if (p.D > 1 && at > 0 && index[p.D - 2] == 0) text += "\n";
    for (int d = 0; d < p.D; ++d) print(p.lower[d] + static_cast<double>(index[d]) * p.spacing[d]);
    for (const auto &field : fields) print(field[offset]);
    text += "\n";
  }
  return text;
}

void check_format(int D, int width, int precision) {
  problem p = random_problem(D, 0, true, false, false, CYFES_GAUSSIAN, 0);
  const std::int64_t size = p.size(), first = whole(0, size), n = whole(0, size - first);
  std::vector<std::vector<double>> fields(whole(0, 3), std::vector<double>(size));
  std::vector<const double *> pointers;
  for (auto &field : fields) {
    for (double &x : field) {
      static const double odd[] = {0.0, -0.0, 0.5, -1e-300, 1e300, 5e-10, 123456789.9999999995};
      x = whole(0, 4) ? uniform(-1000, 1000) : odd[whole(0, 6)];
    }
    pointers.push_back(field.data());
  }
  const std::string want = naive_format(p, fields, first, n, width, precision);
  for (const int threads : {1, 3}) {
    const cyfes_grid grid = p.grid();
    char *text = nullptr;
    std::int64_t n_bytes = 0;
    const int status =
        cyfes_format_grid(&grid, static_cast<std::int32_t>(fields.size()), pointers.data(), first,
                          n, width, precision, threads, &text, &n_bytes);
    check(status == CYFES_OK, std::string("format_grid: ") + cyfes_error_text());
    if (status != CYFES_OK) return;
    check(std::string(text, static_cast<std::size_t>(n_bytes)) == want,
          "format_grid " + std::to_string(width) + "." + std::to_string(precision));
    cyfes_free_text(text);
  }
}

}  // namespace

void test_text() {
  for (int round = 0; round < 60; ++round) check_parse(whole(1, 30), static_cast<int>(whole(1, 7)));
  check_parse(9000, 5);  // several chunks
  check_damaged_text();
  for (int D = 1; D <= CYFES_MAX_DIMS; ++D)
    for (int round = 0; round < 40; ++round)
      check_format(D, static_cast<int>(whole(0, 30)), static_cast<int>(whole(0, 20)));
}
