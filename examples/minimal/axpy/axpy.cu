// libaxpy.so, the package's private library: y += a x on a GPU.
//
// Without nvcc it is compiled as C++ and says that there is no CUDA in it: the package has the same
// files, and is put together in the same way, in every variant.

extern "C" __attribute__((visibility("default"))) const char* axpy_cuda(
    long n, double a, const double* x, double* y);

#ifndef __CUDACC__

const char* axpy_cuda(long, double, const double*, double*) { return "a build without CUDA"; }

#else

__global__ static void add(long n, double a, const double* x, double* y) {
    const long i = blockIdx.x * static_cast<long>(blockDim.x) + threadIdx.x;
    if (i < n) y[i] += a * x[i];
}

/// Memory of the GPU that is given back when it goes out of scope.
struct Buffer {
    double* data = nullptr;
    ~Buffer() { cudaFree(data); }
};

/// Returns null, or the cause of the failure; y is then as it was.
const char* axpy_cuda(long n, double a, const double* x, double* y) {
    const size_t bytes = n * sizeof(double);
    Buffer gx, gy;
    cudaError_t error = cudaMalloc(&gx.data, bytes);
    if (!error) error = cudaMalloc(&gy.data, bytes);
    if (!error) error = cudaMemcpy(gx.data, x, bytes, cudaMemcpyHostToDevice);
    if (!error) error = cudaMemcpy(gy.data, y, bytes, cudaMemcpyHostToDevice);
    if (!error) add<<<(n + 255) / 256, 256>>>(n, a, gx.data, gy.data);
    if (!error) error = cudaGetLastError();
    if (!error) error = cudaMemcpy(y, gy.data, bytes, cudaMemcpyDeviceToHost);
    return error ? cudaGetErrorString(error) : nullptr;
}

#endif
