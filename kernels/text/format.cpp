// A grid to the text PLUMED prints. Each thread formats one range of points into its own buffer;
// the buffers joined in order are the text.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <vector>

#include "parallel.hpp"
#include "status.hpp"
#include "text/fixed.hpp"

namespace {

using namespace cyfes;

constexpr std::int64_t points_per_range = 2048;

struct free_memory {
  void operator()(char *memory) const { std::free(memory); }
};
using memory_owner = std::unique_ptr<char, free_memory>;

// Text that grows by doubling; new room is not cleared.
class text_buffer {
 public:
  // Where to write at most n more bytes; commit() tells where they ended.
  char *reserve(std::int64_t n) {
    if (capacity_ - size_ < n) grow(size_ + n);
    return memory_.get() + size_;
  }
  void commit(const char *end) { size_ = end - memory_.get(); }
  const char *data() const { return memory_.get(); }
  std::int64_t size() const { return size_; }

 private:
  void grow(std::int64_t needed) {
    capacity_ = std::max(needed, 2 * capacity_);
    void *const moved = std::realloc(memory_.get(), static_cast<std::size_t>(capacity_));
    if (moved == nullptr) throw std::bad_alloc();
    static_cast<void>(memory_.release());
    memory_.reset(static_cast<char *>(moved));
  }

  memory_owner memory_;
  std::int64_t size_ = 0, capacity_ = 0;
};

// A point in the order of the file (first CV fastest) and its place in arrays (last CV fastest).
class grid_point {
 public:
  grid_point(const cyfes_grid &grid, std::int64_t number) : grid_(grid) {
    strides_[grid.n_dims - 1] = 1;
    for (int d = grid.n_dims - 1; d > 0; --d) strides_[d - 1] = strides_[d] * grid.shape[d];
    for (int d = 0; d < grid.n_dims; ++d) {
      index_[d] = number % grid.shape[d];
      number /= grid.shape[d];
      offset_ += index_[d] * strides_[d];
    }
  }

  void advance() {
    for (int d = 0; d < grid_.n_dims; ++d) {
      offset_ += strides_[d];
      if (++index_[d] < grid_.shape[d]) return;
      offset_ -= index_[d] * strides_[d];
      index_[d] = 0;
    }
  }

  std::int64_t index(int d) const { return index_[d]; }
  std::int64_t offset() const { return offset_; }
  double coordinate(int d) const {
    return grid_.lower[d] + static_cast<double>(index_[d]) * grid_.spacing[d];
  }

 private:
  const cyfes_grid &grid_;
  std::array<std::int64_t, CYFES_MAX_DIMS> index_{}, strides_{};
  std::int64_t offset_ = 0;
};

struct grid_writer {
  const cyfes_grid &grid;
  std::int32_t n_fields;
  const double *const *fields;
  fixed_format format;

  text_buffer write(std::int64_t first, std::int64_t last) const {
    const std::int64_t line_room = 2 + (grid.n_dims + n_fields) * (1 + format.room());
    text_buffer text;
    grid_point point(grid, first);
    for (std::int64_t number = first; number < last; ++number, point.advance()) {
      char *out = text.reserve(line_room);
      if (grid.n_dims > 1 && number > 0 && point.index(grid.n_dims - 2) == 0) *out++ = '\n';
      text.commit(write_line(out, point));
    }
    return text;
  }

 private:
  char *write_line(char *out, const grid_point &point) const {
    for (int d = 0; d < grid.n_dims; ++d) {
      *out++ = ' ';
      out = format.write(out, point.coordinate(d));
    }
    for (std::int32_t i = 0; i < n_fields; ++i) {
      *out++ = ' ';
      out = format.write(out, fields[i][point.offset()]);
    }
    *out++ = '\n';
    return out;
  }
};

void check_range(const cyfes_grid &grid, std::int64_t first, std::int64_t n_points) {
  if (grid.n_dims < 1 || grid.n_dims > CYFES_MAX_DIMS) {
    throw std::invalid_argument("a grid has 1 to 4 CVs");
  }
  std::int64_t size = 1;
  for (int d = 0; d < grid.n_dims; ++d) size *= std::max<std::int64_t>(0, grid.shape[d]);
  if (size == 0) throw std::invalid_argument("a grid has at least one point along each CV");
  if (first < 0 || n_points < 0 || first > size - n_points) {
    throw std::invalid_argument("points to format are not in the grid");
  }
}

memory_owner join(const std::vector<text_buffer> &parts, std::int64_t &n_bytes) {
  std::vector<std::int64_t> starts(1, 0);
  for (const text_buffer &part : parts) starts.push_back(starts.back() + part.size());
  n_bytes = starts.back();
  memory_owner text(static_cast<char *>(std::malloc(static_cast<std::size_t>(n_bytes) + 1)));
  if (!text) throw std::bad_alloc();
  for_each_task(static_cast<int>(parts.size()), static_cast<std::int64_t>(parts.size()),
                [&](std::int64_t i, int) {
                  if (parts[i].size() > 0)
                    std::memcpy(text.get() + starts[i], parts[i].data(), parts[i].size());
                });
  return text;
}

}  // namespace

int cyfes_format_grid(const cyfes_grid *grid, int32_t n_fields, const double *const *fields,
                      int64_t first, int64_t n_points, int32_t width, int32_t precision,
                      int32_t n_threads, char **text, int64_t *n_bytes) {
  return guarded([&] {
    check_range(*grid, first, n_points);
    const grid_writer writer{*grid, n_fields, fields, fixed_format(width, precision)};
    const std::int64_t n_ranges =
        std::clamp<std::int64_t>(n_points / points_per_range, 1, usable_threads(n_threads));
    std::vector<text_buffer> parts(static_cast<std::size_t>(n_ranges));
    for_each_task(static_cast<int>(n_ranges), n_ranges, [&](std::int64_t i, int) {
      const std::int64_t share = n_points / n_ranges;
      const std::int64_t last = i + 1 < n_ranges ? share * (i + 1) : n_points;
      parts[i] = writer.write(first + share * i, first + last);
    });
    *text = join(parts, *n_bytes).release();
  });
}

void cyfes_free_text(char *text) { std::free(text); }
