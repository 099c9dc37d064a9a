// Stamps: kernels with a bandwidth each (hills), added to the grid block by block.
//
// Batches of kernels are prepared once (prepare_loops.hpp). A caller then owns a part of the grid
// and walks it in blocks of a few rows, small enough for the fastest cache; each block takes the
// batch's kernels in order, so that every point sums them in the same order however the grid is
// divided. Of a kernel's columns each vector is loaded once for all rows. The ellipse gives begin
// and end of each row (disc.hpp); where the rows of a block differ, a mask keeps what lies outside
// as it is, so no bit depends on the vectors' width.
#ifndef CYFES_CPU_PER_ISA_STAMP_LOOPS_HPP
#define CYFES_CPU_PER_ISA_STAMP_LOOPS_HPP

#include "cpu/jobs/stamp_job.hpp"
#include "cpu/per_isa/disc.hpp"
#include "cpu/per_isa/ranges.hpp"
#include "cpu/per_isa/simd.hpp"
#include "gaussian.hpp"

namespace {

using cyfes::stamp_discs;
using cyfes::stamp_task;

template <class real, int D, bool covariance, bool gradient>
struct stamper {
  using vec = vec_t<real>;
  using ivec = ivec_t<real>;
  using uvec = uvec_t<real>;
  using whole = typename simd<real>::whole;
  using integer = typename simd<real>::integer;
  using maker = disc_maker<real, D, covariance>;
  static constexpr int last = D - 1, row_cv = D > 1 ? D - 2 : 0, fields = gradient ? D + 1 : 1;
  static constexpr int rows = static_cast<int>(cyfes::stamp_rows(D)), width = simd<real>::width;
  static constexpr int row_size = fields * width;
  static constexpr integer lowest = simd<real>::lowest;

  // How a kernel reaches a vector of columns: in all rows, in some, or folded.
  enum reach { inside, edge, folded };

  // A disc in a block.
  struct entry {
    const real *factor, *moment;  // along the last CV
    const double *displacement;
    const real *value, *slope[D];  // value_a factor + value_b; slope factor + moment_slope moment
    const integer *begin, *size;   // of each row's columns
    const double *q0, *q1;         // squared distance q0 + x (2 q1 + q2 x)
    double q2;
    real value_b, moment_slope[D];
    std::int64_t first, length;                                   // visited columns
    std::int64_t outer_begin, outer_end, inner_begin, inner_end;  // of any row, and of all
    int row_begin, row_end;                                       // rows of the block
  };

  const stamp_job<real> &job;
  const stamp_task task;
  const maker discs;
  const cyfes_grid &grid = *job.grid;
  const double reach2 = discs.profile.reach2;
  real *block = nullptr;  // values of the current block
  std::int64_t plane_index[CYFES_MAX_DIMS] = {};
  std::int64_t n_discs = 0;

  // Adds disc i to the block, whose first row is row `base` of the disc; `here` rows are the
  // grid's.
  void enter(std::int64_t i, std::int64_t base, std::int64_t here) const {
    const stamp_disc &disc = discs.list.disc[i];
    const std::int64_t begin = disc.begin > base ? disc.begin : base,
                       end = disc.end < base + here ? disc.end : base + here;
    if (begin >= end) return;
    entry e;
    e.row_begin = static_cast<int>(begin - base);
    e.row_end = static_cast<int>(end - base);
    e.begin = discs.columns(i, 0) + base;
    e.size = discs.columns(i, 1) + base;
    e.first = disc.column;
    e.length = disc.length;
    set_reach(disc, begin, end, e);
    e.factor = row_of(job.factor[last], job.stride, last, disc.slot);
    e.moment = row_of(job.moment, job.stride, last, disc.slot);
    e.value = discs.values(i, 0) + base;
    for (int d = 0; d < D; ++d) e.slope[d] = discs.values(i, 1 + d) + base;
    const double weight = job.kernels->weights[job.first + disc.slot];
    e.value_b = static_cast<real>(weight * discs.profile.height_b);
    if (covariance || discs.fold) {
      e.displacement = row_of(job.displacement[last], job.stride, last, disc.slot);
      e.q0 = discs.forms(i, 0) + base;
      e.q1 = discs.forms(i, 1) + base;
      const stamp_kernel &kernel = job.prepared[disc.slot];
      e.q2 = kernel.precision[last][last];
      const double a = weight * discs.profile.height_a;
      for (int d = 0; d < D; ++d)
        e.moment_slope[d] = static_cast<real>(-a * kernel.precision[d][last]);
    }
    add(e);
  }

