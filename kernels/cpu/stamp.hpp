// Banded stamping: kernels with a bandwidth each (hills), added to the grid block by block.
//
// Batches of kernels are prepared once (prepare.hpp). A caller then owns a part of the grid and
// walks it in blocks of a few rows, small enough for the fastest cache; each block takes the
// batch's kernels in order, so that every point sums them in the same order however the grid is
// divided. The kernel's ellipse gives begin and end of each row. Where a block's rows differ, a
// mask keeps what lies outside as it is, so no bit depends on the vectors' width.
//
// Kernels come to a block as entries: their extents and coefficients of its rows, computed for all
// rows at once and some entries ahead, because the loops that add wait for nothing but their
// bounds.
#ifndef CYFES_CPU_STAMP_HPP
#define CYFES_CPU_STAMP_HPP

#include "cpu/isa.hpp"
#include "cpu/ranges.hpp"
#include "cpu/simd.hpp"
#include "gaussian.hpp"

namespace {

using cyfes::stamp_batch;
using cyfes::stamp_job;
using cyfes::stamp_kernel;
using cyfes::stamp_margin;
using cyfes::stamp_task;

template <class real, int D, bool covariance, bool gradient>
struct stamper {
  using vec = vec_t<real>;
  using ivec = ivec_t<real>;
  using uvec = uvec_t<real>;
  using integer = typename simd<real>::integer;
  using whole = typename simd<real>::whole;
  static constexpr int last = D - 1, row_cv = D > 1 ? D - 2 : 0, fields = gradient ? D + 1 : 1;
  static constexpr int rows = static_cast<int>(cyfes::stamp_rows(D)), width = simd<real>::width;
  static constexpr int row_size = fields * width;
  static constexpr integer lowest = static_cast<integer>(~(~whole{0} >> 1));

  // How a kernel reaches a vector of columns: in all rows, in some, or by pieces.
  enum reach { inside, edge, folded };

  // One visit of a kernel to a block.
  struct entry {
    const real *factor, *moment;  // along the last CV
    const double *displacement;
    double q2;
    std::int64_t first, length;                       // what it visits of the last CV
    std::int64_t outer_begin, outer_end, inner_begin, inner_end;  // columns of any, and of all rows
    int row_begin, row_end;                           // rows of the block
    real value_b, value_a[rows];                      // value_a factor + value_b
    real slope[D][rows], moment_slope[D];             // slope factor + moment_slope moment
    double q0[rows], q1[rows];       // squared distance q0 + x (2 q1 + q2 x)
    integer begin[rows], size[rows];  // columns of each row; size is less than 0 by `lowest`
  };
  static constexpr int most_entries = 16;

  const stamp_job<real> &job;
  const stamp_task task;
  const cyfes_grid &grid = *job.grid;
  const cyfes_profile profile = cyfes_profile_of(*job.options);
  // Gaussians within windows are not cut, nor need single rows be.
  const bool uncut = job.kernels->windows ? job.options->kernel == CYFES_GAUSSIAN : D == 1;
  // The minimum image within windows divides a kernel's support: its points are tested.
  const bool fold = job.kernels->windows && !uncut;
  const double scale = 1 / grid.spacing[last];
  real *block = nullptr;       // values of the block at hand
  std::int64_t block_row = 0;  // its first row in the plane
  std::int64_t plane_index[CYFES_MAX_DIMS];
  int n_entries = 0;
  entry entries[most_entries];

  stamper(const stamp_job<real> &j, stamp_task t) : job(j), task(t) {}

  // The squared distance of a kernel on a plane, at displacements x of the CVs before the rows',
  // as c0 + y (2 c1 + c2 y) + 2 (b0 + b1 y) z + q2 z^2.
  struct plane_form {
    double x[CYFES_MAX_DIMS], outer;  // and the product of those CVs' factors
    double c0, c1, c2, b0, b1, q2;
  };

