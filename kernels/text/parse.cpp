// Text tables to columns of doubles. The text is cut at line ends into pieces that a core's cache
// holds. A thread counts the rows of one, which tells the next where its own begin, and parses
// them.
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

#include "parallel.hpp"
#include "processor.hpp"
#include "status.hpp"
#include "text/number.hpp"
#include "text/row_job.hpp"

namespace {

using namespace cyfes;

template <int... indices>
const text_loops &loops_at(int index, std::integer_sequence<int, indices...>) {
  const text_loops *const loops[] = {&text_loops_of<indices>()...};
  return *loops[index];
}

// The loops that `isa` asks for, as in cyfes_options.
const text_loops &select_loops(std::int32_t isa) {
  return loops_at(isa_index(isa), std::make_integer_sequence<int, n_isas>{});
}

constexpr std::int64_t bytes_per_piece = 1 << 17;
// Text that is looked at line by line after a line that is not regular.
constexpr std::ptrdiff_t retry_bytes = 4096;

inline bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

// Where the fields of a line end: a newline, a comment or the end of the text.
inline bool at_line_end(const char *p, const char *end) {
  return p == end || *p == '\n' || *p == '#';
}

inline const char *skip_blanks(const char *p, const char *end) {
  // Columns are padded with spaces: pass up to eight without a branch on their number.
  if (end - p >= 8) {
    const std::uint64_t others = load8(p) ^ every_byte(' ');
    p += others ? first_mark(others) : 8;
  }
  while (p < end && is_blank(*p)) ++p;
  return p;
}

inline bool at_field_end(const char *p, const char *end) {
  return at_line_end(p, end) || is_blank(*p);
}

// One bit for each of eight bytes: those that may end a field, which are control characters,
// blanks and '#'. A borrow only spoils bits after the first.
inline unsigned field_end_bits(const char *p) {
  const std::uint64_t word = load8(p), hash = word ^ every_byte('#');
  const std::uint64_t marks =
      (((word - every_byte(0x21)) & ~word) | ((hash - every_byte(1)) & ~hash)) & every_byte(0x80);
  return static_cast<unsigned>((marks >> 7) * 0x0102040810204080u >> 56);
}

inline const char *skip_field(const char *p, const char *end) {
  while (end - p >= 16) {
    // Most fields are shorter than 16 bytes, so no branch depends on their length.
    p += __builtin_ctz(field_end_bits(p) | field_end_bits(p + 8) << 8 | 1u << 16);
    if (at_field_end(p, end)) return p;
    p += static_cast<unsigned char>(*p) <= ' ';  // another control character
  }
  while (!at_field_end(p, end)) ++p;
  return p;
}

// First byte after the line that holds `p`.
inline const char *next_line(const char *p, const char *end) {
  const void *newline = p < end ? std::memchr(p, '\n', static_cast<std::size_t>(end - p)) : nullptr;
  return newline ? static_cast<const char *>(newline) + 1 : end;
}

// Where the lines end that are complete: after the last newline, or with the text if it is the
// last.
const char *end_of_lines(const char *text, std::int64_t n_bytes, bool is_last) {
  if (is_last || n_bytes == 0) return text + n_bytes;
  const std::string_view all(text, static_cast<std::size_t>(n_bytes));
  return text + all.rfind('\n') + 1;  // npos + 1 is 0
}

inline bool at_header(const char *p, const char *end) {
  return end - p >= 2 && p[0] == '#' && p[1] == '!';
}

// The number of rows in whole lines up to a header line, where `end` is then put.
std::int64_t count_rows(const text_loops &loops, const char *line, const char *&end) {
  std::int64_t n_rows = 0;
  const char *p = line;
  while (p < end) {
    n_rows += loops.count(p, end);
    // Any other lines, from the one that was begun, are looked at one by one.
    const char *const again = p + std::min<std::ptrdiff_t>(end - p, retry_bytes);
    while (p > line && p[-1] != '\n') --p;
    for (; p < again; p = next_line(p, end)) {
      const char *const first = skip_blanks(p, end);
      if (at_header(first, end)) {
        end = p;
        break;
      }
      n_rows += !at_line_end(first, end);
    }
  }
  return n_rows;
}

class table_parser : public row_job {
 public:
  const text_loops &loops;

