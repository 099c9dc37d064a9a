#include "cpu/moments.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <deque>
#include <stdexcept>
#include <vector>

#include "checks.hpp"
#include "cpu/backend.hpp"
#include "cpu/moment_axes.hpp"
#include "cpu/moment_table.hpp"
#include "parallel.hpp"

namespace cyfes {
namespace {

constexpr std::int64_t widest_vector = 8;  // doubles in the widest register

std::int64_t rounded_up(std::int64_t n, std::int64_t unit) { return (n + unit - 1) / unit * unit; }

// The sums of one call: channel 0 is the density, the others its derivatives.
template <class real>
class moment_sum {
 public:
  moment_sum(const cyfes_grid &grid, const cyfes_kernel_list &samples, const cyfes_options &options,
             const cyfes_plan &plan, int n_threads, real *density, real *derivatives)
      : grid_(grid),
        samples_(samples),
        loops_(select_isa(options.isa).moments),
        axes_(grid, samples.bandwidths, plan, derivatives != nullptr),
        shape_(grid.n_dims, plan.order),
        n_threads_(n_threads),
        density_(density),
        derivatives_(derivatives),
        takes_absolute_values_(grid.n_dims == 3 &&
                               std::none_of(samples.weights, samples.weights + samples.n_kernels,
                                            [](double w) { return w < 0; })) {}

  void run() {
    const std::int64_t n = samples_.n_kernels;
    if (grid_.n_dims == 1) return sum_line();
    std::int64_t n_cells = 1;
    for (int d = 0; d < grid_.n_dims; ++d) n_cells *= axis(d).n_cells;
    if (has_table(n_cells, shape_.get().size)) {
      const auto table = table_of(job(), n, shape_.get(), n_cells, loops_, n_threads_);
      if (!table) refuse();
      return expand_all({nullptr, table.get()});
    }
    // Sorted copies of a quarter of many samples at a time bound both memory and expansions.
    const std::int64_t batch = std::min(std::max<std::int64_t>(1 << 20, n / 4 + 1), max_sorted);
    sorted_samples cells(job(), std::min(batch, n), n_cells, loops_, n_threads_);
    for (std::int64_t first = 0; first < n; first += batch) {
      if (!cells.sort(first, std::min(n, first + batch))) refuse();
      expand_all({&cells, nullptr});
    }
  }

 private:
  const cyfes_grid &grid_;
  const cyfes_kernel_list &samples_;
  const moment_loops &loops_;
  const moment_axes axes_;
  const moment_rows_list shape_;
  const int n_threads_;
  real *const density_, *const derivatives_;
  // If rounding makes a non-negative sum negative, its absolute value is closer to the truth; the
  // plan sees to it that only three CVs need that.
  const bool takes_absolute_values_;

  int last() const { return grid_.n_dims - 1; }
  const moment_axis &axis(int d) const { return axes_.list()[d]; }
  std::int64_t columns() const { return rounded_up(grid_.shape[last()], widest_vector); }

  sample_job job() const {
    return {grid_.n_dims, axes_.list(), samples_.centers, samples_.weights};
  }

  // A loop met an invalid number; check_samples reports which.
  void refuse() const {
    check_samples(grid_, samples_);
    throw std::invalid_argument("a center is not finite");
  }

  // ---- one CV: a table of moments for each of a fixed number of parts of the samples

  void sum_line() {
    const moment_axis &line = axis(0);
    const std::int64_t n = samples_.n_kernels, size = (line.n_cells + 1) * line_order;
    const std::int64_t n_parts = std::clamp<std::int64_t>(n / (4 * size), 1, 32);
    std::vector<double> tables(n_parts * size);
    std::atomic<bool> good{true};
    for_each_task(n_threads_, n_parts, [&](std::int64_t p, int) {
      if (!loops_.line(job(), p * n / n_parts, (p + 1) * n / n_parts, &tables[p * size]))
        good = false;
    });
    if (!good) refuse();
    for (std::int64_t p = 1; p < n_parts; ++p)
      for (std::int64_t i = 0; i < size; ++i) tables[i] += tables[p * size + i];
    std::vector<std::int32_t> place(line.n_cells);
    std::vector<double> moments(line.n_cells * shape_.get().size);
    for (std::int64_t c = 0; c < line.n_cells; ++c)
      if (chebyshev_moments(&tables[(c + 1) * line_order], &moments[c * shape_.get().size]))
        place[c] = static_cast<std::int32_t>(c + 1);
    expand_line({moments.data(), place.data()});
  }

