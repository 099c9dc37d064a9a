#include "status.hpp"
static const cyfes_backend b{};
const cyfes_backend *cyfes_cpu_backend(void) { return &b; }
const char *cyfes_cpu_isa_name(int32_t i) { return i == 0 ? "x86-64" : nullptr; }
int cyfes_cpu_isa_supported(int32_t) { return 1; }
const char *cyfes_error_text(void) { return cyfes::error_buffer(); }
