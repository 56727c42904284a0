// C[M,N] = A[M,K] B[K,N] of f16 on tensor cores: blocks of 64 by 64, four warps of 32 by 32 each, K in steps of 32 through
// a ring of three stages that cp.async fills while earlier ones are multiplied. M and N are multiples of 64, K of 32.
#define STAGES 3
#define LEFT_PITCH 40
#define RIGHT_PITCH 72

extern "C" __global__ void __launch_bounds__(128)
matmul_pipelined(const uint16_t *__restrict__ a, const uint16_t *__restrict__ b, float *__restrict__ c, unsigned M, unsigned N, unsigned K) {
  __shared__ __align__(16) uint16_t left[STAGES][64 * LEFT_PITCH];
  __shared__ __align__(16) uint16_t right[STAGES][32 * RIGHT_PITCH];
  const unsigned thread = threadIdx.x, lane = thread % 32, warp = thread / 32;
  const unsigned row = blockIdx.x / (N / 64) * 64, column = blockIdx.x % (N / 64) * 64;
  const unsigned warpRow = warp / 2 * 32, warpColumn = warp % 2 * 32;
  const unsigned steps = K / 32;
  float sum[2][4][4] = {};

#define LOAD(step)                                                                                                        \
  for (unsigned i = thread; i < 256; i += 128) {                                                                          \
    cp_async_16(&left[(step) % STAGES][i / 4 * LEFT_PITCH + i % 4 * 8], a + (size_t)(row + i / 4) * K + (step) * 32 + i % 4 * 8);  \
    cp_async_16(&right[(step) % STAGES][i / 8 * RIGHT_PITCH + i % 8 * 8], b + (size_t)((step) * 32 + i / 8) * N + column + i % 8 * 8); \
  }

  for (unsigned step = 0; step < STAGES - 1; step++) {
    if (step < steps) { LOAD(step) }
    cp_async_commit();
  }
  for (unsigned step = 0; step < steps; step++) {
    cp_async_wait<STAGES - 2>();
    __syncthreads();
    const unsigned next = step + STAGES - 1;
    if (next < steps) { LOAD(next) }
    cp_async_commit();
    const uint16_t *l = left[step % STAGES], *r = right[step % STAGES];
#pragma unroll
    for (unsigned k = 0; k < 32; k += 16) {
      uint32_t rows[2][4], columns[2][4];
#pragma unroll
      for (unsigned i = 0; i < 2; i++) ldmatrix_x4(rows[i], l + (warpRow + i * 16 + lane % 16) * LEFT_PITCH + k + lane / 16 * 8);
#pragma unroll
      for (unsigned j = 0; j < 2; j++) ldmatrix_x4_trans(columns[j], r + (k + lane % 16) * RIGHT_PITCH + warpColumn + j * 16 + lane / 16 * 8);
#pragma unroll
      for (unsigned i = 0; i < 2; i++)
#pragma unroll
        for (unsigned j = 0; j < 4; j++) {
          const uint32_t pair[2] = {columns[j / 2][j % 2 * 2], columns[j / 2][j % 2 * 2 + 1]};
          mma_m16n8k16_f16(sum[i][j], rows[i], pair);
        }
    }
  }
#pragma unroll
  for (unsigned i = 0; i < 2; i++)
#pragma unroll
    for (unsigned j = 0; j < 4; j++)
#pragma unroll
      for (unsigned e = 0; e < 4; e++)
        c[(size_t)(row + warpRow + i * 16 + lane / 4 + e / 2 * 8) * N + column + warpColumn + j * 8 + lane % 4 * 2 + e % 2] = sum[i][j][e];
}
