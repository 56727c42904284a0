// One mma each, fragments read from memory element by element as the PTX ISA lays them out: A is row major, B is K by N,
// row major too.
static __device__ __forceinline__ uint32_t pair(uint16_t low, uint16_t high) { return (uint32_t)low | (uint32_t)high << 16; }

template <bool bf16>
static __device__ __forceinline__ void halves(const uint16_t *a, const uint16_t *b, float *c) {
  const unsigned group = threadIdx.x / 4, place = threadIdx.x % 4;
  uint32_t left[4], right[2];
  for (unsigned i = 0; i < 4; i++) {
    const uint16_t *at = a + (group + 8 * (i % 2)) * 16 + 2 * place + 8 * (i / 2);
    left[i] = pair(at[0], at[1]);
  }
  for (unsigned i = 0; i < 2; i++) {
    const uint16_t *at = b + (2 * place + 8 * i) * 8 + group;
    right[i] = pair(at[0], at[8]);
  }
  float sum[4];
  for (unsigned i = 0; i < 4; i++) sum[i] = c[(group + 8 * (i / 2)) * 8 + 2 * place + i % 2];
  if (bf16) mma_m16n8k16_bf16(sum, left, right);
  else mma_m16n8k16_f16(sum, left, right);
  for (unsigned i = 0; i < 4; i++) c[(group + 8 * (i / 2)) * 8 + 2 * place + i % 2] = sum[i];
}

extern "C" __global__ void __launch_bounds__(32) fragments_f16(const uint16_t *__restrict__ a, const uint16_t *__restrict__ b, float *__restrict__ c) {
  halves<false>(a, b, c);
}

extern "C" __global__ void __launch_bounds__(32) fragments_bf16(const uint16_t *__restrict__ a, const uint16_t *__restrict__ b, float *__restrict__ c) {
  halves<true>(a, b, c);
}

extern "C" __global__ void __launch_bounds__(32) fragments_tf32(const float *__restrict__ a, const float *__restrict__ b, float *__restrict__ c) {
  const unsigned group = threadIdx.x / 4, place = threadIdx.x % 4;
  uint32_t left[4], right[2];
  for (unsigned i = 0; i < 4; i++) left[i] = __float_as_uint(a[(group + 8 * (i % 2)) * 8 + place + 4 * (i / 2)]);
  for (unsigned i = 0; i < 2; i++) right[i] = __float_as_uint(b[(place + 4 * i) * 8 + group]);
  float sum[4];
  for (unsigned i = 0; i < 4; i++) sum[i] = c[(group + 8 * (i / 2)) * 8 + 2 * place + i % 2];
  mma_m16n8k8_tf32(sum, left, right);
  for (unsigned i = 0; i < 4; i++) c[(group + 8 * (i / 2)) * 8 + 2 * place + i % 2] = sum[i];
}
