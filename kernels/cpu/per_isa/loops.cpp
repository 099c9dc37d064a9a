// Compiled once per instruction set, with CYFES_ISA_INDEX and CYFES_ISA_NAME.
#include "cpu/jobs/isa_table.hpp"
#include "cpu/per_isa/evaluate_loops.hpp"
#include "cpu/per_isa/mbar_loops.hpp"
#include "cpu/per_isa/moment_loops.hpp"
#include "cpu/per_isa/node_loops.hpp"
#include "cpu/per_isa/point_loops.hpp"
#include "cpu/per_isa/tile_loops.hpp"
#include "cpu/per_isa/weight_loops.hpp"

namespace cyfes {

template <>
const isa_table &isa_of<CYFES_ISA_INDEX>() {
  constexpr int isa = CYFES_ISA_INDEX;
  constexpr std::int64_t wide = simd<double>::width, narrow = simd<float>::width;
  static constexpr isa_table table = {
      CYFES_ISA_NAME,
      ::points,
      {wide, prepare<double, isa>, stamp<double, isa>, ::tiles<double>, ::evaluate<double>},
      {narrow, prepare<float, isa>, stamp<float, isa>, ::tiles<float>, ::evaluate<float>},
      {count_any, scatter_any, line, moments_any, expand_row, expand},
      weigh,
      sum_weights,
      add_nodes,
      transposed_product,
      ::mbar};
  return table;
}

}  // namespace cyfes
