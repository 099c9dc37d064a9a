// Work cut into chunks, one a thread. No result depends on where the cuts fall.
#ifndef CYFES_TEXT_CHUNKS_HPP
#define CYFES_TEXT_CHUNKS_HPP

#include <omp.h>

#include <algorithm>
#include <cstdint>
#include <stdexcept>

#include "parallel.hpp"

namespace cyfes {

// Chunks for `work` items: one a thread (n_threads, 0 = all), fewer if one would get under `grain`.
inline std::int64_t chunk_count(std::int32_t n_threads, std::int64_t work, std::int64_t grain) {
  if (n_threads < 0) throw std::invalid_argument("n_threads must not be negative");
  const std::int64_t most = n_threads > 0 ? n_threads : std::max(1, omp_get_max_threads());
  return std::clamp<std::int64_t>(work / grain, 1, most);
}

// Calls body(chunk) for each chunk.
template <class Body>
void for_chunks(std::int64_t n_chunks, const Body &body) {
  held_exception failure;
  const int n_threads = static_cast<int>(n_chunks);
#pragma omp parallel for num_threads(n_threads) schedule(static, 1) if (n_chunks > 1)
  for (std::int64_t chunk = 0; chunk < n_chunks; ++chunk) failure.guard([&] { body(chunk); });
  failure.rethrow();
}

}  // namespace cyfes
#endif
