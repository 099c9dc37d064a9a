// GPU figures: phases of the sums of libcufes.so beside probes of the card and beside a plain sum.
// One line of JSON a measurement; benchmarks/gpu/run makes a table of them.
//
// The plain sum is the classic way: one kernel launch per grid point writes a term per sample,
// the terms are copied back and added up on the host. It is measured on a few points and scaled.
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <numeric>
#include <random>

#include "cuda/cufes.cu"

namespace {

using namespace cyfes_cuda;
using clock_type = std::chrono::steady_clock;

double seconds(const std::function<void()> &body) {
  const auto begin = clock_type::now();
  body();
  check(cudaDeviceSynchronize(), "measuring");
  return std::chrono::duration<double>(clock_type::now() - begin).count();
}

// Median of five, after one to warm up.
double median(const std::function<void()> &body) {
  std::vector<double> times;
  body();
  for (int i = 0; i < 5; ++i) times.push_back(seconds(body));
  std::sort(times.begin(), times.end());
  return times[2];
}

__global__ void fma_probe(double *out, int n) {
  double a[8];
  for (int i = 0; i < 8; ++i) a[i] = threadIdx.x + i;
  for (int k = 0; k < n; ++k)
    for (int i = 0; i < 8; ++i) a[i] = a[i] * 0.999999 + 1e-9;
  out[blockIdx.x * blockDim.x + threadIdx.x] =
      a[0] + a[1] + a[2] + a[3] + a[4] + a[5] + a[6] + a[7];
}

// Double-precision multiply-adds per second.
double fma_rate() {
  const int blocks = 132 * 16, threads = 256, n = 20000;
  const device_array<double> out(nullptr, blocks * threads);
  const double t = median([&] { fma_probe<<<blocks, threads>>>(out.data(), n); });
  return 8.0 * n * blocks * threads / t;
}

// Bytes per second read and written by a copy on the card.
double copy_rate() {
  const int64_t n = int64_t{1} << 27;
  const device_array<double> a(nullptr, n), b(nullptr, n);
  const double t = median([&] {
    cudaMemcpyAsync(b.data(), a.data(), n * sizeof(double), cudaMemcpyDeviceToDevice, nullptr);
  });
  return 2.0 * n * sizeof(double) / t;
}

struct problem {
  const char *name;
  int n_dims;
  int64_t n, points_a_cv, n_points;  // n_points: arbitrary points instead of a grid
  bool hills;                        // a sigma each, stretched, with derivatives
};

struct data {
  std::vector<double> centers, weights, bandwidths, points, lower, spacing, period;
  std::vector<int64_t> shape;
  cyfes_grid grid;
  cyfes_kernel_list kernels;
  cyfes_options options;
};

data make(const problem &p) {
  data d;
  std::mt19937_64 random(1);
  std::uniform_real_distribution<double> uniform(-3.14159, 3.14159);
  const double range = 2 * 3.14159265358979, h = p.hills ? 0.3 : range / 50;
  for (int64_t i = 0; i < p.n * p.n_dims; ++i) d.centers.push_back(uniform(random));
  for (int64_t i = 0; i < p.n_points * p.n_dims; ++i) d.points.push_back(uniform(random));
  d.weights.assign(p.n, 1.0);
  d.bandwidths.assign(p.hills ? p.n * p.n_dims : p.n_dims, h);
  d.lower.assign(p.n_dims, -range / 2);
  d.period.assign(p.n_dims, range);
  d.shape.assign(p.n_dims, p.points_a_cv);
  d.spacing.assign(p.n_dims, range / static_cast<double>(p.points_a_cv));
  d.grid = {p.n_dims, d.shape.data(), d.lower.data(), d.spacing.data(), d.period.data()};
  d.kernels = {
      p.n,    p.hills ? p.n : 1, p.n_dims, d.centers.data(), d.bandwidths.data(), d.weights.data(),
      nullptr};
  d.options = {11.0,
               p.hills ? CYFES_STRETCHED_GAUSSIAN : CYFES_GAUSSIAN,
               p.hills ? CYFES_NEAREST_IMAGE : CYFES_ALL_IMAGES,
               0,
               0,
               0};
  return d;
}

int64_t size_of(const problem &p) {
  if (p.n_points) return p.n_points;
  int64_t size = 1;
  for (int i = 0; i < p.n_dims; ++i) size *= p.points_a_cv;
  return size;
}

// Pairs of kernel and point within reach: what a sum with this cutoff has to do.
double pairs_of(const problem &p, const data &d) {
  const double reach = std::sqrt(cyfes_profile_of(d.options).reach2) * d.bandwidths[0];
  const double ball = p.n_dims == 2 ? 3.14159265 : 4.18879020;  // area, volume of the unit ball
  const double share = ball * std::pow(reach / 6.28318531, p.n_dims);
  return static_cast<double>(p.n) * static_cast<double>(size_of(p)) * std::min(share, 1.0);
}

double whole_sum(const problem &p, data &d, std::vector<double> &density, double *derivatives) {
  return median([&] {
    const int status =
        p.n_points ? evaluate<double>(p.n_dims, d.period.data(), &d.kernels, p.n_points,
                                      d.points.data(), &d.options, density.data(), derivatives)
                   : spread<double>(&d.grid, &d.kernels, &d.options, density.data(), derivatives);
    if (status != CYFES_OK) std::fprintf(stderr, "%s\n", error_text()), std::exit(1);
  });
}

__global__ void plain_terms(const double *centers, const double *point, int n_dims, double h,
                            int64_t n, double *terms) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= n) return;
  double q = 0;
  for (int d = 0; d < n_dims; ++d) {
    const double z = (centers[i * n_dims + d] - point[d]) / h;
    q += z * z;
  }
  terms[i] = exp(-0.5 * q);
}

