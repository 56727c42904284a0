// The machine's ceilings as kernels of our own ABI: fused multiply-adds that touch no memory, and copies that do
// nothing else. Compiled with the flags of the tier that the models are compiled for; VECTOR_BYTES is that tier's.

#include <stdint.h>
#include <string.h>

typedef float lanes __attribute__((vector_size(VECTOR_BYTES)));

// Enough independent sums to hide a latency of 5 cycles on 2 units, few enough for 16 registers.
enum { sums = 12, turns = 50000 };

// One item is 2 * sums * turns * (VECTOR_BYTES / 4) floating-point operations. `factors` is {multiplier, addend}: read
// from memory, so that the compiler knows nothing about them.
void fma_peak(void *const *buffers, const int64_t *dims, int64_t begin, int64_t end) {
  (void)dims;
  const float *const factors = buffers[0];
  float *const result = buffers[1];
  const lanes multiplier = factors[0] - (lanes){0}, addend = factors[1] - (lanes){0};
  for (int64_t item = begin; item < end; item++) {
    lanes sum[sums];
#pragma GCC unroll 12
    for (int i = 0; i < sums; i++) sum[i] = (float)i - (lanes){0};
    for (int turn = 0; turn < turns; turn++) {
#pragma GCC unroll 12
      for (int i = 0; i < sums; i++) sum[i] = sum[i] * multiplier + addend;
    }
    lanes total = sum[0];
#pragma GCC unroll 12
    for (int i = 1; i < sums; i++) total += sum[i];
    result[item] = total[0];
  }
}

// One item is this many floats: 256 KiB.
enum { block = 65536 };

// Each store first reads the line that it will overwrite: three transfers for two that are counted.
void copy_plain(void *const *buffers, const int64_t *dims, int64_t begin, int64_t end) {
  (void)dims;
  const lanes *const from = (const lanes *)((const float *)buffers[0] + begin * block);
  lanes *const to = (lanes *)((float *)buffers[1] + begin * block);
  const int64_t count = (end - begin) * block * 4 / VECTOR_BYTES;
  for (int64_t i = 0; i < count; i++) {
    to[i] = from[i];
    // Keeps the compiler from calling memcpy, which stores as it likes.
    __asm__ volatile("" ::: "memory");
  }
}

// Stores that go past the caches where the processor has them; the C library's choice elsewhere.
void copy_streaming(void *const *buffers, const int64_t *dims, int64_t begin, int64_t end) {
  (void)dims;
  const float *const from = (const float *)buffers[0] + begin * block;
  float *const to = (float *)buffers[1] + begin * block;
  const int64_t count = (end - begin) * block;
#if defined(__AVX512F__)
  for (int64_t i = 0; i < count; i += 16) __builtin_ia32_movntps512(to + i, *(const lanes *)(from + i));
  __builtin_ia32_sfence();
#elif defined(__AVX__)
  for (int64_t i = 0; i < count; i += 8) __builtin_ia32_movntps256(to + i, *(const lanes *)(from + i));
  __builtin_ia32_sfence();
#else
  memcpy(to, from, count * sizeof(float));
#endif
}
