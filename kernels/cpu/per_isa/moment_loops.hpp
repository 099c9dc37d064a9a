// Cell moments: the fast Gauss transform for samples of one bandwidth (Greengard & Strain, SIAM J.
// Sci. Stat. Comput. 12, 79 (1991)) with Chebyshev polynomials in place of Taylor's and without
// far-field translations: a cell's expansion is summed at the grid points themselves.
//
// In a cell of width a, v = 2 (y - middle) / a is the sample's coordinate and
//   exp(-(x - y)^2 / 2) = sum_k c_k(x - middle) T_k(v) + error.
// The samples of a cell thus add sum_k1,k2,.. c_k1 c_k2 .. M_k1k2.., M = sum w T_k1(v1) T_k2(v2)
// .., with total degree below the order, and the sum over cells is done one CV after another, each
// a banded matrix product kept in registers. plan.cpp chooses a and the order.
#ifndef CYFES_CPU_PER_ISA_MOMENT_LOOPS_HPP
#define CYFES_CPU_PER_ISA_MOMENT_LOOPS_HPP

#include "cpu/jobs/moment_job.hpp"
#include "cpu/per_isa/simd.hpp"

namespace {

using cyfes::expansion;
using cyfes::moment_axis;
using cyfes::moment_row;
using cyfes::moment_rows;
using cyfes::moment_shape;
using cyfes::sample_job;

using dvec = vec_t<double>;
constexpr int lanes = simd<double>::width;
// Samples located at a time: a multiple of every vector width.
constexpr std::int64_t locate_block = 64;
// Marks a sample outside every cell: stays negative whatever valid key terms are added.
constexpr double outside_key = -0x1p29;

inline dvec select(ivec_t<double> mask, dvec yes, dvec no) { return mask ? yes : no; }

// Largest integer below or at |x| < 2^51.
inline dvec floored(dvec x) {
  const dvec rounded = (x + 0x1.8p52) - 0x1.8p52;
  return rounded - select(rounded > x, dvec{} + 1.0, dvec{});
}

// Coordinates come interleaved, [sample][D]. D vectors hold whole samples, so element-wise
// constants repeat after D vectors and nothing has to be shuffled.
template <int D>
struct locator {
  dvec lower[D], inverse_width[D], first[D], n_cells[D], lowest[D], highest[D], stride[D];
  dvec period[D], inverse_period[D];
  bool any_period = false;
  ivec_t<double> bad = {};

  explicit locator(const sample_job &job) {
    double place[D];
    double total = 1;
    for (int d = D - 1; d >= 0; --d) {
      place[d] = total;
      total *= static_cast<double>(job.axes[d].n_cells);
      any_period |= job.axes[d].wraps;
    }
    for (int j = 0; j < D; ++j)
      for (int l = 0; l < lanes; ++l) {
        const int d = (j * lanes + l) % D;
        const moment_axis &axis = job.axes[d];
        lower[j][l] = axis.lower;
        inverse_width[j][l] = 1 / axis.width;
        first[j][l] = static_cast<double>(axis.first);
        n_cells[j][l] = static_cast<double>(axis.n_cells);
        // Rounding may put a wrapped center just outside.
        lowest[j][l] = axis.wraps ? -1.0 : 0.0;
        highest[j][l] = n_cells[j][l] + (axis.wraps ? 1.0 : 0.0);
        stride[j][l] = place[d];
        period[j][l] = axis.wraps ? axis.period : 0.0;
        inverse_period[j][l] = axis.wraps ? 1 / axis.period : 0.0;
      }
  }

