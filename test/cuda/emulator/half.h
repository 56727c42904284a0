// f16 and bf16 as 16 bits, converted in integer arithmetic: no type of the host's compiler takes part, and a rounding
// that one of them does otherwise cannot hide. Narrowing rounds to nearest even; a NaN becomes 0x7fff, as the `cvt`
// instruction has it.

#pragma once

#include <stdint.h>
#include <string.h>

inline uint32_t __float_as_uint(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}
inline float __uint_as_float(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}
inline int __float_as_int(float value) { return int(__float_as_uint(value)); }
inline float __int_as_float(int bits) { return __uint_as_float(uint32_t(bits)); }
inline long long __double_as_longlong(double value) {
  long long bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}
inline double __longlong_as_double(long long bits) {
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

inline float bf16_to_f32(uint16_t bits) { return __uint_as_float(uint32_t(bits) << 16); }

inline uint16_t f32_to_bf16(float value) {
  const uint32_t bits = __float_as_uint(value);
  if ((bits & 0x7fffffff) > 0x7f800000) return 0x7fff;
  return uint16_t((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

inline float f16_to_f32(uint16_t half) {
  const uint32_t sign = uint32_t(half & 0x8000) << 16, exponent = (half >> 10) & 31, fraction = half & 0x3ff;
  if (exponent == 31) return __uint_as_float(sign | 0x7f800000 | fraction << 13);
  if (exponent != 0) return __uint_as_float(sign | (exponent + 112) << 23 | fraction << 13);
  if (fraction == 0) return __uint_as_float(sign);
  // Subnormal: fraction * 2^-24, normalized so that its highest bit becomes the hidden one.
  const uint32_t highest = 31 - uint32_t(__builtin_clz(fraction));
  return __uint_as_float(sign | (highest + 103) << 23 | ((fraction << (23 - highest)) & 0x7fffff));
}

inline uint16_t f32_to_f16(float value) {
  const uint32_t bits = __float_as_uint(value), sign = (bits >> 16) & 0x8000, magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return 0x7fff;
  if (magnitude >= 0x477ff000) return uint16_t(sign | 0x7c00);  // 65520, from which on the nearest is infinity
  if (magnitude >= 0x38800000) return uint16_t(sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >> 13) & 1)) >> 13));
  if (magnitude <= 0x33000000) return uint16_t(sign);  // 2^-25, half of the smallest: to even, which is 0
  // Subnormal: the 24 bits of the significand, shifted until the last place is 2^-24.
  const uint32_t significand = (magnitude & 0x7fffff) | 0x800000, shift = 126 - (magnitude >> 23);
  const uint32_t kept = significand >> shift, rest = significand & ((1u << shift) - 1), middle = 1u << (shift - 1);
  return uint16_t(sign | (kept + (rest > middle || (rest == middle && (kept & 1)))));
}

// Words of matrix factors: one tf32 rounded half away from zero, or two halves, the first lowest.
inline uint32_t pack_tf32(float value) {
  const uint32_t bits = __float_as_uint(value);
  return (bits & 0x7f800000) == 0x7f800000 ? bits : (bits + 0x1000) & 0xffffe000;
}
inline uint32_t pack_bf16(float low, float high) { return f32_to_bf16(low) | uint32_t(f32_to_bf16(high)) << 16; }
inline uint32_t pack_f16(float low, float high) { return f32_to_f16(low) | uint32_t(f32_to_f16(high)) << 16; }
