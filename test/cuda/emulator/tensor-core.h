// mma.sync and ldmatrix: matrices whose elements are spread over the registers of a warp.
//
// A fragment is spread as the PTX ISA says in "Matrix fragments for mma.m16n8k16 with floating point type" and
// "... mma.m16n8k8" (.tf32). With group = lane / 4 and place = lane % 4:
//
//   A, 16 bits   register i holds row group + 8 (i % 2), columns 2 place + 8 (i / 2) and the next, the lower one in the low half
//   B, 16 bits   register i holds rows 2 place + 8 i and the next, column group
//   A, tf32      register i holds row group + 8 (i % 2), column place + 4 (i / 2)
//   B, tf32      register i holds row place + 4 i, column group
//   C and D      register i holds row group + 8 (i / 2), column 2 place + i % 2
//
// Products are exact; sums are f32 in the order of k, where hardware sums several at once and truncates.

#pragma once

#include "half.h"
#include "thread.h"

namespace tsdlc::emulator {

struct MatrixOperands {
  float* d;
  const uint32_t* a;
  const uint32_t* b;
};

template <unsigned K>
void multiply(void* const operands[warpSize], const float (&a)[16][K], const float (&b)[K][8]) {
  for (unsigned lane = 0; lane < warpSize; lane++) {
    float* d = static_cast<const MatrixOperands*>(operands[lane])->d;
    for (unsigned i = 0; i < 4; i++) {
      const unsigned row = lane / 4 + 8 * (i / 2), column = 2 * (lane % 4) + i % 2;
      for (unsigned k = 0; k < K; k++) d[i] += a[row][k] * b[k][column];
    }
  }
}

template <float widen(uint16_t)>
void multiplyHalves(void* const operands[warpSize]) {
  float a[16][16], b[16][8];
  for (unsigned lane = 0; lane < warpSize; lane++) {
    const auto& own = *static_cast<const MatrixOperands*>(operands[lane]);
    const unsigned group = lane / 4, place = lane % 4;
    for (unsigned high = 0; high < 2; high++) {
      for (unsigned i = 0; i < 4; i++) a[group + 8 * (i % 2)][2 * place + 8 * (i / 2) + high] = widen(uint16_t(own.a[i] >> (16 * high)));
      for (unsigned i = 0; i < 2; i++) b[2 * place + 8 * i + high][group] = widen(uint16_t(own.b[i] >> (16 * high)));
    }
  }
  multiply<16>(operands, a, b);
}

/// The tensor core reads the upper 19 bits of a tf32 operand.
inline float asTf32(uint32_t bits) { return __uint_as_float(bits & 0xffffe000); }

inline void multiplyTf32(void* const operands[warpSize]) {
  float a[16][8], b[8][8];
  for (unsigned lane = 0; lane < warpSize; lane++) {
    const auto& own = *static_cast<const MatrixOperands*>(operands[lane]);
    const unsigned group = lane / 4, place = lane % 4;
    for (unsigned i = 0; i < 4; i++) a[group + 8 * (i % 2)][place + 4 * (i / 2)] = asTf32(own.a[i]);
    for (unsigned i = 0; i < 2; i++) b[place + 4 * i][group] = asTf32(own.b[i]);
  }
  multiply<8>(operands, a, b);
}

struct LoadOperands {
  const uint16_t* row;
  uint32_t* registers;
};

/// Lane 8 i + r names row r of matrix i; register i of a lane gets two neighbours of matrix i.
template <bool transposed>
void loadMatrices(void* const operands[warpSize]) {
  for (unsigned lane = 0; lane < warpSize; lane++) {
    const auto element = [&](unsigned matrix, unsigned row, unsigned column) {
      return uint32_t(static_cast<const LoadOperands*>(operands[8 * matrix + row])->row[column]);
    };
    const unsigned group = lane / 4, place = 2 * (lane % 4);
    for (unsigned i = 0; i < 4; i++) {
      const uint32_t low = transposed ? element(i, place, group) : element(i, group, place);
      const uint32_t high = transposed ? element(i, place + 1, group) : element(i, group, place + 1);
      static_cast<const LoadOperands*>(operands[lane])->registers[i] = low | high << 16;
    }
  }
}

template <bool transposed>
void loadMatrix(const char* name, uint32_t* registers, const void* row, int line) {
  Machine& machine = *self().machine;
  machine.checkShared(row, 16, 16, name, line);
  LoadOperands own{static_cast<const uint16_t*>(row), registers};
  machine.meet({name, line, ~0u, &own, loadMatrices<transposed>});
}

}  // namespace tsdlc::emulator

inline void mma_m16n8k16_f16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], int line = __builtin_LINE()) {
  tsdlc::emulator::MatrixOperands own{d, a, b};
  tsdlc::emulator::self().machine->meet({"mma_m16n8k16_f16", line, ~0u, &own, tsdlc::emulator::multiplyHalves<f16_to_f32>});
}

inline void mma_m16n8k16_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], int line = __builtin_LINE()) {
  tsdlc::emulator::MatrixOperands own{d, a, b};
  tsdlc::emulator::self().machine->meet({"mma_m16n8k16_bf16", line, ~0u, &own, tsdlc::emulator::multiplyHalves<bf16_to_f32>});
}

inline void mma_m16n8k8_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], int line = __builtin_LINE()) {
  tsdlc::emulator::MatrixOperands own{d, a, b};
  tsdlc::emulator::self().machine->meet({"mma_m16n8k8_tf32", line, ~0u, &own, tsdlc::emulator::multiplyTf32});
}

inline void ldmatrix_x4(uint32_t (&r)[4], const void* shared_row, int line = __builtin_LINE()) {
  tsdlc::emulator::loadMatrix<false>("ldmatrix_x4", r, shared_row, line);
}

inline void ldmatrix_x4_trans(uint32_t (&r)[4], const void* shared_row, int line = __builtin_LINE()) {
  tsdlc::emulator::loadMatrix<true>("ldmatrix_x4_trans", r, shared_row, line);
}