  // Cell along its CV of every coordinate, times the CV's stride, and place within it.
  void run(const double *x, std::int64_t n, std::int32_t *cell, double *local) {
    for (std::int64_t i = 0; i < n * D; i += D * lanes)
      for (int j = 0; j < D; ++j) {
        dvec y = load(x + i + j * lanes);
        bad |= ~(y * 0.0 == 0.0);
        if (any_period) {
          const dvec turns = (y - lower[j]) * inverse_period[j];
          bad |= (turns >= 0x1p30) | (turns <= -0x1p30);
          y -= period[j] * floored(turns);
        }
        const dvec position = (y - lower[j]) * inverse_width[j] - first[j];
        const auto inside = (position >= lowest[j]) & (position < highest[j]);
        dvec c = floored(select(inside, position, dvec{}));
        c = select(c < 0.0, dvec{}, c);
        c = select(c >= n_cells[j], n_cells[j] - 1.0, c);
        if (local) store(local + i + j * lanes, 2.0 * (position - c) - 1.0);
        const dvec term = select(inside, c * stride[j], dvec{} + outside_key);
        typedef std::int32_t ints __attribute__((vector_size(4 * lanes)));
        const ints numbers = __builtin_convertvector(term, ints);
        std::memcpy(cell + i + j * lanes, &numbers, sizeof numbers);
      }
  }

  bool good() const {
    bool any = false;
    for (int l = 0; l < lanes; ++l) any |= bad[l] != 0;
    return !any;
  }
};

// Runs body(place in the job, samples there, their coordinates) block by block; the last one is
// filled up with its first sample.
template <int D, class Body>
inline void for_each_block(const sample_job &job, std::int64_t first, std::int64_t last,
                           const Body &body) {
  for (std::int64_t k = first; k < last; k += locate_block) {
    const double *x = job.centers + k * D;
    if (last - k >= locate_block) {
      body(k, locate_block, x);
      continue;
    }
    double padded[locate_block * D];
    for (std::int64_t i = 0; i < locate_block * D; ++i)
      padded[i] = x[i < (last - k) * D ? i : i % D];
    body(k, last - k, padded);
  }
}

// Notices weights that are not finite.
struct weight_check {
  dvec zero_or_nan = {};  // not a number from the first such weight on

