// Blocks of samples on the nodes of a net; each block is one thread's, so that its bits do not
// depend on how many there are.
#include <stdexcept>

#include "cpu/backend.hpp"
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
