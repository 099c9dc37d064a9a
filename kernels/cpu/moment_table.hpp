// Moments of all cells at once, for cells that are few enough: samples are sorted in batches that
// stay in a core's cache, and expanded once.
#ifndef CYFES_CPU_MOMENT_TABLE_HPP
#define CYFES_CPU_MOMENT_TABLE_HPP

#include <algorithm>
#include <atomic>
#include <memory>
#include <vector>

#include "cpu/jobs/moment_job.hpp"
#include "cpu/sorted_samples.hpp"
#include "parallel.hpp"

namespace cyfes {

class moment_table {
 public:
  moment_table(const moment_shape &shape, std::int64_t n_cells)
      : shape_(&shape), place_(n_cells), moments_(n_cells * shape.size) {}

  // The row that begins with a cell.
  moment_row row(std::int64_t cell) const { return {moments_.get(), &place_[cell]}; }

  // Adds samples [first, last); false if one of them is not finite.
  bool add(const sample_job &job, const moment_loops &loops, std::int64_t first,
           std::int64_t last) {
    const auto n_cells = static_cast<std::int64_t>(place_.size());
    const std::int64_t batch = std::min(last - first, table_batch(n_cells));
    sorted_samples cells(job, batch, n_cells, loops, 1);
    workspace<double> buffer(moment_buffer_size(*shape_));
    for (std::int64_t at = first; at < last; at += batch) {
      if (!cells.sort(at, std::min(last, at + batch))) return false;
      for (std::int64_t c = 0; c < n_cells; ++c)
        if (const std::int64_t n = cells.count(c))
          loops.moments(*shape_, cells.samples(c), n, place(c), buffer.get());
    }
    return true;
  }

  // Adds tables [1, ...) to the first, cell by cell in their order.
  static void merge(const std::vector<std::unique_ptr<moment_table>> &tables, int n_threads) {
    moment_table &all = *tables[0];
    const auto n_cells = static_cast<std::int64_t>(all.place_.size());
    for (std::int64_t c = 0; c < n_cells; ++c)
      for (std::size_t p = 1; p < tables.size(); ++p)
        if (tables[p]->place_[c] != 0) all.place(c);
    for_each_range(n_threads, n_cells, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t c = begin; c < end; ++c)
        for (std::size_t p = 1; p < tables.size(); ++p)
          if (tables[p]->place_[c] != 0) all.add(c, *tables[p]);
    });
  }

 private:
  const moment_shape *shape_;
  std::vector<std::int32_t> place_;
  std::int32_t last_ = 0;
  workspace<double> moments_;  // in the order in which cells are seen first: the rest is untouched

  double *moments(std::int64_t c) const { return moments_.get() + (place_[c] - 1) * shape_->size; }

  // The moments of a cell, zeros if there were none.
  double *place(std::int64_t c) {
    const bool fresh = place_[c] == 0;
    if (fresh) place_[c] = ++last_;
    if (fresh) std::fill(moments(c), moments(c) + shape_->size, 0.0);
    return moments(c);
  }

  void add(std::int64_t c, const moment_table &other) {
    const double *const from = other.moments(c);
    double *const to = moments(c);
    for (std::int64_t i = 0; i < shape_->size; ++i) to[i] += from[i];
  }
};

// Adds n samples to the table that it makes; null if one of them is not finite. Fixed parts of the
// samples have tables of their own, which are added in their order: no thread waits for another,
// and the bits do not depend on how many there are.
inline std::unique_ptr<moment_table> table_of(const sample_job &job, std::int64_t n,
                                              const moment_shape &shape, std::int64_t n_cells,
                                              const moment_loops &loops, int n_threads) {
  std::int64_t n_parts = 1;
  while (n_parts < 16 && n > n_parts << 18) n_parts *= 2;
  std::vector<std::unique_ptr<moment_table>> tables(n_parts);
  std::atomic<bool> good{true};
  for_each_task(n_threads, n_parts, [&](std::int64_t p, int) {
    tables[p] = std::make_unique<moment_table>(shape, n_cells);
    if (!tables[p]->add(job, loops, p * n / n_parts, (p + 1) * n / n_parts)) good = false;
  });
  if (!good) return nullptr;
  moment_table::merge(tables, n_threads);
  return std::move(tables[0]);
}

}  // namespace cyfes
#endif
