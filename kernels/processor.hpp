// Which of the instruction sets that are compiled in this processor runs.
#ifndef CYFES_PROCESSOR_HPP
#define CYFES_PROCESSOR_HPP

#include <cstdint>

namespace cyfes {

// How many are compiled in, slowest first.
constexpr int n_isas = CYFES_N_ISAS;

bool isa_runs_here(int index);

// Index of the instruction set that options.isa asks for; throws unsupported.
int isa_index(std::int32_t isa);

}  // namespace cyfes
#endif
