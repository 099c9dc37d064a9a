// Separable tiles: Gaussians that share one bandwidth, as outer products of 1-D factors.
//
// Samples of a cell reach the same block of the grid, and a Gaussian is a product over CVs, so a
// cell adds F^T G to its block: F holds the factors along CV D-2, G along the last CV, one row a
// sample. That is a matrix product, kept in registers by multiply_tile; CVs before D-2 scale F.
// Blocks of tile_block samples are summed in the order of the sorted samples, so that the bits
// do not depend on how the first CV is divided into slabs.
//
// The factors of one sample along a CV, on the grid x_i = x_0 + i s, follow from two exponentials:
// exp(-(z + i d)^2 / 2) = exp(-z^2 / 2) exp(-z d)^i exp(-(i d)^2 / 2), d = s / bandwidth, where
// the last factor is the same for every sample of a cell. (Greengard & Strain, SIAM J. Sci. Stat.
// Comput. 12, 79 (1991).) Counting i from the cell's middle keeps the powers in range.
#ifndef CYFES_CPU_PER_ISA_TILE_LOOPS_HPP
#define CYFES_CPU_PER_ISA_TILE_LOOPS_HPP

#include "cpu/jobs/tile_job.hpp"
#include "cpu/per_isa/ranges.hpp"
#include "cpu/per_isa/simd.hpp"

namespace {

using cyfes::tile_block;
using cyfes::tile_job;

// to[r][0 .. cols) += sum_k left[k][r] right[k][0 .. cols) for `rows` <= 4 rows and as many
// columns as `groups` vectors hold.
template <class real, int rows, int groups>
inline void multiply_tile(std::int64_t n, const real *left, std::int64_t left_stride,
                          const real *right, std::int64_t right_stride, real *const *to) {
  constexpr int width = simd<real>::width;
  vec_t<real> sum[rows][groups] = {};
  for (std::int64_t k = 0; k < n; ++k) {
    vec_t<real> g[groups];
    for (int c = 0; c < groups; ++c) g[c] = load(right + k * right_stride + c * width);
    for (int r = 0; r < rows; ++r) {
      const vec_t<real> f = broadcast(left[k * left_stride + r]);
      for (int c = 0; c < groups; ++c) sum[r][c] += f * g[c];
    }
  }
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < groups; ++c) store(to[r] + c * width, load(to[r] + c * width) + sum[r][c]);
}

template <int n>
struct number {
  static constexpr int value = n;
};

// Three vectors at a time; what is left is divided so that no single vector has to wait for its
// own additions.
template <class real, int rows>
inline void multiply_rows(std::int64_t n, const real *left, std::int64_t left_stride,
                          const real *right, std::int64_t right_stride, std::int64_t columns,
                          real *const *to) {
  constexpr int width = simd<real>::width;
  real *at[rows];
  for (int r = 0; r < rows; ++r) at[r] = to[r];
  const auto multiply_vectors = [&](auto groups) {
    multiply_tile<real, rows, groups.value>(n, left, left_stride, right, right_stride, at);
    for (int r = 0; r < rows; ++r) at[r] += groups.value * width;
    right += groups.value * width;
  };
  std::int64_t vectors = (columns + width - 1) / width;
  for (; vectors == 3 || vectors > 4; vectors -= 3) multiply_vectors(number<3>{});
  for (; vectors >= 2; vectors -= 2) multiply_vectors(number<2>{});
  if (vectors == 1) multiply_vectors(number<1>{});
}

// Rows of one tile: groups of the grid's rows that no slab divides.
constexpr std::int64_t tile_rows = cyfes::tile_rows;

template <class real>
void multiply(std::int64_t rows, std::int64_t n, const real *left, std::int64_t left_stride,
              const real *right, std::int64_t right_stride, std::int64_t columns, real *const *to) {
  static_assert(tile_rows == 4, "one case a row count");
  switch (rows) {
    case 1:
      return multiply_rows<real, 1>(n, left, left_stride, right, right_stride, columns, to);
    case 2:
      return multiply_rows<real, 2>(n, left, left_stride, right, right_stride, columns, to);
    case 3:
      return multiply_rows<real, 3>(n, left, left_stride, right, right_stride, columns, to);
    default:
      return multiply_rows<real, 4>(n, left, left_stride, right, right_stride, columns, to);
  }
}