  void parse(text_piece &own) const {
    while (own.reached < own.end) {
      loops.parse(*this, own);
      // A tile is not cut again for every line of another kind.
      const char *const again = own.reached + std::min(own.end - own.reached, retry_bytes);
      while (own.reached < again) parse_line(own);
    }
  }

 private:
  void parse_line(text_piece &own) const {
    const char *p = skip_blanks(own.reached, own.end);
    if (!at_line_end(p, own.end)) {
      if (own.row == own.row_end) throw std::logic_error("rows counted and parsed differ");
      cyfes_bad_row state{own.reached - text, own.n_lines, CYFES_ROW_GOOD, 0, -1};
      p = parse_row(p, own.end, own.row, state);
      if (state.fault != CYFES_ROW_GOOD) reject_row(own.row, state, own);
      faults[own.row++] = static_cast<std::uint8_t>(state.fault);
    }
    own.reached = next_line(p, own.end);
    own.n_lines += own.reached[-1] == '\n';
  }

  // Parses the wanted fields from the first field on and returns the end of the last.
  const char *parse_row(const char *p, const char *end, std::int64_t row,
                        cyfes_bad_row &state) const {
    std::int32_t column = 0, next = 0;
    while (!at_line_end(p, end)) {
      if (next < n_wanted && wanted[next] == column) {
        p = parse_field(p, end, column, columns[next][row], state);
        ++next;
      } else {
        p = skip_field(p, end);
      }
      p = skip_blanks(p, end);
      ++column;
    }
    state.n_columns = column;
    if (column != n_columns) {
      state.fault = CYFES_ROW_WRONG_COLUMNS;
      state.column = -1;
    }
    // A program that goes on where another was cut off in the middle of a line.
    if (at_header(p, end)) state.fault = CYFES_ROW_HEADER;
    return p;
  }

  const char *parse_field(const char *p, const char *end, std::int32_t column, double &value,
                          cyfes_bad_row &state) const {
    const char *after = read_number(p, end, value);
    const bool is_number = after != nullptr && at_field_end(after, end);
    if (is_number && (allow_nonfinite || std::isfinite(value))) return after;
    if (state.fault == CYFES_ROW_GOOD) {
      state.fault = is_number ? CYFES_ROW_NOT_FINITE : CYFES_ROW_NOT_A_NUMBER;
      state.column = column;
    }
    return is_number ? after : skip_field(p, end);
  }

  void reject_row(std::int64_t row, const cyfes_bad_row &state, text_piece &own) const {
    for (std::int32_t i = 0; i < n_wanted; ++i) {
      columns[i][row] = std::numeric_limits<double>::quiet_NaN();
    }
    if (own.n_faults++ == 0) own.first = state;
  }
};

// Counts and parses the pieces of [text, end) as far as there is room and up to a header line.
class table_pieces {
 public:
  table_pieces(const char *text, const char *end, std::int64_t room)
      : text_(text), end_(end), room_(room), reached_(text) {}

  void parse(const table_parser &parser, std::int32_t n_threads) {
    const std::int64_t n = std::max<std::int64_t>(1, (end_ - text_) / bytes_per_piece);
    const int threads = static_cast<int>(std::min<std::int64_t>(usable_threads(n_threads), n));
    for_each_task(threads, threads, [&](std::int64_t, int) {
      for (std::int64_t i = taken_++; i < n; i = taken_++) {
        text_piece own = cut(i, n);
        if (place(own, i, parser.loops)) parser.parse(own);
        const std::lock_guard<std::mutex> lock(mutex_);
        found_.push_back(own);
      }
    });
  }