  // Moments of T_k from those of v^k, as the first of moment_rows rows; false if all are zero.
  static bool chebyshev_moments(const double *powers, double *to) {
    constexpr int t[line_order][line_order] = {{1},
                                               {0, 1},
                                               {-1, 0, 2},
                                               {0, -3, 0, 4},
                                               {1, 0, -8, 0, 8},
                                               {0, 5, 0, -20, 0, 16},
                                               {-1, 0, 18, 0, -48, 0, 32},
                                               {0, -7, 0, 56, 0, -112, 0, 64}};
    bool any = false;
    for (int k = 0; k < line_order; ++k) {
      double sum = 0;
      for (int j = 0; j <= k; ++j) sum += t[k][j] * powers[j];
      to[k * moment_rows] = sum;
      any |= powers[k] != 0;
    }
    return any;
  }

  void expand_line(const moment_row &row) {
    constexpr std::int64_t stretch = 96;
    const std::int64_t n = grid_.shape[0], n_stretches = (n + stretch - 1) / stretch;
    for (int channel = 0; channel <= (derivatives_ ? 1 : 0); ++channel) {
      real *const to = channel ? derivatives_ : density_;
      for_each_task(n_threads_, n_stretches, [&](std::int64_t s, int) {
        double out[moment_rows * (stretch + expansion_slack)];
        const std::int64_t begin = s * stretch, end = std::min(n, begin + stretch);
        loops_.expand_row(shape_.get(), axis(0), channel, row, begin, end, out,
                          stretch + expansion_slack);
        for (std::int64_t g = begin; g < end; ++g) to[g] += static_cast<real>(out[g - begin]);
      });
    }
  }

  // ---- two or three CVs: samples sorted into cells, plane after plane of the first CV

  int n_channels() const { return derivatives_ ? grid_.n_dims : 1; }
  std::int64_t rows_of_plane() const {  // points of the middle of three CVs
    return grid_.n_dims == 3 ? rounded_up(grid_.shape[1], moment_rows) : 1;
  }
  std::int64_t plane_size() const { return shape_.get().order * rows_of_plane() * columns(); }

  // Where moments come from: they are made of sorted samples or lie in a table.
  struct source {
    const sorted_samples *cells;
    const moment_table *table;
  };

  // What a thread needs to expand a plane: made before there are threads, as an exception could
  // not leave them, and in lines of the cache of its own.
  struct plane_memory {
    explicit plane_memory(const moment_sum &sum)
        : moments(sum.axis(sum.last()).n_cells * sum.shape_.get().size),
          buffer(moment_buffer_size(sum.shape_.get())),
          rows((sum.grid_.n_dims == 3 ? 2 * sum.axis(1).n_cells : 1) * sum.row_size()),
          place(sum.axis(sum.last()).n_cells),
          terms(sum.shape_.get().order),
          row_present(sum.grid_.n_dims == 3 ? sum.axis(1).n_cells : 1) {}
    workspace<double> moments, buffer, rows;
    workspace<std::int32_t> place;
    workspace<std::int64_t> terms;
    workspace<unsigned char> row_present;
  };

