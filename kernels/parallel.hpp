// Exceptions among threads.
#ifndef CYFES_PARALLEL_HPP
#define CYFES_PARALLEL_HPP

#include <exception>

namespace cyfes {

// An exception may not leave a parallel region: the first one waits here for the region's end.
class held_exception {
 public:
  // Calls body() and holds what it throws; any thread of the region may.
  template <class Body>
  void guard(const Body &body) noexcept {
    try {
      body();
    } catch (...) {
#pragma omp critical(cyfes_held_exception)
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

}  // namespace cyfes
#endif
