// The kernels through their C contract, against loops that anyone can read.
//
// A build of this program under a sanitizer looks for what a Python test cannot see: reads and
// writes beyond an array, undefined arithmetic, data races. Every array is allocated to its exact
// size for that reason, and every instruction set that this processor has is run.
#include "test_kernels.hpp"

#include <cstdio>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "problem.hpp"

namespace {

// Re-entrant: threads that share their inputs, and fail in between, get what one thread gets.
void check_threads() {
  problem p = random_problem(3, 40, true, false, false, CYFES_GAUSSIAN, CYFES_ALL_IMAGES);
  problem bad = p;
  bad.kernels.n_scales = 77;
  std::vector<double> want(p.size());
  spread(p, want.data(), nullptr);
  const std::vector<char> text = exact("1 2 3\n4 5 6\n# 7\n8 9 10");
  std::vector<int> good(4, 0);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < good.size(); ++t)
    threads.emplace_back([&, t] {
      bool same = true;
      for (int round = 0; round < 20; ++round) {
        std::vector<double> density(want.size()), points(6, 0.5), at(2);
        same &= spread(p, density.data(), nullptr) == CYFES_OK && density == want;
        same &= spread(bad, density.data(), nullptr) == CYFES_INVALID_ARGUMENT &&
                std::strstr(cyfes_error_text(), "77") != nullptr;
        same &= evaluate(p, 2, points.data(), at.data(), nullptr) == CYFES_OK;
        std::uint8_t faults[64];
        cyfes_parsed parsed;
        same &= cyfes_parse_rows(text.data(), static_cast<std::int64_t>(text.size()), 1, 1, 0,
                                 nullptr, 0, 1, 0, 64, nullptr, faults, &parsed) == CYFES_OK &&
                parsed.n_rows == 3;
      }
      good[t] = same;
    });
  for (std::thread &thread : threads) thread.join();
  for (const int same : good) check(same == 1, "a thread among others got another result");
}

}  // namespace

// With the argument "threads" only what several threads of the caller do: see run.
int main(int n_arguments, char **arguments) {
  if (n_arguments < 2 || std::strcmp(arguments[1], "threads") != 0) {
    test_sums();
    test_basins();
    test_mbar();
    test_text();
  }
  check_threads();
  std::string names;
  for (int i = 0; cyfes_cpu_isa_name(i); ++i)
    if (cyfes_cpu_isa_supported(i)) names += std::string(" ") + cyfes_cpu_isa_name(i);
  std::printf("%d checks, %d failed; instruction sets run:%s\n", n_checks, n_failures,
              names.c_str());
  return n_failures != 0;
}