  void expand_all(const source &from) {
    const std::int64_t n_planes = axis(0).n_cells;
    // Planes are expanded in groups, so that what waits for the first CV stays small.
    const std::int64_t most = (std::int64_t{1} << 21) / (n_channels() * plane_size());
    const std::int64_t group = std::clamp<std::int64_t>(most, 16, n_planes < 16 ? 16 : n_planes);
    workspace<double> planes(std::min(group, n_planes) * n_channels() * plane_size());
    std::deque<plane_memory> memory;
    for (int t = 0; t < n_threads_; ++t) memory.emplace_back(*this);
    for (std::int64_t p = 0; p < n_planes; p += group) {
      const std::int64_t end = std::min(n_planes, p + group);
      std::vector<unsigned char> present(n_planes);
      expand_planes(from, p, end, memory, planes.get(), present);
      if (std::any_of(present.begin(), present.end(), [](auto c) { return c; }))
        collect(p, planes.get(), present);
    }
  }

  void expand_planes(const source &from, std::int64_t begin, std::int64_t end,
                     std::deque<plane_memory> &memory, double *planes,
                     std::vector<unsigned char> &present) {
    std::int64_t cells_of_plane = 1;
    for (int d = 1; d < grid_.n_dims; ++d) cells_of_plane *= axis(d).n_cells;
    for_each_task(n_threads_, end - begin, [&](std::int64_t i, int thread) {
      double *const to = planes + i * n_channels() * plane_size();
      present[begin + i] = expand_plane(from, (begin + i) * cells_of_plane, memory[thread], to);
    });
  }

  std::int64_t row_size() const { return shape_.get().n_rows * columns(); }

  // Moments of the row that begins with a cell.
  moment_row row_of(const source &from, std::int64_t cell, plane_memory &memory) const {
    if (from.table) return from.table->row(cell);
    const std::int64_t size = shape_.get().size;
    std::int32_t next = 0;
    for (std::int64_t i = 0; i < axis(last()).n_cells; ++i) {
      const std::int64_t here = from.cells->count(cell + i);
      memory.place.get()[i] = here > 0 ? ++next : 0;
      if (here == 0) continue;
      double *const to = memory.moments.get() + (next - 1) * size;
      std::fill(to, to + size, 0.0);
      loops_.moments(shape_.get(), from.cells->samples(cell + i), here, to, memory.buffer.get());
    }
    return {memory.moments.get(), memory.place.get()};
  }

  bool has_any(const moment_row &row) const {
    return std::any_of(row.place, row.place + axis(last()).n_cells, [](auto p) { return p; });
  }

  void expand_row(const moment_row &row, int derivative, double *out) const {
    loops_.expand_row(shape_.get(), axis(last()), derivative, row, 0, columns(), out, columns());
  }

  // to[channel][degree along CV 0][rows_of_plane][columns]; false if the plane has no samples.
  bool expand_plane(const source &from, std::int64_t cell, plane_memory &memory, double *to) {
    if (grid_.n_dims == 2) {
      const moment_row row = row_of(from, cell, memory);
      const bool any = has_any(row);
      // Channel 1 is the derivative along CV 0, taken when the planes are collected.
      for (int c = 0; any && c < n_channels(); ++c)
        expand_moments(row, c, memory, to + c * plane_size());
      return any;
    }
    const std::int64_t n = axis(last()).n_cells;
    const std::int64_t size = axis(1).n_cells * row_size();
    unsigned char *const present = memory.row_present.get();
    bool any = false;
    for (std::int64_t i = 0; i < axis(1).n_cells; ++i) {
      const moment_row row = row_of(from, cell + i * n, memory);
      present[i] = has_any(row);
      any |= present[i] != 0;
      for (int c = 0; present[i] && c < (derivatives_ ? 2 : 1); ++c)
        expand_row(row, c, memory.rows.get() + c * size + i * row_size());
    }
    if (!any) return false;
    for (int c = 0; c < n_channels(); ++c)  // the density, its slope along CV 2, along CV 1
      expand_middle(memory, c == 2 ? 1 : 0, memory.rows.get() + (c == 1) * size,
                    to + c * plane_size());
    return true;
  }

  // Two CVs: the rows of moments that are no padding.
  void expand_moments(const moment_row &row, int derivative, plane_memory &memory,
                      double *to) const {
    const std::int64_t padded = shape_.get().n_rows, order = shape_.get().order;
    if (padded == order) return expand_row(row, derivative, to);
    double *const rows = memory.rows.get();
    expand_row(row, derivative, rows);
    std::copy(rows, rows + order * columns(), to);
  }