  cyfes_parsed result() {
    std::sort(found_.begin(), found_.end(),
              [](const text_piece &a, const text_piece &b) { return a.begin < b.begin; });
    cyfes_parsed all{};
    all.n_rows = n_rows_;
    all.n_bytes = reached_ - text_;
    for (const text_piece &part : found_) {
      if (all.n_faults == 0 && part.n_faults > 0) {
        all.first = part.first;
        all.first.line += all.n_lines;
      }
      all.n_lines += part.n_lines;
      all.n_faults += part.n_faults;
      if (part.row != part.row_end) throw std::logic_error("rows counted and parsed differ");
    }
    return all;
  }

 private:
  const char *cut_at(std::int64_t i, std::int64_t n) const {
    if (i == 0 || i == n) return i == 0 ? text_ : end_;
    return next_line(text_ + (end_ - text_) / n * i - 1, end_);
  }

  text_piece cut(std::int64_t i, std::int64_t n) const {
    const char *const begin = cut_at(i, n);
    return {begin, cut_at(i + 1, n), begin, 0, 0, 0, 0, {}};
  }

  // Gives the i-th piece its rows when it is its turn; false if it is not to be parsed.
  bool place(text_piece &own, std::int64_t i, const text_loops &loops) {
    const char *const all = own.end;
    const std::int64_t n_rows = count_rows(loops, own.begin, own.end);
    const std::lock_guard<std::mutex> lock(mutex_);
    while (n_placed_ != i) pthread_cond_wait(&turn_, mutex_.native_handle());
    ++n_placed_;
    pthread_cond_broadcast(&turn_);
    if (stopped_ || n_rows > room_ - n_rows_) {
      stopped_ = true;
      return false;
    }
    own.row = n_rows_;
    n_rows_ = own.row_end = n_rows_ + n_rows;
    reached_ = own.end;
    stopped_ = own.end < all;
    return true;
  }

  const char *text_, *end_;
  std::int64_t room_;
  std::atomic<std::int64_t> taken_{0};
  std::mutex mutex_;  // guards what follows
  // std::condition_variable asks for a newer libstdc++ than all else here, and so do wheels then.
  pthread_cond_t turn_ = PTHREAD_COND_INITIALIZER;
  std::int64_t n_placed_ = 0, n_rows_ = 0;
  const char *reached_;
  bool stopped_ = false;
  std::vector<text_piece> found_;
};

void check_arguments(const char *text, std::int64_t n_bytes, std::int32_t n_columns,
                     std::int32_t n_wanted, const std::int32_t *wanted, std::int64_t room) {
  if (n_bytes < 0 || (text == nullptr && n_bytes > 0)) throw std::invalid_argument("no text");
  if (room < 0) throw std::invalid_argument("room for rows must not be negative");
  for (std::int32_t i = 0; i < n_wanted; ++i) {
    const std::int32_t least = i > 0 ? wanted[i - 1] + 1 : 0;
    if (wanted[i] < least || wanted[i] >= n_columns) {
      throw std::invalid_argument("wanted columns must be ascending and less than n_columns");
    }
  }
}

}  // namespace

int cyfes_parse_rows(const char *text, int64_t n_bytes, int32_t is_last, int32_t n_columns,
                     int32_t n_wanted, const int32_t *wanted, int32_t allow_nonfinite,
                     int32_t n_threads, int32_t isa, int64_t room, double *const *columns,
                     uint8_t *faults, cyfes_parsed *parsed) {
  return guarded([&] {
    check_arguments(text, n_bytes, n_columns, n_wanted, wanted, room);
    table_pieces pieces(text, end_of_lines(text, n_bytes, is_last != 0), room);
    const row_job job{
        text, n_columns, n_wanted, wanted, columns, faults, allow_nonfinite != 0, read_number};
    pieces.parse({job, select_loops(isa)}, n_threads);
    *parsed = pieces.result();
  });
}
