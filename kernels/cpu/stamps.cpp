#include "cpu/stamps.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "cpu/backend.hpp"
#include "cpu/grid_points.hpp"
#include "cpu/slabs.hpp"
#include "gaussian.hpp"
#include "parallel.hpp"

namespace cyfes {
namespace {

// Coordinates of the grid's points along CV d; those of a periodic CV folded as PLUMED does.
std::vector<double> axis_of(const cyfes_grid &grid, int d) {
  std::vector<double> axis(grid.shape[d]);
  for (std::int64_t i = 0; i < grid.shape[d]; ++i) {
    double &x = axis[i] = grid.lower[d] + static_cast<double>(i) * grid.spacing[d];
    if (grid.period[d] == 0) continue;
    x = grid.lower[d] + cyfes_nearest_image(x - grid.lower[d], grid.period[d]);
    if (x < grid.lower[d]) x += grid.period[d];
  }
  return axis;
}

// A disc_list and the memory behind it.
template <class real>
struct disc_memory {
  disc_list<real> list{};
  std::vector<stamp_disc> disc;
  std::vector<real> values;
  std::vector<typename disc_list<real>::integer> columns;
  std::vector<double> forms;

  disc_memory(std::int64_t n, int n_dims, std::int64_t stride, bool with_forms)
      : disc(n),
        values(n * (1 + n_dims) * stride),
        columns(n * 2 * stride),
        forms(with_forms ? n * 2 * stride : 0) {
    list = {stride, disc.data(), values.data(), columns.data(), forms.data()};
  }
};

// Values of a batch along every CV, and the job that points to them.
template <class real>
struct stamp_memory {
  stamp_job<real> job;
  std::vector<stamp_kernel> prepared;
  std::vector<std::vector<double>> displacements;
  std::vector<std::vector<real>> factors;
  disc_memory<real> discs;

  // `like` is a job without arrays; batches are of n kernels.
  stamp_memory(const stamp_job<real> &like, std::int64_t n)
      : job(like),
        prepared(n),
        discs(like.grid->n_dims > 2 ? stamp_discs : n, like.grid->n_dims,
              like.stride[std::max(0, like.grid->n_dims - 2)],
              like.kernels->n_scales != like.grid->n_dims || like.kernels->windows) {
    const int D = job.grid->n_dims;
    job.prepared = prepared.data();
    for (int d = 0; d < D; ++d) {
      displacements.emplace_back(n * job.stride[d]);
      job.displacement[d] = displacements[d].data();
      factors.emplace_back(n * job.stride[d]);
      job.factor[d] = factors[d].data();
    }
    factors.emplace_back(n * job.stride[D - 1]);
    job.moment = factors.back().data();
    job.discs = discs.list;
  }
};

// Sums kernels, each thread its own slab of the grid: nothing is shared but what is read, so no
// thread waits for another before the end. What is prepared twice, kernels on a border, costs
// less than waiting after every batch.
template <class real>
class stamp_sum {
 public:
  stamp_sum(const isa_loops<real> &loops, const cyfes_grid &grid, const cyfes_kernel_list &kernels,
            const cyfes_options &options, real *density, real *derivatives)
      : loops_(loops), density_(density), derivatives_(derivatives) {
    job_.grid = &grid;
    job_.kernels = &kernels;
    job_.options = &options;
    job_.gradient = derivatives != nullptr;
    job_.width = loops.width;
    std::int64_t size = 0;
    for (int d = 0; d < grid.n_dims; ++d) {
      axes_.push_back(axis_of(grid, d));
      job_.axis[d] = axes_[d].data();
      const std::int64_t longest = longest_range(grid, kernels, options, d);
      job_.stride[d] = (longest + 2 * stamp_margin + 15) / 16 * 16;
      size += job_.stride[d] * static_cast<std::int64_t>(sizeof(double) + 2 * sizeof(real));
    }
    // As many kernels at a time as stay in a cache.
    batch_ = std::clamp<std::int64_t>((1 << 20) / size, 1, kernels.n_kernels);
    // Aligned for the widest vectors.
    const std::int64_t n_blocks = points_of(grid) / plane_size() * stamp_blocks(grid);
    work_.resize(n_blocks * stamp_block_size(job_) + 64 / sizeof(real));
    const auto address = reinterpret_cast<std::uintptr_t>(work_.data());
    job_.work = work_.data() + (64 - address % 64) % 64 / sizeof(real);
  }

  void run(int n_threads) {
    const std::vector<index_range> slabs = divide(n_threads);
    for_each_task(n_threads, static_cast<std::int64_t>(slabs.size()),
                  [&](std::int64_t s, int) { run(slabs[s]); });
  }

 private:
  const isa_loops<real> &loops_;
  real *density_, *derivatives_;
  stamp_job<real> job_{};
  std::int64_t batch_ = 0;
  std::vector<std::vector<double>> axes_;
  std::vector<real> work_;