template <class real, int D>
struct tiler {
  const tile_job<real> &job;
  const index_range own;
  static constexpr int width = simd<real>::width;
  static constexpr int last = D - 1, rows_cv = D - 2;

  real *shared[D];  // exp(-(i delta)^2 / 2) for |i| <= shared_reach[d]
  real *factor[D];  // [tile_block][stride[d]]
  real *scaled;     // [tile_block][stride[rows_cv]]
  double delta[D];  // spacing in bandwidths
  std::int64_t shared_reach[D], stride[D];

  // Of the current cell:
  index_range range[D] = {};  // grid indices of its block
  std::int64_t base[D] = {};  // grid index that powers count from: the cell's middle
  double middle[D] = {};      // the same, not rounded

  tiler(const tile_job<real> &j, index_range b, real *buffer) : job(j), own(b) {
    for (int d = 0; d < D; ++d) {
      delta[d] = job.grid->spacing[d] / job.bandwidth[d];
      shared_reach[d] = cyfes::tile_reach(job, d) + job.cells->width[d] + 2 * width;
      stride[d] = cyfes::tile_stride(job, d);
      shared[d] = buffer;
      factor[d] = buffer += 2 * shared_reach[d] + 1;
      buffer += tile_block * stride[d];
      for (std::int64_t i = -shared_reach[d]; i <= shared_reach[d]; ++i) {
        const double u = static_cast<double>(i) * delta[d];
        shared[d][i + shared_reach[d]] = static_cast<real>(__builtin_exp(-0.5 * u * u));
      }
    }
    scaled = buffer;
  }

  // Least distance of the cell's samples to grid index i along CV d, in bandwidths.
  double distance(int d, std::int64_t i) const {
    const double steps = __builtin_fabs(static_cast<double>(i) - middle[d]) -
                         0.5 * static_cast<double>(job.cells->width[d]);
    return steps > 0 ? steps * delta[d] : 0.0;
  }

  bool place(std::int64_t cell) {
    for (int d = 0; d < D; ++d) {
      const std::int64_t w = job.cells->width[d], corner = job.cells->corner[cell * D + d];
      const std::int64_t reach = cyfes::tile_reach(job, d);
      middle[d] = static_cast<double>(corner) + 0.5 * static_cast<double>(w);
      base[d] = corner + w / 2;
      range[d] = {corner - reach, corner + w + reach + 1};
      if (job.grid->period[d] == 0) range[d] = clipped(range[d], 0, job.grid->shape[d]);
      if (range[d].begin >= range[d].end) return false;
    }
    return true;
  }

  // Factors of samples [from, from + n) along CV d; the last CV carries the weights.
  void fill(int d, std::int64_t from, std::int64_t n) const {
    const double x0 = job.grid->lower[d] + static_cast<double>(base[d]) * job.grid->spacing[d];
    for (std::int64_t k = 0; k < n; ++k) {
      const double z = (x0 - job.cells->centers[(from + k) * D + d]) / job.bandwidth[d];
      powers(d, factor[d] + k * stride[d], z, d == last ? job.cells->weights[from + k] : 1.0);
    }
  }

  // to[i] = weight exp(-(z + (first + i) delta)^2 / 2), with its derivative's factor on request.
  void powers(int d, real *to, double z, double weight) const {
    const std::int64_t first = range[d].begin - base[d], n = range[d].end - range[d].begin;
    const double step = delta[d];
    wide_t<real> lane;
    for (int i = 0; i < width; ++i) lane[i] = static_cast<double>(first + i) * step;
    const real *const table = shared[d] + first + shared_reach[d];
    vec_t<real> power = exponential(__builtin_convertvector(-z * (0.5 * z + lane), vec_t<real>));
    power *= static_cast<real>(weight);
    const vec_t<real> next =
        exponential(broadcast(static_cast<real>(-z * step * static_cast<double>(width))));
    const bool differentiate = job.derivative == d;
    for (std::int64_t i = 0; i < n + width; i += width) {
      vec_t<real> f = power * load(table + i);
      if (differentiate) {
        const wide_t<real> slope =
            (-1 / job.bandwidth[d]) * (lane + static_cast<double>(i) * step + z);
        f *= __builtin_convertvector(slope, vec_t<real>);
      }
      store(to + i, f);
      power *= next;
    }
  }

