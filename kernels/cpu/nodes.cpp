// Blocks of samples on the nodes of a net; each block is one thread's, so that its bits do not
// depend on how many there are.
#include <algorithm>
#include <stdexcept>

#include "cpu/backend.hpp"
#include "cpu/workspace.hpp"
#include "parallel.hpp"
#include "status.hpp"

namespace cyfes {
namespace {

void check_net(const cyfes_grid &net, double width, const int64_t *ends, int64_t n_blocks) {
  if (net.n_dims < 1 || net.n_dims > most_net_dims)
    throw std::invalid_argument("a net has one or two CVs");
  if (!(width > 0)) throw std::invalid_argument("the width of nodes must be positive");
  for (int d = 0; d < net.n_dims; ++d)
    if (net.shape[d] < 1 || !(net.spacing[d] > 0))
      throw std::invalid_argument("a net needs cells and a positive step");
  for (int64_t b = 0; b < n_blocks; ++b)
    if (ends[b] < (b ? ends[b - 1] : 0))
      throw std::invalid_argument("ends of blocks must not fall");
}

void check_matrix(const cyfes_matrix &matrix, bool is_last) {
  if (matrix.n_rows < 1 || matrix.n_points < 1 || matrix.n_columns % 8 != 0 ||
      matrix.n_points > matrix.n_columns || (is_last && matrix.n_rows % 4 != 0))
    throw std::invalid_argument("rows and columns of a matrix must be padded");
  for (int64_t c = 0; c < matrix.n_columns / 8; ++c)
    if (matrix.ranges[2 * c] < 0 || matrix.ranges[2 * c] > matrix.ranges[2 * c + 1] ||
        matrix.ranges[2 * c + 1] > matrix.n_rows)
      throw std::invalid_argument("ranges of a matrix must lie within its rows");
}

// The nodes of one block on the grid.
void to_grid(const isa_table &loops, int n_dims, const cyfes_matrix *matrices, const double *nodes,
             double *values) {
  const cyfes_matrix &first = matrices[0], &last = matrices[n_dims - 1];
  const int64_t rows = n_dims == 1 ? 4 : last.n_rows;
  // One CV: a column of nodes, which four columns stand for.
  workspace<double> column(n_dims == 1 ? 4 * first.n_rows : 1), half(rows * first.n_columns),
      whole(n_dims == 1 ? 1 : first.n_columns * last.n_columns);
  for (int64_t m = 0; n_dims == 1 && m < first.n_rows; ++m)
    std::fill_n(column.get() + 4 * m, 4, nodes[m]);
  loops.transposed_product({first.n_rows, rows, first.n_columns, n_dims == 1 ? column.get() : nodes,
                            first.values, first.ranges, half.get()});
  if (n_dims == 1) {
    std::copy_n(half.get(), first.n_points, values);
    return;
  }
  loops.transposed_product({last.n_rows, first.n_columns, last.n_columns, half.get(), last.values,
                            last.ranges, whole.get()});
  for (int64_t i = 0; i < first.n_points; ++i)
    std::copy_n(whole.get() + i * last.n_columns, last.n_points, values + i * last.n_points);
}

}  // namespace
}  // namespace cyfes

int cyfes_cpu_nodes(const cyfes_grid *net, double width, int64_t n_blocks, const int64_t *ends,
                    const double *centers, const double *weights, const cyfes_options *options,
                    double *nodes) {
  return cyfes::guarded([&] {
    cyfes::check_net(*net, width, ends, n_blocks);
    const auto loop = cyfes::select_isa(options->isa).nodes;
    cyfes::node_job all{};
    all.n_dims = net->n_dims;
    all.width = width;
    all.centers = centers;
    all.weights = weights;
    int64_t size = 1;
    for (int d = 0; d < net->n_dims; ++d) {
      all.n_cells[d] = net->shape[d];
      all.lower[d] = net->lower[d];
      all.step[d] = net->spacing[d];
      all.period[d] = net->period[d];
      size *= net->shape[d] + CYFES_NODES - 1;
    }
    cyfes::for_each_task(cyfes::usable_threads(options->n_threads), n_blocks,
                         [&](std::int64_t b, int) {
                           cyfes::node_job job = all;
                           job.first = b ? ends[b - 1] : 0;
                           job.last = ends[b];
                           job.nodes = nodes + b * size;
                           loop(job);
                         });
  });
}

int cyfes_cpu_nodes_to_grid(int32_t n_dims, const cyfes_matrix *matrices, int64_t n_blocks,
                            const double *nodes, const cyfes_options *options, double *values) {
  return cyfes::guarded([&] {
    if (n_dims < 1 || n_dims > cyfes::most_net_dims)
      throw std::invalid_argument("a net has one or two CVs");
    int64_t n_nodes = 1, n_points = 1;
    for (int d = 0; d < n_dims; ++d) {
      cyfes::check_matrix(matrices[d], n_dims > 1 && d == n_dims - 1);
      n_nodes *= matrices[d].n_rows;
      n_points *= matrices[d].n_points;
    }
    const auto &loops = cyfes::select_isa(options->isa);
    cyfes::for_each_task(
        cyfes::usable_threads(options->n_threads), n_blocks, [&](std::int64_t b, int) {
          cyfes::to_grid(loops, n_dims, matrices, nodes + b * n_nodes, values + b * n_points);
        });
  });
}
