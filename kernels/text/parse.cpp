// Text tables to columns of doubles. The text is cut at line ends into one chunk a thread; the
// rows of each chunk are counted first, so that every chunk knows where its rows go.
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "status.hpp"
#include "text/chunks.hpp"
#include "text/number.hpp"

namespace {

using namespace cyfes;

constexpr std::int64_t bytes_per_chunk = 1 << 16;

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

std::vector<const char *> cut_at_lines(const char *text, std::int64_t n_bytes,
                                       std::int32_t n_threads) {
  const std::int64_t n_chunks = chunk_count(n_threads, n_bytes, bytes_per_chunk);
  std::vector<const char *> cuts(static_cast<std::size_t>(n_chunks) + 1, text);
  const char *const end = text + n_bytes;
  for (std::int64_t i = 1; i < n_chunks; ++i) {
    cuts[i] = next_line(text + n_bytes / n_chunks * i - 1, end);
  }
  cuts[n_chunks] = end;
  return cuts;
}

std::int64_t count_chunk(const char *line, const char *end) {
  std::int64_t n_rows = 0;
  for (; line < end; line = next_line(line, end)) {
    line = skip_blanks(line, end);
    n_rows += !at_line_end(line, end);
  }
  return n_rows;
}

// Index of the first row of each chunk, and of the row after the last.
std::vector<std::int64_t> count_chunks(const std::vector<const char *> &cuts) {
  std::vector<std::int64_t> first_rows(cuts.size(), 0);
  for_chunks(static_cast<std::int64_t>(cuts.size()) - 1, [&](std::int64_t chunk) {
    first_rows[chunk + 1] = count_chunk(cuts[chunk], cuts[chunk + 1]);
  });
  for (std::size_t i = 1; i < cuts.size(); ++i) first_rows[i] += first_rows[i - 1];
  return first_rows;
}

constexpr const char *wrong_n_rows = "n_rows is not that of the text";

// As count_chunks, for a text said to have n_rows rows; one chunk is not counted again.
std::vector<std::int64_t> place_rows(const std::vector<const char *> &cuts, std::int64_t n_rows) {
  if (cuts.size() == 2) return {0, n_rows};
  std::vector<std::int64_t> first_rows = count_chunks(cuts);
  if (first_rows.back() != n_rows) throw std::invalid_argument(wrong_n_rows);
  return first_rows;
}

struct chunk_faults {
  std::int64_t n_faults = 0;
  cyfes_bad_row first{};
};

class table_parser {
 public:
  const char *text, *end;
  std::int32_t n_columns, n_wanted;
  const std::int32_t *wanted;
  std::int64_t n_rows;
  double *columns;
  std::uint8_t *faults;
  bool allow_nonfinite;

  // Parses the lines [line, chunk_end), which must be the rows [row, row_end).
  void parse_chunk(const char *line, const char *chunk_end, std::int64_t row, std::int64_t row_end,
                   chunk_faults &found) const {
    while (line < chunk_end) {
      const char *p = skip_blanks(line, end);
      if (!at_line_end(p, end)) {
        if (row == row_end) break;
        cyfes_bad_row state{line - text, CYFES_ROW_GOOD, 0, -1};
        p = parse_row(p, row, state);
        if (state.fault != CYFES_ROW_GOOD) reject_row(row, state, found);
        faults[row++] = static_cast<std::uint8_t>(state.fault);
      }
      line = p < end && *p == '\n' ? p + 1 : next_line(p, end);
    }
    if (line < chunk_end || row < row_end) throw std::invalid_argument(wrong_n_rows);
  }

 private:
  // Parses the wanted fields from the first field on and returns the end of the last.
  const char *parse_row(const char *p, std::int64_t row, cyfes_bad_row &state) const {
    std::int32_t column = 0, next = 0;
    while (!at_line_end(p, end)) {
      if (next < n_wanted && wanted[next] == column) {
        p = parse_field(p, column, columns[next * n_rows + row], state);
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
    return p;
  }

  const char *parse_field(const char *p, std::int32_t column, double &value,
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

  void reject_row(std::int64_t row, const cyfes_bad_row &state, chunk_faults &found) const {
    for (std::int32_t i = 0; i < n_wanted; ++i) {
      columns[i * n_rows + row] = std::numeric_limits<double>::quiet_NaN();
    }
    if (found.n_faults++ == 0) found.first = state;
  }
};

void check_text(const char *text, std::int64_t n_bytes) {
  if (n_bytes < 0 || (text == nullptr && n_bytes > 0)) throw std::invalid_argument("no text");
}

void check_wanted(std::int32_t n_columns, std::int32_t n_wanted, const std::int32_t *wanted) {
  for (std::int32_t i = 0; i < n_wanted; ++i) {
    const std::int32_t least = i > 0 ? wanted[i - 1] + 1 : 0;
    if (wanted[i] < least || wanted[i] >= n_columns) {
      throw std::invalid_argument("wanted columns must be ascending and less than n_columns");
    }
  }
}

}  // namespace

int cyfes_count_rows(const char *text, int64_t n_bytes, int32_t n_threads, int64_t *n_rows) {
  return guarded([&] {
    check_text(text, n_bytes);
    *n_rows = count_chunks(cut_at_lines(text, n_bytes, n_threads)).back();
  });
}

int cyfes_parse_rows(const char *text, int64_t n_bytes, int32_t n_columns, int32_t n_wanted,
                     const int32_t *wanted, int32_t allow_nonfinite, int32_t n_threads,
                     int64_t n_rows, double *columns, uint8_t *faults, int64_t *n_faults,
                     cyfes_bad_row *first) {
  return guarded([&] {
    check_text(text, n_bytes);
    check_wanted(n_columns, n_wanted, wanted);
    const auto cuts = cut_at_lines(text, n_bytes, n_threads);
    const auto first_rows = place_rows(cuts, n_rows);
    std::vector<chunk_faults> found(cuts.size() - 1);
    const table_parser parser{text,     text + n_bytes, n_columns,
                              n_wanted, wanted,         n_rows,
                              columns,  faults,         allow_nonfinite != 0};
    for_chunks(static_cast<std::int64_t>(found.size()), [&](std::int64_t chunk) {
      parser.parse_chunk(cuts[chunk], cuts[chunk + 1], first_rows[chunk], first_rows[chunk + 1],
                         found[chunk]);
    });
    *n_faults = 0;
    for (const chunk_faults &part : found) {
      if (*n_faults == 0 && part.n_faults > 0) *first = part.first;
      *n_faults += part.n_faults;
    }
  });
}
