// Shares of samples in harmonic windows, p_k = exp(e_k) / sum_l exp(e_l), and their sums.
//
// A chunk of samples goes through all windows three times: exponents and their maximum,
// exponentials and their sum, shares. A window in which every sample of the chunk has a share below
// exp(-50) is left out: the sums over 10^12 samples of what is lost stay below 10^-9 of one sample.
#ifndef CYFES_CPU_PER_ISA_MBAR_LOOPS_HPP
#define CYFES_CPU_PER_ISA_MBAR_LOOPS_HPP

#include "cpu/jobs/mbar_job.hpp"
#include "cpu/per_isa/simd.hpp"

namespace {

using cyfes::mbar_job;

template <int D>
struct mbar_chunk {
  using vec = vec_t<double>;
  static constexpr int width = simd<double>::width;
  static constexpr std::int64_t rows = cyfes::mbar_rows, n_vecs = rows / width;
  static constexpr double negligible = -50;

  const mbar_job &job;
  vec x[D][n_vecs], highest[n_vecs], total[n_vecs] = {};

  // The samples [first, first + n) of the job; the last one stands for those beyond.
  mbar_chunk(const mbar_job &j, std::int64_t first, std::int64_t n) : job(j) {
    for (std::int64_t i = 0; i < rows; ++i)
      for (int d = 0; d < D; ++d)
        x[d][i / width][i % width] = job.samples[(first + (i < n ? i : n - 1)) * D + d];
  }

  double *share(std::int64_t slot) const { return job.shares + slot * rows; }

  // shares = exponents e_k, and their maximum.
  void set_exponents() {
    for (vec &most : highest) most = broadcast(-__builtin_inf());
    const vec magic = broadcast(0x1.8p52);  // adding it rounds to the nearest integer
    double inverse[D];
    for (int d = 0; d < D; ++d) inverse[d] = job.period[d] > 0 ? 1 / job.period[d] : 0;
    for (std::int64_t k = 0; k < job.n_windows; ++k) {
      const double *const center = job.centers + k * D, *const half = job.half_springs + k * D;
      for (std::int64_t v = 0; v < n_vecs; ++v) {
        vec e = broadcast(job.offsets[k]);
        for (int d = 0; d < D; ++d) {
          vec z = x[d][v] - center[d];
          z -= job.period[d] * ((z * inverse[d] + magic) - magic);
          e -= half[d] * (z * z);
        }
        store(share(k) + v * width, e);
        highest[v] = e > highest[v] ? e : highest[v];
      }
    }
  }

  bool reaches(std::int64_t k) const {
    vec most = broadcast(negligible);
    for (std::int64_t v = 0; v < n_vecs; ++v) {
      const vec e = load(share(k) + v * width) - highest[v];
      most = e > most ? e : most;
    }
    for (int l = 0; l < width; ++l)
      if (most[l] > negligible) return true;
    return false;
  }

  // shares = exponentials of the windows that count, one after another; how many these are.
  std::int64_t set_exponentials() {
    std::int64_t n_active = 0;
    for (std::int64_t k = 0; k < job.n_windows; ++k) {
      if (!reaches(k)) continue;
      const double *const from = share(k);
      double *const to = share(n_active);
      job.active[n_active++] = k;
      for (std::int64_t v = 0; v < n_vecs; ++v) {
        const vec y = exponential(load(from + v * width) - highest[v]);
        store(to + v * width, y);
        total[v] += y;
      }
    }
    return n_active;
  }

  void write_logs(std::int64_t first, std::int64_t n) const {
    for (std::int64_t i = 0; i < n; ++i)
      job.logs[first + i] =
          highest[i / width][i % width] + __builtin_log(total[i / width][i % width]);
  }

  void add_shares(std::int64_t n_active, std::int64_t n) {
    for (std::int64_t i = 0; i < rows; ++i)
      total[i / width][i % width] = i < n ? 1 / total[i / width][i % width] : 0.0;
    for (std::int64_t slot = 0; slot < n_active; ++slot) {
      vec sum = {};
      for (std::int64_t v = 0; v < n_vecs; ++v) {
        const vec p = load(share(slot) + v * width) * total[v];
        store(share(slot) + v * width, p);
        sum += p;
      }
      for (int l = 0; l < width; ++l) job.sums[job.active[slot]] += sum[l];
    }
  }

  // Four windows times four at a time: as many sums as stay in registers.
  void add_products(std::int64_t n_active) const {
    for (std::int64_t i = 0; i < 4 * rows; ++i) share(n_active)[i] = 0;
    for (std::int64_t a = 0; a < n_active; a += 4)
      for (std::int64_t b = 0; b <= a; b += 4) {
        vec sum[4][4] = {};
        for (std::int64_t v = 0; v < n_vecs; ++v) {
          vec right[4];
          for (int j = 0; j < 4; ++j) right[j] = load(share(b + j) + v * width);
          for (int i = 0; i < 4; ++i) {
            const vec left = load(share(a + i) + v * width);
            for (int j = 0; j < 4; ++j) sum[i][j] += left * right[j];
          }
        }
        for (int i = 0; i < 4 && a + i < n_active; ++i)
          for (int j = 0; j < 4 && b + j <= a + i; ++j) {
            double &to = job.products[job.active[a + i] * job.n_windows + job.active[b + j]];
            for (int l = 0; l < width; ++l) to += sum[i][j][l];
          }
      }
  }
};

template <int D>
void mbar_of(const mbar_job &job) {
  for (std::int64_t at = job.first; at < job.last; at += cyfes::mbar_rows) {
    const std::int64_t n = job.last - at < cyfes::mbar_rows ? job.last - at : cyfes::mbar_rows;
    mbar_chunk<D> chunk(job, at, n);
    chunk.set_exponents();
    const std::int64_t n_active = chunk.set_exponentials();
    if (job.logs) chunk.write_logs(at, n);
    chunk.add_shares(n_active, n);
    if (job.products) chunk.add_products(n_active);
  }
}

inline void mbar(const mbar_job &job) {
  using loop = void (*)(const mbar_job &);
  static constexpr loop all[] = {mbar_of<1>, mbar_of<2>, mbar_of<3>, mbar_of<4>};
  all[job.n_dims - 1](job);
}

}  // namespace
#endif