  // Points of a plane, the last two CVs.
  std::int64_t plane_size() const {
    const cyfes_grid &grid = *job_.grid;
    return grid.shape[grid.n_dims - 1] * (grid.n_dims > 1 ? grid.shape[grid.n_dims - 2] : 1);
  }

  // Indices of the first CV that must stay together.
  std::int64_t unit() const {
    const int D = job_.grid->n_dims;
    return D == 1 ? 64 : D == 2 ? stamp_rows(2) : 1;
  }

  std::vector<index_range> divide(int n_slabs) const {
    const cyfes_grid &grid = *job_.grid;
    slab_loads loads(grid, unit());
    for (std::int64_t k = 0; n_slabs > 1 && k < job_.kernels->n_kernels; ++k)
      loads.add((job_.kernels->centers[k * grid.n_dims] - grid.lower[0]) / grid.spacing[0], 1);
    return loads.divide(n_slabs, (job_.stride[0] - 2 * stamp_margin) / 2);
  }

  // Everything that one thread does.
  void run(index_range own) {
    stamp_memory<real> memory(job_, batch_);
    memory.job.own = own;
    copy<true>(own);
    const std::int64_t n = job_.kernels->n_kernels;
    for (std::int64_t first = 0; first < n; first += batch_) {
      memory.job.first = first;
      const std::int64_t here = std::min(batch_, n - first);
      loops_.prepare(memory.job, 0, here);
      for_tasks(own, [&](const stamp_task &task) {
        loops_.stamp(memory.job, here, task, memory.discs.list);
      });
    }
    copy<false>(own);
  }

  // Calls body for every plane of a slab, for all blocks of the only plane, or for stretches of the
  // only row.
  template <class Body>
  void for_tasks(index_range own, const Body &body) const {
    const cyfes_grid &grid = *job_.grid;
    const int D = grid.n_dims;
    const std::int64_t columns = grid.shape[D - 1];
    if (D == 2) body({0, {own.begin / unit(), (own.end + unit() - 1) / unit()}, {0, columns}});
    const std::int64_t planes = points_of(grid) / plane_size() / grid.shape[0];
    for (std::int64_t p = own.begin * planes; D > 2 && p < own.end * planes; ++p)
      body({p, {0, stamp_blocks(grid)}, {0, columns}});
    constexpr std::int64_t stretch = 512;
    for (std::int64_t i = own.begin; D == 1 && i < own.end; i += stretch)
      body({0, {0, 1}, {i, std::min(i + stretch, own.end)}});
  }

  // Copies the values of a slab into the work array, or back.
  template <bool in>
  void copy(index_range own) {
    const cyfes_grid &grid = *job_.grid;
    const int D = grid.n_dims;
    const std::int64_t n = grid.shape[D - 1], size = points_of(grid), plane_rows = plane_size() / n,
                       block = stamp_block_size(job_), rows = stamp_rows(D), width = job_.width;
    const int fields = job_.gradient ? D + 1 : 1;
    const std::int64_t rows_of_index = D > 1 ? size / n / grid.shape[0] : 1;
    const index_range all_rows =
        D > 1 ? index_range{own.begin * rows_of_index, own.end * rows_of_index} : index_range{0, 1};
    const index_range columns = D > 1 ? index_range{0, n} : own;
    for (std::int64_t row = all_rows.begin; row < all_rows.end; ++row) {
      const std::int64_t in_plane = row % plane_rows;
      real *const work = job_.work +
                         (row / plane_rows * stamp_blocks(grid) + in_plane / rows) * block +
                         in_plane % rows * fields * width;
      for (int f = 0; f < fields; ++f) {
        real *const values = (f == 0 ? density_ : derivatives_ + (f - 1) * size) + row * n;
        for (std::int64_t i = columns.begin; i < columns.end; i += width) {
          real *const vector = work + i / width * rows * fields * width + f * width;
          const std::int64_t end = std::min(i + width, columns.end);
          if (in)
            std::copy(values + i, values + end, vector);
          else
            std::copy(vector, vector + (end - i), values + i);
        }
      }
    }
  }
};

}  // namespace

template <class real>
void spread_stamps(const cyfes_grid &grid, const cyfes_kernel_list &kernels,
                   const cyfes_options &options, int n_threads, real *density, real *derivatives) {
  const auto &loops = loops_of<real>(select_isa(options.isa));
  stamp_sum<real>(loops, grid, kernels, options, density, derivatives).run(n_threads);
}

template void spread_stamps(const cyfes_grid &, const cyfes_kernel_list &, const cyfes_options &,
                            int, double *, double *);
template void spread_stamps(const cyfes_grid &, const cyfes_kernel_list &, const cyfes_options &,
                            int, float *, float *);

}  // namespace cyfes