  // Columns that any, and that all of the rows [begin, end) reach. An ellipse is convex: what its
  // first and last row reach, all do; outermost are the ends, or the disc's own outermost rows.
  void set_reach(const stamp_disc &disc, std::int64_t begin, std::int64_t end, entry &e) const {
    e.inner_begin = e.outer_begin = 0;
    e.inner_end = e.outer_end = e.length;
    if (discs.uncut || discs.fold) return;
    const int a = e.row_begin, b = e.row_end - 1;
    const std::int64_t a_begin = e.begin[a], b_begin = e.begin[b],
                       a_end = a_begin + (e.size[a] - lowest),
                       b_end = b_begin + (e.size[b] - lowest);
    // One column to spare for rounding.
    e.inner_begin = (a_begin > b_begin ? a_begin : b_begin) + 1;
    e.inner_end = (a_end < b_end ? a_end : b_end) - 1;
    std::int64_t low = (a_begin < b_begin ? a_begin : b_begin) - 1,
                 high = (a_end > b_end ? a_end : b_end) + 1;
    if (disc.lowest >= begin && disc.lowest < end) low = disc.first_column;
    if (disc.highest >= begin && disc.highest < end) high = disc.end_column;
    e.outer_begin = low > 0 ? low : 0;
    e.outer_end = high < e.length ? high : e.length;
  }

  // The stretches of the kernel's columns between borders of the last CV.
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

  // Columns [low, high) of the grid, `shift` more than those of the kernel. A stretch that ends at
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
    if (discs.fold) return add_vectors<folded, false>(e, shift, begin, end);
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

  // Vectors [begin, end) of the block's columns, two at a time.
  template <reach how, bool all>
  void add_vectors(const entry &e, std::int64_t shift, std::int64_t begin, std::int64_t end) const {
    std::int64_t v = begin;
    for (; v + 1 < end; v += 2) add_pair<how, all, 2>(e, shift, v);
    if (v < end) add_pair<how, all, 1>(e, shift, v);
  }

  // n vectors from vector v on, in all rows of the block or in the entry's: what a row needs is
  // loaded once for all n.
  template <reach how, bool all, int n>
  __attribute__((always_inline)) void add_pair(const entry &in, std::int64_t shift,
                                               std::int64_t v) const {
    const entry e = in;  // which no store can change: its members stay in registers
    const std::int64_t i = v * width - shift;
    real *const here = block + v * rows * row_size;
    const vec value_b = broadcast(e.value_b);
    vec factor[n] = {}, moment[n] = {};
    uvec at[n];
    for (int c = 0; c < n; ++c) {
      at[c] = lanes() + (static_cast<whole>(i + c * width) + static_cast<whole>(lowest));
      if (covariance) continue;
      factor[c] = load(e.factor + i + c * width);
      moment[c] = -load(e.moment + i + c * width);
    }
    const auto add_row = [&](int r) {
      const row_terms<how> row(e, r);
      for (int c = 0; c < n; ++c) {
        ivec mask{};
        if (how != inside) mask = (ivec)(at[c] - row.begin) < row.size;
        if (covariance || how == folded) {
          wide_t<real> x;
          __builtin_memcpy(&x, e.displacement + i + c * width, sizeof x);
          const wide_t<real> q = row.q0 + x * (2 * row.q1 + x * e.q2);
          if (how == folded) mask &= __builtin_convertvector(q < reach2, ivec);
          if (covariance) {
            factor[c] = exponential(__builtin_convertvector(-0.5 * q, vec));
            moment[c] = factor[c] * __builtin_convertvector(x, vec);
          }
        }
        real *const to = here + (c * rows + r) * row_size;
        add_to<how != inside>(to, row.value * factor[c] + value_b, mask);
        for (int d = 0; gradient && d < D; ++d)
          add_to<how != inside>(to + (d + 1) * width, row.slope_of(d, e, factor[c], moment[c]),
                                mask);
      }
    };
    if (all && !covariance) {
#pragma GCC unroll 16
      for (int r = 0; r < rows; ++r) add_row(r);
    } else {
#pragma GCC unroll 1
      for (int r = e.row_begin; r < e.row_end; ++r) add_row(r);
    }
  }

