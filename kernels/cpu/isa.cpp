// Compiled once per instruction set, with CYFES_ISA_INDEX and CYFES_ISA_NAME.
#include "cpu/isa.hpp"

#include "cpu/evaluate.hpp"
#include "cpu/tiles.hpp"

namespace cyfes {

template <>
const isa_table &isa_of<CYFES_ISA_INDEX>() {
  constexpr int isa = CYFES_ISA_INDEX;
  static constexpr isa_table table = {
      CYFES_ISA_NAME,
      {simd<double>::width, prepare<double, isa>, stamp<double, isa>, ::tiles<double>, ::evaluate<double>},
      {simd<float>::width, prepare<float, isa>, stamp<float, isa>, ::tiles<float>, ::evaluate<float>}};
  return table;
}

}  // namespace cyfes
