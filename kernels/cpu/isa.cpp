// Compiled once per instruction set, with CYFES_ISA_INDEX and CYFES_ISA_NAME.
#include "cpu/isa.hpp"

#include "cpu/evaluate.hpp"
#include "cpu/moments.hpp"
#include "cpu/tiles.hpp"

namespace cyfes {

template <>
const isa_table &isa_of<CYFES_ISA_INDEX>() {
  constexpr int isa = CYFES_ISA_INDEX;
  static constexpr isa_table table = {
      CYFES_ISA_NAME,
      {stamp<double, isa>, ::tiles<double>, ::evaluate<double>},
      {stamp<float, isa>, ::tiles<float>, ::evaluate<float>},
      {count_any, scatter_any, line, moments_any, expand_row, expand}};
  return table;
}

}  // namespace cyfes
