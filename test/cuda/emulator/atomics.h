// Atomic functions of CUDA: each returns what was there before. Kernels of several streams run at once, so these are
// the host's atomics; on floats they compare and swap bits, as hardware without the instruction does.

#pragma once

#include <math.h>
#include <stdint.h>
#include <string.h>

namespace tsdlc::emulator {

/// Replaces *address by change(*address).
template <typename T, typename Change>
T replace(T* address, Change change) {
  T before = __atomic_load_n(address, __ATOMIC_RELAXED);
  while (!__atomic_compare_exchange_n(address, &before, change(before), true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
  return before;
}

template <typename T, typename Word, typename Change>
T replaceBits(T* address, Change change) {
  static_assert(sizeof(T) == sizeof(Word));
  const auto value = [](Word word) {
    T result;
    memcpy(&result, &word, sizeof result);
    return result;
  };
  return value(replace(reinterpret_cast<Word*>(address), [&](Word before) {
    const T after = change(value(before));
    Word word;
    memcpy(&word, &after, sizeof word);
    return word;
  }));
}

}  // namespace tsdlc::emulator

inline float atomicAdd(float* address, float value) {
  return tsdlc::emulator::replaceBits<float, uint32_t>(address, [=](float before) { return before + value; });
}
inline double atomicAdd(double* address, double value) {
  return tsdlc::emulator::replaceBits<double, uint64_t>(address, [=](double before) { return before + value; });
}
inline int atomicAdd(int* address, int value) { return __atomic_fetch_add(address, value, __ATOMIC_RELAXED); }
inline unsigned atomicAdd(unsigned* address, unsigned value) { return __atomic_fetch_add(address, value, __ATOMIC_RELAXED); }
inline unsigned long long atomicAdd(unsigned long long* address, unsigned long long value) {
  return __atomic_fetch_add(address, value, __ATOMIC_RELAXED);
}

inline int atomicMax(int* address, int value) {
  return tsdlc::emulator::replace(address, [=](int before) { return before > value ? before : value; });
}
inline unsigned atomicMax(unsigned* address, unsigned value) {
  return tsdlc::emulator::replace(address, [=](unsigned before) { return before > value ? before : value; });
}
inline int atomicMin(int* address, int value) {
  return tsdlc::emulator::replace(address, [=](int before) { return before < value ? before : value; });
}
inline unsigned atomicMin(unsigned* address, unsigned value) {
  return tsdlc::emulator::replace(address, [=](unsigned before) { return before < value ? before : value; });
}

inline int atomicExch(int* address, int value) { return __atomic_exchange_n(address, value, __ATOMIC_RELAXED); }
inline unsigned atomicExch(unsigned* address, unsigned value) { return __atomic_exchange_n(address, value, __ATOMIC_RELAXED); }

inline unsigned atomicCAS(unsigned* address, unsigned expected, unsigned value) {
  __atomic_compare_exchange_n(address, &expected, value, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
  return expected;
}
inline int atomicCAS(int* address, int expected, int value) {
  __atomic_compare_exchange_n(address, &expected, value, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
  return expected;
}
inline unsigned long long atomicCAS(unsigned long long* address, unsigned long long expected, unsigned long long value) {
  __atomic_compare_exchange_n(address, &expected, value, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
  return expected;
}

inline unsigned atomicOr(unsigned* address, unsigned value) { return __atomic_fetch_or(address, value, __ATOMIC_RELAXED); }
inline unsigned atomicAnd(unsigned* address, unsigned value) { return __atomic_fetch_and(address, value, __ATOMIC_RELAXED); }
inline unsigned atomicXor(unsigned* address, unsigned value) { return __atomic_fetch_xor(address, value, __ATOMIC_RELAXED); }