  // The middle of three CVs: to[degree along CV 0][point][columns].
  void expand_middle(plane_memory &memory, int derivative, const double *rows, double *to) const {
    const moment_shape &shape = shape_.get();
    std::int64_t *const terms = memory.terms.get();
    for (std::int64_t k = 0; k < shape.order; ++k) {
      for (std::int64_t m = 0; m < shape.order - k; ++m) terms[m] = shape_.row_of(k, m) * columns();
      const expansion step = {&axis(1), derivative,      rows,          row_size(),
                              terms,    shape.order - k, shape.n_terms, memory.row_present.get()};
      for (std::int64_t g = 0; g < grid_.shape[1]; g += moment_rows)
        loops_.expand(step, g, columns(), to + (k * rows_of_plane() + g) * columns(), columns());
    }
  }

  // Adds the planes [first, ...) that are present to all points.
  void collect(std::int64_t first, const double *planes,
               const std::vector<unsigned char> &present) {
    // What the channels of the planes become: output -1 is the density; along CV 0 the density's
    // planes are expanded with the derivative.
    const int d = grid_.n_dims;
    const int channel[] = {0, 0, d == 2 ? 1 : 2, 1};
    const std::int64_t panels = (grid_.shape[0] + moment_rows - 1) / moment_rows;
    const std::int64_t n_rows = d == 3 ? grid_.shape[1] : 1;
    std::vector<std::int64_t> places;
    for (std::int64_t k = 0; k < shape_.get().order; ++k)
      places.push_back(k * rows_of_plane() * columns());
    std::int64_t size = 1;
    for (int i = 0; i < d; ++i) size *= grid_.shape[i];
    const std::int64_t out_size = moment_rows * columns();
    workspace<double> outs(n_threads_ * out_size);
    for_each_task(n_threads_, panels * n_rows, [&](std::int64_t unit, int thread) {
      for (int output = -1; output < (derivatives_ ? d : 0); ++output) {
        double *const out = outs.get() + thread * out_size;
        const std::int64_t g = unit / n_rows * moment_rows, row = unit % n_rows;
        const double *const from = planes + channel[output + 1] * plane_size() + row * columns() -
                                   first * n_channels() * plane_size();
        const expansion step = {&axis(0),
                                output == 0,
                                from,
                                n_channels() * plane_size(),
                                places.data(),
                                shape_.get().order,
                                shape_.get().n_terms,
                                present.data()};
        loops_.expand(step, g, columns(), out, columns());
        add(out, g, row, n_rows, output < 0 ? density_ : derivatives_ + output * size, output < 0);
      }
    });
  }

  void add(const double *out, std::int64_t g, std::int64_t row, std::int64_t n_rows, real *to,
           bool to_density) {
    const std::int64_t n = grid_.shape[last()];
    for (std::int64_t r = 0; r < std::min(moment_rows, grid_.shape[0] - g); ++r) {
      real *const line = to + ((g + r) * n_rows + row) * n;
      const double *const from = out + r * columns();
      if (takes_absolute_values_ && to_density)
        for (std::int64_t i = 0; i < n; ++i) line[i] += static_cast<real>(std::abs(from[i]));
      else
        for (std::int64_t i = 0; i < n; ++i) line[i] += static_cast<real>(from[i]);
    }
  }
};

}  // namespace

template <class real>
void spread_moments(const cyfes_grid &grid, const cyfes_kernel_list &samples,
                    const cyfes_options &options, const cyfes_plan &plan, int n_threads,
                    real *density, real *derivatives) {
  moment_sum<real>(grid, samples, options, plan, n_threads, density, derivatives).run();
}

template void spread_moments(const cyfes_grid &, const cyfes_kernel_list &, const cyfes_options &,
                             const cyfes_plan &, int, double *, double *);
template void spread_moments(const cyfes_grid &, const cyfes_kernel_list &, const cyfes_options &,
                             const cyfes_plan &, int, float *, float *);

}  // namespace cyfes
