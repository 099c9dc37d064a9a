// A stable partition of samples by cell, the same for any number of threads: fixed parts of the
// samples count their cells, and each part then knows where its samples of a cell begin.
#ifndef CYFES_CPU_PARTITION_HPP
#define CYFES_CPU_PARTITION_HPP

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#include "cpu/moment_job.hpp"
#ifdef __linux__
#include <sys/mman.h>
#endif

namespace cyfes {

// Uninitialised memory; large blocks lie on huge pages where the system has them, which spares
// most page faults and misses of the translation cache.
template <class value>
class workspace {
 public:
  explicit workspace(std::int64_t n) {
    constexpr std::size_t page = std::size_t{1} << 21;
    const std::size_t bytes =
        static_cast<std::size_t>(std::max<std::int64_t>(n, 1)) * sizeof(value);
    const std::size_t unit = bytes < page ? 64 : page, whole = (bytes + unit - 1) / unit * unit;
    memory_.reset(static_cast<value *>(std::aligned_alloc(unit, whole)));
    if (!memory_) throw std::bad_alloc();
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    if (unit == page) madvise(memory_.get(), whole, MADV_HUGEPAGE);
#endif
  }
  value *get() const { return memory_.get(); }

 private:
  struct release {
    void operator()(value *p) const { std::free(p); }
  };
  std::unique_ptr<value, release> memory_;
};

// Samples that offsets of 32 bits can number.
constexpr std::int64_t most_sorted = std::int64_t{1} << 30;

class partition {
 public:
  partition(const sample_job &all, std::int64_t first, std::int64_t last, std::int64_t n_cells,
            const moment_loops &loops, int n_threads)
      : n_cells_(n_cells),
        width_(all.n_dims + 1),
        n_(last - first),
        begin_(n_cells + 2),
        keys_(n_),
        sorted_(n_ * width_) {
    sample_job job = all;
    job.centers += first * all.n_dims;
    job.weights += first;
    // Few parts where cells are many: their counts would outweigh the samples.
    const std::int64_t n_parts = std::clamp<std::int64_t>(n_ / (n_cells + 4096), 1, 32);
    std::vector<std::int32_t> counts(n_parts * (n_cells + 1));
    const auto part = [&](std::int64_t p) { return p * n_ / n_parts; };
    bool good = true;
#pragma omp parallel for num_threads(n_threads) schedule(dynamic, 1) reduction(&& : good)
    for (std::int64_t p = 0; p < n_parts; ++p)
      good =
          loops.count(job, part(p), part(p + 1), keys_.get(), &counts[p * (n_cells + 1)]) && good;
    number(counts, n_parts);
#pragma omp parallel for num_threads(n_threads) schedule(dynamic, 1) reduction(&& : good)
    for (std::int64_t p = 0; p < n_parts; ++p)
      good = loops.scatter(job, part(p), part(p + 1), keys_.get(), &counts[p * (n_cells + 1)],
                           sorted_.get()) &&
             good;
    good_ = good;
  }

  bool good() const { return good_; }
  std::int64_t n_cells() const { return n_cells_; }
  std::int64_t count(std::int64_t cell) const { return begin_[cell + 2] - begin_[cell + 1]; }
  const double *samples(std::int64_t cell) const {
    return sorted_.get() + begin_[cell + 1] * width_;
  }

 private:
  std::int64_t n_cells_, width_, n_;
  std::vector<std::int64_t> begin_;  // of key 0, the samples that reach nothing, and of each cell
  workspace<std::int32_t> keys_;
  workspace<double> sorted_;
  bool good_ = true;

  // Turns counts into offsets: cells in order, in each the parts in order.
  void number(std::vector<std::int32_t> &counts, std::int64_t n_parts) {
    const std::int64_t n_keys = n_cells_ + 1;
    for (std::int64_t p = 0; p < n_parts; ++p)
      for (std::int64_t k = 0; k < n_keys; ++k) begin_[k + 1] += counts[p * n_keys + k];
    for (std::int64_t k = 0; k < n_keys; ++k) begin_[k + 1] += begin_[k];
    std::vector<std::int64_t> next(begin_.begin(), begin_.end() - 1);
    for (std::int64_t p = 0; p < n_parts; ++p)
      for (std::int64_t k = 0; k < n_keys; ++k) {
        const std::int32_t here = counts[p * n_keys + k];
        counts[p * n_keys + k] = static_cast<std::int32_t>(next[k]);
        next[k] += here;
      }
  }
};

}  // namespace cyfes
#endif
