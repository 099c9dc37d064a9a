// A stretch of text split into fields: the places where they begin and end, in order, and those of
// the newlines, found from bit masks without a branch on what is there.
#ifndef CYFES_TEXT_PER_ISA_FIELDS_HPP
#define CYFES_TEXT_PER_ISA_FIELDS_HPP

#include "text/per_isa/masks.hpp"

namespace cyfes {
namespace {

class text_fields {
 public:
  static constexpr std::int64_t max_bytes = 8192;

  // Cuts [begin, end) from the start of a line up to the first block that is not regular.
  void cut(const char *begin, const char *end) {
    begin_ = begin;
    n_edges_ = n_newlines_ = 0;
    std::uint64_t last_field = 0;  // whether the byte before a block belongs to a field
    const std::int64_t most = end - begin < max_bytes ? end - begin : max_bytes;
    for (std::int64_t at = 0; at + block_bytes <= most; at += block_bytes) {
      const byte_masks masks = classify_block(begin + at);
      if (!masks.regular) break;
      append<12>(edges_, n_edges_, masks.fields ^ (masks.fields << 1 | last_field), at);
      append<2>(newlines_, n_newlines_, masks.newlines, at);
      last_field = masks.fields >> 63;
    }
  }

  // The number of leading lines of n_columns fields that all end with their last field.
  std::int64_t count_rows(std::int64_t n_columns) const {
    const std::int64_t in_a_row = 2 * n_columns, most = n_edges_ / in_a_row;
    std::int64_t n = 0;
    while (n < most && n < n_newlines_ && edges_[in_a_row * (n + 1) - 1] == newlines_[n]) ++n;
    return n;
  }

  // Where the i-th field of all begins and ends.
  const char *field_begin(std::int64_t i) const { return begin_ + edges_[2 * i]; }
  const char *field_end(std::int64_t i) const { return begin_ + edges_[2 * i + 1]; }

 private:
  // Appends the places of the bits, `expected` of them without asking how many there are.
  template <int expected>
  static void append(std::uint16_t *list, std::int64_t &n, std::uint64_t bits, std::int64_t at) {
    constexpr std::uint64_t top = std::uint64_t{1} << 63;  // ctz of 0 is undefined
    std::uint16_t *next = list + n;
    n += count_bits(bits);
    for (int i = 0; i < expected; ++i, bits &= bits - 1) {
      *next++ = static_cast<std::uint16_t>(at + __builtin_ctzll(bits | top));
    }
    for (; bits != 0; bits &= bits - 1) {
      *next++ = static_cast<std::uint16_t>(at + __builtin_ctzll(bits));
    }
  }

  const char *begin_;
  std::int64_t n_edges_, n_newlines_;
  std::uint16_t edges_[max_bytes + 16], newlines_[max_bytes + 16];
};

}  // namespace
}  // namespace cyfes
#endif
