// The CPU's table of functions and its instruction sets.
#include "cpu/backend.hpp"

#include <omp.h>

#include <cmath>
#include <cstdio>

#include "cpu/isa.hpp"
#include "gaussian.hpp"

namespace cyfes {
namespace {

constexpr int n_isas = CYFES_N_ISAS;

template <int... indices>
const isa_table &table_at(int index, std::integer_sequence<int, indices...>) {
  const isa_table *const tables[] = {&isa_of<indices>()...};
  return *tables[index];
}

const isa_table &table_at(int index) {
  return table_at(index, std::make_integer_sequence<int, n_isas>{});
}

bool runs_here(int index) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (index == 1)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
  if (index == 2)
    return runs_here(1) && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#endif
  return index == 0;
}

}  // namespace

const isa_table &select_isa(std::int32_t isa) {
  int index = isa - 1;
  if (isa == 0)
    for (index = n_isas - 1; !runs_here(index);) --index;
  if (index < 0 || index >= n_isas || !runs_here(index))
    throw unsupported("instruction set " + std::to_string(index) + " cannot be used here");
  return table_at(index);
}

int threads_of(const cyfes_options &options) {
  return options.n_threads > 0 ? options.n_threads : omp_get_max_threads();
}

}  // namespace cyfes

const cyfes_backend *cyfes_cpu_backend(void) {
  static constexpr cyfes_backend backend = {
      CYFES_ABI_VERSION,
      "cpu",
      [](std::int32_t *count) -> int { return *count = 1, CYFES_OK; },
      cyfes::spread_f64,
      cyfes::spread_f32,
      cyfes::evaluate_f64,
      cyfes::evaluate_f32,
      cyfes_error_text,
  };
  return &backend;
}

const char *cyfes_cpu_isa_name(int32_t index) {
  return index >= 0 && index < cyfes::n_isas ? cyfes::table_at(index).name : nullptr;
}

int cyfes_cpu_isa_supported(int32_t index) {
  return index >= 0 && index < cyfes::n_isas && cyfes::runs_here(index);
}

int32_t cyfes_cpu_max_threads(void) { return omp_get_max_threads(); }

const char *cyfes_error_text(void) { return cyfes::error_buffer(); }
