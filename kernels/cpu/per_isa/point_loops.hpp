// Sums of many kernels at many points: separable kernels, one copy each.
//
// A pair costs a squared distance and one power of two: coordinates are scaled so that a kernel is
// 2^(log2 weight - q), q the sum of their squared differences. Four vectors of points share what
// is loaded of a kernel and give the processor four chains of dependent operations to interleave.
// Before that, kernels that cannot reach the box around those points are left out, eight tests an
// instruction; what they would add is exactly zero, so no bit depends on how points are grouped.
#ifndef CYFES_CPU_PER_ISA_POINT_LOOPS_HPP
#define CYFES_CPU_PER_ISA_POINT_LOOPS_HPP

#include "cpu/jobs/point_job.hpp"
#include "cpu/per_isa/simd.hpp"

namespace {

using cyfes::point_job;

// 2^t for -1021 < t < 1023, relative error below 1e-15: a polynomial of degree 10 (Chebyshev
// interpolation, 3e-16) of t less the nearest integer, which is added to the exponent.
inline vec_t<double> power_of_two(vec_t<double> t) {
  const vec_t<double> magic = broadcast(0x1.8p52), shifted = t + magic, r = t - (shifted - magic);
  vec_t<double> p = broadcast(0x1.e6063f9b91935p-28);
  p = p * r + 0x1.b675bd687d9b8p-24;
  p = p * r + 0x1.62bfd477051e0p-20;
  p = p * r + 0x1.ffcb540541227p-17;
  p = p * r + 0x1.430913096fcb8p-13;
  p = p * r + 0x1.5d87fe9d7ab80p-10;
  p = p * r + 0x1.3b2ab6fba1de1p-7;
  p = p * r + 0x1.c6b08d703ce45p-5;
  p = p * r + 0x1.ebfbdff82c598p-3;
  p = p * r + 0x1.62e42fefa3a19p-1;
  p = p * r + 1.0;
  return (vec_t<double>)((uvec_t<double>)p + ((uvec_t<double>)shifted << 52));
}

template <int D, bool shared, bool periodic, bool gradient>
struct point_summer {
  using vec = vec_t<double>;
  using ivec = ivec_t<double>;
  static constexpr int width = simd<double>::width, groups = 4, lanes = groups * width;
  static constexpr std::int64_t batch = 1024;

  const point_job &job;
  vec x[D][groups];
  double middle[D], half[D];  // of the box around the points
  vec value[groups] = {}, slope[D][groups] = {};

  point_summer(const point_job &j, std::int64_t first, std::int64_t n) : job(j) {
    for (int d = 0; d < D; ++d) {
      const double *const from = job.points + d * job.n_points + first;
      double low = from[0], high = from[0];
      for (int i = 0; i < lanes; ++i) {
        const double at = from[i < n ? i : 0];
        x[d][i / width][i % width] = at;
        low = at < low ? at : low;
        high = at > high ? at : high;
      }
      middle[d] = 0.5 * (low + high);
      half[d] = 0.5 * (high - low) * (1 + 1e-9);
    }
  }

  const double *center(int d) const { return job.centers + d * job.stride; }
  const double *scale(int d) const { return job.scales + d * job.stride; }

  template <int d>
  vec fold(vec z) const {
    if (!periodic) return z;
    const vec magic = broadcast(0x1.8p52);  // adding it rounds to the nearest integer
    return z - job.period[d] * ((z * job.inverse_period[d] + magic) - magic);
  }

  // Squared distances from the box to the kernels [k, k + width), at least 0.
  template <int d = 0>
  vec box_distance(std::int64_t k) const {
    if constexpr (d == D) {
      return vec{};
    } else {
      vec z = fold<d>(load(center(d) + k) - middle[d]);
      z = (z < 0 ? -z : z) - half[d];
      if (!shared) z *= load(scale(d) + k);
      z = z > 0 ? z : vec{};
      return z * z + box_distance<d + 1>(k);
    }
  }

  template <int d = 0>
  void differences(std::int64_t k, int g, vec *z, vec &q) const {
    if constexpr (d < D) {
      z[d] = fold<d>(x[d][g] - center(d)[k]);
      if (!shared) z[d] *= scale(d)[k];
      q = z[d] * z[d] + q;
      differences<d + 1>(k, g, z, q);
    }
  }

  void add(std::int64_t k) {
    for (int g = 0; g < groups; ++g) {
      vec z[D], q{};
      differences(k, g, z, q);
      const vec e = power_of_two(job.logarithms[k] - q);
      const ivec inside = q < job.reach2;
      const vec a = (vec)((ivec)e & inside);
      value[g] += a;
      if (job.offsets) value[g] += (vec)((ivec)broadcast(job.offsets[k]) & inside);
      for (int d = 0; gradient && d < D; ++d)
        slope[d][g] += shared ? a * z[d] : a * (z[d] * scale(d)[k]);
    }
  }

  void run() {
    std::int32_t near[batch + width];
    for (std::int64_t from = 0; from < job.n_kernels; from += batch) {
      const std::int64_t to = from + batch < job.n_kernels ? from + batch : job.n_kernels;
      int n_near = 0;
      for (std::int64_t k = from; k < to; k += width) {
        // More than what rounding may hide.
        const ivec reached = box_distance(k) < job.reach2 * (1 + 1e-6);
        for (int i = 0; i < width; ++i) {
          near[n_near] = static_cast<std::int32_t>(k - from) + i;
          n_near += reached[i] != 0 && k + i < to;
        }
      }
      for (int i = 0; i < n_near; ++i) add(from + near[i]);
    }
  }

  void write(std::int64_t first, std::int64_t n) const {
    for (int i = 0; i < lanes && i < n; ++i) {
      job.density[first + i] = value[i / width][i % width];
      for (int d = 0; gradient && d < D; ++d)
        job.derivatives[d * job.n_points + first + i] = slope[d][i / width][i % width];
    }
  }
};

template <int D, bool shared, bool periodic, bool gradient>
void sum_points(const point_job &job, std::int64_t first, std::int64_t last) {
  using summer = point_summer<D, shared, periodic, gradient>;
  for (std::int64_t i = first; i < last; i += summer::lanes) {
    summer s(job, i, last - i);
    s.run();
    s.write(i, last - i);
  }
}

template <int D>
void sum_points_of(const point_job &job, std::int64_t first, std::int64_t last) {
  using sum = void (*)(const point_job &, std::int64_t, std::int64_t);
  static constexpr sum all[2][2][2] = {
      {{sum_points<D, false, false, false>, sum_points<D, false, false, true>},
       {sum_points<D, false, true, false>, sum_points<D, false, true, true>}},
      {{sum_points<D, true, false, false>, sum_points<D, true, false, true>},
       {sum_points<D, true, true, false>, sum_points<D, true, true, true>}}};
  bool periodic = false;
  for (int d = 0; d < D; ++d) periodic |= job.period[d] > 0;
  all[job.scales == nullptr][periodic][job.derivatives != nullptr](job, first, last);
}

inline void points(const point_job &job, std::int64_t first, std::int64_t last) {
  using sum = void (*)(const point_job &, std::int64_t, std::int64_t);
  static constexpr sum all[] = {sum_points_of<1>, sum_points_of<2>, sum_points_of<3>,
                                sum_points_of<4>};
  all[job.n_dims - 1](job, first, last);
}

}  // namespace
#endif