  // What one row of an entry needs, in registers.
  template <reach how>
  struct row_terms {
    vec value, slope[D];
    uvec begin;
    ivec size;
    double q0 = 0, q1 = 0;

    row_terms(const entry &e, int r)
        : value(broadcast(e.value[r])),
          begin(uvec{} + static_cast<whole>(e.begin[r])),
          size(ivec{} + e.size[r]) {
      for (int d = 0; gradient && d < (covariance ? D : last); ++d)
        slope[d] = broadcast(e.slope[d][r]);
      if (how == folded || covariance) q0 = e.q0[r], q1 = e.q1[r];
    }

    vec slope_of(int d, const entry &e, vec factor, vec moment) const {
      if (covariance) return slope[d] * factor + e.moment_slope[d] * moment;
      return d < last ? slope[d] * factor : value * moment;
    }
  };

  static uvec lanes() {
    uvec lane{};
    for (int l = 0; l < width; ++l) lane[l] = static_cast<whole>(l);
    return lane;
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

  // Adds n discs to every block of the task.
  void add_discs(std::int64_t n) {
    const std::int64_t n_rows = D > 1 ? grid.shape[row_cv] : 1;
    for (std::int64_t b = task.blocks.begin; b < task.blocks.end; ++b) {
      const std::int64_t row = b * rows, rest = n_rows - row, here = rest < rows ? rest : rows;
      block =
          job.work + (task.plane * cyfes::stamp_blocks(grid) + b) * cyfes::stamp_block_size(job);
      for (std::int64_t i = 0; i < n; ++i) {
        const stamp_disc &disc = discs.list.disc[i];
        std::int64_t base = D > 1 ? row - disc.row : 0;
        if (base + here <= 0) base += n_rows;
        for (; base < disc.end; base += n_rows) enter(i, base, here);
      }
    }
  }

  // Makes the discs of a kernel on the task's plane; x and outer as in disc_maker::make.
  template <int d>
  void cut(std::int64_t slot, double *x, double outer) {
    if constexpr (d == row_cv) {
      n_discs += discs.make(n_discs, slot, x, outer);
      if (n_discs == stamp_discs) flush();
    } else {
      const cyfes::visit v = job.prepared[slot].along[d];
      std::int64_t i = plane_index[d] - v.first;
      if (i < 0) i += grid.shape[d];
      for (; i < v.length; i += grid.shape[d]) {
        x[d] = row_of(job.displacement[d], job.stride, d, slot)[i];
        const double factor =
            covariance ? 1.0 : static_cast<double>(row_of(job.factor[d], job.stride, d, slot)[i]);
        cut<d + 1>(slot, x, outer * factor);
      }
    }
  }

  void flush() {
    add_discs(n_discs);
    n_discs = 0;
  }

  void run(std::int64_t n) {
    if (D <= 2) return add_discs(n);
    std::int64_t plane = task.plane;
    for (int d = row_cv - 1; d >= 0; --d) {
      plane_index[d] = plane % grid.shape[d];
      plane /= grid.shape[d];
    }
    double x[CYFES_MAX_DIMS];
    for (std::int64_t slot = 0; slot < n; ++slot) cut<0>(slot, x, 1.0);
    flush();
  }
};

// Adds the first n kernels of the batch to the task's part of the grid.
template <class real, int D, bool covariance>
void stamp_all(const stamp_job<real> &job, std::int64_t n, stamp_task task,
               const disc_list<real> &discs) {
  if (job.gradient)
    stamper<real, D, covariance, true>{job, task, {job, D > 2 ? discs : job.discs}}.run(n);
  else
    stamper<real, D, covariance, false>{job, task, {job, D > 2 ? discs : job.discs}}.run(n);
}

template <class real>
void stamp_any(const stamp_job<real> &job, std::int64_t n, stamp_task task,
               const disc_list<real> &discs) {
  using all = void (*)(const stamp_job<real> &, std::int64_t, stamp_task, const disc_list<real> &);
  static constexpr all diagonal[] = {stamp_all<real, 1, false>, stamp_all<real, 2, false>,
                                     stamp_all<real, 3, false>, stamp_all<real, 4, false>};
  static constexpr all full[] = {nullptr, stamp_all<real, 2, true>, stamp_all<real, 3, true>,
                                 stamp_all<real, 4, true>};
  const int D = job.grid->n_dims;
  (job.kernels->n_scales != D ? full : diagonal)[D - 1](job, n, task, discs);
}

}  // namespace
#endif
