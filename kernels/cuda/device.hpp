// CUDA's resources as C++ objects, and its errors as exceptions.
#ifndef CYFES_CUDA_DEVICE_HPP
#define CYFES_CUDA_DEVICE_HPP

#include <cuda_runtime.h>

#include <cstdint>
#include <string>

#include "status.hpp"

namespace cyfes_cuda {

// "13.0" from CUDA's 13000.
inline std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

// The runtime calls a driver that is not there too old; tell the two apart.
[[noreturn]] inline void fail_driver() {
  int driver = 0, runtime = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  if (driver == 0) throw cyfes::device_error(CYFES_NO_DEVICE, "no NVIDIA driver is installed");
  throw cyfes::device_error(CYFES_DRIVER_TOO_OLD,
                            "the driver supports CUDA " + version_text(driver) +
                                ", the runtime is CUDA " + version_text(runtime));
}

// Throws what a CUDA error means to a user; `doing` completes "... while <doing>".
inline void check(cudaError_t error, const char *doing) {
  if (error == cudaSuccess) return;
  const std::string text =
      std::string(cudaGetErrorString(error)) + " (" + cudaGetErrorName(error) + ") while " + doing;
  switch (error) {
    case cudaErrorMemoryAllocation:
      cudaGetLastError();  // not sticky: the device goes on
      throw cyfes::device_error(CYFES_DEVICE_MEMORY, text);
    case cudaErrorNoDevice:
      throw cyfes::device_error(CYFES_NO_DEVICE, text);
    case cudaErrorInsufficientDriver:
      fail_driver();
    case cudaErrorInvalidDevice:
      throw cyfes::device_error(CYFES_BAD_DEVICE, text);
    default:
      throw cyfes::device_error(CYFES_DEVICE_FAILURE,
                                text + "; this process has lost the device: start it again");
  }
}

// Makes a device current for a scope.
class device_guard {
 public:
  explicit device_guard(int device) {
    int count = 0;
    check(cudaGetDeviceCount(&count), "looking for devices");
    if (device < 0 || device >= count)
      throw cyfes::device_error(CYFES_BAD_DEVICE, "there is no device " + std::to_string(device) +
                                                      "; this machine has " +
                                                      std::to_string(count));
    check(cudaGetDevice(&before_), "asking for the device");
    check(cudaSetDevice(device), "choosing the device");
  }
  ~device_guard() { cudaSetDevice(before_); }
  device_guard(const device_guard &) = delete;
  device_guard &operator=(const device_guard &) = delete;

 private:
  int before_ = 0;
};

class stream_guard {
 public:
  stream_guard() { check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "starting"); }
  ~stream_guard() { cudaStreamDestroy(stream_); }
  stream_guard(const stream_guard &) = delete;
  stream_guard &operator=(const stream_guard &) = delete;
  cudaStream_t get() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

// An array in device memory; plain allocations, never managed memory.
template <class T>
class device_array {
 public:
  device_array(cudaStream_t stream, std::int64_t n) : stream_(stream) {
    check(cudaMalloc(reinterpret_cast<void **>(&data_), bytes(n > 0 ? n : 1)), "allocating");
  }
  device_array(cudaStream_t stream, const T *from, std::int64_t n) : device_array(stream, n) {
    upload(from, 0, n);
  }
  ~device_array() { cudaFree(data_); }
  device_array(const device_array &) = delete;
  device_array &operator=(const device_array &) = delete;
  T *data() const { return data_; }

  void upload(const T *from, std::int64_t offset, std::int64_t n) const {
    check(cudaMemcpyAsync(data_ + offset, from, bytes(n), cudaMemcpyHostToDevice, stream_),
          "uploading");
  }
  void download(T *to, std::int64_t offset, std::int64_t n) const {
    check(cudaMemcpyAsync(to, data_ + offset, bytes(n), cudaMemcpyDeviceToHost, stream_),
          "downloading");
  }

 private:
  static std::size_t bytes(std::int64_t n) { return static_cast<std::size_t>(n) * sizeof(T); }
  cudaStream_t stream_;
  T *data_ = nullptr;
};

}  // namespace cyfes_cuda
#endif
