// Emitted CUDA as C++ for the CPU: what a kernel's text needs so that g++ compiles it. compile-kernels.sh puts this file
// in front of the text and defines TSDLC_EMULATED; nvcc and NVRTC never see it.
//
// A kernel's text holds no assembly: each feature of the hardware that C++ cannot say is one function. Their PTX forms
// are written by codegen under `#ifndef TSDLC_EMULATED`; these are their host forms.
//
//   function                                                               PTX
//   mma_m16n8k16_f16(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2])   mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32
//   mma_m16n8k16_bf16(same)                                                 mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32
//   mma_m16n8k8_tf32(same)                                                  mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32
//   ldmatrix_x4(u32 (&r)[4], const void *shared_row)                        ldmatrix.sync.aligned.m8n8.x4.shared.b16
//   ldmatrix_x4_trans(same)                                                 ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16
//   cp_async_16(void *shared, const void *global)                           cp.async.cg.shared.global [shared], [global], 16
//   cp_async_commit()                                                       cp.async.commit_group
//   cp_async_wait<N>()                                                      cp.async.wait_group N
//   pack_tf32(float) pack_f16(float, float) pack_bf16(float, float) -> u32  cvt.rna.tf32.f32, cvt.rn.f16x2.f32, cvt.rn.bf16x2.f32
//   dynamic_shared()                                                        extern __shared__, aligned to 1024 bytes
//   f16_to_f32(u16) f32_to_f16(float) bf16_to_f32(u16) f32_to_bf16(float)   cvt.f32.f16, cvt.rn.f16.f32, a shift, cvt.rn.bf16.f32
//
// What CUDA itself has is here under its own name: built-in variables, barriers, shuffles, atomics, vectors of 2 and 4,
// math (the host's C library), __float_as_uint and its kin. The types of stdint.h are there without an include.
//
// `d` of mma is accumulator and result. Addresses are generic pointers; the PTX forms convert them with
// __cvta_generic_to_shared. Whatever is the warp's (mma, ldmatrix, shuffles, votes) is called by all lanes.

#pragma once

#ifndef TSDLC_EMULATED
#error "cuda-on-cpu.h is for kernels compiled with -DTSDLC_EMULATED"
#endif

#include <float.h>
#include <limits.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "async-copy.h"
#include "atomics.h"
#include "half.h"
#include "image.h"
#include "tensor-core.h"
#include "thread.h"
#include "warp.h"

// `extern "C" __global__ void` makes a kernel visible to the loader. Shared memory is one section of the image, because
// an image runs one block at a time: the emulator can poison it, and knows which addresses are shared.
#define __global__ __attribute__((visibility("hidden")))
#define __device__
#define __host__
#define __constant__ static
#define __shared__ static __attribute__((section("cuda_shared")))
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(bytes) __attribute__((aligned(bytes)))

#define threadIdx (::tsdlc::emulator::self().index)
#define blockIdx (::tsdlc::emulator::self().block)
#define blockDim (::tsdlc::emulator::self().blockShape)
#define gridDim (::tsdlc::emulator::self().gridShape)

inline void __syncthreads(int line = __builtin_LINE()) { tsdlc::emulator::self().machine->barrier(line); }

/// Fences order memory between threads; here threads take turns, so there is nothing to order.
inline void __threadfence() {}
inline void __threadfence_block() {}

inline void* dynamic_shared() { return tsdlc::emulator::self().machine->dynamicShared(); }

#define TSDLC_VECTOR(type, name, bytes)                                                                        \
  struct __align__(2 * bytes) name##2 {                                                                        \
    type x, y;                                                                                                 \
  };                                                                                                           \
  struct __align__(4 * bytes > 16 ? 16 : 4 * bytes) name##4 {                                                  \
    type x, y, z, w;                                                                                           \
  };                                                                                                           \
  inline name##2 make_##name##2(type x, type y) { return {x, y}; }                                             \
  inline name##4 make_##name##4(type x, type y, type z, type w) { return {x, y, z, w}; }
TSDLC_VECTOR(float, float, 4)
TSDLC_VECTOR(int, int, 4)
TSDLC_VECTOR(unsigned, uint, 4)
TSDLC_VECTOR(unsigned short, ushort, 2)
TSDLC_VECTOR(double, double, 8)
TSDLC_VECTOR(signed char, char, 1)
TSDLC_VECTOR(unsigned char, uchar, 1)
TSDLC_VECTOR(long long, longlong, 8)
#undef TSDLC_VECTOR

// Overloads that CUDA has in the global namespace and C does not.
inline float max(float a, float b) { return fmaxf(a, b); }
inline float min(float a, float b) { return fminf(a, b); }
inline double max(double a, double b) { return fmax(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
#define TSDLC_INTEGER_ORDER(type)                           \
  inline type max(type a, type b) { return a > b ? a : b; } \
  inline type min(type a, type b) { return a < b ? a : b; }
TSDLC_INTEGER_ORDER(int)
TSDLC_INTEGER_ORDER(unsigned)
TSDLC_INTEGER_ORDER(long)
TSDLC_INTEGER_ORDER(unsigned long)
TSDLC_INTEGER_ORDER(long long)
TSDLC_INTEGER_ORDER(unsigned long long)
#undef TSDLC_INTEGER_ORDER

inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
inline float __fdividef(float a, float b) { return a / b; }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fsqrt_rn(float x) { return sqrtf(x); }
inline int __float2int_rn(float x) { return int(nearbyintf(x)); }
inline int __mulhi(int a, int b) { return int(int64_t(a) * b >> 32); }
inline unsigned __umulhi(unsigned a, unsigned b) { return unsigned(uint64_t(a) * b >> 32); }
inline int __popc(unsigned bits) { return __builtin_popcount(bits); }
inline int __clz(int bits) { return bits == 0 ? 32 : __builtin_clz(unsigned(bits)); }
inline int __ffs(int bits) { return __builtin_ffs(bits); }
template <typename T>
T __ldg(const T* address) {
  return *address;
}

// glibc declares functions of these names itself, without defining them for others.
inline float tsdlc_fast_expf(float x) { return expf(x); }
inline float tsdlc_fast_logf(float x) { return logf(x); }
inline float tsdlc_fast_powf(float x, float y) { return powf(x, y); }
inline float tsdlc_fast_sinf(float x) { return sinf(x); }
inline float tsdlc_fast_cosf(float x) { return cosf(x); }
#define __expf tsdlc_fast_expf
#define __logf tsdlc_fast_logf
#define __powf tsdlc_fast_powf
#define __sinf tsdlc_fast_sinf
#define __cosf tsdlc_fast_cosf
