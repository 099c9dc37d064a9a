// Samples sorted by cell, as coordinates within the cell and weights: what moments are made of.
#ifndef CYFES_CPU_SORTED_SAMPLES_HPP
#define CYFES_CPU_SORTED_SAMPLES_HPP

#include "cpu/cell_sort.hpp"
#include "cpu/jobs/moment_job.hpp"

namespace cyfes {

class sorted_samples {
 public:
  // Memory for max_samples at a time. Key 0 is that of samples which reach nothing.
  sorted_samples(const sample_job &job, std::int64_t max_samples, std::int64_t n_cells,
                 const moment_loops &loops, int n_threads)
      : job_(job),
        loops_(loops),
        width_(job.n_dims + 1),
        cells_(max_samples, n_cells + 1, n_threads),
        sorted_(max_samples * width_) {}

  // Sorts samples [first, last); false if one of them or a weight is not finite.
  bool sort(std::int64_t first, std::int64_t last) {
    sample_job job = job_;
    job.centers += first * job.n_dims;
    job.weights += first;
    return cells_.run(
        last - first,
        [&](std::int64_t begin, std::int64_t end, std::int32_t *keys, std::int32_t *counts) {
          return loops_.count(job, begin, end, keys, counts);
        },
        [&](std::int64_t begin, std::int64_t end, const std::int32_t *keys, std::int32_t *offsets) {
          return loops_.scatter(job, begin, end, keys, offsets, sorted_.get());
        });
  }

  std::int64_t count(std::int64_t cell) const { return cells_.count(cell + 1); }
  const double *samples(std::int64_t cell) const {
    return sorted_.get() + cells_.begin(cell + 1) * width_;
  }

 private:
  const sample_job job_;
  const moment_loops &loops_;
  const std::int64_t width_;
  cell_sort cells_;
  workspace<double> sorted_;
};

}  // namespace cyfes
#endif
