// Stacks that take turns on one thread of the operating system: a fiber runs until it gives its turn to another.

#pragma once

#include <stddef.h>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace tsdlc::emulator {

class Fiber {
 public:
  /// Starts afresh: the first turn calls `entry`, which must never return, on this stack.
  void prepare(void* stack, size_t bytes, void (*entry)());
  /// Called first by `entry`, for AddressSanitizer.
  static void arrived();
  /// Gives the turn of the fiber `from`, which is the running one, to `to`.
  static void turn(Fiber& from, Fiber& to);
  /// The same, and `from` will never run again.
  [[noreturn]] static void lastTurn(Fiber& from, Fiber& to);

 private:
#if defined(__x86_64__)
  void* stackPointer_ = nullptr;
#else
  ucontext_t context_;
#endif
  const void* stack_ = nullptr;
  size_t bytes_ = 0;
  void* fakeStack_ = nullptr;
};

}  // namespace tsdlc::emulator
