// Checks that are counted, and random numbers to make cases of.
#ifndef CYFES_TESTS_CHECK_HPP
#define CYFES_TESTS_CHECK_HPP

#include <cstdint>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

inline int n_checks = 0, n_failures = 0;

inline void check(bool good, const std::string &what) {
  ++n_checks;
  if (good || ++n_failures > 20) return;
  std::printf("FAILED: %s\n", what.c_str());
}

inline std::mt19937_64 generator(20240607);

inline double uniform(double low, double high) {
  return std::uniform_real_distribution<double>(low, high)(generator);
}

inline std::int64_t whole(std::int64_t low, std::int64_t high) {
  return std::uniform_int_distribution<std::int64_t>(low, high)(generator);
}

// Text without a terminating zero in memory of exactly its size.
inline std::vector<char> exact(const std::string &text) { return {text.begin(), text.end()}; }

#endif
