// A block of threads, on the card or, for tests, on the host; and the queue every block keeps.
//
// Work is written as phases: block.each(f) calls f(thread) for every thread and waits for all.
// On the card the threads run at once, on the host one after another; since they only meet at the
// end of a phase, both give the same result. block.local<T> is one T a thread.
#ifndef CYFES_CUDA_BLOCK_HPP
#define CYFES_CUDA_BLOCK_HPP

#include "cuda/job.hpp"

namespace cyfes_cuda {

#if defined(__CUDACC__)
struct device_block {
  template <class T>
  struct local {
    T value;
    __device__ T &operator[](int) { return value; }
  };
  template <class Phase>
  __device__ __forceinline__ void each(const Phase &phase) const {
    phase(static_cast<int>(threadIdx.x));
    __syncthreads();
  }
};
#endif

struct host_block {
  template <class T>
  struct local {
    T value[block_threads];
    T &operator[](int thread) { return value[thread]; }
  };
  template <class Phase>
  void each(const Phase &phase) const {
    for (int thread = 0; thread < block_threads; ++thread) phase(thread);
  }
};

// The kernels of a slice that reach a block's points, in their order.
struct queue {
  int count;     // entries waiting
  int64_t next;  // kernel that is looked at next
  unsigned char flag[block_threads];
  int group[block_threads / 32];  // flags set among each 32
  int64_t entry[block_threads + batch];
};

// Looks at the next block_threads kernels and queues those that reach the box.
template <class Block, int D>
CYFES_HD void look_further(const Block &block, const job &j, const box<D> &b, int64_t end,
                           queue &q) {
  block.each([&](int thread) {
    const int64_t k = q.next + thread;
    q.flag[thread] = k < end && reaches<D>(j, k, b);
  });
  block.each([&](int thread) {
    if (thread >= block_threads / 32) return;
    int sum = 0;
    for (int i = 0; i < 32; ++i) sum += q.flag[32 * thread + i];
    q.group[thread] = sum;
  });
  block.each([&](int thread) {
    if (!q.flag[thread]) return;
    int at = q.count;
    for (int g = 0; g < thread / 32; ++g) at += q.group[g];
    for (int i = thread / 32 * 32; i < thread; ++i) at += q.flag[i];
    q.entry[at] = q.next + thread;
  });
  block.each([&](int thread) {
    if (thread != 0) return;
    for (int g = 0; g < block_threads / 32; ++g) q.count += q.group[g];
    q.next += block_threads;
  });
}

// Calls body(entries, n) for one batch after another of the slice's kernels that reach the box.
template <class Block, int D, class Body>
CYFES_HD void for_batches(const Block &block, const job &j, const box<D> &b, int64_t slice,
                          queue &q, const Body &body) {
  const int64_t end = slice_begin(j, slice + 1);
  typename Block::template local<int64_t> kept;
  block.each([&](int thread) {
    if (thread != 0) return;
    q.count = 0;
    q.next = slice_begin(j, slice);
  });
  for (bool last = false; !last;) {
    last = q.next >= end;
    if (!last) look_further(block, j, b, end, q);
    const int waiting = q.count;
    int done = 0;
    for (; done + batch <= waiting || (last && done < waiting); done += batch)
      body(q.entry + done, waiting - done < batch ? waiting - done : batch);
    // The rest, less than a batch, waits at the front of the queue.
    const int rest = waiting > done ? waiting - done : 0;
    block.each([&](int thread) { kept[thread] = thread < rest ? q.entry[done + thread] : 0; });
    block.each([&](int thread) {
      if (thread < rest) q.entry[thread] = kept[thread];
      if (thread == 0) q.count = rest;
    });
  }
}

}  // namespace cyfes_cuda
#endif
