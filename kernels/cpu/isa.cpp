// Compiled once per instruction set, with CYFES_ISA_INDEX and CYFES_ISA_NAME.
#include "cpu/isa.hpp"

#include "cpu/evaluate.hpp"
#include "cpu/moments.hpp"
#include "cpu/points.hpp"
#include "cpu/tiles.hpp"
#include "cpu/weigh.hpp"

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
      {count_regular<isa>, parse_regular<isa>},
      weigh,
      sum_weights};
  return table;
}

}  // namespace cyfes
