// Sums over samples in harmonic windows: fixed parts of the samples, so that no bit depends on the
// number of threads.
#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "checks.hpp"
#include "cpu/backend.hpp"
#include "cpu/workspace.hpp"
#include "parallel.hpp"
#include "status.hpp"

namespace cyfes {
namespace {

void check_restraints(int n_dims, const double *period, std::int64_t n_windows,
                      const double *centers, const double *half_springs, const double *offsets) {
  check_dims(n_dims);
  if (n_windows < 1) throw std::invalid_argument("there must be at least one window");
  for (int d = 0; d < n_dims; ++d)
    if (!(period[d] >= 0) || !std::isfinite(period[d]))
      throw std::invalid_argument("period of CV " + std::to_string(d) +
                                  " must be finite and at least 0");
  for (std::int64_t i = 0; i < n_windows * n_dims; ++i)
    if (!std::isfinite(centers[i]) || !(half_springs[i] >= 0) || !std::isfinite(half_springs[i]))
      throw std::invalid_argument("center and spring constant of window " +
                                  std::to_string(i / n_dims) +
                                  " must be finite, the latter at least 0");
  for (std::int64_t k = 0; k < n_windows; ++k)
    if (!std::isfinite(offsets[k]))
      throw std::invalid_argument("offset of window " + std::to_string(k) + " is not finite");
}

// Samples times windows.
constexpr std::int64_t short_sum = std::int64_t{1} << 18;

// Sums and products of each part, then shares and indices of each thread.
class mbar_sum {
 public:
  mbar_sum(const mbar_job &all, std::int64_t n_samples, int n_threads)
      : all_(all),
        n_samples_(n_samples),
        size_(all.n_windows * (all.products ? all.n_windows + 1 : 1)),
        n_chunks_((n_samples + mbar_rows - 1) / mbar_rows),
        // Few parts where their sums are large.
        n_parts_(
            std::min(n_chunks_, std::clamp<std::int64_t>((std::int64_t{1} << 22) / size_, 8, 64))),
        // For sums this short, synchronising threads costs more than it saves.
        n_threads_(n_samples * all.n_windows < short_sum
                       ? 1
                       : static_cast<int>(std::min<std::int64_t>(n_threads, n_parts_))),
        parts_(n_parts_ * size_),
        shares_(n_threads_ * (all.n_windows + 4) * mbar_rows),
        active_(n_threads_ * all.n_windows) {
    std::fill_n(parts_.get(), n_parts_ * size_, 0.0);
  }

  void run(const isa_table &loops) {
    for_each_task(n_threads_, n_parts_, [&](std::int64_t part, int thread) {
      mbar_job job = all_;
      job.first = part * n_chunks_ / n_parts_ * mbar_rows;
      job.last = std::min(n_samples_, (part + 1) * n_chunks_ / n_parts_ * mbar_rows);
      job.sums = parts_.get() + part * size_;
      job.products = all_.products ? job.sums + all_.n_windows : nullptr;
      job.shares = shares_.get() + thread * (all_.n_windows + 4) * mbar_rows;
      job.active = active_.get() + thread * all_.n_windows;
      loops.mbar(job);
    });
  }

  void add() const {
    const std::int64_t n = all_.n_windows;
    for (std::int64_t part = 0; part < n_parts_; ++part) {
      const double *const sums = parts_.get() + part * size_;
      for (std::int64_t k = 0; k < n; ++k) all_.sums[k] += sums[k];
      for (std::int64_t k = 0; all_.products && k < n; ++k)
        for (std::int64_t l = 0; l <= k; ++l) {
          all_.products[k * n + l] += sums[n + k * n + l];
          if (l < k) all_.products[l * n + k] += sums[n + k * n + l];
        }
    }
  }

 private:
  const mbar_job &all_;
  std::int64_t n_samples_, size_, n_chunks_, n_parts_;
  int n_threads_;
  workspace<double> parts_, shares_;
  workspace<std::int64_t> active_;
};

}  // namespace
}  // namespace cyfes

int cyfes_cpu_mbar(int32_t n_dims, const double *period, int64_t n_windows, const double *centers,
                   const double *half_springs, const double *offsets, int64_t n_samples,
                   const double *samples, const cyfes_options *options, double *sums,
                   double *products, double *logs) {
  return cyfes::guarded([&] {
    cyfes::check_restraints(n_dims, period, n_windows, centers, half_springs, offsets);
    if (n_samples <= 0) return;
    cyfes::mbar_job all{};
    all.n_dims = n_dims;
    all.period = period;
    all.n_windows = n_windows;
    all.centers = centers;
    all.half_springs = half_springs;
    all.offsets = offsets;
    all.samples = samples;
    all.sums = sums;
    all.products = products;
    all.logs = logs;
    cyfes::mbar_sum sum(all, n_samples, cyfes::usable_threads(options->n_threads));
    sum.run(cyfes::select_isa(options->isa));
    sum.add();
  });
}
