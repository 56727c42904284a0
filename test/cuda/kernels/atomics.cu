// Totals over all blocks: a sum of floats, the largest and smallest integer, a histogram, and a maximum of floats by
// compare and swap.
extern "C" __global__ void __launch_bounds__(64)
atomics(const float *__restrict__ x, float *sum, int *bounds, unsigned *histogram, unsigned *largest, unsigned N) {
  const unsigned i = blockIdx.x * 64 + threadIdx.x;
  if (i >= N) return;
  const float value = x[i];
  atomicAdd(sum, value);
  atomicMax(&bounds[0], (int)value);
  atomicMin(&bounds[1], (int)value);
  atomicAdd(&histogram[(int)value & 7], 1u);
  unsigned seen = *largest;
  while (__uint_as_float(seen) < value) {
    const unsigned before = atomicCAS(largest, seen, __float_as_uint(value));
    if (before == seen) break;
    seen = before;
  }
}
