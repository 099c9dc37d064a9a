// Compiled once per instruction set, with CYFES_ISA_INDEX, and without contraction to fused
// multiply-adds: sums of hills then round like PLUMED's own, to the last printed digit.
#include "cpu/jobs/isa_table.hpp"
#include "cpu/per_isa/prepare_loops.hpp"
#include "cpu/per_isa/stamp_loops.hpp"

namespace cyfes {

template <>
void prepare<double, CYFES_ISA_INDEX>(const stamp_job<double> &job, std::int64_t slot,
                                      std::int64_t n) {
  prepare_any(job, slot, n);
}

template <>
void prepare<float, CYFES_ISA_INDEX>(const stamp_job<float> &job, std::int64_t slot,
                                     std::int64_t n) {
  prepare_any(job, slot, n);
}

template <>
void stamp<double, CYFES_ISA_INDEX>(const stamp_job<double> &job, std::int64_t n, stamp_task task,
                                    const disc_list<double> &discs) {
  stamp_any(job, n, task, discs);
}

template <>
void stamp<float, CYFES_ISA_INDEX>(const stamp_job<float> &job, std::int64_t n, stamp_task task,
                                   const disc_list<float> &discs) {
  stamp_any(job, n, task, discs);
}

}  // namespace cyfes
