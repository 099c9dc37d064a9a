// Scratch memory on huge pages, reused between sums.
#ifndef CYFES_CPU_WORKSPACE_HPP
#define CYFES_CPU_WORKSPACE_HPP

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>
#include <vector>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace cyfes {

// Large blocks of memory on huge pages where the system has them, which spares most page faults.
// Those given back wait for the next sum, as fresh pages cost more than what is done with them:
// at most `most` bytes of them.
class large_blocks {
 public:
  static constexpr std::size_t page = std::size_t{1} << 21, most = std::size_t{1} << 27;

  struct block {
    void *begin = nullptr;
    std::size_t bytes = 0;  // whole pages; 0 if the system has no such blocks
  };

  static block take(std::size_t bytes) {
#ifdef __linux__
    const std::size_t wanted = (bytes + page - 1) / page * page;
    {
      const std::lock_guard<std::mutex> lock(guard());
      auto &all = spare();
      for (auto found = all.begin(); found != all.end(); ++found)
        if (found->bytes >= wanted && found->bytes <= 2 * wanted) {
          const block taken = *found;
          all.erase(found);
          return taken;
        }
    }
    return fresh(wanted);
#else
    (void)bytes;
    return {};
#endif
  }

  static void give_back([[maybe_unused]] block b) {
#ifdef __linux__
    {
      const std::lock_guard<std::mutex> lock(guard());
      auto &all = spare();
      std::size_t kept = b.bytes;
      for (const block &other : all) kept += other.bytes;
      if (kept <= most) return all.push_back(b);
    }
    munmap(b.begin, b.bytes);
#endif
  }

 private:
  // Never destroyed: threads may still sum when the program ends.
  static std::mutex &guard() {
    static auto *const one = new std::mutex;
    return *one;
  }
  static std::vector<block> &spare() {
    static auto *const all = new std::vector<block>;
    all->reserve(most / page);  // before any is given back, which may not ask for memory
    return *all;
  }

#ifdef __linux__
  static block fresh(std::size_t bytes) {
    void *const all = mmap(nullptr, bytes + page, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (all == MAP_FAILED) throw std::bad_alloc();
    char *const first = static_cast<char *>(all);
    const std::size_t before = (page - reinterpret_cast<std::uintptr_t>(first) % page) % page;
    if (before > 0) munmap(first, before);
    munmap(first + before + bytes, page - before);
    madvise(first + before, bytes, MADV_HUGEPAGE);
    return {first + before, bytes};
  }
#endif
};

// Uninitialised memory: what is not touched takes none.
template <class value>
class workspace {
 public:
  explicit workspace(std::int64_t n) {
    const std::size_t bytes =
        static_cast<std::size_t>(std::max<std::int64_t>(n, 1)) * sizeof(value);
    if (bytes >= large_blocks::page) large_ = large_blocks::take(bytes);
    values_ = static_cast<value *>(large_.bytes ? large_.begin
                                                : std::aligned_alloc(64, (bytes + 63) / 64 * 64));
    if (!values_) throw std::bad_alloc();
  }
  ~workspace() {
    if (large_.bytes)
      large_blocks::give_back(large_);
    else
      std::free(values_);
  }
  workspace(const workspace &) = delete;
  workspace &operator=(const workspace &) = delete;

  value *get() const { return values_; }

 private:
  large_blocks::block large_;
  value *values_ = nullptr;
};

}  // namespace cyfes
#endif
