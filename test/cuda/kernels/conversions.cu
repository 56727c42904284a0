// All of f16 and bf16 to f32, and floats to both: bits in, bits out.
extern "C" __global__ void __launch_bounds__(256) widen(uint32_t *__restrict__ f16, uint32_t *__restrict__ bf16) {
  const unsigned i = blockIdx.x * 256 + threadIdx.x;
  f16[i] = __float_as_uint(f16_to_f32((uint16_t)i));
  bf16[i] = __float_as_uint(bf16_to_f32((uint16_t)i));
}

extern "C" __global__ void __launch_bounds__(256) narrow(const float *__restrict__ x, uint16_t *__restrict__ f16, uint16_t *__restrict__ bf16, unsigned N) {
  const unsigned i = blockIdx.x * 256 + threadIdx.x;
  if (i >= N) return;
  f16[i] = f32_to_f16(x[i]);
  bf16[i] = f32_to_bf16(x[i]);
}
