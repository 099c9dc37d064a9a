// A stable partition of samples by cell, the same for any number of threads: fixed parts of the
// samples count their cells, and each part then knows where its samples of a cell begin.
#ifndef CYFES_CPU_PARTITION_HPP
#define CYFES_CPU_PARTITION_HPP

#include <algorithm>
#include <cstdint>
#include <vector>

#include "cpu/moment_job.hpp"
#include "cpu/workspace.hpp"

namespace cyfes {

// Samples that offsets of 32 bits can number.
constexpr std::int64_t most_sorted = std::int64_t{1} << 30;

class partition {
 public:
  // Memory for `most` samples at a time.
  partition(const sample_job &job, std::int64_t most, std::int64_t n_cells,
            const moment_loops &loops, int n_threads)
      : job_(job),
        loops_(loops),
        n_threads_(n_threads),
        n_cells_(n_cells),
        width_(job.n_dims + 1),
        // Few parts where cells are many: their counts would outweigh the samples.
        n_parts_(n_threads == 1 ? 1 : std::clamp<std::int64_t>(most / (n_cells + 4096), 1, 32)),
        begin_(n_cells + 2),
        counts_(n_parts_ * (n_cells + 1)),
        keys_(most),
        sorted_(most * width_) {}

  // Sorts samples [first, last); false if one of them or a weight is not finite.
  bool sort(std::int64_t first, std::int64_t last) {
    sample_job job = job_;
    job.centers += first * job.n_dims;
    job.weights += first;
    const std::int64_t n = last - first, n_keys = n_cells_ + 1;
    const auto part = [&](std::int64_t p) { return p * n / n_parts_; };
    std::fill(counts_.begin(), counts_.end(), 0);
    bool good = true;
#pragma omp parallel for num_threads(n_threads_) schedule(dynamic, 1) reduction(&& : good)
    for (std::int64_t p = 0; p < n_parts_; ++p)
      good = loops_.count(job, part(p), part(p + 1), keys_.get(), &counts_[p * n_keys]) && good;
    number();
#pragma omp parallel for num_threads(n_threads_) schedule(dynamic, 1) reduction(&& : good)
    for (std::int64_t p = 0; p < n_parts_; ++p)
      good = loops_.scatter(job, part(p), part(p + 1), keys_.get(), &counts_[p * n_keys],
                            sorted_.get()) &&
             good;
    return good;
  }

  std::int64_t count(std::int64_t cell) const { return begin_[cell + 2] - begin_[cell + 1]; }
  const double *samples(std::int64_t cell) const {
    return sorted_.get() + begin_[cell + 1] * width_;
  }

 private:
  const sample_job job_;
  const moment_loops &loops_;
  const int n_threads_;
  const std::int64_t n_cells_, width_, n_parts_;
  std::vector<std::int32_t> begin_;  // of key 0, the samples that reach nothing, and of each cell
  std::vector<std::int32_t> counts_;
  workspace<std::int32_t> keys_;
  workspace<double> sorted_;

  // Turns counts into offsets: cells in order, in each the parts in order.
  void number() {
    const std::int64_t n_keys = n_cells_ + 1;
    std::int32_t next = 0;
    for (std::int64_t k = 0; k < n_keys; ++k) {
      begin_[k] = next;
      for (std::int64_t p = 0; p < n_parts_; ++p) {
        const std::int32_t here = counts_[p * n_keys + k];
        counts_[p * n_keys + k] = next;
        next += here;
      }
    }
    begin_[n_keys] = next;
  }
};

}  // namespace cyfes
#endif