  plane_form form_of(const stamp_kernel &kernel, const double *x, double outer) const {
    plane_form f{{}, outer, 0, 0, kernel.precision[row_cv][row_cv], 0, kernel.precision[last][row_cv],
                 kernel.precision[last][last]};
    for (int i = 0; i < row_cv; ++i) {
      f.x[i] = x[i];
      for (int j = 0; j < row_cv; ++j) f.c0 += kernel.precision[i][j] * x[i] * x[j];
      f.c1 += kernel.precision[row_cv][i] * x[i];
      f.b0 += kernel.precision[last][i] * x[i];
    }
    return f;
  }

  // Begin and end of every row's columns, counted from the kernel's first.
  void set_extents(std::int64_t slot, std::int64_t base, const plane_form &f, entry &e) const {
    const stamp_kernel &kernel = job.prepared[slot];
    const double *const y = row_of(job.displacement[row_cv], row_cv, slot) + base;
    const double center = job.kernels->centers[(job.first + slot) * D + last];
    const double middle = (center - grid.lower[last]) * scale;
    const double first = static_cast<double>(kernel.along[last].begin),
                 end = first + static_cast<double>(kernel.along[last].length);
    std::int32_t from[rows], to[rows];
    for (int r = 0; r < rows; ++r) {
      const double q1 = covariance ? f.b0 + f.b1 * y[r] : 0;
      double rest = profile.reach2 - (f.c0 + y[r] * (2 * f.c1 + f.c2 * y[r]));
      if (covariance) rest += q1 * q1 / f.q2;
      const double half = rest > 0 ? __builtin_sqrt(rest / f.q2) : -1e300;
      const double shift = covariance ? -q1 / f.q2 : 0;
      double low = __builtin_ceil(middle + scale * (shift - half));
      double high = __builtin_floor(middle + scale * (shift + half)) + 1;
      low = low < first ? first : low > end ? end : low;
      high = high < first ? first : high > end ? end : high;
      from[r] = static_cast<std::int32_t>(low - first);
      to[r] = static_cast<std::int32_t>(high - first);
    }
    reduce(from, to, e);
  }

  // The columns that any row reaches, and those that all do.
  static void reduce(const std::int32_t *from, const std::int32_t *to, entry &e) {
    static_assert(D == 1 || rows == 8, "the rows of a block fill one vector");
    const eight row{0, 1, 2, 3, 4, 5, 6, 7};
    const eight none{}, all = none + INT32_MAX;
    eight begin, end;
    __builtin_memcpy(&begin, from, sizeof begin);
    __builtin_memcpy(&end, to, sizeof end);
    const eight in = (row >= e.row_begin) & (row < e.row_end), any = in & (begin < end);
    e.outer_begin = least_of(any ? begin : all);
    e.outer_end = greatest_of(any ? end : none);
    e.inner_begin = greatest_of(in ? begin : none);
    e.inner_end = least_of(in ? any ? end : none : all);
    typedef integer integers __attribute__((vector_size(8 * sizeof(integer))));
    const integers columns = __builtin_convertvector(begin, integers),
                   sizes = __builtin_convertvector(any ? end - begin : none, integers) + lowest;
    __builtin_memcpy(e.begin, &columns, sizeof columns);
    __builtin_memcpy(e.size, &sizes, sizeof sizes);
    if (e.outer_begin >= e.outer_end) return;
    while (e.size[e.row_begin] == lowest) ++e.row_begin;
    while (e.size[e.row_end - 1] == lowest) --e.row_end;
  }

  void set_whole(entry &e) const {
    const std::int64_t n = e.length;
    e.outer_begin = 0;
    e.outer_end = n;
    e.inner_begin = fold ? n : 0;
    e.inner_end = fold ? 0 : n;
    for (int r = 0; r < rows; ++r) {
      e.begin[r] = 0;
      e.size[r] = static_cast<integer>(n + lowest);
    }
  }

