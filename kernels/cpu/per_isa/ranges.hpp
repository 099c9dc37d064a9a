// Ranges of grid indices that a kernel visits, before wrapping, and how they wrap.
#ifndef CYFES_CPU_PER_ISA_RANGES_HPP
#define CYFES_CPU_PER_ISA_RANGES_HPP

#include <cstdint>

#include "cpu/jobs/index_range.hpp"

namespace {

using cyfes::index_range;

inline std::int64_t wrapped(std::int64_t i, std::int64_t n) {
  if (i >= 0 && i < n) return i;  // nearly always, and a division takes long
  i %= n;
  return i < 0 ? i + n : i;
}

inline index_range clipped(index_range r, std::int64_t begin, std::int64_t end) {
  return {r.begin > begin ? r.begin : begin, r.end < end ? r.end : end};
}

// Indices within `reach` of a center that lies `position` grid steps above the lower bound.
inline index_range indices_within(double position, double reach) {
  constexpr double most = 0x1p60;  // far beyond any grid, but still an index
  const double begin = __builtin_ceil(position - reach), end = __builtin_floor(position + reach);
  return {static_cast<std::int64_t>(begin < -most  ? -most
                                    : begin > most ? most
                                                   : begin),
          static_cast<std::int64_t>(end < -most  ? -most
                                    : end > most ? most
                                                 : end) +
              1};
}

// Whether a range along a CV of n points, wrapped, meets another.
inline bool meets(index_range r, index_range own, std::int64_t n) {
  const std::int64_t length = r.end - r.begin;
  if (length <= 0) return false;
  if (length >= n) return true;
  const std::int64_t begin = wrapped(r.begin, n), end = begin + length;
  return (begin < own.end && end > own.begin) || end - n > own.begin;
}

}  // namespace
#endif
