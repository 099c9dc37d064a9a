// Input of the fast path, per_isa: fields separated by spaces, no trailing blanks, no comments.
// parse.cpp reads all else.
#ifndef CYFES_TEXT_ROW_JOB_HPP
#define CYFES_TEXT_ROW_JOB_HPP

#include <cstdint>

#include "cyfes_kernels.h"

namespace cyfes {

struct row_job {
  const char *text;
  std::int32_t n_columns, n_wanted;
  const std::int32_t *wanted;  // [n_wanted] ascending
  double *const *columns;
  std::uint8_t *faults;
  bool allow_nonfinite;
  // Reads any number and returns its end, or null if there is none.
  const char *(*read_any)(const char *begin, const char *end, double &value);
};

// One piece of the text and the rows in it.
struct text_piece {
  const char *begin, *end;    // whole lines
  const char *reached;        // the next line
  std::int64_t row, row_end;  // where its rows go
  std::int64_t n_lines, n_faults;
  cyfes_bad_row first;
};

struct text_loops {
  // The number of lines that end before `end` from the line at p on; p moves to text that is not
  // regular.
  std::int64_t (*count)(const char *&p, const char *end);
  // Parses rows as long as they are regular and hold numbers where they are wanted.
  void (*parse)(const row_job &, text_piece &);
};

// One per instruction set, defined by per_isa/rows_exact.cpp under the index that it is compiled
// with.
template <int index>
const text_loops &text_loops_of();

}  // namespace cyfes
#endif