  void set_coefficients(std::int64_t slot, std::int64_t base, const plane_form &f, entry &e) const {
    const stamp_kernel &kernel = job.prepared[slot];
    const double *const y = row_of(job.displacement[row_cv], row_cv, slot) + base;
    const real *const factor = row_of(job.factor[row_cv], row_cv, slot) + base;
    const double weight = job.kernels->weights[job.first + slot];
    for (int r = 0; r < rows; ++r) {
      const double outer = covariance || D == 1 ? 1.0 : f.outer * static_cast<double>(factor[r]);
      const double a = weight * profile.height_a * outer;
      e.value_a[r] = static_cast<real>(a);
      for (int d = 0; gradient && d < (covariance ? D : last); ++d) {
        double along = covariance ? 0 : kernel.precision[d][d] * (d < row_cv ? f.x[d] : y[r]);
        for (int i = 0; covariance && i < last; ++i)
          along += kernel.precision[d][i] * (i < row_cv ? f.x[i] : y[r]);
        e.slope[d][r] = static_cast<real>(-a * along);
      }
    }
    for (int r = 0; (covariance || fold) && r < rows; ++r) {
      e.q0[r] = D == 1 ? 0 : f.c0 + y[r] * (2 * f.c1 + f.c2 * y[r]);
      e.q1[r] = D == 1 ? 0 : f.b0 + f.b1 * y[r];
    }
    e.value_b = static_cast<real>(weight * profile.height_b);
    const double a = weight * profile.height_a;
    for (int d = 0; covariance && d < D; ++d)
      e.moment_slope[d] = static_cast<real>(-a * kernel.precision[d][last]);
    e.q2 = f.q2;
  }

  template <class T>
  const T *row_of(const T *array, int d, std::int64_t slot) const {
    return array + slot * job.stride[d] + stamp_margin;
  }

  // A kernel whose rows, from `base` on, meet the block.
  void enter(std::int64_t slot, std::int64_t base, const plane_form &f) {
    const stamp_kernel &kernel = job.prepared[slot];
    entry &e = entries[n_entries];
    e.factor = row_of(job.factor[last], last, slot);
    e.moment = row_of(job.moment, last, slot);
    e.displacement = row_of(job.displacement[last], last, slot);
    e.first = kernel.along[last].first;
    e.length = kernel.along[last].length;
    e.row_begin = base < 0 ? static_cast<int>(-base) : 0;
    const std::int64_t left = D > 1 ? kernel.along[row_cv].length - base : 1,
                       here = D > 1 ? grid.shape[row_cv] - block_row : 1,
                       end = left < here ? left : here;
    e.row_end = end < rows ? static_cast<int>(end) : rows;
    if (D == 1 || uncut || fold)
      set_whole(e);
    else if constexpr (D > 1)
      set_extents(slot, base, f, e);
    if (e.outer_begin >= e.outer_end) return;
    set_coefficients(slot, base, f, e);
    if (++n_entries == most_entries) flush();
  }

  void flush() {
    for (int i = 0; i < n_entries; ++i) add(entries[i]);
    n_entries = 0;
  }

  // The pieces of the kernel's columns that the border of the last CV divides.
  void add(const entry &e) const {
    const std::int64_t n = grid.shape[last];
    std::int64_t at = e.first;
    for (std::int64_t i = 0; i < e.outer_end; at = 0) {
      const std::int64_t end = e.length - i < n - at ? e.length : i + n - at;
      std::int64_t low = (i > e.outer_begin ? i : e.outer_begin) + at - i,
                   high = (end < e.outer_end ? end : e.outer_end) + at - i;
      if (D == 1) {
        low = low > task.columns.begin ? low : task.columns.begin;
        high = high < task.columns.end ? high : task.columns.end;
      }
      if (low < high) add_columns(e, at - i, low, high);
      i = end;
    }
  }

