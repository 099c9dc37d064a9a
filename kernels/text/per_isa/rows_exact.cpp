// Compiled once per instruction set, with CYFES_ISA_INDEX, and without contraction to fused
// multiply-adds: a number is the same double everywhere.
#include "text/per_isa/field.hpp"
#include "text/per_isa/fields.hpp"
#include "text/row_job.hpp"

namespace cyfes {
namespace {

// Parses the wanted fields of the row whose first field is given; false if one is no number.
bool parse_fields(const row_job &job, const text_fields &fields, std::int64_t field,
                  std::int64_t row) {
  for (std::int32_t i = 0; i < job.n_wanted; ++i) {
    const char *const begin = fields.field_begin(field + job.wanted[i]);
    const char *const end = fields.field_end(field + job.wanted[i]);
    double &value = job.columns[i][row];
    if (read_field(begin, end, value)) continue;
    if (job.read_any(begin, end, value) != end) return false;
    if (!job.allow_nonfinite && !__builtin_isfinite(value)) return false;
  }
  return true;
}

std::int64_t count_regular(const char *&p, const char *end) {
  std::int64_t n = 0;
  std::uint64_t last_field = 0;
  // The last line, which may lack its newline, is no part of it.
  for (; end - p > block_bytes; p += block_bytes) {
    const byte_masks masks = classify_block(p);
    // A newline behind a field ends a row.
    if (!masks.regular || (masks.newlines & ~(masks.fields << 1 | last_field)) != 0) break;
    n += count_bits(masks.newlines);
    last_field = masks.fields >> 63;
  }
  return n;
}

void parse_regular(const row_job &job, text_piece &own) {
  text_fields fields;
  while (own.reached - job.text >= field_room && job.n_columns > 0) {
    fields.cut(own.reached, own.end);
    std::int64_t n = fields.count_rows(job.n_columns), i = 0;
    if (n > own.row_end - own.row) n = own.row_end - own.row;
    while (i < n && parse_fields(job, fields, i * job.n_columns, own.row + i)) ++i;
    if (i == 0) return;
    std::memset(job.faults + own.row, CYFES_ROW_GOOD, static_cast<std::size_t>(i));
    own.row += i;
    own.n_lines += i;
    own.reached = fields.field_end(i * job.n_columns - 1) + 1;
    if (i < n) return;
  }
}

}  // namespace

template <>
const text_loops &text_loops_of<CYFES_ISA_INDEX>() {
  static constexpr text_loops loops = {count_regular, parse_regular};
  return loops;
}

}  // namespace cyfes
