// Text 64 bytes at a time, as bit masks: bit i tells about byte i.
#ifndef CYFES_TEXT_PER_ISA_MASKS_HPP
#define CYFES_TEXT_PER_ISA_MASKS_HPP

#include <cstdint>

#include "text/digits.hpp"

namespace cyfes {
namespace {

constexpr std::int64_t block_bytes = 64;

struct byte_masks {
  std::uint64_t fields;    // neither blank nor control character
  std::uint64_t newlines;  // '\n'
  bool regular;            // nothing but fields, spaces and newlines, no '#'
};

#if defined(CYFES_SSE2)

inline byte_masks classify_block(const char *p) {
  byte_masks masks{0, 0, false};
  __m128i odd = _mm_setzero_si128();
  for (int i = 0; i < block_bytes; i += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i *>(p + i));
    const __m128i newlines = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\n'));
    const __m128i fields = _mm_cmpeq_epi8(_mm_max_epu8(bytes, _mm_set1_epi8('!')), bytes);
    const __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(31)), bytes);
    const __m128i comments = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('#'));
    masks.newlines |= static_cast<std::uint64_t>(_mm_movemask_epi8(newlines)) << i;
    masks.fields |= static_cast<std::uint64_t>(_mm_movemask_epi8(fields)) << i;
    odd = _mm_or_si128(odd, _mm_or_si128(_mm_andnot_si128(newlines, control), comments));
  }
  masks.regular = _mm_movemask_epi8(odd) == 0;
  return masks;
}

#else

inline byte_masks classify_block(const char *p) {
  byte_masks masks{0, 0, true};
  for (int i = 0; i < block_bytes; i += 8) {
    const std::uint64_t word = load8(p + i), newlines = mark_equal(word, '\n');
    masks.newlines |= gather_marks(newlines) << i;
    masks.fields |= gather_marks(~mark_below(word, '!')) << i;
    masks.regular &= ((mark_below(word, ' ') & ~newlines) | mark_equal(word, '#')) == 0;
  }
  return masks;
}

#endif

// __builtin_popcountll is a call where the processor need not have the instruction.
constexpr std::int64_t count_bits(std::uint64_t bits) {
  bits -= bits >> 1 & 0x5555555555555555u;
  bits = (bits & 0x3333333333333333u) + (bits >> 2 & 0x3333333333333333u);
  bits = (bits + (bits >> 4)) & 0x0f0f0f0f0f0f0f0fu;
  return static_cast<std::int64_t>(bits * every_byte(1) >> 56);
}

}  // namespace
}  // namespace cyfes
#endif
