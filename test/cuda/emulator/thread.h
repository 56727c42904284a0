// A CUDA thread as the kernel sees it, and the machine below it.
//
// Each thread runs on a stack of its own whose size is a power of two and whose address is a multiple of that size; the
// thread's record lies at the lowest address. So a kernel finds its record by masking the address of its own frame, and
// needs no thread-local variable. All else that it asks of the machine goes through one table of virtual functions,
// so a compiled image has no undefined symbols: the same file loads under any build of the emulator.

#pragma once

#include <stddef.h>
#include <stdint.h>

namespace tsdlc::emulator {

struct Index3 {
  unsigned x, y, z;
};

constexpr unsigned warpSize = 32;

/// What the lanes of a warp do together: `act` sees the operands of all lanes, null for those that take no part.
struct Collective {
  const char* name;
  int line;
  uint32_t mask;
  void* operands;
  void (*act)(void* const operands[warpSize]);
};

/// Lines are those of the kernel's text; they tell one barrier from another, however the compiler copies code.
class Machine {
 public:
  virtual void barrier(int line) = 0;
  virtual void meet(const Collective& collective) = 0;
  virtual void copyAsynchronously(void* shared, const void* global, size_t bytes, int line) = 0;
  virtual void commitCopies() = 0;
  /// Returns when all groups of this thread's copies but the last `pending` are done.
  virtual void awaitCopies(unsigned pending) = 0;
  virtual void checkShared(const void* address, size_t bytes, size_t alignment, const char* user, int line) = 0;
  virtual void* dynamicShared() = 0;
  /// Ends the launch with this message.
  [[noreturn]] virtual void fault(const char* message, int line) = 0;

 protected:
  ~Machine() = default;
};

struct Thread {
  Machine* machine;
  Index3 index, block, blockShape, gridShape;
  /// Number within the block, x running fastest.
  unsigned number;
  unsigned lane() const { return number % warpSize; }
};

#ifdef TSDLC_SANITIZE
constexpr uintptr_t stackBytes = 256 * 1024;  // red zones make frames larger
#else
constexpr uintptr_t stackBytes = 64 * 1024;
#endif

inline __attribute__((always_inline)) Thread& self() {
  return *reinterpret_cast<Thread*>(reinterpret_cast<uintptr_t>(__builtin_frame_address(0)) & ~(stackBytes - 1));
}

}  // namespace tsdlc::emulator
