// Samples as narrow Gaussians at the nodes around them.
//
// Node k = 0, 1, ... of a sample at u in its cell gets exp(-((k - before - u) / s)^2 / 2), which is
// a constant of k, times a first factor, times the k-th power of exp(u / s^2).
#ifndef CYFES_CPU_PER_ISA_NODE_LOOPS_HPP
#define CYFES_CPU_PER_ISA_NODE_LOOPS_HPP

#include "cpu/jobs/node_job.hpp"
#include "cpu/per_isa/moment_loops.hpp"
#include "cpu/per_isa/simd.hpp"

namespace {

using cyfes::node_job;

// Four nodes at once, whatever the width of the registers.
typedef double quad __attribute__((vector_size(32)));
constexpr int nodes = CYFES_NODES, quads = nodes / 4, before = nodes / 2 - 1;
static_assert(nodes % 4 == 0, "nodes come by fours");

// Of a block of samples along one CV: the cell of each, -1 outside, first factor and power's base.
struct node_factors {
  double cell[locate_block], first[locate_block], base[locate_block];

  void set(const node_job &job, int d, const double *x) {
    const dvec n = broadcast(static_cast<double>(job.n_cells[d])), lower = broadcast(job.lower[d]);
    const double inverse = 1 / (job.width * job.width), per_step = 1 / job.step[d];
    const double period = job.period[d], per_period = period > 0 ? 1 / period : 0;
    for (std::int64_t i = 0; i < locate_block; i += lanes) {
      dvec y = load(x + i) - lower;
      if (period > 0) y -= period * floored(y * per_period);
      const dvec position = y * per_step;
      // Rounding may put a wrapped center just outside.
      const double slack = period > 0 ? 1.0 : 0.0;
      const auto inside = (position >= -slack) & (position < n + slack);
      dvec at = floored(select(inside, position, dvec{}));
      at = select(at < 0.0, dvec{}, at);
      at = select(at >= n, n - 1.0, at);
      const dvec u = select(inside, position - at, dvec{});
      store(cell + i, select(inside, at, dvec{} - 1.0));
      store(first + i, exponential(-u * (0.5 * u + before) * inverse));
      store(base + i, exponential(u * inverse));
    }
  }

  void factors(std::int64_t i, const quad (&constant)[quads], quad (&to)[quads]) const {
    const double e = base[i], e2 = e * e, e4 = e2 * e2;
    quad power = quad{1, e, e2, e2 * e} * first[i];
    for (int q = 0; q < quads; ++q, power *= e4) to[q] = constant[q] * power;
  }
};

inline void add_quads(const quad (&values)[quads], double factor, double *to) {
  for (int q = 0; q < quads; ++q) {
    quad sum;
    std::memcpy(&sum, to + 4 * q, sizeof sum);
    sum += values[q] * factor;
    std::memcpy(to + 4 * q, &sum, sizeof sum);
  }
}

inline void add_nodes(const node_job &job) {
  const int last = job.n_dims - 1;
  const std::int64_t stride = job.n_cells[last] + nodes - 1;
  double constants[nodes];
  for (std::int64_t k = 0; k < nodes; k += lanes) {
    dvec distance;
    for (int l = 0; l < lanes; ++l) distance[l] = static_cast<double>(k + l - before) / job.width;
    const dvec value = exponential(-0.5 * distance * distance);
    std::memcpy(constants + k, &value, (nodes - k < lanes ? nodes - k : lanes) * sizeof(double));
  }
  quad constant[quads];
  std::memcpy(constant, constants, sizeof constant);
  for (std::int64_t at = job.first; at < job.last; at += locate_block) {
    const std::int64_t here = job.last - at < locate_block ? job.last - at : locate_block;
    node_factors along[cyfes::most_net_dims];
    for (int d = 0; d <= last; ++d) {
      double column[locate_block] = {};
      for (std::int64_t i = 0; i < here; ++i) column[i] = job.centers[(at + i) * job.n_dims + d];
      along[d].set(job, d, column);
    }
    for (std::int64_t i = 0; i < here; ++i) {
      const double weight = job.weights[at + i];
      if (!(along[0].cell[i] >= 0 && along[last].cell[i] >= 0)) continue;
      quad row[quads];
      along[last].factors(i, constant, row);
      double *to = job.nodes + static_cast<std::int64_t>(along[last].cell[i]);
      if (last == 0) {
        add_quads(row, weight, to);
        continue;
      }
      quad column[quads];
      along[0].factors(i, constant, column);
      to += static_cast<std::int64_t>(along[0].cell[i]) * stride;
      for (int k = 0; k < nodes; ++k, to += stride)
        add_quads(row, weight * column[k / 4][k % 4], to);
    }
  }
}

// Eight columns of right at a time, in one register panel after another.
inline void transposed_product(const cyfes::product_job &job) {
  constexpr int groups = lanes < 8 ? 2 : 1;
  for (std::int64_t c = 0; c < job.right_columns; c += groups * lanes) {
    const std::int64_t begin = job.ranges[c / 8 * 2], end = job.ranges[c / 8 * 2 + 1];
    for (std::int64_t r = 0; r < job.left_columns; r += 4) {
      register_panel<groups> sums;
      sums.add(end - begin, job.left + begin * job.left_columns + r, job.left_columns,
               job.right + begin * job.right_columns + c, job.right_columns);
      sums.put(job.to + r * job.right_columns + c, job.right_columns);
    }
  }
}

}  // namespace
#endif
