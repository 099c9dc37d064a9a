// Weights of samples: fixed blocks, so that sums do not depend on threads.
#include <algorithm>
#include <vector>

#include "cpu/backend.hpp"
#include "parallel.hpp"
#include "status.hpp"

namespace cyfes {
namespace {

constexpr std::int64_t block = 1 << 13;

// sums[2] = those of body(first, n, sums of the block), block by block in order.
template <class Body>
void sum_blocks(std::int64_t n, int n_threads, double *sums, const Body &body) {
  const std::int64_t n_blocks = (n + block - 1) / block;
  std::vector<double> parts(2 * n_blocks);
  for_each_range(n_blocks < 16 ? 1 : usable_threads(n_threads), n_blocks,
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t b = begin; b < end; ++b)
                     body(b * block, std::min(block, n - b * block), &parts[2 * b]);
                 });
  sums[0] = sums[1] = 0;
  for (std::int64_t i = 0; i < 2 * n_blocks; ++i) sums[i % 2] += parts[i];
}

}  // namespace
}  // namespace cyfes

int cyfes_cpu_weigh(int64_t n, const double *log_weights, double exponent,
                    const cyfes_options *options, double *weights, double *sums) {
  return cyfes::guarded([&] {
    const auto loop = cyfes::select_isa(options->isa).weigh;
    cyfes::sum_blocks(n, options->n_threads, sums,
                      [&](std::int64_t first, std::int64_t count, double *part) {
                        loop(log_weights + first, count, exponent, weights + first, part);
                      });
  });
}

int cyfes_cpu_sum_weights(int64_t n, const double *weights, const cyfes_options *options,
                          double *sums) {
  return cyfes::guarded([&] {
    const auto loop = cyfes::select_isa(options->isa).sum_weights;
    cyfes::sum_blocks(n, options->n_threads, sums,
                      [&](std::int64_t first, std::int64_t count, double *part) {
                        loop(weights + first, count, part);
                      });
  });
}
