// A stable counting sort of samples by cell, the same for any number of threads: fixed parts of the
// samples count their cells, and each part then knows where its samples of a cell begin.
#ifndef CYFES_CPU_CELL_SORT_HPP
#define CYFES_CPU_CELL_SORT_HPP

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <vector>

#include "cpu/workspace.hpp"
#include "parallel.hpp"

namespace cyfes {

// Samples that offsets of 32 bits can number.
constexpr std::int64_t max_sorted = std::int64_t{1} << 30;

class cell_sort {
 public:
  // For at most max_samples at a time, with keys [0, n_keys).
  cell_sort(std::int64_t max_samples, std::int64_t n_keys, int n_threads)
      : n_threads_(n_threads),
        n_keys_(n_keys),
        // Few parts where keys are many: their counts would outweigh the samples.
        n_parts_(n_threads == 1 ? 1
                                : std::clamp<std::int64_t>(max_samples / (n_keys + 4096), 1, 32)),
        begin_(n_keys + 1),
        counts_(n_parts_ * n_keys),
        keys_(max_samples) {}

  // Sorts samples [0, n). count(first, last, keys, counts) sets keys[i] of samples [first, last)
  // and adds them to counts[key]; scatter(first, last, keys, offsets) moves each of them to place
  // offsets[key]++. Returns false if one of these does.
  template <class Count, class Scatter>
  bool run(std::int64_t n, const Count &count, const Scatter &scatter) {
    std::fill(counts_.begin(), counts_.end(), 0);
    return for_each_part(n, count) && (number(), for_each_part(n, scatter));
  }

  // Places of the samples with a key.
  std::int64_t begin(std::int64_t key) const { return begin_[key]; }
  std::int64_t count(std::int64_t key) const { return begin_[key + 1] - begin_[key]; }

 private:
  const int n_threads_;
  const std::int64_t n_keys_, n_parts_;
  std::vector<std::int32_t> begin_, counts_;
  workspace<std::int32_t> keys_;

  template <class Body>
  bool for_each_part(std::int64_t n, const Body &body) {
    std::atomic<bool> good{true};
    for_each_task(n_threads_, n_parts_, [&](std::int64_t p, int) {
      if (!body(p * n / n_parts_, (p + 1) * n / n_parts_, keys_.get(), &counts_[p * n_keys_]))
        good = false;
    });
    return good;
  }

  // Turns counts into offsets: keys in order, in each the parts in order.
  void number() {
    std::int32_t next = 0;
    for (std::int64_t k = 0; k < n_keys_; ++k) {
      begin_[k] = next;
      for (std::int64_t p = 0; p < n_parts_; ++p) {
        const std::int32_t here = counts_[p * n_keys_ + k];
        counts_[p * n_keys_ + k] = next;
        next += here;
      }
    }
    begin_[n_keys_] = next;
  }
};

// Numbers of the samples that are in a cell (not -1), by cell and else in their order. Many cells
// are sorted by digits, the last one first, so that counts stay few.
inline std::vector<std::int32_t> order_by_cell(const std::vector<std::int64_t> &cells,
                                               std::int64_t n_cells, int n_threads) {
  if (static_cast<std::int64_t>(cells.size()) > max_sorted) throw std::bad_alloc();
  std::vector<std::int32_t> order, sorted;
  order.reserve(cells.size());
  for (std::size_t i = 0; i < cells.size(); ++i)
    if (cells[i] >= 0) order.push_back(static_cast<std::int32_t>(i));
  sorted.resize(order.size());
  const auto n = static_cast<std::int64_t>(order.size());
  constexpr int digit_bits = 11;
  const bool few = n_cells <= std::max<std::int64_t>(n / 4, 1 << digit_bits);
  cell_sort sort(n, few ? n_cells : 1 << digit_bits, n_threads);
  for (int shift = 0; shift < 63 && (n_cells - 1) >> shift > 0; shift += few ? 63 : digit_bits) {
    const auto count = [&](std::int64_t first, std::int64_t last, std::int32_t *keys,
                           std::int32_t *counts) {
      for (std::int64_t i = first; i < last; ++i) {
        const std::int64_t digits = cells[order[i]] >> shift;
        keys[i] = static_cast<std::int32_t>(few ? digits : digits & ((1 << digit_bits) - 1));
        ++counts[keys[i]];
      }
      return true;
    };
    const auto scatter = [&](std::int64_t first, std::int64_t last, const std::int32_t *keys,
                             std::int32_t *offsets) {
      for (std::int64_t i = first; i < last; ++i) sorted[offsets[keys[i]]++] = order[i];
      return true;
    };
    sort.run(n, count, scatter);
    order.swap(sorted);
  }
  return order;
}

}  // namespace cyfes
#endif
