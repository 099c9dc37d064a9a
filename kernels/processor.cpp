#include "processor.hpp"

#include <string>

#include "status.hpp"

namespace cyfes {

bool isa_runs_here(int index) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (index == 1)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
  if (index == 2)
    return isa_runs_here(1) && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#endif
  return index == 0;
}

int isa_index(std::int32_t isa) {
  int index = isa - 1;
  if (isa == 0)
    for (index = n_isas - 1; !isa_runs_here(index);) --index;
  if (index < 0 || index >= n_isas || !isa_runs_here(index))
    throw unsupported("instruction set " + std::to_string(index) + " cannot be used here");
  return index;
}

}  // namespace cyfes
