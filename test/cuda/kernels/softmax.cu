// Softmax of rows, one block for each: a maximum and a sum over the row, by shuffles in a warp and shared memory between
// warps.
static __device__ __forceinline__ float all_max(float value, float *scratch) {
  for (int offset = 16; offset > 0; offset /= 2) value = fmaxf(value, __shfl_xor_sync(0xffffffffu, value, offset));
  if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = value;
  __syncthreads();
  value = scratch[threadIdx.x % (blockDim.x / 32)];
  for (int offset = 16; offset > 0; offset /= 2) value = fmaxf(value, __shfl_xor_sync(0xffffffffu, value, offset));
  __syncthreads();
  return value;
}

static __device__ __forceinline__ float all_sum(float value, float *scratch) {
  for (int offset = 16; offset > 0; offset /= 2) value += __shfl_down_sync(0xffffffffu, value, offset);
  if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = value;
  __syncthreads();
  float total = 0.0f;
  for (unsigned i = 0; i < blockDim.x / 32; i++) total += scratch[i];
  __syncthreads();
  return total;
}

extern "C" __global__ void __launch_bounds__(128) softmax(const float *__restrict__ x, float *__restrict__ y, unsigned N) {
  __shared__ float scratch[4];
  const float *row = x + (size_t)blockIdx.x * N;
  float most = -3.0e38f;
  for (unsigned i = threadIdx.x; i < N; i += blockDim.x) most = fmaxf(most, row[i]);
  most = all_max(most, scratch);
  float sum = 0.0f;
  for (unsigned i = threadIdx.x; i < N; i += blockDim.x) sum += expf(row[i] - most);
  sum = all_sum(sum, scratch);
  for (unsigned i = threadIdx.x; i < N; i += blockDim.x) y[(size_t)blockIdx.x * N + i] = expf(row[i] - most) / sum;
}
