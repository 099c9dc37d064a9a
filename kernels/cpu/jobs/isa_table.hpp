// The inner loops, one table per instruction set: what cpu/per_isa compiles once for each.
// Everything around the loops (checks, sorting, threads, memory) is compiled once.
#ifndef CYFES_CPU_JOBS_ISA_TABLE_HPP
#define CYFES_CPU_JOBS_ISA_TABLE_HPP

#include <cstdint>

#include "cpu/jobs/evaluate_job.hpp"
#include "cpu/jobs/mbar_job.hpp"
#include "cpu/jobs/moment_job.hpp"
#include "cpu/jobs/node_job.hpp"
#include "cpu/jobs/point_job.hpp"
#include "cpu/jobs/stamp_job.hpp"
#include "cpu/jobs/tile_job.hpp"

namespace cyfes {

template <class real>
struct isa_loops {
  std::int64_t width;  // values per vector
  void (*prepare)(const stamp_job<real> &, std::int64_t slot, std::int64_t n);
  void (*stamp)(const stamp_job<real> &, std::int64_t n, stamp_task, const disc_list<real> &);
  void (*tiles)(const tile_job<real> &, index_range, real *buffer);
  void (*evaluate)(const evaluate_job &, std::int64_t first, std::int64_t last, real *density,
                   real *derivatives);
};

struct isa_table {
  const char *name;
  void (*points)(const point_job &, std::int64_t first, std::int64_t last);
  isa_loops<double> f64;
  isa_loops<float> f32;
  moment_loops moments;
  // weights[n] = exp(log_weights) 2^-exponent, and sums[2] of them and of their squares.
  void (*weigh)(const double *log_weights, std::int64_t n, double exponent, double *weights,
                double *sums);
  void (*sum_weights)(const double *weights, std::int64_t n, double *sums);
  void (*nodes)(const node_job &);
  void (*transposed_product)(const product_job &);
  void (*mbar)(const mbar_job &);
};

// One per instruction set, defined by per_isa/loops.cpp and per_isa/loops_exact.cpp under the index
// that they are compiled with.
template <int index>
const isa_table &isa_of();
template <class real, int index>
void prepare(const stamp_job<real> &, std::int64_t slot, std::int64_t n);
template <class real, int index>
void stamp(const stamp_job<real> &, std::int64_t n, stamp_task, const disc_list<real> &);

template <class real>
const isa_loops<real> &loops_of(const isa_table &table);
template <>
inline const isa_loops<double> &loops_of(const isa_table &table) {
  return table.f64;
}
template <>
inline const isa_loops<float> &loops_of(const isa_table &table) {
  return table.f32;
}

}  // namespace cyfes
#endif
