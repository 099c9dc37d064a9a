// What the loops over cell moments work on: all in double.
#ifndef CYFES_CPU_JOBS_MOMENT_JOB_HPP
#define CYFES_CPU_JOBS_MOMENT_JOB_HPP

#include <cstdint>

namespace cyfes {

// Moments are kept in panels of this many rows (products of Chebyshev polynomials along all CVs but
// the last), each with a multiple of moment_columns of polynomials along the last CV.
constexpr std::int64_t moment_rows = 4, moment_columns = 2;
static inline std::int64_t whole_columns(std::int64_t n) {
  return (n + moment_columns - 1) / moment_columns * moment_columns;
}
// Moments of a cell of one CV, whose samples are added one by one, unsorted.
constexpr int line_order = 8;
// Most columns that one panel of an expansion holds.
constexpr std::int64_t expansion_slack = 32;

// The cells along one CV and what they add to its grid points. A cell is `step` grid steps wide,
// or 1 / `split` of one. Cell i, counted from the grid's lower bound, starts in the grid step
// i step / split; a periodic CV repeats its n_cells cells.
struct moment_axis {
  std::int64_t n_points, n_cells;
  bool wraps;
  std::int64_t first;        // number of cell 0: negative where samples beside the grid reach it
  std::int64_t step, split;  // one of them is 1
  std::int64_t reach;        // grid steps from a cell to the last point it reaches
  double lower, period, width;
  // table[0][c][k][column]: Chebyshev coefficient k of exp(-(x - y)^2 / 2) as a function of y in
  // a cell that is the c-th of its grid step, for the grid point x `column - margin` steps from
  // that cell's first one; table[1]: of its derivative by x. Zero beyond the reach.
  const double *table[2];
  std::int64_t stride, margin;
};

// Which moments there are: rows by total degree along the CVs before the last.
struct moment_shape {
  int n_dims;
  std::int64_t order;           // total degrees below it
  std::int64_t n_terms;         // that tables have of a CV: order in whole moment_columns
  std::int64_t n_rows;          // a multiple of moment_rows
  const std::int32_t *degrees;  // [n_rows][2] along CV 0 (and 1), -1 for a row of zeros
  const std::int32_t *columns;  // [n_rows / moment_rows] moments per row
  const std::int32_t *begin;    // [n_rows / moment_rows] of the panel's [column][moment_rows]
  std::int64_t size;            // moments per cell
};

// Samples in input order.
struct sample_job {
  int n_dims;
  const moment_axis *axes;  // [n_dims]
  const double *centers;    // [n][n_dims]
  const double *weights;    // [n]
};

// The moments of cells in a row along the last CV: cell c's are the place[c]-th of all, counted
// from 1; those without samples have place 0.
struct moment_row {
  const double *moments;
  const std::int32_t *place;
};

// Samples whose polynomials a thread holds at a time.
inline constexpr std::int64_t moment_block = 64;

// sum over the cells [begin, end) (unwrapped) that have something to say of
//   sum_k coefficient(k; point - cell) * input[cell][k][columns]
struct expansion {
  const moment_axis *axis;
  int derivative;       // which table
  const double *input;  // cell i, term k: input + i * cell_stride + rows[k]
  std::int64_t cell_stride;
  const std::int64_t *rows;  // [n_terms]
  std::int64_t n_terms;
  std::int64_t n_in_table;       // terms that the table has
  const unsigned char *present;  // [n_cells]
};

static inline std::int64_t moment_buffer_size(const moment_shape &shape) {
  const std::int64_t left = shape.n_dims == 2 ? shape.n_rows : moment_rows + 2 * shape.order;
  return (shape.n_terms + left) * moment_block;
}

// Samples of a batch that is sorted into a core's cache, where all cells' moments are kept: enough
// for some in each cell.
static inline std::int64_t table_batch(std::int64_t n_cells) {
  return n_cells < 8192 ? 65536 : 8 * n_cells;
}
static inline bool has_table(std::int64_t n_cells, std::int64_t size) {
  return n_cells <= 32768 && n_cells * size <= std::int64_t{1} << 22;
}

struct moment_loops {
  // Keys of samples [first, last): 0 where no grid point is within reach, else 1 + cell; counts
  // them. Returns false if a center is not finite or too many periods away.
  bool (*count)(const sample_job &, std::int64_t first, std::int64_t last, std::int32_t *keys,
                std::int32_t *counts);
  // Moves them behind the offset of their key, as cell-local coordinates in [-1, 1] and weight.
  // Returns false if a weight is not finite.
  bool (*scatter)(const sample_job &, std::int64_t first, std::int64_t last,
                  const std::int32_t *keys, std::int32_t *offsets, double *sorted);
  // One CV: table[cell][line_order] += weight times powers of the coordinate. False as above.
  bool (*line)(const sample_job &, std::int64_t first, std::int64_t last, double *table);
  // moments[0 .. size) += those of sorted samples; buffer: moment_buffer_size doubles.
  void (*moments)(const moment_shape &, const double *samples, std::int64_t n, double *moments,
                  double *buffer);
  // A row of cells along the last CV to out[n_rows][columns_end - columns_begin) at out_stride.
  void (*expand_row)(const moment_shape &, const moment_axis &, int derivative, const moment_row &,
                     std::int64_t begin, std::int64_t end, double *out, std::int64_t out_stride);
  // Points [point, point + moment_rows) of the CV: out[row][0 .. columns), whole vectors.
  void (*expand)(const expansion &, std::int64_t point, std::int64_t columns, double *out,
                 std::int64_t out_stride);
};

}  // namespace cyfes
#endif
