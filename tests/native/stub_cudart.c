/* A CUDA runtime without a card: device memory is host memory and kernels do nothing. The
 * environment variable CYFES_STUB chooses what goes wrong. */
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, MEMORY = 2, OLD_DRIVER = 35, NO_DEVICE = 100, ILLEGAL_ADDRESS = 700 };

static int is(const char *name) {
  const char *chosen = getenv("CYFES_STUB");
  return chosen && strcmp(chosen, name) == 0;
}

int cudaGetDeviceCount(int *count) {
  *count = 1;
  if (is("no-driver") || is("old-driver")) return OLD_DRIVER;
  return is("no-device") ? NO_DEVICE : SUCCESS;
}
int cudaDriverGetVersion(int *version) { return *version = is("no-driver") ? 0 : 12020, SUCCESS; }
int cudaRuntimeGetVersion(int *version) { return *version = 13000, SUCCESS; }
int cudaGetDevice(int *device) { return *device = 0, SUCCESS; }
int cudaSetDevice(int device) { return device ? NO_DEVICE : SUCCESS; }
int cudaGetLastError(void) { return SUCCESS; }
const char *cudaGetErrorName(int error) { return error == MEMORY ? "memory" : "other"; }
const char *cudaGetErrorString(int error) { return error == MEMORY ? "no memory" : "stub error"; }
int cudaMalloc(void **data, size_t bytes) {
  if (is("no-memory") || (is("little-memory") && bytes > 1000000)) return MEMORY;
  return *data = calloc(bytes, 1), SUCCESS;
}
int cudaFree(void *data) { return free(data), SUCCESS; }
int cudaMemcpyAsync(void *to, const void *from, size_t n, int kind, void *stream) {
  (void)kind, (void)stream;
  return memcpy(to, from, n), SUCCESS;
}
int cudaStreamCreateWithFlags(void **stream, unsigned flags) {
  (void)flags;
  return *stream = NULL, SUCCESS;
}
int cudaStreamDestroy(void *stream) { return (void)stream, SUCCESS; }
int cudaStreamSynchronize(void *stream) {
  (void)stream;
  return is("kernel-failure") ? ILLEGAL_ADDRESS : SUCCESS;
}

/* What nvcc's start-up and launch code calls. */
void **__cudaRegisterFatBinary(void *binary) { return (void **)binary; }
void __cudaRegisterFatBinaryEnd(void **handle) { (void)handle; }
void __cudaUnregisterFatBinary(void **handle) { (void)handle; }
void __cudaRegisterFunction(void) {}
void __cudaRegisterVar(void) {}
unsigned __cudaPushCallConfiguration(void) { return 1; } /* not 0: the launch is left out */
int __cudaPopCallConfiguration(void) { return SUCCESS; }
int __cudaGetKernel(void) { return SUCCESS; }
int __cudaLaunchKernel(void) { return SUCCESS; }
int cudaLaunchKernel(void) { return SUCCESS; }
