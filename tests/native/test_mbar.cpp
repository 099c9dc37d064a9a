// Sums over samples in harmonic windows, on arrays of exactly their size, against plain loops.
#include <algorithm>
#include <cmath>
#include <vector>

#include "check.hpp"
#include "cyfes_kernels.h"
#include "test_kernels.hpp"

namespace {

struct case_of_windows {
  int n_dims;
  std::int64_t n_windows, n;
  std::vector<double> period, centers, halves, offsets, samples;
};

std::vector<double> random_values(std::int64_t n, double low, double high) {
  std::vector<double> values(n);
  for (double &v : values) v = uniform(low, high);
  return values;
}

// Of up to so many samples; with 20000 of them threads are used.
case_of_windows random_case(int D, std::int64_t most) {
  case_of_windows c{D, whole(15, 20), whole(most / 2, most), {}, {}, {}, {}, {}};
  if (most < 1000) c.n_windows = whole(1, 20);
  for (int d = 0; d < D; ++d) c.period.push_back(whole(0, 1) ? uniform(1, 7) : 0.0);
  c.centers = random_values(c.n_windows * D, -3, 3);
  c.halves = random_values(c.n_windows * D, 0, whole(0, 1) ? 2 : 2000);
  c.offsets = random_values(c.n_windows, -20, 20);
  c.samples = random_values(c.n * D, -4, 4);
  return c;
}

// exp(e_k - highest) of all windows for sample i, and the logarithm of the sum of exp(e_k).
double shares_of(const case_of_windows &c, std::int64_t i, std::vector<double> &p) {
  for (std::int64_t k = 0; k < c.n_windows; ++k) {
    p[k] = c.offsets[k];
    for (int d = 0; d < c.n_dims; ++d) {
      double z = c.samples[i * c.n_dims + d] - c.centers[k * c.n_dims + d];
      if (c.period[d] > 0) z -= c.period[d] * std::nearbyint(z / c.period[d]);
      p[k] -= c.halves[k * c.n_dims + d] * z * z;
    }
  }
  const double highest = *std::max_element(p.begin(), p.end());
  double total = 0;
  for (double &x : p) total += x = std::exp(x - highest);
  for (double &x : p) x /= total;
  return highest + std::log(total);
}

bool near(double found, double want) {
  return std::abs(found - want) < 1e-9 * (1 + std::abs(want));
}

void check_case(int D, std::int32_t isa, std::int64_t most) {
  const case_of_windows c = random_case(D, most);
  const std::int64_t K = c.n_windows;
  std::vector<double> sums(K), products(K * K), logs(c.n), again(K), p(K), want(K),
      want_products(K * K);
  cyfes_options options{};
  options.isa = isa;
  options.n_threads = 1;
  const auto run = [&](double *s, double *pp, double *l) {
    return cyfes_cpu_mbar(D, c.period.data(), K, c.centers.data(), c.halves.data(),
                          c.offsets.data(), c.n, c.samples.data(), &options, s, pp, l);
  };
  check(run(sums.data(), products.data(), logs.data()) == CYFES_OK, "mbar");
  options.n_threads = 3;
  check(run(again.data(), nullptr, nullptr) == CYFES_OK, "mbar without products");
  for (std::int64_t i = 0; i < c.n; ++i) {
    check(near(logs[i], shares_of(c, i, p)), "a logarithm of mbar");
    for (std::int64_t k = 0; k < K; ++k) want[k] += p[k];
    for (std::int64_t k = 0; k < K * K; ++k) want_products[k] += p[k / K] * p[k % K];
  }
  for (std::int64_t k = 0; k < K; ++k)
    check(near(sums[k], want[k]) && near(again[k], want[k]), "a sum of mbar");
  for (std::int64_t k = 0; k < K * K; ++k)
    check(near(products[k], want_products[k]), "a product of mbar");
}

void check_refusals() {
  const double zero = 0, minus = -1, one = 1;
  cyfes_options options{};
  double sum = 0;
  const auto run = [&](int D, const double *period, std::int64_t K, const double *half) {
    return cyfes_cpu_mbar(D, period, K, &zero, half, &zero, 1, &zero, &options, &sum, nullptr,
                          nullptr);
  };
  check(run(0, &zero, 1, &one) == CYFES_INVALID_ARGUMENT, "no CV");
  check(run(1, &zero, 0, &one) == CYFES_INVALID_ARGUMENT, "no window");
  check(run(1, &minus, 1, &one) == CYFES_INVALID_ARGUMENT, "a negative period");
  check(run(1, &zero, 1, &minus) == CYFES_INVALID_ARGUMENT, "a negative spring constant");
  check(sum == 0, "a refusal that wrote");
}

}  // namespace

void test_mbar() {
  for (int isa = 0; cyfes_cpu_isa_name(isa); ++isa)
    for (int D = 1; cyfes_cpu_isa_supported(isa) && D <= CYFES_MAX_DIMS; ++D)
      for (int round = 0; round < 10; ++round) check_case(D, isa + 1, round ? 1 << round : 40000);
  check_refusals();
}
