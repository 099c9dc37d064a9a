// The CPU's table of functions and its instruction sets.
#include "cpu/backend.hpp"

#include <utility>

#include "parallel.hpp"
#include "processor.hpp"
#include "status.hpp"

namespace cyfes {
namespace {

template <int... indices>
const isa_table &table_at(int index, std::integer_sequence<int, indices...>) {
  const isa_table *const tables[] = {&isa_of<indices>()...};
  return *tables[index];
}

const isa_table &table_at(int index) {
  return table_at(index, std::make_integer_sequence<int, n_isas>{});
}

}  // namespace

const isa_table &select_isa(std::int32_t isa) { return table_at(isa_index(isa)); }

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
  return index >= 0 && index < cyfes::n_isas && cyfes::isa_runs_here(index);
}

int32_t cyfes_cpu_threads(int32_t n_threads) {
  return n_threads < 0 ? 0 : cyfes::startable_threads(n_threads);
}

int cyfes_cpu_forked(void) { return cyfes::forked_without_threads(); }

const char *cyfes_error_text(void) { return cyfes::error_buffer(); }
