// A range of indices.
#ifndef CYFES_CPU_JOBS_INDEX_RANGE_HPP
#define CYFES_CPU_JOBS_INDEX_RANGE_HPP

#include <cstdint>

namespace cyfes {

struct index_range {
  std::int64_t begin, end;
};

}  // namespace cyfes
#endif
