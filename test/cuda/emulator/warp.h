// What the lanes of a warp do together without shared memory: shuffles and votes.
//
// Every one is a meeting of the lanes named in the mask. A lane that reads from one which takes no part gets bits of a
// NaN, where hardware gives whatever the register held.

#pragma once

#include <string.h>

#include "thread.h"

namespace tsdlc::emulator {

struct Exchange {
  uint64_t value;
  unsigned source;
};

inline void exchange(void* const operands[warpSize]) {
  uint64_t received[warpSize];
  for (unsigned lane = 0; lane < warpSize; lane++) {
    if (operands[lane] == nullptr) continue;
    const Exchange& own = *static_cast<const Exchange*>(operands[lane]);
    const void* from = operands[own.source % warpSize];
    received[lane] = from == nullptr ? ~uint64_t{0} : static_cast<const Exchange*>(from)->value;
  }
  for (unsigned lane = 0; lane < warpSize; lane++) {
    if (operands[lane] != nullptr) static_cast<Exchange*>(operands[lane])->value = received[lane];
  }
}

template <typename T>
T shuffle(const char* name, uint32_t mask, T value, unsigned source, int line) {
  static_assert(sizeof(T) <= sizeof(uint64_t), "a shuffle moves at most 8 bytes");
  Exchange own{0, source};
  memcpy(&own.value, &value, sizeof(T));
  self().machine->meet({name, line, mask, &own, exchange});
  memcpy(&value, &own.value, sizeof(T));
  return value;
}

struct Vote {
  bool says;
  uint32_t ballot;
};

inline void count(void* const operands[warpSize]) {
  uint32_t ballot = 0;
  for (unsigned lane = 0; lane < warpSize; lane++) {
    if (operands[lane] != nullptr && static_cast<const Vote*>(operands[lane])->says) ballot |= 1u << lane;
  }
  for (unsigned lane = 0; lane < warpSize; lane++) {
    if (operands[lane] != nullptr) static_cast<Vote*>(operands[lane])->ballot = ballot;
  }
}

inline uint32_t vote(const char* name, uint32_t mask, bool says, int line) {
  Vote own{says, 0};
  self().machine->meet({name, line, mask, &own, count});
  return own.ballot;
}

}  // namespace tsdlc::emulator

// Segments of `width` lanes, a power of two: a lane never reads outside of its own (CUDA C++ Programming Guide, warp
// shuffle functions). Up, down and xor give a lane its own value where the source would be outside.

template <typename T>
T __shfl_sync(uint32_t mask, T value, int source, int width = 32, int line = __builtin_LINE()) {
  const unsigned lane = tsdlc::emulator::self().lane(), segment = lane & ~(width - 1u);
  return tsdlc::emulator::shuffle("__shfl_sync", mask, value, segment | (source & (width - 1u)), line);
}

template <typename T>
T __shfl_up_sync(uint32_t mask, T value, unsigned delta, int width = 32, int line = __builtin_LINE()) {
  const unsigned lane = tsdlc::emulator::self().lane(), place = lane & (width - 1u);
  return tsdlc::emulator::shuffle("__shfl_up_sync", mask, value, place >= delta ? lane - delta : lane, line);
}

template <typename T>
T __shfl_down_sync(uint32_t mask, T value, unsigned delta, int width = 32, int line = __builtin_LINE()) {
  const unsigned lane = tsdlc::emulator::self().lane(), place = lane & (width - 1u);
  return tsdlc::emulator::shuffle("__shfl_down_sync", mask, value, place + delta < unsigned(width) ? lane + delta : lane, line);
}

template <typename T>
T __shfl_xor_sync(uint32_t mask, T value, int bits, int width = 32, int line = __builtin_LINE()) {
  const unsigned lane = tsdlc::emulator::self().lane(), source = lane ^ bits;
  // An earlier segment may be read, a later one may not.
  const bool later = (source & ~(width - 1u)) > (lane & ~(width - 1u));
  return tsdlc::emulator::shuffle("__shfl_xor_sync", mask, value, later ? lane : source, line);
}

inline uint32_t __ballot_sync(uint32_t mask, int says, int line = __builtin_LINE()) {
  return tsdlc::emulator::vote("__ballot_sync", mask, says != 0, line);
}

inline int __any_sync(uint32_t mask, int says, int line = __builtin_LINE()) {
  return tsdlc::emulator::vote("__any_sync", mask, says != 0, line) != 0;
}

inline int __all_sync(uint32_t mask, int says, int line = __builtin_LINE()) {
  return tsdlc::emulator::vote("__all_sync", mask, says == 0, line) == 0;
}

inline void __syncwarp(uint32_t mask = ~0u, int line = __builtin_LINE()) {
  tsdlc::emulator::self().machine->meet({"__syncwarp", line, mask, nullptr, nullptr});
}