  // Columns [low, high) of the grid, `shift` more than those of the kernel. A piece that ends at
  // the border may run on into the columns behind, which nobody reads.
  __attribute__((noinline)) void add_columns(const entry &e, std::int64_t shift, std::int64_t low,
                                             std::int64_t high) const {
    const std::int64_t begin = low / width, end = (high + width - 1) / width;
    const std::int64_t border = D == 1 ? task.columns.end : grid.shape[last];
    std::int64_t a = e.inner_begin + shift, b = e.inner_end + shift;
    a = a <= low ? low : a >= high ? high : a;
    b = b <= a ? a : b < high ? b : high == border ? end * width : high;
    a = (a + width - 1) / width;
    b = b / width > a ? b / width : a;
    if (fold) return add_vectors<folded, false>(e, shift, begin, end);
    if (e.row_begin == 0 && e.row_end == rows) {
      add_vectors<edge, true>(e, shift, begin, a);
      add_vectors<inside, true>(e, shift, a, b);
      add_vectors<edge, true>(e, shift, b, end);
    } else {
      add_vectors<edge, false>(e, shift, begin, a);
      add_vectors<inside, false>(e, shift, a, b);
      add_vectors<edge, false>(e, shift, b, end);
    }
  }

  // Vectors [begin, end) of the block's columns, of all its rows or of the entry's.
  template <reach how, bool all>
  void add_vectors(const entry &e, std::int64_t shift, std::int64_t begin, std::int64_t end) const {
    const int row_begin = all ? 0 : e.row_begin, row_end = all ? rows : e.row_end;
    const vec value_b = broadcast(e.value_b);
    const std::int64_t from = begin * width - shift, to = end * width - shift;
    real *here = block + (begin * rows + row_begin) * row_size;
    for (std::int64_t i = from; i < to; i += width, here += rows * row_size) {
      vec factor{}, moment{};
      if (!covariance) factor = load(e.factor + i), moment = -load(e.moment + i);
      const uvec at = lanes() + (static_cast<whole>(i) + static_cast<whole>(lowest));
      const auto add = [&](int r, real *row) {
        ivec mask{};
        if (how != inside) mask = (ivec)(at - static_cast<whole>(e.begin[r])) < e.size[r];
        if (covariance || how == folded) {
          wide_t<real> x;
          __builtin_memcpy(&x, e.displacement + i, sizeof x);
          const wide_t<real> q = e.q0[r] + x * (2 * e.q1[r] + x * e.q2);
          if (how == folded) mask &= __builtin_convertvector(q < profile.reach2, ivec);
          if (covariance) {
            factor = exponential(__builtin_convertvector(-0.5 * q, vec));
            moment = factor * __builtin_convertvector(x, vec);
          }
        }
        add_vector<how != inside>(e, r, factor, moment, value_b, mask, row);
      };
      if (all && !covariance) {
#pragma GCC unroll 8
        for (int r = 0; r < rows; ++r) add(r, here + r * row_size);
      } else {
#pragma GCC unroll 1
        for (int r = row_begin; r < row_end; ++r) add(r, here + (r - row_begin) * row_size);
      }
    }
  }

  static uvec lanes() {
    uvec lane{};
    for (int l = 0; l < width; ++l) lane[l] = static_cast<whole>(l);
    return lane;
  }

  template <bool masked>
  static void add_vector(const entry &e, int r, vec factor, vec moment, vec value_b, ivec mask, real *to) {
    const vec a = broadcast(e.value_a[r]);
    add_to<masked>(to, a * factor + value_b, mask);
    for (int d = 0; gradient && d < D; ++d) {
      vec slope;
      if (covariance)
        slope = e.slope[d][r] * factor + e.moment_slope[d] * moment;
      else
        slope = d < last ? e.slope[d][r] * factor : a * moment;
      add_to<masked>(to + (d + 1) * width, slope, mask);
    }
  }

  template <bool masked>
  static void add_to(real *to, vec term, ivec mask) {
    const vec old = load(to);
    if (!masked) return store(to, old + term);
#if defined(__AVX512F__)
    store(to, mask ? old + term : old);
#else
    __builtin_memcpy(&term, &(mask &= (ivec)term), sizeof term);
    store(to, old + term);
#endif
  }

