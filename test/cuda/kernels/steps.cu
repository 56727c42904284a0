// Small kernels for tests of the driver.
extern "C" __global__ void __launch_bounds__(64) add_one(const float *__restrict__ x, float *__restrict__ y, unsigned N) {
  const unsigned i = blockIdx.x * 64 + threadIdx.x;
  if (i < N) y[i] = x[i] + 1.0f;
}
extern "C" __global__ void __launch_bounds__(64) twice(const float *__restrict__ x, float *__restrict__ y, unsigned N) {
  const unsigned i = blockIdx.x * 64 + threadIdx.x;
  if (i < N) y[i] = x[i] * 2.0f;
}
extern "C" __global__ void __launch_bounds__(64) dynamic(float *__restrict__ y, unsigned N) {
  float *scratch = (float *)dynamic_shared();
  scratch[threadIdx.x] = (float)threadIdx.x;
  __syncthreads();
  y[threadIdx.x] = scratch[N - 1 - threadIdx.x];
}
extern "C" __global__ void __launch_bounds__(64) stuck(float *__restrict__ y) {
  if (threadIdx.x == 0) __syncthreads();
  y[threadIdx.x] = 1.0f;
}
