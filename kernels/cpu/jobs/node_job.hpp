// Samples that are spread over the nodes of a net.
#ifndef CYFES_CPU_JOBS_NODE_JOB_HPP
#define CYFES_CPU_JOBS_NODE_JOB_HPP

#include <cstdint>

#include "cyfes_kernels.h"

namespace cyfes {

constexpr int most_net_dims = 2;

// The samples [first, last) of centers[n][n_dims] and weights[n], and the nodes that take them,
// [n_cells + CYFES_NODES - 1] along each CV. `width` is that of the Gaussians, in steps.
struct node_job {
  int n_dims;
  std::int64_t n_cells[most_net_dims];
  double lower[most_net_dims], step[most_net_dims], period[most_net_dims];
  double width;
  const double *centers, *weights;
  std::int64_t first, last;
  double *nodes;
};

// to[column of left][column of right] = sum over rows of left times right, which are
// [n_rows][left_columns] and [n_rows][right_columns]. Left's columns come by fours, right's by
// eights; of each eight the rows [begin, end) alone are not zero: ranges[eight][2].
struct product_job {
  std::int64_t n_rows, left_columns, right_columns;
  const double *left, *right;
  const std::int64_t *ranges;
  double *to;
};

}  // namespace cyfes
#endif