  void add(const double *weights, std::int64_t n) {
    std::int64_t i = 0;
    for (; i + lanes <= n; i += lanes) zero_or_nan += load(weights + i) * 0.0;
    for (; i < n; ++i) zero_or_nan += weights[i] * 0.0;
  }
  bool good() const {
    bool all = true;
    for (int l = 0; l < lanes; ++l) all &= zero_or_nan[l] == 0;
    return all;
  }
};

template <int D>
bool count_cells(const sample_job &job, std::int64_t first, std::int64_t last, std::int32_t *keys,
                 std::int32_t *counts) {
  locator<D> where(job);
  for_each_block<D>(job, first, last, [&](std::int64_t k, std::int64_t n, const double *x) {
    std::int32_t cell[locate_block * D];
    where.run(x, locate_block, cell, nullptr);
    std::int32_t key[locate_block];
    for (std::int64_t i = 0; i < locate_block; ++i) {
      std::int32_t sum = cell[i * D];
      for (int d = 1; d < D; ++d) sum += cell[i * D + d];
      key[i] = sum < 0 ? 0 : sum + 1;
    }
    for (std::int64_t i = 0; i < n; ++i) ++counts[keys[k + i] = key[i]];
  });
  return where.good();
}

template <int D>
bool scatter(const sample_job &job, std::int64_t first, std::int64_t last, const std::int32_t *keys,
             std::int32_t *offsets, double *sorted) {
  locator<D> where(job);
  weight_check weights;
  for_each_block<D>(job, first, last, [&](std::int64_t k, std::int64_t n, const double *x) {
    std::int32_t cell[locate_block * D];
    double local[locate_block * D];
    where.run(x, locate_block, cell, local);
    for (std::int64_t i = 0; i < n; ++i) {
      double *const to = sorted + static_cast<std::int64_t>(offsets[keys[k + i]]++) * (D + 1);
      for (int d = 0; d < D; ++d) to[d] = local[i * D + d];
      to[D] = job.weights[k + i];
    }
    weights.add(job.weights + k, n);
  });
  return weights.good();
}

// Eight powers at once: blends of v, v^2 and v^4, whatever the width of the registers.
typedef double octet __attribute__((vector_size(64)));
typedef std::int64_t octet_mask __attribute__((vector_size(64)));

inline bool line(const sample_job &job, std::int64_t first, std::int64_t last, double *table) {
  static_assert(cyfes::line_order == 8, "an octet holds the powers");
  constexpr octet_mask odd = {0, -1, 0, -1, 0, -1, 0, -1}, second = {0, 0, -1, -1, 0, 0, -1, -1},
                       fourth = {0, 0, 0, 0, -1, -1, -1, -1};
  locator<1> where(job);
  weight_check weights;
  for_each_block<1>(job, first, last, [&](std::int64_t k, std::int64_t n, const double *x) {
    std::int32_t cell[locate_block];
    double local[locate_block], square[locate_block], quartic[locate_block];
    where.run(x, locate_block, cell, local);
    for (std::int64_t i = 0; i < locate_block; ++i) {
      square[i] = local[i] * local[i];
      quartic[i] = square[i] * square[i];
      // Samples no point is within reach of have a row of their own.
      cell[i] = cell[i] < 0 ? 0 : (cell[i] + 1) * cyfes::line_order;
    }
    for (std::int64_t i = 0; i < n; ++i) {
      octet power = octet{} + job.weights[k + i];
      power = odd ? power * local[i] : power;
      power = second ? power * square[i] : power;
      power = fourth ? power * quartic[i] : power;
      double *const to = table + cell[i];
      octet sum;
      std::memcpy(&sum, to, sizeof sum);
      sum += power;
      std::memcpy(to, &sum, sizeof sum);
    }
    weights.add(job.weights + k, n);
  });
  return where.good() && weights.good();
}

// Sums of the elements of eight vectors, in their order.
inline void add_sums(const dvec (&v)[8], double *to) {
#if defined(__AVX512F__)
  dvec two[4], four[2];
  for (int i = 0; i < 4; ++i)
    two[i] = __builtin_shufflevector(v[2 * i], v[2 * i + 1], 0, 8, 2, 10, 4, 12, 6, 14) +
             __builtin_shufflevector(v[2 * i], v[2 * i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
  for (int i = 0; i < 2; ++i)
    four[i] = __builtin_shufflevector(two[2 * i], two[2 * i + 1], 0, 1, 8, 9, 4, 5, 12, 13) +
              __builtin_shufflevector(two[2 * i], two[2 * i + 1], 2, 3, 10, 11, 6, 7, 14, 15);
  store(to, load(to) + __builtin_shufflevector(four[0], four[1], 0, 1, 2, 3, 8, 9, 10, 11) +
                __builtin_shufflevector(four[0], four[1], 4, 5, 6, 7, 12, 13, 14, 15));
#elif defined(__AVX__)
  for (int i = 0; i < 8; i += 4) {
    dvec two[2];
    for (int j = 0; j < 2; ++j)
      two[j] = __builtin_shufflevector(v[i + 2 * j], v[i + 2 * j + 1], 0, 4, 2, 6) +
               __builtin_shufflevector(v[i + 2 * j], v[i + 2 * j + 1], 1, 5, 3, 7);
    store(to + i, load(to + i) + __builtin_shufflevector(two[0], two[1], 0, 1, 4, 5) +
                      __builtin_shufflevector(two[0], two[1], 2, 3, 6, 7));
  }
#else
  for (int i = 0; i < 8; ++i)
    for (int l = 0; l < lanes; ++l) to[i] += v[i][l];
#endif
}

// to[k] = T_k(v) * scale for every sample of a block.
inline void chebyshev(std::int64_t order, std::int64_t n, const double *v, const double *scale,
                      double *to) {
  for (std::int64_t i = 0; i < n; i += lanes) {
    const dvec x = load(v + i);
    dvec a = scale ? load(scale + i) : dvec{} + 1.0, b = a * x;
    for (std::int64_t k = 0; k < order; ++k) {
      store(to + k * cyfes::moment_block + i, a);
      const dvec next = 2.0 * x * b - a;
      a = b;
      b = next;
    }
  }
}

// panel[column][row] += sum over samples of left[row] right[column].
inline void add_panel(std::int64_t n, std::int64_t columns, const double *left, const double *right,
                      double *panel) {
  constexpr std::int64_t block = cyfes::moment_block;
  for (std::int64_t c = 0; c < columns; c += 2, panel += 8) {
    dvec sum[8] = {};
    for (std::int64_t i = 0; i < n; i += lanes) {
      const dvec r0 = load(right + c * block + i), r1 = load(right + (c + 1) * block + i);
      for (int r = 0; r < 4; ++r) {
        const dvec l = load(left + r * block + i);
        sum[r] += l * r0;
        sum[4 + r] += l * r1;
      }
    }
    add_sums(sum, panel);
  }
}

template <int D>
void moments_of(const moment_shape &shape, const double *samples, std::int64_t n, double *moments,
                double *buffer) {
  static_assert(cyfes::moment_rows == 4 && cyfes::moment_columns == 2, "add_panel's form");
  constexpr std::int64_t block = cyfes::moment_block;
  double *const right = buffer, *const left = buffer + shape.n_terms * block,
                *const outer = left + moment_rows * block,
                *const inner = outer + shape.order * block;
  for (std::int64_t at = 0; at < n; at += block, samples += block * (D + 1)) {
    const std::int64_t here = n - at < block ? n - at : block;
    const std::int64_t padded = (here + lanes - 1) / lanes * lanes;
    double column[D + 1][block];
    for (std::int64_t i = 0; i < padded; ++i)
      for (int d = 0; d <= D; ++d) column[d][i] = i < here ? samples[i * (D + 1) + d] : 0.0;
    chebyshev(shape.n_terms, padded, column[D - 1], nullptr, right);
    if (D == 2) {
      chebyshev(shape.order, padded, column[0], column[D], left);
      for (std::int64_t r = shape.order; r < shape.n_rows; ++r)
        for (std::int64_t i = 0; i < padded; ++i) left[r * block + i] = 0;
    } else {
      chebyshev(shape.order, padded, column[0], column[D], outer);
      chebyshev(shape.order, padded, column[1], nullptr, inner);
    }
    for (std::int64_t t = 0; t < shape.n_rows / moment_rows; ++t) {
      const double *const rows = left + (D == 2 ? t * moment_rows * block : 0);
      // Products are made when they are needed, as the fastest cache does not hold them all.
      for (int r = 0; D == 3 && r < moment_rows; ++r) {
        const std::int32_t *const degree = shape.degrees + 2 * (t * moment_rows + r);
        for (std::int64_t i = 0; i < padded; i += lanes)
          store(left + r * block + i, degree[0] < 0 ? dvec{}
                                                    : load(outer + degree[0] * block + i) *
                                                          load(inner + degree[1] * block + i));
      }
      add_panel(padded, shape.columns[t], rows, right, moments + shape.begin[t]);
    }
  }
}

inline std::int64_t floor_div(std::int64_t a, std::int64_t b) {
  return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

// Runs body(cell, first column of its table that counts) for the cells that are present (not 0)
// and reach points [begin, end).
template <class flag, class Body>
inline void for_each_cell(const moment_axis &axis, const double *table, std::int64_t order,
                          const flag *present, std::int64_t begin, std::int64_t end,
                          const Body &body) {
  // Grid steps of cells are counted up from the first one, as divisions would take as long as a
  // cell's terms.
  const std::int64_t least = begin - axis.step - axis.reach, most = end + axis.reach;
  const std::int64_t turn = axis.wraps ? floor_div(least, axis.n_points) * axis.n_points : 0;
  const std::int64_t from = floor_div((least - turn) * axis.split, axis.step);
  const std::int64_t overlap = axis.n_cells * axis.step / axis.split - axis.n_points;
  std::int64_t cell = from - axis.first, part = from - floor_div(from, axis.split) * axis.split;
  for (std::int64_t base = turn + floor_div(from, axis.split) * axis.step; base <= most;) {
    const std::int64_t column = begin - base + axis.margin;
    const bool within = column >= 0 && column + (end - begin) <= axis.stride &&
                        (axis.wraps || (cell >= 0 && cell < axis.n_cells));
    if (within && present[cell]) body(cell, table + part * order * axis.stride + column);
    if (++part == axis.split) {
      part = 0;
      base += axis.step;
    }
    if (++cell == axis.n_cells && axis.wraps) {
      cell = 0;
      base -= overlap;  // the last cell goes beyond the period's end
    }
  }
}

// sum[r][c] over cells and terms; left[k][r] and right[k][c].
template <int groups>
struct register_panel {
  dvec sum[4][groups] = {};

  void add(std::int64_t n, const double *left, std::int64_t left_stride, const double *right,
           std::int64_t right_stride) {
    for (std::int64_t k = 0; k < n; ++k) add_term(left + k * left_stride, right + k * right_stride);
  }
  void add_term(const double *left, const double *right) {
    dvec g[groups];
    for (int c = 0; c < groups; ++c) g[c] = load(right + c * lanes);
    for (int r = 0; r < 4; ++r) {
      const dvec f = broadcast(left[r]);
      for (int c = 0; c < groups; ++c) sum[r][c] += f * g[c];
    }
  }
  void put(double *to, std::int64_t stride) const {
    for (int r = 0; r < 4; ++r)
      for (int c = 0; c < groups; ++c) store(to + r * stride + c * lanes, sum[r][c]);
  }
};

template <int groups>
inline void expand_row_panel(const moment_shape &shape, const moment_axis &axis, int derivative,
                             const moment_row &row, std::int64_t panel, std::int64_t point,
                             double *out, std::int64_t out_stride) {
  register_panel<groups> sums;
  const double *const left = row.moments + shape.begin[panel] - shape.size;
  const std::int64_t n = shape.columns[panel];
  for_each_cell(axis, axis.table[derivative], shape.n_terms, row.place, point,
                point + groups * lanes, [&](std::int64_t cell, const double *right) {
                  sums.add(n, left + row.place[cell] * shape.size, 4, right, axis.stride);
                });
  sums.put(out, out_stride);
}

inline void expand_row(const moment_shape &shape, const moment_axis &axis, int derivative,
                       const moment_row &row, std::int64_t begin, std::int64_t end, double *out,
                       std::int64_t out_stride) {
  for (std::int64_t panel = 0; panel < shape.n_rows / moment_rows; ++panel) {
    double *const to = out + panel * moment_rows * out_stride;
    std::int64_t g = begin;
    for (; g + 2 * lanes < end; g += 3 * lanes)
      expand_row_panel<3>(shape, axis, derivative, row, panel, g, to + g - begin, out_stride);
    for (; g < end; g += lanes)
      expand_row_panel<1>(shape, axis, derivative, row, panel, g, to + g - begin, out_stride);
  }
}

template <int groups>
inline void expand_panel(const expansion &job, std::int64_t point, std::int64_t column, double *out,
                         std::int64_t out_stride) {
  register_panel<groups> sums;
  const moment_axis &axis = *job.axis;
  for_each_cell(axis, axis.table[job.derivative], job.n_in_table, job.present, point,
                point + moment_rows, [&](std::int64_t cell, const double *left) {
                  const double *const right = job.input + cell * job.cell_stride + column;
                  for (std::int64_t k = 0; k < job.n_terms; ++k)
                    sums.add_term(left + k * axis.stride, right + job.rows[k]);
                });
  sums.put(out + column, out_stride);
}

inline void expand(const expansion &job, std::int64_t point, std::int64_t columns, double *out,
                   std::int64_t out_stride) {
  std::int64_t c = 0;
  for (; c + 2 * lanes < columns; c += 3 * lanes) expand_panel<3>(job, point, c, out, out_stride);
  for (; c < columns; c += lanes) expand_panel<1>(job, point, c, out, out_stride);
}

inline bool count_any(const sample_job &job, std::int64_t first, std::int64_t last,
                      std::int32_t *keys, std::int32_t *counts) {
  return (job.n_dims == 2 ? count_cells<2> : count_cells<3>)(job, first, last, keys, counts);
}

inline bool scatter_any(const sample_job &job, std::int64_t first, std::int64_t last,
                        const std::int32_t *keys, std::int32_t *offsets, double *sorted) {
  return (job.n_dims == 2 ? scatter<2> : scatter<3>)(job, first, last, keys, offsets, sorted);
}

inline void moments_any(const moment_shape &shape, const double *samples, std::int64_t n,
                        double *moments, double *buffer) {
  (shape.n_dims == 2 ? moments_of<2> : moments_of<3>)(shape, samples, n, moments, buffer);
}

}  // namespace
#endif