  // Calls enter for each visit of a kernel to the block; x and outer as in plane_form.
  template <int d>
  void visit(std::int64_t slot, double *x, double outer) {
    const cyfes::visit v = job.prepared[slot].along[d];
    if constexpr (D == 1) {
      enter(slot, 0, form_of(job.prepared[slot], x, outer));
    } else if constexpr (d == row_cv) {
      const std::int64_t n = grid.shape[d], rest = n - block_row;
      std::int64_t base = block_row - v.first;
      if (base + (rest < rows ? rest : rows) <= 0) base += n;
      for (; base < v.length; base += n) enter(slot, base, form_of(job.prepared[slot], x, outer));
    } else {
      for (std::int64_t i = offset(d, v); i < v.length; i += grid.shape[d]) {
        x[d] = row_of(job.displacement[d], d, slot)[i];
        const double factor =
            covariance ? 1.0 : static_cast<double>(row_of(job.factor[d], d, slot)[i]);
        visit<d + 1>(slot, x, outer * factor);
      }
    }
  }

  // Where the task's plane first occurs in what a kernel visits of CV d < D - 2.
  std::int64_t offset(int d, const cyfes::visit &v) const {
    const std::int64_t i = plane_index[d] - v.first;
    return i < 0 ? i + grid.shape[d] : i;
  }

  bool meets_plane(const stamp_kernel &kernel) const {
    for (int d = 0; d < row_cv; ++d)
      if (offset(d, kernel.along[d]) >= kernel.along[d].length) return false;
    return true;
  }

  void run(std::int64_t n) {
    std::int64_t plane = task.plane;
    for (int d = row_cv - 1; d >= 0; --d) {
      plane_index[d] = plane % grid.shape[d];
      plane /= grid.shape[d];
    }
    std::int32_t slots[stamp_batch];
    std::int64_t n_slots = 0;
    for (std::int64_t slot = 0; slot < n; ++slot)
      if (meets_plane(job.prepared[slot])) slots[n_slots++] = static_cast<std::int32_t>(slot);
    for (std::int64_t b = task.blocks.begin; b < task.blocks.end; ++b) {
      block = job.work + (task.plane * cyfes::stamp_blocks(grid) + b) * cyfes::stamp_block_size(job);
      block_row = b * rows;
      double x[CYFES_MAX_DIMS];
      if constexpr (D == 2) {
        const std::int64_t period = grid.shape[0], rest = period - block_row,
                           here = rest < rows ? rest : rows, row = block_row;
        const stamp_kernel *const kernels = job.prepared;
        for (std::int64_t i = 0; i < n; ++i) {
          const std::int64_t at = row - kernels[i].along[0].first;
          if ((at + here > 0 ? at : at + period) < kernels[i].along[0].length) visit<0>(i, x, 1.0);
        }
      } else {
        for (std::int64_t i = 0; i < n_slots; ++i) visit<0>(slots[i], x, 1.0);
      }
      flush();
    }
  }
};

// Adds the first n kernels of the batch to the task's part of the grid.
template <class real, int D, bool covariance>
void stamp_all(const stamp_job<real> &job, std::int64_t n, stamp_task task) {
  if (job.gradient)
    stamper<real, D, covariance, true>(job, task).run(n);
  else
    stamper<real, D, covariance, false>(job, task).run(n);
}

template <class real>
void stamp_any(const stamp_job<real> &job, std::int64_t n, stamp_task task) {
  using all = void (*)(const stamp_job<real> &, std::int64_t, stamp_task);
  static constexpr all diagonal[] = {stamp_all<real, 1, false>, stamp_all<real, 2, false>,
                                     stamp_all<real, 3, false>, stamp_all<real, 4, false>};
  static constexpr all full[] = {nullptr, stamp_all<real, 2, true>, stamp_all<real, 3, true>,
                                 stamp_all<real, 4, true>};
  const int D = job.grid->n_dims;
  (job.kernels->n_scales != D ? full : diagonal)[D - 1](job, n, task);
}

}  // namespace
#endif