  // Adds the cell's block to the rows of one plane: CVs before D-2 fixed, their squared distance
  // to the cell `far2`, left factors in `left`.
  void add_plane(std::int64_t plane, std::int64_t n, const real *left, double far2) const {
    const std::int64_t n_rows = job.grid->shape[rows_cv];
    for (std::int64_t i = range[rows_cv].begin; i < range[rows_cv].end;) {
      const std::int64_t at = wrapped(i, n_rows);
      std::int64_t rows = tile_rows - at % tile_rows;
      if (at + rows > n_rows) rows = n_rows - at;
      if (i + rows > range[rows_cv].end) rows = range[rows_cv].end - i;
      if (rows_cv > 0 || (at >= own.begin && at < own.end))
        add_rows(plane * n_rows + at, i, rows, n, left, far2);
      i += rows;
    }
  }

  // Rows i .. i + rows: their nearest one bounds the columns within the cutoff.
  void add_rows(std::int64_t row, std::int64_t i, std::int64_t rows, std::int64_t n,
                const real *left, double far2) const {
    const double a = distance(rows_cv, i), b = distance(rows_cv, i + rows - 1);
    const bool inside = static_cast<double>(i) < middle[rows_cv] &&
                        static_cast<double>(i + rows - 1) > middle[rows_cv];
    const double near = inside ? 0.0 : a < b ? a : b;
    const double rest = job.cutoff * job.cutoff - far2 - near * near;
    if (rest < 0) return;
    const double half =
        __builtin_sqrt(rest) / delta[last] + 0.5 * static_cast<double>(job.cells->width[last]);
    const index_range c =
        clipped(indices_within(middle[last], half), range[last].begin, range[last].end);
    if (c.begin >= c.end) return;
    real *to[tile_rows];
    for (std::int64_t r = 0; r < rows; ++r)
      to[r] = job.work + (row + r) * job.stride + job.margin + c.begin;
    multiply(rows, n, left + (i - range[rows_cv].begin), stride[rows_cv],
             factor[last] + (c.begin - range[last].begin), stride[last], c.end - c.begin, to);
  }

  // CVs before D-2, one after another; coefficient[k] is the product of their factors.
  template <int d>
  void add_outer(std::int64_t plane, std::int64_t n, double far2, const real *coefficient) const {
    if constexpr (d == rows_cv) {
      if (d == 0) return add_plane(plane, n, factor[rows_cv], far2);
      const std::int64_t length = range[rows_cv].end - range[rows_cv].begin;
      for (std::int64_t k = 0; k < n; ++k) {
        const real c = coefficient[k];
        const real *const f = factor[rows_cv] + k * stride[rows_cv];
        real *__restrict const to = scaled + k * stride[rows_cv];
        for (std::int64_t i = 0; i < length; ++i) to[i] = c * f[i];
      }
      add_plane(plane, n, scaled, far2);
    } else {
      for (std::int64_t i = range[d].begin; i < range[d].end; ++i) {
        const std::int64_t at = wrapped(i, job.grid->shape[d]);
        if (d == 0 && (at < own.begin || at >= own.end)) continue;
        const double near = distance(d, i), near2 = far2 + near * near;
        if (near2 > job.cutoff * job.cutoff) continue;
        real product[tile_block];
        for (std::int64_t k = 0; k < n; ++k)
          product[k] = factor[d][k * stride[d] + i - range[d].begin] * (d ? coefficient[k] : 1);
        add_outer<d + 1>(plane * job.grid->shape[d] + at, n, near2, product);
      }
    }
  }

  void run() {
    for (std::int64_t cell = 0; cell < job.cells->n_cells; ++cell) {
      if (!place(cell) || !meets(range[0], own, job.grid->shape[0])) continue;
      const std::int64_t end = job.cells->begin[cell + 1];
      for (std::int64_t k = job.cells->begin[cell]; k < end; k += tile_block) {
        const std::int64_t n = end - k < tile_block ? end - k : tile_block;
        for (int d = 0; d < D; ++d) fill(d, k, n);
        add_outer<0>(0, n, 0.0, nullptr);
      }
    }
  }
};

template <class real>
void tiles(const tile_job<real> &job, index_range own, real *buffer) {
  switch (job.grid->n_dims) {
    case 2:
      return tiler<real, 2>(job, own, buffer).run();
    case 3:
      return tiler<real, 3>(job, own, buffer).run();
    case 4:
      return tiler<real, 4>(job, own, buffer).run();
  }
}

}  // namespace
#endif
