// C[M,N] = A[M,K] B[K,N] by tiles of 16 by 16 in shared memory; M, N and K need not be multiples of 16.
extern "C" __global__ void __launch_bounds__(256)
matmul_tiled(const float *__restrict__ a, const float *__restrict__ b, float *__restrict__ c, unsigned M, unsigned N, unsigned K) {
  __shared__ float left[16][16];
  __shared__ float right[16][17];
  const unsigned columns = (N + 15) / 16;
  const unsigned x = threadIdx.x % 16, y = threadIdx.x / 16;
  const unsigned row = blockIdx.x / columns * 16 + y, column = blockIdx.x % columns * 16 + x;
  float sum = 0.0f;
  for (unsigned k = 0; k < K; k += 16) {
    left[y][x] = row < M && k + x < K ? a[row * K + k + x] : 0.0f;
    right[y][x] = k + y < K && column < N ? b[(k + y) * N + column] : 0.0f;
    __syncthreads();
    for (unsigned i = 0; i < 16; i++) sum += left[y][i] * right[i][x];
    __syncthreads();
  }
  if (row < M && column < N) c[row * N + column] = sum;
}
