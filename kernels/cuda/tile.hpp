// Tiles on a GPU: kernels with a bandwidth a CV, on a grid of two to four CVs.
//
// A block owns tile_rows x tile_columns points: rows are index combinations of all CVs but the
// last, columns indices of the last. A kernel is a product of 1-D factors, so a batch of kernels
// is a product of a (rows x batch) and a (batch x columns) matrix in shared memory; every thread
// keeps per_thread x per_thread sums in registers. Stretched kernels also carry their squared
// distance, which ends them at the reach. No atomics: each point has one owner, which adds its
// kernels in their order.
#ifndef CYFES_CUDA_TILE_HPP
#define CYFES_CUDA_TILE_HPP

#include "cuda/block.hpp"

namespace cyfes_cuda {

// Indices of a tile along each CV before the last; their product is tile_rows.
CYFES_HD constexpr int row_extent(int n_dims) { return n_dims == 2 ? 64 : n_dims == 3 ? 8 : 4; }

CYFES_HD inline int tile_extent(int n_dims, int d) {
  return d == n_dims - 1 ? tile_columns : row_extent(n_dims);
}

CYFES_HD inline int64_t tiles_along(const job &j, int d) {
  const int extent = tile_extent(j.n_dims, d);
  return (j.shape[d] + extent - 1) / extent;
}

CYFES_HD inline int64_t tiles_of(const job &j) {
  int64_t n = 1;
  for (int d = 0; d < j.n_dims; ++d) n *= tiles_along(j, d);
  return n;
}

// First index of a tile along each CV.
template <int D>
CYFES_HD inline void tile_corner(const job &j, int64_t tile, int64_t *corner) {
  for (int d = D - 1; d >= 0; --d) {
    corner[d] = tile % tiles_along(j, d) * tile_extent(D, d);
    tile /= tiles_along(j, d);
  }
}

template <int D>
CYFES_HD inline box<D> tile_box(const job &j, const int64_t *corner) {
  box<D> b;
  for (int d = 0; d < D; ++d) {
    b.half[d] = 0.5 * (tile_extent(D, d) - 1) * j.spacing[d];
    b.middle[d] = j.lower[d] + corner[d] * j.spacing[d] + b.half[d];
  }
  return b;
}

// 1-D factors of a batch and the products of those of the rows.
template <class real, int D>
struct tile_shared {
  int64_t corner[D];                              // first index of the tile along each CV
  real axis_factor[batch][D - 1][row_extent(D)];  // along the CVs before the last
  real axis_z[batch][D - 1][row_extent(D)];       // reduced distance
  alignas(16) real row_factor[batch][tile_rows];
  alignas(16) real row_q[batch][tile_rows];
  alignas(16) real column_factor[batch][tile_columns];
  alignas(16) real column_z[batch][tile_columns];
  real constant[batch];                 // weight times height_b
  real inverse[batch][CYFES_MAX_DIMS];  // 1 / bandwidth
};

// A 1-D factor at displacement x and its mean z, over the copies that reach: for one copy the
// factor is exp(-z^2/2); the wrapped factor is their sum, its slope -sum z exp(-z^2/2).
template <class real>
CYFES_HD inline void wrapped_factor(const job &j, int d, double x, double h, real &factor,
                                    real &z) {
  const double nearest = folded(x, j.period[d]);
  const int copies = copies_of(j, d, sqrt(j.profile.reach2) * h);
  if (copies == 0) {
    z = static_cast<real>(nearest / h);
    factor = static_cast<real>(exp(-0.5 * (nearest / h) * (nearest / h)));
    return;
  }
  double sum = 0, moment = 0;
  for (int i = -copies; i <= copies; ++i) {
    const double u = (nearest + i * j.period[d]) / h, e = exp(-0.5 * u * u);
    sum += e;
    moment += u * e;
  }
  factor = static_cast<real>(sum);
  z = static_cast<real>(sum > 0 ? moment / sum : 0.0);
}

// Phase 1 of a batch of n kernels: factors along every CV. `thread` strides over the work.
template <class real, int D>
CYFES_HD inline void tile_factors(const job &j, const int64_t *entry, int n, int thread,
                                  tile_shared<real, D> &s) {
  constexpr int total = (D - 1) * row_extent(D) + tile_columns;
  for (int work = thread; work < n * total; work += block_threads) {
    const int k = work / total;
    int i = work % total;
    const int d = i / row_extent(D) < D - 1 ? i / row_extent(D) : D - 1;
    i -= d * row_extent(D);
    const double h = scales_of(j, entry[k])[d];
    const double x = j.lower[d] + (s.corner[d] + i) * j.spacing[d] - j.centers[entry[k] * D + d];
    const bool column = d == D - 1;
    real &factor = column ? s.column_factor[k][i] : s.axis_factor[k][d][i];
    real &z = column ? s.column_z[k][i] : s.axis_z[k][d][i];
    wrapped_factor(j, d, x, h, factor, z);
    if (i == 0) s.inverse[k][d] = static_cast<real>(1 / h);
  }
}

// Index along CV d of a row of the tile.
CYFES_HD inline int row_index(int n_dims, int row, int d) {
  for (int e = n_dims - 2; e > d; --e) row /= tile_extent(n_dims, e);
  return row % tile_extent(n_dims, d);
}

// Phase 2: products over the CVs before the last, with the weight.
template <class real, int D>
CYFES_HD inline void tile_products(const job &j, const int64_t *entry, int n, int thread,
                                   tile_shared<real, D> &s) {
  for (int work = thread; work < n * tile_rows; work += block_threads) {
    const int k = work / tile_rows, row = work % tile_rows;
    const double weight = j.weights[entry[k]];
    real factor = static_cast<real>(weight * j.profile.height_a), q = 0;
    for (int d = 0; d < D - 1; ++d) {
      const int i = row_index(D, row, d);
      factor *= s.axis_factor[k][d][i];
      q += s.axis_z[k][d][i] * s.axis_z[k][d][i];
    }
    s.row_factor[k][row] = factor;
    s.row_q[k][row] = q;
    if (row == 0) s.constant[k] = static_cast<real>(weight * j.profile.height_b);
  }
}

// The sums of one thread: [0] the density, [1 + d] its derivative along CV d.
template <class real, int D, bool derivatives>
struct tile_sums {
  real value[derivatives ? D + 1 : 1][per_thread][per_thread];
};

// A thread's rows are neighbours, and its columns come in pairs of neighbours, so that one wide
// load brings several; between the pairs lie those of the other threads, so that a warp reads
// shared memory without conflicts.
CYFES_HD inline int tile_row(int thread, int r) { return thread / 16 * per_thread + r; }
CYFES_HD inline int tile_column(int thread, int c) {
  return thread % 16 * 2 + c % 2 + 32 * (c / 2);
}

// Phase 3: add the batch to this thread's points.
template <class real, int D, bool derivatives, bool stretched>
CYFES_HD inline void tile_add(const job &j, int n, int thread, const tile_shared<real, D> &s,
                              tile_sums<real, D, derivatives> &sums) {
  const real reach2 = static_cast<real>(j.profile.reach2);
  for (int k = 0; k < n; ++k) {
    real column[per_thread], z[per_thread];
    for (int c = 0; c < per_thread; ++c) {
      column[c] = s.column_factor[k][tile_column(thread, c)];
      if (derivatives || stretched) z[c] = s.column_z[k][tile_column(thread, c)];
    }
    for (int r = 0; r < per_thread; ++r) {
      const int row = tile_row(thread, r);
      real slope[D] = {};
      if (derivatives)
        for (int d = 0; d < D - 1; ++d)
          slope[d] = -s.axis_z[k][d][row_index(D, row, d)] * s.inverse[k][d];
      for (int c = 0; c < per_thread; ++c) {
        real value = s.row_factor[k][row] * column[c], offset = 0;
        if (stretched) {
          const bool inside = s.row_q[k][row] + z[c] * z[c] < reach2;
          value = inside ? value : 0;
          offset = inside ? s.constant[k] : 0;
        }
        // Only if it must: to add an offset of 0 takes an instruction, and doubles the loop.
        sums.value[0][r][c] += stretched ? value + offset : value;
        if (derivatives) {
          for (int d = 0; d < D - 1; ++d) sums.value[1 + d][r][c] += slope[d] * value;
          sums.value[D][r][c] -= z[c] * s.inverse[k][D - 1] * value;
        }
      }
    }
  }
}

// Phase 4: write the sums of a slice; output[set][point] for the sets of tile_sums.
template <class real, int D, bool derivatives>
CYFES_HD inline void tile_store(const job &j, const int64_t *corner, int thread,
                                const tile_sums<real, D, derivatives> &sums, real *output) {
  for (int r = 0; r < per_thread; ++r) {
    int64_t row = 0;
    bool inside = true;
    for (int d = 0; d < D - 1; ++d) {
      const int64_t i = corner[d] + row_index(D, tile_row(thread, r), d);
      inside = inside && i < j.shape[d];
      row = row * j.shape[d] + i;
    }
    for (int c = 0; inside && c < per_thread; ++c) {
      const int64_t column = corner[D - 1] + tile_column(thread, c);
      if (column >= j.shape[D - 1]) continue;
      const int64_t point = row * j.shape[D - 1] + column;
      for (int set = 0; set < (derivatives ? D + 1 : 1); ++set)
        output[set * j.n_points + point] = sums.value[set][r][c];
    }
  }
}

// What one block does: tile `tile`, slice `slice`.
template <class real, int D, bool derivatives, bool stretched, class Block>
CYFES_HD void sum_tile(const Block &block, const job &j, int64_t tile, int64_t slice, queue &q,
                       tile_shared<real, D> &s, real *output) {
  block.each([&](int thread) {
    if (thread == 0) tile_corner<D>(j, tile, s.corner);
  });
  typename Block::template local<tile_sums<real, D, derivatives>> sums = {};
  for_batches(block, j, tile_box<D>(j, s.corner), slice, q, [&](const int64_t *entry, int n) {
    block.each([&](int thread) { tile_factors<real, D>(j, entry, n, thread, s); });
    block.each([&](int thread) { tile_products<real, D>(j, entry, n, thread, s); });
    block.each([&](int thread) {
      tile_add<real, D, derivatives, stretched>(j, n, thread, s, sums[thread]);
    });
  });
  output += slice * (derivatives ? D + 1 : 1) * j.n_points;
  block.each([&](int thread) {
    tile_store<real, D, derivatives>(j, s.corner, thread, sums[thread], output);
  });
}

}  // namespace cyfes_cuda
#endif