// Seconds of the plain sum for all points, from `sampled` of them.
double plain_sum(const problem &p, const data &d, int sampled) {
  std::vector<double> terms(p.n);
  volatile double total = 0;
  const double t = seconds([&] {
    for (int i = 0; i < sampled; ++i) {
      // As the classic codes do, everything is allocated and uploaded for each point.
      const device_array<double> centers(nullptr, d.centers.data(), p.n * p.n_dims);
      const device_array<double> point(nullptr, d.centers.data() + i * p.n_dims, p.n_dims);
      const device_array<double> out(nullptr, p.n);
      plain_terms<<<static_cast<unsigned>((p.n + 255) / 256), 256>>>(
          centers.data(), point.data(), p.n_dims, d.bandwidths[0], p.n, out.data());
      out.download(terms.data(), 0, p.n);
      cudaDeviceSynchronize();
      total = total + std::accumulate(terms.begin(), terms.end(), 0.0);
    }
  });
  return t / sampled * static_cast<double>(size_of(p));
}

void measure(const problem &p, double fma, double copy) {
  data d = make(p);
  const int sets = p.hills ? p.n_dims + 1 : 1;
  std::vector<double> density(size_of(p)), derivatives(p.hills ? p.n_dims * size_of(p) : 0);
  const double whole = whole_sum(p, d, density, p.hills ? derivatives.data() : nullptr);
  const double up_bytes = 8.0 * (d.centers.size() + d.weights.size() + d.bandwidths.size());
  const double upload = median([&] {
    const device_array<double> centers(nullptr, d.centers.data(), d.centers.size());
    const device_array<double> weights(nullptr, d.weights.data(), d.weights.size());
  });
  const double download = median([&] {
    const device_array<double> out(nullptr, sets * size_of(p));
    out.download(density.data(), 0, size_of(p));
  });
  const double plain = p.n > 2000000 ? -1 : plain_sum(p, d, 20);
  const double pairs = pairs_of(p, d), sum = whole - upload - download;
  std::printf(
      "{\"case\": \"%s\", \"n_dims\": %d, \"n\": %lld, \"points\": %lld, \"hills\": %s, "
      "\"whole_s\": %.6g, \"upload_s\": %.6g, \"sum_s\": %.6g, \"download_s\": %.6g, "
      "\"upload_of_copy_rate\": %.4g, \"pairs_per_s\": %.4g, \"fma_fraction\": %.4g, "
      "\"plain_s\": %.6g}\n",
      p.name, p.n_dims, static_cast<long long>(p.n), static_cast<long long>(size_of(p)),
      p.hills ? "true" : "false", whole, upload, sum, download, up_bytes / upload / copy,
      pairs / sum, pairs * (p.hills ? p.n_dims + 1 : 1) / sum / fma, plain);
  std::fflush(stdout);
}

}  // namespace

int main() {
  const double fma = fma_rate(), copy = copy_rate();
  std::printf("{\"fma_per_s\": %.4g, \"copy_bytes_per_s\": %.4g}\n", fma, copy);
  const problem problems[] = {
      {"2-D samples 1e5", 2, 100000, 200, 0, false},
      {"2-D samples 1e6", 2, 1000000, 200, 0, false},
      {"2-D samples 1e7", 2, 10000000, 200, 0, false},
      {"3-D samples 1e6", 3, 1000000, 100, 0, false},
      {"2-D hills 5e4", 2, 50000, 200, 0, true},
      {"3-D hills 5e4", 3, 50000, 60, 0, true},
      {"points 1e5 x 1e6", 3, 1000000, 1, 100000, false},
  };
  for (const problem &p : problems) measure(p, fma, copy);
}
