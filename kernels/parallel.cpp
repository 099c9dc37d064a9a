#include "parallel.hpp"

#include <omp.h>
#include <pthread.h>
#include <sys/resource.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <atomic>
#include <exception>
#include <limits>
#include <memory>
#include <new>
#include <stdexcept>

namespace cyfes {
namespace {

// Whether this process has started threads, and whether it is a child of one that had.
std::atomic<bool> has_started{false}, is_orphan{false};

void after_fork() {
  if (has_started) is_orphan = true;
}

// Where the address space is limited: the C library would reserve 64 MB of it for each thread.
void share_arenas() {
#ifdef __GLIBC__
  rlimit space{};
  if (getrlimit(RLIMIT_AS, &space) == 0 && space.rlim_cur != RLIM_INFINITY) mallopt(M_ARENA_MAX, 2);
#endif
}

void note_start() {
  if (has_started.exchange(true)) return;
  pthread_atfork(nullptr, nullptr, after_fork);
  share_arenas();
}

// How many of n threads the system starts now, and that many at once.
int try_threads(int n) {
  pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
  const auto wait = [](void *at) -> void * {
    pthread_mutex_lock(static_cast<pthread_mutex_t *>(at));
    pthread_mutex_unlock(static_cast<pthread_mutex_t *>(at));
    return nullptr;
  };
  const std::unique_ptr<pthread_t[]> threads(new (std::nothrow) pthread_t[n]);
  if (!threads) return 0;
  int started = 0;
  pthread_mutex_lock(&gate);
  while (started < n && pthread_create(&threads[started], nullptr, wait, &gate) == 0) ++started;
  pthread_mutex_unlock(&gate);
  for (int i = 0; i < started; ++i) pthread_join(threads[i], nullptr);
  return started;
}

// How many of n threads one should have that has `before` of them, itself among them. OpenMP ends
// the process where it cannot start a thread, so those that lack are tried first, with two to
// spare. Where not all can be had, memory is scarce: sums need some of what half of them would
// take.
int startable_threads(int n, int before) {
  thread_local int limit = std::numeric_limits<int>::max();
  n = std::min(n, limit);
  if (n <= before) return n;
  const int wanted = n - before + 2, started = try_threads(wanted);
  return started == wanted ? n : limit = before + started / 2;
}

// An exception may not leave a parallel region: the first one waits here for the region's end.
class first_exception {
 public:
  // Calls body() and holds what it throws; any thread of the region may.
  template <class Body>
  void guard(const Body &body) noexcept {
    try {
      body();
    } catch (...) {
#pragma omp critical(cyfes_first_exception)
      if (!first_) first_ = std::current_exception();
    }
  }

  // Throws what is held, after the region.
  void rethrow() const {
    if (first_) std::rethrow_exception(first_);
  }

 private:
  std::exception_ptr first_;
};

}  // namespace

bool forked_without_threads() { return is_orphan; }

int usable_threads(std::int32_t n_threads) {
  if (n_threads < 0) throw std::invalid_argument("n_threads must not be negative");
  if (is_orphan || n_threads == 1) return 1;
  const int wanted = n_threads > 0 ? n_threads : std::max(1, omp_get_max_threads());
  return std::min(wanted, std::max(16, 4 * omp_get_num_procs()));
}

int startable_threads(std::int32_t n_threads) {
  return startable_threads(usable_threads(n_threads), 1);
}

void run_tasks(int n_threads, std::int64_t n, task run, const void *body) {
  // OpenMP keeps the threads of the last loop, as many as it had, for each thread that runs loops.
  thread_local int kept = 1;
  const int wanted = is_orphan ? 1 : static_cast<int>(std::min<std::int64_t>(n_threads, n));
  const int threads = startable_threads(wanted, kept);
  if (threads <= 1) {
    for (std::int64_t i = 0; i < n; ++i) run(body, i, 0);
    return;
  }
  note_start();
  kept = threads;
  first_exception failure;
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
  for (std::int64_t i = 0; i < n; ++i) failure.guard([&] { run(body, i, omp_get_thread_num()); });
  failure.rethrow();
}

}  // namespace cyfes
