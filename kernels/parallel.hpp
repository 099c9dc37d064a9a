// Loops on threads. All threads of the kernels are started here.
#ifndef CYFES_PARALLEL_HPP
#define CYFES_PARALLEL_HPP

#include <algorithm>
#include <cstdint>

namespace cyfes {

// The number of threads that n_threads stands for, 0 being all: at most 16 or 4 per processor, as
// more would only take memory, and one in a process that was forked from one whose kernels had used
// threads. Throws std::invalid_argument if n_threads is negative.
int usable_threads(std::int32_t n_threads);

// As many of them as the system starts now; loops run on no more.
int startable_threads(std::int32_t n_threads);

// Whether this process was forked from one whose kernels had used threads: it lacks them, and
// OpenMP would wait for them for ever.
bool forked_without_threads();

using task = void (*)(const void *body, std::int64_t number, int thread);
void run_tasks(int n_threads, std::int64_t n, task run, const void *body);

// Calls body(number, thread), thread < n_threads, for the numbers [0, n): each thread takes the
// next when it is done with one. Throws the first exception after all threads have ended.
template <class Body>
void for_each_task(int n_threads, std::int64_t n, const Body &body) {
  const task run = [](const void *all, std::int64_t number, int thread) {
    (*static_cast<const Body *>(all))(number, thread);
  };
  run_tasks(n_threads, n, run, &body);
}

// Calls body(begin, end) for ranges that make up [0, n), one per thread.
template <class Body>
void for_each_range(int n_threads, std::int64_t n, const Body &body) {
  const std::int64_t n_ranges = std::min<std::int64_t>(n_threads, n);
  for_each_task(n_threads, n_ranges,
                [&](std::int64_t i, int) { body(i * n / n_ranges, (i + 1) * n / n_ranges); });
}

}  // namespace cyfes
#endif
