// Exceptions become status codes here and nowhere else.
#ifndef CYFES_STATUS_HPP
#define CYFES_STATUS_HPP

#include <cstdio>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>

#include "cyfes_kernels.h"

namespace cyfes {

// A fixed buffer: reporting an error must not need memory.
inline char *error_buffer() {
  static thread_local char text[512] = "";
  return text;
}

inline cyfes_status fail(cyfes_status status, const char *text) noexcept {
  std::snprintf(error_buffer(), 512, "%s", text);
  return status;
}

struct unsupported : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// What a GPU refuses, under the status that tells its cause.
struct device_error : std::runtime_error {
  device_error(cyfes_status s, const std::string &text) : std::runtime_error(text), status(s) {}
  cyfes_status status;
};

// Runs body() and turns whatever it throws into a status and a text.
template <class Body>
int guarded(Body &&body) noexcept {
  try {
    body();
    return CYFES_OK;
  } catch (const std::invalid_argument &error) {
    return fail(CYFES_INVALID_ARGUMENT, error.what());
  } catch (const std::bad_alloc &) {
    return fail(CYFES_OUT_OF_MEMORY, "not enough memory for this computation");
  } catch (const device_error &error) {
    return fail(error.status, error.what());
  } catch (const unsupported &error) {
    return fail(CYFES_UNSUPPORTED, error.what());
  } catch (const std::exception &error) {
    return fail(CYFES_INTERNAL_ERROR, error.what());
  } catch (...) {
    return fail(CYFES_INTERNAL_ERROR, "unknown C++ exception");
  }
}

}  // namespace cyfes
#endif
